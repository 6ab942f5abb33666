"""What does drawing a scene cost beside applying its chain? `python benchmarks/scenes.py` writes scenes.json."""

import argparse
from pathlib import Path

import torch
from common import RESULTS, environment, pictures, side_by_side, write_json

from mechaug import Key
from mechaug.scenes import Scene, library
from mechaug.scenes.interventions import values_of
from mechaug.scenes.variable import descendants


def fifteen() -> Scene:
    """`driving` from the light on: fifteen variables and the same chain."""
    scene = library.driving()
    kept = descendants(
        scene.variables, ["illuminance_lux", "metering_error_ev", "visibility_m", "rain_mm_h", "distance_m"]
    ) - {"fog_share", "daylight_lux"}
    cut = scene.do(illuminance_lux=(1.0, 1e5)).variables
    return Scene(tuple(variable for variable in cut if variable.name in kept), scene.chain)


def main() -> None:
    """Time the variables, all draws and the chain of each ready scene."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--batch", type=int, default=512)
    parser.add_argument("--size", type=int, default=32)
    parser.add_argument("--runs", type=int, default=7)
    parser.add_argument("--out", type=Path, default=RESULTS / "scenes.json")
    given = parser.parse_args()
    x = pictures("signs", given.batch, given.size, "cpu").pictures
    key = Key(seed=0).at(torch.arange(given.batch))
    rows = []
    for make in (fifteen, library.driving, library.phone, library.object_crop, library.surveillance, library.drone):
        scene = make()
        params = scene.sample(key)
        taken = side_by_side(
            {
                "variables": lambda scene=scene: values_of(scene.variables, key),
                "draws": lambda scene=scene: scene.sample(key),
                "chain": lambda scene=scene, params=params: scene.apply(x, params),
            },
            runs=given.runs,
        )
        chain = taken["chain"].median_s
        rows.append(
            {
                "scene": make.__name__,
                "variable_count": len(scene.variables),
                "mechanism_count": len(scene.chain.mechanisms),
                "variables_over_chain": taken["variables"].median_s / chain,
                "draws_over_chain": taken["draws"].median_s / chain,
                **taken,
            }
        )
        print(f"{make.__name__:>14}: all draws {rows[-1]['draws_over_chain']:.1%} of the chain", flush=True)
    record = {
        "question": "seconds to draw a scene's variables, all its draws, and to apply its chain",
        "batch": [given.batch, 3, given.size, given.size],
        "runs": given.runs,
        "environment": environment("cpu", ("torch", "numpy")),
        "rows": rows,
    }
    write_json(given.out, record)


if __name__ == "__main__":
    main()

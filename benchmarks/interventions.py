"""Which augmentations simulate an intervention on the light's colour? Writes interventions.json."""

import argparse
import dataclasses
from collections.abc import Mapping
from pathlib import Path

from common import RESULTS, environment, write_json

from mechaug.data import signs
from mechaug.evaluation.intervention import intervention_report
from mechaug.heuristics.augmix import AugMix
from mechaug.mechanisms import Illuminant, Mechanism
from mechaug.scenes import library

SCENE = library.relighting()
AUGMENTATIONS: Mapping[str, Mechanism] = {
    "scene-do": SCENE.do(illuminant_mired=(100.0, 400.0)),
    "shift of the light": Illuminant(),
    "augmix": AugMix(),
    "nothing": Illuminant(mired=153.75, tint_duv=0.0),
}


def main() -> None:
    """Measure the five criteria for each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--confounding", type=float, default=0.95)
    parser.add_argument("--pictures", type=int, default=300)
    parser.add_argument("--out", type=Path, default=RESULTS / "interventions.json")
    given = parser.parse_args()
    tied = signs(given.pictures, 0, confounding=given.confounding)
    rows = []
    for name, augmentation in AUGMENTATIONS.items():
        report = intervention_report(augmentation, SCENE, tied, count=given.pictures)
        print(f"{name}\n{report.text()}", flush=True)
        rows.append({**dataclasses.asdict(report), "augmentation": name, "holds": report.holds})
    record = {
        "question": "which criteria of an intervention on the light's colour each augmentation meets",
        "confounding": given.confounding,
        "environment": environment("cpu", ("torch", "numpy")),
        "reports": rows,
    }
    write_json(given.out, record)


if __name__ == "__main__":
    main()

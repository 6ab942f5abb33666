"""Pictures per second of every heuristic beside what people use, with operators and parameters drawn per picture.

    python benchmarks/heuristics.py --small cifar10:PATH --large folder:PATH

Every contender draws and applies. A goal is a number of times a rival's speed: as measured in the same run, and as
stated where it was measured once. A rival that cannot be installed has its stated figure only; beside it stands that
figure scaled to this machine's quickness now, by a rival that is both stated and measured, in turns with the row.
"""

import argparse
from functools import partial
from pathlib import Path
from typing import Any

import torch
from common import RESULTS, Batch, environment, pictures, side_by_side, write_json
from throughput import FEWER, LIBRARIES, SIZES, spread

from heuristics_table import ROWS, Row

YARDSTICK = next(row for row in ROWS if row.name == "AugMix")
"""Its first peer says how quick the machine is now: it is stated and can be measured."""


def measure(row: Row, size: int, batch: Batch, options: argparse.Namespace, missing: dict[str, str]) -> dict[str, Any]:
    """One heuristic at one size, beside its peers."""
    few = Batch(batch.pictures[: FEWER[size]], batch.arrays[: FEWER[size]])
    contenders, counts = {"mechaug": partial(row.prepare(size), batch)}, {"mechaug": len(batch.pictures)}
    peers = {}
    installed = row.goal is None or row.goal.peer is not None
    rivals = row.peers if installed else (*row.peers, YARDSTICK.peers[0])
    for peer in rivals if options.device == "cpu" else ():
        label, given = f"{peer.library} {peer.operation}", batch if peer.library == "kornia" else few
        try:
            run = peer.prepare(size)
            run(given)
        except Exception as problem:  # any way in which a library may fail
            missing[label] = f"{type(problem).__name__}: {problem}"[:200]
            continue
        contenders[label], counts[label], peers[label] = partial(run, given), len(given.pictures), peer
    times = side_by_side(contenders, runs=options.runs, device=options.device)
    speed = {label: counts[label] / timing.median_s for label, timing in times.items()}
    record = {
        "name": row.name,
        "per_s": speed["mechaug"],
        "spread": spread(times["mechaug"]),
        "peers": [
            {
                "library": peer.library,
                "operation": peer.operation,
                "per_s": speed[label],
                "spread": spread(times[label]),
            }
            for label, peer in peers.items()
        ],
    }
    text = "  ".join(f"{label} {speed[label]:,.0f}" for label in peers)
    print(f"{size:4} {row.name:20} {speed['mechaug']:10,.0f}/s  {text}", flush=True)
    return record


def judged(row: Row, size: int, record: dict[str, Any]) -> dict[str, Any]:
    """A row's goal beside what was reached: against the rival of this run, and against its stated figure."""
    goal = row.goal
    if goal is None:
        return record
    stated, measured = goal.stated.get(size), goal.peer or YARDSTICK.peers[0].operation
    rivals = [peer["per_s"] for peer in record["peers"] if peer["operation"] == measured]
    verdict: dict[str, Any] = {"times": goal.times}
    if goal.peer is None and rivals and stated and YARDSTICK.goal is not None:
        verdict["quickness"] = rivals[0] / YARDSTICK.goal.stated[size]
        rivals = [stated * verdict["quickness"]]
    if rivals:
        verdict |= {"rival_per_s": rivals[0], "reached": record["per_s"] / rivals[0], "scaled": goal.peer is None}
    if stated:
        verdict |= {"stated_per_s": stated, "reached_of_stated": record["per_s"] / stated}
    print(f"{size:4} {row.name:20} goal {goal.times:g}×: {verdict}", flush=True)
    return record | {"goal": verdict}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--small", default="signs", help="pictures at 32×32, such as cifar10:PATH")
    parser.add_argument("--large", default="signs", help="pictures at 224×224, such as folder:PATH")
    parser.add_argument("--runs", type=int, default=7, help="timed rounds")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--only", nargs="*", default=None, help="names of heuristics")
    parser.add_argument("--sizes", nargs="*", type=int, default=list(SIZES))
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--out", type=Path, default=None, help="by default beside the other results of this version")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    missing: dict[str, str] = {}
    sizes = {}
    for size in options.sizes:
        source = options.small if size == 32 else options.large
        batch = pictures(source, SIZES[size], size, options.device)
        chosen = [row for row in ROWS if size in row.sizes and (options.only is None or row.name in options.only)]
        rows = [judged(row, size, measure(row, size, batch, options, missing)) for row in chosen]
        sizes[size] = {"batch": list(batch.pictures.shape), "pictures": source.partition(":")[0], "rows": rows}
    record = {
        "environment": environment(options.device, LIBRARIES),
        "runs": options.runs,
        "left_out": missing,
        "sizes": sizes,
    }
    out = options.out or RESULTS / f"heuristics-{options.device}.json"
    if options.only is None or options.out:
        write_json(out, record)
        print(f"written: {out}")
    for label, reason in missing.items():
        print(f"left out: {label} ({reason})")


if __name__ == "__main__":
    main()

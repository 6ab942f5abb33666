"""Seconds per 1,000 pictures of every common corruption at severity 3, beside the best package that can be installed.

    python benchmarks/corruptions.py --small cifar10:PATH --large folder:PATH

The peer is `imagecorruptions` in its maintained fork (`pip install imagecorruptions-imaug`), which works picture by
picture and knows ImageNet-C's strengths only. Both take turns, corruption by corruption. C̄'s original code cannot be
installed: the seconds that were once measured for it are scaled by what this machine takes for the peer, measured there
as well.
"""

import argparse
import warnings
from collections.abc import Callable

import torch
from common import RESULTS, environment, side_by_side, write_json

from mechaug.data.sources import load
from mechaug.evaluation.corruptions import EXTRA_NAMES, NAMES, bar_names, corrupt, profile_of
from mechaug.keys import Key
from mechaug.types import Bytes

SEVERITY = 3
LIBRARIES = ("torch", "numpy", "pillow", "imagecorruptions-imaug", "opencv-python-headless", "scikit-image")
# How many pictures we take at once, and how many the peer is given: its time per picture hangs on no number.
OURS, THEIRS = {32: 1000, 224: 56}, {32: 24, 224: 4}

# Seconds per 1,000 pictures on two cores of one machine, all at severity 3: the ten of C̄ for CIFAR-10 by their authors'
# scripts, and the peer's fifteen.
ORIGINAL_BAR_S, PEER_THEN_S = 293.0, {32: 18.3, 224: 272.0}
GOALS = {32: 9.0, 224: 4.0}
BAR_GOAL = 50.0


def pictures(stored: Bytes, count: int) -> Bytes:
    """The first of some pictures, repeated if there are fewer."""
    return stored[torch.arange(count) % len(stored)]


def ours(x: Bytes, name: str, device: str) -> Callable[[], object]:
    """A corruption of ours, draws included."""
    x, key = x.to(device), Key(0).at(torch.arange(len(x), device=device))
    return lambda: corrupt(x, name, SEVERITY, key)


def theirs(x: Bytes, name: str) -> Callable[[], object]:
    """The peer's, picture by picture."""
    from imagecorruptions import corrupt as corrupt_one

    arrays = [picture.permute(1, 2, 0).contiguous().numpy() for picture in x]
    return lambda: [corrupt_one(array, SEVERITY, corruption_name=name) for array in arrays]


def measure(source: str, size: int, device: str, runs: int, peers: bool) -> dict[str, object]:
    """All corruptions at one size."""
    data = load(source, image_size=size, train_size=0, test_size=500)
    own, few = pictures(data.test.pixels, OURS[size]), pictures(data.test.pixels, THEIRS[size])
    rows = []
    for suite, names in (("C", NAMES), ("C, held out", EXTRA_NAMES), ("C̄", bar_names(profile_of(size, size)))):
        for name in names:
            contenders = {"mechaug": ours(own, name, device)}
            if peers and suite == "C":
                contenders["imagecorruptions"] = theirs(few, name)
            times = side_by_side(contenders, runs=runs, device=device)
            row = {"name": name, "suite": suite, "mechaug_s": 1000 * times["mechaug"].median_s / len(own)}
            if "imagecorruptions" in times:
                row["imagecorruptions_s"] = 1000 * times["imagecorruptions"].median_s / len(few)
            rows.append(row)
            print(f"{size:4d} {name:34s}", *(f"{key} {value:.3f}" for key, value in row.items() if key.endswith("_s")))
    totals = {suite: sum(row["mechaug_s"] for row in rows if row["suite"] == suite) for suite in ("C", "C̄")}
    result: dict[str, object] = {
        "pictures": data.name, "ours_at_once": len(own), "theirs": len(few), "rows": rows,
        "total_s": {f"mechaug, {suite}": total for suite, total in totals.items()},
    }  # fmt: skip
    if peers:
        peer = sum(row["imagecorruptions_s"] for row in rows if "imagecorruptions_s" in row)
        result["total_s"] |= {"imagecorruptions, C": peer}  # type: ignore[operator]
        result["times_as_fast"] = {"C": peer / totals["C"], "goal": GOALS[size]}
        if size == 32:
            original = ORIGINAL_BAR_S * peer / PEER_THEN_S[size]
            result["total_s"] |= {"original code, C̄, scaled": original}  # type: ignore[operator]
            result["times_as_fast"] |= {"C̄": original / totals["C̄"], "goal for C̄": BAR_GOAL}  # type: ignore[operator]
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--small", required=True, help="pictures of 32 pixels, such as cifar10:PATH")
    parser.add_argument("--large", required=True, help="pictures that become 224 pixels, such as folder:PATH")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--runs", type=int, default=5)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    warnings.simplefilter("ignore")  # the peer's
    peers = options.device == "cpu"
    record = {
        "what": f"seconds per 1,000 pictures at severity {SEVERITY}",
        "runs": options.runs,
        "original_bar_s_as_stated": ORIGINAL_BAR_S,
        "imagecorruptions_s_as_stated": {str(size): seconds for size, seconds in PEER_THEN_S.items()},
        "environment": environment(options.device, LIBRARIES),
        "sizes": {
            str(size): measure(source, size, options.device, options.runs, peers)
            for size, source in ((32, options.small), (224, options.large))
        },
    }
    kind = "cuda" if options.device.startswith("cuda") else "cpu"
    write_json(RESULTS / f"corruptions-{kind}.json", record)
    print(f"written: {RESULTS / f'corruptions-{kind}.json'}")


if __name__ == "__main__":
    main()

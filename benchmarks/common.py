"""What every benchmark shares: timing side by side, real pictures, where it ran, and the file it writes."""

import dataclasses
import json
import os
import platform
import shutil
import statistics
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from mechaug.data.sources import load
from mechaug.files import write_bytes
from mechaug.version import VERSION

RESULTS = Path(__file__).resolve().parent / "results" / VERSION


@dataclass(frozen=True)
class Batch:
    """The same pictures as the libraries want them: float32 (b, 3, h, w) in [0, 1], and uint8 (h, w, 3) each."""

    pictures: Tensor
    arrays: Sequence[np.ndarray]


def pictures(source: str, count: int, size: int, device: str) -> Batch:
    """The first pictures of a data set for testing, repeated if there are fewer."""
    stored = load(source, image_size=size, train_size=0).test.pixels
    chosen = stored[torch.arange(count) % len(stored)]
    return Batch(
        pictures=(chosen.float() / 255).to(device),
        arrays=[picture.permute(1, 2, 0).contiguous().numpy() for picture in chosen],
    )


@dataclass(frozen=True)
class Timing:
    """Seconds of one call: the median of the runs, and the fastest and slowest run."""

    median_s: float
    fastest_s: float
    slowest_s: float


def side_by_side(
    contenders: Mapping[str, Callable[[], object]], *, runs: int, device: str = "cpu", least_s: float = 0.2
) -> dict[str, Timing]:
    """Time several functions in turns, round by round, so that a noisy machine is noisy for all of them.

    Args:
        contenders: by name.
        runs: timed rounds after two that warm up.
        device: "cuda" times with the device's own events.
        least_s: a run repeats a fast function until it has lasted about this long: the first call after other
            contenders finds cold caches and takes up to half as long again.
    """
    repeats: dict[str, int] = {}
    for name, call in contenders.items():
        call()
        repeats[name] = max(1, round(least_s / max(1e-6, _seconds(call, 1, device))))
    taken: dict[str, list[float]] = {name: [] for name in contenders}
    for _ in range(runs):
        for name, call in contenders.items():
            taken[name].append(_seconds(call, repeats[name], device))
    return {name: Timing(statistics.median(s), min(s), max(s)) for name, s in taken.items()}


def _seconds(call: Callable[[], object], repeats: int, device: str) -> float:
    if device == "cuda":
        begin, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
        begin.record()
        for _ in range(repeats):
            call()
        end.record()
        torch.cuda.synchronize()
        return begin.elapsed_time(end) / 1e3 / repeats
    start = time.perf_counter()
    for _ in range(repeats):
        call()
    return (time.perf_counter() - start) / repeats


def environment(device: str, libraries: Sequence[str]) -> dict[str, object]:
    """Where and with what a benchmark ran."""
    versions = {}
    for library in libraries:
        try:
            versions[library] = metadata.version(library)
        except metadata.PackageNotFoundError:
            versions[library] = None
    root = Path(__file__).resolve().parent
    command = ["git", "describe", "--always", "--dirty"]
    # Where the code was copied to, there may be neither a repository nor git.
    git = shutil.which("git")
    commit = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False).stdout if git else ""
    return {
        "mechaug": VERSION,
        "commit": commit.strip() or None,
        "date": time.strftime("%Y-%m-%d"),
        "python": platform.python_version(),
        "processor": _processor(),
        "threads": torch.get_num_threads(),
        "cores": os.cpu_count(),
        # More than the threads that were asked for: other work took part of the time.
        "load": os.getloadavg()[0],
        "device": torch.cuda.get_device_name() if device == "cuda" else "cpu",
        "libraries": versions,
    }


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor()


def write_json(path: Path, record: object) -> None:
    """Write a result, whole or not at all; numbers keep four significant digits."""

    def plain(value: object) -> object:
        if dataclasses.is_dataclass(value) and not isinstance(value, type):
            return plain(dataclasses.asdict(value))
        if isinstance(value, Mapping):
            return {key: plain(inner) for key, inner in value.items()}
        if isinstance(value, list | tuple):
            return [plain(inner) for inner in value]
        return float(f"{value:.4g}") if isinstance(value, float) else value

    path.parent.mkdir(parents=True, exist_ok=True)
    write_bytes(path, (json.dumps(plain(record), indent=1, ensure_ascii=False) + "\n").encode())

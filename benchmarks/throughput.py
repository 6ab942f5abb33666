"""Pictures per second of every mechanism and of whole chains, beside what people use, in one run.

    python benchmarks/throughput.py --small cifar10:PATH --large folder:PATH
    python benchmarks/throughput.py --small npz:FILE --large npz:FILE --device cuda

Every contender draws its parameters and applies them. A mechanism takes and returns stored sRGB values, so it pays for
two conversions to linear light; `transform_per_s` is what it costs in a chain, where these are shared. On a GPU times
are those of the device's events, and each is set against the time in which the device copies the batch. The peers are
installed by `pip install kornia==0.9.0 albumentations==2.0.8 imagecorruptions-imaug timm torchvision "setuptools<81"`;
what cannot be imported is named in the result and left out.
"""

import argparse
import ctypes
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch
from common import RESULTS, Batch, Timing, environment, pictures, side_by_side, write_json
from peers import PEERS, Peer, Run
from torch import Tensor

from mechaug.heuristics import AugMix
from mechaug.keys import Key
from mechaug.mechanisms import CHAIN_ORDER, VIEWS, Chain, Mechanism, View, presets, to_light, to_picture
from mechaug.memory import portion
from mechaug.reports.show import seen_by

SIZES = {32: 512, 224: 32}
LIBRARIES = ("torch", "kornia", "torchvision", "albumentations", "imagecorruptions-imaug", "timm", "pillow", "numpy")
LEAST_S = {"cpu": 0.2, "cuda": 0.01}
"""How long a run lasts at least, seconds."""
# One by one, libraries take as long per picture in a small batch as in a large one.
FEWER = {32: 64, 224: 8}


def view_of(size: int) -> View:
    """At 32 pixels an object cut out of a photograph, at 224 a photograph."""
    return VIEWS["object"] if size == 32 else VIEWS["photograph"]


def chains(size: int) -> dict[str, Mechanism]:
    """The whole chains that are timed."""
    view = view_of(size)
    named: dict[str, Mechanism] = {
        "full chain": presets.eight_stages(view),
        "every mechanism": Chain(*(seen_by(cls(), view) for cls in CHAIN_ORDER)),
        "AugMix (mechaug)": AugMix(),
    }
    named.update({f"preset {name}": presets.camera(name) for name in VIEWS})
    return named


def ours(mechanism: Mechanism, batch: Batch, device: str) -> dict[str, Callable[[], object]]:
    """Draw and apply; and what a chain pays: the transform alone, in its own domain, without slices."""
    key = Key(0).at(torch.arange(len(batch.pictures)))
    params = mechanism.sample(key).to(device)

    def whole() -> object:
        with torch.no_grad():
            return mechanism(batch.pictures, key)

    x = to_light(batch.pictures) if mechanism.domain == "light" else batch.pictures
    parts = [(x[part], params.map(lambda t, part=part: t[part])) for part in in_parts(x, mechanism.shares)]

    def alone() -> None:
        with torch.no_grad():
            for part, own in parts:
                mechanism.transform(part, own)

    def draw() -> object:
        return mechanism.sample(key)

    return {"mechaug": whole, "transform": alone, "sample": draw}


def in_parts(x: Tensor, shares: int = 1) -> list[slice]:
    """Parts of a batch as large as those that `apply` works on."""
    step = portion(x, shares)
    return [slice(start, start + step) for start in range(0, len(x), step)]


def conversions_per_s(batch: Batch, options: argparse.Namespace) -> float:
    """Pictures per second to light and back: what no mechanism of light can exceed outside of a chain."""
    parts = [batch.pictures[part] for part in in_parts(batch.pictures)]

    def both() -> None:
        for part in parts:
            to_picture(to_light(part))

    times = side_by_side({"both": both}, runs=options.runs, device=options.device, least_s=LEAST_S[options.device])
    return len(batch.pictures) / times["both"].median_s


def compiled(mechanism: Mechanism, batch: Batch, runs: int) -> dict[str, float]:
    """What `torch.compile` makes of the transform: pictures per second, eager and compiled, and its cost."""
    x = batch.pictures[: max(1, 2**20 // batch.pictures[0].numel())]
    params = mechanism.sample(Key(0).at(torch.arange(len(x))))
    x = to_light(x) if mechanism.domain == "light" else x
    torch.compiler.reset()
    made = torch.compile(mechanism.transform, fullgraph=True)
    with torch.no_grad():
        start = time.perf_counter()
        made(x, params)
        spent = time.perf_counter() - start
        both = {"eager": lambda: mechanism.transform(x, params), "compiled": lambda: made(x, params)}
        times = side_by_side(both, runs=runs)
    return {name: len(x) / timing.median_s for name, timing in times.items()} | {"seconds_to_compile": spent}


def prepared(name: str, size: int, device: str, missing: dict[str, str]) -> list[tuple[Peer, Run]]:
    """The peers of one mechanism that can be run here; on a GPU only those that work on batches."""
    found = []
    for peer in PEERS:
        if peer.against == name and (device == "cpu" or peer.batched):
            try:
                found.append((peer, peer.prepare(size)))
            except Exception as problem:  # any way in which a library may fail to load
                missing[f"{peer.library} {peer.operation}"] = f"{type(problem).__name__}: {problem}"[:200]
    return found


def measure(
    name: str, mechanism: Mechanism, batch: Batch, options: argparse.Namespace, missing: dict[str, str]
) -> dict[str, object]:
    """One row of the result."""
    size, count = batch.pictures.shape[-1], len(batch.pictures)
    few = Batch(batch.pictures[: FEWER[size]], batch.arrays[: FEWER[size]])
    contenders, counts, peers = ours(mechanism, batch, options.device), {}, {}
    for peer, run in prepared(name, size, options.device, missing):
        label = f"{peer.library} {peer.operation}"
        given = batch if peer.batched else few
        try:
            run(given)
        except Exception as problem:  # likewise
            missing[label] = f"{type(problem).__name__}: {problem}"[:200]
            continue
        contenders[label], counts[label] = partial(run, given), len(given.pictures)
        peers[label] = peer
    times = side_by_side(contenders, runs=options.runs, device=options.device, least_s=LEAST_S[options.device])
    rows = [
        {"library": peer.library, "operation": peer.operation, "batched": peer.batched, "rival": peer.rival,
         "per_s": counts[label] / times[label].median_s, "spread": spread(times[label])}
        for label, peer in peers.items()
    ]  # fmt: skip
    best = max((row["per_s"] for row in rows), default=None)
    rivals = [row["per_s"] for row in rows if row["rival"]]
    mine = count / times["mechaug"].median_s
    record: dict[str, object] = {
        "name": name,
        "per_s": mine,
        "spread": spread(times["mechaug"]),
        "transform_per_s": count / times["transform"].median_s,
        "sample_share": times["sample"].median_s / times["mechaug"].median_s,
        "ratio_to_best_rival": mine / max(rivals) if rivals else None,
        "ratio_to_best": mine / best if best else None,
        "peers": rows,
    }
    if options.device == "cuda":
        # What a copy of the batch takes at the device's bandwidth: read once, written once.
        copy_s = 2 * batch.pictures.nbytes / options.copy_bytes_per_s
        record["share_of_copy_bandwidth"] = copy_s / times["mechaug"].median_s
        record["transform_share_of_copy_bandwidth"] = copy_s / times["transform"].median_s
        record["peak_memory_in_batches"] = peak_memory_on_device(mechanism, batch)
    if options.compile and name in {type(stage).__name__ for stage in presets.eight_stages(View()).mechanisms}:
        record["compiled"] = compiled(mechanism, batch, options.runs)
        print(f"compiled: {record['compiled']}", flush=True)
    text = "  ".join(f"{row['library']} {row['operation']} {row['per_s']:,.0f}" for row in rows)
    share = f"  {record['share_of_copy_bandwidth']:.1%} of a copy" if options.device == "cuda" else ""
    print(
        f"{size:4} {name:18} {mine:10,.0f}/s  transform {record['transform_per_s']:10,.0f}/s{share}  {text}", flush=True
    )
    return record


def spread(timing: Timing) -> float:
    """How far the slowest run is from the fastest, as a share of the median: what the machine's noise was."""
    return (timing.slowest_s - timing.fastest_s) / timing.median_s


def copy_bandwidth() -> float:
    """Bytes per second that the device reads and writes when it copies half a gigabyte: far more than its cache."""
    source = torch.zeros(2**27, device="cuda")
    target = torch.empty_like(source)
    times = side_by_side({"copy": lambda: target.copy_(source)}, runs=20, device="cuda", least_s=0.01)
    return 2 * source.nbytes / times["copy"].median_s


def peak_memory_on_device(mechanism: Mechanism, batch: Batch) -> float:
    """The most memory that is held on the device at once, beyond what was there before, in sizes of the batch."""
    key = Key(0).at(torch.arange(len(batch.pictures)))
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    with torch.no_grad():
        mechanism(batch.pictures, key)
    return (torch.cuda.max_memory_allocated() - before) / batch.pictures.nbytes


def peak_memory(size: int, source: str) -> float:
    """Peak memory of the full chain on one batch, in sizes of the batch, measured in a process of its own."""
    call = [sys.executable, __file__, "--memory-of", str(size), "--small", source, "--large", source]
    return float(subprocess.run(call, capture_output=True, text=True, check=True).stdout.splitlines()[-1])


def own_peak_memory(size: int, source: str) -> float:
    """In this process: the highest resident memory while the chain works, beyond what was there before."""
    batch = pictures(source, SIZES[size], size, "cpu").pictures
    chain, key = presets.eight_stages(view_of(size)), Key(0).at(torch.arange(SIZES[size]))
    chain(batch[:2], Key(0).at([0, 1]))  # what is loaded once
    # What was freed and is still held would be used again and not be seen.
    ctypes.CDLL("libc.so.6").malloc_trim(0)
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    before = _status("VmRSS")
    chain(batch, key)
    return (_status("VmHWM") - before) * 1024 / (batch.numel() * 4)


def _status(name: str) -> int:
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return int(next(line for line in lines if line.startswith(name)).split()[1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--small", default="signs", help="pictures at 32×32, such as cifar10:PATH")
    parser.add_argument("--large", default="signs", help="pictures at 224×224, such as folder:PATH")
    parser.add_argument("--runs", type=int, default=9, help="timed rounds")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--only", nargs="*", default=None, help="names of mechanisms or chains")
    parser.add_argument("--sizes", nargs="*", type=int, default=list(SIZES))
    parser.add_argument("--compile", action="store_true", help="time torch.compile on the eight stages, too")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--times", type=int, default=1, help="batches so many times as large, for a GPU")
    parser.add_argument("--out", type=Path, default=None, help="by default beside the other results of this version")
    parser.add_argument("--memory-of", type=int, default=None, help=argparse.SUPPRESS)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    if options.memory_of:
        print(own_peak_memory(options.memory_of, options.small))
        return
    if options.device == "cpu" and options.only is None:
        memory = {size: peak_memory(size, options.small if size == 32 else options.large) for size in options.sizes}
    else:
        memory = None
    try:
        import cv2

        cv2.setNumThreads(options.threads)
    except ImportError:
        pass
    options.copy_bytes_per_s = copy_bandwidth() if options.device == "cuda" else None
    missing: dict[str, str] = {}
    sizes = {}
    for size in options.sizes:
        source = options.small if size == 32 else options.large
        batch = pictures(source, SIZES[size] * options.times, size, options.device)
        everything = {cls.__name__: seen_by(cls(), view_of(size)) for cls in CHAIN_ORDER} | chains(size)
        rows = [
            measure(name, mechanism, batch, options, missing)
            for name, mechanism in everything.items()
            if options.only is None or name in options.only
        ]
        sizes[size] = {
            "batch": list(batch.pictures.shape),
            "pictures": source.partition(":")[0],
            "conversions_per_s": conversions_per_s(batch, options),
            "rows": rows,
        }
    record = {
        "environment": environment(options.device, LIBRARIES),
        "runs": options.runs,
        "peak_memory_in_batches": memory,
        "copy_bytes_per_s": options.copy_bytes_per_s,
        "left_out": missing,
        "sizes": sizes,
    }
    out = options.out or RESULTS / f"throughput-{options.device}.json"
    if options.only is None or options.out:
        write_json(out, record)
        print(f"written: {out}")
    for label, reason in missing.items():
        print(f"left out: {label} ({reason})")


if __name__ == "__main__":
    main()

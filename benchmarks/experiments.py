"""What was tried on the way to the mechanistic recipe, and what it gave: losses included.

    python benchmarks/experiments.py --data cifar10:PATH --arms augmix-jsd band-jsd --seeds 0 --epochs 10
    python benchmarks/experiments.py --page            # docs/experiments.md from the results that are there

Every arm trains the same net on the same pictures and is judged on pictures held out of the training split, under
corruptions at severities 1, 3 and 5: the test split is never looked at here, so that a recipe chosen by these figures
can be measured on it honestly. One run is one small JSON file, so that runs may be spread over processes.
"""

import argparse
import json
import statistics
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import torch
from common import RESULTS, environment, write_json
from experiment_arms import ARMS
from torch import Tensor, nn

from mechaug.data.pictures import Pictures
from mechaug.data.sources import load
from mechaug.evaluation.corruptions import NAMES, bar_names, corrupt, profile_of
from mechaug.files import write_file, write_text
from mechaug.heuristics.basic import FlipCrop
from mechaug.keys import Key
from mechaug.training import nets
from mechaug.training.engine import fit
from mechaug.training.methods import Method
from mechaug.training.recipes import Recipe

SEVERITIES = (1, 3, 5)
FOLDER = RESULTS / "experiments"
PAGE = Path(__file__).resolve().parents[1] / "docs" / "experiments.md"


def split(pictures: Pictures, held: int) -> tuple[Pictures, Pictures]:
    """What is trained on, and what is held out: every class with its share, the same for every arm and seed."""
    chosen = pictures.take(held, Key(0).fold("validation"))
    out = torch.ones(int(pictures.index.max()) + 1, dtype=torch.bool)
    out[chosen.index] = False
    return pictures.rows(out[pictures.index]), chosen


def corrupted(pictures: Pictures, device: str, cache: Path | None) -> Mapping[str, Tensor]:
    """The held-out pictures under every corruption and severity; kept in a file where several processes need them."""
    from safetensors.torch import load_file, save_file

    if cache is not None and cache.exists():
        return load_file(str(cache))
    key = Key(0).fold("corruptions").at(pictures.index)
    made = {
        f"{name}/{severity}": corrupt(pictures.pixels.to(device), name, severity, key).cpu().contiguous()
        for name in (*NAMES, *bar_names(profile_of(*pictures.pixels.shape[2:])))
        for severity in SEVERITIES
    }
    if cache is not None:
        write_file(cache, lambda temporary: save_file(made, str(temporary)))
    return made


@torch.inference_mode()
def accuracy(net: nn.Module, pixels: Tensor, labels: Tensor, device: str) -> float:
    """The share of pictures that the net gets right."""
    right = [
        net(batch.to(device).float() / 255).argmax(1).cpu() == truth
        for batch, truth in zip(pixels.split(1000), labels.split(1000), strict=True)
    ]
    return torch.cat(right).double().mean().item()


def run(
    name: str, method: Method, recipe: Recipe, seed: int, train: Pictures, held: Pictures, classes: int,
    under: Mapping[str, Tensor], device: str,
) -> dict[str, Any]:  # fmt: skip
    """Train one arm with one seed, and judge it."""
    net = nets.build(recipe.net, classes, key=Key(seed).fold("net"))
    fitted = fit(net, train, method.augmentation, method.objective, recipe, seed=seed, device=device)
    net.load_state_dict(fitted.state)
    net.eval()
    cells = {place: accuracy(net, pixels, held.labels, device) for place, pixels in under.items()}
    names = sorted({place.partition("/")[0] for place in cells})
    each = {name: sum(cells[f"{name}/{s}"] for s in SEVERITIES) / len(SEVERITIES) for name in names}
    return {
        "arm": name,
        "title": method.title,
        "what": method.description,
        "seed": seed,
        "net": recipe.net,
        "epochs": recipe.epochs,
        "batch_size": recipe.batch_size,
        "train_size": len(train),
        "held_out": len(held),
        "train_seconds": fitted.seconds,
        "images_per_second": fitted.images_per_second,
        "clean": accuracy(net, held.pixels, held.labels, device),
        "c": _share(each[name] for name in each if name in NAMES),
        "c_bar": _share(each[name] for name in each if name not in NAMES),
        "each": each,
        "sees": list(method.sees),
        "environment": environment(device, ("torch",)),
    }


def _share(values: Iterable[float]) -> float:
    return statistics.mean(values)


def page(folder: Path) -> str:
    """The log as a page: one table for each setting, the best first."""
    runs = [json.loads(path.read_text(encoding="utf-8")) for path in sorted(folder.glob("*.json"))]
    settings: dict[tuple[Any, ...], dict[str, list[dict[str, Any]]]] = {}
    for one in runs:
        place = (one["data"], one["net"], one["train_size"], one["held_out"], one["epochs"])
        settings.setdefault((*place, one["environment"]["device"]), {}).setdefault(one["arm"], []).append(one)
    lines = [
        "# Experiments",
        "",
        "<!-- Made by `python benchmarks/experiments.py --page` from the files in "
        f"benchmarks/results/{RESULTS.name}/experiments. -->",
        "",
        "What was tried on the way to the mechanistic recipe, losses included. Accuracy in % on pictures held out of "
        "the training split; the test split was not looked at. C and C̄ are means over 15 and 10 corruptions at "
        "severities 1, 3 and 5, regenerated. Where there is more than one seed, ± is the standard deviation between "
        "them; the order is that of the mean of C and C̄.",
    ]
    for (data, net, size, held, epochs, device), arms in settings.items():
        lines += [
            "",
            f"## {data}, {net}, {size:,} pictures, {epochs} epochs",
            "",
            f"{held:,} pictures held out, on {device}.",
            "",
            "| arm | seeds | clean | C | C̄ | training, s | what it is |",
            "|---|--:|--:|--:|--:|--:|---|",
        ]
        for own in sorted(arms.values(), key=lambda own: -_mean(own, "c") - _mean(own, "c_bar")):
            seconds = sum(one["train_seconds"] for one in own) / len(own)
            lines.append(
                f"| {own[0]['arm']} | {len(own)} | {_figure(own, 'clean')} | {_figure(own, 'c')} | "
                f"{_figure(own, 'c_bar')} | {seconds:.0f} | {_what(own[0])} |"
            )
    return "\n".join(lines) + "\n"


def _what(record: dict[str, Any]) -> str:
    """What an arm is, in the words of now where it still exists."""
    known = ARMS.get(record["arm"])
    return record["what"] if known is None else known.description


def _mean(runs: list[dict[str, Any]], name: str) -> float:
    return sum(one[name] for one in runs) / len(runs)


def _figure(runs: list[dict[str, Any]], name: str) -> str:
    values = torch.tensor([100 * one[name] for one in runs])
    return f"{values.mean():.1f}" + (f" ± {values.std():.1f}" if len(runs) > 1 else "")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default="signs")
    parser.add_argument("--arms", nargs="*", default=list(ARMS), help=f"of {', '.join(ARMS)}")
    parser.add_argument("--seeds", nargs="*", type=int, default=[0])
    parser.add_argument("--net", default="small")
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--batch-size", type=int, default=128)
    parser.add_argument("--learning-rate", type=float, default=0.1)
    parser.add_argument("--train-size", type=int, default=None, help="training pictures, those held out among them")
    parser.add_argument("--image-size", type=int, default=None)
    parser.add_argument("--held-out", type=int, default=1000)
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument(
        "--cache", type=Path, default=None, help="a file for the corrupted pictures, for many processes"
    )
    parser.add_argument("--out", type=Path, default=FOLDER)
    parser.add_argument("--page", action="store_true", help=f"only write {PAGE.name}")
    options = parser.parse_args()
    if options.page:
        write_text(PAGE, page(options.out))
        return
    data = load(options.data, image_size=options.image_size, train_size=options.train_size, test_size=0)
    train, held = split(data.train, options.held_out)
    under = corrupted(held, options.device, options.cache)
    mirrors = not options.data.startswith("signs")
    recipe = Recipe(
        net=options.net, epochs=options.epochs, batch_size=options.batch_size, learning_rate=options.learning_rate,
        schedule="one-cycle", base=FlipCrop.for_side(min(train.pixels.shape[-2:]), flip=mirrors),
    )  # fmt: skip
    for seed in options.seeds:
        for name in options.arms:
            place = options.out / f"{data.name}-{options.net}-{options.epochs}-{name}-{seed}.json"
            if place.exists():
                continue
            started = time.perf_counter()
            record = run(name, ARMS[name], recipe, seed, train, held, len(data.classes), under, options.device)
            write_json(place, {"data": data.name, "note": data.note, **record})
            print(
                f"{name} seed {seed}: clean {record['clean']:.3f}, C {record['c']:.3f}, C̄ {record['c_bar']:.3f}, "
                f"{record['train_seconds']:.0f} s of {time.perf_counter() - started:.0f}",
                flush=True,
            )


if __name__ == "__main__":
    main()

"""What an epoch costs with augmentation in the loop, beside a plain one and beside AugMix by workers on stored images.

    python benchmarks/training_cost.py --data cifar10:PATH

All trainings take the same steps with the same net. The rival makes its two views as people do: timm's AugMix on one
Pillow image after another, in the workers of torch's loader, which have started before the clock does. The arms take
turns, and the median of each counts; of the rival's numbers of workers, the best.
"""

import argparse
import itertools
import random
import statistics
import time
from functools import partial
from typing import Any

import numpy as np
import torch
from common import RESULTS, environment, write_json
from peers import torchvision_transforms
from PIL import Image, ImageOps
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from mechaug.data.pictures import DataSet, Pictures
from mechaug.data.sources import load
from mechaug.heuristics.basic import FlipCrop
from mechaug.heuristics.views import Batch
from mechaug.keys import Key
from mechaug.mechanisms import VIEWS, presets
from mechaug.training import nets
from mechaug.training.engine import fit, resolve_precision
from mechaug.training.methods import Method, method
from mechaug.training.objectives import CrossEntropy
from mechaug.training.recipes import Recipe
from mechaug.training.steps import descend
from mechaug.training.views import in_precision

CHAIN = Method(
    "chain", "Chain of eight stages", "mechanism", "All eight stages on every picture, one view.", True,
    presets.eight_stages(VIEWS["object"]), CrossEntropy("augmented"),
)  # fmt: skip
ARMS = (method("flip-crop"), CHAIN, method("augmix-jsd"), method("mechanistic"))
"""The plain step first."""

RIVAL = "AugMix + JSD, timm's on Pillow images"


class Stored(Dataset[tuple[Tensor, Tensor, Tensor, int]]):
    """A picture, cropped and mirrored, and two AugMix views of it."""

    def __init__(self, pictures: Pictures) -> None:
        torchvision_transforms()  # which timm needs, and which does not fit every build of torch unaided
        from timm.data.auto_augment import augment_and_mix_transform

        self._images = [Image.fromarray(picture.permute(1, 2, 0).numpy()) for picture in pictures.pixels]
        self._labels = pictures.labels.tolist()
        self._augment = augment_and_mix_transform("augmix-m3-w3", {})

    def __len__(self) -> int:
        return len(self._images)

    def __getitem__(self, place: int) -> tuple[Tensor, Tensor, Tensor, int]:
        image = self._images[place]
        padding = image.width // 8
        left, top = random.randrange(2 * padding + 1), random.randrange(2 * padding + 1)
        image = ImageOps.expand(image, padding).crop((left, top, left + image.width, top + image.height))
        image = ImageOps.mirror(image) if random.random() < 0.5 else image
        clean, first, second = map(_planes, (image, self._augment(image), self._augment(image)))
        return clean, first, second, self._labels[place]


def _planes(image: Image.Image) -> Tensor:
    return torch.from_numpy(np.array(image)).permute(2, 0, 1)


def by_workers(data: DataSet, loader: DataLoader[Any], recipe: Recipe, device: str) -> float:
    """Seconds for an epoch whose views come from a loader."""
    objective = method("augmix-jsd").objective
    net = nets.build(recipe.net, len(data.classes), key=Key(0).fold("net")).to(device).train()
    optimiser = torch.optim.SGD(net.parameters(), 0.1, 0.9, nesterov=True)
    precision = "bfloat16" if resolve_precision(recipe.precision, torch.device(device)) == "bfloat16" else "float32"
    started = time.perf_counter()
    with in_precision(net, precision, torch.device(device)):
        for clean, first, second, labels in loader:
            pictures, *ready = (part.to(device).float() / 255 for part in (clean, first, second))
            key = Key(0).at(torch.arange(len(labels)))
            optimiser.zero_grad(set_to_none=True)
            batch = Batch(pictures, labels.to(device), len(data.classes), key, tuple(ready))
            descend(net, objective, batch, None)
            optimiser.step()
    if device == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - started


def in_the_loop(arm: Method, data: DataSet, recipe: Recipe, device: str) -> float:
    """Seconds for an epoch of ours."""
    net = nets.build(recipe.net, len(data.classes), key=Key(0).fold("net"))
    return fit(net, data.train, arm.augmentation, arm.objective, recipe, device=device).seconds


def measure(data: DataSet, net: str, options: argparse.Namespace) -> dict[str, Any]:
    """All arms with one net, in turns."""
    base = FlipCrop.for_side(min(data.train.pixels.shape[-2:]))
    recipe = Recipe(net=net, epochs=1, batch_size=options.batch_size, base=base)
    contenders = {arm.title: partial(in_the_loop, arm, data, recipe, options.device) for arm in ARMS}
    stored = Stored(data.train)
    for workers in options.workers:
        loader: DataLoader[Any] = DataLoader(
            stored, options.batch_size, shuffle=True, drop_last=True, num_workers=workers, persistent_workers=True
        )
        contenders[f"{RIVAL}, {workers} workers"] = partial(by_workers, data, loader, recipe, options.device)
    taken: dict[str, list[float]] = {name: [] for name in contenders}
    for turn, (name, run) in itertools.product(range(options.runs + 1), contenders.items()):
        seconds = run()
        if turn:
            taken[name].append(seconds)
            print(f"{net:10} {name:50} {seconds:7.2f} s", flush=True)
    pictures = len(data.train) // options.batch_size * options.batch_size
    plain = statistics.median(taken[ARMS[0].title])
    return {
        "net": net,
        "rows": [
            {
                "name": name,
                "median_s": statistics.median(seconds),
                "fastest_s": min(seconds),
                "slowest_s": max(seconds),
                "pictures_per_s": pictures / statistics.median(seconds),
                "of_plain": statistics.median(seconds) / plain,
            }
            for name, seconds in taken.items()
        ],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True, help="photographs, such as cifar10:PATH")
    parser.add_argument("--nets", nargs="*", default=["small"])
    parser.add_argument("--train-size", type=int, default=4096, help="pictures in an epoch")
    parser.add_argument("--image-size", type=int, default=None)
    parser.add_argument("--batch-size", type=int, default=128)
    parser.add_argument("--workers", nargs="*", type=int, default=[1, 2], help="of the rival's loader")
    parser.add_argument("--runs", type=int, default=7)
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    options = parser.parse_args()
    data = load(options.data, image_size=options.image_size, train_size=options.train_size, test_size=0)
    record = {
        "data": data.name,
        "picture": list(data.train.pixels.shape[1:]),
        "train_size": options.train_size,
        "batch_size": options.batch_size,
        "runs": options.runs,
        "nets": [measure(data, net, options) for net in options.nets],
        "environment": environment(options.device, ("torch", "timm", "pillow")),
    }
    write_json(RESULTS / f"training-cost-{options.device}.json", record)


if __name__ == "__main__":
    main()

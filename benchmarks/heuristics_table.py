"""One row per heuristic that is timed: how it is prepared for pictures of a size, its rivals, and its goal.

Another heuristic is another row. What a row prepares takes a batch, draws for every picture of it, and applies.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from common import Batch
from peers import Peer, Run, kornia_peer, timm_augmix, torchvision_peer, torchvision_transforms

from mechaug import heuristics as h
from mechaug.heuristics import Heuristic
from mechaug.keys import Key


@dataclass(frozen=True)
class Goal:
    """How many times as fast as something a heuristic is to be.

    Attributes:
        times: as fast.
        peer: the operation of the rival among the row's peers; or None, where it cannot be installed beside the others.
        stated: pictures per second of the rival by size, where it was measured once, in another run.
    """

    times: float
    peer: str | None
    stated: dict[int, float]


@dataclass(frozen=True)
class Row:
    """One heuristic.

    Attributes:
        name: of its class.
        prepare: what is timed, for pictures of a size.
        peers: the same method elsewhere.
        goal: what it is to reach, if anything.
        sizes: of the pictures, pixels.
    """

    name: str
    prepare: Callable[[int], Run]
    peers: tuple[Peer, ...] = ()
    goal: Goal | None = None
    sizes: tuple[int, ...] = field(default=(32, 224))


def each_picture(make: Callable[[int], Heuristic[Any]]) -> Callable[[int], Run]:
    """A heuristic that changes one picture at a time, made for a size."""

    def prepare(size: int) -> Run:
        heuristic = make(size)

        def run(batch: Batch) -> Any:  # noqa: ANN401
            with torch.no_grad():
                return heuristic(batch.pictures, Key(0).at(torch.arange(len(batch.pictures))).to(batch.pictures.device))

        return run

    return prepare


def whole_batch(mixing: h.Mixing[Any] | h.APRBoth) -> Callable[[int], Run]:
    """A heuristic that mixes the pictures of a batch."""

    def prepare(size: int) -> Run:  # noqa: ARG001  (it is the same for all sizes)
        def run(batch: Batch) -> Any:  # noqa: ANN401
            with torch.no_grad():
                return mixing(batch.pictures, Key(0).at(torch.arange(len(batch.pictures))).to(batch.pictures.device))

        return run

    return prepare


def torchvision_batch(against: str, operation: str, **settings: Any) -> Peer:  # noqa: ANN401
    """A transform of torchvision v2 that mixes a batch, in one share for all of it."""

    def prepare(size: int) -> Run:  # noqa: ARG001
        made = getattr(torchvision_transforms(), operation)(num_classes=10, **settings)
        return lambda batch: made(batch.pictures, torch.arange(len(batch.pictures)) % 10)

    return Peer(against, "torchvision", operation, prepare)


def torchvision_pillow(against: str, operation: str, *settings: Any, **named: Any) -> Peer:  # noqa: ANN401
    """A transform of torchvision v2 on Pillow images, one by one, as loaders apply it; settings may name its enums."""

    def prepare(size: int) -> Run:  # noqa: ARG001  (it knows one strength for all sizes)
        transforms = torchvision_transforms()
        import numpy as np
        import PIL.Image

        given = [getattr(transforms.AutoAugmentPolicy, s) if isinstance(s, str) else s for s in settings]
        made = getattr(transforms, operation)(*given, **named)
        return lambda batch: [np.asarray(made(PIL.Image.fromarray(array))) for array in batch.arrays]

    return Peer(against, "torchvision", f"{operation} on Pillow images", prepare)


# The published code of PRIME needs libraries that do not install beside the others.
PRIME = Goal(20.0, None, {32: 52.0, 224: 2.5})

# That of PixMix loads one picture at a time, each with the libraries and the mixing set of its training script.
PIXMIX = Goal(10.0, None, {32: 1100.0, 224: 200.0})

ROWS: tuple[Row, ...] = (
    Row("FlipCrop", each_picture(h.FlipCrop.for_side)),
    Row("Cutout", each_picture(lambda _: h.Cutout())),
    Row(
        "RandomErasing",
        each_picture(lambda _: h.RandomErasing()),
        (
            torchvision_peer("RandomErasing", "RandomErasing", value="random", each=True),
            kornia_peer("RandomErasing", "RandomErasing", scale=(0.02, 0.4)),
        ),
    ),
    Row(
        "GaussianNoise",
        each_picture(lambda _: h.GaussianNoise()),
        (kornia_peer("GaussianNoise", "RandomGaussianNoise", std=0.1),),
    ),
    Row("PatchGaussian", each_picture(lambda _: h.PatchGaussian())),
    Row("NoiseMixture", each_picture(lambda _: h.NoiseMixture())),
    Row(
        "AutoAugment",
        each_picture(lambda size: h.AutoAugment("cifar10" if size == 32 else "imagenet")),
        (torchvision_pillow("AutoAugment", "AutoAugment", "CIFAR10"),),
        Goal(4.0, "AutoAugment on Pillow images", {32: 3600.0, 224: 1620.0}),
    ),
    Row("FastAutoAugment", each_picture(lambda _: h.FastAutoAugment())),
    Row(
        "RandAugment",
        each_picture(lambda _: h.RandAugment()),
        (torchvision_pillow("RandAugment", "RandAugment"),),
        Goal(4.0, "RandAugment on Pillow images", {32: 2600.0, 224: 1100.0}),
    ),
    Row(
        "TrivialAugmentWide",
        each_picture(lambda _: h.TrivialAugmentWide()),
        (torchvision_pillow("TrivialAugmentWide", "TrivialAugmentWide"),),
    ),
    Row(
        "AugMix",
        each_picture(lambda _: h.AugMix()),
        (
            Peer("AugMix", "timm", "AugMix on Pillow images", timm_augmix),
            torchvision_pillow("AugMix", "AugMix", all_ops=False),
        ),
        Goal(10.0, "AugMix on Pillow images", {32: 732.0, 224: 92.0}),
    ),
    Row("Prime", each_picture(lambda size: h.Prime() if size == 32 else h.Prime.for_photographs()), (), PRIME),
    Row("RandConv", each_picture(lambda _: h.RandConv())),
    Row(
        "Mixup",
        whole_batch(h.Mixup()),
        (torchvision_batch("Mixup", "MixUp", alpha=1.0), kornia_peer("Mixup", "RandomMixUpV2")),
    ),
    Row(
        "CutMix",
        whole_batch(h.CutMix(probability=1.0)),
        (torchvision_batch("CutMix", "CutMix", alpha=1.0), kornia_peer("CutMix", "RandomCutMixV2")),
    ),
    Row("PixMix", each_picture(lambda _: h.PixMix()), (), PIXMIX),
    Row("IPMix", each_picture(lambda _: h.IPMix())),
    Row("APRPair", whole_batch(h.APRPair())),
    Row("APRSingle", each_picture(lambda _: h.APRSingle())),
    Row("APRBoth", whole_batch(h.APRBoth())),
    Row("FourierBasis", each_picture(lambda _: h.FourierBasis())),
    Row("BandDropout", each_picture(lambda _: h.BandDropout())),
    Row("StyleSwap", whole_batch(h.StyleSwap())),
)
"""Every heuristic, in the order of the catalogue."""

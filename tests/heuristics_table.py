"""One row per heuristic: what the contract tests of heuristics try it on, and what they expect of it."""

from dataclasses import dataclass
from typing import Any

from mechaug import heuristics as h


@dataclass(frozen=True)
class Row:
    """One heuristic under test.

    Attributes:
        heuristic: as a study would use it.
        changes: at least this share of pictures comes out changed.
        different: of 64 copies of one picture, at least so many come out in different ways.
        gradient: whether a gradient reaches the picture; operations on grey levels have none.
        grey: whether it takes pictures of one channel.
        noisy: whether numbers are drawn by the generator of the device's kind, which differ between kinds.
    """

    heuristic: h.Heuristic[Any]
    changes: float
    different: int
    gradient: bool = True
    grey: bool = True
    noisy: bool = False


ROWS: dict[str, Row] = {
    "flip and crop": Row(h.FlipCrop(), changes=0.9, different=40),
    "cutout": Row(h.Cutout(), changes=1.0, different=60),
    "random erasing": Row(h.RandomErasing(), changes=0.3, different=20, noisy=True),
    "gaussian noise": Row(h.GaussianNoise(), changes=0.3, different=20, noisy=True),
    "patch gaussian": Row(h.PatchGaussian(), changes=0.95, different=64, noisy=True),
    "noise mixture": Row(h.NoiseMixture(), changes=0.7, different=45, noisy=True),
    "autoaugment, cifar10": Row(h.AutoAugment(), changes=0.6, different=20, gradient=False),
    "autoaugment, imagenet": Row(h.AutoAugment("imagenet"), changes=0.7, different=20, gradient=False),
    "fast autoaugment": Row(h.FastAutoAugment(), changes=0.5, different=25, gradient=False),
    "randaugment": Row(h.RandAugment(), changes=0.9, different=40, gradient=False),
    "trivialaugment": Row(h.TrivialAugmentWide(), changes=0.8, different=35, gradient=False),
    "augmix": Row(h.AugMix(), changes=0.95, different=60),
    "prime": Row(h.Prime(), changes=1.0, different=64, noisy=True),
    "prime, photographs": Row(h.Prime.for_photographs(), changes=1.0, different=64, noisy=True),
    "randconv": Row(h.RandConv(), changes=1.0, different=64, noisy=True),
    "pixmix": Row(h.PixMix(), changes=0.75, different=40),
    "ipmix": Row(h.IPMix(), changes=0.9, different=60, noisy=True),
    "apr-s": Row(h.APRSingle(), changes=0.9, different=45, gradient=False),
    "afa": Row(h.FourierBasis(), changes=1.0, different=64),
    "band dropout": Row(h.BandDropout(), changes=0.3, different=20),
}


@dataclass(frozen=True)
class Made:
    """One maker of views under test.

    Attributes:
        maker: as a study would use it.
        keeps_labels: whether the targets of its views are the labels.
        inside: whether it changes features and not pictures.
        clean: whether its clean view is the pictures as they are.
    """

    maker: h.ViewMaker
    keeps_labels: bool = False
    inside: bool = False
    clean: bool = True


MAKERS: dict[str, Made] = {
    "mixup": Made(h.Mixup()),
    "regmixup": Made(h.RegMixup()),
    "cutmix": Made(h.CutMix()),
    "manifold mixup": Made(h.ManifoldMixup(), inside=True),
    "noisymix": Made(h.NoisyMix(), inside=True, clean=False),
    "augmax": Made(h.AugMax(), keeps_labels=True),
    "apr-p": Made(h.APRPair(), keeps_labels=True),
    "apr-sp": Made(h.APRBoth(), keeps_labels=True, clean=False),
    "style swap": Made(h.StyleSwap(), keeps_labels=True),
    "mixstyle": Made(h.MixStyle(), keeps_labels=True, inside=True),
}

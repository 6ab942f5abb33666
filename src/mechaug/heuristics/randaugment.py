"""RandAugment and TrivialAugment: operations at random, without a searched policy.

Cubuk et al., "RandAugment: practical automated data augmentation with a reduced search space", NeurIPS 2020; Müller &
Hutter, "TrivialAugment: tuning-free yet state-of-the-art data augmentation", ICCV 2021.
"""

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Final, final

import torch
from torch import Tensor

from mechaug.heuristics import autoaugment, policy
from mechaug.heuristics.base import About, Citation, Heuristic
from mechaug.heuristics.policy import PolicyParameters
from mechaug.keys import Key
from mechaug.types import Image

RAND_OPERATIONS: Final = (
    "identity", "shear_x", "shear_y", "translate_x", "translate_y", "rotate", "brightness", "colour", "contrast",
    "sharpness", "posterize", "solarize", "autocontrast", "equalize",
)  # fmt: skip
"""The fourteen operations of RandAugment, with the ranges of AutoAugment."""

WIDE_TOPS: Final[Mapping[str, float]] = {
    "shear_x": 0.99, "shear_y": 0.99, "translate_x_px": 32.0, "translate_y_px": 32.0, "rotate": 135.0,
    "brightness": 0.99, "colour": 0.99, "contrast": 0.99, "sharpness": 0.99, "posterize": 6.0, "solarize": 255.0,
}  # fmt: skip
"""The wide ranges of TrivialAugment: the same operations, and pixels whatever the size of the picture."""

WIDE_OPERATIONS: Final = ("identity", *WIDE_TOPS, "autocontrast", "equalize")

LEVELS: Final = 31
"""Levels 0 to 30, evenly spaced, in both."""


@final
@dataclass(frozen=True)
class RandAugment(Heuristic[PolicyParameters]):
    """A number of random operations in sequence, all at the same level.

    Args:
        operations: how many in sequence, N of the paper.
        level: how strong, 0 to 30, M of the paper.

    Raises:
        ValueError: an argument is outside its range.
    """

    operations: int = 2
    level: int = 9

    overlaps = ("brightness", "contrast", "saturate")
    about: ClassVar[About] = About(
        name="RandAugment",
        family="policy",
        principle="Applies a few random tonal and geometric operations in sequence, all at one strength.",
        assumption="One strength suits every operation and every picture, and no operation harms the label at it.",
        needs="nothing",
        breaks="Labels that rest on colour, tone or orientation; too strong a level costs small nets accuracy.",
        labels="kept by hope",
        cost="Two operations per picture; number and strength are searched for on a grid.",
        citation=Citation(
            "cubuk2020randaugment",
            ("Cubuk, Ekin Dogus", "Zoph, Barret", "Shlens, Jonathon", "Le, Quoc V."),
            "RandAugment: Practical Automated Data Augmentation with a Reduced Search Space",
            "NeurIPS",
            2020,
        ),
    )

    def __post_init__(self) -> None:
        if self.operations < 1:
            raise ValueError(f"RandAugment(operations=…) is at least 1, not {self.operations}")
        if not 0 <= self.level < LEVELS:
            raise ValueError(f"RandAugment(level=…) is 0 to {LEVELS - 1}, not {self.level}")

    def sample(self, key: Key) -> PolicyParameters:
        """Draw operations and their directions."""
        own = key.fold("RandAugment")
        chosen = own.fold("operation").integers(0, len(RAND_OPERATIONS), self.operations)
        sign = own.fold("sign").integers(0, 2, self.operations)
        return _drawn(_rand_tables(), chosen, torch.full_like(chosen, self.level), sign)

    def neutral(self, batch: int) -> PolicyParameters:
        return policy.unchanged(batch, self.operations)

    def transform(self, x: Image, params: PolicyParameters) -> Image:
        return policy.follow(x, params)


@final
@dataclass(frozen=True)
class TrivialAugmentWide(Heuristic[PolicyParameters]):
    """One random operation at a random strength, up to a very strong one.

    Translations go up to 32 pixels, whatever the size of the picture: out of a CIFAR picture altogether, as published.
    """

    overlaps = ("brightness", "contrast", "saturate")
    about: ClassVar[About] = About(
        name="TrivialAugmentWide",
        family="policy",
        principle="Applies one random operation at a random strength from a wide range.",
        assumption="Pictures that an operation ruins are few enough not to teach wrong labels.",
        needs="nothing",
        breaks="Small pictures, which a shift of up to 32 pixels can leave black; labels that rest on orientation.",
        labels="kept by hope",
        cost="One operation per picture; nothing to tune.",
        citation=Citation(
            "muller2021trivialaugment",
            ("Müller, Samuel G.", "Hutter, Frank"),
            "TrivialAugment: Tuning-free Yet State-of-the-Art Data Augmentation",
            "ICCV",
            2021,
        ),
    )

    def sample(self, key: Key) -> PolicyParameters:
        """Draw an operation, its level and its direction."""
        own = key.fold("TrivialAugmentWide")
        chosen = own.fold("operation").integers(0, len(WIDE_OPERATIONS), 1)
        level = own.fold("level").integers(0, LEVELS, 1)
        return _drawn(_wide_tables(), chosen, level, own.fold("sign").integers(0, 2, 1))

    def neutral(self, batch: int) -> PolicyParameters:
        return policy.unchanged(batch, 1)

    def transform(self, x: Image, params: PolicyParameters) -> Image:
        return policy.follow(x, params)


def _drawn(tables: tuple[Tensor, Tensor, Tensor], chosen: Tensor, level: Tensor, sign: Tensor) -> PolicyParameters:
    codes, magnitudes, signed = (part.to(chosen.device) for part in tables)
    direction = 1.0 - 2.0 * (sign * signed[chosen]).float()
    return PolicyParameters(codes[chosen], direction * magnitudes[chosen, level])


def _tables(names: tuple[str, ...], tops: Mapping[str, float]) -> tuple[Tensor, Tensor, Tensor]:
    """Code, magnitude by level, and whether it goes either way, of each operation."""
    magnitudes = policy.table(names, LEVELS, tops)
    magnitudes[names.index("identity")] = 0.0
    signed = torch.tensor([name in policy.SIGNED for name in names], dtype=torch.int64)
    return policy.codes(names), magnitudes, signed


@functools.cache
def _rand_tables() -> tuple[Tensor, Tensor, Tensor]:
    return _tables(RAND_OPERATIONS, autoaugment.TOPS)


@functools.cache
def _wide_tables() -> tuple[Tensor, Tensor, Tensor]:
    return _tables(WIDE_OPERATIONS, WIDE_TOPS)

"""What a corruption is: its name, its settings at five severities in two profiles, and its formula."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from torch import Tensor

from mechaug.keys import Key

Profile: TypeAlias = Literal["cifar", "imagenet"]
"""Whose parameters: CIFAR-10-C's, made for pictures of 32 pixels, or ImageNet-C's, for 224."""

Setting: TypeAlias = tuple[float, ...]
"""The parameters of a corruption at one severity, as its `parameters` names them."""

Family: TypeAlias = Literal["noise", "blur", "weather", "digital", "bar"]
"""The group that the benchmark's authors put a corruption in; C̄ has none, and is one."""

SEVERITIES: Final = (1, 2, 3, 4, 5)


@dataclass(frozen=True)
class Variant:
    """How to depart from the published code, which does some things that one may want otherwise. By default not at all.

    Figures of a variant are not comparable to published ones.

    Attributes:
        rounded: values are rounded to whole levels. The published code cuts them down, by half a level on average.
        swapped: glass blur swaps pixels, as was meant. The published code copies one over the other.
        centred: streaks of motion blur, and of snow, go both ways. The published code's begin at the pixel itself, so
            that the picture is displaced as well.
        normalised: the kernels of defocus blur sum to 1. The published code's at severities 4 and 5 for ImageNet sum to
            1.013 and 1.011.
        resaved: what is made is stored as JPEG of quality 85, as the published files for ImageNet are, whose figures
            differ by that from those of pictures in memory.
    """

    rounded: bool = False
    swapped: bool = False
    centred: bool = False
    normalised: bool = False
    resaved: bool = False


PUBLISHED: Final = Variant()
"""The published code's ways."""


@dataclass(frozen=True)
class Corruption:
    """One corruption of a suite.

    Attributes:
        name: as in the benchmark's files.
        title: as in a table.
        family: the group that it belongs to.
        deterministic: nothing is drawn, so the key has no effect.
        parameters: what the numbers of a setting are, with units.
        cifar: the five settings of the CIFAR-10 benchmark, severity 1 first; empty where it is not in that one.
        imagenet: the five settings of the ImageNet benchmark, likewise.
        apply: draws what is random from one key per picture, and applies the formula: levels that are still to be
            stored, or stored values where the formula ends with these.
    """

    name: str
    title: str
    family: Family
    deterministic: bool
    parameters: tuple[str, ...]
    cifar: tuple[Setting, ...]
    imagenet: tuple[Setting, ...]
    apply: Callable[[Tensor, Key, Setting], Tensor]

    def setting(self, severity: int, profile: Profile) -> Setting:
        """The parameters at a severity.

        Raises:
            ValueError: there is no such severity or profile, or the corruption is not in that benchmark.
        """
        if severity not in SEVERITIES:
            raise ValueError(f"there is no severity {severity!r}: use 1, 2, 3, 4 or 5")
        if profile not in ("cifar", "imagenet"):
            raise ValueError(f"there is no profile {profile!r}: use 'cifar' or 'imagenet'")
        settings = self.cifar if profile == "cifar" else self.imagenet
        if not settings:
            raise ValueError(f"{self.name} is not in the {profile} benchmark: it has no settings there")
        return settings[severity - 1]

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
        apply: draws what is random from one key per picture, and applies the formula.
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

"""A method: what a study compares, an augmentation with its loss under one name."""

from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

from mechaug.heuristics import IPMix, MixingSet, PixMix
from mechaug.heuristics.views import Augmentation, ViewMaker
from mechaug.mechanisms.parts import overlapping
from mechaug.training.objectives import Objective
from mechaug.training.steps import NOTHING, Extras

Family: TypeAlias = Literal["mechanism", "heuristic", "baseline", "adversarial"]


@dataclass(frozen=True)
class Method:
    """One way to train.

    Attributes:
        name: as on the command line.
        title: as in a table.
        family: what its augmentation follows.
        description: one sentence.
        crops: whether the recipe's flip and crop come first.
        augmentation: makes the views; None where there are none.
        objective: the loss.
        extras: what it has besides.
    """

    name: str
    title: str
    family: Family
    description: str
    crops: bool
    augmentation: Augmentation | None
    objective: Objective
    extras: Extras = NOTHING

    @property
    def sees(self) -> tuple[str, ...]:
        """The common corruptions of which a relative is in this method's training."""
        if isinstance(self.augmentation, ViewMaker):
            return tuple(sorted(self.augmentation.overlaps))
        return () if self.augmentation is None else overlapping(self.augmentation)

    def with_mixing_set(self, folder: str) -> "Method":
        """The same method with the pictures of a folder to mix in, where it mixes such pictures in at all."""
        if isinstance(self.augmentation, IPMix | PixMix):
            chosen = replace(self.augmentation, mixing_set=MixingSet(folder))
            return replace(self, augmentation=chosen)
        return self

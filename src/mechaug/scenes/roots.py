"""Roots: laws of variables without causes, beside numbers, ranges and distributions."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import torch
from torch.distributions import Distribution

from mechaug.laws import Quantity, Scale, at_quantile, check_scale
from mechaug.scenes.relations import ANY, Relation, Units, Values, check_inner, curves, unscaled


@final
@dataclass(frozen=True)
class Sometimes(Relation):
    """A law that holds for a share of the images, and one value for the others.

    Args:
        share: of the images that follow the law, 0 to 1.
        law: a number, a range or a distribution.
        otherwise: the others' value; what does nothing, such as an infinite visibility.
        scale: on which scale a range is uniform.
    """

    share: float
    law: int | float | tuple[int | float, int | float] | Distribution
    otherwise: float
    scale: Scale = "linear"

    def __post_init__(self) -> None:
        if not 0 <= self.share <= 1:
            raise ValueError(f"Sometimes(share=…) is a share from 0 to 1, not {self.share!r}")
        check_scale("Sometimes", "scale", self.scale)
        check_inner("Sometimes", self.law, self._meaning)

    @property
    def _meaning(self) -> Quantity:
        return Quantity("", 0.0, self.scale)

    def units(self) -> Units:
        """No parent."""
        return Units((), ANY)

    def value(self, parents: Sequence[Values], noise: Values) -> Values:
        """The law's values where the noise is below `share`."""
        del parents
        happens = noise < self.share
        if isinstance(self.law, int | float):
            drawn = torch.full_like(noise, float(self.law))
        else:
            # The part of the noise that decides is spent; what is left of it is uniform again.
            inner = torch.where(happens, noise / max(self.share, 1e-12), 0.5)
            drawn = at_quantile(self.law, inner.clamp(1e-12, 1 - 1e-12), self._meaning).double()
        return torch.where(happens, drawn, self.otherwise)


@final
@dataclass(frozen=True)
class Quantiles(Relation):
    """A distribution as it was measured: equally spaced quantiles, straight between them.

    Args:
        values: ascending, from the smallest to the largest; at least two.
        scale: on which scale it is straight between them.
    """

    values: tuple[float, ...]
    scale: Scale = "linear"

    def __post_init__(self) -> None:
        check_scale("Quantiles", "scale", self.scale)
        if len(self.values) < 2 or any(a > b for a, b in itertools.pairwise(self.values)):
            raise ValueError("Quantiles(values=…) takes at least two numbers in ascending order")
        if self.scale == "log" and self.values[0] <= 0:
            raise ValueError("Quantiles: on a log scale every value is positive")

    def units(self) -> Units:
        """No parent."""
        return Units((), ANY)

    def value(self, parents: Sequence[Values], noise: Values) -> Values:
        """The value at the quantile that the noise is."""
        del parents
        places = tuple(index / (len(self.values) - 1) for index in range(len(self.values)))
        (curve,) = curves(noise, places, "linear", (self.values,), self.scale)
        return unscaled(curve, self.scale)

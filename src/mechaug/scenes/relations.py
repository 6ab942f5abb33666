"""Relations: how a variable follows from its parents and from one noise of its own, as data.

A relation is a frozen dataclass of numbers, so that a scene is data: it can be stored, drawn, compared and fitted. Each
is a function of the parents' values and of one uniform number, which is all the chance there is in it.
"""

import itertools
import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple, TypeAlias, final

import torch
from jaxtyping import Float
from torch import Tensor
from torch.distributions import Distribution

from mechaug.laws import Law, Quantity, Scale, at_quantile, check_law, check_scale

Values: TypeAlias = Float[Tensor, "b"]
"""One value per image, in float64."""

ANY: Final = None
"""Where a relation's numbers carry the unit, so that any fits."""


class Units(NamedTuple):
    """What a relation takes and gives.

    Attributes:
        parents: their units, in order; `ANY` where any fits.
        own: the unit of the result, or `ANY`.
    """

    parents: tuple[str | None, ...]
    own: str | None


class Relation(ABC):
    """A structural function; a subclass is a frozen dataclass, and final."""

    @abstractmethod
    def units(self) -> Units:
        """The units of its parents, as many as it takes, and of what it gives."""

    @abstractmethod
    def value(self, parents: Sequence[Values], noise: Values) -> Values:
        """The values.

        Args:
            parents: one tensor per parent.
            noise: uniform numbers strictly between 0 and 1.
        """


@final
@dataclass(frozen=True)
class Linear(Relation):
    """intercept + Σ slope·parent, with normal noise.

    Args:
        slopes: one per parent, in the variable's unit over the parent's.
        intercept: in the variable's unit.
        spread: standard deviation of the noise, in the variable's unit.
    """

    slopes: tuple[float, ...]
    intercept: float = 0.0
    spread: float = 0.0

    def __post_init__(self) -> None:
        _check_parents(self, "slopes", self.slopes)
        _check_spread(self, self.spread)

    def units(self) -> Units:
        """One parent per slope."""
        return Units((ANY,) * len(self.slopes), ANY)

    def value(self, parents: Sequence[Values], noise: Values) -> Values:
        """The weighted sum."""
        out = torch.full_like(noise, self.intercept)
        for slope, parent in zip(self.slopes, parents, strict=True):
            out = out + slope * parent
        return _with_normal(out, self.spread, noise)


@final
@dataclass(frozen=True)
class Power(Relation):
    """factor · Π parent^exponent, with log-normal noise: a straight line between logarithms.

    Parents must be positive.

    Args:
        exponents: one per parent.
        factor: in the variable's unit, where every parent is 1; positive.
        spread: standard deviation of the noise of the natural logarithm.
    """

    exponents: tuple[float, ...]
    factor: float = 1.0
    spread: float = 0.0

    def __post_init__(self) -> None:
        _check_parents(self, "exponents", self.exponents)
        _check_spread(self, self.spread)
        if not 0 < self.factor < math.inf:
            raise ValueError(f"Power(factor=…) is positive and finite, not {self.factor!r}")

    def units(self) -> Units:
        """One parent per exponent."""
        return Units((ANY,) * len(self.exponents), ANY)

    def value(self, parents: Sequence[Values], noise: Values) -> Values:
        """The product of powers."""
        log = torch.full_like(noise, math.log(self.factor))
        for exponent, parent in zip(self.exponents, parents, strict=True):
            log = log + exponent * parent.log()
        return _with_normal(log, self.spread, noise).exp()


@final
@dataclass(frozen=True)
class Lookup(Relation):
    """A curve through known points of one parent, level beyond its ends, with noise.

    Args:
        at: values of the parent, ascending; at least two.
        values: of the variable there.
        spread: standard deviation of the noise: normal in the variable's unit, or in its natural logarithm.
        scale: on which scale of the variable the curve is straight between points, and its noise is normal.
        at_scale: the same of the parent.
    """

    at: tuple[float, ...]
    values: tuple[float, ...]
    spread: float = 0.0
    scale: Scale = "linear"
    at_scale: Scale = "linear"

    def __post_init__(self) -> None:
        _check_curve(self, self.at, self.at_scale, ("values", self.values, self.scale))
        _check_spread(self, self.spread)

    def units(self) -> Units:
        """One parent."""
        return Units((ANY,), ANY)

    def value(self, parents: Sequence[Values], noise: Values) -> Values:
        """The curve at the parent's value."""
        (curve,) = curves(parents[0], self.at, self.at_scale, (self.values,), self.scale)
        return unscaled(_with_normal(curve, self.spread, noise), self.scale)


@final
@dataclass(frozen=True)
class Band(Relation):
    """A range whose ends depend on one parent; uniform between them.

    Args:
        at: values of the parent, ascending; at least two.
        low: lower ends there.
        high: upper ends there, none below its lower end.
        scale: on which scale of the variable it is uniform, and ends are straight between points.
        at_scale: the same of the parent.
    """

    at: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]
    scale: Scale = "linear"
    at_scale: Scale = "linear"

    def __post_init__(self) -> None:
        _check_curve(self, self.at, self.at_scale, ("low", self.low, self.scale), ("high", self.high, self.scale))
        if any(low > high for low, high in zip(self.low, self.high, strict=True)):
            raise ValueError(f"Band: an upper end lies below its lower end: low={self.low!r}, high={self.high!r}")

    def units(self) -> Units:
        """One parent."""
        return Units((ANY,), ANY)

    def value(self, parents: Sequence[Values], noise: Values) -> Values:
        """A point of the range that belongs to the parent's value."""
        low, high = curves(parents[0], self.at, self.at_scale, (self.low, self.high), self.scale)
        return unscaled(low + (high - low) * noise, self.scale)


@final
@dataclass(frozen=True)
class Changed(Relation):
    """Another law whose outcome is multiplied and moved: a soft intervention. Its parents still matter.

    Args:
        law: what was there: a law or a relation.
        factor: what its values are multiplied with, positive.
        shift: what is then added, in the variable's unit.
        scale: on which scale a range is uniform.
    """

    law: int | float | tuple[int | float, int | float] | Distribution | Relation
    factor: float = 1.0
    shift: float = 0.0
    scale: Scale = "linear"

    def __post_init__(self) -> None:
        if not (0 < self.factor < math.inf and math.isfinite(self.shift)):
            raise ValueError(f"a soft intervention multiplies by a positive number and adds a finite one, not {self!r}")
        check_scale("Changed", "scale", self.scale)
        if not isinstance(self.law, Relation):
            check_inner("Changed", self.law, self._meaning)

    @property
    def _meaning(self) -> Quantity:
        return Quantity("", 0.0, self.scale)

    def units(self) -> Units:
        """Those of the law within."""
        return self.law.units() if isinstance(self.law, Relation) else Units((), ANY)

    def value(self, parents: Sequence[Values], noise: Values) -> Values:
        """The changed values."""
        if isinstance(self.law, Relation):
            before = self.law.value(parents, noise)
        elif isinstance(self.law, int | float):
            before = torch.full_like(noise, float(self.law))
        else:
            before = at_quantile(self.law, noise, self._meaning).double()
        return self.factor * before + self.shift


def check_inner(kind: str, law: Law, meaning: Quantity) -> None:
    """Refuse what cannot be a law within a relation.

    Raises:
        TypeError, ValueError: as `mechaug.laws.check_law`, or the law is a name: parents are named by the variable.
    """
    if isinstance(law, str):
        raise TypeError(f"{kind}(law=…) is a number, a range or a distribution, not the name {law!r}")
    check_law(kind, "law", law, meaning)


def _check_parents(relation: Relation, name: str, numbers: tuple[float, ...]) -> None:
    kind = type(relation).__name__
    if not numbers or not all(math.isfinite(number) for number in numbers):
        raise ValueError(f"{kind}({name}=…) takes one finite number per parent, and at least one, not {numbers!r}")


def _check_spread(relation: Relation, spread: float) -> None:
    if not 0 <= spread < math.inf:
        raise ValueError(f"{type(relation).__name__}(spread=…) is a standard deviation, 0 or more, not {spread!r}")


def _check_curve(
    relation: Relation, at: tuple[float, ...], at_scale: Scale, *curves: tuple[str, tuple[float, ...], Scale]
) -> None:
    kind = type(relation).__name__
    if len(at) < 2 or any(a >= b for a, b in itertools.pairwise(at)):
        raise ValueError(f"{kind}(at=…) takes at least two values of the parent in ascending order, not {at!r}")
    check_scale(kind, "at_scale", at_scale)
    for name, values, scale in (("at", at, at_scale), *curves):
        check_scale(kind, "scale", scale)
        if len(values) != len(at):
            raise ValueError(f"{kind}({name}=…) takes as many values as there are points, {len(at)}, not {len(values)}")
        if not all(math.isfinite(value) for value in values):
            raise ValueError(f"{kind}({name}=…) takes finite values, not {values!r}")
        if scale == "log" and min(values) <= 0:
            raise ValueError(f"{kind}({name}=…): on a log scale every value is positive, not {min(values)!r}")


def _with_normal(values: Values, spread: float, noise: Values) -> Values:
    return values + spread * torch.special.ndtri(noise) if spread else values


def curves(
    parent: Values, at: tuple[float, ...], at_scale: Scale, through: tuple[tuple[float, ...], ...], scale: Scale
) -> list[Values]:
    """Curves through points, straight between them and level beyond.

    Args:
        parent: where to look.
        at: where the points are, ascending.
        at_scale: on which scale of the parent they are straight.
        through: the points' values, one tuple per curve.
        scale: on which scale of the values they are straight.

    Returns:
        One tensor per curve, on the scale of the values: see `unscaled`.
    """

    def scaled(numbers: tuple[float, ...], kind: Scale) -> Tensor:
        exact = torch.tensor(numbers, dtype=torch.float64, device=parent.device)
        return exact.log() if kind == "log" else exact

    knots = scaled(at, at_scale)
    place = parent.log() if at_scale == "log" else parent
    place = place.clamp(knots[0], knots[-1])
    left = torch.bucketize(place, knots[1:-1], right=True)
    share = (place - knots[left]) / (knots[left + 1] - knots[left])
    found = []
    for curve in through:
        points = scaled(curve, scale)
        below, above = points[left], points[left + 1]
        # Between equal points nothing is computed: both may be infinite.
        found.append(torch.where((below == above) | (share <= 0), below, torch.lerp(below, above, share)))
    return found


def unscaled(values: Values, scale: Scale) -> Values:
    """Values from the scale that they were computed on."""
    return values.exp() if scale == "log" else values

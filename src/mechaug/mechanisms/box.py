"""The box of a mechanism: its ranges as the sides of a cube, so that a step means as much in metres as in degrees.

What searches a mechanism's parameters (attacks, adversarial training) walks in it.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final, TypeAlias, final

import torch
from jaxtyping import Float
from torch import Tensor

from mechaug.laws import Law, Quantity, quantities
from mechaug.mechanisms.base import Mechanism, Parameters
from mechaug.mechanisms.compose import Chain, Maybe, Mix, OneOf
from mechaug.types import PerImage

CENTRAL: Final = 0.99
"""The share of a distribution that lies inside the box: its tails have no end."""

Path: TypeAlias = tuple[tuple[str, int], ...]
"""Where a record lies in that of a chain or a mixture: fields that hold tuples, and places in them."""


@dataclass(frozen=True)
class _Side:
    path: Path
    field: str
    name: str
    log: bool
    low: float
    high: float


@final
class Box:
    """The ranges of a mechanism, and of all that it holds, as a box with sides from 0 to 1.

    Args:
        mechanism: any.

    Attributes:
        names: of the sides, such as "Haze.visibility_m".
    """

    def __init__(self, mechanism: Mechanism[Any]) -> None:
        self._sides = tuple(_sides(mechanism, ()))
        self.names = tuple(side.name for side in self._sides)

    def values(self, params: Parameters) -> dict[str, PerImage]:
        """What the parameters are along each side, in their units; of sides with one name the last."""
        return {side.name: getattr(_at(params, side.path), side.field) for side in self._sides}

    def unit(self, params: Parameters) -> Float[Tensor, "b d"]:
        """Where the parameters lie in the box; what lies outside, such as a neutral value, is at its surface."""
        columns = []
        for side in self._sides:
            value, low, high = getattr(_at(params, side.path), side.field), side.low, side.high
            if side.log:
                value, low, high = value.log(), math.log(low), math.log(high)
            columns.append(((value - low) / (high - low)).clamp(0, 1))
        return torch.stack(columns, dim=1) if columns else torch.zeros(len(params.leaves()[0]), 0)

    def replace(self, params: Parameters, unit: Float[Tensor, "b d"]) -> Parameters:
        """The parameters with those of the box taken from unit coordinates; differentiable in these."""
        for side, column in zip(self._sides, unit.unbind(1), strict=True):
            if side.log:
                value = torch.exp(math.log(side.low) + (math.log(side.high) - math.log(side.low)) * column)
            else:
                value = side.low + (side.high - side.low) * column
            params = _replaced(params, side.path, side.field, value.clamp(side.low, side.high))
        return params


def _sides(mechanism: Mechanism[Any], path: Path) -> Iterator[_Side]:
    match mechanism:
        case Maybe():
            yield from _sides(mechanism.mechanism, path)
        case Chain():
            for place, part in enumerate(mechanism.mechanisms):
                yield from _sides(part, (*path, ("steps", place)))
        case OneOf():
            for place, part in enumerate(mechanism.mechanisms):
                yield from _sides(part, (*path, ("options", place)))
        case Mix():
            for place, part in enumerate(mechanism.branches):
                yield from _sides(part, (*path, ("branches", place)))
        case _:
            for field, meaning in quantities(mechanism):
                low, high = _ends(getattr(mechanism, field), meaning)
                if low < high:
                    name = f"{type(mechanism).__name__}.{field}"
                    yield _Side(path, field, name, meaning.scale == "log" and low > 0, low, high)


def _ends(law: Law, meaning: Quantity) -> tuple[float, float]:
    """The ends of a range, those of the central part of a distribution, or a number twice."""
    if isinstance(law, str):  # a scene's variable, which is not this mechanism's to choose
        return meaning.neutral, meaning.neutral
    if isinstance(law, int | float):
        return float(law), float(law)
    if isinstance(law, tuple):
        return float(law[0]), float(law[1])
    tail = (1 - CENTRAL) / 2
    low, high = (float(law.icdf(torch.tensor(share))) for share in (tail, 1 - tail))
    return max(low, meaning.low), min(high, meaning.high)


def _at(params: Parameters, path: Path) -> Parameters:
    for field, place in path:
        params = getattr(params, field)[place]
    return params


def _replaced(params: Parameters, path: Path, field: str, value: Tensor) -> Parameters:
    if not path:
        return params.replace(**{field: value})
    (holder, place), rest = path[0], path[1:]
    held = list(getattr(params, holder))
    held[place] = _replaced(held[place], rest, field, value)
    return params.replace(**{holder: tuple(held)})

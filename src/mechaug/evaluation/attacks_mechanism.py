"""The worst case over a mechanism's parameters: how wrong a model can be made inside a box of physical units.

A law that is a range is one side of the box, and its ends are where the search stops; coordinates run from 0 to 1 on
each quantity's own scale, so that a step means as much in metres as in degrees. What is no quantity (seeds, shapes,
which mechanism of a mixture) is drawn from the picture's key and held. Geometric parameters have many local worst
cases, and gradients from one start find a poor one: draws and grids are stronger there (Engstrom, Tran, Tsipras,
Schmidt and Madry, "Exploring the landscape of spatial robustness", ICML 2019). A picture counts as right if it is right
when clean and everywhere the search looked.
"""

import functools
import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final, TypeAlias, final

import torch
from jaxtyping import Float
from torch import Tensor, nn

from mechaug.evaluation.attacks import Attack, check_keys, check_settings, margin
from mechaug.evaluation.predict import ask, check_labels, evaluating
from mechaug.keys import Key
from mechaug.laws import Law, Quantity, quantities
from mechaug.mechanisms import Chain, Maybe, Mechanism, Mix, OneOf, Parameters
from mechaug.types import Image, Labels, PerImage

MOST_POINTS: Final = 10_000
"""The largest grid."""

CENTRAL: Final = 0.99
"""The share of a distribution that lies inside the box: its tails have no end."""


@dataclass(frozen=True)
class Ascent:
    """Steps of the gradient's sign in unit coordinates, from keyed draws; every place on the way counts.

    Args:
        steps: from each start.
        step: the length of one, in units of the box's sides.
        starts: how many draws to start from.
    """

    steps: int = 10
    step: float = 0.1
    starts: int = 1

    def __post_init__(self) -> None:
        check_settings("Ascent", real={"step": self.step}, whole={"steps": self.steps, "starts": self.starts})


@dataclass(frozen=True)
class BestOf:
    """The worst of some draws from the mechanism's own laws.

    Args:
        draws: how many.
    """

    draws: int = 10

    def __post_init__(self) -> None:
        check_settings("BestOf", real={}, whole={"draws": self.draws})


@dataclass(frozen=True)
class Grid:
    """All points of a regular grid over the box, with its corners.

    Args:
        points: along each side; at least 2.
    """

    points: int = 5

    def __post_init__(self) -> None:
        check_settings("Grid", real={}, whole={"points": self.points - 1})


Search: TypeAlias = Ascent | BestOf | Grid


@dataclass(frozen=True)
class Found:
    """The worst that was found for each picture.

    Attributes:
        params: one row of the mechanism's parameters per picture.
        pictures: the pictures under them.
        lead: how far the label's logit lies above the best other one there; below 0, the picture is wrong.
    """

    params: Parameters
    pictures: Image
    lead: PerImage


@final
@dataclass(frozen=True)
class WorstParameters(Attack):
    """The worst case over the box of a mechanism or a chain.

    Args:
        mechanism: any; its ranges are the box.
        search_by: how to look for it.

    Raises:
        ValueError: nothing in the mechanism is a range or a distribution, or a grid has more than 10,000 points.
    """

    mechanism: Mechanism[Any]
    search_by: Search = Ascent()

    def __post_init__(self) -> None:
        sides = len(Box(self.mechanism).names)
        if isinstance(self.search_by, BestOf):
            return
        if not sides:
            raise ValueError(
                "no parameter of the mechanism is a range, so there is nothing to search: give one, such as "
                "Haze(visibility_m=(50, 2000)), or use BestOf for what is drawn besides"
            )
        if isinstance(self.search_by, Grid) and self.search_by.points**sides > MOST_POINTS:
            raise ValueError(
                f"a grid of {self.search_by.points} points along {sides} sides has {self.search_by.points**sides:,} "
                f"points, and {MOST_POINTS:,} are the most: hold some parameters, or use Ascent or BestOf"
            )

    @property
    def name(self) -> str:
        """How it searches."""
        match self.search_by:
            case Ascent():
                return f"worst of {self.search_by.starts}×{self.search_by.steps} steps"
            case BestOf():
                return f"worst of {self.search_by.draws} draws"
            case Grid():
                return f"worst of a grid of {self.search_by.points}"

    def search(self, model: nn.Module, pictures: Image, labels: Labels, key: Key) -> Image:
        """The pictures under the worst parameters."""
        return self.find(model, pictures, labels, key).pictures

    def find(self, model: nn.Module, pictures: Image, labels: Labels, key: Key) -> Found:
        """The worst parameters too.

        Args:
            model: pictures in [0, 1] to logits.
            pictures: sRGB in [0, 1], on the model's device.
            labels: their classes.
            key: one key per picture, on the same device.

        Raises:
            ValueError: there are no pictures, or as `Attack.__call__`.
        """
        check_keys(pictures, key)
        if not len(pictures):
            raise ValueError("there are no pictures to attack")
        with evaluating(model), torch.no_grad():
            check_labels(labels, ask(model, pictures[:1]).shape[1])
            return functools.reduce(_worse, self._places(model, pictures, labels, key.fold("worst parameters")))

    def _places(self, model: nn.Module, pictures: Image, labels: Labels, key: Key) -> Iterator[Found]:
        """Every place where the search looks."""
        box, how = Box(self.mechanism), self.search_by

        def look(params: Parameters) -> Found:
            changed = self.mechanism.apply(pictures, params)
            return Found(params, changed, margin(ask(model, changed), labels))

        match how:
            case BestOf():
                for number in range(how.draws):
                    yield look(self.mechanism.sample(key.fold(number)).to(pictures.device))
            case Grid():
                params = self.mechanism.sample(key.fold(0)).to(pictures.device)
                ticks = torch.linspace(0, 1, how.points).tolist()
                for point in itertools.product(ticks, repeat=len(box.names)):
                    unit = torch.tensor(point, device=pictures.device).expand(len(pictures), -1)
                    yield look(box.replace(params, unit))
            case Ascent():
                for number in range(how.starts):
                    params = self.mechanism.sample(key.fold(number)).to(pictures.device)
                    unit = box.unit(params)
                    for _ in range(how.steps):
                        with torch.enable_grad():
                            unit.requires_grad_()
                            here = look(box.replace(params, unit))
                            (slope,) = torch.autograd.grad(here.lead.sum(), unit, allow_unused=True)
                        yield Found(here.params.map(Tensor.detach), here.pictures.detach(), here.lead.detach())
                        slope = torch.zeros_like(unit) if slope is None else slope.nan_to_num(0.0)
                        unit = (unit.detach() - how.step * slope.sign()).clamp(0, 1)
                    yield look(box.replace(params, unit))


def _worse(one: Found, other: Found) -> Found:
    """For each picture the one with the smaller lead."""
    where = other.lead < one.lead
    leaves = iter([
        torch.where(where.reshape(-1, *(1,) * (a.ndim - 1)), b, a)
        for a, b in zip(one.params.leaves(), other.params.leaves(), strict=True)
    ])  # fmt: skip
    return Found(
        one.params.map(lambda _: next(leaves)),
        torch.where(where[:, None, None, None], other.pictures, one.pictures),
        torch.minimum(one.lead, other.lead),
    )


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

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
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final, TypeAlias, final

import torch
from torch import Tensor, nn

from mechaug.evaluation.attacks import Attack, check_keys, check_settings, margin
from mechaug.evaluation.predict import ask, check_labels, evaluating
from mechaug.keys import Key
from mechaug.mechanisms import Mechanism, Parameters
from mechaug.mechanisms.box import Box
from mechaug.types import Image, Labels, PerImage

MOST_POINTS: Final = 10_000
"""The largest grid."""


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

"""Adversarial training: views that are made to be hard for the net as it is, in pixels or in physical units.

Each adversary looks at the net at rest (evaluation mode, no gradient to the weights), as the published trainings do;
what it draws comes from the pictures' keys.
"""

import math
from dataclasses import dataclass
from typing import Any, Literal, final

import torch
from torch import Tensor, nn
from torch.nn import functional

from mechaug.heuristics.views import Batch, View, ViewMaker, at_rest, in_turn
from mechaug.keys import Key
from mechaug.mechanisms.base import Mechanism, Parameters
from mechaug.mechanisms.box import Box
from mechaug.mechanisms.parts import overlapping
from mechaug.types import Image, Labels, Logits, PerImage


@final
@dataclass(frozen=True)
class PixelAdversary(ViewMaker):
    """Steps of the gradient's sign within an L∞ ball: the inner problem of PGD, TRADES, MART and fast FGSM training.

    Madry et al., "Towards deep learning models resistant to adversarial attacks", ICLR 2018, whose ten steps of 2/255
    within 8/255 are the default.

    Args:
        radius: of the ball, in units of white.
        step: length of a step.
        steps: how many.
        start: "uniform" in the ball (Madry et al.; Wong et al.), or "normal" of 0.001 around the picture (TRADES).
        climbs: the "cross-entropy", or the "divergence" of the prediction from that on the clean picture (TRADES).

    Raises:
        ValueError: a number is not positive.
    """

    radius: float = 8 / 255
    step: float = 2 / 255
    steps: int = 10
    start: Literal["uniform", "normal"] = "uniform"
    climbs: Literal["cross-entropy", "divergence"] = "cross-entropy"

    def __post_init__(self) -> None:
        for name in ("radius", "step", "steps"):
            if not 0 < getattr(self, name) < math.inf:
                raise ValueError(f"PixelAdversary({name}=…) is positive and finite, not {getattr(self, name)!r}")

    @classmethod
    def fast(cls, radius: float = 8 / 255) -> "PixelAdversary":
        """One long step from a uniform start (Wong, Rice and Kolter, "Fast is better than free", ICLR 2020)."""
        return cls(radius=radius, step=1.25 * radius, steps=1)

    @classmethod
    def trades(cls, radius: float = 0.031) -> "PixelAdversary":
        """Ten steps of 0.007 up the divergence, from next to the picture (Zhang et al., ICML 2019)."""
        return cls(radius=radius, step=0.007, steps=10, start="normal", climbs="divergence")

    def views(self, model: nn.Module, batch: Batch, *, clean: bool, count: int) -> tuple[View, ...]:
        """Attacked pictures with the labels of the clean ones."""
        with at_rest(model):
            return in_turn(
                batch, lambda key: View(self.attack(model, batch.pictures, batch.labels, key), batch.labels),
                clean=clean, count=count,
            )  # fmt: skip

    def attack(self, model: nn.Module, pictures: Image, labels: Labels, key: Key) -> Image:
        """The attacked pictures, in [0, 1]; the net is at rest."""
        shape = pictures.shape[1:]
        drawn = key.fold("start").field(*shape).to(pictures)
        move = 0.001 * drawn if self.start == "normal" else self.radius * (2 * torch.special.ndtr(drawn) - 1)
        with torch.no_grad():
            before = functional.log_softmax(model(pictures), 1) if self.climbs == "divergence" else None
        here = (pictures + move).clamp(0, 1)
        for _ in range(self.steps):
            with torch.enable_grad():
                here = here.detach().requires_grad_()
                logits = model(here)
                loss = functional.cross_entropy(logits, labels) if before is None else divergence(before, logits).sum()
                (slope,) = torch.autograd.grad(loss, here)
            here = here.detach() + self.step * slope.sign()
            here = torch.minimum(torch.maximum(here, pictures - self.radius), pictures + self.radius).clamp(0, 1)
        return here


@final
@dataclass(frozen=True)
class WorstCase(ViewMaker):
    """The worst parameters of a mechanism that a short search finds, inside its ranges and in their own units.

    What has no range (seeds, directions of noise, which mechanism of a mixture) is drawn and held. Parameters have few
    dimensions and many local worst cases, so that the best of some draws is often stronger than steps from one of them
    (Engstrom et al., "Exploring the landscape of spatial robustness", ICML 2019).

    Args:
        mechanism: any; its ranges are the bounds within which a label survives.
        steps: of the gradient's sign, in units of the box's sides; 0 for none.
        step: the length of one, as a share of a side.
        draws: of the worst of which the steps start, at least 1.

    Raises:
        ValueError: a number is outside its range, or there are steps and nothing in the mechanism is a range.
    """

    mechanism: Mechanism[Any]
    steps: int = 3
    step: float = 0.2
    draws: int = 1

    def __post_init__(self) -> None:
        if self.steps < 0 or self.draws < 1 or not 0 < self.step <= 1:
            raise ValueError(
                "WorstCase takes steps ≥ 0, draws ≥ 1 and a step above 0 and at most 1, "
                f"not {self.steps}, {self.draws} and {self.step}"
            )
        if self.steps and not Box(self.mechanism).names:
            raise ValueError("no parameter of the mechanism is a range, so that no step can be taken: use steps=0")

    @property
    def overlaps(self) -> tuple[str, ...]:  # type: ignore[override]
        """Those of the mechanism."""
        return overlapping(self.mechanism)

    def views(self, model: nn.Module, batch: Batch, *, clean: bool, count: int) -> tuple[View, ...]:
        """Pictures under the worst parameters; the gradient of the step does not pass through the search."""

        def make(key: Key) -> View:
            params = self.search(model, batch.pictures, batch.labels, key)
            with torch.no_grad():
                return View(self.mechanism.apply(batch.pictures, params), batch.labels)

        with at_rest(model):
            return in_turn(batch, make, clean=clean, count=count)

    def search(self, model: nn.Module, pictures: Image, labels: Labels, key: Key) -> Parameters:
        """The worst parameters that were found, one row per picture; the net is at rest."""
        box = Box(self.mechanism)

        def loss_of(params: Parameters) -> PerImage:
            return functional.cross_entropy(model(self.mechanism.apply(pictures, params)), labels, reduction="none")

        worst: Parameters | None = None
        highest = torch.full((len(pictures),), -math.inf, device=pictures.device)

        def keep(params: Parameters, loss: PerImage) -> None:
            nonlocal worst, highest
            worst = params if worst is None else _chosen(loss > highest, params, worst)
            highest = torch.maximum(highest, loss)

        for number in range(self.draws):
            params = self.mechanism.sample(key.fold(f"draw {number}")).to(pictures.device)
            if self.draws > 1 or not self.steps:
                with torch.no_grad():
                    keep(params, loss_of(params))
            else:
                worst = params
        assert worst is not None, "there is at least one draw"
        start = worst
        unit = box.unit(start).to(pictures.device)
        for _ in range(self.steps):
            with torch.enable_grad():
                unit = unit.detach().requires_grad_()
                loss = loss_of(box.replace(start, unit))
                (slope,) = torch.autograd.grad(loss.sum(), unit, allow_unused=True)
            keep(box.replace(start, unit.detach()), loss.detach())
            slope = torch.zeros_like(unit) if slope is None else slope.nan_to_num(0.0)
            unit = (unit.detach() + self.step * slope.sign()).clamp(0, 1)
        if self.steps:
            with torch.no_grad():
                last = box.replace(start, unit)
                keep(last, loss_of(last))
        return worst


def _chosen(where: Tensor, one: Parameters, other: Parameters) -> Parameters:
    """For each picture the row of `one` where the mask is true, else that of `other`."""
    leaves = iter([
        torch.where(where.reshape(-1, *(1,) * (a.ndim - 1)), a, b)
        for a, b in zip(one.leaves(), other.leaves(), strict=True)
    ])  # fmt: skip
    return one.map(lambda _: next(leaves))


def divergence(log_p: Logits, logits: Logits) -> PerImage:
    """KL(p ‖ q) per picture, p by its logarithms and q by its logits."""
    return (log_p.exp() * (log_p - functional.log_softmax(logits.float(), 1))).sum(1)

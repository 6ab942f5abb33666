"""An adversary in the picture and in the features: relaxed adversarial training in a perceptual distance."""

import math
from dataclasses import dataclass
from functools import partial
from typing import final

import torch
from torch import Tensor, nn
from torch.nn import functional

from mechaug.heuristics.views import Batch, Inside, View, ViewMaker, at_rest, hooked, in_turn, stages


@final
@dataclass(frozen=True)
class LayerAdversary(ViewMaker):
    """One step along the gradient at the picture and at the end of each of the net's stages, all at once (RLAT).

    Kireev, Andriushchenko & Flammarion, "On the effectiveness of adversarial training against common corruptions", UAI
    2022: the ball of the perceptual distance LPIPS is relaxed to one L2 ball per layer, of which the FGSM-like step
    takes the surface. As in the published code, layer i (the picture is 0) with n numbers has the radius
    ε · n / 3072 / (i + 1). There the layers also have the stem among them; here they are the picture and the stages
    that a net names.

    Args:
        radius: ε, the L2 radius of a picture of 3×32×32 numbers; the paper takes 0.08 alone and 0.05 beside AugMix.

    Raises:
        ValueError: the radius is not positive.
    """

    radius: float = 0.08

    def __post_init__(self) -> None:
        if not 0 < self.radius < math.inf:
            raise ValueError(f"LayerAdversary(radius=…) is positive and finite, not {self.radius!r}")

    def views(self, model: nn.Module, batch: Batch, *, clean: bool, count: int) -> tuple[View, ...]:
        """Moved pictures whose features are moved too, with their labels; nothing in it is drawn.

        Raises:
            ValueError: the net does not say where its stages end.
        """
        names = stages(model)
        with at_rest(model):
            first, *others = self._moves(model, batch, names)

        def make(_: object) -> View:
            inside = tuple(Inside(name, partial(torch.add, move)) for name, move in zip(names, others, strict=True))
            return View((batch.pictures + first).clamp(0, 1), batch.labels, inside)

        return in_turn(batch, make, clean=clean, count=count)

    def _moves(self, model: nn.Module, batch: Batch, names: tuple[str, ...]) -> list[Tensor]:
        """For the picture and each layer a move of the length of its radius, up the loss."""
        from contextlib import ExitStack

        zeros: list[Tensor] = []

        def watched(features: Tensor) -> Tensor:
            zeros.append(torch.zeros_like(features).requires_grad_())
            return features + zeros[-1]

        with torch.enable_grad(), ExitStack() as hooks:
            for name in names:
                hooks.enter_context(hooked(model, name, watched))
            picture = batch.pictures.detach().clone().requires_grad_()
            loss = functional.cross_entropy(model(picture).float(), batch.labels, reduction="sum")
            slopes = torch.autograd.grad(loss, (picture, *zeros))
        return [self._step(slope, place) for place, slope in enumerate(slopes)]

    def _step(self, slope: Tensor, place: int) -> Tensor:
        length = slope.float().flatten(1).norm(dim=1).clamp(min=1e-12).view(-1, *(1,) * (slope.ndim - 1))
        radius = self.radius * slope[0].numel() / 3072 / (place + 1)
        return (slope * (radius / length)).to(slope.dtype)

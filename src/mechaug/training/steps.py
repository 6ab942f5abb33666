"""What a step does between the pictures and the gradient, and what a training does beside it."""

from contextlib import ExitStack
from dataclasses import dataclass
from typing import Final, final

import torch
from torch import Tensor, nn

from mechaug.heuristics.views import Augmentation, Batch
from mechaug.training.dual_norm import routed
from mechaug.training.guard import FastOverfitting
from mechaug.training.objectives import Objective
from mechaug.training.views import make_views, show
from mechaug.training.weights import AdversarialWeights


@final
@dataclass(frozen=True)
class Extras:
    """What a training has besides an augmentation and a loss.

    Attributes:
        weights: the rule by which the gradient is taken at worse weights nearby; None for the weights themselves.
        two_norms: whether augmented views have batch norms of their own, which training alone uses.
        guard: what ends a training early; None for nothing.
    """

    weights: AdversarialWeights | None = None
    two_norms: bool = False
    guard: FastOverfitting | None = None


NOTHING: Final = Extras()


def descend(
    model: nn.Module,
    objective: Objective,
    batch: Batch,
    augmentation: Augmentation | None,
    *,
    parts: int = 1,
    extras: Extras = NOTHING,
) -> Tensor:
    """Leave the gradient of a batch with the weights; the loss comes back, a mean over pictures.

    Args:
        model: in training mode.
        objective: the loss.
        batch: the pictures.
        augmentation: makes the views.
        parts: in how many parts the batch goes through the net, one after another.
        extras: what else there is; with adversarial weights the loss that comes back is the one at those.
    """
    total = torch.zeros((), device=batch.pictures.device)
    for part in batch.parts(parts) if parts > 1 else (batch,):
        share = len(part.labels) / len(batch.labels)
        with ExitStack() as around:
            if extras.two_norms:
                # An adversary looks at the net with the norms that its pictures will meet (Xie et al., algorithm 1).
                around.enter_context(routed(model, 0))
            views = make_views(model, part, augmentation, objective.inputs)

        def loss(views: tuple = views, part: Batch = part) -> Tensor:  # type: ignore[type-arg]
            return objective.value(show(model, views, objective.inputs), part.labels)

        with ExitStack() as around:
            if extras.two_norms:
                around.enter_context(routed(model, len(part.labels) if objective.inputs.clean else 0))
            if extras.weights is not None:
                around.enter_context(extras.weights.moved(model, loss))
            value = loss()
            (value * share).backward()
        total += value.detach() * share
    return total

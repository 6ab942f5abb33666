"""Objectives that ask a net to say the same of a picture and of its views, and those of adversarial training."""

import math
from dataclasses import dataclass
from typing import final

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from mechaug.training.objectives import Inputs, Objective, Outputs, first_views, precise, seen_clean
from mechaug.types import Targets


@final
@dataclass(frozen=True)
class KL(Objective):
    """KL(p ‖ q) from the prediction p on the clean picture to that on each view, q; the mean over views.

    With the gradient stopped at p, the views follow the clean picture and never the other way round, as in virtual
    adversarial training (Miyato et al., PAMI 2018). Without it, β times this with an adversary that climbs the same
    divergence, beside `CrossEntropy()`, is TRADES (Zhang et al., "Theoretically principled trade-off between robustness
    and accuracy", ICML 2019, eq. 5), with β = 6.

    Args:
        views: how many, at least 1.
        stop_gradient: whether p is taken as given.

    Raises:
        ValueError: fewer views.
    """

    views: int = 1
    stop_gradient: bool = True

    def __post_init__(self) -> None:
        if self.views < 1:
            raise ValueError(f"KL(views=…) compares the clean picture with at least 1 view, not {self.views}")

    @property
    def inputs(self) -> Inputs:
        """The clean pictures and the views."""
        return Inputs(clean=True, views=self.views)

    def value(self, outputs: Outputs, labels: Targets) -> Float[Tensor, ""]:
        """The mean divergence; the labels are not used."""
        del labels
        log_p = functional.log_softmax(precise(seen_clean(outputs, self)), 1)
        if self.stop_gradient:
            log_p = log_p.detach()
        views = first_views(outputs, self.views, self)[: self.views]
        log_q = torch.stack([functional.log_softmax(precise(view), 1) for view in views])
        return (log_p.exp() * (log_p - log_q)).sum(2).mean()


@final
@dataclass(frozen=True)
class MART(Objective):
    """Boosted cross-entropy on the attacked picture, and a divergence that counts where the clean one is doubtful.

    −log q_y − log(1 − max over k ≠ y of q_k) + λ · KL(p ‖ q) · (1 − p_y), with p for the clean and q for the attacked
    picture (Wang et al., "Improving adversarial robustness requires revisiting misclassified examples", ICLR 2020).

    Args:
        weight: λ; the paper takes 5.

    Raises:
        ValueError: the weight is negative or not finite.
    """

    weight: float = 5.0

    def __post_init__(self) -> None:
        if not 0 <= self.weight < math.inf:
            raise ValueError(f"MART(weight=…) is not negative and finite, not {self.weight!r}")

    @property
    def inputs(self) -> Inputs:
        """The clean picture and one that was attacked."""
        return Inputs(clean=True, views=1)

    def value(self, outputs: Outputs, labels: Targets) -> Float[Tensor, ""]:
        """The mean over pictures; labels are class numbers.

        Raises:
            ValueError: the labels are soft.
        """
        if labels.is_floating_point():
            raise ValueError("MART takes class numbers, not soft labels")
        log_p = functional.log_softmax(precise(seen_clean(outputs, self)), 1)
        log_q = functional.log_softmax(precise(first_views(outputs, 1, self)[0]), 1)
        own = functional.one_hot(labels, log_p.shape[1]).bool()
        rival = log_q.masked_fill(own, -math.inf).amax(1).exp()
        boosted = -log_q[own] - torch.log1p(-rival.clamp(max=1 - 1e-6))
        doubt = 1 - log_p[own].exp()
        return (boosted + self.weight * doubt * (log_p.exp() * (log_p - log_q)).sum(1)).mean()

"""Objectives on features: what the net makes of a picture just before it names the class."""

import math
from dataclasses import dataclass
from typing import final

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from mechaug.training.objectives import Features, Inputs, Objective, Outputs
from mechaug.types import Targets


@final
@dataclass(frozen=True)
class SupCon(Objective):
    """Supervised contrast: pictures of one class lie together on the sphere of features, all others apart.

    For each of the (views + 1)·b pictures i, with z the features at length 1, A all pictures but i itself, and P those
    of A with i's class: −1/|P| Σ_{p ∈ P} log(exp(z_i·z_p/τ) / Σ_{a ∈ A} exp(z_i·z_a/τ)); the mean over i (Khosla et
    al., "Supervised contrastive learning", NeurIPS 2020, eq. 2). The paper compares what a projection of two layers
    makes of the features and drops it after training; here it is the features themselves, so that a net needs nothing
    more, and the classifier is trained along by another term.

    Args:
        views: how many augmented views join the clean picture, at least 1.
        temperature: τ; the paper takes 0.1.

    Raises:
        ValueError: fewer views, or the temperature is not positive.
    """

    views: int = 1
    temperature: float = 0.1

    def __post_init__(self) -> None:
        if self.views < 1 or not 0 < self.temperature < math.inf:
            raise ValueError(f"SupCon takes at least 1 view and a temperature above 0, not {self}")

    @property
    def inputs(self) -> Inputs:
        """The clean pictures and the views, with their features."""
        return Inputs(clean=True, views=self.views, features=True)

    def value(self, outputs: Outputs, labels: Targets) -> Float[Tensor, ""]:
        """The mean over all pictures; labels are class numbers.

        Raises:
            ValueError: the labels are soft, or the features are not there.
        """
        if labels.is_floating_point():
            raise ValueError("SupCon takes class numbers, not soft labels: it has no pairs for a mixture")
        z = torch.cat([_unit(one) for one in _features(outputs, self.views, self)])
        classes = labels.repeat(self.views + 1)
        alone = torch.eye(len(z), dtype=torch.bool, device=z.device)
        log_share = (z @ z.T / self.temperature).masked_fill(alone, -math.inf).log_softmax(1)
        same = (classes[:, None] == classes[None, :]) & ~alone
        # Every picture has a positive: its own views. Masked, for 0 × −∞ is not a number.
        return -(log_share.masked_fill(~same, 0.0).sum(1) / same.sum(1)).mean()


@final
@dataclass(frozen=True)
class FeatureConsistency(Objective):
    """1 − cos of the angle between the features of a picture and those of each view; in [0, 2], the mean over views.

    With the gradient stopped at the clean picture, views follow it and never the other way round; without a second term
    that tells classes apart, equal features for all would be best (Chen & He, "Exploring simple Siamese representation
    learning", CVPR 2021, eq. 1, without its predictor).

    Args:
        views: how many, at least 1.
        stop_gradient: whether the clean features are taken as given.

    Raises:
        ValueError: fewer views.
    """

    views: int = 1
    stop_gradient: bool = True

    def __post_init__(self) -> None:
        if self.views < 1:
            raise ValueError(f"FeatureConsistency(views=…) compares with at least 1 view, not {self.views}")

    @property
    def inputs(self) -> Inputs:
        """The clean pictures and the views, with their features."""
        return Inputs(clean=True, views=self.views, features=True)

    def value(self, outputs: Outputs, labels: Targets) -> Float[Tensor, ""]:
        """The mean; the labels are not used.

        Raises:
            ValueError: the features are not there.
        """
        del labels
        clean, *views = (_unit(one) for one in _features(outputs, self.views, self))
        clean = clean.detach() if self.stop_gradient else clean
        return torch.stack([1 - (clean * view).sum(1).mean() for view in views]).mean()


def _features(outputs: Outputs, views: int, objective: Objective) -> tuple[Features, ...]:
    if outputs.clean_features is None or len(outputs.augmented_features) < views:
        raise ValueError(f"{objective} needs the features of the clean pictures and of {views} views: see `inputs`")
    return (outputs.clean_features, *outputs.augmented_features[:views])


def _unit(features: Features) -> Features:
    return functional.normalize(features.to(torch.promote_types(features.dtype, torch.float32)), dim=1)

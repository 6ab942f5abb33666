"""Dual batch norm: the statistics of adversarial pictures are kept apart from those of ordinary ones.

Xie et al., "Adversarial examples improve image recognition" (AdvProp), CVPR 2020: the two have different
distributions, and one set of statistics fits neither. At test time the ordinary ones are used. AugMax (Wang et al.,
NeurIPS 2021) uses the same idea; its instance normalisation is not part of this.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import final

import torch
from torch import Tensor, nn


@final
class DualBatchNorm(nn.Module):
    """Two batch norms: the first so many rows of a batch go through one, the others through the other.

    Args:
        ordinary: the norm that there was; it is also that of evaluation.
    """

    def __init__(self, ordinary: nn.BatchNorm2d) -> None:
        super().__init__()
        self.ordinary = ordinary
        self.adversarial = nn.BatchNorm2d(
            ordinary.num_features, ordinary.eps, ordinary.momentum, ordinary.affine, ordinary.track_running_stats,
            device=ordinary.weight.device, dtype=ordinary.weight.dtype,
        )  # fmt: skip
        self.adversarial.load_state_dict(ordinary.state_dict())
        self.rows: int | None = None

    def forward(self, x: Tensor) -> Tensor:
        """Normalise; see `routed`."""
        if self.rows is None or self.rows >= len(x):
            return self.ordinary(x)
        if self.rows == 0:
            return self.adversarial(x)
        return torch.cat((self.ordinary(x[: self.rows]), self.adversarial(x[self.rows :])))


def dual(model: nn.Module) -> nn.Module:
    """The same model with every batch norm of two dimensions made dual, in place; norms that are dual stay so.

    Raises:
        ValueError: there is no batch norm in it.
    """
    found = 0
    for parent in list(model.modules()):
        if isinstance(parent, DualBatchNorm):
            continue
        for name, child in list(parent.named_children()):
            if isinstance(child, nn.BatchNorm2d):
                setattr(parent, name, DualBatchNorm(child))
            found += isinstance(child, nn.BatchNorm2d | DualBatchNorm)
    if not found:
        raise ValueError("this model has no BatchNorm2d, so that there is nothing to keep apart")
    return model


def single(model: nn.Module) -> nn.Module:
    """The same model with the ordinary norms alone, in place: what is kept of it, and measured."""
    for parent in list(model.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, DualBatchNorm):
                setattr(parent, name, child.ordinary)
    return model


def ordinary_state(model: nn.Module, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The state that belongs to `single(model)`, from one that belongs to the model with its dual norms."""
    left = dict(state)
    for name, module in model.named_modules():
        if isinstance(module, DualBatchNorm):
            for own in module.ordinary.state_dict():
                left[f"{name}.{own}"] = left.pop(f"{name}.ordinary.{own}")
                del left[f"{name}.adversarial.{own}"]
    return left


@contextmanager
def routed(model: nn.Module, rows: int) -> Iterator[None]:
    """A block in which the first `rows` rows of every batch are ordinary and the others adversarial.

    In a model without dual norms it changes nothing. Outside of such a block all rows are ordinary: so is evaluation.
    """
    norms = [module for module in model.modules() if isinstance(module, DualBatchNorm)]
    before = [norm.rows for norm in norms]
    for norm in norms:
        norm.rows = rows
    try:
        yield
    finally:
        for norm, old in zip(norms, before, strict=True):
            norm.rows = old

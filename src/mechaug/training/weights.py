"""Adversarial weights: a step is taken with the gradient at the worst weights nearby.

Wu et al., "Adversarial weight perturbation helps robust generalization", NeurIPS 2020: a flat loss around the weights
goes with a small gap between robust training and test accuracy, and with less robust overfitting.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor, nn

_TINY = 1e-12


@final
@dataclass(frozen=True)
class AdversarialWeights:
    """Weights moved uphill, layer by layer, by a fixed share of their own length.

    Args:
        gamma: the length of the move over the length of the layer's weights; the paper takes 5·10⁻³.

    Raises:
        ValueError: gamma is not positive.
    """

    gamma: float = 5e-3

    def __post_init__(self) -> None:
        if not 0 < self.gamma < float("inf"):
            raise ValueError(f"AdversarialWeights(gamma=…) is positive and finite, not {self.gamma!r}")

    @contextmanager
    def moved(self, model: nn.Module, loss: Callable[[], Tensor]) -> Iterator[None]:
        """A block in which the model has the worst weights nearby; afterwards it has its own again, bit for bit.

        Batch statistics that `loss` updates are put back as well, so that the step counts each batch once. Only
        weights with two axes or more are moved, as in the paper's code: norms and biases have no scale to share.

        Args:
            model: in the mode in which the step will use it.
            loss: computes the loss of the step's batch with the model's weights of the moment.
        """
        weights = [p for p in model.parameters() if p.ndim >= 2 and p.requires_grad]
        buffers = {name: buffer.clone() for name, buffer in model.named_buffers()}
        gradients = torch.autograd.grad(loss(), weights)
        own = [weight.detach().clone() for weight in weights]
        with torch.no_grad():
            for name, buffer in model.named_buffers():
                buffer.copy_(buffers[name])
            for weight, gradient in zip(weights, gradients, strict=True):
                weight += self.gamma * weight.norm() / (gradient.norm() + _TINY) * gradient
        try:
            yield
        finally:
            with torch.no_grad():
                for weight, before in zip(weights, own, strict=True):
                    weight.copy_(before)

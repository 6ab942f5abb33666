"""One step of the gradient's sign, and projected gradient descent.

Goodfellow, Shlens and Szegedy, "Explaining and harnessing adversarial examples", ICLR 2015 (FGSM); Madry, Makelov,
Schmidt, Tsipras and Vladu, "Towards deep learning models resistant to adversarial attacks", ICLR 2018 (PGD).
"""

from dataclasses import dataclass
from typing import Final, final

import torch
from torch import nn
from torch.nn.functional import cross_entropy

from mechaug.evaluation.attacks import EPSILON, Attack, ball, check_settings, slope
from mechaug.keys import Key
from mechaug.types import Image, Labels, Logits, PerImage

STEP_SIZE: Final = 2 / 255
STEPS: Final = 20


def cross_entropy_gain(logits: Logits, labels: Labels, targets: Labels) -> PerImage:  # noqa: ARG001
    """The cross-entropy of the label, picture by picture: a `Gain`."""
    return cross_entropy(logits, labels, reduction="none")


@final
@dataclass(frozen=True)
class Fgsm(Attack):
    """The fast gradient sign method: x + epsilon · sign(∇ cross-entropy), clipped to [0, 1].

    Section 4 of Goodfellow et al. (2015).

    Args:
        epsilon: radius of the L∞ ball, in units of white.
    """

    epsilon: float = EPSILON

    def __post_init__(self) -> None:
        check_settings("Fgsm", real={"epsilon": self.epsilon}, whole={})

    @property
    def name(self) -> str:
        """FGSM."""
        return "FGSM"

    def search(self, model: nn.Module, pictures: Image, labels: Labels, key: Key) -> Image:  # noqa: ARG002
        """The pictures after the step."""
        gradient = slope(model, pictures, cross_entropy_gain, labels, labels)[2]
        return (pictures + self.epsilon * gradient.sign()).clamp(0, 1)


@final
@dataclass(frozen=True)
class Pgd(Attack):
    """Projected gradient descent from a random start in the L∞ ball.

    x ← clip(x + step_size · sign(∇ cross-entropy)), into the ball |x − picture| ≤ epsilon and into [0, 1]; equation 4
    and section 3 of Madry et al. (2018).

    Args:
        epsilon: radius of the ball, in units of white.
        step_size: of one step, in units of white.
        steps: how many steps are taken; 0 for the random start alone.
    """

    epsilon: float = EPSILON
    step_size: float = STEP_SIZE
    steps: int = STEPS

    def __post_init__(self) -> None:
        check_settings(
            "Pgd", real={"epsilon": self.epsilon, "step_size": self.step_size, "steps": self.steps}, whole={}
        )

    @property
    def name(self) -> str:
        """PGD with its number of steps."""
        return f"PGD-{self.steps}"

    def search(self, model: nn.Module, pictures: Image, labels: Labels, key: Key) -> Image:
        """The last iterate."""
        low, high = ball(pictures, self.epsilon)
        start = key.fold("pgd").uniform(-self.epsilon, self.epsilon, *pictures.shape[1:])
        x = torch.clamp(pictures + start.to(pictures), low, high)
        for _ in range(self.steps):
            gradient = slope(model, x, cross_entropy_gain, labels, labels)[2]
            x = torch.clamp(x + self.step_size * gradient.sign(), low, high)
        return x

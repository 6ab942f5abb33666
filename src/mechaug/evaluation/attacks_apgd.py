"""Auto-PGD: projected gradient descent with momentum that chooses its own step sizes.

Croce and Hein, "Reliable evaluation of adversarial robustness with an ensemble of diverse parameter-free attacks", ICML
2020, algorithm 1 with its constants, and equations 5 and 6 for the losses. A picture that is wrong at any iterate is
done, and takes no further part: the accuracy under attack is the same, and nets that are not robust are quick.
"""

import math
from dataclasses import dataclass, replace
from typing import Final, Literal, final

import torch
from jaxtyping import Bool, Int64
from torch import Tensor, nn

from mechaug.evaluation.attacks import EPSILON, Attack, Gain, ball, check_settings, margin, slope
from mechaug.evaluation.attacks_pgd import cross_entropy_gain
from mechaug.evaluation.predict import ask
from mechaug.keys import Key
from mechaug.types import Image, Labels, Logits, PerImage

MOMENTUM: Final = 0.75
"""The weight of a step against the last one: α."""

RISES: Final = 0.75
"""The share of steps that must raise the loss between two checkpoints, or the step size is halved: ρ."""

_TINY: Final = 1e-12


def dlr_gain(logits: Logits, labels: Labels, targets: Labels) -> PerImage:  # noqa: ARG001
    """The difference of logits ratio −(z_y − max z_i)/(z_π1 − z_π3), i ≠ y: equation 5. A `Gain`.

    Two classes have no third logit: there it is the numerator alone.
    """
    lead = margin(logits, labels)
    if logits.shape[1] < 3:
        return -lead
    top = logits.topk(3, dim=1).values
    return -lead / (top[:, 0] - top[:, 2] + _TINY)


def targeted_dlr_gain(logits: Logits, labels: Labels, targets: Labels) -> PerImage:
    """The targeted ratio −(z_y − z_t)/(z_π1 − (z_π3 + z_π4)/2): equation 6. A `Gain`.

    With fewer than four classes it is the numerator alone.
    """
    lead = (logits.gather(1, labels[:, None]) - logits.gather(1, targets[:, None])).squeeze(1)
    if logits.shape[1] < 4:
        return -lead
    top = logits.topk(4, dim=1).values
    return -lead / (top[:, 0] - (top[:, 2] + top[:, 3]) / 2 + _TINY)


@final
@dataclass(frozen=True)
class Apgd(Attack):
    """Auto-PGD from a random start in the L∞ ball, untargeted.

    Args:
        epsilon: radius of the ball, in units of white.
        steps: how many steps are taken.
        loss: cross-entropy ("ce") or the difference of logits ratio ("dlr").
        draws: answers of the model that are averaged at each step, more than one for a randomised model.
    """

    epsilon: float = EPSILON
    steps: int = 100
    loss: Literal["ce", "dlr"] = "ce"
    draws: int = 1

    def __post_init__(self) -> None:
        check_settings("Apgd", real={"epsilon": self.epsilon}, whole={"steps": self.steps, "draws": self.draws})
        if self.loss not in ("ce", "dlr"):
            raise ValueError(f"Apgd(loss=…) is 'ce' or 'dlr', not {self.loss!r}")

    @property
    def name(self) -> str:
        """APGD-CE or APGD-DLR."""
        return f"APGD-{self.loss.upper()}"

    def search(self, model: nn.Module, pictures: Image, labels: Labels, key: Key) -> Image:
        """The first wrong iterate, or the best one."""
        gain = cross_entropy_gain if self.loss == "ce" else dlr_gain
        start = _start(pictures, self.epsilon, key.fold(self.name))
        return ascend(model, pictures, start, gain, labels, labels, self.epsilon, self.steps, self.draws)[0]


@final
@dataclass(frozen=True)
class TargetedApgd(Attack):
    """Auto-PGD on the targeted ratio, towards each of the likeliest other classes in turn (APGD-T).

    Args:
        epsilon: radius of the ball, in units of white.
        steps: how many steps are taken towards each class.
        targets: how many classes are tried, at most all others.
    """

    epsilon: float = EPSILON
    steps: int = 100
    targets: int = 9

    def __post_init__(self) -> None:
        check_settings(
            "TargetedApgd", real={"epsilon": self.epsilon}, whole={"steps": self.steps, "targets": self.targets}
        )

    @property
    def name(self) -> str:
        """APGD-T."""
        return "APGD-T"

    def search(self, model: nn.Module, pictures: Image, labels: Labels, key: Key) -> Image:
        """For each picture the first wrong iterate, or the best one towards the last class."""
        found, left = pictures.clone(), torch.arange(len(pictures), device=pictures.device)
        for rank, target in enumerate(likeliest_others(ask(model, pictures), labels)[: self.targets]):
            clean, keys = pictures[left], key.rows(left).fold(self.name).fold(rank)
            moved, broken = ascend(
                model, clean, _start(clean, self.epsilon, keys), targeted_dlr_gain, labels[left], target[left],
                self.epsilon, self.steps,
            )  # fmt: skip
            found[left] = moved
            left = left[~broken]
            if not len(left):
                break
        return found


def likeliest_others(logits: Logits, labels: Labels) -> Int64[Tensor, "others b"]:
    """The classes that are not the label, the likeliest first: one row per rank."""
    others = logits.scatter(1, labels[:, None], -torch.inf)
    return others.sort(dim=1, descending=True, stable=True).indices[:, :-1].T


def _start(pictures: Image, epsilon: float, key: Key) -> Image:
    return torch.clamp(
        pictures + key.uniform(-epsilon, epsilon, *pictures.shape[1:]).to(pictures), *ball(pictures, epsilon)
    )


def checkpoints(steps: int) -> tuple[int, ...]:
    """After which steps the step size may be halved: ⌈p_j · steps⌉ with p = 0, 0.22, and gaps that shrink by 0.03.

    Section 3 of Croce and Hein (2020): p_{j+1} = p_j + max(p_j − p_{j−1} − 0.03, 0.06).
    """
    before, share, places = 0.0, 0.22, []
    while share <= 1:
        # Rounded first, so that 0.22 · 100 in binary is not 23.
        places.append(math.ceil(round(share * steps, 6)))
        before, share = share, share + max(share - before - 0.03, 0.06)
    return tuple(dict.fromkeys(places))


@dataclass(frozen=True)
class _Walk:
    """Where the pictures that are still right stand, one row each."""

    rows: Int64[Tensor, "b"]
    labels: Labels
    targets: Labels
    low: Image
    high: Image
    x: Image
    last: Image
    gradient: Image
    gain: PerImage
    best: Image
    best_gradient: Image
    best_gain: PerImage
    step: PerImage
    rises: PerImage
    gain_at_checkpoint: PerImage
    halved: Bool[Tensor, "b"]

    def keep(self, mask: Bool[Tensor, "b"]) -> "_Walk":
        return _Walk(**{name: value[mask] for name, value in vars(self).items()})


def ascend(
    model: nn.Module,
    pictures: Image,
    start: Image,
    gain: Gain,
    labels: Labels,
    targets: Labels,
    epsilon: float,
    steps: int,
    draws: int = 1,
) -> tuple[Image, Bool[Tensor, "b"]]:
    """Algorithm 1: the pictures found, and which of them the model gets wrong.

    Args:
        model: in evaluation mode.
        pictures: the centres of the L∞ balls.
        start: where to begin, inside the balls.
        gain: what to raise.
        labels: the pictures' classes.
        targets: the classes aimed at, for a gain that has any.
        epsilon: radius of the balls.
        steps: how many steps are taken.
        draws: answers that are averaged at each step; a picture is wrong where their mean is.
    """
    found, broken = start.clone(), torch.zeros(len(pictures), dtype=torch.bool, device=pictures.device)
    logits, gained, gradient = slope(model, start, gain, labels, targets, draws)
    low, high = ball(pictures, epsilon)
    walk = _Walk(
        rows=torch.arange(len(pictures), device=pictures.device), labels=labels, targets=targets, low=low, high=high,
        x=start, last=start, gradient=gradient, gain=gained, best=start, best_gradient=gradient, best_gain=gained,
        step=torch.full_like(gained, 2 * epsilon), rises=torch.zeros_like(gained), gain_at_checkpoint=gained,
        halved=torch.ones_like(broken),
    )  # fmt: skip
    places = checkpoints(steps)

    def without_wrong(walk: _Walk, logits: Logits) -> _Walk:
        wrong = logits.argmax(1) != walk.labels
        if not bool(wrong.any()):
            return walk
        found[walk.rows[wrong]], broken[walk.rows[wrong]] = walk.x[wrong], True
        return walk.keep(~wrong)

    walk = without_wrong(walk, logits)
    for number in range(1, steps + 1):
        if not len(walk.rows):
            break
        walk = without_wrong(*_moved(model, walk, gain, 1.0 if number == 1 else MOMENTUM, draws))
        if number in places:
            place = places.index(number)
            walk = _checked(walk, number - (places[place - 1] if place else 0))
    found[walk.rows] = walk.best
    return found, broken


def _moved(model: nn.Module, walk: _Walk, gain: Gain, share: float, draws: int) -> tuple[_Walk, Logits]:
    """One step: by the gradient's sign, then mixed with the last step, of which the new one has its share."""
    size = walk.step.to(walk.x)[:, None, None, None]
    ahead = torch.clamp(walk.x + size * walk.gradient.sign(), walk.low, walk.high)
    x = walk.x + share * (ahead - walk.x) + (1 - share) * (walk.x - walk.last)
    x = torch.clamp(x, walk.low, walk.high)
    logits, gained, gradient = slope(model, x, gain, walk.labels, walk.targets, draws)
    better = gained > walk.best_gain
    where = better[:, None, None, None]
    walk = replace(
        walk, x=x, last=walk.x, gradient=gradient, gain=gained, rises=walk.rises + (gained > walk.gain),
        best=torch.where(where, x, walk.best), best_gradient=torch.where(where, gradient, walk.best_gradient),
        best_gain=torch.where(better, gained, walk.best_gain),
    )  # fmt: skip
    return walk, logits


def _checked(walk: _Walk, since: int) -> _Walk:
    """At a checkpoint: where the loss rose too rarely, or not since the last one, half the step from the best point."""
    rarely = walk.rises < RISES * since
    stuck = ~walk.halved & (walk.best_gain <= walk.gain_at_checkpoint)
    halved = rarely | stuck
    where = halved[:, None, None, None]
    return replace(
        walk, halved=halved, rises=torch.zeros_like(walk.rises), gain_at_checkpoint=walk.best_gain,
        step=torch.where(halved, walk.step / 2, walk.step), x=torch.where(where, walk.best, walk.x),
        gradient=torch.where(where, walk.best_gradient, walk.gradient),
        gain=torch.where(halved, walk.best_gain, walk.gain),
    )  # fmt: skip

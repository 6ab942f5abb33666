"""The fast adaptive boundary attack, targeted: the nearest picture on the other side of each decision boundary.

Croce and Hein, "Minimally distorted adversarial examples with a fast adaptive boundary attack", ICML 2020, algorithm 1
in the L∞ norm; targeted as in Croce and Hein, "Reliable evaluation of adversarial robustness with an ensemble of
diverse parameter-free attacks", ICML 2020, section 4. It does not know the radius: it looks for the least distortion.
A picture for which one inside the radius is found is done.
"""

from dataclasses import dataclass
from typing import Final, final

import torch
from torch import nn

from mechaug.evaluation.attacks import EPSILON, Attack, check_settings, slope
from mechaug.evaluation.attacks_apgd import likeliest_others
from mechaug.evaluation.predict import ask
from mechaug.keys import Key
from mechaug.types import Image, Labels, Logits, PerImage

OVERSHOOT: Final = 1.05
"""How far a step goes beyond the boundary: η."""

RETREAT: Final = 0.9
"""How far one steps back towards the picture where the other side is reached: β."""

LARGEST_BIAS: Final = 0.1
"""The largest weight of the step that starts at the picture itself: α_max."""


@final
@dataclass(frozen=True)
class TargetedFab(Attack):
    """FAB-T: towards the boundary with each of the likeliest other classes in turn, from the picture itself.

    Args:
        epsilon: radius of the L∞ ball inside which a wrong picture counts, in units of white.
        steps: how many steps are taken towards each class.
        targets: how many classes are tried, at most all others.
    """

    epsilon: float = EPSILON
    steps: int = 100
    targets: int = 9

    def __post_init__(self) -> None:
        check_settings(
            "TargetedFab", real={"epsilon": self.epsilon}, whole={"steps": self.steps, "targets": self.targets}
        )

    @property
    def name(self) -> str:
        """FAB-T."""
        return "FAB-T"

    def search(self, model: nn.Module, pictures: Image, labels: Labels, key: Key) -> Image:  # noqa: ARG002
        """For each picture a wrong one inside the ball, or the picture itself."""
        found, left = pictures.clone(), torch.arange(len(pictures), device=pictures.device)
        for target in likeliest_others(ask(model, pictures), labels)[: self.targets]:
            near, distance = nearest_wrong(
                model, pictures[left], labels[left], target[left], steps=self.steps, enough=self.epsilon
            )
            inside = distance <= self.epsilon
            found[left[inside]] = near[inside]
            left = left[~inside]
            if not len(left):
                break
        return found


def nearest_wrong(
    model: nn.Module, pictures: Image, labels: Labels, targets: Labels, *, steps: int, enough: float
) -> tuple[Image, PerImage]:
    """Algorithm 1: the nearest wrong pictures that were found, and their L∞ distances; infinite where none was.

    Args:
        model: in evaluation mode.
        pictures: where to start, in [0, 1].
        labels: their classes.
        targets: the class on the other side of the boundary.
        steps: how many steps are taken.
        enough: a picture that is at most so far away is not improved further.
    """
    best = pictures.clone()
    distance = torch.full((len(pictures),), torch.inf, dtype=pictures.dtype, device=pictures.device)
    rows, clean, x = torch.arange(len(pictures), device=pictures.device), pictures, pictures
    for _ in range(steps):
        _, lead, normal = slope(model, x, _lead_gain, labels[rows], targets[rows])
        lead = lead.to(x)
        from_here = onto_plane(x, normal, lead)
        from_clean = onto_plane(clean, normal, lead + (normal * (clean - x)).flatten(1).sum(1))
        here, there = (_distance(step).clamp(min=1e-8) for step in (from_here, from_clean))
        bias = (here / (here + there)).clamp(max=LARGEST_BIAS)[:, None, None, None]
        x = (1 - bias) * (x + OVERSHOOT * from_here) + bias * (clean + OVERSHOOT * from_clean)
        x = x.clamp(0, 1)
        wrong = ask(model, x).argmax(1) != labels[rows]
        if not bool(wrong.any()):
            continue
        length = _distance(x - clean)
        nearer = wrong & (length < distance[rows])
        best[rows[nearer]], distance[rows[nearer]] = x[nearer], length[nearer]
        x = torch.where(wrong[:, None, None, None], clean + RETREAT * (x - clean), x)
        open_ = distance[rows] > enough
        rows, clean, x = rows[open_], clean[open_], x[open_]
        if not len(rows):
            break
    return best, distance


def _lead_gain(logits: Logits, labels: Labels, targets: Labels) -> PerImage:
    """How far the target's logit lies above the label's: 0 on the boundary. A `Gain`."""
    return (logits.gather(1, targets[:, None]) - logits.gather(1, labels[:, None])).squeeze(1)


def _distance(step: Image) -> PerImage:
    return step.abs().flatten(1).amax(1)


def onto_plane(x: Image, normal: Image, value: PerImage) -> Image:
    """The least L∞ step d, inside the box [0, 1], with value + ⟨normal, d⟩ = 0.

    Every coordinate moves by the same t in the direction that helps, or as far as the box lets it. What that gains,
    Σ |normal_i| · min(t, room_i), grows with t and bends at each room, so t follows from sorting the rooms. Where
    even the corner of the box does not reach the plane, the corner it is (section 3.1 of the paper).

    Args:
        x: where to step from, in [0, 1].
        normal: of the plane.
        value: of the linear function at x.
    """
    direction = -(value.sign()[:, None] * normal.flatten(1).sign())
    weight, place, need = normal.flatten(1).abs(), x.flatten(1), value.abs()
    room = torch.where(direction > 0, 1 - place, torch.where(direction < 0, place, 0.0))
    sorted_room, order = room.sort(dim=1)
    sorted_weight = weight.gather(1, order)
    # With the first k coordinates at their ends: what these gain, and the weight of the others.
    spent = torch.nn.functional.pad((sorted_weight * sorted_room).cumsum(1), (1, 0))[:, :-1]
    open_weight = sorted_weight.flip(1).cumsum(1).flip(1)
    reached = spent + sorted_room * open_weight >= need[:, None]
    first = reached.int().argmax(1, keepdim=True)
    size = (need[:, None] - spent.gather(1, first)) / open_weight.gather(1, first).clamp(min=1e-30)
    size = torch.where(reached.any(1, keepdim=True), size.clamp(min=0), torch.inf)
    return (direction * torch.minimum(size, room)).reshape(x.shape)

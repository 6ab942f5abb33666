"""AutoAttack, standard and randomised: attacks in a row, and what should make a reader doubt their result.

Croce and Hein, "Reliable evaluation of adversarial robustness with an ensemble of diverse parameter-free attacks", ICML
2020: APGD-CE, APGD-T on 9 classes, FAB-T on 9 classes and Square with 5,000 queries, each on what the ones before left
right; of randomised models APGD-CE and APGD-DLR with gradients averaged over 20 answers. The doubts are those that the
authors' tool warns of.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

import torch
from jaxtyping import Int64
from torch import Tensor, nn

from mechaug.evaluation.attacks import EPSILON, SURVIVED, Attack, Attacked, attack_all, slope
from mechaug.evaluation.attacks_apgd import Apgd, TargetedApgd
from mechaug.evaluation.attacks_fab import TargetedFab
from mechaug.evaluation.attacks_pgd import cross_entropy_gain
from mechaug.evaluation.attacks_square import Square
from mechaug.evaluation.predict import AT_ONCE, are_probabilities, ask, check_labels, evaluating, stored_rows
from mechaug.keys import Key
from mechaug.types import Bytes, Labels
from mechaug.watch import Watch

Doubt: TypeAlias = Literal["random", "no gradient", "probabilities", "few classes", "square wins"]

_ASKED_AGAIN: Final = 5
_SAME: Final = 1e-4


@dataclass(frozen=True)
class Caution:
    """One reason to doubt an accuracy under attack.

    Attributes:
        doubt: which one.
        sentence: what was seen, and what follows from it.
    """

    doubt: Doubt
    sentence: str


@dataclass(frozen=True)
class AutoAttacked:
    """What the ensemble left right, and the doubts.

    Attributes:
        attacked: picture by picture, with the attack that broke it.
        cautions: empty where nothing is known against the result.
    """

    attacked: Attacked
    cautions: tuple[Caution, ...]


def standard(
    epsilon: float = EPSILON, *, steps: int = 100, targets: int = 9, queries: int = 5000
) -> tuple[Attack, Attack, Attack, Attack]:
    """The four attacks of the standard version, in order.

    Args:
        epsilon: radius of the L∞ ball, in units of white: 8/255 for CIFAR, 4/255 for ImageNet.
        steps: of the first three; other than 100 it is not the standard version.
        targets: how many classes the targeted ones aim at; the same.
        queries: of the last; other than 5,000 it is not the standard version.
    """
    return (
        Apgd(epsilon, steps),
        TargetedApgd(epsilon, steps, targets),
        TargetedFab(epsilon, steps, targets),
        Square(epsilon, queries),
    )


def randomised(epsilon: float = EPSILON, *, steps: int = 100, draws: int = 20) -> tuple[Attack, Attack]:
    """The two attacks of the version for randomised models ("rand" in the authors' tool), in order.

    Of a model that always answers the same it finds no more than the first attack of `standard`. A picture is left
    once the mean of its answers is wrong, where the authors' tool goes by the last answer alone: one unlucky draw does
    not end the search. Whether it counts as broken is asked once, as there.

    Args:
        epsilon: radius of the L∞ ball, in units of white.
        steps: of each attack; other than 100 it is not the published version.
        draws: answers averaged at each step; other than 20 it is not the published version.
    """
    return (Apgd(epsilon, steps, "ce", draws), Apgd(epsilon, steps, "dlr", draws))


def auto_attack(
    model: nn.Module,
    pictures: Bytes,
    labels: Labels,
    index: Int64[Tensor, "n"],
    key: Key,
    attacks: Sequence[Attack] | None = None,
    *,
    device: torch.device | str = "cpu",
    batch_size: int = AT_ONCE,
    watch: Watch | None = None,
) -> AutoAttacked:
    """The standard version on stored pictures, with its cautions.

    Args:
        model: pictures in [0, 1] to logits.
        pictures: stored pictures, 0..255, on any device.
        labels: their classes.
        index: their data-set indices.
        key: a single key.
        attacks: `standard()` if None.
        device: where the model is.
        batch_size: pictures per pass; the result does not depend on it but for rounding.
        watch: as in `attack_all`.

    Raises:
        ValueError: as `attack_all`, or there are no pictures.
    """
    attacks = standard() if attacks is None else attacks
    before = cautions(model, pictures, labels, device=device, batch_size=batch_size)
    attacked = attack_all(
        model, pictures, labels, index, key, attacks, device=device, batch_size=batch_size, watch=watch
    )
    return AutoAttacked(attacked, before + _after(attacked))


def cautions(
    model: nn.Module,
    pictures: Bytes,
    labels: Labels,
    *,
    device: torch.device | str = "cpu",
    batch_size: int = AT_ONCE,
) -> tuple[Caution, ...]:
    """What a few looks at a model say against attacking it by gradients, from one batch of pictures.

    Args:
        model: as in `auto_attack`.
        pictures: the first `batch_size` of these are used.
        labels: their classes.
        device: where the model is.
        batch_size: how many pictures are looked at, at most.

    Raises:
        ValueError: there are no pictures, a label is none of the model's classes, or as `predict.ask`.
    """
    if not len(pictures):
        raise ValueError("there are no pictures to attack")
    rows = torch.arange(min(batch_size, len(pictures)))
    x, y = stored_rows(pictures, rows, device), labels[rows.to(labels.device)].to(device)
    found = []
    with evaluating(model), torch.no_grad():
        logits = ask(model, x)
        check_labels(labels, logits.shape[1])
        again = max(float((ask(model, x) - logits).abs().max()) for _ in range(_ASKED_AGAIN - 1))
        if again > _SAME:
            found.append(
                Caution(
                    "random",
                    f"the model's answer to the same pictures changes by up to {again:.2g}: it is randomised, and "
                    "attacks that do not average over its randomness make it look more robust than it is (the suite "
                    "autoattack-rand does average)",
                )
            )
        if are_probabilities(logits):
            found.append(
                Caution(
                    "probabilities",
                    "the model returns probabilities: a softmax hides the gradient of confident pictures, so attack "
                    "the logits before it",
                )
            )
        gradient = slope(model, x, cross_entropy_gain, y, y)[2]
        flat = int((gradient.flatten(1).abs().amax(1) == 0).sum())
        if flat:
            found.append(
                Caution(
                    "no gradient",
                    f"{flat} of {len(x)} pictures have no gradient of the cross-entropy at all: attacks by gradients "
                    "see nothing there, and the accuracy under them means little",
                )
            )
    if logits.shape[1] < 4:
        found.append(
            Caution(
                "few classes",
                f"the targeted ratio of APGD-T needs four classes, and the model has {logits.shape[1]}: the plain "
                "difference of logits is used instead",
            )
        )
    return tuple(found)


def _after(attacked: Attacked) -> tuple[Caution, ...]:
    """Whether random search found what gradients had not."""
    if "Square" not in attacked.attacks[1:]:
        return ()
    place = attacked.attacks.index("Square")
    won, left = int((attacked.broken_by == place).sum()), int((attacked.broken_by == SURVIVED).sum())
    if not won:
        return ()
    return (
        Caution(
            "square wins",
            f"the square attack, which sees no gradient, broke {won} of the {won + left} pictures that the attacks "
            "by gradients had left right: gradients are likely masked, and a better attack may break more",
        ),
    )

"""Attacks: the interface of all of them, and what they leave right of a set of pictures.

An attack searches, for each picture, another one that means the same and that the model gets wrong. An accuracy under
attack is an upper bound of the accuracy under all: a stronger attack may lower it. Several attacks in a row each take
on what the ones before left right, so that the result is the worst of them, picture by picture.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias, final

import torch
from jaxtyping import Bool, Int64
from torch import Tensor, nn

from mechaug.evaluation.predict import AT_ONCE, ask, check_batch_size, check_labels, evaluating, stored_rows
from mechaug.keys import Key
from mechaug.types import Bytes, Image, Labels, Logits, PerImage
from mechaug.watch import Silent, Watch

EPSILON: Final = 8 / 255
"""The usual radius of the L∞ ball at 32×32 pixels, in units of white."""

Gain: TypeAlias = Callable[[Logits, Labels, Labels], PerImage]
"""What an attack raises: from logits, labels and the classes aimed at (where there are any) to one number a picture."""

SURVIVED: Final = -1
WRONG_WHEN_CLEAN: Final = -2


class Attack(ABC):
    """A search for pictures that a model gets wrong. A subclass is a frozen dataclass of its settings, and final."""

    @property
    @abstractmethod
    def name(self) -> str:
        """What it is called in tables, such as "APGD-CE"."""

    @abstractmethod
    def search(self, model: nn.Module, pictures: Image, labels: Labels, key: Key) -> Image:
        """The search itself: the model is in evaluation mode, gradients are off, everything is on one device.

        What is found for a picture depends on the model, the picture, its label and its key, and not on the batch.
        """

    @final
    def __call__(self, model: nn.Module, pictures: Image, labels: Labels, key: Key) -> Image:
        """The pictures that were found, one per picture, right or wrong.

        The model is left as it was: modes, gradients and `requires_grad` of its parameters.

        Args:
            model: pictures in [0, 1] to logits, so it holds its own normalisation.
            pictures: sRGB in [0, 1], on the model's device.
            labels: their classes, on the same device.
            key: one key per picture.

        Returns:
            Pictures in [0, 1], detached, of the same shape.

        Raises:
            ValueError: the keys are not one per picture, a label is none of the model's classes, or as `predict.ask`.
        """
        check_keys(pictures, key)
        if not len(pictures):
            return pictures.clone()
        with evaluating(model), torch.no_grad():
            check_labels(labels, ask(model, pictures[:1]).shape[1])
            return self.search(model, pictures.detach(), labels, key.to(pictures.device))


@dataclass(frozen=True)
class Attacked:
    """What attacks left of a set of pictures.

    Attributes:
        attacks: their names, in the order in which they ran.
        broken_by: for each picture the place of the attack that broke it, `SURVIVED` or `WRONG_WHEN_CLEAN`.
    """

    attacks: tuple[str, ...]
    broken_by: Int64[Tensor, "n"]

    @property
    def correct(self) -> Bool[Tensor, "n"]:
        """Which pictures are right, clean and under every attack: their mean is the accuracy under attack."""
        return self.broken_by == SURVIVED

    def correct_after(self, count: int) -> Bool[Tensor, "n"]:
        """Which pictures are right when clean and under the first `count` attacks; 0 for clean alone."""
        return (self.broken_by == SURVIVED) | (self.broken_by >= count)


def attack_all(
    model: nn.Module,
    pictures: Bytes,
    labels: Labels,
    index: Int64[Tensor, "n"],
    key: Key,
    attacks: Sequence[Attack],
    *,
    device: torch.device | str = "cpu",
    batch_size: int = AT_ONCE,
    watch: Watch | None = None,
) -> Attacked:
    """Attack stored pictures by several attacks in a row, each on what the ones before left right.

    Args:
        model: pictures in [0, 1] to logits.
        pictures: stored pictures, 0..255, on any device; batches are moved to the model's.
        labels: their classes.
        index: their data-set indices, from which each picture's key is made.
        key: a single key, such as `Key(seed)`.
        attacks: what to try, the cheapest first.
        device: where the model is.
        batch_size: pictures per pass; the result does not depend on it but for rounding.
        watch: is told of `len(pictures)` pictures for the clean pass and as many for each attack.

    Raises:
        ValueError: as `Attack.__call__`, or the batch size is not positive.
    """
    check_batch_size(batch_size)
    watch = watch or Silent()
    keys = key.at(index.to(device))

    def right(batch: Image, rows: Tensor) -> Tensor:
        with evaluating(model), torch.no_grad():
            return (ask(model, batch).argmax(1) == labels[rows.to(labels.device)].to(device)).cpu()

    broken_by = torch.full((len(pictures),), SURVIVED)
    for rows in torch.arange(len(pictures)).split(batch_size) if len(pictures) else ():
        broken_by[rows[~right(stored_rows(pictures, rows, device), rows)]] = WRONG_WHEN_CLEAN
        watch.advance(len(rows), "clean")
    for place, attack in enumerate(attacks):
        left = (broken_by == SURVIVED).nonzero().squeeze(1)
        watch.advance(len(pictures) - len(left), attack.name)
        for rows in left.split(batch_size) if len(left) else ():
            batch, classes = stored_rows(pictures, rows, device), labels[rows.to(labels.device)].to(device)
            found = attack(model, batch, classes, keys.rows(rows.to(device)))
            broken_by[rows[~right(found, rows)]] = place
            watch.advance(len(rows), attack.name)
    return Attacked(tuple(attack.name for attack in attacks), broken_by)


def check_keys(pictures: Image, key: Key) -> None:
    """Refuse keys that are not one per picture.

    Raises:
        ValueError: they are fewer or more.
    """
    if key.shape != pictures.shape[:1]:
        raise ValueError(
            f"{pictures.shape[0]} pictures need as many keys, and these have shape {tuple(key.shape)}: "
            "use Key(seed).at(index) with one index per picture"
        )


def check_settings(name: str, *, real: dict[str, float], whole: dict[str, int]) -> None:
    """Refuse negative settings, and counts below one.

    Raises:
        ValueError: a real number is negative or not finite, or a count is below 1.
    """
    for setting, value in real.items():
        if not 0 <= value < float("inf"):
            raise ValueError(f"{name}({setting}=…) takes no negative numbers, and {value!r} is one or is not finite")
    for setting, value in whole.items():
        if value < 1:
            raise ValueError(f"{name}({setting}=…) is a count of at least 1, not {value!r}")


def ball(pictures: Image, epsilon: float) -> tuple[Image, Image]:
    """The lowest and highest values of the pictures at most epsilon away."""
    return (pictures - epsilon).clamp(min=0), (pictures + epsilon).clamp(max=1)


def margin(logits: Logits, labels: Labels) -> PerImage:
    """How far the label's logit lies above the best of the others: below 0, the picture is wrong.

    Raises:
        ValueError: there is only one class.
    """
    if logits.shape[1] < 2:
        raise ValueError("a model with a single class is never wrong: there is nothing to attack")
    own = logits.gather(1, labels[:, None]).squeeze(1)
    return own - logits.scatter(1, labels[:, None], -torch.inf).amax(1)


def slope(
    model: nn.Module, x: Image, gain: Gain, labels: Labels, targets: Labels, draws: int = 1
) -> tuple[Logits, PerImage, Image]:
    """Logits at x, what an attack gains there, and the gradient of the gain; 0 where none reaches the picture.

    Summed over pictures, not averaged: a picture's gradient does not depend on the rest of the batch. Of a randomised
    model all three are means over `draws` answers: expectation over transformation (Athalye et al., ICML 2018).
    """
    found = [_slope(model, x, gain, labels, targets) for _ in range(draws)]
    if draws == 1:
        return found[0]
    logits, gained, gradient = (torch.stack(parts).mean(0) for parts in zip(*found, strict=True))
    return logits, gained, gradient


def _slope(model: nn.Module, x: Image, gain: Gain, labels: Labels, targets: Labels) -> tuple[Logits, PerImage, Image]:
    with torch.enable_grad():
        x = x.detach().requires_grad_()
        logits = ask(model, x)
        gained = gain(logits, labels, targets)
        gradient = torch.autograd.grad(gained.sum(), x, allow_unused=True)[0] if gained.requires_grad else None
    return logits.detach(), gained.detach(), torch.zeros_like(x) if gradient is None else gradient

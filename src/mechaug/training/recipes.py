"""Recipes: how long and how fast to train; each is a frozen record, and a function per data set says what we use."""

import dataclasses
import math
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from mechaug.mechanisms.base import Mechanism

Schedule: TypeAlias = Literal["cosine", "one-cycle"]
Precision: TypeAlias = Literal["auto", "float32", "bfloat16"]


@dataclass(frozen=True)
class Recipe:
    """How a net is trained: SGD with Nesterov's momentum (Sutskever et al., ICML 2013).

    Attributes:
        net: architecture, one of `nets.NETS`.
        epochs: passes over the data.
        steps: optimiser steps after which training ends, if sooner; None for all epochs.
        batch_size: pictures per step; the last incomplete batch of an epoch is left out.
        accumulate: parts of a batch that go through the net one after another, for a net that is too large for all at
            once; batch statistics and mixtures are those of a part.
        learning_rate: the peak.
        momentum: of the optimiser.
        weight_decay: on weights of two and more axes; not on biases and normalisation.
        schedule: "cosine" falls from the peak to 0; "one-cycle" rises over the first fifth, then falls likewise.
        ema: decay of the moving average of the weights that is kept and measured; 0 keeps the last weights.
        precision: "bfloat16" autocasts the net; "auto" does so where the device computes in it, see `engine`.
        base: what every view of a picture shares before anything else, such as flip and crop; None for nothing.
    """

    net: str
    epochs: int
    steps: int | None = None
    batch_size: int = 128
    accumulate: int = 1
    learning_rate: float = 0.1
    momentum: float = 0.9
    weight_decay: float = 5e-4
    schedule: Schedule = "cosine"
    ema: float = 0.995
    precision: Precision = "auto"
    base: Mechanism[Any] | None = None

    def __post_init__(self) -> None:
        whole = {"epochs": self.epochs, "batch_size": self.batch_size, "accumulate": self.accumulate}
        if self.steps is not None:
            whole["steps"] = self.steps
        for name, value in whole.items():
            if value < 1:
                raise ValueError(f"Recipe({name}=…) is at least 1, not {value!r}")
        if not (self.learning_rate > 0 and math.isfinite(self.learning_rate)):
            raise ValueError(f"Recipe(learning_rate=…) is greater than 0, not {self.learning_rate!r}")
        if not 0 <= self.ema < 1:
            raise ValueError(f"Recipe(ema=…) is a decay from 0 to below 1, not {self.ema!r}")

    def total_steps(self, pictures: int) -> int:
        """Optimiser steps in all, for a number of training pictures.

        Raises:
            ValueError: the pictures do not fill one batch.
        """
        per_epoch = pictures // self.batch_size
        if per_epoch == 0:
            raise ValueError(
                f"{pictures} training pictures do not fill one batch of {self.batch_size}: lower the batch size"
            )
        total = per_epoch * self.epochs
        return total if self.steps is None else min(total, self.steps)

    def rate_at(self, step: int, total: int) -> float:
        """The learning rate of a step, 0 ≤ step < total."""
        done = (step + 0.5) / total
        rising = 0.2 if self.schedule == "one-cycle" else 0.0
        if done < rising:
            return self.learning_rate * done / rising
        return self.learning_rate * 0.5 * (1 + math.cos(math.pi * (done - rising) / (1 - rising)))

    def replace(self, **changes: Any) -> "Recipe":  # noqa: ANN401  (any field)
        """The recipe with some fields changed."""
        return dataclasses.replace(self, **changes)


def signs(net: str = "small") -> Recipe:
    """The embedded data set on two CPU cores: about a minute for the cheapest method."""
    return Recipe(net=net, epochs=8, batch_size=128, learning_rate=0.1, schedule="one-cycle")


def cifar10(net: str = "wrn-40-2") -> Recipe:
    """CIFAR-10 as AugMix trains it: 100 epochs, cosine, batch 128 (Hendrycks et al., ICLR 2020); hours on two cores."""
    return Recipe(net=net, epochs=100, batch_size=128, learning_rate=0.1, ema=0.999)


def folder(net: str = "small") -> Recipe:
    """Any folder or array of pictures, to begin with."""
    return Recipe(net=net, epochs=15, batch_size=128, learning_rate=0.1, schedule="one-cycle")


def imagenette64(net: str = "resnet18") -> Recipe:
    """Imagenette, 9,469 pictures at 64×64, from nothing: 60 epochs, batch 64, with a short warm-up.

    Cost: 0.57 million pictures. On one CPU core of 2026 a plain step of `small` takes about 470 of them a second, 20
    minutes in all; of `resnet18` 6 a second, a day, so that it wants a GPU. Views multiply that: a loss over the clean
    picture and two views costs three times as much.
    """
    return Recipe(net=net, epochs=60, batch_size=64, learning_rate=0.05, schedule="one-cycle", ema=0.999)


def finetune(net: str = "wrn-40-2") -> Recipe:
    """A net that was trained before goes on, on other pictures or by another method: small steps, and few.

    Ten epochs at a tenth of the usual rate, with less decay than from nothing, for what was learned is to stay.

    Cost: a tenth of `cifar10`'s.
    """
    return Recipe(
        net=net, epochs=10, batch_size=64, learning_rate=0.01, weight_decay=1e-4, schedule="one-cycle", ema=0.99
    )

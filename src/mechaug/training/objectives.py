"""Objectives: losses that add, such as `CrossEntropy() + 12 * JSD(views=2)`.

An objective says which pictures it must see (the clean one, and how many augmented views of it), so that a training
step runs the network once, on exactly those:

    inputs = objective.inputs
    pictures = ([x] if inputs.clean else []) + [augment(x, key.fold(view)) for view in range(inputs.views)]
    loss = objective.value(inputs.split(net(torch.cat(pictures))), labels)

Labels are class numbers or rows of class shares, and a view may have targets of its own, which come with its logits.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias, final

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from mechaug.types import Logits, Targets

Features: TypeAlias = Float[Tensor, "b d"]
"""What a net knows of each picture just before it names the class."""


@dataclass(frozen=True)
class Outputs:
    """What a network said about each kind of picture.

    Attributes:
        clean: logits of the pictures as they are; None where no objective asked for them.
        augmented: logits of each augmented view.
        clean_targets: what it should have said about the clean pictures; None for their labels.
        augmented_targets: the same for each augmented view; empty for the labels everywhere.
        clean_features: what the classifier was given for the clean pictures; None where no objective asked for it.
        augmented_features: the same for each augmented view; empty likewise.
    """

    clean: Logits | None
    augmented: tuple[Logits, ...]
    clean_targets: Targets | None = None
    augmented_targets: tuple[Targets, ...] = ()
    clean_features: Features | None = None
    augmented_features: tuple[Features, ...] = ()


@dataclass(frozen=True)
class Inputs:
    """Which pictures an objective must see.

    Attributes:
        clean: whether it needs the pictures as they are.
        views: how many augmented views of each picture it needs.
        features: whether it needs the features too.
    """

    clean: bool
    views: int
    features: bool = False

    def __or__(self, other: "Inputs") -> "Inputs":
        """What serves both."""
        return Inputs(
            self.clean or other.clean, max(self.views, other.views), self.features or other.features
        )  # fmt: skip

    def split(self, logits: Logits, targets: Sequence[Tensor] = (), features: Features | None = None) -> Outputs:
        """Take apart the logits of one forward pass over the clean pictures, if needed, and then each view.

        Args:
            logits: of all pictures, the kinds one after another, each with one row per image.
            targets: of each kind; none where all have the labels of the pictures.
            features: of all pictures, in the same order; None where they were not asked for.

        Raises:
            ValueError: the rows do not divide into so many kinds.
        """
        kinds = int(self.clean) + self.views
        if kinds == 0 or len(logits) % kinds:
            raise ValueError(f"{len(logits)} rows of logits are not {kinds} kinds of picture with one row per image")
        if targets and len(targets) != kinds:
            raise ValueError(f"{kinds} kinds of picture need as many targets, not {len(targets)}")
        clean, *augmented = logits.chunk(kinds) if self.clean else (None, *logits.chunk(kinds))
        own, *others = targets if self.clean and targets else (None, *targets)
        if features is None:
            return Outputs(clean, tuple(augmented), own, tuple(others))
        first, *rest = features.chunk(kinds) if self.clean else (None, *features.chunk(kinds))
        return Outputs(clean, tuple(augmented), own, tuple(others), first, tuple(rest))


class Objective(ABC):
    """A scalar to minimise; objectives add, and numbers weight them. A subclass is a frozen dataclass, and final."""

    @property
    @abstractmethod
    def inputs(self) -> Inputs:
        """Which pictures it must see."""

    @abstractmethod
    def value(self, outputs: Outputs, labels: Targets) -> Float[Tensor, ""]:
        """The loss, a mean over images.

        Args:
            outputs: logits of at least the pictures that `inputs` names; further views are used where it makes sense.
            labels: of the images; for views without targets of their own.

        Raises:
            ValueError: a picture that it needs is not there.
        """

    @final
    def __add__(self, other: "Objective") -> "Objective":
        return Sum((*_terms(self), *_terms(other)))

    @final
    def __rmul__(self, weight: int | float) -> "Objective":
        return Scaled(float(weight), self)


@final
@dataclass(frozen=True)
class Sum(Objective):
    """The sum of its terms."""

    terms: tuple[Objective, ...]

    @property
    def inputs(self) -> Inputs:
        """What serves every term."""
        needed = Inputs(clean=False, views=0)
        for term in self.terms:
            needed |= term.inputs
        return needed

    def value(self, outputs: Outputs, labels: Targets) -> Float[Tensor, ""]:
        """The sum of the terms' values."""
        return torch.stack([term.value(outputs, labels) for term in self.terms]).sum()


@final
@dataclass(frozen=True)
class Scaled(Objective):
    """`weight` times an objective.

    Raises:
        ValueError: the weight is not finite.
    """

    weight: float
    objective: Objective

    def __post_init__(self) -> None:
        if not math.isfinite(self.weight):
            raise ValueError(f"an objective's weight is a finite number, not {self.weight}")

    @property
    def inputs(self) -> Inputs:
        """What the objective needs."""
        return self.objective.inputs

    def value(self, outputs: Outputs, labels: Targets) -> Float[Tensor, ""]:
        """The objective's value times the weight."""
        return self.weight * self.objective.value(outputs, labels)


@final
@dataclass(frozen=True)
class CrossEntropy(Objective):
    """−log p(label), or −Σ q log p for soft labels, on one or all kinds of picture.

    Args:
        on: "clean" pictures, all "augmented" views that there are (at least one), or "all" pictures; the mean is over
            these, each kind with the same weight.

    Raises:
        ValueError: another word.
    """

    on: Literal["clean", "augmented", "all"] = "clean"

    def __post_init__(self) -> None:
        if self.on not in ("clean", "augmented", "all"):
            raise ValueError(f'CrossEntropy(on=…) is "clean", "augmented" or "all", not {self.on!r}')

    @property
    def inputs(self) -> Inputs:
        """The pictures named by `on`; one augmented view is enough."""
        return Inputs(clean=self.on != "augmented", views=0 if self.on == "clean" else 1)

    def value(self, outputs: Outputs, labels: Targets) -> Float[Tensor, ""]:
        """The mean cross-entropy."""
        seen: list[tuple[Logits, Targets]] = []
        if self.on != "augmented":
            seen.append((seen_clean(outputs, self), labels if outputs.clean_targets is None else outputs.clean_targets))
        if self.on != "clean":
            views = first_views(outputs, 1, self)
            seen += zip(views, outputs.augmented_targets or (labels,) * len(views), strict=True)
        return torch.stack([_cross_entropy(logits, targets) for logits, targets in seen]).mean()


@final
@dataclass(frozen=True)
class JSD(Objective):
    """Jensen–Shannon divergence between the predictions on a clean picture and on augmented views of it.

    The mean of KL(p ‖ m) over the predictions p, with m their mean, clamped to [1e-7, 1] as published; 0 where they
    agree, at most log(views + 1). AugMix is `CrossEntropy() + 12 * JSD(views=2)` (Hendrycks et al., ICLR 2020, eq. 1).

    Args:
        views: how many augmented views, at least 1.

    Raises:
        ValueError: fewer.
    """

    views: int = 2

    def __post_init__(self) -> None:
        if self.views < 1:
            raise ValueError(f"JSD(views=…) compares the clean picture with at least 1 view, not {self.views}")

    @property
    def inputs(self) -> Inputs:
        """The clean pictures and the views."""
        return Inputs(clean=True, views=self.views)

    def value(self, outputs: Outputs, labels: Targets) -> Float[Tensor, ""]:
        """The mean divergence; the labels are not used."""
        del labels
        seen = (seen_clean(outputs, self), *first_views(outputs, self.views, self)[: self.views])
        # From log p, not from p: where p underflows to 0, the gradient of p log p would be NaN.
        log_p = torch.stack([functional.log_softmax(precise(logits), dim=1) for logits in seen])
        p = log_p.exp()
        log_mixture = p.mean(0).clamp(1e-7, 1.0).log()
        return (p * (log_p - log_mixture)).sum(2).mean()


def _terms(objective: Objective) -> tuple[Objective, ...]:
    return objective.terms if isinstance(objective, Sum) else (objective,)


def seen_clean(outputs: Outputs, objective: Objective) -> Logits:
    """The logits of the clean pictures, which the objective needs.

    Raises:
        ValueError: they are not there.
    """
    if outputs.clean is None:
        raise ValueError(f"{objective} needs the logits of the clean pictures: run the network on them, see `inputs`")
    return outputs.clean


def first_views(outputs: Outputs, count: int, objective: Objective) -> tuple[Logits, ...]:
    """The logits of all views, of which the objective needs `count`.

    Raises:
        ValueError: there are fewer.
    """
    if len(outputs.augmented) < count:
        raise ValueError(f"{objective} needs {count} augmented views, and {len(outputs.augmented)} are there")
    return outputs.augmented


def _cross_entropy(logits: Logits, targets: Targets) -> Float[Tensor, ""]:
    logits = precise(logits)
    return functional.cross_entropy(logits, targets.to(logits.dtype) if targets.is_floating_point() else targets)


def precise(logits: Logits) -> Logits:
    """Logits in at least float32, since half formats lose small differences between probabilities."""
    return logits.to(torch.promote_types(logits.dtype, torch.float32))

"""Suites: what can be measured of a model, each apart from the others, so that each is kept when it is finished."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias, TypeVar

import torch
from jaxtyping import Int64
from torch import Tensor, nn

from mechaug.data.pictures import Pictures, choose
from mechaug.evaluation.predict import ask, check_batch_size
from mechaug.evaluation.result import Cell, Figure, Grid, Measurement
from mechaug.keys import Key
from mechaug.types import Bytes, Image, Labels

T = TypeVar("T")

Tensors: TypeAlias = dict[str, Tensor]
"""What a part of a suite leaves: one value per picture, as a rule, under each name."""

Outcome: TypeAlias = Mapping[str, Tensors]
"""What a whole suite leaves of one run, by part."""

Advance: TypeAlias = Callable[[float, str], None]
"""Is told how many passes of a picture through the model are done, and what is being done."""


@dataclass(frozen=True)
class Target:
    """What models are measured on.

    Attributes:
        pictures: the test pictures; their labels are numbers of the model's outputs.
        outputs: the names of the model's outputs.
        classes: the names of the data's classes, some of those; empty where they are the same.
        total: how many pictures the whole test split has; 0 for as many as there are here.
        kept: corrupted pictures that are made once for all models, as far as its budget allows.
        groups: of each picture, by which fairness is judged beside classes, or None; with names.
        group_names: of the groups.
    """

    pictures: Pictures
    outputs: tuple[str, ...]
    classes: tuple[str, ...] = ()
    total: int = 0
    kept: "Kept" = field(default_factory=lambda: Kept(0))
    groups: Int64[Tensor, "n"] | None = None
    group_names: tuple[str, ...] = ()


class Kept:
    """Pictures that are made once and shown to several models.

    Args:
        budget: bytes that may be kept; what is beyond is made again each time, and 0 keeps nothing.
    """

    def __init__(self, budget: int) -> None:
        self._left = budget
        self._kept: dict[tuple[object, ...], Any] = {}

    def get(self, place: tuple[object, ...], make: Callable[[], Bytes]) -> Bytes:
        """The pictures of a place, made if they are not there."""
        return self.get_sized(place, make, Tensor.numel)

    def get_sized(self, place: tuple[object, ...], make: Callable[[], T], size: Callable[[T], int]) -> T:
        """What belongs to a place, made if it is not there; `size` tells its bytes."""
        if place in self._kept:
            return self._kept[place]
        made = make()
        if size(made) <= self._left:
            self._left -= size(made)
            self._kept[place] = made
        return made


@dataclass(frozen=True)
class Subject:
    """A model and how it is asked.

    Attributes:
        model: maps pictures (b, c, h, w) in [0, 1] to logits (b, k), in evaluation mode, on `device`.
        device: where it is.
        batch_size: pictures through it at once.
        seed: of what is drawn for this run, such as an attack's start.
    """

    model: nn.Module
    device: str
    batch_size: int
    seed: int = 0


@dataclass(frozen=True)
class Scores:
    """The figures that follow from a suite's outcomes."""

    cells: tuple[Cell, ...] = ()
    figures: tuple[Figure, ...] = ()
    grids: tuple[Grid, ...] = ()
    cautions: tuple[str, ...] = ()
    headline: Measurement | None = None


class Suite(ABC):
    """Something that is measured. A subclass is a frozen dataclass of its settings, and final."""

    @property
    @abstractmethod
    def name(self) -> str:
        """As on the command line."""

    @property
    @abstractmethod
    def title(self) -> str:
        """As in a table."""

    @property
    def gradients(self) -> bool:
        """Whether the model must have gradients."""
        return False

    @property
    def origin(self) -> str:
        """Where its pictures come from, as in `SuiteRecord.origin`."""
        return ""

    def for_size(self, height: int, width: int) -> "Suite":  # noqa: ARG002
        """The suite as it is for pictures of a size."""
        return self

    @abstractmethod
    def describe(self) -> str:
        """One sentence, without its full stop, that says how it is measured."""

    @abstractmethod
    def parts(self) -> tuple[str, ...]:
        """What it consists of; each part is kept as it ends. Names that a file can have."""

    @abstractmethod
    def passes(self, part: str, target: Target) -> float:
        """About how many passes of one picture through the model a part costs; a gradient counts as two more."""

    @abstractmethod
    def measure(self, part: str, subject: Subject, target: Target, advance: Advance) -> Tensors:
        """Measure one part.

        Raises:
            ValueError: the model's output cannot be used.
            UserError: something that the user named cannot be read.
        """

    @abstractmethod
    def score(self, outcomes: Sequence[Outcome], target: Target, key: Key) -> Scores:
        """The figures of the runs of one method, pooled, with intervals over pictures and runs."""


class Told:
    """A watch that counts in passes what functions tell in pictures.

    Args:
        advance: hears of the passes.
        share: passes for each picture that is told.
    """

    def __init__(self, advance: Advance, share: float) -> None:
        self._advance, self._share = advance, share

    def begin(self, title: str, total: int, unit: str) -> None:
        """Nothing: the whole has begun already."""

    def advance(self, count: int, note: str = "") -> None:
        """So many pictures are done."""
        self._advance(count * self._share, note)

    def say(self, text: str) -> None:
        """Nothing."""


def some(pictures: Pictures, count: int) -> Int64[Tensor, "rows"]:
    """The rows of so many test pictures, every class with its share: the same for every model; all if there are fewer.

    At least one of each class that occurs. Data sets often come sorted by class, so the first ones would not do.
    """
    if not 0 < count < len(pictures):
        return torch.arange(min(count, len(pictures)))
    classes = len(pictures.labels.unique())
    return choose(pictures.labels, max(count, classes), Key(0).fold("some test pictures").at(pictures.index))


@torch.inference_mode()
def predictions(
    subject: Subject, pictures: Bytes, outputs: int, advance: Advance, note: str,
    change: Callable[[Bytes, Tensor], Bytes] | None = None,
) -> Tensor:  # fmt: skip
    """The class that the model says for each picture, on the CPU; `change` makes what it sees, from some rows."""
    check_batch_size(subject.batch_size)
    said = [torch.zeros(0, dtype=torch.int64)]
    for rows in torch.arange(len(pictures)).split(subject.batch_size) if len(pictures) else ():
        batch = pictures[rows]
        seen = batch if change is None else change(batch, rows)
        said.append(ask(subject.model, on_device(seen, subject), classes=outputs).argmax(1).cpu())
        advance(len(rows), note)
    return torch.cat(said)


def on_device(pictures: Bytes, subject: Subject) -> Image:
    """Stored pictures as the model takes them."""
    return pictures.to(subject.device).float() / 255


def stack(outcomes: Sequence[Outcome], part: str, name: str) -> Tensor:
    """One tensor of each run, runs first."""
    return torch.stack([outcome[part][name] for outcome in outcomes])


def labels_of(target: Target, rows: Tensor) -> Labels:
    """The labels of some rows."""
    return target.pictures.labels[rows]

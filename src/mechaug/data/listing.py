"""What a source on disk offers, before its pictures are read: so that a small part of a large set is read quickly."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from jaxtyping import Int64
from torch import Tensor

from mechaug.types import Bytes, Labels

Read: TypeAlias = Callable[[Int64[Tensor, " rows"], int | None], tuple[Bytes, Int64[Tensor, " kept"]]]
"""Reads some rows of a split, as squares of a given side or as they are; returns pictures and the rows they are of.

The rows that come back are fewer than those asked for only where unreadable pictures are to be skipped.
"""


@dataclass(frozen=True)
class Split:
    """One split: the class number of every picture, and how to read them."""

    labels: Labels
    read: Read


@dataclass(frozen=True)
class Listing:
    """A data set on disk; `train` is None where it has only pictures to measure on."""

    name: str
    classes: tuple[str, ...]
    train: Split | None
    test: Split
    note: str

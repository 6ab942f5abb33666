"""Data in memory: pictures with their labels and their places in the data set."""

from dataclasses import dataclass

import torch
from jaxtyping import Int64
from torch import Tensor

from mechaug.keys import Key
from mechaug.types import Bytes, Image, Labels


@dataclass(frozen=True)
class Pictures:
    """One split of a data set, in memory.

    Attributes:
        pixels: stored pictures, sRGB 0..255.
        labels: class numbers, 0 or more.
        index: place of each picture in the whole split, which survives every subset: what `Key.at` takes.

    Raises:
        ValueError: the three do not have the same length, or a label or an index is negative.
    """

    pixels: Bytes
    labels: Labels
    index: Labels

    def __post_init__(self) -> None:
        if self.pixels.ndim != 4 or self.pixels.dtype != torch.uint8:
            kind = f"{self.pixels.dtype} of shape {tuple(self.pixels.shape)}"
            raise ValueError(f"stored pictures are uint8 of shape (n, channels, height, width), not {kind}")
        counts = (len(self.pixels), len(self.labels), len(self.index))
        if len(set(counts)) != 1:
            raise ValueError("there are {} pictures, {} labels and {} indices: one of each is needed".format(*counts))
        if len(self) and min(int(self.labels.min()), int(self.index.min())) < 0:
            raise ValueError("labels and indices are numbers from 0")

    def __len__(self) -> int:
        return len(self.pixels)

    def image(self, rows: Tensor | slice) -> Image:
        """Pictures as float32 in [0, 1], by their rows here (numbers, a mask or a slice)."""
        return self.pixels[rows].float() / 255

    def rows(self, rows: Tensor | slice) -> "Pictures":
        """Some of the pictures, by their rows here."""
        return Pictures(self.pixels[rows], self.labels[rows], self.index[rows])

    def take(self, count: int, key: Key) -> "Pictures":
        """A subset in which every class keeps its share, to within one picture, and has at least one.

        Args:
            count: how many pictures.
            key: a single key; the choice depends on it and on each picture's index.

        Raises:
            ValueError: there are fewer pictures than `count`, or more classes.
        """
        return self.rows(choose(self.labels, count, key.at(self.index)))


@dataclass(frozen=True)
class DataSet:
    """What is trained and measured on.

    Attributes:
        name: a short name, such as "cifar10".
        source: as the user wrote it.
        classes: the class names, in the order of the class numbers.
        train: pictures to train on; empty where none were asked for.
        test: pictures to measure on.
        note: what a reader of a figure must know about the set; empty where there is nothing.
        test_total: how many pictures the whole test split has, of which `test` may be some; 0 if nobody knows.
    """

    name: str
    source: str
    classes: tuple[str, ...]
    train: Pictures
    test: Pictures
    note: str
    test_total: int = 0


def choose(labels: Labels, count: int, key: Key) -> Int64[Tensor, "{count}"]:
    """Rows of a stratified subset, ascending: every class keeps its share, to within one, and has at least one.

    Args:
        labels: class numbers.
        count: how many rows.
        key: one per row.

    Raises:
        ValueError: there are fewer rows than `count`, or more classes.
    """
    present, sizes = labels.unique(return_counts=True)
    if not len(present) <= count <= len(labels):
        raise ValueError(
            f"a subset of {len(labels)} pictures with {len(present)} classes has between {len(present)} and "
            f"{len(labels)} pictures, not {count}"
        )
    # One for each class; the rest in proportion to what the classes have left, by largest remainder.
    spare = count - len(present)
    left = sizes - 1
    whole = int(left.sum())
    quota = 1 + (left * spare) // max(whole, 1)
    remainder = (left * spare) % max(whole, 1)
    quota[remainder.argsort(descending=True, stable=True)[: count - int(quota.sum())]] += 1

    order = key.fold("choose").unit().argsort(stable=True)
    by_class = order[labels[order].argsort(stable=True)]
    rank = torch.arange(len(labels), device=labels.device) - (sizes.cumsum(0) - sizes).repeat_interleave(sizes)
    return by_class[rank < quota.repeat_interleave(sizes)].sort().values

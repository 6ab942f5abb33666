"""Chains of operations that differ from picture to picture, run together: the rows of a batch grouped by operation."""

import math
from collections.abc import Callable
from typing import Final, TypeAlias

import torch
from jaxtyping import Int64, Num
from torch import Tensor

Pixels: TypeAlias = Num[Tensor, "b c h w"]
"""Pictures in [0, 1], or their grey levels."""

NOTHING: Final = -1
"""The code of a step that a chain does not take."""


def run(
    pictures: Pixels,
    operation: Int64[Tensor, "b steps"],
    count: int,
    act: Callable[[int, Pixels, Int64[Tensor, "n"], int], Pixels],
) -> None:
    """Apply a chain to each picture, in place: at each step each operation once, to the rows that chose it.

    Args:
        pictures: one row per chain; overwritten.
        operation: the codes of each chain's steps, from 0, or `NOTHING`, which costs nothing.
        count: how many operations there are.
        act: (code, the pictures of the rows that chose it, these rows, the step) to pictures of the same shape.
    """
    codes = torch.arange(NOTHING, count, device=operation.device)
    # Rows in the order of their operation, and how many chose each: one wait for the device for all the steps.
    order = operation.argsort(dim=0)
    sizes: list[list[int]] = (operation[..., None] == codes).sum(0).tolist()
    words = _words(pictures)
    for step, chosen in enumerate(sizes):
        _, *groups = order[:, step].split(chosen)
        for code, rows in enumerate(groups):
            if len(rows):
                acted = act(code, pictures.index_select(0, rows), rows, step)
                words.index_copy_(0, rows, acted if words is pictures else acted.flatten(1).view(words.dtype))


def _words(pictures: Pixels) -> Tensor:
    """The same memory in the longest words that fill a picture: a CPU puts bytes back one by one, which takes long."""
    if pictures.dtype != torch.uint8 or pictures.device.type != "cpu" or not pictures.is_contiguous():
        return pictures
    rows = pictures.flatten(1)
    return rows.view(_WORDS[math.gcd(16, rows.shape[1], pictures.storage_offset())])


_WORDS: Final = {1: torch.uint8, 2: torch.int16, 4: torch.int32, 8: torch.int64, 16: torch.complex128}
"""By their size in bytes."""

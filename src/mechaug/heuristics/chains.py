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
    for step, chosen in enumerate(sizes):
        _, *groups = order[:, step].split(chosen)
        for code, rows in enumerate(groups):
            if len(rows):
                put_back(pictures, rows, act(code, pictures.index_select(0, rows), rows, step))


def put_back(pictures: Pixels, rows: Int64[Tensor, "n"], some: Num[Tensor, "n c h w"]) -> None:
    """`pictures.index_copy_(0, rows, some)`, which on a CPU takes long number by number: here in the longest words."""
    differentiable = torch.is_grad_enabled() and pictures.is_floating_point()
    if differentiable or pictures.device.type != "cpu" or not pictures.is_contiguous():
        pictures.index_copy_(0, rows, some)
        return
    stored, put = pictures.flatten(1), some.flatten(1)
    starts = (place.storage_offset() * place.element_size() for place in (stored, put))
    word = _WORDS[math.gcd(16, stored.shape[1] * stored.element_size(), *starts)]
    stored.view(word).index_copy_(0, rows, put.view(word))


_WORDS: Final = {1: torch.uint8, 2: torch.int16, 4: torch.int32, 8: torch.int64, 16: torch.complex128}
"""By their size in bytes."""

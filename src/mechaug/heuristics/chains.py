"""Chains of operations that differ from picture to picture, run together: the rows of a batch grouped by operation."""

from collections.abc import Callable
from typing import Final, TypeAlias

import torch
from jaxtyping import Int64, Num
from torch import Tensor

from mechaug.mechanisms.eager import put_back

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

"""Memory, where it decides how fast the process is: what is kept of it, and how much is worked on at once."""

import functools
from collections.abc import Iterator
from typing import Final

import torch


@functools.cache
def keep_memory() -> None:
    """Once in a process: let freed memory stay with the process instead of being fetched anew for every step.

    The C library of Linux returns freed blocks to the system above a threshold, and the pages that come back must be
    cleared: that is three times the cost of an elementwise step, and a third of that of a net with few pictures. The
    threshold grows with the largest block that was freed, up to 32 MiB; this one is never written to, so that it costs
    nothing.
    """
    torch.empty(31 * 2**20, dtype=torch.uint8)


BLOCK: Final = 2**18
"""About how many values a thread works on before the next are begun: a block of float32 is in the cache of its core.
Half as many were slower with two threads (by 5 to 10 %), which wait for each other after every step."""

NEAR: Final = 3 * 2**19
"""Fewer values than these are still near, in the cache that all cores share, when the step after the one that wrote
them reads them."""


def block_rows(numbers: int) -> int:
    """How many rows of so many numbers the caches of all cores hold, while several steps are done to them.

    As many for each thread, because some operators share work between threads by whole rows only.
    """
    return torch.get_num_threads() * max(1, round(BLOCK / max(1, numbers)))


def blocks(count: int, numbers: int) -> Iterator[slice]:
    """The rows of a batch, `block_rows` at a time: to do all steps to some of them before the next are begun.

    Args:
        count: rows of the batch.
        numbers: how many each row holds.
    """
    step = block_rows(numbers)
    return (slice(start, min(start + step, count)) for start in range(0, count, step))

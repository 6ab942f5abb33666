"""Memory, where it decides how fast the process is: what is kept of it, and how much is worked on at once."""

import functools
import math
from collections.abc import Iterator
from typing import Final

import torch
from torch import Tensor


@functools.cache
def keep_memory() -> None:
    """Once in a process: let freed memory stay with the process instead of being fetched anew for every step.

    The C library of Linux returns freed blocks to the system above a threshold, and the pages that come back must be
    cleared: that is three times the cost of an elementwise step, and a third of that of a net with few pictures. The
    threshold grows with the largest block that was freed, up to 32 MiB; this one is never written to, so that it costs
    nothing.
    """
    torch.empty(31 * 2**20, dtype=torch.uint8)


AT_ONCE: Final = 2**20
"""About how many numbers of a batch a mechanism works on at once on a CPU: few calls, and results that stay in its
cache."""

_SHARED_OUT: Final = 4
"""How many times as many at most. With the recipe's 22 mechanisms 1.5 times as fast as 1, and no slower than 8."""


def portion(x: Tensor, shares: int) -> int:
    """How many rows of a batch to work on at a time, as many for each thread: some operators share out whole rows only.

    Args:
        x: the batch; all of it on an accelerator.
        shares: how many times `AT_ONCE` numbers serve best.
    """
    count = max(1, x.shape[0])
    if x.device.type != "cpu":
        return count
    keep_memory()
    threads, numbers = torch.get_num_threads(), max(1, x[:1].numel())
    most = threads * max(1, round(AT_ONCE * min(shares, _SHARED_OUT) / (threads * numbers)))
    # Equal portions: a small rest would take as many calls as a large one.
    return threads * math.ceil(count / (threads * math.ceil(count / most)))


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

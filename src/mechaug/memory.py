"""How the process holds on to memory, where that decides how fast it is."""

import functools

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

"""Several processes that train one net: each takes its share of every batch, and all take the same step.

Started by torchrun, which says through the environment who is who; a process on its own is a team of one. A picture's
draws depend on its key alone, so that a team of any size shows the net the same pictures.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import final

import torch
from jaxtyping import Int64
from torch import Tensor, nn

from mechaug.errors import UserError


@final
@dataclass(frozen=True)
class Team:
    """Who takes part.

    Attributes:
        rank: of this process, from 0.
        size: how many there are.
    """

    rank: int = 0
    size: int = 1

    @property
    def leads(self) -> bool:
        """Whether this is the process that writes files and speaks."""
        return self.rank == 0

    def share(self, rows: Int64[Tensor, "n"]) -> Int64[Tensor, "m"]:
        """This process's part of a batch: as many rows for each.

        Raises:
            UserError: the rows cannot be shared evenly.
        """
        if len(rows) % self.size:
            raise UserError(f"{self.size} processes cannot share a batch of {len(rows)} evenly: choose a --batch-size")
        return rows.view(self.size, -1)[self.rank]

    def average(self, model: nn.Module, *others: Tensor) -> tuple[Tensor, ...]:
        """Replace the gradients and the running statistics of all processes by their means.

        One exchange for all: small ones would each take as long.

        Args:
            model: after the backward pass.
            others: further numbers, such as the loss.

        Returns:
            The means of the further numbers.
        """
        if self.size == 1:
            return others
        gradients = [weight.grad for weight in model.parameters() if weight.grad is not None]
        statistics = [buffer for buffer in model.buffers() if buffer.is_floating_point()]
        parts = [*gradients, *statistics, *others]
        device = parts[0].device
        joined = torch.cat([part.detach().reshape(-1).to(device, torch.float32) for part in parts])
        torch.distributed.all_reduce(joined)
        means = (joined / self.size).split([part.numel() for part in parts])
        with torch.no_grad():
            for part, mean in zip(parts[: len(parts) - len(others)], means, strict=False):
                part.copy_(mean.view_as(part))
        last = means[len(means) - len(others) :]
        return tuple(mean.view_as(part).to(part.dtype) for part, mean in zip(others, last, strict=True))

    def wait(self) -> None:
        """Until all are here."""
        if self.size > 1:
            torch.distributed.barrier()


ALONE = Team()


@contextmanager
def gathered(device: str) -> Iterator[tuple[Team, str]]:
    """The team that torchrun started, for as long as the block runs; a team of one where nobody did.

    Args:
        device: "cpu", or "cuda" for one device per process.

    Returns:
        The team, and this process's device.

    Raises:
        UserError: there are more processes than devices.
    """
    size = int(os.environ.get("WORLD_SIZE", "1"))
    if size == 1:
        yield ALONE, device
        return
    rank, here = int(os.environ["RANK"]), int(os.environ.get("LOCAL_RANK", "0"))
    if device.startswith("cuda"):
        if here >= torch.cuda.device_count():
            raise UserError(f"process {here} has no device of its own: there are {torch.cuda.device_count()}")
        device = f"cuda:{here}"
        torch.cuda.set_device(here)
    torch.distributed.init_process_group("nccl" if device.startswith("cuda") else "gloo")
    try:
        yield Team(rank, size), device
    finally:
        torch.distributed.destroy_process_group()

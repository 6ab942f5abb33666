"""Adversarial training for free: one backward pass moves the weights and the pictures at once."""

import math
from collections.abc import Mapping
from typing import final

import torch
from torch import Tensor, nn

from mechaug.heuristics.views import Batch, Remembering, View, in_turn


@final
class FreeAdversary(Remembering):
    """The same batch several steps in a row, each with the gradient that the step before left at its pictures.

    Shafahi et al., "Adversarial training for free!", NeurIPS 2019, algorithm 1: δ ← clip(δ + ε sign ∇_x loss, ±ε),
    which goes on from batch to batch. An epoch of so many steps then sees a `replays`-th of the pictures, so that a
    training costs what a plain one of the same epochs costs, and sees each picture so much more rarely.

    Args:
        radius: ε, of the L∞ ball, in units of white.
        replays: steps in a row with one batch; the paper takes 8.

    Raises:
        ValueError: the radius is not positive, or there are no replays.
    """

    def __init__(self, radius: float = 8 / 255, replays: int = 8) -> None:
        if not 0 < radius < math.inf or replays < 1:
            raise ValueError(f"FreeAdversary takes a radius above 0 and at least 1 replay, not {radius} and {replays}")
        self.radius, self.replays = radius, replays
        self._move: Tensor | None = None
        self._shown: Tensor | None = None

    def views(self, model: nn.Module, batch: Batch, *, clean: bool, count: int) -> tuple[View, ...]:
        """Pictures moved by what was learned; the step's own backward pass leaves the next gradient with them.

        Raises:
            ValueError: more than one view, of which one gradient cannot tell.
        """
        del model
        if count != 1:
            raise ValueError(f"free adversarial training shows one moved picture, not {count}")
        self._learn()
        if self._move is None or self._move.shape != batch.pictures.shape:
            self._move = torch.zeros_like(batch.pictures)
        self._move = self._move.to(batch.pictures)
        shown = (batch.pictures + self._move).clamp(0, 1).detach().requires_grad_()
        self._shown = shown
        return in_turn(batch, lambda _: View(shown, batch.labels), clean=clean, count=1)

    def _learn(self) -> None:
        if self._shown is not None and self._move is not None and self._shown.grad is not None:
            moved = self._move + self.radius * self._shown.grad.sign()
            self._move = moved.clamp(-self.radius, self.radius)
        self._shown = None

    def fresh(self) -> "FreeAdversary":
        """The same one, with pictures where they are."""
        return FreeAdversary(self.radius, self.replays)

    def memory(self) -> dict[str, Tensor]:
        """Where the pictures were moved to; nothing before the first step."""
        self._learn()
        return {} if self._move is None else {"move": self._move}

    def remember(self, memory: Mapping[str, Tensor]) -> None:
        """Take up the moves."""
        self._move, self._shown = memory.get("move"), None

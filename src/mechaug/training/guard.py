"""Catastrophic overfitting: the net learns to withstand the one fast step it is trained with, and nothing else.

Wong, Rice & Kolter, "Fast is better than free", ICLR 2020, section 4: accuracy under PGD falls to nothing within an
epoch, while that under the training's own step rises. They stop there; so does a training with this guard.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor, nn

from mechaug.data.pictures import Pictures
from mechaug.errors import UserError
from mechaug.heuristics.views import at_rest
from mechaug.keys import Key
from mechaug.training.adversarial import PixelAdversary


@final
@dataclass(frozen=True)
class FastOverfitting:
    """A look at a batch that is held out of training, at the end of every epoch.

    Args:
        radius: of the L∞ ball, in units of white.
        steps: of PGD, each a quarter of the radius.
        pictures: how many are held out, and at most a tenth of all.
        drop: by how much PGD's accuracy must have fallen below its best; the paper's code takes 0.2.

    Raises:
        ValueError: a number is not positive.
    """

    radius: float = 8 / 255
    steps: int = 10
    pictures: int = 128
    drop: float = 0.2

    def __post_init__(self) -> None:
        for name in ("radius", "steps", "pictures", "drop"):
            if not getattr(self, name) > 0:
                raise ValueError(f"FastOverfitting({name}=…) is positive, not {getattr(self, name)!r}")

    def split(self, data: Pictures) -> tuple[Pictures, Pictures]:
        """What is trained on, and the batch that is held out: the same for every seed.

        Raises:
            UserError: there are fewer than ten pictures.
        """
        if len(data) < 10:
            raise UserError(f"of {len(data)} training pictures none can be held out: give more")
        held = Key(0).fold("held-out batch").permutation(len(data))[: min(self.pictures, len(data) // 10)]
        kept = torch.ones(len(data), dtype=torch.bool)
        kept[held] = False
        return data.rows(kept), data.rows(held.sort().values)

    def look(self, model: nn.Module, held: Pictures, device: torch.device) -> dict[str, float]:
        """The accuracy on the held-out batch under the fast step and under PGD; the model is left as it was."""
        key = Key(0).fold("guard").at(held.index)
        pictures, labels = held.image(slice(None)).to(device), held.labels.to(device)
        attacks = {
            "fgsm": PixelAdversary.fast(self.radius),
            "pgd": PixelAdversary(self.radius, self.radius / 4, self.steps),
        }
        with at_rest(model):
            return {
                f"{name}_accuracy": _accuracy(model, attack.attack(model, pictures, labels, key.fold(name)), labels)
                for name, attack in attacks.items()
            }

    def verdict(self, records: Sequence[Mapping[str, float | int | str]]) -> str:
        """A sentence where the last epoch collapsed, by the records of all epochs so far; else empty."""
        *before, now = ((float(r["pgd_accuracy"]), float(r["fgsm_accuracy"])) for r in records)
        best = max(before, default=now)
        if now[0] > best[0] - self.drop or now[1] < best[1]:
            return ""
        return (
            f"catastrophic overfitting: accuracy under PGD fell from {best[0]:.0%} to {now[0]:.0%} on held-out "
            f"pictures while that under the training's own step rose from {best[1]:.0%} to {now[1]:.0%}; "
            "the training stopped and kept the epoch before: lower the radius, or train by pgd-at"
        )


@torch.no_grad()
def _accuracy(model: nn.Module, pictures: Tensor, labels: Tensor) -> float:
    return (model(pictures).argmax(1) == labels).double().mean().item()

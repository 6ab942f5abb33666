"""The square attack: random search by squares, for models without a useful gradient.

Andriushchenko, Croce, Flammarion and Hein, "Square attack: a query-efficient black-box adversarial attack via random
search", ECCV 2020, algorithms 1 and 2 (L∞). A picture that is wrong is done.
"""

import math
from dataclasses import dataclass
from typing import Final, final

import torch
from jaxtyping import Float
from torch import Tensor, nn

from mechaug.evaluation.attacks import EPSILON, Attack, ball, check_settings, margin
from mechaug.evaluation.predict import ask
from mechaug.keys import Key
from mechaug.types import Image, Labels

FIRST_SHARE: Final = 0.8
"""The share of the picture that the first squares cover: p."""

HALVINGS: Final = (10, 50, 200, 500, 1000, 2000, 4000, 6000, 8000)
"""After which queries the share is halved (section 5 of the paper, for 10,000 queries; the ensemble keeps them)."""

_DRAWN_AT_ONCE: Final = 64


@final
@dataclass(frozen=True)
class Square(Attack):
    """Random search: a square of ±2·epsilon per channel is kept where it lowers the margin.

    It starts from vertical stripes of ±epsilon. The schedule of sizes is that of 10,000 queries, also where fewer are
    made, as in the ensemble of Croce and Hein (2020).

    Args:
        epsilon: radius of the L∞ ball, in units of white.
        queries: how often the model is asked about each picture.
    """

    epsilon: float = EPSILON
    queries: int = 5000

    def __post_init__(self) -> None:
        check_settings("Square", real={"epsilon": self.epsilon}, whole={"queries": self.queries})

    @property
    def name(self) -> str:
        """Square."""
        return "Square"

    def search(self, model: nn.Module, pictures: Image, labels: Labels, key: Key) -> Image:
        """For each picture the first wrong one, or that of the lowest margin."""
        channels, height, width = pictures.shape[1:]
        key = key.fold("square")
        low, high = ball(pictures, self.epsilon)
        stripes = _signs(key.fold("stripes").unit(channels, 1, width)).to(pictures)
        found = torch.clamp(pictures + self.epsilon * stripes, low, high)
        lead = margin(ask(model, found), labels)
        left = (lead >= 0).nonzero().squeeze(1)
        drawn = pictures.new_empty(len(left), _DRAWN_AT_ONCE, 2 + channels)
        for query in range(self.queries - 1):
            if not len(left):
                break
            if query % _DRAWN_AT_ONCE == 0:
                block = key.rows(left).fold("squares").fold(query // _DRAWN_AT_ONCE)
                drawn = block.unit(_DRAWN_AT_ONCE, 2 + channels)
            square = _square(drawn[:, query % _DRAWN_AT_ONCE], height, width, square_side(query, height, width))
            moved = torch.clamp(found[left] + 2 * self.epsilon * square.to(pictures), low[left], high[left])
            new_lead = margin(ask(model, moved), labels[left])
            better = new_lead < lead[left]
            found[left[better]], lead[left[better]] = moved[better], new_lead[better]
            still = lead[left] >= 0
            if not bool(still.all()):
                left, drawn = left[still], drawn[still]
        return found


def square_side(query: int, height: int, width: int) -> int:
    """The side in pixels of the squares of a query: √(p · height · width), with p halved at `HALVINGS`."""
    share = FIRST_SHARE / 2 ** sum(query > halving for halving in HALVINGS)
    return min(max(round(math.sqrt(share * height * width)), 1), height, width)


def _signs(unit: Tensor) -> Tensor:
    return torch.where(unit < 0.5, -1.0, 1.0)


def _square(unit: Float[Tensor, "b draws"], height: int, width: int, side: int) -> Image:
    """One square per picture, +1 or −1 in each channel and 0 around it: two draws say where, one per channel which."""
    top = (unit[:, :1] * (height - side + 1)).long()
    left = (unit[:, 1:2] * (width - side + 1)).long()
    rows, columns = torch.arange(height, device=unit.device), torch.arange(width, device=unit.device)
    inside = ((rows >= top) & (rows < top + side))[:, None, :, None]
    inside = inside & ((columns >= left) & (columns < left + side))[:, None, None, :]
    return inside * _signs(unit[:, 2:])[:, :, None, None]

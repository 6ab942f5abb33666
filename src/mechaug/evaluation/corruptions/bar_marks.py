"""C̄'s sparkles and lines: what is painted over the picture.

Mintun, Kirillov and Xie, "On interaction between augmentations and corruptions in natural corruption robustness",
NeurIPS 2021, in the form of the authors' published generators.
"""

import math
from typing import Final

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from mechaug.evaluation.corruptions.bar_fields import GREY
from mechaug.evaluation.corruptions.stored import Levels, store
from mechaug.types import Bytes

MOST_RAYS: Final = 199
STARS: Final = 5


def sparkles(
    pictures: Bytes, centre: Float[Tensor, "b stars 2"], rays: Int64[Tensor, "b stars"],
    length: Float[Tensor, "b stars rays"], radius: float,
) -> Levels:  # fmt: skip
    """White stars with many rays, one after another.

    Args:
        pictures: stored pictures.
        centre: uniform numbers in (0, 1): where the stars are, down and across.
        rays: of each star, at most `MOST_RAYS`.
        length: standard normal numbers: how long each ray is.
        radius: the mean length, as a share of the picture's side; no ray is shorter than a pixel.
    """
    height, width = pictures.shape[-2:]
    lit = pictures.float()
    long = (radius * max(height, width) * (1 + 0.25 * length)).clamp(min=1)
    for star in range(centre.shape[1]):
        place = centre[:, star] * centre.new_tensor([height, width])
        weight = _star(height, width, place, rays[:, star], long[:, star], 1.0)
        lit = torch.lerp(lit, lit.new_tensor(255.0), weight[:, None].to(lit).expand_as(lit))
    return lit


def inverse_sparkles(
    pictures: Bytes, centre: Float[Tensor, "b 2"], rays: Int64[Tensor, "b"], length: Float[Tensor, "b rays"],
    exponent: float,
) -> Levels:  # fmt: skip
    """White all over but for a star near the middle, through which the picture is seen.

    Args:
        pictures: stored pictures.
        centre: uniform numbers in (0, 1): where the star is within the middle half, down and across.
        rays: of the star, at most `MOST_RAYS`.
        length: standard normal numbers: how long each ray is; a quarter of the picture's side in the mean.
        exponent: how fast the star falls off.
    """
    height, width = pictures.shape[-2:]
    place = (0.25 + 0.5 * centre) * centre.new_tensor([height, width])
    weight = _star(height, width, place, rays, max(height, width) / 4 * (1 + 0.25 * length), exponent)
    return 255 + weight[:, None] * (pictures.float() - 255)


def _star(
    height: int, width: int, centre: Float[Tensor, "b 2"], rays: Int64[Tensor, "b"], length: Float[Tensor, "b rays"],
    exponent: float,
) -> Float[Tensor, "b h w"]:  # fmt: skip
    """How bright a star is at each pixel, 0 to 1."""
    down = torch.arange(height, device=centre.device)[:, None] - centre[:, 0, None, None]
    across = torch.arange(width, device=centre.device) - centre[:, 1, None, None]
    count = rays[:, None, None]
    turn = count * ((torch.atan2(across, down) + math.pi) / (2 * math.pi))
    ray = turn.floor()
    between = turn - ray
    # Half a turn is a whole one where the angle rounds up: the ray after the last is the first.
    first = ray.long().remainder(count).flatten(1)
    second = (ray.long() + 1).remainder(count).flatten(1)
    here, there = (length.gather(1, place).view_as(turn) for place in (first, second))
    reach = torch.lerp(here, there, between)
    glow = (reach.square() / (down.square() + across.square() + 1e-4)) ** exponent
    return (glow * (1 - (between - 0.5).square())).clamp(0, 1)


def lines(
    pictures: Bytes, middle: Float[Tensor, "b lines 2"], turn: Float[Tensor, "b lines"], angle: Float[Tensor, "b"],
    spread: Float[Tensor, "b"],
) -> Bytes:  # fmt: skip
    """Straight grey lines, a pixel wide and with soft edges, one after another.

    Args:
        pictures: stored pictures.
        middle: uniform numbers in (0, 1): where the lines' middles are, down and across.
        turn: uniform numbers in (0, 1): how far each line is turned.
        angle: of all lines of a picture, radians.
        spread: how much of a full turn the lines share, 0.1 to 1.
    """
    height, width = pictures.shape[-2:]
    side = max(height, width)
    direction = angle[:, None] + 2 * math.pi * spread[:, None] * (turn - 0.5)
    reach = side * torch.stack((direction.cos(), direction.sin()), -1)
    place = middle * middle.new_tensor([height, width])
    start, end = (place - reach).trunc(), (place + reach).trunc()
    row = torch.arange(height, device=middle.device)[:, None]
    column = torch.arange(width, device=middle.device)
    painted = pictures.float()
    for (y0, x0), (y1, x1) in zip(_columns(start), _columns(end), strict=True):
        along_y, along_x = y1 - y0, x1 - x0
        distance = ((row - y0) * along_x - (column - x0) * along_y).abs() / torch.hypot(along_y, along_x).clamp(
            min=1e-9
        )
        inside = (row >= torch.minimum(y0, y1)) & (row <= torch.maximum(y0, y1))
        inside = inside & (column >= torch.minimum(x0, x1)) & (column <= torch.maximum(x0, x1))
        cover = (inside * (1 - distance).clamp(min=0))[:, None]
        # Each line is stored before the next is drawn.
        painted = store((1 - cover) * painted + cover * GREY + 1e-4).float()
    return painted.to(torch.uint8)


def _columns(ends: Float[Tensor, "b lines 2"]) -> list[tuple[Tensor, Tensor]]:
    """Line by line, the coordinates of all pictures, to meet pixels."""
    return [(one[:, 0, None, None], one[:, 1, None, None]) for one in ends.unbind(1)]

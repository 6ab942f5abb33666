"""Zoom blur: the lens zooms while the shutter is open. Its zoom also enlarges the flakes of snow.

Hendrycks and Dietterich, "Benchmarking neural network robustness to common corruptions and perturbations", ICLR 2019.
"""

import math

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import interpolate

from mechaug.evaluation.corruptions.stored import Levels, unit
from mechaug.types import Bytes


def zoom_blur(pictures: Bytes, step: float, count: int) -> Levels:
    """The mean of a picture and of `count` enlarged copies of it, the first of which is the picture again.

    Args:
        pictures: stored pictures.
        step: between one enlargement and the next, from 1 upwards.
        count: of enlargements.
    """
    x = unit(pictures, torch.float32)
    total = x.clone()
    # The step as the published ranges have it, to the last bit: 26 pixels times 1.2500000000000002 are rounded to 33.
    step = (1 + step) - 1
    for number in range(count):
        total += zoomed(x, 1 + number * step)
    return total / (count + 1) * 255


def zoomed(x: Float[Tensor, "b c h w"], factor: float) -> Float[Tensor, "b c h w"]:
    """The middle of a picture, enlarged to its old size by linear interpolation, in whole pixels as published.

    A middle of ceil(side/factor) pixels is enlarged to round(middle·factor), of which the middle is cut out: so the
    enlargement is quantised, and the centre may move by half a pixel.
    """
    height, width = x.shape[-2:]
    (top, tall, grown_tall, cut_top), (left, wide, grown_wide, cut_left) = _cut(height, factor), _cut(width, factor)
    if (grown_tall, grown_wide) == (height, width) and (tall, wide) == (height, width):
        return x
    middle = x[..., top : top + tall, left : left + wide]
    grown = interpolate(middle, (grown_tall, grown_wide), mode="bilinear", align_corners=True)
    return grown[..., cut_top : cut_top + height, cut_left : cut_left + width]


def _cut(side: int, factor: float) -> tuple[int, int, int, int]:
    """For one axis: where the middle starts, its size, its size when enlarged, and where that is cut."""
    size = math.ceil(side / factor)
    grown = max(side, round(size * factor))
    return (side - size) // 2, size, grown, (grown - side) // 2

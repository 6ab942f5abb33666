"""Stored pictures and how they are computed with: what the formulas of all corruptions share.

A formula takes stored pictures (uint8) and gives levels: real numbers, 0 to 255 and beyond, which are clipped and made
whole when they are stored. The published files are cut down to whole levels, not rounded. `x` is a stored value over
255.
"""

from typing import TypeAlias

import torch
from jaxtyping import Float, Int64
from torch import Tensor
from torch.nn.functional import pad

from mechaug.types import Bytes, Image

Levels: TypeAlias = Float[Tensor, "b c h w"]
"""What a formula makes of pictures: grey levels before they are stored, 0..255 and beyond."""


def unit(pictures: Bytes, dtype: torch.dtype) -> Image:
    """Stored values over 255, to the last bit on every device."""
    x = pictures.to(dtype)
    # By a number, CUDA multiplies with the inverse, which is off in the last bit.
    return x.div_(x.new_full((), 255))


def store(levels: Float[Tensor, "..."], *, rounded: bool = False) -> Tensor:
    """Levels as stored values: clipped, and cut down to whole ones as the benchmark does, or rounded."""
    return (levels + 0.5 if rounded else levels).clamp(0, 255).to(torch.uint8)


def uniform(normal: Float[Tensor, "*n"]) -> Float[Tensor, "*n"]:
    """Normal numbers as uniform ones in (0, 1): for dense fields much faster than keyed uniform draws."""
    return torch.special.ndtr(normal).clamp(1e-7, 1 - 1e-7)


def reflected(places: Int64[Tensor, "*n"], length: int) -> Int64[Tensor, "*n"]:
    """Places on an axis that continues by reflection about its first and last pixel, for any distance."""
    turn = max(2 * (length - 1), 1)
    places = places % turn
    return torch.minimum(places, turn - places)


def mirrored(places: Int64[Tensor, "*n"], length: int) -> Int64[Tensor, "*n"]:
    """Places on an axis that continues by reflection about its ends, so that border pixels repeat."""
    places = places % (2 * length)
    return torch.minimum(places, 2 * length - 1 - places)


def gaussian_taps(sigma: float, truncate: float = 4.0) -> list[float]:
    """Weights of a sampled Gaussian out to floor(truncate·σ + ½) pixels on each side; they sum to 1."""
    reach = int(truncate * sigma + 0.5)
    steps = torch.arange(-reach, reach + 1, dtype=torch.float64)
    weights = torch.exp(-(steps**2) / (2 * sigma**2)) if reach else torch.ones(1, dtype=torch.float64)
    return (weights / weights.sum()).tolist()


def smoothed(x: Float[Tensor, "b c h w"], sigma: float) -> Float[Tensor, "b c h w"]:
    """Gaussian blur of each channel; border pixels repeat."""
    taps = gaussian_taps(sigma)
    reach = len(taps) // 2
    if not reach:
        return x
    height, width = x.shape[-2:]
    across = pad(x, (reach, reach, 0, 0), mode="replicate")
    x = _weighted([across[..., start : start + width] for start in range(len(taps))], taps)
    down = pad(x, (0, 0, reach, reach), mode="replicate")
    return _weighted([down[..., start : start + height, :] for start in range(len(taps))], taps)


def mirrored_blur(length: int, sigma: float, truncate: float, like: Tensor) -> Float[Tensor, "{length} {length}"]:
    """The matrix of a Gaussian on a line that continues by mirroring at its ends, where border pixels repeat.

    Args:
        length: of the line.
        sigma: standard deviation in pixels.
        truncate: how many of them the Gaussian reaches.
        like: of the dtype and on the device of the result.
    """
    taps = torch.tensor(gaussian_taps(sigma, truncate), dtype=torch.float64)
    reach = len(taps) // 2
    places = mirrored(torch.arange(length)[:, None] + torch.arange(-reach, reach + 1), length)
    matrix = torch.zeros(length, length, dtype=torch.float64)
    return matrix.scatter_add_(1, places, taps.expand(places.shape).contiguous()).to(like)


def _weighted(shifted: list[Tensor], weights: list[float]) -> Tensor:
    total = shifted[0] * weights[0]
    for part, weight in zip(shifted[1:], weights[1:], strict=True):
        total.add_(part, alpha=weight)
    return total

"""Noise: independent per pixel and channel.

Hendrycks and Dietterich, "Benchmarking neural network robustness to common corruptions and perturbations", ICLR 2019.
"""

import math
from functools import lru_cache
from typing import Final

import torch
from torch import Tensor

from mechaug.evaluation.corruptions.stored import Levels, unit
from mechaug.types import Bytes, Image

# Poisson quantiles are tabulated in cells of the normal score: 64 cells per unit between −7 and 7. Thresholds lie at
# least about 1/√mean apart, so up to a mean of 500 no cell holds two, and one comparison per value is exact.
_CELLS_PER_UNIT: Final = 64
_CELLS: Final = 14 * _CELLS_PER_UNIT


def gaussian_noise(pictures: Bytes, normal: Image, std: float) -> Levels:
    """Read noise: x + std · normal, independent per pixel and channel.

    Args:
        pictures: stored pictures.
        normal: standard normal numbers, of the pictures' shape.
        std: standard deviation in units of white, such as 0.08.
    """
    return unit(pictures, normal.dtype).add_(normal, alpha=std).mul_(255)


def shot_noise(pictures: Bytes, normal: Image, photons: int) -> Levels:
    """The counting of photons: Poisson(photons · x) / photons, independent per pixel and channel.

    A count is the Poisson quantile at the probability of its normal number, so it has the Poisson law exactly.

    Args:
        pictures: stored pictures.
        normal: standard normal numbers, of the pictures' shape.
        photons: the mean count at white, at most 500.

    Raises:
        ValueError: more photons than the quantile table holds exactly.
    """
    if not 0 < photons <= 500:
        raise ValueError(f"shot noise takes 1 to 500 photons at white, not {photons}")
    below, threshold = (table.to(pictures.device) for table in _poisson_quantiles(photons))
    # Multiplying by a power of two is exact, so a number is never put into its neighbour's cell.
    cell = (normal * _CELLS_PER_UNIT).floor_().clamp_(-_CELLS // 2, _CELLS // 2 - 1).int().add_(_CELLS // 2)
    place = cell.add_(pictures.int(), alpha=_CELLS).flatten()
    count = below.index_select(0, place) + (normal.flatten() > threshold.index_select(0, place))
    levels = torch.arange(photons + 1, dtype=torch.float64, device=pictures.device) / photons * 255
    return levels.index_select(0, count).reshape(pictures.shape)


@lru_cache(maxsize=16)
def _poisson_quantiles(photons: int) -> tuple[Tensor, Tensor]:
    """The inverse of the Poisson law for each of the 256 stored values, as (counts, thresholds) per value and cell.

    A normal number z in a cell belongs to the count of its cell, plus one where z exceeds the cell's threshold.
    Counts above `photons` are left out: they are white, as `photons` itself is.
    """
    mean = torch.arange(256, dtype=torch.float64)[:, None] * (photons / 255)
    counts = torch.arange(photons, dtype=torch.float64)
    scores = torch.special.ndtri(torch.special.gammaincc(counts + 1, mean))  # P(count ≤ k), as a normal score
    scores = torch.cat((scores, torch.full((256, 1), math.inf, dtype=torch.float64)), dim=1)
    edges = torch.arange(-_CELLS // 2, _CELLS // 2, dtype=torch.float64) / _CELLS_PER_UNIT
    below = torch.searchsorted(scores, edges.expand(256, -1).contiguous())
    return below.int().flatten(), scores.gather(1, below).float().flatten()


def impulse_noise(pictures: Bytes, normal: Image, share: float) -> Bytes:
    """Dead pixels and bit errors: some values become black or white, each half of the time.

    Args:
        pictures: stored pictures.
        normal: standard normal numbers, of the pictures' shape: the lowest turn black, the highest white.
        share: of the values that are replaced, 0 to 1.
    """
    threshold = torch.special.ndtri(torch.tensor(1 - share / 2, dtype=torch.float64)).item()
    return pictures.masked_fill(normal < -threshold, 0).masked_fill_(normal > threshold, 255)


def speckle_noise(pictures: Bytes, normal: Image, std: float) -> Levels:
    """Noise in proportion to the light: x · (1 + std · normal).

    Args:
        pictures: stored pictures.
        normal: standard normal numbers, of the pictures' shape.
        std: standard deviation as a share of the value.
    """
    x = unit(pictures, normal.dtype)
    return x.addcmul(x, normal, value=std).mul_(255)

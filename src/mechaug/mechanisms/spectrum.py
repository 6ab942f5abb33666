"""Spectrum: how the contrast of a picture is shared out among coarse and fine.

The spectrum is that of the picture mirrored at its borders, so that no border becomes an edge: the discrete cosine
transform (DCT-II), in which every even filter with mirrored borders is a product.
"""

import math
from dataclasses import dataclass
from typing import final

import torch
from jaxtyping import Float
from torch import Tensor

from mechaug.keys import Key
from mechaug.laws import Law, quantity
from mechaug.mechanisms.base import (
    Group,
    Parameters,
    check_laws,
    draw_quantities,
    neutral_quantities,
    parameters,
)
from mechaug.types import Image, PerImage


@parameters
class SpectralSlopeParams(Parameters):
    """How the spectrum is tilted.

    Attributes:
        slope_change: by how much faster the amplitude falls with frequency, as a power; below 0 more slowly.
    """

    slope_change: PerImage


@final
@dataclass(frozen=True)
class SpectralSlope(Group[SpectralSlopeParams]):
    """Another slope of the amplitude spectrum: every frequency f times f^−δ, at the same mean and the same contrast.

    The amplitude of natural scenes falls with frequency as f^−α. The slope α belongs to the scene and to how near and
    how sharply it is seen, not to the object: blur, haze and distance make it steeper, clutter and noise less so. Here
    it becomes α + δ, while each channel's mean and the standard deviation of all pixels about it stay as they are.
    Slopes add, so that this is a group, as long as nothing falls below black, where light is cut.

    Args:
        slope_change: law of δ; above 0 coarser, below 0 finer.

    Default prior: ±0.1, our choice. In 135 photographs α ranges from 0.8 to 1.5 about a mean of 1.2 (Tolhurst, Tadmor
    and Chao, "Amplitude spectra of natural images", 1992), but that is between scenes: one photograph turned by 0.2 is
    already etched, or dim in its shadows.
    """

    slope_change: Law = quantity((-0.1, 0.1), "", neutral=0.0, sweep=(-0.2, 0.2))

    domain = "light"
    structure = "group"
    overlaps = ("gaussian_blur", "defocus_blur")

    def __post_init__(self) -> None:
        check_laws(self)

    def sample(self, key: Key) -> SpectralSlopeParams:
        return SpectralSlopeParams(**draw_quantities(self, key))

    def neutral(self, batch: int) -> SpectralSlopeParams:
        return SpectralSlopeParams(**neutral_quantities(self, batch))

    def transform(self, x: Image, params: SpectralSlopeParams) -> Image:
        height, width = x.shape[-2:]
        # In cycles per picture width: a cosine of k half-waves down the picture has k/2 cycles per height.
        down = torch.arange(height, dtype=x.dtype, device=x.device)[:, None] * (width / (2 * height))
        across = torch.arange(width, dtype=x.dtype, device=x.device) / 2
        frequency = torch.hypot(down, across)
        # The mean, at frequency 0, is kept.
        logarithm = torch.log(frequency.where(frequency > 0, 1.0))
        tilted = filtered(x, torch.exp(-params.slope_change.to(x.dtype)[:, None, None] * logarithm))
        mean = x.mean((2, 3), keepdim=True)
        return torch.lerp(mean, tilted, _contrast(x - mean) / _contrast(tilted - mean)).clamp(min=0.0)

    def compose(self, first: SpectralSlopeParams, second: SpectralSlopeParams) -> SpectralSlopeParams:
        return SpectralSlopeParams(first.slope_change + second.slope_change)

    def inverse(self, params: SpectralSlopeParams) -> SpectralSlopeParams:
        return SpectralSlopeParams(-params.slope_change)


def _contrast(x: Image) -> Float[Tensor, "b 1 1 1"]:
    """Root mean square of each image; a little above 0 for one that is flat, which has no contrast to be kept."""
    return x.square().mean((1, 2, 3), keepdim=True).add(1e-12).sqrt()


def filtered(x: Image, gain: Float[Tensor, "b h w"]) -> Image:
    """Images with mirrored borders, each filtered by its own even filter.

    Args:
        x: images, shape (b, c, h, w).
        gain: the filter at k/(2h) cycles per pixel down and l/(2w) across, for k below h and l below w; x's dtype.

    Returns:
        Images of the same shape and dtype.
    """
    down = cosines(x.shape[-2], x)
    across = down if x.shape[-2] == x.shape[-1] else cosines(x.shape[-1], x)
    return down.mT @ (gain[:, None] * (down @ x @ across.mT)) @ across


def cosines(length: int, like: Tensor, count: int | None = None) -> Float[Tensor, "m {length}"]:
    """The orthonormal cosine transform of a line of pixels with mirrored ends; rows are frequencies.

    Args:
        length: of the line, pixels.
        like: gives dtype and device.
        count: how many of the lowest frequencies; None for all.
    """
    wave, pixel = (torch.arange(n, device=like.device) for n in (min(length, count or length), length))
    waves = torch.cos((wave[:, None] * (2 * pixel + 1)).double() * (math.pi / (2 * length))) * math.sqrt(2 / length)
    return torch.cat((waves[:1] * math.sqrt(0.5), waves[1:])).to(like.dtype)

"""Glare: light that glass, dust and fingers scatter over the picture."""

import math
from dataclasses import dataclass
from typing import Final, final

import torch
from jaxtyping import Float
from torch import Tensor

from mechaug.keys import Key
from mechaug.laws import Law, quantity
from mechaug.mechanisms.base import (
    Mechanism,
    Parameters,
    check_laws,
    draw_quantities,
    neutral_quantities,
    parameters,
    per_image,
)
from mechaug.mechanisms.eager import constant
from mechaug.mechanisms.spectrum import cosines
from mechaug.mechanisms.view import View
from mechaug.types import Image, PerImage


@parameters
class GlareParams(Parameters):
    """How much light is scattered, and how far.

    Attributes:
        veil_percent: share of the light that is scattered, percent.
        even_percent: share of the scattered light that is spread evenly over the frame, percent.
        halo_deg: where the halo begins, degrees from its source.
    """

    veil_percent: PerImage
    even_percent: PerImage
    halo_deg: PerImage


@final
@dataclass(frozen=True)
class Glare(Mechanism[GlareParams]):
    """Veiling glare: a share of the light comes down elsewhere, some of it in a halo and some of it anywhere.

    Light x becomes (1 − s)·x + s·(u·mean(x) + (1 − u)·halo(x)). The halo falls off as 1/θ², the middle term of the
    CIE's glare spread function (Vos, "On the cause of disability glare and its dependence on glare angle", 2003),
    which holds as much light in every octave of the angle θ: here four Gaussians of equal light and widths of 1, 2, 4
    and 8 times `halo_deg`. No light is lost. The mean of the picture stands for that of the frame; light from outside
    the picture is not known, and neither is how bright a lamp was that the photograph clipped at white: real halos
    around lamps are stronger.

    Only the lowest 48 frequencies along each side are scattered (a cosine transform, which mirrors the borders). What
    is left out of the halo of 1° in a whole photograph has a weight of at most 4e-4 of the scattered light.

    Args:
        veil_percent: law of the scattered share s, percent.
        even_percent: law of the evenly spread share u of it, percent.
        halo_deg: law of the halo's standard deviation where it begins, degrees.
        view: the lens, and the part of its image that the picture shows.

    Default prior: 0.5 to 8 %. Photographic lenses have 0.5 to 3 % by ISO 9358, those of telephones with fingerprints
    up to 10.
    """

    veil_percent: Law = quantity((0.5, 8.0), "%", neutral=0.0, low=0.0, high=100.0, sweep=(3.0, 40.0))
    even_percent: Law = quantity((20.0, 60.0), "%", neutral=40.0, low=0.0, high=100.0, held=40.0)
    halo_deg: Law = quantity((0.5, 2.0), "°", neutral=1.0, scale="log", low=0.01, held=1.0)
    view: View = View()

    domain = "light"
    structure = "none"
    overlaps = ("fog", "contrast")

    def __post_init__(self) -> None:
        check_laws(self)

    def sample(self, key: Key) -> GlareParams:
        return GlareParams(**draw_quantities(self, key))

    def neutral(self, batch: int) -> GlareParams:
        return GlareParams(**neutral_quantities(self, batch))

    def transform(self, x: Image, params: GlareParams) -> Image:
        height, width = x.shape[-2:]
        rows, columns = (cosines(length, x, _FREQUENCIES) for length in (height, width))
        sigma = (params.halo_deg * (math.pi / 180 * self.view.focal_px(width))).to(x.dtype)
        # A sum of Gaussians: each is a product of one down and one across.
        halo = _gaussians(sigma, height, x).mT @ _gaussians(sigma, width, x) / len(_WIDTHS)
        # What is spread evenly adds to the mean alone, which a halo keeps as it is.
        even = (params.even_percent / 100).to(x.dtype)[:, None, None]
        down, across = (torch.arange(length, device=x.device) for length in halo.shape[1:])
        varying = (down[:, None] + across > 0).to(x.dtype)
        weight = halo * (1 - even * varying)
        spectrum = rows @ x @ columns.mT
        scattered = rows.mT @ (spectrum * weight[:, None]) @ columns
        return torch.lerp(x, scattered, per_image(params.veil_percent / 100).to(x.dtype))


_WIDTHS: Final = (1.0, 2.0, 4.0, 8.0)
"""Of the halo's Gaussians, in units of the first."""

_FREQUENCIES: Final = 48
"""How many of the lowest frequencies along a side are scattered; all of them where there are fewer."""


def _gaussians(sigma: PerImage, size: int, like: Tensor) -> Float[Tensor, "b w m"]:
    """What is left of each cosine after each of the halo's Gaussians."""
    waves = torch.arange(min(size, _FREQUENCIES), dtype=like.dtype, device=like.device) * (math.pi / size)
    widths = constant(_WIDTHS, like)
    return torch.exp(-((sigma[:, None, None] * widths[:, None] * waves).square()) / 2)

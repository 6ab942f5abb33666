"""Exposure: how light a picture is, and how much of it is clipped."""

import math
from dataclasses import dataclass
from typing import Final

import torch
from jaxtyping import Float
from torch import Tensor

from mechaug.mechanisms.colour import XYZ_FROM_RGB
from mechaug.mechanisms.light import to_light

_WHITE: Final = 253.5 / 255
_BLACK: Final = 1.5 / 255

QUANTILE: Final = 0.75
"""Of the luminance: as far up as few pictures are clipped. Photographs differ in it by 1 EV, in medians by 1.5."""

_DARKEST: Final = 1e-4
"""A third of the first grey level of 8 bits: what black counts as."""


@dataclass(frozen=True)
class Level:
    """How light a picture is.

    Attributes:
        log2_luminance: base-2 logarithm of the luminance that a quarter of the picture exceeds, white = 1; one more is
            one EV more.
        white_share: of the pixels, those with a channel at its end.
        black_share: of the pixels, those that are black.
        reason: why that luminance is not the light's; else empty.
    """

    log2_luminance: float
    white_share: float
    black_share: float
    reason: str = ""


def level(picture: Float[Tensor, "3 h w"]) -> Level:
    """Measure a picture, sRGB in [0, 1].

    A quantile moves exactly with the exposure, as long as it is not clipped itself.
    """
    white = float((picture.amax(0) >= _WHITE).float().mean())
    black = float((picture.amax(0) <= _BLACK).float().mean())
    luminance = torch.einsum("c,chw->hw", XYZ_FROM_RGB[1].to(picture), to_light(picture[None])[0])
    found = math.log2(float(luminance.quantile(QUANTILE)) + _DARKEST)
    for share, most, end in ((white, 1 - QUANTILE, "white"), (black, QUANTILE, "black")):
        if share > most:
            return Level(found, white, black, f"{share:.0%} of the picture is clipped at {end}")
    return Level(found, white, black)

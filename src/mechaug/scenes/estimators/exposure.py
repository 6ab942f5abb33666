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

_DARKEST: Final = 1e-4
"""A third of the first grey level of 8 bits: what a black median counts as."""

CLIPPED_MOST: Final = 0.4
"""The share of a picture that may be clipped at one end: a median is not moved by less than a half."""


@dataclass(frozen=True)
class Level:
    """How light a picture is.

    Attributes:
        log2_luminance: base-2 logarithm of the median luminance, white = 1, so that one more is one EV more.
        white_share: of the pixels, those with a channel at its end.
        black_share: of the pixels, those that are black.
        reason: why the median is not that of the light; else empty.
    """

    log2_luminance: float
    white_share: float
    black_share: float
    reason: str = ""


def level(picture: Float[Tensor, "3 h w"]) -> Level:
    """Measure a picture, sRGB in [0, 1].

    The median moves exactly with the exposure as long as less than half of the picture is clipped.
    """
    white = float((picture.amax(0) >= _WHITE).float().mean())
    black = float((picture.amax(0) <= _BLACK).float().mean())
    luminance = torch.einsum("c,chw->hw", XYZ_FROM_RGB[1].to(picture), to_light(picture[None])[0])
    median = math.log2(float(luminance.median()) + _DARKEST)
    for share, end in ((white, "white"), (black, "black")):
        if share > CLIPPED_MOST:
            return Level(median, white, black, f"{share:.0%} of the picture is clipped at {end}")
    return Level(median, white, black)

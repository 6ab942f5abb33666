"""Illuminant: the colour of the light, if the world is grey on average, or as grey as that of a reference.

What a picture shows is reflectance times light. Of a single picture only their product is known; the mean over its
pixels is taken for the light's colour as far as the mean reflectance is that of the reference (Buchsbaum, "A spatial
processor model for object colour perception", J. Franklin Institute 310, 1980). How wrong that is from picture to
picture is what the reference's own spread says.
"""

import functools
import math
from dataclasses import dataclass
from typing import Final

import torch
from jaxtyping import Float
from torch import Tensor

from mechaug.mechanisms.colour import XYZ_FROM_RGB, illuminant_matrix
from mechaug.mechanisms.light import to_light

Rgb = tuple[float, float, float]

VALID: Final = (60.0, 550.0)
"""Mired."""

_FEWEST_PIXELS: Final = 400
_DARK: Final = 4.0 / 255
_BRIGHT: Final = 250.0 / 255
_MIREDS: Final = (40, 599)


@dataclass(frozen=True)
class MeanColour:
    """The mean linear colour of a picture at luminance 1, or why there is none."""

    rgb: Rgb | None
    reason: str = ""


def mean_colour(picture: Float[Tensor, "3 h w"]) -> MeanColour:
    """Measure a picture, sRGB in [0, 1]: the mean chromaticity of pixels that are neither black nor clipped."""
    if float((picture - picture.mean(0)).abs().mean()) < 0.5 / 255:
        return MeanColour(None, "the picture has no colour")
    usable = (picture.amax(0) < _BRIGHT) & (picture.amax(0) > _DARK)
    if int(usable.sum()) < _FEWEST_PIXELS:
        return MeanColour(None, "too few pixels are neither black nor clipped")
    light = to_light(picture[None])[0][:, usable].double()
    luminance = XYZ_FROM_RGB[1] @ light
    # Every pixel counts by its chromaticity, bright ones no more than dark ones: else one bright thing is the light.
    mean = (light * (luminance + 0.02).reciprocal()).mean(1)
    red, green, blue = (mean / (XYZ_FROM_RGB[1] @ mean)).tolist()
    return MeanColour((red, green, blue))


def mired_of(rgb: Rgb, reference: Rgb) -> float:
    """The light, on the locus of daylight and lamps, under which a mean colour like the reference's becomes another.

    Args:
        rgb: mean colour of the picture.
        reference: mean colour of the same world under D65.

    Returns:
        Mired, 40 to 599; the nearest in the logarithms of red over green and blue over green.
    """
    table = _ratios(reference)
    here = _logs(torch.tensor([rgb], dtype=torch.float64))
    return _MIREDS[0] + int((table - here).square().sum(-1).argmin())


@functools.lru_cache(maxsize=16)
def _ratios(reference: Rgb) -> Float[Tensor, "mireds 2"]:
    mired = torch.arange(_MIREDS[0], _MIREDS[1] + 1, dtype=torch.float64)
    matrix = illuminant_matrix(mired, torch.zeros_like(mired), "daylight")
    return _logs(matrix @ torch.tensor(reference, dtype=torch.float64))


def _logs(rgb: Float[Tensor, "n 3"]) -> Float[Tensor, "n 2"]:
    red, green, blue = rgb.clamp(min=math.exp(-8)).log().unbind(-1)
    return torch.stack((red - green, blue - green), -1)

"""Light as natural scenes have it: log-normal, with equal power in every octave."""

import math
from typing import Final

import torch
from jaxtyping import Float
from torch import Tensor

from mechaug.fields import noise_field
from mechaug.mechanisms.base import per_image
from mechaug.mechanisms.colour import LUMINANCE
from mechaug.mechanisms.eager import constant
from mechaug.mechanisms.warp import pixel_places
from mechaug.types import Image, PerImage, Seeds

_COARSEST: Final = 0.25
"""Cycles over the picture's width of the longest waves."""

_WAVES: Final = 48


def natural_light(
    seeds: Seeds,
    like: Image,
    *,
    contrast: PerImage,
    finest: PerImage | float,
    colour: PerImage,
    blur_permille: PerImage | float = 0.0,
) -> Float[Tensor, "b _ h w"]:
    """Light with the mean 1 whose logarithm is normal, with a power spectrum that falls as 1/frequency².

    Such is the light of natural scenes (Ruderman and Bialek, "Statistics of natural images", Phys. Rev. Lett. 73,
    1994), and that which falls on them (Dror, Willsky and Adelson, "Statistical characterization of real-world
    illumination", J. Vision 4, 2004).

    Args:
        seeds: which light, one per image.
        like: gives size, type and device; what has not three channels gets one, the light's luminance.
        contrast: standard deviation of the natural logarithm, before the blur.
        finest: cycles over the picture's width of the finest detail.
        colour: how far red, green and blue differ, in units of what they share: their logarithms correlate by
            1/(1 + colour²).
        blur_permille: standard deviation of a blur, thousandths of the picture's width.
    """
    deviation = per_image(contrast).to(like.dtype)
    field = _natural_field(seeds, like, finest, colour, blur_permille)
    light = torch.exp(deviation * field - 0.5 * deviation.square())
    if like.shape[1] == 3:
        return light
    return (light * constant(LUMINANCE, like)[:, None, None]).sum(1, keepdim=True)


def _natural_field(
    seeds: Seeds, like: Image, finest: PerImage | float, colour: PerImage, blur_permille: PerImage | float
) -> Float[Tensor, "b 3 h w"]:
    """Normal fields of unit variance before the blur.

    Power 1/f² in two dimensions is equal power in every octave: waves that are uniform in the logarithm of the
    frequency.
    """
    colour = colour.to(like.dtype)[:, None]
    drawn = noise_field(seeds, [6, _WAVES]).to(like.dtype)
    octave, direction, phase = torch.special.ndtr(drawn[:, :3]).unbind(1)
    span = torch.as_tensor(finest, dtype=like.dtype, device=like.device).reshape(-1, 1) / _COARSEST
    turn = 2 * math.pi * _COARSEST * torch.exp(span.log() * octave)
    blur = torch.as_tensor(blur_permille, dtype=like.dtype, device=like.device).reshape(-1, 1)
    amplitude = torch.exp(-0.5 * (turn * blur / 1000).square()) * (2 / _WAVES / (1 + colour.square())).sqrt()
    each = (1 + colour[..., None] * drawn[:, 3:]) * amplitude[:, None]
    angle = 2 * math.pi * direction
    right, down = pixel_places(like.shape[-2], like.shape[-1], like)
    across = (turn * angle.cos())[..., None] * right + (2 * math.pi * phase)[..., None]
    along = (turn * angle.sin())[..., None] * down
    # By the cosines' sum formula one product of matrices makes all waves of a picture.
    rows = torch.cat((along.cos(), along.sin()), 1)[:, None] * torch.cat((each, each), 2)[..., None]
    waves = torch.cat((across.cos(), -across.sin()), 1)[:, None]
    return rows.flatten(0, 1).mT.unflatten(0, (len(like), 3)) @ waves

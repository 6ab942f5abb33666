"""Fields as natural scenes have them: equal power in every octave, and more in common between colours than not."""

import math
from typing import Final

import torch
from jaxtyping import Float
from torch import Tensor

from mechaug.fields import noise_field
from mechaug.mechanisms.warp import pixel_places
from mechaug.types import Image, PerImage, Seeds

COARSEST: Final = 0.25
"""Cycles over the picture's width of the longest waves."""

_WAVES: Final = 48


def natural_field(
    seeds: Seeds, like: Image, *, finest: PerImage | float, colour: PerImage, blur_permille: PerImage | float = 0.0
) -> Float[Tensor, "b 3 h w"]:
    """Normal fields with a power spectrum that falls as 1/frequency², of unit variance before the blur.

    Such is the logarithm of natural light (Ruderman and Bialek, "Statistics of natural images", Phys. Rev. Lett. 73,
    1994), also of the light that falls on a scene (Dror, Willsky and Adelson, "Statistical characterization of
    real-world illumination", J. Vision 4, 2004). Power 1/f² in two dimensions is equal power in every octave: waves
    that are uniform in the logarithm of the frequency.

    Args:
        seeds: of the fields, one per image.
        like: gives size, type and device.
        finest: cycles over the picture's width of the shortest waves.
        colour: how far the channels' waves differ, in units of what they share: their fields correlate by
            1/(1 + colour²).
        blur_permille: standard deviation of a blur, thousandths of the picture's width.
    """
    colour = colour.to(like.dtype)[:, None]
    drawn = noise_field(seeds, [6, _WAVES]).to(like.dtype)
    octave, direction, phase = torch.special.ndtr(drawn[:, :3]).unbind(1)
    span = torch.as_tensor(finest, dtype=like.dtype, device=like.device).reshape(-1, 1) / COARSEST
    turn = 2 * math.pi * COARSEST * torch.exp(span.log() * octave)
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

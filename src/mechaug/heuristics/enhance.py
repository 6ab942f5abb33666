"""Brightness, contrast, colour and sharpness, equal to Pillow's `ImageEnhance`, with one factor per image.

Each moves a picture away from, or towards, a picture that lacks a quality: a black one, a grey one, its grey version, a
smoothed one. A factor of 0 gives that picture, 1 the original, above 1 more of the quality.
"""

from typing import TypeAlias

import torch
from jaxtyping import Float
from torch import Tensor

from mechaug.heuristics.levels import Levels
from mechaug.heuristics.ops import Operation
from mechaug.mechanisms.base import per_image
from mechaug.types import PerImage

Exact: TypeAlias = Float[Tensor, "b c h w"]
"""Grey levels as whole numbers in float32, to compute with."""


@Operation
def brightness(levels: Levels, factor: PerImage) -> Levels:
    """From black to twice as bright (`ImageEnhance.Brightness`)."""
    return _blended(0.0, levels.float(), factor)


@Operation
def contrast(levels: Levels, factor: PerImage) -> Levels:
    """From one grey, the mean of the grey version, to twice the contrast (`ImageEnhance.Contrast`)."""
    exact = levels.float()
    grey = _grey(exact)
    mean = grey.sum((1, 2, 3), dtype=torch.float64) / grey[0].numel() if len(grey) else grey.new_zeros(0)
    return _blended(per_image((mean + 0.5).floor().float()), exact, factor)


@Operation
def colour(levels: Levels, factor: PerImage) -> Levels:
    """From grey to twice as colourful (`ImageEnhance.Color`); pictures of one channel stay as they are."""
    exact = levels.float()
    return _blended(_grey(exact), exact, factor)


@Operation
def sharpness(levels: Levels, factor: PerImage) -> Levels:
    """From smoothed to sharpened (`ImageEnhance.Sharpness`); the outermost pixels stay as they are."""
    exact = levels.float()
    smooth = exact.clone()
    if min(levels.shape[2:]) > 2:
        columns = exact[..., :-2] + exact[..., 1:-1] + exact[..., 2:]
        square = columns[:, :, :-2] + columns[:, :, 1:-1] + columns[:, :, 2:]
        # Pillow's SMOOTH: the middle pixel counts five times, the eight around it once, and halves go up.
        inner = square.add_(exact[:, :, 1:-1, 1:-1], alpha=4.0)
        smooth[:, :, 1:-1, 1:-1] = inner.div_(13.0).add_(0.5).floor_()
    return _blended(smooth, exact, factor)


def _blended(lacking: Tensor | float, exact: Exact, factor: PerImage) -> Levels:
    """`Image.blend`: lacking + factor · (levels − lacking), cut to a whole grey level."""
    # Product and sum are rounded one by one, in float32, as Pillow's are: a fused step would cut other pixels.
    blended = (exact - lacking).mul_(per_image(factor.float())).add_(lacking)
    return blended.clamp_(0.0, 255.0).to(torch.uint8)


def _grey(exact: Exact) -> Float[Tensor, "b 1 h w"]:
    """The grey version of colour pictures, as Pillow converts to "L": exact, since the sums stay below 2²⁴.

    Raises:
        ValueError: the pictures have neither one nor three channels.
    """
    if exact.shape[1] == 1:
        return exact
    if exact.shape[1] != 3:
        raise ValueError(f"colour and contrast take pictures of 1 or 3 channels, not {exact.shape[1]}")
    red, green, blue = exact.split(1, dim=1)
    return (red * 19595 + green * 38470 + blue * 7471).add_(32768).div_(65536).floor_()

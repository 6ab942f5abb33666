"""Operations on stored pictures, equal to Pillow's, for a whole batch with one magnitude per image.

They are what the published policies are made of: the look-up tables of Pillow's `ImageOps` and its affine transforms;
`enhance` holds the rest. Each works on the 256 grey levels. The tables are equal to Pillow's and so is what is looked
up at the nearest pixel; what is interpolated is equal to one grey level, almost always to none. Because the results are
whole grey levels, no gradient reaches the picture or the magnitude.
"""

import functools
from collections.abc import Callable
from typing import final

import torch
from jaxtyping import Float, Int64, UInt8
from torch import Tensor

from mechaug.heuristics.geometry import moved, turned
from mechaug.heuristics.levels import Levels, to_levels, to_picture
from mechaug.mechanisms.base import per_image
from mechaug.types import Image, PerImage


@final
class Operation:
    """An operation on grey levels that, called, takes and gives pictures in [0, 1]; made by `@Operation`.

    Args:
        on_levels: the operation itself: levels and one magnitude per image to levels. Chains of operations use it, to
            convert their pictures once.
    """

    def __init__(self, on_levels: Callable[[Levels, PerImage], Levels]) -> None:
        self.on_levels = on_levels
        functools.update_wrapper(self, on_levels)

    def __call__(self, x: Image, magnitude: PerImage) -> Image:
        """Pictures in [0, 1] and one magnitude per image to pictures in [0, 1], in the same number format."""
        return to_picture(self.on_levels(to_levels(x), magnitude), x)


@Operation
def autocontrast(levels: Levels, _magnitude: PerImage) -> Levels:
    """Stretch each channel so that its darkest value becomes 0 and its lightest 255 (`ImageOps.autocontrast`).

    Args:
        levels: grey levels.
        _magnitude: not used.
    """
    low, high = (bound.double()[..., None] for bound in (levels.amin((2, 3)), levels.amax((2, 3))))
    # One value alone stays what it is.
    flat = low == high
    low, high = low.masked_fill(flat, 0.0), high.masked_fill(flat, 255.0)
    # Pillow drops the fraction in float64, where high · scale − low · scale may fall just short of 255, so the same is
    # done here, with a true division (a number over a tensor is computed as its reciprocal).
    scale = torch.full_like(low, 255.0) / (high - low)
    identity = torch.arange(256.0, dtype=torch.float64, device=levels.device)
    return _look_up(levels.flatten(2).long(), (identity * scale).add_(-low * scale).clamp_(0.0, 255.0)).view_as(levels)


@Operation
def equalize(levels: Levels, _magnitude: PerImage) -> Levels:
    """Give each channel a histogram as flat as possible (`ImageOps.equalize`).

    Args:
        levels: grey levels.
        _magnitude: not used.
    """
    places = levels.flatten(2).long()
    pixels = places.shape[2]
    # Quotients of whole numbers, cut. Rounded to 24 bits, one of numbers below 2²³ does not reach the next whole one.
    exact = torch.float32 if pixels < 2**23 else torch.float64
    one = torch.ones((), dtype=exact, device=levels.device)
    counts = torch.zeros((*places.shape[:2], 256), dtype=exact, device=levels.device)
    counts.scatter_add_(2, places, one.expand_as(places))
    brightest = counts.gather(2, levels.amax((2, 3)).long()[..., None])
    step = ((pixels - brightest) / 255).floor_()
    darker = counts.cumsum(2).sub_(counts)
    table = darker.add_((step / 2).floor_()).div_(step.clamp(min=1.0)).floor_().clamp_(max=255.0)
    identity = torch.arange(256, dtype=exact, device=levels.device)
    return _look_up(places, torch.where(step == 0, identity, table)).view_as(levels)


@Operation
def invert(levels: Levels, _magnitude: PerImage) -> Levels:
    """The negative (`ImageOps.invert`).

    Args:
        levels: grey levels.
        _magnitude: not used.
    """
    return levels.bitwise_not()


@Operation
def posterize(levels: Levels, bits: PerImage) -> Levels:
    """Keep the highest bits of each value (`ImageOps.posterize`).

    Args:
        levels: grey levels.
        bits: how many, whole numbers 1 to 8.
    """
    return levels & per_image((256.0 - torch.exp2(8.0 - bits.float())).to(torch.uint8))


@Operation
def solarize(levels: Levels, threshold: PerImage) -> Levels:
    """Invert the values that are not below a threshold (`ImageOps.solarize`).

    Args:
        levels: grey levels.
        threshold: in grey levels, 0 to 256; 256 leaves the picture as it is.
    """
    # Whole numbers are not below a number where they are not below the next whole one.
    first = threshold.ceil()
    turned = per_image((255.0 * (first <= 255.0)).to(torch.uint8))
    first = per_image(first.clamp(0.0, 255.0).to(torch.uint8))
    # All bits where a level is light and none elsewhere, in whole bytes: a comparison takes several times as long.
    light = torch.maximum(levels, first).sub_(levels).clamp_(max=1).sub_(1)
    return light.bitwise_and_(turned).bitwise_xor_(levels)


@Operation
def rotate(levels: Levels, degrees: PerImage) -> Levels:
    """Turn counter-clockwise about the centre (`Image.rotate`, bilinear, black outside)."""
    return turned(levels, degrees, "bilinear")


@Operation
def shear_x(levels: Levels, slope: PerImage) -> Levels:
    """Move each row to the left by `slope` × its distance from the top (`Image.transform`, bilinear, black outside)."""
    return moved(levels, slope, 0, 1, "bilinear")


@Operation
def shear_y(levels: Levels, slope: PerImage) -> Levels:
    """Move each column up by `slope` × its distance from the left (`Image.transform`, bilinear, black outside)."""
    return moved(levels, slope, 1, 0, "bilinear")


@Operation
def translate_x(levels: Levels, pixels: PerImage) -> Levels:
    """Move to the left by so many pixels (`Image.transform`, bilinear, black outside)."""
    return moved(levels, pixels, 0, 2, "bilinear")


@Operation
def translate_y(levels: Levels, pixels: PerImage) -> Levels:
    """Move up by so many pixels (`Image.transform`, bilinear, black outside)."""
    return moved(levels, pixels, 1, 2, "bilinear")


@Operation
def shift_x(levels: Levels, pixels: PerImage) -> Levels:
    """Move to the left by whole pixels: `translate_x` without interpolation, black outside."""
    return moved(levels, pixels, 0, 2, "nearest")


@Operation
def shift_y(levels: Levels, pixels: PerImage) -> Levels:
    """Move up by whole pixels: `translate_y` without interpolation, black outside."""
    return moved(levels, pixels, 1, 2, "nearest")


def _look_up(places: Int64[Tensor, "b c pixels"], table: Float[Tensor, "b c 256"]) -> UInt8[Tensor, "b c pixels"]:
    """Replace grey levels by a table's."""
    return table.to(torch.uint8).gather(2, places)

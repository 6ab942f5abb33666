"""Nine operations on stored pictures, equal to Pillow's, for a whole batch with one magnitude per image.

They are the operations of AugMix (Hendrycks et al., "AugMix: a simple data processing method to improve robustness and
uncertainty", ICLR 2020). Each takes pictures in [0, 1], rounds them to 256 grey levels and does what Pillow does to
8-bit pictures: the look-up tables are equal, and what is interpolated is equal to one grey level, almost always to
none. Because the results are whole grey levels, no gradient reaches the picture or the magnitude.
"""

from collections.abc import Callable
from typing import TypeAlias

import torch
from jaxtyping import Float, Int64
from torch import Tensor
from torch.nn import functional

from mechaug.mechanisms.base import per_image
from mechaug.types import Image, PerImage

Operation: TypeAlias = Callable[[Image, PerImage], Image]
"""Pictures in [0, 1] and one magnitude per image to pictures in [0, 1]."""


def autocontrast(x: Image, _magnitude: PerImage) -> Image:
    """Stretch each channel so that its darkest value becomes 0 and its lightest 255 (`ImageOps.autocontrast`).

    Args:
        x: pictures in [0, 1].
        _magnitude: not used.
    """
    levels = _levels(x)
    low, high = (bound.double()[..., None] for bound in (levels.amin((2, 3)), levels.amax((2, 3))))
    flat = low == high
    # Pillow drops the fraction in float64, where high · scale − low · scale may fall just short of 255, so the same is
    # done here, with a true division (a number over a tensor is computed as its reciprocal).
    scale = torch.full_like(low, 255.0) / (high - low).masked_fill(flat, 1.0)
    identity = torch.arange(256.0, dtype=torch.float64, device=x.device)
    table = (identity * scale + (-low * scale)).trunc().clamp(0, 255)
    return _look_up(levels.long(), torch.where(flat, identity, table), x)


def equalize(x: Image, _magnitude: PerImage) -> Image:
    """Give each channel a histogram as flat as possible (`ImageOps.equalize`).

    Args:
        x: pictures in [0, 1].
        _magnitude: not used.
    """
    levels = _levels(x).long()
    counts = _histograms(levels)
    brightest = counts.gather(2, levels.amax((2, 3))[..., None])
    step = (counts.sum(2, keepdim=True) - brightest) // 255
    darker = counts.cumsum(2) - counts
    table = ((step // 2 + darker) // step.clamp(min=1)).clamp(max=255)
    identity = torch.arange(256, device=x.device)
    return _look_up(levels, torch.where(step == 0, identity, table), x)


def posterize(x: Image, bits: PerImage) -> Image:
    """Keep the highest bits of each value (`ImageOps.posterize`).

    Args:
        x: pictures in [0, 1].
        bits: how many, whole numbers 1 to 8.
    """
    unit = per_image(torch.exp2(8 - bits.float()))
    return _picture((_levels(x) / unit).floor_().mul_(unit), x)


def solarize(x: Image, threshold: PerImage) -> Image:
    """Invert the values that are not below a threshold (`ImageOps.solarize`).

    Args:
        x: pictures in [0, 1].
        threshold: in grey levels, 0 to 256; 256 leaves the picture as it is.
    """
    levels = _levels(x)
    return _picture(torch.where(levels < per_image(threshold.float()), levels, 255 - levels), x)


def rotate(x: Image, degrees: PerImage) -> Image:
    """Turn counter-clockwise about the centre (`Image.rotate`, bilinear, black outside).

    Args:
        x: pictures in [0, 1].
        degrees: the angle.
    """
    angle = -torch.deg2rad(degrees.double().remainder(360.0))
    # Fifteen decimals as in Pillow, so that right angles are exact.
    cos, sin = angle.cos().round(decimals=15), angle.sin().round(decimals=15)
    centre_x, centre_y = x.shape[3] / 2, x.shape[2] / 2
    right = cos * -centre_x + sin * -centre_y + centre_x
    down = -sin * -centre_x + cos * -centre_y + centre_y
    return affine(x, torch.stack((cos, sin, right, -sin, cos, down), dim=1).view(-1, 2, 3))


def shear_x(x: Image, slope: PerImage) -> Image:
    """Move each row to the left by `slope` × its distance from the top (`Image.transform`, bilinear, black outside).

    Args:
        x: pictures in [0, 1].
        slope: columns per row.
    """
    return affine(x, _moved(slope, 0, 1))


def shear_y(x: Image, slope: PerImage) -> Image:
    """Move each column up by `slope` × its distance from the left (`Image.transform`, bilinear, black outside).

    Args:
        x: pictures in [0, 1].
        slope: rows per column.
    """
    return affine(x, _moved(slope, 1, 0))


def translate_x(x: Image, pixels: PerImage) -> Image:
    """Move to the left (`Image.transform`, bilinear, black outside).

    Args:
        x: pictures in [0, 1].
        pixels: by how much.
    """
    return affine(x, _moved(pixels, 0, 2))


def translate_y(x: Image, pixels: PerImage) -> Image:
    """Move up (`Image.transform`, bilinear, black outside).

    Args:
        x: pictures in [0, 1].
        pixels: by how much.
    """
    return affine(x, _moved(pixels, 1, 2))


def affine(x: Image, matrix: Float[Tensor, "b 2 3"]) -> Image:
    """Look up each pixel of the result in the picture (`Image.transform` with AFFINE, bilinear, black outside).

    A pixel whose source lies inside the picture, up to the outer border of its outermost pixels, is interpolated as if
    those pixels went on for ever; any other pixel is black.

    Args:
        x: pictures in [0, 1].
        matrix: (column, row) in the picture = matrix · (column, row, 1) in the result, in pixels, the centre of the
            first pixel at (0.5, 0.5). In float64 the border falls where it does in Pillow.
    """
    height, width = x.shape[2:]
    across = torch.arange(width, dtype=torch.float64, device=x.device) + 0.5
    down = torch.arange(height, dtype=torch.float64, device=x.device)[:, None] + 0.5
    m = matrix.double()[..., None, None]
    column = (m[:, 0, 0] * across + m[:, 0, 2]) + m[:, 0, 1] * down
    row = m[:, 1, 0] * across + (m[:, 1, 1] * down + m[:, 1, 2])
    inside = (column >= 0) & (column < width) & (row >= 0) & (row < height)
    grid = torch.empty((*row.shape, 2), device=x.device)
    grid[..., 0] = column.mul_(2 / width).sub_(1)
    grid[..., 1] = row.mul_(2 / height).sub_(1)
    sampled = functional.grid_sample(_levels(x), grid, mode="bilinear", padding_mode="border", align_corners=False)
    # Pillow drops the fraction of a float64 number. A whole number may come out smaller here, by what float32 loses of
    # the two coordinates (side · 2⁻²² pixels at most) times the steepest slope, 255 grey levels a pixel.
    rounding = 255.0 * max(height, width) * 2.0**-22
    return _picture(sampled.add_(rounding).floor_().mul_(inside[:, None]), x)


def _moved(amount: PerImage, row: int, column: int) -> Float[Tensor, "b 2 3"]:
    """Identity matrices with one entry replaced."""
    matrix = torch.eye(2, 3, dtype=torch.float64, device=amount.device).repeat(len(amount), 1, 1)
    matrix[:, row, column] = amount.double()
    return matrix


def _levels(x: Image) -> Float[Tensor, "b c h w"]:
    """The 256 grey levels of stored pictures, as float32."""
    return x.detach().float().mul(255.0).round_().clamp_(0.0, 255.0)


def _picture(levels: Float[Tensor, "b c h w"], like: Image) -> Image:
    """A picture in [0, 1] from grey levels, in the number format of another."""
    return levels.div_(255.0).to(like.dtype)


def _histograms(levels: Int64[Tensor, "b c h w"]) -> Int64[Tensor, "b c 256"]:
    """How often each grey level occurs in each channel of each picture, all in one count."""
    images, channels = levels.shape[:2]
    first = 256 * torch.arange(images * channels, device=levels.device).view(images, channels, 1, 1)
    return torch.bincount((levels + first).flatten(), minlength=256 * images * channels).view(images, channels, 256)


def _look_up(levels: Int64[Tensor, "b c h w"], table: Tensor, like: Image) -> Image:
    """Replace grey levels by a table's, of shape (b, c, 256)."""
    return (table / 255.0).to(like.dtype).gather(2, levels.flatten(2)).view_as(like)

"""Operations on stored pictures, equal to Pillow's, for a whole batch with one magnitude per image.

They are what the published policies are made of: the look-up tables of Pillow's `ImageOps` and its affine transforms;
`enhance` holds the rest. Each works on the 256 grey levels. The tables are equal to Pillow's and so is what is looked
up at the nearest pixel; what is interpolated is equal to one grey level, almost always to none. Because the results are
whole grey levels, no gradient reaches the picture or the magnitude.
"""

import functools
import math
from collections.abc import Callable
from typing import Final, Literal, TypeAlias, final, overload

import torch
from jaxtyping import Int64, UInt8
from torch import Tensor
from torch.nn import functional

from mechaug.mechanisms.base import per_image
from mechaug.types import Image, PerImage

Levels: TypeAlias = UInt8[Tensor, "b c h w"]
"""Grey levels, 0 to 255. A byte each, because chains of operations mostly move them about in memory."""

Resampling: TypeAlias = Literal["nearest", "bilinear"]
"""How a pixel between pixels is read: the two ways that published policies use."""


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


def to_levels(x: Image) -> Levels:
    """The 256 grey levels of stored pictures, in new memory and without a gradient."""
    return x.detach().float().mul(255.0).round_().clamp_(0.0, 255.0).to(torch.uint8)


def to_picture(levels: Levels | Image, like: Tensor) -> Image:
    """Pictures in [0, 1] from grey levels, or from parts of levels, in the number format of another picture."""
    return levels.to(torch.float32, copy=True).div_(255.0).to(like.dtype)


@Operation
def autocontrast(levels: Levels, _magnitude: PerImage) -> Levels:
    """Stretch each channel so that its darkest value becomes 0 and its lightest 255 (`ImageOps.autocontrast`).

    Args:
        levels: grey levels.
        _magnitude: not used.
    """
    low, high = (bound.double()[..., None] for bound in (levels.amin((2, 3)), levels.amax((2, 3))))
    flat = low == high
    # Pillow drops the fraction in float64, where high · scale − low · scale may fall just short of 255, so the same is
    # done here, with a true division (a number over a tensor is computed as its reciprocal).
    scale = torch.full_like(low, 255.0) / (high - low).masked_fill(flat, 1.0)
    identity = torch.arange(256.0, dtype=torch.float64, device=levels.device)
    table = (identity * scale + (-low * scale)).trunc().clamp(0, 255)
    return _look_up(levels.long(), torch.where(flat, identity, table))


@Operation
def equalize(levels: Levels, _magnitude: PerImage) -> Levels:
    """Give each channel a histogram as flat as possible (`ImageOps.equalize`).

    Args:
        levels: grey levels.
        _magnitude: not used.
    """
    places = levels.long()
    counts = _histograms(places)
    brightest = counts.gather(2, levels.amax((2, 3)).long()[..., None])
    # Quotients of whole numbers, cut: in float64 they are exact, and far faster than in int64.
    step = ((counts.sum(2, keepdim=True) - brightest).double() / 255).floor_()
    darker = (counts.cumsum(2) - counts).double()
    table = darker.add_((step / 2).floor_()).div_(step.clamp(min=1.0)).floor_().clamp_(max=255.0)
    identity = torch.arange(256.0, dtype=torch.float64, device=levels.device)
    return _look_up(places, torch.where(step == 0, identity, table))


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
    # Whole numbers are not below a number where they are not below the next whole one. All bits turned is the negative.
    first = threshold.ceil()
    turned = (255.0 * (first <= 255.0)).to(torch.uint8)
    light = levels >= per_image(first.clamp(0.0, 255.0).to(torch.uint8))
    return levels ^ (light * per_image(turned))


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


def turned(levels: Levels, degrees: PerImage, resampling: Resampling) -> Levels:
    """Turn counter-clockwise about the centre (`Image.rotate`, black outside).

    Args:
        levels: grey levels.
        degrees: the angle.
        resampling: as in `affine`.
    """
    angle = -torch.deg2rad(degrees.double().remainder(360.0))
    # Fifteen decimals as in Pillow, so that right angles are exact.
    cos, sin = angle.cos().round(decimals=15), angle.sin().round(decimals=15)
    centre_x, centre_y = levels.shape[3] / 2, levels.shape[2] / 2
    right = cos * -centre_x + sin * -centre_y + centre_x
    down = -sin * -centre_x + cos * -centre_y + centre_y
    return affine(levels, (cos, sin, right), (-sin, cos, down), resampling)


def moved(levels: Levels, amount: PerImage, row: int, column: int, resampling: Resampling) -> Levels:
    """`affine` with the identity but for one coefficient: a shear or a shift.

    Args:
        levels: grey levels.
        amount: the coefficient.
        row: of the coefficient: 0 moves along rows, 1 along columns.
        column: of the coefficient: 2 shifts, the others shear.
        resampling: as in `affine`.
    """
    if column == 2 and resampling == "nearest":
        return _shifted(levels, amount, 3 - row)
    lines: list[list[Tensor | float]] = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]
    lines[row][column] = amount.double()
    return affine(levels, tuple(lines[0]), tuple(lines[1]), resampling)


Line: TypeAlias = tuple[Tensor | float, ...]
"""a, b, c of a · column + b · row + c: float64 tensors of shape (b,), or numbers that are the same for all images."""


def affine(levels: Levels, column: Line, row: Line, resampling: Resampling) -> Levels:
    """Look up each pixel of the result in the picture (`Image.transform` with AFFINE, black outside).

    A pixel whose source lies inside the picture, up to the outer border of its outermost pixels, is looked up or
    interpolated as if those pixels went on for ever; any other pixel is black.

    Args:
        levels: grey levels.
        column: where in the picture a pixel of the result looks, in pixels, from its own column and row; the centre of
            the first pixel is at (0.5, 0.5). What does not depend on an axis, as a number 0 says, is not computed along
            it. In float64 the border falls where it does in Pillow.
        row: the same down the picture.
        resampling: "nearest" takes the pixel that the place lies in, "bilinear" interpolates.
    """
    return _nearest(levels, column, row) if resampling == "nearest" else _bilinear(levels, column, row)


_ONE: Final = 65536
"""The unit of Pillow's places in steps of 2⁻¹⁶, which it uses for the nearest pixel."""


def _nearest(levels: Levels, column: Line, row: Line) -> Levels:
    height, width = levels.shape[2:]
    # Whole numbers as in Pillow: the place of the first pixel's centre and the steps, each rounded to 2⁻¹⁶.
    column, row = ((_fixed(a), _fixed(b), _fixed(c + a * 0.5 + b * 0.5)) for a, b, c in (column, row))
    across, down = torch.arange(width, device=levels.device), torch.arange(height, device=levels.device)[:, None]
    # A black frame of one pixel is what lies outside.
    x, y = ((place >> 16).clamp_(-1, size) + 1
            for place, size in zip(_places(column, row, across, down), (width, height), strict=True))  # fmt: skip
    place = (y * (width + 2) + x).flatten(1)[:, None]
    framed = functional.pad(levels, (1, 1, 1, 1)).flatten(2)
    return framed.gather(2, place.expand(-1, levels.shape[1], -1)).view_as(levels)


def _shifted(levels: Levels, pixels: PerImage, axis: int) -> Levels:
    """`_nearest` for a shift alone, to the left along axis 3 or up along axis 2: pictures move in memory as a whole."""
    width, size = levels.shape[3], levels.shape[axis]
    # Where in the picture the first pixel looks: the whole part of its centre's place.
    offset = (_fixed(pixels.double() + 0.5) >> 16).clamp_(-size, size)
    unit = width if axis == 2 else 1
    # On a CPU the margin is as wide as the widest shift; on a GPU one would have to wait for that number.
    margin = unit * (size if levels.is_cuda or not len(levels) else int(offset.abs().max()))
    flat = levels.flatten(1)
    windows = functional.pad(flat, (margin, margin)).unfold(1, flat.shape[1], 1)
    moved = windows[torch.arange(len(levels), device=levels.device), offset * unit + margin].view_as(levels)
    # What comes from the next row or channel lies outside.
    place = offset[:, None] + torch.arange(size, device=levels.device)
    inside = ((place >= 0) & (place < size)).to(levels.dtype)
    return moved.mul_(inside[:, None, None] if axis == 3 else inside[:, None, :, None])


@overload
def _fixed(value: Tensor) -> Tensor: ...
@overload
def _fixed(value: float) -> int: ...
def _fixed(value: Tensor | float) -> Tensor | int:
    """A place in Pillow's whole steps, rounded."""
    scaled = value * _ONE + 0.5
    return scaled.floor().long() if isinstance(scaled, Tensor) else math.floor(scaled)


def _bilinear(levels: Levels, column: Line, row: Line) -> Levels:
    height, width = levels.shape[2:]
    across = torch.arange(width, dtype=torch.float64, device=levels.device) + 0.5
    down = torch.arange(height, dtype=torch.float64, device=levels.device)[:, None] + 0.5
    x, y = _places(column, row, across, down)
    inside = ((x >= 0) & (x < width)) & ((y >= 0) & (y < height))
    grid = torch.empty((len(levels), height, width, 2), device=levels.device)
    grid[..., 0] = x * (2 / width) - 1
    grid[..., 1] = y * (2 / height) - 1
    sampled = functional.grid_sample(levels.float(), grid, mode="bilinear", padding_mode="border", align_corners=False)
    # Pillow drops the fraction of a float64 number. A whole number may come out smaller here, by what float32 loses of
    # the two coordinates (side · 2⁻²² pixels at most) times the steepest slope, 255 grey levels a pixel.
    rounding = 255.0 * max(height, width) * 2.0**-22
    return sampled.add_(rounding).mul_(inside[:, None].to(sampled.dtype)).to(torch.uint8)


def _places(column: Line, row: Line, across: Tensor, down: Tensor) -> tuple[Tensor, Tensor]:
    """Both lines at all pixels, summed in Pillow's order; an axis on which one does not depend has length 1."""
    (a, b, c), (d, e, f) = (
        tuple(value[:, None, None] if isinstance(value, Tensor) else value for value in line) for line in (column, row)
    )
    x, y = a * across + c, e * down + f
    return (x if _nought(b) else x + b * down), (y if _nought(d) else d * across + y)


def _nought(value: Tensor | float) -> bool:
    return not isinstance(value, Tensor) and value == 0


def _histograms(levels: Int64[Tensor, "b c h w"]) -> Int64[Tensor, "b c 256"]:
    """How often each grey level occurs in each channel of each picture, all in one count."""
    images, channels = levels.shape[:2]
    first = 256 * torch.arange(images * channels, device=levels.device).view(images, channels, 1, 1)
    return torch.bincount((levels + first).flatten(), minlength=256 * images * channels).view(images, channels, 256)


def _look_up(levels: Int64[Tensor, "b c h w"], table: Tensor) -> Levels:
    """Replace grey levels by a table's, of shape (b, c, 256)."""
    return table.to(torch.uint8).gather(2, levels.flatten(2)).view_as(levels)

"""Turns, shears and shifts of grey levels as Pillow's affine transforms make them, one for each image of a batch."""

import math
from typing import Final, Literal, TypeAlias, overload

import torch
from jaxtyping import Bool, Float, Int64, UInt8
from torch import Tensor
from torch.nn import functional

from mechaug.heuristics.levels import Levels
from mechaug.types import PerImage

Resampling: TypeAlias = Literal["nearest", "bilinear"]
"""How a pixel between pixels is read: the two ways that published policies use."""

Line: TypeAlias = tuple[Tensor | float, ...]
"""a, b, c of a · column + b · row + c: float64 tensors of shape (n,), or numbers that are the same for all images."""


def turned(levels: Levels, degrees: PerImage, resampling: Resampling) -> Levels:
    """Turn counter-clockwise about the centre (`Image.rotate`, black outside).

    Args:
        levels: grey levels.
        degrees: the angle.
        resampling: as in `affine`.
    """
    degrees, which = _distinct(degrees.double().remainder(360.0))
    angle = -torch.deg2rad(degrees)
    # Fifteen decimals as in Pillow, so that right angles are exact.
    cos, sin = angle.cos().round(decimals=15), angle.sin().round(decimals=15)
    centre_x, centre_y = levels.shape[3] / 2, levels.shape[2] / 2
    right = cos * -centre_x + sin * -centre_y + centre_x
    down = -sin * -centre_x + cos * -centre_y + centre_y
    return affine(levels, (cos, sin, right), (-sin, cos, down), resampling, which)


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
    amount, which = _distinct(amount.double())
    lines: list[list[Tensor | float]] = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]
    lines[row][column] = amount
    return affine(levels, tuple(lines[0]), tuple(lines[1]), resampling, which)


def affine(
    levels: Levels, column: Line, row: Line, resampling: Resampling, which: Int64[Tensor, "b"] | None = None
) -> Levels:
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
        which: of the transforms that column and row hold, each picture's; by default each has its own.
    """
    return (_nearest if resampling == "nearest" else _bilinear)(levels, column, row, which)


_ONE: Final = 65536
"""The unit of Pillow's places in steps of 2⁻¹⁶, which it uses for the nearest pixel."""


def _distinct(amount: Float[Tensor, "b"]) -> tuple[Float[Tensor, "n"], Int64[Tensor, "b"] | None]:
    """Each amount once, and which of them each picture has: policies know few, and what they need is computed once.

    On an accelerator, which would have to wait for their number, all are taken as they are.
    """
    if amount.device.type != "cpu" or not len(amount):
        return amount, None
    distinct, which = amount.unique(return_inverse=True)
    return (distinct, which) if 2 * len(distinct) < len(amount) else (amount, None)


def _own(values: Tensor, which: Int64[Tensor, "b"] | None) -> Tensor:
    """Each picture's row."""
    return values if which is None else values.index_select(0, which)


def _nearest(levels: Levels, column: Line, row: Line, which: Int64[Tensor, "b"] | None) -> Levels:
    height, width = levels.shape[2:]
    # Whole numbers as in Pillow: the place of the first pixel's centre and the steps, each rounded to 2⁻¹⁶.
    column, row = ((_fixed(a), _fixed(b), _fixed(c + a * 0.5 + b * 0.5)) for a, b, c in (column, row))
    across, down = torch.arange(width, device=levels.device), torch.arange(height, device=levels.device)[:, None]
    # A black frame of one pixel is what lies outside.
    x, y = ((_sum(parts) >> 16).clamp_(-1, size) + 1
            for parts, size in zip(_parts(column, row, across, down), (width, height), strict=True))  # fmt: skip
    place = _own((y * (width + 2) + x).flatten(1), which)[:, None]
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
    inside = _mask((place >= 0) & (place < size))
    return moved.mul_(inside[:, None, None] if axis == 3 else inside[:, None, :, None])


@overload
def _fixed(value: Tensor) -> Tensor: ...
@overload
def _fixed(value: float) -> int: ...
def _fixed(value: Tensor | float) -> Tensor | int:
    """A place in Pillow's whole steps, rounded."""
    scaled = value * _ONE + 0.5
    return scaled.floor().long() if isinstance(scaled, Tensor) else math.floor(scaled)


def _bilinear(levels: Levels, column: Line, row: Line, which: Int64[Tensor, "b"] | None) -> Levels:
    height, width = levels.shape[2:]
    across = torch.arange(width, dtype=torch.float64, device=levels.device) + 0.5
    down = torch.arange(height, dtype=torch.float64, device=levels.device)[:, None] + 0.5
    x, y = _parts(column, row, across, down)
    inside = _mask(_within(_sum(x), width) & _within(_sum(y), height))
    grid = torch.empty((*inside.shape, 2), device=levels.device)
    for axis, ((own, other), size) in enumerate(((x, width), (y, height))):
        own, into = (own * (2 / size) - 1).float(), grid[..., axis]
        if other is None:
            into.copy_(own)
        else:
            torch.add(own, (other * (2 / size)).float(), out=into)
    sampled = functional.grid_sample(
        levels.float(), _own(grid, which), mode="bilinear", padding_mode="border", align_corners=False
    )
    # Pillow drops the fraction of a float64 number. A whole number may come out smaller here, by what float32 loses of
    # the two coordinates (side · 2⁻²² pixels at most) times the steepest slope, 255 grey levels a pixel.
    rounding = 255.0 * max(height, width) * 2.0**-22
    return sampled.add_(rounding).to(torch.uint8).mul_(_own(inside, which)[:, None])


Parts: TypeAlias = tuple[Tensor, Tensor | None]
"""Of a line at all pixels: what changes along its own axis, and what the other axis adds to it, if anything."""


def _parts(column: Line, row: Line, across: Tensor, down: Tensor) -> tuple[Parts, Parts]:
    (a, b, c), (d, e, f) = (
        tuple(value[:, None, None] if isinstance(value, Tensor) else value for value in line) for line in (column, row)
    )
    return (a * across + c, None if _nought(b) else b * down), (e * down + f, None if _nought(d) else d * across)


def _sum(parts: Parts) -> Tensor:
    """In Pillow's order."""
    own, other = parts
    return own if other is None else own + other


def _within(place: Tensor, size: int) -> Bool[Tensor, "..."]:
    return (place >= 0) & (place < size)


def _nought(value: Tensor | float) -> bool:
    return not isinstance(value, Tensor) and value == 0


def _mask(inside: Bool[Tensor, "*n"]) -> UInt8[Tensor, "*n"]:
    """1 where true, without a copy: grey levels are multiplied by it."""
    return inside.view(torch.uint8)

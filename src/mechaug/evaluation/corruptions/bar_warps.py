"""C̄'s warps: pictures that are bent, rotated, spread by colour, or seen through water.

Mintun, Kirillov and Xie, "On interaction between augmentations and corruptions in natural corruption robustness",
NeurIPS 2021, in the form of the authors' published generators.
"""

import math
from functools import lru_cache
from typing import Final

import torch
from jaxtyping import Float, Int64
from torch import Tensor
from torch.nn.functional import grid_sample, pad

from mechaug.evaluation.corruptions.stored import Levels, mirrored_blur, reflected, unit
from mechaug.types import Bytes, Image, PerImage


def looked_up(x: Image, row: Float[Tensor, "b h w"], column: Float[Tensor, "b h w"]) -> Image:
    """Linear interpolation at places between pixels; black outside."""
    height, width = x.shape[-2:]
    places = torch.stack((2 * column / max(1, width - 1) - 1, 2 * row / max(1, height - 1) - 1), -1)
    return grid_sample(x, places.to(x.dtype), padding_mode="zeros", align_corners=True)


def pinch_and_twirl(pictures: Bytes, sign: Float[Tensor, "b cells cells"], angle: float, pinch: float) -> Levels:
    """Discs in a grid, each pinched and twirled, to the left or to the right.

    Args:
        pictures: stored pictures.
        sign: +1 or −1 for each disc; `discs` a side.
        angle: of the twirl at the centre of a disc, radians.
        pinch: exponent of the pinch.
    """
    height, width = pictures.shape[-2:]
    cells = sign.shape[-1]
    side = min(height, width) // cells
    if not side:
        return pictures.double()
    radius = side / 2
    row = torch.arange(height, dtype=torch.float64, device=pictures.device)[:, None]
    column = torch.arange(width, dtype=torch.float64, device=pictures.device)
    cell_y, cell_x = ((place / side).floor().clamp(max=cells - 1).long() for place in (row, column))
    down, across = row - (cell_y * side + radius), column - (cell_x * side + radius)
    far = torch.hypot(down, across)
    share = (far / radius).clamp(0, 1)
    inside = (far <= radius) & (far >= 5e-4) & (row < cells * side) & (column < cells * side)
    turn = angle * (1 - share).square() * sign[:, cell_y, cell_x]
    scale = torch.sin(math.pi * share.clamp(min=1e-6) / 2) ** -pinch
    cosine, sine = turn.cos() * scale, turn.sin() * scale
    source_y = torch.where(inside, row + (down * cosine - across * sine) - down, row)
    source_x = torch.where(inside, column + (down * sine + across * cosine) - across, column)
    seen = looked_up(pictures.double(), source_y, source_x)
    return torch.where(inside, seen + 1e-7, pictures.double())


def discs(side: int) -> int:
    """How many discs stand side by side: 3 on 32 pixels and 5 on 224, as in the benchmark."""
    return 3 if side < 100 else 5


def ripple(pictures: Bytes, wave: Float[Tensor, "b 2"], phase: Float[Tensor, "b 2"], height_share: float) -> Levels:
    """Rows and columns pushed together and apart in waves.

    Args:
        pictures: stored pictures.
        wave: wavelength as a share of the side, down and across, 0.1 to 0.3.
        phase: radians, down and across.
        height_share: how far a pixel is pushed at most, as a share of the side.
    """
    height, width = pictures.shape[-2:]
    moved = []
    for axis, side in enumerate((height, width)):
        place = torch.arange(side, dtype=torch.float64, device=pictures.device)
        turns = 2 * math.pi * place / (wave[:, axis, None].double() * side) + phase[:, axis, None].double()
        moved.append(place + height_share * side * torch.sin(turns))
    row, column = moved[0][:, :, None], moved[1][:, None, :]
    shape = (len(pictures), height, width)
    return looked_up(pictures.double(), row.expand(shape), column.expand(shape)) + 1e-7


def circular_motion_blur(pictures: Bytes, angle_deg: float) -> Levels:
    """The mean of 21 rotations about the middle, those near none weighing most; cubic interpolation, black outside.

    Args:
        pictures: stored pictures.
        angle_deg: of the farthest rotation, both ways.
    """
    height, width = pictures.shape[-2:]
    x = unit(pictures, torch.float64)
    x = _spline_matrix(height).to(x) @ x @ _spline_matrix(width).to(x).T
    flat = x.flatten(2)
    if height * width <= _WHOLE_UP_TO:
        blurred = flat @ _blur_matrix(height, width, angle_deg).to(x).T
    else:
        blurred = torch.zeros_like(flat)
        for places, weights in _rotations(height, width, angle_deg):
            for tap in range(places.shape[1]):
                blurred += flat[..., places[:, tap].to(x.device)] * weights[:, tap].to(x)
    return (blurred.view_as(x) + 1e-9) * 255


_WHOLE_UP_TO: Final = 40 * 40
"""Pixels of a picture of which each takes from each by one matrix, 20 megabytes large."""


@lru_cache(maxsize=5)
def _blur_matrix(height: int, width: int, angle_deg: float) -> Float[Tensor, "n n"]:
    matrix = torch.zeros(height * width, height * width, dtype=torch.float64)
    for places, weights in _rotations(height, width, angle_deg):
        matrix.scatter_add_(1, places, weights)
    return matrix


def _rotations(height: int, width: int, angle_deg: float) -> list[tuple[Int64[Tensor, "n 16"], Float[Tensor, "n 16"]]]:
    """For each rotation, the 16 spline coefficients that every pixel takes, and with which weights."""
    steps = torch.arange(-10, 11, dtype=torch.float64) / 10
    share = torch.exp(-2 * steps.square())
    share = share / share.sum()
    row = torch.arange(height, dtype=torch.float64)[:, None] - (height - 1) / 2
    column = torch.arange(width, dtype=torch.float64) - (width - 1) / 2
    found = []
    for step, weight in zip(steps.tolist(), share.tolist(), strict=True):
        turn = math.radians(step * angle_deg)
        y = (row * math.cos(turn) + column * math.sin(turn) + (height - 1) / 2).flatten()
        x = (-row * math.sin(turn) + column * math.cos(turn) + (width - 1) / 2).flatten()
        inside = (y >= 0) & (y <= height - 1) & (x >= 0) & (x <= width - 1)
        rows, down = _cubic_taps(y, height)
        columns, across = _cubic_taps(x, width)
        places = (rows[:, :, None] * width + columns[:, None, :]).flatten(1)
        found.append((places, (down[:, :, None] * across[:, None, :]).flatten(1) * (weight * inside)[:, None]))
    return found


def _cubic_taps(place: Float[Tensor, "n"], length: int) -> tuple[Int64[Tensor, "n 4"], Float[Tensor, "n 4"]]:
    """The four pixels around each place, reflected about the border pixels, and the cubic B-spline's weights there."""
    start = place.floor()
    t = place - start
    taps = (start.long() - 1)[:, None] + torch.arange(4)
    weights = torch.stack(
        ((1 - t) ** 3, 3 * t**3 - 6 * t**2 + 4, -3 * t**3 + 3 * t**2 + 3 * t + 1, t**3), -1
    ) / 6  # fmt: skip
    return reflected(taps, length), weights


@lru_cache(maxsize=8)
def _spline_matrix(length: int) -> Float[Tensor, "{length} {length}"]:
    """From values to the coefficients of the cubic spline through them, on a line that is reflected at its ends."""
    places, weights = _cubic_taps(torch.arange(length, dtype=torch.float64), length)
    values = torch.zeros(length, length, dtype=torch.float64).scatter_add_(1, places, weights)
    return torch.linalg.inv(values)


def transverse_chromatic_abberation(pictures: Bytes, order: Int64[Tensor, "b 3"], step: float) -> Levels:
    """Channels enlarged by different amounts, in random order; each is also a little smoothed.

    Args:
        pictures: stored pictures of three channels; others stay as they are.
        order: of each channel, which enlargement it gets: 0 for 1, 1 for 1 + step, 2 for 1 + 2·step.
        step: between the enlargements.
    """
    if pictures.shape[1] != 3:
        return pictures.double()
    height, width = pictures.shape[-2:]
    x = pictures.double()
    enlarged = [
        _enlarging(height, 1 + number * step).to(x) @ x @ _enlarging(width, 1 + number * step).to(x).T
        for number in range(3)
    ]
    chosen = torch.stack(enlarged, 2).gather(2, order[:, :, None, None, None].expand(-1, -1, 1, height, width))
    # The published code's library rounds here.
    return (chosen.squeeze(2) + 0.5).floor()


@lru_cache(maxsize=32)
def _enlarging(length: int, scale: float) -> Float[Tensor, "{length} {length}"]:
    """The middle of an enlarged line, by a cubic B-spline without its prefilter."""
    grown = round(length * scale)
    start = (grown - length) // 2
    places = torch.arange(start, start + length, dtype=torch.float64) * ((length - 1) / max(1, grown - 1))
    taps, weights = _cubic_taps(places, length)
    return torch.zeros(length, length, dtype=torch.float64).scatter_add_(1, taps, weights)


def caustic_refraction(pictures: Bytes, time: PerImage, size: PerImage, lens: float, light: float) -> Levels:
    """The picture at the bottom of clear water with waves.

    Args:
        pictures: stored pictures.
        time: phase of the waves, 0.5 to 2.
        size: of the waves' tile as a share of the picture's side, 0.75 to 1.25.
        lens: how far light is displaced, in pixels.
        light: how strong the waves' light and shade is, in units of white.
    """
    height, width = pictures.shape[-2:]
    wave = _caustic(height, width, time.double(), size.double())
    padded = pad(wave, (1, 1, 1, 1))
    down = padded[:, 2:, 1:-1] - padded[:, :-2, 1:-1]
    across = padded[:, 1:-1, 2:] - padded[:, 1:-1, :-2]
    steep = torch.hypot(down, across)
    slope = torch.atan(steep)
    bent = torch.sin(slope - torch.asin(torch.sin(slope) / 4))
    reach = torch.where(slope.cos() >= 0.999, 0.0, lens * bent / steep.clamp(min=1e-12))
    # Displacements are kept to three decimals.
    moved_y, moved_x = ((reach * part * 1e3).round() / 1e3 for part in (down, across))
    row = torch.arange(height, device=pictures.device)[:, None] + moved_y
    column = torch.arange(width, device=pictures.device) + moved_x
    seen = looked_up(unit(pictures, torch.float64), row, column)
    return (seen + light * (down - across)[:, None]) * 255


def _caustic(height: int, width: int, time: PerImage, size: PerImage) -> Float[Tensor, "b h w"]:
    """The height of the light pattern, 0 to 1."""
    tile = (size * max(height, width))[:, None, None]
    y = 6.28318530718 * (torch.arange(height, device=time.device)[:, None] / tile).remainder(1) - 250.0
    x = 6.28318530718 * (torch.arange(width, device=time.device) / tile).remainder(1) - 250.0
    y, x = torch.broadcast_tensors(y, x)
    here_y, here_x, total = y, x, torch.ones_like(y)
    for n in range(1, 6):
        t = time[:, None, None] * (1 - 3.5 / n)
        here_y, here_x = (
            y + torch.cos(t - here_y) + torch.sin(t + here_x),
            x + torch.sin(t - here_x) + torch.cos(t + here_y),
        )
        parts = (0.005 * y / torch.sin(here_y + t), 0.005 * x / torch.cos(here_x + t))
        total = total + 1 / torch.hypot(*parts).clamp(min=1e-300)
    bright = (1.17 - (total / 5) ** 1.4).abs() ** 8
    return _mirrored_smooth(bright.clamp(0, 1))


def _mirrored_smooth(x: Float[Tensor, "b h w"]) -> Float[Tensor, "b h w"]:
    """A Gaussian of one pixel on a field that is mirrored at its edges."""
    down, across = (mirrored_blur(side, 1.0, 4.0, x) for side in x.shape[-2:])
    return down @ x @ across.T

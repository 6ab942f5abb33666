"""C̄'s noises and patterns: fields that are added to the picture, mixed with it or punched out of it.

Mintun, Kirillov and Xie, "On interaction between augmentations and corruptions in natural corruption robustness",
NeurIPS 2021, in the form of the authors' published generators: values in grey levels, cut down to whole ones.
"""

import math
from typing import Final

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from mechaug.evaluation.corruptions.stored import Levels
from mechaug.types import Bytes, PerImage

GREY: Final = 128.0
"""What cut-outs and lines are painted with."""


def spectral_field(phase: Float[Tensor, "*n h w"], amplitude: Float[Tensor, "h w"]) -> Float[Tensor, "*n h w"]:
    """A field with a given spectrum and random phases, divided by its standard deviation.

    Each frequency shares its phase with its mirror image about the middle of the array, which is one place off the
    symmetry of real fields: as published, so that the field is not quite stationary.

    Args:
        phase: uniform numbers in (0, 1), of which the first half is used.
        amplitude: of each frequency, the lowest in the middle.
    """
    flat = phase.flatten(-2)
    half = flat.shape[-1] // 2
    shared = torch.cat((flat[..., : flat.shape[-1] - half], flat[..., :half].flip(-1)), -1).view_as(phase)
    spectrum = torch.polar(amplitude.expand_as(shared).contiguous(), 2 * math.pi * shared)
    field = torch.fft.ifft2(torch.fft.ifftshift(spectrum, dim=(-2, -1))).real
    return field / field.flatten(-2).std(-1, correction=0)[..., None, None].clamp(min=1e-12)


def frequencies(like: Float[Tensor, "*n h w"]) -> Float[Tensor, "h w"]:
    """The distance of each frequency from the lowest, in cycles per picture, the lowest in the middle."""
    height, width = like.shape[-2:]
    down = torch.arange(height, dtype=like.dtype, device=like.device) - height // 2
    across = torch.arange(width, dtype=like.dtype, device=like.device) - width // 2
    return torch.hypot(down[:, None], across)


def brownish_noise(pictures: Bytes, phase: Float[Tensor, "b c h w"], strength: float) -> Levels:
    """Noise that falls off with the square of the frequency, in each channel on its own.

    Args:
        pictures: stored pictures.
        phase: uniform numbers in (0, 1).
        strength: standard deviation in grey levels.
    """
    far = frequencies(phase)
    return pictures + strength * spectral_field(phase, 1 / (far.square() + 1))


def blue_noise_sample(pictures: Bytes, phase: Float[Tensor, "b h w"], threshold: float) -> Bytes:
    """Black pixels, well spread: where noise that grows with the frequency is low.

    Args:
        pictures: stored pictures.
        phase: uniform numbers in (0, 1).
        threshold: in standard deviations; what is at it or below turns black.
    """
    noise = spectral_field(phase, frequencies(phase))
    return pictures * (noise > threshold)[:, None]


def checkerboard_cutout(
    pictures: Bytes, angle: PerImage, cell_share: PerImage, coin: Float[Tensor, "b cells cells"], kept: float
) -> Bytes:
    """Grey squares on every second field of a turned checkerboard, where a coin says so.

    Args:
        pictures: stored pictures.
        angle: of the board, radians.
        cell_share: side of a field as a share of the picture's, 0.1 to 0.25.
        coin: uniform numbers in (0, 1), one for each field; `CHECKERBOARD_CELLS` a side are enough.
        kept: the chance that a field is painted.
    """
    height, width = pictures.shape[-2:]
    side = (cell_share.double() * max(height, width)).clamp(min=1)[:, None, None]
    row, column, sine, cosine = _turned(height, width, angle)
    u, v = (row * cosine + column * sine) / side, (column * cosine - row * sine) / side
    dark = u.remainder(2).floor() == v.remainder(2).floor()
    # The published code looks coins up by numbers cut down towards 0, negative ones from the end of its table.
    table = (4 * max(height, width) / side).floor().long()
    places = (u.trunc().long().remainder(table) * coin.shape[-1] + v.trunc().long().remainder(table)).flatten(1)
    heads = coin.flatten(1).gather(1, places).view_as(u) < kept
    return torch.where((dark & heads)[:, None], int(GREY), pictures.int()).to(torch.uint8)


CHECKERBOARD_CELLS: Final = 40


def _turned(height: int, width: int, angle: PerImage) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    row = torch.arange(height, dtype=torch.float64, device=angle.device)[:, None]
    column = torch.arange(width, dtype=torch.float64, device=angle.device)
    turned = angle.double()[:, None, None]
    return row, column, turned.sin(), turned.cos()


def perlin_noise(pictures: Bytes, slope: Float[Tensor, "b lattice lattice 2"], share: float) -> Levels:
    """A picture drawn towards a pale grey pattern of five octaves of gradient noise.

    Args:
        pictures: stored pictures.
        slope: numbers in (−1, 1): the direction of the noise at each point of the lattice, `PERLIN_LATTICE` a side.
        share: of the pattern.
    """
    height, width = pictures.shape[-2:]
    unit = slope / slope.norm(dim=-1, keepdim=True).clamp(min=1e-6)
    down = torch.arange(height, dtype=slope.dtype, device=slope.device) * (7 / height)
    across = torch.arange(width, dtype=slope.dtype, device=slope.device) * (7 / width)
    octaves = torch.stack([_gradient_noise(unit, down * 2**k, across * 2**k).abs() / 2**k for k in range(5)])
    pattern = (0.5 + 0.5 * octaves.sum(0)).clamp(0, 1)[:, None]
    return (1 - share) * pictures + 255 * share * pattern


PERLIN_LATTICE: Final = 7 * 2**4 + 1


def _gradient_noise(
    unit: Float[Tensor, "b lattice lattice 2"], down: Float[Tensor, "h"], across: Float[Tensor, "w"]
) -> Float[Tensor, "b h w"]:
    """Perlin's noise with the fade 3t² − 2t³, at the product of two lines of places."""
    top, left = down.long(), across.long()
    y, x = (down - top)[:, None], across - left

    def slope_at(dy: int, dx: int) -> Tensor:
        gradient = unit[:, top + dy][:, :, left + dx]
        return gradient[..., 0] * (y - dy) + gradient[..., 1] * (x - dx)

    fade_y, fade_x = y * y * (3 - 2 * y), x * x * (3 - 2 * x)
    above = torch.lerp(slope_at(0, 0), slope_at(0, 1), fade_x.expand_as(y * x))
    below = torch.lerp(slope_at(1, 0), slope_at(1, 1), fade_x.expand_as(y * x))
    return 1.5 * torch.lerp(above, below, fade_y.expand_as(y * x))


def plasma_noise(
    pictures: Bytes, time: PerImage, rounds: Int64[Tensor, "b"], sharpness: PerImage, scale: PerImage, strength: float
) -> Levels:
    """A picture dimmed under the colours of a plasma, as an early shader drew it.

    Args:
        pictures: stored pictures.
        time: phase, 0 to 6π.
        rounds: how often the places are bent, 4 to 6.
        sharpness: 0.5 to 1.
        scale: size of the structures as a share of the picture's side, 0.075 to 0.2.
        strength: in grey levels.
    """
    height, width = pictures.shape[-2:]

    def one(value: Tensor) -> Tensor:
        return value.float()[:, None, None]

    time_, base = one(time), 2.25 - one(sharpness)
    size = one(scale) * max(height, width)
    y = torch.arange(height, device=pictures.device)[:, None] / size
    x = torch.arange(width, device=pictures.device) / size
    x, y = torch.broadcast_tensors(x, y)
    for k in range(int(rounds.max())):
        damped = (k < one(rounds)) / base**k
        a = torch.cos(1.93**k * y + time_ / 1.15**k) * damped
        b = torch.sin(1.93**k * x + time_ / 1.15**k) * damped
        x, y = x + a - 0.3 * b, y + b + 0.3 * a
    colours = torch.stack((torch.sin(x - time_), torch.sin((x + y + torch.sin(time_)) / 2), torch.sin(y + time_)), 1)
    if pictures.shape[1] != 3:
        colours = colours[:, 1:2]
    return (1 - strength / 255) * pictures + strength * colours


def cocentric_sine_waves(
    pictures: Bytes, centre: Float[Tensor, "b 2"], petals: PerImage, wobble: PerImage, width_share: PerImage,
    strength: float,
) -> Levels:  # fmt: skip
    """Rings around a point: saw-teeth rather than sines, with petals.

    Args:
        pictures: stored pictures.
        centre: uniform numbers in (0, 1): where the rings are, across and down.
        petals: how many, 0 to 10.
        wobble: their height as a share of the picture's side, 0 to 0.1.
        width_share: width of a ring, likewise.
        strength: in grey levels.
    """
    height, width = pictures.shape[-2:]
    side = max(height, width)

    def one(value: Tensor) -> Tensor:
        # In double precision: at the edge of a ring the last bit decides between its two ends.
        return value.double()[:, None, None]

    down = torch.arange(height, device=pictures.device)[:, None] - one(centre[:, 1]) * height
    across = torch.arange(width, device=pictures.device) - one(centre[:, 0]) * width
    radius = torch.hypot(across, down) + one(wobble) * side * torch.sin(one(petals) * torch.atan2(across, down))
    ring = (radius / (one(width_share) * side).clamp(min=1e-6)).remainder(1) - 0.5
    return pictures + strength * ring[:, None]


def single_frequency_greyscale(
    pictures: Bytes, omega: Float[Tensor, "b 2"], phase: PerImage, strength: float
) -> Levels:
    """One sine wave over the whole picture.

    Args:
        pictures: stored pictures.
        omega: angular frequency across and down, radians per pixel.
        phase: radians.
        strength: in grey levels.
    """
    down = torch.arange(pictures.shape[2], device=pictures.device)[:, None] * omega[:, 1, None, None]
    across = torch.arange(pictures.shape[3], device=pictures.device) * omega[:, 0, None, None]
    return pictures + strength * torch.sin(across + down + phase[:, None, None])[:, None]

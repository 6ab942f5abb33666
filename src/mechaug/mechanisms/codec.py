"""Codec: baseline JPEG, the last thing that happens to most pictures.

The arithmetic is that of the reference codec (Independent JPEG Group, "slow integer" transform, smooth chroma
upsampling), step by step, whole number by whole number, so that a picture of 8-bit values comes out as the codec's
own bytes. Every step is a tensor operation over the whole batch with a gradient for picture and quality.

Sources: ITU-T T.81 (1992), Annexes A and K; JFIF 1.02 for the colour space; Loeffler, Ligtenberg & Moschytz (ICASSP
1989) for the transform; Shin & Song, "JPEG-resistant adversarial images" (NeurIPS workshop 2017) for the gradient of
rounding.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal, final

import torch
from jaxtyping import Float
from torch import Tensor

from mechaug.keys import Key
from mechaug.laws import Law, quantity
from mechaug.mechanisms.base import (
    Mechanism,
    Parameters,
    check_laws,
    draw_quantities,
    neutral_quantities,
    parameters,
    per_image,
)
from mechaug.mechanisms.eager import constant, values_known
from mechaug.types import Image, PerImage

# Quantiser steps of luma and chroma at quality 50 (T.81, tables K.1 and K.2); rows are vertical frequencies.
_STEPS: Final = torch.tensor(
    [
        [
            [16.0, 11.0, 10.0, 16.0, 24.0, 40.0, 51.0, 61.0],
            [12.0, 12.0, 14.0, 19.0, 26.0, 58.0, 60.0, 55.0],
            [14.0, 13.0, 16.0, 24.0, 40.0, 57.0, 69.0, 56.0],
            [14.0, 17.0, 22.0, 29.0, 51.0, 87.0, 80.0, 62.0],
            [18.0, 22.0, 37.0, 56.0, 68.0, 109.0, 103.0, 77.0],
            [24.0, 35.0, 55.0, 64.0, 81.0, 104.0, 113.0, 92.0],
            [49.0, 64.0, 78.0, 87.0, 103.0, 121.0, 120.0, 101.0],
            [72.0, 92.0, 95.0, 98.0, 112.0, 100.0, 103.0, 99.0],
        ],
        [
            [17.0, 18.0, 24.0, 47.0, 99.0, 99.0, 99.0, 99.0],
            [18.0, 21.0, 26.0, 66.0, 99.0, 99.0, 99.0, 99.0],
            [24.0, 26.0, 56.0, 99.0, 99.0, 99.0, 99.0, 99.0],
            [47.0, 66.0, 99.0, 99.0, 99.0, 99.0, 99.0, 99.0],
            *[[99.0] * 8] * 4,
        ],
    ]
)

# The cosine transform, √8 times orthonormal, in steps of 2⁻¹³: what the codec's factored integer transform multiplies
# by in effect. Rounding the cosines themselves differs by one step in ten places, which a rare coefficient shows.
_COSINES: Final = (
    torch.tensor(
        [
            [8192.0, 8192.0, 8192.0, 8192.0, 8192.0, 8192.0, 8192.0, 8192.0],
            [11363.0, 9633.0, 6437.0, 2260.0, -2260.0, -6437.0, -9633.0, -11363.0],
            [10703.0, 4433.0, -4433.0, -10703.0, -10703.0, -4433.0, 4433.0, 10703.0],
            [9633.0, -2259.0, -11362.0, -6436.0, 6436.0, 11362.0, 2259.0, -9633.0],
            [8192.0, -8192.0, -8192.0, 8192.0, 8192.0, -8192.0, -8192.0, 8192.0],
            [6437.0, -11362.0, 2261.0, 9633.0, -9633.0, -2261.0, 11362.0, -6437.0],
            [4433.0, -10704.0, 10704.0, -4433.0, -4433.0, 10704.0, -10704.0, 4433.0],
            [2260.0, -6436.0, 9633.0, -11363.0, 11363.0, -9633.0, 6436.0, -2260.0],
        ]
    )
    / 8192.0
)
# Two blocks side by side fill the processor's vectors, which one does not: rows take half the time.
_PAIR: Final = torch.block_diag(_COSINES, _COSINES)

# The encoder's weights of red, green and blue in luma, blue and red: times 8-bit values they are exact in float32.
_COLOURS: Final = (
    torch.tensor([[19595.0, 38470.0, 7471.0], [-11058.0, -21710.0, 32768.0], [32768.0, -27439.0, -5329.0]]) / 65536
)

# What the encoder adds before it cuts a value to a whole number: halves go up in luma and down in chroma.
_UP: Final = 0.5
_HALVES: Final = torch.tensor([[_UP], [32767 / 65536], [32767 / 65536]])
# Luma is coded around 0; chroma is there already.
_MIDDLE: Final = torch.tensor([[128.0], [0.0], [0.0]])


@parameters
class JpegParams(Parameters):
    """What `Jpeg` draws.

    Attributes:
        quality: the encoder's quality, 1 (worst) to 100; above 100 the picture is not compressed.
    """

    quality: PerImage


@final
@dataclass(frozen=True)
class Jpeg(Mechanism[JpegParams]):
    """Baseline JPEG: encoded and decoded again.

    Pictures of 8-bit values at least 5 pixels wide come out as the reference codec's own bytes, but for one pixel in a
    million or two, which differs by a level or two; others are rounded to 8 bits first, as any encoder does. Gradients
    pass the roundings to whole grey levels and whole quantiser steps as if these were not there, and the quantiser
    itself as x ↦ ⌊x⌉ + (x − ⌊x⌉)³ (Shin & Song 2017).

    Args:
        quality: law of the encoder's quality, 1 to 100 on the scale of the Independent JPEG Group; fractions are
            allowed, and infinity does not compress.
        subsampling: "4:2:0" stores one colour per 2×2 pixels, as most cameras and tools do; "4:4:4" one per pixel.
        rounding: "hard" computes what the codec computes. "soft" replaces the quantiser by its smooth surrogate and
            leaves out the other roundings, so that value and gradient belong to one function.

    Default prior: 10 to 95, from a thumbnail to a camera's finest setting. It is no projection: compressing again at
    the same quality moves a photograph once more, by up to 0.1 grey levels in the mean with 4:4:4, 0.6 with 4:2:0.
    """

    quality: Law = quantity((10.0, 95.0), "", neutral=math.inf, low=1.0, high=math.inf, sweep=(90.0, 5.0))
    subsampling: Literal["4:4:4", "4:2:0"] = "4:2:0"
    rounding: Literal["hard", "soft"] = "hard"

    domain = "picture"
    structure = "none"
    overlaps = ("jpeg_compression", "pixelate")

    def __post_init__(self) -> None:
        check_laws(self)
        if self.subsampling not in ("4:4:4", "4:2:0"):
            raise ValueError(f'Jpeg(subsampling=…) is "4:4:4" or "4:2:0", not {self.subsampling!r}')
        if self.rounding not in ("hard", "soft"):
            raise ValueError(f'Jpeg(rounding=…) is "hard" or "soft", not {self.rounding!r}')

    def sample(self, key: Key) -> JpegParams:
        return JpegParams(**draw_quantities(self, key))

    def neutral(self, batch: int) -> JpegParams:
        return JpegParams(**neutral_quantities(self, batch))

    def transform(self, x: Image, params: JpegParams) -> Image:
        if x.shape[1] not in (1, 3):
            raise ValueError(f"Jpeg takes pictures of 1 or 3 channels, not {x.shape[1]}")
        hard, halved = self.rounding == "hard", self.subsampling == "4:2:0"
        quality = params.quality.to(x.dtype)
        planes, luma_rows = _to_planes(_whole(255.0 * x, hard), halved, hard)
        planes = _recode(planes, quantiser_steps(quality, hard), luma_rows, hard)
        levels = _from_planes(planes, luma_rows, x.shape, halved, hard)
        decoded = levels.clamp(0.0, 255.0) / 255.0 if torch.is_grad_enabled() else levels.clamp_(0.0, 255.0).div_(255.0)
        if values_known(quality) and not bool((quality > 100.0).any()):
            return decoded
        # A weight of 0 or 1 makes lerp exact, and it is three times as fast as where.
        return torch.lerp(decoded, x, per_image((quality > 100.0).to(x.dtype)))


def _to_planes(levels: Image, halved: bool, hard: bool) -> tuple[Float[Tensor, "b rows W"], int]:
    """Luma, then blue and red below it, in whole blocks: one plane, so that all of it is coded at once.

    Halved chroma planes lie side by side: two of their blocks are as wide as the codec's unit of 16 pixels.

    Returns:
        The plane, with values around 0, and how many of its rows are luma.
    """
    height, width = levels.shape[-2:]
    rows, columns = _up_to(height, 8), _up_to(width, 16)
    if levels.shape[1] == 1:
        return _extend(levels[:, 0] - 128.0, rows, columns), rows
    mixed = constant(_COLOURS, levels) @ levels.flatten(2)
    middle = constant(_MIDDLE, levels)
    # Whole numbers are moved with the halves that are added anyway.
    mixed = _whole(mixed, hard, constant(_HALVES, levels) - middle) if hard else mixed - middle
    levels = mixed.view_as(levels)
    luma, chroma = _extend(levels[:, 0], rows, columns), levels[:, 1:]
    if halved:
        chroma = _halve(chroma, hard).transpose(1, 2).flatten(2)
        chroma = _extend(chroma, _up_to(chroma.shape[1], 8), columns)
    else:
        chroma = _extend(chroma, rows, columns).flatten(1, 2)
    return torch.cat((luma, chroma), 1), rows


def _from_planes(
    planes: Float[Tensor, "b rows W"], luma_rows: int, shape: torch.Size, halved: bool, hard: bool
) -> Image:
    """Levels around 0 to 255 of pictures of the given shape."""
    height, width = shape[-2:]
    luma = planes[:, :height, :width]
    if shape[1] == 1:
        return luma[:, None] + 128.0
    chroma = planes[:, luma_rows:]
    if halved:
        # Only what holds pixels: the decoder's interpolation repeats the last of them.
        chroma = chroma[:, : -(-height // 2)].unflatten(2, (2, -1))[..., : -(-width // 2)]
        blue, red = _double(chroma, hard)[:, :height, :, :width].unbind(2)
    else:
        blue, red = chroma.unflatten(1, (2, -1))[..., :height, :width].unbind(1)
    green = luma.add(blue, alpha=-22554 / 65536)
    levels = _sums(((luma, red, 91881 / 65536), (green, red, -46802 / 65536), (luma, blue, 116130 / 65536)), 1)
    return _whole(levels, hard, 128.0 + _UP) if hard else levels + 128.0


def _sums(terms: Sequence[tuple[Tensor, Tensor, float]], dim: int) -> Float[Tensor, "..."]:
    """`torch.stack([a + weight·b for a, b, weight in terms], dim)`; each is written to its place if nothing records."""
    first = terms[0][0]
    if torch.is_grad_enabled() or not values_known(first):
        return torch.stack([a.add(b, alpha=weight) for a, b, weight in terms], dim)
    shape = list(first.shape)
    shape.insert(dim, len(terms))
    out = first.new_empty(shape)
    for place, (a, b, weight) in zip(out.unbind(dim), terms, strict=True):
        torch.add(a, b, alpha=weight, out=place)
    return out


def _whole(x: Tensor, hard: bool, half: float | Tensor = _UP) -> Float[Tensor, "..."]:
    """Whole numbers if `hard`, and the gradient of `x` itself either way; `x` is a temporary and may be overwritten."""
    if not hard:
        return x
    if not torch.is_grad_enabled():
        # The same values in no new memory, which is what takes time here.
        return x.add_(half).floor_()
    still = x.detach()
    return x + (still + half).floor_().sub_(still)


def _nearest(x: Tensor, hard: bool) -> Float[Tensor, "..."]:
    """The nearest whole numbers if `hard`, else their smooth surrogate, and the surrogate's gradient either way."""
    whole = x.round()
    if hard and not torch.is_grad_enabled():
        return whole
    beyond = (x - whole) ** 3
    return whole + (beyond - beyond.detach() if hard else beyond)


def quantiser_steps(quality: PerImage, hard: bool) -> Float[Tensor, "b 2 8 8"]:
    """The quantiser steps of each image: the tables for quality 50, scaled as the reference codec does."""
    known = quality.clamp(1.0, 100.0)
    percent = torch.where(known < 50.0, 5000.0 / known, 200.0 - 2.0 * known)
    percent = per_image(_whole(percent, hard, 0.0))
    return _whole(constant(_STEPS, quality) * percent / 100.0, hard).clamp(1.0, 255.0)


def _recode(
    x: Float[Tensor, "b H W"], steps: Float[Tensor, "b 2 8 8"], luma_rows: int, hard: bool
) -> Float[Tensor, "b H W"]:
    """Transform, quantise and transform back, block by block.

    Args:
        x: values around 0, −128 to 127; whole blocks, W in pairs.
        steps: quantiser steps of luma and chroma; rows are vertical frequencies.
        luma_rows: so many rows are luma, those below are chroma.
        hard: round as the codec does.
    """
    b, H, W = x.shape
    cosines, pair = constant(_COSINES, x), constant(_PAIR, x)
    wide = steps[:, :, None, :, None, :].expand(b, 2, 1, 8, W // 8, 8).reshape(b, 2, 1, 8, W)
    # Between the two passes of a transform the codec keeps two binary places, hence 4; forward it keeps the factor 8.
    rows = _whole(x.reshape(b, -1, 16) @ (4.0 * pair.mT), hard)
    coefficients = _whole((cosines / 4.0) @ rows.reshape(b, H // 8, 8, W), hard)
    luma_blocks = luma_rows // 8
    of_luma, of_chroma = coefficients.split((luma_blocks, H // 8 - luma_blocks), 1)
    stored = (_quantised(of_luma, wide[:, 0], hard), _quantised(of_chroma, wide[:, 1], hard))
    # Unless they were quantised where they are.
    coefficients = coefficients if stored[0] is of_luma else torch.cat(stored, 1)
    columns = _whole((4.0 * cosines.mT) @ coefficients, hard)
    x = _whole(columns.reshape(b, -1, 16) @ (pair / 32.0), hard)
    return (x.clamp if torch.is_grad_enabled() else x.clamp_)(-128.0, 127.0).reshape(b, H, W)


def _quantised(coefficients: Tensor, steps: Tensor, hard: bool) -> Float[Tensor, "b blocks 8 W"]:
    """Coefficients, 8 times what they are, as the nearest multiples of their steps; in place where that is possible."""
    # Halves are rounded away from zero: the excess is far below the distance between two quotients.
    per_step = ((1.0 + 2.0**-21) / 8.0) / steps
    if hard and values_known(coefficients) and not torch.is_grad_enabled():
        return coefficients.mul_(per_step).round_().mul_(steps)
    return _nearest(coefficients * per_step, hard) * steps


def _halve(x: Float[Tensor, "b c h w"], hard: bool) -> Float[Tensor, "b c h2 w16"]:
    """The mean of every 2×2 pixels; the right edge is repeated before, to whole blocks, as the encoder does."""
    x = _extend(x, _up_to(x.shape[-2], 2), _up_to(x.shape[-1], 16))
    pairs = x[..., 0::2, :] + x[..., 1::2, :]
    sums = pairs[..., 0::2] + pairs[..., 1::2]
    # The encoder rounds halves down and up in turn, so that the mean does not drift.
    turns = constant((0.25, 0.5), x).repeat(sums.shape[-1] // 2)
    return _whole(sums / 4.0, hard, turns)


def _double(x: Float[Tensor, "b h c w"], hard: bool) -> Float[Tensor, "b 2*h c 2*w"]:
    """Twice the size: ¾ of the nearer and ¼ of the farther value, vertically and horizontally."""
    x = torch.cat((x[:, :1], x, x[:, -1:]), 1) / 16.0
    above, here, below = x[:, :-2], x[:, 1:-1], x[:, 2:]
    x = _sums(((above, here, 3.0), (below, here, 3.0)), 2).flatten(1, 2)
    x = torch.cat((x[..., :1], x, x[..., -1:]), -1)
    before, here, after = x[..., :-2], x[..., 1:-1], x[..., 2:]
    left = _whole(before.add(here, alpha=3.0), hard)
    return _interleaved(left, _whole(after.add(here, alpha=3.0), hard, 7 / 16))


def _interleaved(even: Tensor, odd: Tensor) -> Float[Tensor, "..."]:
    """`torch.stack((even, odd), -1).flatten(-2)`; on a CPU as the parts of complex numbers, in a third of the time."""
    if values_known(even) and even.dtype in (torch.float32, torch.float64):
        return torch.view_as_real(torch.complex(even, odd)).flatten(-2)
    return torch.stack((even, odd), -1).flatten(-2)


def _extend(x: Float[Tensor, "*batch h w"], height: int, width: int) -> Float[Tensor, "*batch {height} {width}"]:
    """`x` with its last row and its last column repeated up to a size."""
    for dim, size in ((-1, width), (-2, height)):
        if x.shape[dim] < size:
            x = torch.cat((x, *[x.narrow(dim, x.shape[dim] - 1, 1)] * (size - x.shape[dim])), dim)
    return x


def _up_to(length: int, multiple: int) -> int:
    return -(-length // multiple) * multiple

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
)
from mechaug.types import Image, PerImage

# Quantiser steps at quality 50 (T.81, tables K.1 and K.2); rows are vertical frequencies.
_LUMA_STEPS: Final = torch.tensor(
    [
        [16.0, 11.0, 10.0, 16.0, 24.0, 40.0, 51.0, 61.0],
        [12.0, 12.0, 14.0, 19.0, 26.0, 58.0, 60.0, 55.0],
        [14.0, 13.0, 16.0, 24.0, 40.0, 57.0, 69.0, 56.0],
        [14.0, 17.0, 22.0, 29.0, 51.0, 87.0, 80.0, 62.0],
        [18.0, 22.0, 37.0, 56.0, 68.0, 109.0, 103.0, 77.0],
        [24.0, 35.0, 55.0, 64.0, 81.0, 104.0, 113.0, 92.0],
        [49.0, 64.0, 78.0, 87.0, 103.0, 121.0, 120.0, 101.0],
        [72.0, 92.0, 95.0, 98.0, 112.0, 100.0, 103.0, 99.0],
    ]
)
_CHROMA_STEPS: Final = torch.tensor(
    [
        [17.0, 18.0, 24.0, 47.0, 99.0, 99.0, 99.0, 99.0],
        [18.0, 21.0, 26.0, 66.0, 99.0, 99.0, 99.0, 99.0],
        [24.0, 26.0, 56.0, 99.0, 99.0, 99.0, 99.0, 99.0],
        [47.0, 66.0, 99.0, 99.0, 99.0, 99.0, 99.0, 99.0],
        *[[99.0] * 8] * 4,
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

# The encoder's colour weights, whole multiples of 2⁻¹⁶: times 8-bit values they are exact in float32.
_LUMA_WEIGHTS: Final = (19595 / 65536, 38470 / 65536, 7471 / 65536)
_BLUE_WEIGHTS: Final = (-11058 / 65536, -21710 / 65536, 32768 / 65536)
_RED_WEIGHTS: Final = (32768 / 65536, -27439 / 65536, -5329 / 65536)

# What the encoder adds before it cuts a value to a whole number: halves go up in luma and down in chroma.
_UP: Final = 0.5
_DOWN: Final = 32767 / 65536


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

    Pictures of 8-bit values at least 5 pixels wide come out as the reference codec's own bytes; others are rounded to
    8 bits first, as any encoder does. Gradients pass the roundings to whole grey levels and whole quantiser steps as
    if these were not there, and the quantiser itself as x ↦ ⌊x⌉ + (x − ⌊x⌉)³ (Shin & Song 2017).

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
        channels, width = x.shape[1], x.shape[3]
        if channels not in (1, 3):
            raise ValueError(f"Jpeg takes pictures of 1 or 3 channels, not {channels}")
        hard = self.rounding == "hard"
        quality = params.quality.to(x.dtype)
        given = x.unbind(1)
        rgb = [_whole(255.0 * channel, hard) for channel in given]
        luma = rgb[0] if channels == 1 else _whole(_weigh(rgb, _LUMA_WEIGHTS), hard)
        luma = _recode((luma - 128.0)[:, None], _steps(_LUMA_STEPS, quality, hard), hard)[:, 0] + 128.0
        if channels == 1:
            decoded = [luma]
        else:
            blue = _whole(_weigh(rgb, _BLUE_WEIGHTS), hard, _DOWN)
            red = _whole(_weigh(rgb, _RED_WEIGHTS), hard, _DOWN)
            steps = _steps(_CHROMA_STEPS, quality, hard)
            if self.subsampling == "4:4:4":
                chroma = _recode(torch.stack((blue, red), 1), steps, hard)
            else:
                halved = torch.stack((_halve(blue, hard), _halve(red, hard)), 1)
                # Only the columns that hold pixels: the decoder's interpolation repeats the last one.
                chroma = _double(_recode(halved, steps, hard)[..., : -(-width // 2)], hard)[..., : x.shape[2], :width]
            decoded = [level.clamp(0.0, 255.0) for level in _to_rgb(luma, chroma, hard)]
        # A weight of 0 or 1 makes lerp exact, and it is three times as fast as where.
        kept = (quality > 100.0).to(x.dtype)[:, None, None]
        return torch.stack([torch.lerp(d / 255.0, g, kept) for d, g in zip(decoded, given, strict=True)], 1)


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


def _weigh(rgb: Sequence[Tensor], weights: tuple[float, float, float]) -> Float[Tensor, "b h w"]:
    r, g, b = rgb
    return (r * weights[0]).add_(g, alpha=weights[1]).add_(b, alpha=weights[2])


def _steps(base: Float[Tensor, "8 8"], quality: PerImage, hard: bool) -> Float[Tensor, "b 8 8"]:
    """The quantiser steps of each image: the table for quality 50, scaled as the reference codec does."""
    known = quality.clamp(1.0, 100.0)
    percent = torch.where(known < 50.0, 5000.0 / known, 200.0 - 2.0 * known)
    percent = _whole(percent, hard, 0.0)
    return _whole(base.to(quality) * percent[:, None, None] / 100.0, hard).clamp(1.0, 255.0)


def _recode(x: Float[Tensor, "b c h w"], steps: Float[Tensor, "b 8 8"], hard: bool) -> Float[Tensor, "b c h w"]:
    """Transform, quantise and transform back, block by block.

    Args:
        x: values around 0, −128 to 127.
        steps: quantiser steps; rows are vertical frequencies.
        hard: round as the codec does.
    """
    b, c, h, w = x.shape
    # Two blocks side by side fill the processor's vectors, which one does not: rows take half the time.
    H, W = _up_to(h, 8), _up_to(w, 16)
    x = _extend(_extend(x, -1, W), -2, H)
    cosines = _COSINES.to(x)
    pairs = torch.block_diag(cosines, cosines)
    steps = steps.repeat(1, 1, W // 8)[:, None, None]

    # Between the two passes of a transform the codec keeps two binary places, hence 4; forward it keeps the factor 8.
    rows = _whole(x.reshape(b, c, H, W // 16, 16) @ (4.0 * pairs.mT), hard)
    coefficients = _whole((cosines / 4.0) @ rows.reshape(b, c, H // 8, 8, W), hard)
    # Halves are rounded away from zero: the excess is far below the distance between two quotients.
    quotients = coefficients * ((1.0 + 2.0**-21) / 8.0 / steps)
    columns = _whole((4.0 * cosines.mT) @ (_nearest(quotients, hard) * steps), hard)
    x = _whole(columns.reshape(b, c, H, W // 16, 16) @ (pairs / 32.0), hard)
    return x.clamp(-128.0, 127.0).reshape(b, c, H, W)[..., :h, :w]


def _halve(x: Float[Tensor, "b h w"], hard: bool) -> Float[Tensor, "b h2 w16"]:
    """The mean of every 2×2 pixels; the right edge is repeated before, to whole blocks, as the encoder does."""
    x = _extend(_extend(x, -1, _up_to(x.shape[-1], 16)), -2, _up_to(x.shape[-2], 2))
    pairs = x[:, 0::2] + x[:, 1::2]
    sums = pairs[..., 0::2] + pairs[..., 1::2]
    # The encoder rounds halves down and up in turn, so that the mean does not drift.
    turns = torch.tensor([0.25, 0.5], dtype=x.dtype, device=x.device).repeat(sums.shape[-1] // 2)
    return _whole(sums / 4.0, hard, turns)


def _double(x: Float[Tensor, "b c h w"], hard: bool) -> Float[Tensor, "b c 2*h 2*w"]:
    """Twice the size: ¾ of the nearer and ¼ of the farther value, vertically and horizontally."""
    x = torch.cat((x[..., :1, :], x, x[..., -1:, :]), -2) / 16.0
    above, here, below = x[..., :-2, :], x[..., 1:-1, :], x[..., 2:, :]
    x = torch.stack((above.add(here, alpha=3.0), below.add(here, alpha=3.0)), -2).flatten(-3, -2)
    x = torch.cat((x[..., :1], x, x[..., -1:]), -1)
    before, here, after = x[..., :-2], x[..., 1:-1], x[..., 2:]
    even = _whole(before.add(here, alpha=3.0), hard)
    odd = _whole(after.add(here, alpha=3.0), hard, 7 / 16)
    # Interleaved by a transpose, which copies twice as fast as a stack along the last axis.
    return torch.stack((even, odd), -2).mT.flatten(-2)


def _to_rgb(luma: Float[Tensor, "b h w"], chroma: Float[Tensor, "b 2 h w"], hard: bool) -> list[Tensor]:
    blue, red = chroma.unbind(1)
    r = luma.add(red, alpha=91881 / 65536)
    g = luma.add(blue, alpha=-22554 / 65536).add_(red, alpha=-46802 / 65536)
    b = luma.add(blue, alpha=116130 / 65536)
    return [_whole(level, hard) for level in (r, g, b)]


def _extend(x: Tensor, dim: int, size: int) -> Tensor:
    """`x` with its last row or column repeated up to `size`."""
    missing = size - x.shape[dim]
    if missing == 0:
        return x
    return torch.cat((x, *[x.narrow(dim, x.shape[dim] - 1, 1)] * missing), dim)


def _up_to(length: int, multiple: int) -> int:
    return -(-length // multiple) * multiple

"""Point-spread functions: what becomes of one point of light, and pictures that are spread by them."""

import math
from collections.abc import Iterable, Sequence
from typing import Final, TypeAlias

import torch
from jaxtyping import Float, Int64
from torch import Tensor
from torch.nn.functional import conv2d, pad

from mechaug.mechanisms.eager import needs_gradient, put_back, values_known
from mechaug.types import Image, PerImage

LARGEST_REACH: Final = 0.25
"""How far a point of light may spread to either side, as a share of the picture's width.

Work that is traced before the values are known has to be sized for the widest spread; what is blurred over half of
the picture's width shows nothing of it anyway. Mechanisms draw wider spreads at this size.
"""

_VECTOR: Final = 16
"""Channels that a processor's widest vector holds: those of a convolution are computed by so many."""

_LARGE: Final = 2**14
"""Pixels of a picture that is cut into `_VECTOR` strips, which are convolved as channels of their own, so that the
nearest cache holds some of their rows. Measured: 2 to 4 times as fast as whole planes of 224 × 224."""

_FFT_PER_TAP: Final = 180
"""What one number costs on its way through the Fourier domain, in taps of a direct convolution. Measured on a CPU:
direct is faster up to 13 × 13 at 224 × 224 and up to 21 × 21 at 32 × 32."""

_FFT_PER_TAP_BACK: Final = 18
"""The same where autograd records for the point-spread function: the direct way back is 5 to 15 times slower than
through the Fourier domain from 7 × 7 on, and faster at 3 × 3."""


def largest_reach(width: int) -> int:
    """The reach, in whole pixels, that `LARGEST_REACH` allows a picture of this width; at least 1."""
    return max(1, math.ceil(LARGEST_REACH * width))


def needed_reach(reach: PerImage, largest: int) -> int:
    """Whole pixels that hold every spread of a batch: as few as do where values are known, else `largest`."""
    if values_known(reach) and reach.numel() > 0:
        return max(1, math.ceil(min(largest, float(reach.detach().max()))))
    return largest


def offsets(reach: int, like: Tensor) -> Float[Tensor, "k"]:
    """Whole pixels from −reach to reach, in the dtype and on the device of `like`."""
    return torch.arange(-reach, reach + 1, dtype=like.dtype, device=like.device)


def normalised(psf: Float[Tensor, "*batch k k"]) -> Float[Tensor, "*batch k k"]:
    """The same shape with the sum one: no light is lost."""
    return psf / psf.sum((-2, -1), keepdim=True)


def variances(psf: Float[Tensor, "b k k"]) -> tuple[PerImage, PerImage]:
    """The variance of point-spread functions down and across, pixels squared; they sum to one."""
    place = offsets(psf.shape[-1] // 2, psf)
    down, across = psf.sum(-1), psf.sum(-2)
    return tuple(line @ place.square() - (line @ place).square() for line in (down, across))  # pyright: ignore[reportReturnType]


def widened(psf: Float[Tensor, "b k k"], down: PerImage, across: PerImage) -> Float[Tensor, "b k k"]:
    """Point-spread functions whose variance is larger by given amounts: spread once more, by three taps a side.

    The taps (v/2, 1 − v, v/2) have the variance v: nothing at 0 and nowhere negative up to 1. This is how spreads
    narrower than a pixel are drawn, and how the edges of wide ones are smoothed.

    Args:
        psf: with nothing in its outermost rows and columns.
        down: variance to add down, pixels squared, 0 to 1.
        across: variance to add across, pixels squared, 0 to 1.
    """
    half = down[:, None, None] / 2
    psf = psf + half * (psf.roll(1, -2) + psf.roll(-1, -2) - 2 * psf)
    half = across[:, None, None] / 2
    return psf + half * (psf.roll(1, -1) + psf.roll(-1, -1) - 2 * psf)


def convolve(x: Image, *psfs: Float[Tensor, "b _ _"] | Float[Tensor, "b #c _ _"]) -> Image:
    """Each picture spread by its own point-spread function; borders are mirrored, the outermost pixel included.

    A point of light at row i, column j puts psf[k//2 + m, k//2 + n] of itself at row i + m, column j + n.

    Args:
        x: images, shape (b, c, h, w).
        *psfs: one per image, or one per image and channel (one channel serves for all), with odd k; several, of any
            sizes, are one after the other, and all the work of the pictures' size is done once.

    Returns:
        Images of the same shape.

    Raises:
        ValueError: a k is even.
    """
    for psf in psfs:
        taps = psf.shape[-1]
        if taps % 2 == 0:
            raise ValueError(f"a point-spread function has a centre: an odd number of pixels a side, not {taps}")
    spreads = [psf[:, None] if psf.ndim == 3 else psf for psf in psfs]
    if not values_known(*spreads) or needs_gradient(x, *spreads):
        return _convolve(x, *spreads)
    out, reaches = torch.empty_like(x), [_reaches(psf) for psf in spreads]
    for rows in _groups([_sum(each) for each in zip(*reaches, strict=True)], x.shape[1:].numel()):
        place = torch.tensor(_filled(rows, *x.shape[-2:]))
        some = x.index_select(0, place) if len(place) > 1 else x[rows[0] : rows[0] + 1]
        narrow = [_cut(psf, place, _most(own[row] for row in rows)) for psf, own in zip(spreads, reaches, strict=True)]
        put_back(out, place[: len(rows)], _convolve(some, *narrow)[: len(rows)])
    return out


_TOGETHER: Final = 5 * 2**17
"""Values that are convolved at once, at most: more leave the cache."""

_CALL: Final = 2**23
"""What a call of its own costs, in taps times values. For fewer, pictures join others that reach less far, whose
point-spread functions get rings of zeros, which change nothing."""

_SIZES: Final = (1, 2, 3, 4, 5, 6, 8, 10, 13, 16, 20, 26, 32, 48, 64, 96, 128)
"""Reaches that are convolved with: few, because a convolution of a new size is compiled when it is first met."""


Reach: TypeAlias = tuple[int, int]
"""How far a point-spread function reaches, down and across, pixels."""


def _groups(reaches: Sequence[Reach], numbers: int) -> list[list[int]]:
    """Pictures of so many numbers that are convolved at once."""
    alike: dict[Reach, list[int]] = {}
    for row, reach in enumerate(reaches):
        alike.setdefault(reach, []).append(row)
    most = max(1, _TOGETHER // max(1, numbers))
    most -= most % _VECTOR if most > _VECTOR else 0
    groups: list[tuple[list[int], Reach]] = []
    for reach in sorted(alike, key=_taps):
        rows = alike[reach]
        if groups:
            before, shorter = groups[-1]
            joint, room = _most((shorter, reach)), most - len(before)
            if room > 0 and len(before) * numbers * (_taps(joint) - _taps(shorter)) <= _CALL:
                groups[-1] = before + rows[:room], joint
                rows = rows[room:]
        groups += ((rows[start : start + most], reach) for start in range(0, len(rows), most))
    return [rows for rows, _ in groups]


def _reach(psf: Float[Tensor, "b #c _ _"]) -> Reach:
    return psf.shape[-2] // 2, psf.shape[-1] // 2


def _taps(reach: Reach) -> int:
    return (2 * reach[0] + 1) * (2 * reach[1] + 1)


def _most(reaches: Iterable[Reach]) -> Reach:
    """The reach that holds all of these."""
    down, across = zip(*reaches, strict=True)
    return max(down), max(across)


def _sum(reaches: Iterable[Reach]) -> Reach:
    """The reach of spreads that follow one another."""
    down, across = zip(*reaches, strict=True)
    return sum(down), sum(across)


def _cut(psf: Float[Tensor, "b #c k k"], rows: Int64[Tensor, "n"], reach: Reach) -> Float[Tensor, "n #c ky kx"]:
    """Some point-spread functions, no larger than their reach."""
    centre, (down, across) = psf.shape[-1] // 2, reach
    return psf[..., centre - down : centre + down + 1, centre - across : centre + across + 1].index_select(0, rows)


def _filled(rows: list[int], height: int, width: int) -> list[int]:
    """Small pictures are as many as fill the vectors, so that convolutions have few sizes: the first is done again."""
    return rows if height * width >= _LARGE else rows + rows[:1] * (-len(rows) % _VECTOR)


def _reaches(psf: Float[Tensor, "b #c k k"]) -> list[Reach]:
    """How far each point-spread function reaches, down and across, pixels."""
    batch, channels, taps, _ = psf.shape
    largest = taps // 2
    # The light of each row and of each column, as one product of matrices.
    unit = torch.eye(taps, dtype=psf.dtype)
    lines = torch.cat((unit.repeat_interleave(taps, 0), unit.repeat(taps, 1)), dim=1)
    lit = (psf.abs().flatten(2) @ lines).amax(1) if channels > 1 else psf.abs().flatten(1) @ lines
    apart = offsets(largest, psf).abs()
    reaches = ((lit.view(batch, 2, taps) > 1e-9) * apart).amax(2).tolist()
    sizes = [min(largest, next((size for size in _SIZES if size >= reach), largest)) for reach in range(largest + 1)]
    return [(sizes[int(down)], sizes[int(across)]) for down, across in reaches]


def _convolve(x: Image, *psfs: Float[Tensor, "b #c _ _"]) -> Image:
    """All pictures at once, directly or through the Fourier domain, whichever is faster for this size."""
    (height, width), (down, across) = x.shape[-2:], _sum(_reach(psf) for psf in psfs)
    rows, columns = fast_length(height + 2 * down), fast_length(width + 2 * across)
    per_tap = _FFT_PER_TAP_BACK if needs_gradient(*psfs) else _FFT_PER_TAP
    taps = [_taps(_reach(psf)) for psf in psfs]
    # An accelerator has no fast way to give each picture a kernel of its own, but for the smallest.
    spectral = x.device.type != "cpu" and max(taps) > 9
    if spectral or sum(taps) * height * width > len(taps) * per_tap * rows * columns:
        return _convolve_spectra(x, *psfs, rows=rows, columns=columns)
    return _convolve_directly(x, *psfs)


def _convolve_spectra(x: Image, *psfs: Float[Tensor, "b #c _ _"], rows: int, columns: int) -> Image:
    (height, width), (down, across) = x.shape[-2:], _sum(_reach(psf) for psf in psfs)
    spectrum = torch.fft.rfft2(mirrored(x, (down, rows - height - down), (across, columns - width - across)))
    for psf in psfs:
        spectrum = spectrum * torch.fft.rfft2(psf, s=(rows, columns))
    # What wraps around ends in the first 2·reach rows and columns, which are not looked at.
    spread = torch.fft.irfft2(spectrum, s=(rows, columns))
    return spread[..., 2 * down : 2 * down + height, 2 * across : 2 * across + width]


def _convolve_directly(x: Image, *psfs: Float[Tensor, "b #c _ _"]) -> Image:
    batch, channels, height, width = x.shape
    down, across = _sum(_reach(psf) for psf in psfs)
    strips = _VECTOR if height * width >= _LARGE else 1
    rows = -(-height // strips)
    below = down + strips * rows - height
    if max(down, below, across) <= 1:
        light = _in_strips(mirrored(x, (down, below), (across, across)), rows, down)
    else:
        light = _mirrored(_in_strips(_mirrored(x, -2, down, below), rows, down), -1, across, across)
    # One group per strip: every one of them has a kernel of its own.
    groups = batch * channels * strips
    light = light.reshape(1, groups, rows + 2 * down, width + 2 * across)
    for psf in psfs:
        # A convolution in the sense of neural networks does not turn its kernel around.
        kernels = psf.flip(-2, -1)[:, :, None].expand(batch, channels, strips, *psf.shape[-2:])
        light = conv2d(light, kernels.reshape(groups, 1, *psf.shape[-2:]), groups=groups)
    return light.reshape(batch, channels, strips * rows, width)[..., :height, :]


def _in_strips(x: Image, rows: int, down: int) -> Float[Tensor, "b c strips rows_and_more w"]:
    """A view of so many rows at a time, and of as many above and below as the spread reaches."""
    return x.unfold(-2, rows + 2 * down, rows).transpose(-1, -2)


def mirrored(x: Image, rows: tuple[int, int], columns: tuple[int, int]) -> Float[Tensor, "b c h2 w2"]:
    """Pictures continued by their mirror image, the outermost pixel included.

    Args:
        x: images.
        rows: how many rows to put above and below.
        columns: how many columns to put to the left and to the right.
    """
    if max(*rows, *columns) <= 1:
        # The mirror image of one pixel is the pixel, for which there is a fast operator.
        return pad(x, (*columns, *rows), mode="replicate")
    return _mirrored(_mirrored(x, -2, *rows), -1, *columns)


def _mirrored(x: Float[Tensor, "*batch"], axis: int, before: int, after: int) -> Float[Tensor, "*longer"]:
    size = x.shape[axis]
    if max(before, after) <= size:
        first, last = x.narrow(axis, 0, before).flip(axis), x.narrow(axis, size - after, after).flip(axis)
        if axis != -1 or needs_gradient(x) or not values_known(x):
            return torch.cat((first, x, last), axis)
        # To join many short rows takes long, on one core alone.
        out = x.new_empty((*x.shape[:-1], before + size + after))
        out[..., :before], out[..., before : before + size], out[..., before + size :] = first, x, last
        return out
    # To and fro between the mirrors.
    place = torch.arange(-before, size + after, device=x.device) % (2 * size)
    return x.index_select(axis, torch.minimum(place, 2 * size - 1 - place))


def fast_length(size: int) -> int:
    """The next even length that fast Fourier transforms are fast at: no prime factor over 5."""
    length = size + size % 2
    while True:
        rest = length
        for prime in (2, 3, 5):
            while rest % prime == 0:
                rest //= prime
        if rest == 1:
            return length
        length += 2

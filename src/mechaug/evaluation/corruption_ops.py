"""The formulas of the common corruptions, free of randomness: what was drawn comes in as an argument.

Source of all eight: Hendrycks and Dietterich, "Benchmarking neural network robustness to common corruptions and
perturbations", ICLR 2019, in the form of the authors' published generators. Pictures are stored pictures (uint8, in
and out), and a result is truncated to uint8, not rounded, as in the published files. `x` is a stored value over 255.
"""

import io
import math
from functools import lru_cache
from typing import Final

import torch
from jaxtyping import Float, Int64, UInt8
from torch import Tensor

from mechaug.types import Bytes, Image

# Poisson quantiles are tabulated in cells of the normal score: 64 cells per unit between −7 and 7. Thresholds lie at
# least about 1/√mean apart, so up to a mean of 500 no cell holds two, and one comparison per value is exact.
_CELLS_PER_UNIT: Final = 64
_CELLS: Final = 14 * _CELLS_PER_UNIT


def gaussian_noise(pictures: Bytes, normal: Image, std: float) -> Bytes:
    """Read noise: x + std · normal, independent per pixel and channel.

    Args:
        pictures: stored pictures.
        normal: standard normal numbers, of the pictures' shape.
        std: standard deviation in units of white, such as 0.08.
    """
    return _truncated(_unit(pictures, normal.dtype).add_(normal, alpha=std))


def shot_noise(pictures: Bytes, normal: Image, photons: int) -> Bytes:
    """The counting of photons: Poisson(photons · x) / photons, independent per pixel and channel.

    A count is the Poisson quantile at the probability of its normal number, so it has the Poisson law exactly.

    Args:
        pictures: stored pictures.
        normal: standard normal numbers, of the pictures' shape.
        photons: the mean count at white, at most 500.

    Raises:
        ValueError: more photons than the quantile table holds exactly.
    """
    if not 0 < photons <= 500:
        raise ValueError(f"shot noise takes 1 to 500 photons at white, not {photons}")
    below, threshold = (table.to(pictures.device) for table in _poisson_quantiles(photons))
    # Multiplying by a power of two is exact, so a number is never put into its neighbour's cell.
    cell = (normal * _CELLS_PER_UNIT).floor_().clamp_(-_CELLS // 2, _CELLS // 2 - 1).int().add_(_CELLS // 2)
    place = cell.add_(pictures.int(), alpha=_CELLS).flatten()
    count = below.index_select(0, place) + (normal.flatten() > threshold.index_select(0, place))
    levels = torch.arange(photons + 1, dtype=torch.float64, device=pictures.device) / photons
    return _truncated(levels).index_select(0, count).reshape(pictures.shape)


@lru_cache(maxsize=16)
def _poisson_quantiles(photons: int) -> tuple[Tensor, Tensor]:
    """The inverse of the Poisson law for each of the 256 stored values, as (counts, thresholds) per value and cell.

    A normal number z in a cell belongs to the count of its cell, plus one where z exceeds the cell's threshold.
    Counts above `photons` are left out: they are white, as `photons` itself is.
    """
    mean = torch.arange(256, dtype=torch.float64)[:, None] * (photons / 255)
    counts = torch.arange(photons, dtype=torch.float64)
    scores = torch.special.ndtri(torch.special.gammaincc(counts + 1, mean))  # P(count ≤ k), as a normal score
    scores = torch.cat((scores, torch.full((256, 1), math.inf, dtype=torch.float64)), dim=1)
    edges = torch.arange(-_CELLS // 2, _CELLS // 2, dtype=torch.float64) / _CELLS_PER_UNIT
    below = torch.searchsorted(scores, edges.expand(256, -1).contiguous())
    return below.int().flatten(), scores.gather(1, below).float().flatten()


def defocus_blur(pictures: Bytes, radius: float, smoothing: float) -> Bytes:
    """Correlation with a disk whose edge is smoothed; pictures continue by reflection about their border pixels.

    Args:
        pictures: stored pictures.
        radius: of the disk, in pixels.
        smoothing: standard deviation in pixels of the small Gaussian that smooths the disk.
    """
    kernel = disk_kernel(radius, smoothing).to(pictures.device)
    height, width = pictures.shape[-2:]
    reach = kernel.shape[0] // 2
    # Sides that are multiples of 16 transform fast; what is added lies beyond the part that is kept.
    padded_height, padded_width = (-(-(side + 2 * reach) // 16) * 16 for side in (height, width))
    rows = _reflected(torch.arange(-reach, padded_height - reach, device=pictures.device), height)
    columns = _reflected(torch.arange(-reach, padded_width - reach, device=pictures.device), width)
    x = _unit(pictures.index_select(2, rows).index_select(3, columns), torch.float64)
    # The kernel is symmetric, so its convolution is its correlation.
    spectrum = torch.fft.rfft2(x) * torch.fft.rfft2(kernel, s=(padded_height, padded_width))
    blurred = torch.fft.irfft2(spectrum, s=(padded_height, padded_width))
    blurred = blurred[..., 2 * reach : 2 * reach + height, 2 * reach : 2 * reach + width]
    # The transform is accurate to about 1e-15: the allowance keeps white at 255, and batches of any size the same.
    return _truncated(blurred + 1e-11)


def disk_kernel(radius: float, smoothing: float) -> Float[Tensor, "k k"]:
    """The defocus kernel, symmetric, with float32 values in a float64 tensor.

    The smoothing reflects at the edge of the grid, as the reference does, so that disks which touch the edge (radius
    8 and 10) sum to 1.013 and 1.011: those pictures become brighter.
    """
    half, taps = (8, 3) if radius <= 8 else (math.ceil(radius), 5)
    grid = torch.arange(-half, half + 1, dtype=torch.float64)
    disk = (grid[:, None] ** 2 + grid**2 <= radius**2).double()
    disk = (disk / disk.sum()).float().double()
    offsets = torch.arange(taps) - taps // 2
    gaussian = torch.exp(-(offsets.double() ** 2) / (2 * smoothing**2))
    # Rounded to float32 where the reference is: a kernel that sums to 1 − 1e-8 turns white into 254.
    gaussian = (gaussian / gaussian.sum()).float().double()
    blur = torch.zeros(2 * half + 1, 2 * half + 1, dtype=torch.float64)
    places = _reflected(torch.arange(2 * half + 1)[:, None] + offsets, 2 * half + 1)
    blur.scatter_add_(1, places, gaussian.expand(places.shape).contiguous())
    kernel = (blur @ disk @ blur.T).float().double()
    used = int(kernel[half].count_nonzero()) // 2
    return kernel[half - used : half + used + 1, half - used : half + used + 1]


def motion_blur(pictures: Bytes, angle_deg: Float[Tensor, "b"], radius: int, sigma: float) -> Bytes:
    """A one-sided streak of 2·radius + 1 pixels whose weights fall off as half a Gaussian; border pixels repeat.

    The streak starts at the pixel itself, so the picture is also displaced. Taps lie on whole pixels.

    Args:
        pictures: stored pictures.
        angle_deg: direction per picture in degrees, clockwise from the right, the row axis pointing down.
        radius: half the length, in pixels.
        sigma: standard deviation of the weights, in pixels.
    """
    height, width = pictures.shape[-2:]
    reach = 2 * radius
    steps = torch.arange(reach + 1, dtype=torch.float64)
    weights = torch.exp(-(steps**2) / (2 * sigma**2))
    weights = (weights / weights.sum()).tolist()
    angle = torch.deg2rad(angle_deg.double().cpu())[:, None]
    right = torch.ceil(steps * torch.cos(angle) - 0.5).int().add(reach).tolist()
    down = torch.ceil(steps * torch.sin(angle) - 0.5).int().add(reach).tolist()
    padded = torch.nn.functional.pad(pictures.float(), (reach,) * 4, mode="replicate")
    blurred = torch.zeros(pictures.shape, device=pictures.device)
    for target, source, lefts, tops in zip(blurred, padded, right, down, strict=True):
        for weight, left, top in zip(weights, lefts, tops, strict=True):
            target.add_(source[:, top : top + height, left : left + width], alpha=weight)
    # The reference rounds to 16 bits (257 per grey level) before it cuts to 8: half a 16-bit step upwards.
    return blurred.add_(0.5 / 257).clamp_(0, 255).to(torch.uint8)


def fog(pictures: Bytes, unit: Float[Tensor, "b draws"], thickness: float, decay: float) -> Bytes:
    """A grey plasma F over the picture, whose maximum M is kept: (x + thickness · F) · M / (M + thickness).

    Args:
        pictures: stored pictures.
        unit: uniform numbers in (0, 1), `plasma_draws(height, width)` per picture.
        thickness: of the fog, in units of white.
        decay: the plasma's amplitude falls by its square per octave.
    """
    height, width = pictures.shape[-2:]
    haze = plasma(unit, decay)[:, None, :height, :width]
    x = _unit(pictures, unit.dtype)
    white = x.amax(dim=(1, 2, 3), keepdim=True)
    return _truncated((x + thickness * haze) * (white / (white + thickness)))


def plasma_draws(height: int, width: int) -> int:
    """How many uniform numbers the fog over one picture takes: a torus whose side is a power of two, less one."""
    side = 1 << (max(height, width) - 1).bit_length()
    return max(side, 2) ** 2 - 1


def plasma(unit: Float[Tensor, "b draws"], decay: float) -> Float[Tensor, "b side side"]:
    """A plasma fractal in [0, 1] on a torus, by the diamond-square scheme.

    Args:
        unit: uniform numbers in (0, 1), side² − 1 per image: coarse levels first, and in each level the centres of the
            cells, then the middles of their upper edges, then those of their left edges.
        decay: the perturbations of a level are uniform on ±decay^(−2·level).
    """
    side = math.isqrt(unit.shape[1] + 1)
    height = unit.new_zeros(unit.shape[0], side, side)
    used = 0

    def perturbed(*neighbours: Tensor) -> Tensor:
        nonlocal used
        cells = neighbours[0].shape[-1]
        drawn = unit[:, used : used + cells**2].view(-1, cells, cells)
        used += cells**2
        return sum(neighbours[1:], neighbours[0]) / 4 + amplitude * (2 * drawn - 1)

    for level in range(side.bit_length() - 1):
        step = side >> level
        half = step // 2
        amplitude = decay ** (-2 * level)
        corner = height[:, ::step, ::step]
        right = corner.roll(-1, 2)
        centre = perturbed(corner, right, corner.roll(-1, 1), right.roll(-1, 1))
        height[:, half::step, half::step] = centre
        height[:, ::step, half::step] = perturbed(corner, right, centre, centre.roll(1, 1))
        height[:, half::step, ::step] = perturbed(corner, corner.roll(-1, 1), centre, centre.roll(1, 2))

    low, high = height.flatten(1).aminmax(dim=1)
    return (height - low[:, None, None]) / (high - low)[:, None, None]


def contrast(pictures: Bytes, factor: float) -> Bytes:
    """Values drawn towards the mean m of their channel: (x − m) · factor + m.

    Args:
        pictures: stored pictures.
        factor: of the contrast that is left, 0..1.
    """
    total = pictures.sum(dim=(2, 3), keepdim=True, dtype=torch.int64)
    mean = total.double() / (255 * pictures.shape[2] * pictures.shape[3])
    return _truncated(_unit(pictures, torch.float64).sub_(mean).mul_(factor).add_(mean))


def pixelate(pictures: Bytes, scale: float) -> Bytes:
    """Reduced to floor(side · scale) pixels by averaging, enlarged again by repeating; 8 bits after every step.

    Args:
        pictures: stored pictures.
        scale: of the reduced picture's sides, 0..1.
    """
    height, width = pictures.shape[-2:]
    narrow = _reduced(pictures, max(1, int(width * scale)))
    small = _reduced(narrow.mT, max(1, int(height * scale))).mT
    rows = _nearest(small.shape[2], height).to(pictures.device)
    columns = _nearest(small.shape[3], width).to(pictures.device)
    return small.index_select(2, rows).index_select(3, columns)


def _reduced(pictures: Bytes, size: int) -> UInt8[Tensor, "b c h {size}"]:
    """The last axis reduced to `size`: each new pixel is the mean of the pixels whose centres fall into it."""
    length = pictures.shape[-1]
    # New pixel i covers (i·s, (i + 1)·s], s = length/size, so it starts at floor(i·s − ½) + 1; kept in integers.
    bounds = (2 * length * torch.arange(size + 1) - size) // (2 * size) + 1
    sums = torch.nn.functional.pad(pictures.cumsum(-1, dtype=torch.int32), (1, 0))
    bounds = bounds.to(pictures.device)
    counts = bounds.diff().int()
    totals = sums.index_select(-1, bounds).diff()
    return ((2 * totals + counts) // (2 * counts)).to(torch.uint8)


def _nearest(size: int, length: int) -> Int64[Tensor, "{length}"]:
    """For each of `length` pixels, which of `size` equal parts its centre lies in."""
    return (2 * torch.arange(length) + 1) * size // (2 * length)


def jpeg_compression(pictures: Bytes, quality: int) -> Bytes:
    """Through a real codec and back: baseline JPEG, chroma at half the resolution (4:2:0), by Pillow.

    Args:
        pictures: stored pictures of one or three channels.
        quality: 1..95, on the scale of the Independent JPEG Group.

    Raises:
        ValueError: pictures have neither one nor three channels.
    """
    import numpy as np
    from PIL import Image as Pillow

    if pictures.shape[1] not in (1, 3):
        raise ValueError(f"JPEG stores pictures of 1 or 3 channels, not {pictures.shape[1]}")
    decoded = torch.empty(pictures.shape, dtype=torch.uint8)
    for target, picture in zip(decoded, pictures.cpu(), strict=True):
        file = io.BytesIO()
        image = Pillow.fromarray(np.ascontiguousarray(picture.permute(1, 2, 0).squeeze(-1).numpy()))
        image.save(file, "JPEG", quality=quality, subsampling="4:2:0")
        with Pillow.open(file) as stored:
            pixels = torch.from_numpy(np.array(stored))
        target.copy_(pixels.reshape(*picture.shape[1:], picture.shape[0]).permute(2, 0, 1))
    return decoded.to(pictures.device)


def _unit(pictures: Bytes, dtype: torch.dtype) -> Image:
    return pictures.to(dtype).div_(255)


def _truncated(x: Float[Tensor, "..."]) -> Tensor:
    return (x.clamp(0, 1) * 255).to(torch.uint8)


def _reflected(places: Int64[Tensor, "..."], length: int) -> Int64[Tensor, "..."]:
    """Places on an axis that continues by reflection about its first and last pixel, for any distance."""
    turn = max(2 * (length - 1), 1)
    places = places % turn
    return torch.minimum(places, turn - places)

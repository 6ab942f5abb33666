"""Blur by a fixed kernel, and by a streak.

Hendrycks and Dietterich, "Benchmarking neural network robustness to common corruptions and perturbations", ICLR 2019.
"""

import math

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from mechaug.evaluation.corruptions.stored import Levels, reflected, smoothed, unit
from mechaug.types import Bytes, Image


def gaussian_blur(pictures: Bytes, sigma: float) -> Levels:
    """A Gaussian out to four standard deviations; border pixels repeat.

    Args:
        pictures: stored pictures.
        sigma: standard deviation in pixels.
    """
    # Weights that sum to 1 − 1e-16 would turn white into 254.
    return (smoothed(unit(pictures, torch.float64), sigma) + 1e-11) * 255


def defocus_blur(pictures: Bytes, radius: float, smoothing: float, *, normalised: bool = False) -> Levels:
    """Correlation with a disk whose edge is smoothed; pictures continue by reflection about their border pixels.

    Args:
        pictures: stored pictures.
        radius: of the disk, in pixels.
        smoothing: standard deviation in pixels of the small Gaussian that smooths the disk.
        normalised: divide the kernel by its sum, which the published code does not: see `disk_kernel`.
    """
    kernel = disk_kernel(radius, smoothing).to(pictures.device)
    kernel = kernel / kernel.sum() if normalised else kernel
    height, width = pictures.shape[-2:]
    reach = kernel.shape[0] // 2
    # Sides that are multiples of 16 transform fast; what is added lies beyond the part that is kept.
    padded_height, padded_width = (-(-(side + 2 * reach) // 16) * 16 for side in (height, width))
    rows = reflected(torch.arange(-reach, padded_height - reach, device=pictures.device), height)
    columns = reflected(torch.arange(-reach, padded_width - reach, device=pictures.device), width)
    x = unit(pictures.index_select(2, rows).index_select(3, columns), torch.float64)
    # The kernel is symmetric, so its convolution is its correlation.
    spectrum = torch.fft.rfft2(x) * torch.fft.rfft2(kernel, s=(padded_height, padded_width))
    blurred = torch.fft.irfft2(spectrum, s=(padded_height, padded_width))
    blurred = blurred[..., 2 * reach : 2 * reach + height, 2 * reach : 2 * reach + width]
    # The transform is accurate to about 1e-15: the allowance keeps white at 255, and batches of any size the same.
    return (blurred + 1e-11) * 255


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
    places = reflected(torch.arange(2 * half + 1)[:, None] + offsets, 2 * half + 1)
    blur.scatter_add_(1, places, gaussian.expand(places.shape).contiguous())
    kernel = (blur @ disk @ blur.T).float().double()
    used = int(kernel[half].count_nonzero()) // 2
    return kernel[half - used : half + used + 1, half - used : half + used + 1]


def motion_blur(
    pictures: Bytes, angle_deg: Float[Tensor, "b"], radius: int, sigma: float, *, centred: bool = False
) -> Levels:
    """A one-sided streak of 2·radius + 1 pixels whose weights fall off as half a Gaussian; border pixels repeat.

    The streak starts at the pixel itself, so the picture is also displaced. Taps lie on whole pixels.

    Args:
        pictures: stored pictures.
        angle_deg: direction per picture in degrees, clockwise from the right, the row axis pointing down.
        radius: half the length, in pixels.
        sigma: standard deviation of the weights, in pixels.
        centred: the streak goes `radius` pixels both ways instead, and the picture stays in its place.
    """
    reach = 2 * radius
    steps = torch.arange(reach + 1, dtype=torch.float64) - (radius if centred else 0)
    weights = torch.exp(-(steps**2) / (2 * sigma**2))
    weights = (weights / weights.sum()).tolist()
    angle = torch.deg2rad(angle_deg.double().cpu())[:, None]
    right = torch.ceil(steps * torch.cos(angle) - 0.5).long().add(reach)
    down = torch.ceil(steps * torch.sin(angle) - 0.5).long().add(reach)
    padded = torch.nn.functional.pad(pictures.float(), (reach,) * 4, mode="replicate")
    add = _add_parts if pictures.device.type == "cpu" else _add_gathered
    blurred = add(torch.zeros(pictures.shape, device=pictures.device), padded, weights, down, right)
    # The reference rounds to 16 bits (257 per grey level) before it cuts to 8: half a 16-bit step upwards.
    return blurred.add_(0.5 / 257)


Padded = Float[Tensor, "b c height width"]
Places = Int64[Tensor, "b taps"]


def _add_parts(target: Image, source: Padded, weights: list[float], down: Places, right: Places) -> Image:
    """The weighted sum of the parts of each source that begin at the given rows and columns: part by part."""
    height, width = target.shape[-2:]
    for sums, picture, tops, lefts in zip(target, source, down.tolist(), right.tolist(), strict=True):
        for weight, top, left in zip(weights, tops, lefts, strict=True):
            sums.add_(picture[:, top : top + height, left : left + width], alpha=weight)
    return target


def _add_gathered(target: Image, source: Padded, weights: list[float], down: Places, right: Places) -> Image:
    """`_add_parts` on an accelerator: for all pictures at once, one tap after another."""
    height, width = target.shape[-2:]
    device, stride = source.device, source.shape[-1]
    here = torch.arange(height, device=device)[:, None] * stride + torch.arange(width, device=device)
    start = (down * stride + right).to(device)
    flat = source.flatten(2)
    for weight, first in zip(weights, start.unbind(1), strict=True):
        place = (here.flatten() + first[:, None])[:, None].expand(-1, flat.shape[1], -1)
        target.add_(flat.gather(2, place).view_as(target), alpha=weight)
    return target

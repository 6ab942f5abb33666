"""Spatter: drops of water or mud on the lens.

Hendrycks and Dietterich, "Benchmarking neural network robustness to common corruptions and perturbations", ICLR 2019;
one of the four corruptions that the benchmark holds back for validation.
"""

from typing import NamedTuple

import torch
from jaxtyping import Float, UInt8
from torch import Tensor
from torch.nn.functional import avg_pool2d, conv2d, pad

from mechaug.evaluation.corruptions.stored import levels, smoothed, truncated, unit
from mechaug.types import Bytes

Grey = UInt8[Tensor, "h w"]

_WATER = (175 / 255, 238 / 255, 238 / 255)
_MUD = (63 / 255, 42 / 255, 20 / 255)


class Splash(NamedTuple):
    """The parameters of one severity.

    Attributes:
        mean: of the field of liquid, in units of white.
        std: of the field, before it is smoothed.
        smoothing: standard deviation of the smoothing, in pixels.
        threshold: below which there is no liquid.
        amount: how strong water is, or how soft the edges of mud are, in pixels.
        mud: 1 for mud, 0 for water.
    """

    mean: float
    std: float
    smoothing: float
    threshold: float
    amount: float
    mud: float


def spatter(pictures: Bytes, normal: Float[Tensor, "b h w"], splash: Splash) -> Bytes:
    """Water adds light where it is thick and near an edge; mud covers.

    Args:
        pictures: stored pictures of three channels, or of one.
        normal: standard normal numbers, one per pixel.
        splash: the severity.
    """
    liquid = smoothed((splash.mean + splash.std * normal.double())[:, None], splash.smoothing)
    liquid = torch.where(liquid < splash.threshold, 0.0, liquid)
    x = unit(pictures, torch.float64)
    colour = x.new_tensor(_MUD if splash.mud else _WATER)[:, None, None]
    if x.shape[1] == 1:
        colour = colour.mean(0, keepdim=True)
    if splash.mud:
        cover = smoothed((liquid > splash.threshold).double(), splash.amount)
        cover = torch.where(cover < 0.8, 0.0, cover)
        return truncated(x * (1 - cover) + cover * colour + 1e-11)
    sheen = torch.stack([_sheen(one[0].float().cpu()) for one in liquid])[:, None].to(x)
    return truncated(x + splash.amount * sheen * colour + 1e-11)


def _sheen(liquid: Float[Tensor, "h w"]) -> Float[Tensor, "h w"]:
    """How bright the water is, 0 to 1: the edges of the drops, embossed, where the liquid is thick."""
    # A cast as the published code's: where the field exceeds white, the stored value wraps around.
    stored = (liquid * 255).int().remainder(256).to(torch.uint8)
    away = _distance_from_edges(stored)
    embossed = _emboss(_equalised(away))
    thick = stored.float() * _box(embossed).float()
    highest = thick.max()
    return thick / highest if highest > 0 else thick


def _distance_from_edges(stored: Grey) -> Grey:
    """The distance to the nearest edge in pixels, at most 20, averaged over 3×3."""
    import numpy as np
    from scipy.ndimage import distance_transform_edt

    edges = _canny(stored, 50.0, 150.0).numpy()
    if not edges.any():  # the distance has no meaning, and every pixel is as far away as it can be
        return torch.full(stored.shape, 20, dtype=torch.uint8)
    nearest = np.empty((2, *edges.shape), dtype=np.int32)
    distance_transform_edt(~edges, return_distances=False, return_indices=True, indices=nearest)
    offset = np.abs(nearest - np.indices(edges.shape))
    small, large = torch.from_numpy(offset).double().sort(0).values
    # The published code's library measures with a chamfer: steps of 1, 1.4 and 2.1969 pixels, straight, diagonal and
    # as a knight moves.
    flat, steep = (large - 2 * small) + 2.1969 * small, 1.4 * (2 * small - large) + 2.1969 * (large - small)
    distance = torch.where(2 * small <= large, flat, steep)
    return levels(_reflect_pooled(distance.clamp(max=20.0)))


def _canny(stored: Grey, low: float, high: float) -> Tensor:
    """Canny's edges (PAMI 1986) with 3×3 Sobel gradients in the sum norm, and hysteresis."""
    from scipy.ndimage import label

    padded = pad(stored[None, None].float(), (1, 1, 1, 1), mode="replicate")
    sobel = torch.tensor([[-1.0, 0.0, 1.0], [-2.0, 0.0, 2.0], [-1.0, 0.0, 1.0]])
    across, down = conv2d(padded, torch.stack((sobel, sobel.T))[:, None])[0]
    strength = across.abs() + down.abs()
    around = pad(strength, (1, 1, 1, 1))
    height, width = strength.shape

    def moved(dy: int, dx: int) -> Tensor:
        return around[1 + dy : 1 + dy + height, 1 + dx : 1 + dx + width]

    # A maximum across the edge, whose direction is one of four: within 22.5° of the axes, or diagonal.
    tangent = 0.41421356
    flat, steep = down.abs() < tangent * across.abs(), down.abs() > across.abs() / tangent
    same = (across < 0) == (down < 0)
    level = (strength > moved(0, -1)) & (strength >= moved(0, 1))
    upright = (strength > moved(-1, 0)) & (strength >= moved(1, 0))
    falling = (strength > moved(-1, -1)) & (strength > moved(1, 1))
    rising = (strength > moved(-1, 1)) & (strength > moved(1, -1))
    peak = torch.where(flat, level, torch.where(steep, upright, torch.where(same, falling, rising)))
    weak, strong = peak & (strength > low), peak & (strength > high)
    if not strong.any():
        return strong
    parts = torch.zeros(weak.shape, dtype=torch.int32)
    label(weak.numpy(), structure=torch.ones(3, 3).numpy(), output=parts.numpy())
    kept = parts[strong].unique()
    return torch.isin(parts, kept) & weak


def _equalised(stored: Grey) -> Grey:
    """The histogram spread over all levels, the lowest present level becoming 0."""
    counts = torch.bincount(stored.flatten().long(), minlength=256)
    first = int(counts.nonzero()[0])
    rest = stored.numel() - int(counts[first])
    if rest == 0:
        return stored
    below = counts.cumsum(0) - counts[first]
    table = (below.double() * (255 / rest)).round().clamp(0, 255).to(torch.uint8)
    table[: first + 1] = 0
    return table[stored.long()]


def _emboss(stored: Grey) -> Grey:
    kernel = torch.tensor([[-2.0, -1.0, 0.0], [-1.0, 1.0, 1.0], [0.0, 1.0, 2.0]])
    padded = pad(stored[None, None].float(), (1, 1, 1, 1), mode="reflect")
    return levels(conv2d(padded, kernel[None, None])[0, 0])


def _box(stored: Grey) -> Grey:
    """The mean of 3×3, rounded."""
    return levels(_reflect_pooled(stored.double()).add(0.5))


def _reflect_pooled(x: Float[Tensor, "h w"]) -> Float[Tensor, "h w"]:
    return avg_pool2d(pad(x[None, None], (1, 1, 1, 1), mode="reflect"), 3, stride=1)[0, 0]

"""Spatter: drops of water or mud on the lens.

Hendrycks and Dietterich, "Benchmarking neural network robustness to common corruptions and perturbations", ICLR 2019;
one of the four corruptions that the benchmark holds back for validation.
"""

from typing import Final, NamedTuple

import torch
from jaxtyping import Bool, Float, UInt8
from torch import Tensor
from torch.nn.functional import avg_pool2d, conv2d, max_pool2d, pad

from mechaug.evaluation.corruptions.stored import Levels, reflected, smoothed, store, unit
from mechaug.types import Bytes

Grey = UInt8[Tensor, "b h w"]

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


def spatter(pictures: Bytes, normal: Float[Tensor, "b h w"], splash: Splash) -> Levels:
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
        return (x * (1 - cover) + cover * colour + 1e-11) * 255
    sheen = _sheen(liquid[:, 0].float())[:, None].to(x)
    return (x + splash.amount * sheen * colour + 1e-11) * 255


def _sheen(liquid: Float[Tensor, "b h w"]) -> Float[Tensor, "b h w"]:
    """How bright the water is, 0 to 1: the edges of the drops, embossed, where the liquid is thick."""
    # A cast as the published code's: where the field exceeds white, the stored value wraps around.
    stored = (liquid * 255).int().remainder(256).to(torch.uint8)
    away = store(_averaged(_distance(_canny(stored, 50.0, 150.0)).double()))
    embossed = _emboss(_equalised(away))
    thick = stored.float() * store(_averaged(embossed.double()) + 0.5).float()
    return thick / thick.amax((1, 2), keepdim=True).clamp(min=1.0)


def _canny(stored: Grey, low: float, high: float) -> Bool[Tensor, "b h w"]:
    """Canny's edges (PAMI 1986) with 3×3 Sobel gradients in the sum norm, and hysteresis."""
    padded = pad(stored[:, None].float(), (1, 1, 1, 1), mode="replicate")
    sobel = padded.new_tensor([[-1.0, 0.0, 1.0], [-2.0, 0.0, 2.0], [-1.0, 0.0, 1.0]])
    across, down = conv2d(padded, torch.stack((sobel, sobel.T))[:, None]).unbind(1)
    strength = across.abs() + down.abs()
    around = pad(strength, (1, 1, 1, 1))
    height, width = strength.shape[-2:]

    def moved(dy: int, dx: int) -> Tensor:
        return around[:, 1 + dy : 1 + dy + height, 1 + dx : 1 + dx + width]

    # A maximum across the edge, whose direction is one of four: within 22.5° of the axes, or diagonal.
    tangent = 0.41421356
    flat, steep = down.abs() < tangent * across.abs(), down.abs() > across.abs() / tangent
    same = (across < 0) == (down < 0)
    level = (strength > moved(0, -1)) & (strength >= moved(0, 1))
    upright = (strength > moved(-1, 0)) & (strength >= moved(1, 0))
    falling = (strength > moved(-1, -1)) & (strength > moved(1, 1))
    rising = (strength > moved(-1, 1)) & (strength > moved(1, -1))
    peak = torch.where(flat, level, torch.where(steep, upright, torch.where(same, falling, rising)))
    weak = peak & (strength > low)
    return _connected(weak, weak & (strength > high))


def _connected(weak: Bool[Tensor, "b h w"], strong: Bool[Tensor, "b h w"]) -> Bool[Tensor, "b h w"]:
    """The weak points that hang together with strong ones."""
    if weak.device.type == "cpu":
        import numpy as np
        from scipy.ndimage import label

        neighbours = np.zeros((3, 3, 3), dtype=bool)
        neighbours[1] = True  # those in the same picture
        numbers = np.empty(weak.shape, dtype=np.int32)
        label(weak.numpy(), structure=neighbours, output=numbers)
        parts = torch.from_numpy(numbers).long()
        kept = torch.zeros(int(parts.max()) + 1, dtype=torch.bool)
        kept[parts[strong]] = True
        return kept[parts]
    return _grown(weak, strong)


def _grown(weak: Bool[Tensor, "b h w"], strong: Bool[Tensor, "b h w"]) -> Bool[Tensor, "b h w"]:
    """`_connected` on an accelerator, step by step."""
    kept = strong
    while True:
        # Some steps at a time: to ask the device whether anything has changed takes as long as several.
        before = kept
        for _ in range(16):
            kept = (max_pool2d(kept.float(), 3, stride=1, padding=1) > 0) & weak
        if torch.equal(kept, before):
            return kept


_FARTHEST: Final = 20.0
# The chamfer of the published code's library: steps straight, diagonal and as a knight moves, and how long they count,
# in whole numbers of 2⁻¹⁶ pixels.
_STRAIGHT, _DIAGONAL, _KNIGHT = 1.0, 91750 / 65536, 143976 / 65536
_STEPS: Final = (
    *(((0, 1), _STRAIGHT), ((1, 0), _STRAIGHT), ((1, 1), _DIAGONAL), ((1, -1), _DIAGONAL)),
    *(((1, 2), _KNIGHT), ((2, 1), _KNIGHT), ((1, -2), _KNIGHT), ((2, -1), _KNIGHT)),
)


def _distance(edges: Bool[Tensor, "b h w"]) -> Float[Tensor, "b h w"]:
    """The chamfer distance to the nearest edge in pixels, at most 20; 20 where there is none.

    The shortest way takes steps of two kinds only, in any order. So each kind is gone in turn, once and for as far as
    may be: 1, 2, 4, … such steps at a time.
    """
    far = torch.where(edges, 0.0, _FARTHEST)
    height, width = far.shape[-2:]
    for (down, across), cost in _STEPS:
        count = 1
        while count * cost < _FARTHEST and count * down < height and count * abs(across) < width:
            y, x = count * down, count * across
            upper, lower = far[:, : height - y], far[:, y:]
            left, right = slice(max(0, -x), width - max(0, x)), slice(max(0, x), width - max(0, -x))
            here, there = upper[..., left], lower[..., right]
            # The two overlap: both ways are measured before either is taken.
            back, forth = there + count * cost, here + count * cost
            torch.minimum(here, back, out=here)
            torch.minimum(there, forth, out=there)
            count *= 2
    return far


def _equalised(stored: Grey) -> Grey:
    """The histogram of each picture spread over all levels, the lowest present level becoming 0."""
    flat = stored.flatten(1).long()
    counts = torch.zeros(len(flat), 256, dtype=torch.int64, device=flat.device)
    counts.scatter_add_(1, flat, torch.ones_like(flat))
    level = torch.arange(256, device=flat.device)
    first = (counts > 0).int().argmax(1, keepdim=True)
    lowest = counts.gather(1, first)
    rest = flat.shape[1] - lowest
    table = ((counts.cumsum(1) - lowest) * (255 / rest.clamp(min=1).double())).round()
    table = torch.where(level > first, table, 0.0)
    # A picture of one level stays as it is.
    table = torch.where(rest > 0, table, level.double()).to(torch.uint8)
    return table.gather(1, flat).view_as(stored)


def _emboss(stored: Grey) -> Grey:
    kernel = torch.tensor([[-2.0, -1.0, 0.0], [-1.0, 1.0, 1.0], [0.0, 1.0, 2.0]], device=stored.device)
    return store(conv2d(_bordered(stored.float())[:, None], kernel[None, None])[:, 0])


def _averaged(x: Float[Tensor, "b h w"]) -> Float[Tensor, "b h w"]:
    """The mean of 3×3."""
    return avg_pool2d(_bordered(x)[:, None], 3, stride=1)[:, 0]


def _bordered(x: Float[Tensor, "b h w"]) -> Float[Tensor, "b h2 w2"]:
    """A pixel more on each side, by reflection about the border pixels."""
    rows, columns = (reflected(torch.arange(-1, side + 1, device=x.device), side) for side in x.shape[-2:])
    return x.index_select(1, rows).index_select(2, columns)

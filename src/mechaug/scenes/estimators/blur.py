"""Blur: how wide the edges of a picture are, in pixels.

An edge of contrast A that was blurred by a Gaussian of variance v, and is looked at through one of variance s, has the
gradient A / √(2π(v + s)). So the ratio of gradients at two s gives v without A (Elder & Zucker, "Local scale control
for edge detection and blur estimation", PAMI 1998). Edges are where the coarser gradient is largest along its own
direction; the strongest tenth counts, and of it the median. All of it is in linear light, where blur happens.

Edges near one another make it read too little, by the same factor in dead leaves and in photographs: `GAIN`. What
sharp pictures read is not 0 either: pixels have a size, and not every edge in the world is sharp. That is for a
reference to say, so that what is called blur is what the reference has not.
"""

import math
from dataclasses import dataclass
from typing import Final

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import avg_pool2d, pad

from mechaug.mechanisms.colour import XYZ_FROM_RGB
from mechaug.mechanisms.light import to_light
from mechaug.mechanisms.scale_space import heat_flow

GAIN: Final = 0.845
"""What is read of a variance: within 0.83 to 0.86 from 0.25 to 4 square pixels, on dead leaves and on photographs."""

_FINE, _COARSE = 1.0, 4.0
"""The two variances through which edges are looked at, square pixels."""

_STRONGEST: Final = 0.1
_FEWEST_EDGES: Final = 40
LARGEST: Final = 5.0
"""Square pixels: what is wider is read from the picture at half its size."""

_SMALLEST_SIDE: Final = 32


@dataclass(frozen=True)
class EdgeWidth:
    """How wide edges are.

    Attributes:
        variance_px2: median over the strongest edges, square pixels; not a number where there is none.
        halvings: how often the picture was halved to read it. Where there is no value, the picture at one halving less
            read `LARGEST` or more.
        reason: why there is none; else empty.
    """

    variance_px2: float
    halvings: int
    reason: str = ""


def edge_width(picture: Float[Tensor, "3 h w"]) -> EdgeWidth:
    """Measure the edges of a picture, sRGB in [0, 1]."""
    weights = XYZ_FROM_RGB[1].to(picture)
    light = torch.einsum("c,chw->hw", weights, to_light(picture[None])[0])
    # What is clipped looks sharp. It is marked before the picture is made smaller, which hides it.
    clipped = (picture.amax(0) > 253.0 / 255).to(picture)
    for halvings in range(6):
        if min(light.shape) < _SMALLEST_SIDE:
            return EdgeWidth(math.nan, halvings, "the picture is too small for edges so wide")
        variance, count = _read(light, clipped)
        if count < _FEWEST_EDGES:
            return EdgeWidth(math.nan, halvings, f"there are {count} edges to read, and {_FEWEST_EDGES} are needed")
        if variance < LARGEST:
            return EdgeWidth(4.0**halvings * variance, halvings)
        light, clipped = (avg_pool2d(plane[None, None], 2)[0, 0] for plane in (light, clipped))
    return EdgeWidth(math.nan, 6, "edges are wider than any that can be read")


def _read(light: Float[Tensor, "h w"], clipped: Float[Tensor, "h w"]) -> tuple[float, int]:
    """The median variance of the strongest edges, square pixels, and how many there are."""
    both = light.expand(2, 1, -1, -1)
    smooth = heat_flow(both, torch.tensor([_FINE, _COARSE], dtype=light.dtype))[:, 0]
    across = (smooth[:, 1:-1, 2:] - smooth[:, 1:-1, :-2]) / 2
    down = (smooth[:, 2:, 1:-1] - smooth[:, :-2, 1:-1]) / 2
    coarse = torch.hypot(across[1], down[1])
    fine = (across[0] * across[1] + down[0] * down[1]) / coarse.clamp(min=1e-9)
    around = pad(coarse[None], (1, 1, 1, 1))[0]
    ridge_across = (coarse > around[1:-1, 2:]) & (coarse >= around[1:-1, :-2])
    ridge_down = (coarse > around[2:, 1:-1]) & (coarse >= around[:-2, 1:-1])
    edge = torch.where(across[1].abs() >= down[1].abs(), ridge_across, ridge_down)
    edge &= heat_flow(clipped[None, None], torch.tensor([_COARSE], dtype=light.dtype))[0, 0, 1:-1, 1:-1] < 0.02
    # Mirrored borders bend what crosses them.
    edge[:4], edge[-4:], edge[:, :4], edge[:, -4:] = False, False, False, False
    edge &= coarse > 1e-4
    strength = coarse[edge]
    if len(strength) < _FEWEST_EDGES / _STRONGEST:
        return math.nan, int(len(strength) * _STRONGEST)
    strongest = strength > strength.quantile(1 - _STRONGEST)
    ratio = float((fine[edge][strongest] / strength[strongest]).clamp(min=0).square().median())
    return (_COARSE - ratio * _FINE) / max(ratio - 1, 1e-3), int(strongest.sum())

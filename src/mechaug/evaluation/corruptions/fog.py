"""Fog: a grey plasma fractal over the picture.

Hendrycks and Dietterich, "Benchmarking neural network robustness to common corruptions and perturbations", ICLR 2019.
"""

import math

from jaxtyping import Float
from torch import Tensor

from mechaug.evaluation.corruptions.stored import Levels, unit
from mechaug.types import Bytes


def fog(pictures: Bytes, uniform: Float[Tensor, "b draws"], thickness: float, decay: float) -> Levels:
    """A grey plasma F over the picture, whose maximum M is kept: (x + thickness · F) · M / (M + thickness).

    Args:
        pictures: stored pictures.
        uniform: uniform numbers in (0, 1), `plasma_draws(height, width)` per picture.
        thickness: of the fog, in units of white.
        decay: the plasma's amplitude falls by its square per octave.
    """
    height, width = pictures.shape[-2:]
    haze = plasma(uniform, decay)[:, None, :height, :width]
    x = unit(pictures, uniform.dtype)
    white = x.amax(dim=(1, 2, 3), keepdim=True)
    return (x + thickness * haze) * (white / (white + thickness)) * 255


def plasma_draws(height: int, width: int) -> int:
    """How many uniform numbers the fog over one picture takes: a torus whose side is a power of two, less one."""
    side = 1 << (max(height, width) - 1).bit_length()
    return max(side, 2) ** 2 - 1


def plasma(uniform: Float[Tensor, "b draws"], decay: float) -> Float[Tensor, "b side side"]:
    """A plasma fractal in [0, 1] on a torus, by the diamond-square scheme.

    Args:
        uniform: uniform numbers in (0, 1), side² − 1 per image: coarse levels first, and in each level the centres of
            the cells, then the middles of their upper edges, then those of their left edges.
        decay: the perturbations of a level are uniform on ±decay^(−2·level).
    """
    side = math.isqrt(uniform.shape[1] + 1)
    height = uniform.new_zeros(uniform.shape[0], side, side)
    used = 0

    def perturbed(*neighbours: Tensor) -> Tensor:
        nonlocal used
        cells = neighbours[0].shape[-1]
        drawn = uniform[:, used : used + cells**2].view(-1, cells, cells)
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

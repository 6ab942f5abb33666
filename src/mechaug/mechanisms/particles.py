"""Particles: many small things in front of the camera, drawn as one product of matrices.

Rain, snow and drops on glass have three steps in common. Which particles are seen is drawn by `draw_particles`: the
largest ones in the picture, exactly distributed and in order. What they cover is drawn by `coverage`: each is a
Gaussian with its true area and second moments, the outer product of a profile down the rows and one along the columns,
so that all of them together are one batched matrix product. `sheared` leans the result into the wind.
"""

import math
from typing import Final, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from mechaug.fields import noise_field
from mechaug.types import PerImage, Seeds

PerParticle = Float[Tensor, "b k"]
"""One real number per image and particle."""

Field = Float[Tensor, "b h w"]
"""One real number per pixel, the same for all channels."""

PIXEL_VARIANCE: Final = 0.25
"""Variance in square pixels that every particle has at least: a pixel's own width (1/12) and the sampling filter's.

At half a pixel's standard deviation a Gaussian's samples add up to the same within 1.5 % wherever it stands.
"""

# e^−30 is nothing; far smaller numbers are denormal, and arithmetic on those takes ten times as long.
_FAINTEST: Final = -30.0


class Particles(NamedTuple):
    """What is random about the particles of each picture; the rest follows from rates, speeds and the camera.

    Attributes:
        across: place from the picture's left edge, as a fraction of its width.
        down: place from the picture's upper edge, as a fraction of its height.
        order: arrival times of a Poisson process of unit rate, ascending: the k-th is near k.
        volume: diameter times the slope of an exponential size spectrum: Gamma(4), the spectrum weighted by volume.
    """

    across: PerParticle
    down: PerParticle
    order: PerParticle
    volume: PerParticle


def draw_particles(seed: Seeds, count: int, dtype: torch.dtype) -> Particles:
    """Draw the random part of `count` particles per image.

    Args:
        seed: one per image; a larger count prolongs the list and changes nothing in it only if drawn with it.
        count: how many particles per image.
        dtype: of the result.
    """
    across, down, wait, size = noise_field(seed, [4, count]).to(dtype).unbind(1)
    # The cube of a normal number is a Gamma(4) number to within 0.3 % of its spread (Wilson and Hilferty, 1931).
    volume = 4 * (1 - 1 / 36 + size.clamp(min=-5.0) / 6) ** 3
    order = -torch.log(torch.special.ndtr(wait)).cumsum(-1)
    return Particles(torch.special.ndtr(across), torch.special.ndtr(down), order, volume)


def angular_size(order: PerParticle, volume_share: PerImage, solid_angle: float) -> PerParticle:
    """The diameters over the distances of the particles that look largest, largest first.

    Let N(D) dD particles per cubic metre have diameters about D. Within the cone that the picture shows, those which
    look larger than s = D/Z, at distances Z < D/s, number Ω/(3s³)·∫N·D³ dD in the mean. Their apparent sizes are a
    Poisson process, so the k-th largest is where that mean is the process's k-th arrival time. Given s, the diameters
    are distributed as N·D³: for an exponential spectrum Gamma(4).

    Args:
        order: arrival times, from `draw_particles`.
        volume_share: ∫N·D³ dD, volume of particles (times 6/π) per volume of air.
        solid_angle: Ω, the area that the picture shows at unit distance, as a share of the distance squared.

    Returns:
        s, a pure number.
    """
    return (solid_angle / 3 * volume_share[:, None] / order) ** (1 / 3)


def coverage(
    across: PerParticle,
    down: PerParticle,
    variance_x: PerParticle,
    variance_y: PerParticle,
    area: PerParticle,
    shape: tuple[int, int],
) -> Field:
    """The share of each pixel that particles cover, time-averaged; where they overlap the shares add up.

    Blur and motion spread a particle's area and do not change it: the sum over the picture is the sum of the areas,
    to rounding. What leaves the picture on one side enters it on the other, which keeps the density even up to the
    borders.

    Args:
        across: places along the rows, fraction of the width.
        down: places along the columns, fraction of the height.
        variance_x: along the rows, square pixels, at least `PIXEL_VARIANCE` to be sampled well.
        variance_y: along the columns, likewise.
        area: square pixels.
        shape: height and width of the picture, pixels.

    Returns:
        Shape (b, h, w), not negative; may exceed 1 where opaque particles are sharp or overlap.
    """
    height, width = shape
    rows, columns = profile(down, variance_y, height), profile(across, variance_x, width)
    weight = area / (rows.sum(-1) * columns.sum(-1))
    # The weight goes to the shorter of the two.
    if height <= width:
        rows = rows * weight[..., None]
    else:
        columns = columns * weight[..., None]
    return rows.mT @ columns


def profile(centre: PerParticle, variance: PerParticle, length: int) -> Float[Tensor, "b k n"]:
    """A Gaussian of peak 1 around each centre on a line of `length` pixels that is closed to a ring.

    Args:
        centre: fraction of the length.
        variance: square pixels.
        length: pixels.
    """
    place = (torch.arange(length, device=centre.device, dtype=centre.dtype) + 0.5) / length
    apart = place - centre[..., None]
    apart = apart - torch.round(apart)
    exponent = apart.square() * (-0.5 * length * length / variance)[..., None]
    return torch.exp(exponent.clamp(min=_FAINTEST))


def sheared(field: Field, slope: PerImage) -> Field:
    """A field whose rows are shifted to the right by `slope` pixels per row downward, around its middle, as rings.

    Between pixels it is interpolated linearly; every row keeps its sum.
    """
    height, width = field.shape[-2:]
    row = torch.arange(height, device=field.device, dtype=field.dtype) - (height - 1) / 2
    shift = slope[:, None] * row
    whole = shift.detach().floor()
    # Twice the ring, unrolled, so that each row is one run of it; one pixel more on the left, to interpolate from.
    start = (width - 1) - torch.remainder(whole, width).long()
    source = start[..., None] + torch.arange(width + 1, device=field.device)
    run = torch.cat((field, field), -1).gather(-1, source)
    return torch.lerp(run[..., 1:], run[..., :-1], (shift - whole)[..., None])


def gaussian_of_disc(diameter: Tensor) -> Tensor:
    """Variance along one axis of a uniform disc: (diameter / 4)²."""
    return (diameter / 4).square()


def gaussian_of_path(length: Tensor) -> Tensor:
    """Variance along its direction of a path travelled at even speed: length² / 12."""
    return length.square() / 12


def disc_area(diameter: Tensor) -> Tensor:
    """π/4 · diameter²."""
    return math.pi / 4 * diameter.square()


def from_nothing(value: PerImage, least: float) -> tuple[PerImage, PerImage]:
    """Shape apart from strength, for quantities whose shapes have no finite slope at 0.

    Args:
        value: a rate or a share, not negative.
        least: the smallest value that has a shape of its own.

    Returns:
        The value whose shape is meant, at least `least`, and the strength in [0, 1]: in proportion below `least`.
    """
    return value.clamp(min=least), (value / least).clamp(max=1.0)


def check_count(owner: str, name: str, count: int, *, least: int = 1) -> None:
    """Refuse too few particles.

    Raises:
        ValueError: fewer than `least`.
    """
    if count < least:
        raise ValueError(
            f"{owner}({name}=…) is a number of at least {least}, not {count!r}; for none, leave {owner} out"
        )

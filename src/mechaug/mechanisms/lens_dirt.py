"""Dirt on the glass: drops and smudges on the front lens, a filter or a windscreen, much too near to be in focus."""

import math
from dataclasses import dataclass
from typing import Final, final

import torch
from jaxtyping import Float
from torch import Tensor

from mechaug.fields import noise_field
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
from mechaug.mechanisms.eager import constant
from mechaug.mechanisms.particles import Field, check_count, from_nothing, profile
from mechaug.mechanisms.view import View
from mechaug.types import Image, PerImage, Seeds

# Below these shares of the picture the dirt of this share is made fainter: at 0 shapes have no slope.
_LEAST_COVERAGE: Final = 0.005

_FEWEST_DROPS: Final = 3.0
_SHOWN_OF_SCENE: Final = 0.7
"""How far towards the picture's edge a drop's own edge looks. Towards it water shows ever more in ever less space."""

# A drop is the part of a Gaussian 2^(−steepness·(distance/radius)²) above its value at the radius. The steeper, the
# less do near drops bulge towards each other before they merge.
_STEEPNESS: Final = 4.0

_WAVES: Final = 32
_OCTAVES: Final = (1.0, 2.5)
"""Smudges have this much finer detail too, at half the amplitude."""


@parameters
class LensDropsParams(Parameters):
    """The drops on the glass in front of each picture.

    Attributes:
        coverage: share of the picture that they cover.
        drop_mm: diameter of the drops, the root of their mean square, millimetres.
        glass_m: distance of the glass in front of the entrance pupil, metres.
        f_number: focal length over aperture: how blurred their borders are.
        drops_seed: which drops, stored as a seed.
    """

    coverage: PerImage
    drop_mm: PerImage
    glass_m: PerImage
    f_number: PerImage
    drops_seed: Seeds


@final
@dataclass(frozen=True)
class LensDrops(Mechanism[LensDropsParams]):
    """Soft round drops through which the scene is seen upside down and very blurred.

    With the camera focused far away, a drop of diameter D on glass at distance z covers for each pixel the part of the
    aperture A that lies before it: its picture is the disc D convolved with the disc A, seen from z, and divided by
    A's area. It rises from nothing at (D + A)/2z from its centre to min(1, D²/A²) at |D − A|/2z. Drops that touch
    merge.

    A drop is a strong lens: within it the whole scene appears inverted, and out of focus by far more than its own
    size. What is left of the scene is its mean light and its slope across the picture, which is what a drop shows here,
    upside down. So an even scene shows no drop, and the effect is linear in the light.

    Args:
        coverage: law of the share of the picture that the blurred drops cover, wholly or, behind small ones, partly.
        drop_mm: law of the drops' diameter, millimetres.
        glass_m: law of the distance of the glass, metres: some centimetres for a front lens or a filter, decimetres for
            a windscreen.
        f_number: law of the f-number.
        drops: how many drops at most, and one per pixel of the picture's longer side; where the coverage asks for more,
            or for fewer than three, they are made larger or smaller instead.
        view: the camera, which turns angles into pixels.

    Default prior: up to a fifth of the picture, by drops of 1 to 5 mm as rain leaves them, on a lens, a filter or a
    windscreen: an assumption.

    Raises:
        ValueError: `drops` is not at least 3, or a law is refused.
    """

    coverage: Law = quantity((0.02, 0.2), "of the picture", neutral=0.0, low=0.0, high=0.9, sweep=(0.05, 0.4))
    drop_mm: Law = quantity((1.0, 5.0), "mm", neutral=3.0, scale="log", low=0.01, high=100.0, held=3.0)
    glass_m: Law = quantity((0.04, 0.4), "m", neutral=0.1, scale="log", low=0.001, high=100.0, held=0.1)
    f_number: Law = quantity((4.0, 22.0), "", neutral=16.0, scale="log", low=0.1, held=16.0)
    drops: int = 64
    view: View = View()

    domain = "light"
    structure = "none"
    overlaps = ("spatter", "glass_blur")

    def __post_init__(self) -> None:
        check_laws(self)
        check_count("LensDrops", "drops", self.drops, least=3)

    def sample(self, key: Key) -> LensDropsParams:
        return LensDropsParams(**draw_quantities(self, key), drops_seed=key.fold("LensDrops").fold("drops_seed").seed())

    def neutral(self, batch: int) -> LensDropsParams:
        return LensDropsParams(**neutral_quantities(self, batch), drops_seed=torch.zeros(batch, dtype=torch.int64))

    def transform(self, x: Image, params: LensDropsParams) -> Image:
        height, width = x.shape[-2:]
        cover, fading = from_nothing(params.coverage, _LEAST_COVERAGE)
        aperture = self.view.focal_length_mm / params.f_number
        larger, smaller = torch.maximum(params.drop_mm, aperture), torch.minimum(params.drop_mm, aperture)
        peak = (params.drop_mm / larger).square()
        # Discs that lie at random leave uncovered exp(−number · area); both may have to give way.
        covered = -torch.log1p(-cover)
        radius = larger / 2 * 1e-3 / params.glass_m * self.view.focal_px(width)
        most = float(max(_FEWEST_DROPS, min(self.drops, max(height, width))))
        number = (covered * height * width / (math.pi * radius.square())).clamp(_FEWEST_DROPS, most)
        radius = torch.sqrt(covered * height * width / (math.pi * number))
        # At least a pixel of border, so that it can be sampled.
        border = torch.maximum(smaller / larger, 0.5 / radius).clamp(max=1.0)
        # A border of even slope between (1 − border) and (1 + border) radii adds border²/3 to a disc's area.
        radius = radius / torch.sqrt(1 + border.square() / 3)
        mass, aside = self._drops(params.drops_seed, number.to(x.dtype), radius.to(x.dtype), (height, width))
        depth = torch.sqrt((-torch.log2(mass.clamp(min=1e-30)) / _STEEPNESS).clamp(min=1e-6))
        border = border.to(x.dtype)[:, None, None]
        alpha = ((1 + border - depth) / (2 * border)).clamp(0.0, 1.0) * (peak * fading).to(x.dtype)[:, None, None]
        mean, slopes = _plane(x)
        seen = torch.baddbmm(mean, slopes, aside.flatten(2), alpha=-1).view_as(x)
        return torch.lerp(x, seen, alpha[:, None])

    def _drops(
        self, seed: Seeds, number: PerImage, radius: PerImage, shape: tuple[int, int]
    ) -> tuple[Field, Float[Tensor, "b 2 h w"]]:
        """The sum of the drops' Gaussians, and how far in it a pixel lies right of and below its drop's centre.

        The latter in units of the drop's radius, times `_SHOWN_OF_SCENE`, at most 1.
        """
        height, width = shape
        count = min(self.drops, max(height, width))
        across, down, spread = noise_field(seed, [3, count]).to(radius.dtype).unbind(1)
        across, down = torch.special.ndtr(across), torch.special.ndtr(down)
        # The last drop of a fractional number is a growing one.
        place = torch.arange(count, device=seed.device, dtype=radius.dtype)
        weight = (number[:, None] - place).clamp(0.0, 1.0)
        # Diameters scatter by a quarter about their root mean square.
        area = radius.square()[:, None] * torch.exp(0.5 * spread - 0.125)
        variance = area / (2 * math.log(2) * _STEEPNESS)
        rows, columns = profile(down, variance, height) * weight[..., None], profile(across, variance, width)
        unit = _SHOWN_OF_SCENE / area.sqrt()[..., None]
        leftward, upward = _ring_distance(across, width) * unit, _ring_distance(down, height) * unit
        mass = rows.mT @ columns
        aside = torch.stack((rows.mT @ (columns * leftward), (rows * upward).mT @ columns), 1)
        return mass, (aside / mass.clamp(min=1e-20)[:, None]).clamp(-1.0, 1.0)


@parameters
class LensDirtParams(Parameters):
    """The smudges on the glass in front of each picture.

    Attributes:
        coverage: share of the picture that they cover.
        opacity: share of the light that they take where they cover it.
        veil: share of the light taken that they scatter over the picture.
        smudge_mm: their size, the correlation length of their thickness, millimetres.
        glass_m: distance of the glass in front of the entrance pupil, metres.
        f_number: focal length over aperture: how blurred they are.
        smudges_seed: which smudges, stored as a seed.
    """

    coverage: PerImage
    opacity: PerImage
    veil: PerImage
    smudge_mm: PerImage
    glass_m: PerImage
    f_number: PerImage
    smudges_seed: Seeds


@final
@dataclass(frozen=True)
class LensDirt(Mechanism[LensDirtParams]):
    """Dust, grease and breath on the glass: light J becomes J·(1 − a) + veil·a·(mean of J), a a smooth random field.

    The thickness of the dirt is a Gaussian random field, of waves with random directions and phases. What is thicker
    than a threshold covers, so that the mean of a is coverage·opacity in expectation. The aperture averages the dirt
    over its own size, which makes it larger and its borders softer. Nothing is brighter than the scene itself: of the
    light that the dirt takes the share `veil` is scattered evenly, the rest is lost.

    Args:
        coverage: law of the share of the picture that is covered.
        opacity: law of the share of the light taken there.
        veil: law of the share of that which is scattered over the picture.
        smudge_mm: law of the size of a smudge, millimetres.
        glass_m: law of the distance of the glass, metres.
        f_number: law of the f-number.
        view: the camera, which turns angles into pixels.

    Default prior: finger marks and road dust of some millimetres, thin enough to see through: an assumption.
    """

    coverage: Law = quantity((0.05, 0.5), "of the picture", neutral=0.0, low=0.0, high=0.95, sweep=(0.1, 0.8))
    opacity: Law = quantity((0.1, 0.6), "", neutral=0.0, low=0.0, high=1.0, held=0.6)
    veil: Law = quantity((0.3, 0.9), "", neutral=0.7, low=0.0, high=1.0, held=0.7)
    smudge_mm: Law = quantity((2.0, 15.0), "mm", neutral=6.0, scale="log", low=0.01, high=1000.0, held=6.0)
    glass_m: Law = quantity((0.04, 0.4), "m", neutral=0.1, scale="log", low=0.001, high=100.0, held=0.1)
    f_number: Law = quantity((4.0, 22.0), "", neutral=16.0, scale="log", low=0.1, held=16.0)
    view: View = View()

    domain = "light"
    structure = "none"
    overlaps = ("spatter", "frost", "contrast", "plasma_noise")

    def __post_init__(self) -> None:
        check_laws(self)

    def sample(self, key: Key) -> LensDirtParams:
        seed = key.fold("LensDirt").fold("smudges_seed").seed()
        return LensDirtParams(**draw_quantities(self, key), smudges_seed=seed)

    def neutral(self, batch: int) -> LensDirtParams:
        return LensDirtParams(**neutral_quantities(self, batch), smudges_seed=torch.zeros(batch, dtype=torch.int64))

    def transform(self, x: Image, params: LensDirtParams) -> Image:
        cover, fading = from_nothing(params.coverage, _LEAST_COVERAGE)
        aperture = self.view.focal_length_mm / params.f_number
        size = torch.hypot(params.smudge_mm, aperture)
        length = size * 1e-3 / params.glass_m * self.view.focal_px(x.shape[-1])
        thickness = _random_field(params.smudges_seed, length.to(x.dtype), x.shape[-2], x.shape[-1])
        # Borders are at least this soft, and the softer the more the aperture averages. A normal thickness behind a
        # normal border is covered with probability Φ(−threshold / √(1 + border²)).
        border = 0.3 + aperture / params.smudge_mm
        threshold = -torch.special.ndtri(cover) * torch.sqrt(1 + border.square())
        border, threshold = (value.to(x.dtype)[:, None, None] for value in (border, threshold))
        covered = torch.special.ndtr((thickness - threshold) / border)
        alpha = (covered * (params.opacity * fading).to(x.dtype)[:, None, None])[:, None]
        scattered = x.mean((-2, -1), keepdim=True) * per_image(params.veil).to(x.dtype)
        return torch.lerp(x, scattered.expand_as(x), alpha)


def _random_field(seed: Seeds, length: PerImage, height: int, width: int) -> Field:
    """A field of zero mean and unit variance, nearly normal, with the correlation exp(−distance²/2·length²).

    A sum of waves whose wave vectors are normal has it (Bochner); cos(a + b) = cos a·cos b − sin a·sin b makes the
    whole sum one product of matrices.
    """
    across, down, phase = noise_field(seed, [3, _WAVES]).to(length.dtype).unbind(1)
    fine = torch.arange(_WAVES, device=seed.device) % 2
    octave = constant(_OCTAVES, length)[fine] / length[:, None]
    amplitude = constant((1.0, 0.5), length)[fine]
    amplitude = amplitude * torch.sqrt(2 / amplitude.square().sum())
    column, row = (torch.arange(n, device=seed.device, dtype=length.dtype) - (n - 1) / 2 for n in (width, height))
    along = (across * octave)[..., None] * column + (2 * math.pi * torch.special.ndtr(phase))[..., None]
    aside = (down * octave)[..., None] * row
    rows = torch.cat((torch.cos(aside), torch.sin(aside)), 1)
    columns = torch.cat((torch.cos(along), -torch.sin(along)), 1) * amplitude.repeat(2)[:, None]
    return rows.mT @ columns


def _plane(x: Image) -> tuple[Float[Tensor, "b c 1"], Float[Tensor, "b c 2"]]:
    """Mean light and its slopes to the right and down, per half picture: the plane nearest to the picture.

    A plane that would be darker than black in a corner is made flatter.
    """
    columns, rows = x.mean(-2), x.mean(-1)
    mean, slopes = columns.mean(-1, keepdim=True), torch.stack((_slope(columns), _slope(rows)), -1)
    return mean, slopes * (mean / slopes.abs().sum(-1, keepdim=True).clamp(min=1e-12)).clamp(max=1.0)


def _slope(line: Float[Tensor, "b c n"]) -> Float[Tensor, "b c"]:
    """The slope of the straight line nearest to values at even distances between −1 and 1."""
    length = line.shape[-1]
    place = (2 * torch.arange(length, device=line.device, dtype=line.dtype) + 1) / length - 1
    # The square of a place is (1 − 1/n²)/3 in the mean; a single pixel has no slope.
    return (line * place).mean(-1) * (3 * length**2 / max(1, length**2 - 1))


def _ring_distance(centre: Float[Tensor, "b k"], length: int) -> Float[Tensor, "b k n"]:
    """How far each pixel lies past each centre on a closed ring of pixels."""
    apart = (torch.arange(length, device=centre.device, dtype=centre.dtype) + 0.5) / length - centre[..., None]
    return (apart - torch.round(apart)) * length

"""Precipitation: rain and snow between the scene and the camera.

The drops or flakes that look largest are drawn one by one, from the measured spectrum of sizes, with the length that
their fall during the exposure gives them and the blur that the aperture gives those nearer than the scene. All the
others are what they look like: a thin veil, by Koschmieder's law.
"""

import math
from dataclasses import dataclass
from typing import Final, NamedTuple, final

import torch
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
    per_image,
)
from mechaug.mechanisms.particles import (
    PIXEL_VARIANCE,
    Field,
    angular_size,
    check_count,
    coverage,
    disc_area,
    draw_particles,
    from_nothing,
    gaussian_of_disc,
    gaussian_of_path,
    sheared,
)
from mechaug.mechanisms.view import View
from mechaug.types import Image, PerImage, Seeds

RAIN_INTERCEPT: Final = 8000.0
"""N₀ of the spectrum of raindrops, m⁻³ mm⁻¹ (Marshall and Palmer, "The distribution of raindrops with size", 1948)."""

FLAKE_DENSITY: Final = 0.17
"""Density times diameter of dry snowflakes, kg/m²: our choice, after Holroyd (1971) to our knowledge."""

# Below these rates, mm/h, nothing was measured, and the spectrum of the rate itself is made fainter.
_DRIZZLE: Final = 0.1
_FLURRY: Final = 0.01

_MM_PER_H: Final = 1e-3 / 3600.0
_WATER: Final = 1000.0  # kg/m³


@parameters
class RainParams(Parameters):
    """The rain in front of each picture.

    Attributes:
        rate_mm_h: rain rate, mm/h.
        exposure_s: exposure time, seconds.
        wind_m_s: speed of the air across the view, positive to the right, m/s.
        distance_m: how far what is seen stands from the camera, and where it is focused, metres.
        f_number: focal length over aperture: how blurred near drops are.
        sky: linear light that drops send, the mean of their surroundings, white = 1.
        drops_seed: which drops, stored as a seed.
    """

    rate_mm_h: PerImage
    exposure_s: PerImage
    wind_m_s: PerImage
    distance_m: PerImage
    f_number: PerImage
    sky: PerImage
    drops_seed: Seeds


@final
@dataclass(frozen=True)
class Rain(Mechanism[RainParams]):
    """Streaks of near drops before a veil of far ones.

    Drops have diameters D of density N₀·exp(−ΛD), Λ = 4.1·R^−0.21 mm⁻¹, at R mm/h (Marshall and Palmer 1948), and fall
    at 9.65 − 10.3·exp(−0.6·D) m/s (Atlas, Srivastava and Sekhon 1973). A drop refracts the light of nearly everything
    around it (Garg and Nayar, "Vision and rain", 2007): it is a disc of π/4·D² that sends the light `sky` of its
    surroundings. The exposure draws it out to a streak of f·v·t/Z pixels, whose opacity is the time that the drop needs
    to pass, D/v, over the exposure time. Neither this nor the blur of the aperture changes its area. More rain makes
    the same drops larger and nearer. All streaks of a picture lean alike, as the mean drop does in the wind.

    The drops that are not drawn take the share 1 − exp(−β·distance) of the light and send the sky's instead, with
    β = 0.312·R^0.67 km⁻¹ (Weber et al., "A multiscale model for rain rendering in real-time", 2015, by way of the
    published code of Halder, Lalonde and de Charette, "Physics-based rendering for improving robustness to rain",
    2019). That is the extinction of all drops; the drawn ones are a few per cent of it and counted twice. Drops on the
    lens are `LensDrops`; wet ground and the dimmer light of a rainy day are not part of it.

    Args:
        rate_mm_h: law of the rain rate, mm/h. Light rain is up to 2.5, heavy rain over 10 (WMO: 7.6), a cloudburst 100.
        exposure_s: law of the exposure time, seconds.
        wind_m_s: law of the wind across the view, m/s.
        distance_m: law of the distance, metres.
        f_number: law of the f-number.
        sky: law of the surroundings' light, linear, white = 1.
        drops: how many drops are drawn, those that look largest; small pictures draw two per pixel of their longer
            side.
        view: the camera, which turns angles into pixels.

    Default prior: from light rain to a downpour, uniform in the logarithm, at a street's distances, in daylight,
    through the 50 mm lens of the default view. With another view the f-number should be that camera's.

    Raises:
        ValueError: `drops` is not at least 1, or a law is refused.
    """

    rate_mm_h: Law = quantity((1.0, 50.0), "mm/h", neutral=0.0, scale="log", low=0.0, high=1000.0, sweep=(2.0, 100.0))
    exposure_s: Law = quantity((1e-3, 1 / 60), "s", neutral=2e-3, scale="log", low=1e-6, high=60.0, held=2e-3)
    wind_m_s: Law = quantity((-4.0, 4.0), "m/s", neutral=0.0, low=-50.0, high=50.0, held=1.5)
    distance_m: Law = quantity((5.0, 50.0), "m", neutral=20.0, scale="log", low=0.1, high=1e6, held=20.0)
    f_number: Law = quantity((4.0, 16.0), "", neutral=11.0, scale="log", low=0.1, held=11.0)
    sky: Law = quantity((0.6, 1.0), "", neutral=0.9, low=0.0, held=0.9)
    drops: int = 128
    view: View = View()

    domain = "light"
    structure = "none"
    overlaps = ("snow", "spatter", "fog", "contrast", "lines")

    def __post_init__(self) -> None:
        check_laws(self)
        check_count("Rain", "drops", self.drops)

    def sample(self, key: Key) -> RainParams:
        return RainParams(**draw_quantities(self, key), drops_seed=key.fold("Rain").fold("drops_seed").seed())

    def neutral(self, batch: int) -> RainParams:
        return RainParams(**neutral_quantities(self, batch), drops_seed=torch.zeros(batch, dtype=torch.int64))

    def transform(self, x: Image, params: RainParams) -> Image:
        rate, share = from_nothing(params.rate_mm_h, _DRIZZLE)
        slope = 4.1e3 * rate**-0.21  # per metre
        # ∫N₀·exp(−ΛD)·D³ dD, with N₀ per metre instead of millimetre.
        air = _Air(slope, 6 * RAIN_INTERCEPT * 1e3 / slope**4, share, params.wind_m_s, params.exposure_s)
        covered = _covered(x, params.drops_seed, self.drops, self.view, air, params.f_number, params.distance_m)
        depth = share * 0.312e-3 * rate**0.67 * params.distance_m
        return _veiled(x, covered, depth, params.sky)


@parameters
class SnowParams(Parameters):
    """The falling snow in front of each picture.

    Attributes:
        rate_mm_h: snowfall as water, mm/h.
        flake_mm: mean diameter of the flakes one sees, that is weighted by volume, millimetres.
        fall_m_s: speed at which they fall, m/s.
        wind_m_s: speed of the air across the view, positive to the right, m/s.
        exposure_s: exposure time, seconds.
        distance_m: how far what is seen stands from the camera, and where it is focused, metres.
        f_number: focal length over aperture: how blurred near flakes are.
        sky: linear light that flakes send, white = 1.
        flakes_seed: which flakes, stored as a seed.
    """

    rate_mm_h: PerImage
    flake_mm: PerImage
    fall_m_s: PerImage
    wind_m_s: PerImage
    exposure_s: PerImage
    distance_m: PerImage
    f_number: PerImage
    sky: PerImage
    flakes_seed: Seeds


@final
@dataclass(frozen=True)
class Snow(Mechanism[SnowParams]):
    """Near flakes, sharp or out of focus, before a veil of far ones.

    Flakes have diameters of density N₀·exp(−ΛD), Λ = 4/flake_mm, and the density 0.17 kg/m² over D, a choice for dry
    aggregates. So a rate of S (as water, at the density ρ) falling at v needs N₀ = 3·ρ·S·Λ³/(π·0.17·v), and
    extinguishes β = 3·ρ·S/(0.17·v): whatever the size of the flakes, 1 mm/h at 1 m/s leaves 5 % of contrast at 600 m.
    Observed visibilities at one rate vary by factors of 3 to 10 with the kind of snow (Rasmussen et al., "The
    estimation of snowfall rate using visibility", 1999, who derive such laws for dry and wet aggregates).

    A flake is an opaque white disc of the light of the `sky`, spread by its motion and by the aperture as a raindrop is
    (see `Rain`). Snow on the ground is not part of it.

    Args:
        rate_mm_h: law of the snowfall as water, mm/h. Over 2.5 is heavy snow; 1 makes about 1 cm an hour on the ground.
        flake_mm: law of the flakes' mean diameter, weighted by volume, millimetres.
        fall_m_s: law of the speed of fall, m/s.
        wind_m_s: law of the wind across the view, m/s.
        exposure_s: law of the exposure time, seconds.
        distance_m: law of the distance, metres.
        f_number: law of the f-number.
        sky: law of the flakes' light, linear, white = 1.
        flakes: how many flakes are drawn, those that look largest; small pictures draw two per pixel of their longer
            side.
        view: the camera, which turns angles into pixels.

    Default prior: from light to heavy snow, uniform in the logarithm, falling at 0.7 to 1.6 m/s as dry aggregates do
    (Locatelli and Hobbs 1974), at a street's distances, in daylight.

    Raises:
        ValueError: `flakes` is not at least 1, or a law is refused.
    """

    rate_mm_h: Law = quantity((0.2, 4.0), "mm/h", neutral=0.0, scale="log", low=0.0, high=100.0, sweep=(0.3, 10.0))
    flake_mm: Law = quantity((2.0, 8.0), "mm", neutral=4.0, scale="log", low=0.1, high=100.0, held=4.0)
    fall_m_s: Law = quantity((0.7, 1.6), "m/s", neutral=1.0, low=0.1, high=20.0, held=1.0)
    wind_m_s: Law = quantity((-2.0, 2.0), "m/s", neutral=0.0, low=-50.0, high=50.0, held=0.7)
    exposure_s: Law = quantity((1e-3, 1 / 60), "s", neutral=2e-3, scale="log", low=1e-6, high=60.0, held=2e-3)
    distance_m: Law = quantity((5.0, 50.0), "m", neutral=20.0, scale="log", low=0.1, high=1e6, held=20.0)
    f_number: Law = quantity((4.0, 16.0), "", neutral=11.0, scale="log", low=0.1, held=11.0)
    sky: Law = quantity((0.7, 1.0), "", neutral=0.9, low=0.0, held=0.9)
    flakes: int = 128
    view: View = View()

    domain = "light"
    structure = "none"
    overlaps = ("snow", "fog", "contrast", "sparkles")

    def __post_init__(self) -> None:
        check_laws(self)
        check_count("Snow", "flakes", self.flakes)

    def sample(self, key: Key) -> SnowParams:
        return SnowParams(**draw_quantities(self, key), flakes_seed=key.fold("Snow").fold("flakes_seed").seed())

    def neutral(self, batch: int) -> SnowParams:
        return SnowParams(**neutral_quantities(self, batch), flakes_seed=torch.zeros(batch, dtype=torch.int64))

    def transform(self, x: Image, params: SnowParams) -> Image:
        rate, share = from_nothing(params.rate_mm_h, _FLURRY)
        slope = 4e3 / params.flake_mm  # per metre
        # β = ∫N·2·π/4·D² dD = π·N₀/Λ³, because large particles extinguish twice their area (and half of it is spread by
        # so little that a camera does not see it go); from it ∫N·D³ dD = 6·N₀/Λ⁴.
        extinction = 3 * _WATER * _MM_PER_H * rate / (FLAKE_DENSITY * params.fall_m_s)
        air = _Air(slope, 6 / math.pi * extinction / slope, share, params.wind_m_s, params.exposure_s, params.fall_m_s)
        covered = _covered(x, params.flakes_seed, self.flakes, self.view, air, params.f_number, params.distance_m)
        return _veiled(x, covered, share * extinction * params.distance_m, params.sky)


def drop_speed(diameter_m: Tensor) -> Tensor:
    """Terminal speed of raindrops, m/s: 9.65 − 10.3·exp(−0.6·D/mm) (Atlas, Srivastava and Sekhon 1973).

    The fit would let drops below 0.11 mm rise; those fall here at the 0.5 m/s of 0.2 mm.
    """
    return 9.65 - 10.3 * torch.exp(-600.0 * diameter_m.clamp(min=2e-4))


class _Air(NamedTuple):
    """What falls, per image, and how; `fall_m_s` None: as fast as raindrops of its size do. All in metres."""

    slope: PerImage
    volume_share: PerImage
    fading: PerImage
    wind_m_s: PerImage
    exposure_s: PerImage
    fall_m_s: PerImage | None = None

    def fall(self, diameter: Tensor) -> Tensor:
        return drop_speed(diameter) if self.fall_m_s is None else self.fall_m_s[:, None]


def _covered(
    x: Image, seed: Seeds, count: int, view: View, air: _Air, f_number: PerImage, distance_m: PerImage
) -> Field:
    """The share of each pixel that the particles which look largest cover during the exposure, at most 1."""
    height, width = x.shape[-2:]
    focal_px = view.focal_px(width)
    particles = draw_particles(seed, min(count, 2 * max(height, width)), x.dtype)
    size = angular_size(particles.order, air.volume_share.to(x.dtype), height * width / focal_px**2)
    diameter = particles.volume / air.slope[:, None]
    near = diameter / size
    # What is behind the scene is not seen; over the last fifth of the way it fades, so that slopes exist.
    ahead = 1 - near / distance_m[:, None]
    seen = (ahead * 5).clamp(0.0, 1.0) * air.fading[:, None]
    # Focused on the scene, the aperture looks like a disc of this diameter at the particle's place.
    aperture = 1e-3 * view.focal_length_mm / f_number[:, None]
    blur = gaussian_of_disc(diameter) + gaussian_of_disc(aperture * ahead.clamp(min=0.0))
    fall, wind = air.fall(diameter) * air.exposure_s[:, None], (air.wind_m_s * air.exposure_s)[:, None]
    lean = _lean(air, aperture)
    scale = (focal_px / near).square()
    variance_y = scale * (blur + gaussian_of_path(fall)) + PIXEL_VARIANCE
    variance_x = scale * (blur * (1 + lean.square()) + gaussian_of_path(wind - lean * fall)) + PIXEL_VARIANCE
    upright = coverage(
        particles.across,
        particles.down,
        variance_x.to(x.dtype),
        variance_y.to(x.dtype),
        (disc_area(focal_px * size) * seen).to(x.dtype),
        (height, width),
    )
    return sheared(upright, lean.squeeze(-1).to(x.dtype)).clamp(max=1.0)


def _lean(air: _Air, aperture: Tensor) -> Tensor:
    """Columns per row by which the picture of the mean particle leans, shape (b, 1).

    The regression of its covariance: that of a disc, and along the path that of the path. A long streak leans as the
    wind does, a round flake does not lean at all.
    """
    diameter = 4 / air.slope[:, None]
    fall, wind = air.fall(diameter) * air.exposure_s[:, None], (air.wind_m_s * air.exposure_s)[:, None]
    disc = gaussian_of_disc(diameter) + gaussian_of_disc(aperture)
    return wind * fall / 12 / (disc + gaussian_of_path(fall))


def _veiled(x: Image, covered: Field, optical_depth: PerImage, sky: PerImage) -> Image:
    """Light after the far particles' veil and the near ones before it, both of the sky's light."""
    passing = torch.exp(-optical_depth)[:, None, None, None].to(x.dtype)
    veil = 1 - passing + passing * covered[:, None]
    return torch.lerp(x, per_image(sky).to(x.dtype).expand_as(x), veil)

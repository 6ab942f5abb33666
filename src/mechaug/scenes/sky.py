"""The sky: from the hour to the light on the ground, and to its colour.

hour_h, day_of_year ──► sun_elevation_deg ──► clear_sky_lux ──► daylight_lux
                                      cloud_cover ──► cloud_share ──┘   ▲
                                 visibility_m ──► fog_share ────────────┘
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, final

import torch

from mechaug.scenes.relations import Lookup, Power, Quantiles, Relation, Sometimes, Units, Values
from mechaug.scenes.variable import Variable, VariableLaw


@final
@dataclass(frozen=True)
class SunElevation(Relation):
    """The sun's height over the horizon, from the solar hour and the day of the year.

    sin h = sin φ · sin δ + cos φ · cos δ · cos(15°·(hour − 12)). On day n the declination is
    δ = 23.45°·sin(360°·(284 + n)/365) (Cooper, "The absorption of radiation in solar stills", Solar Energy 12, 1969).

    Args:
        latitude_deg: φ, north is positive.
    """

    latitude_deg: float = 45.0

    def __post_init__(self) -> None:
        if not -90 <= self.latitude_deg <= 90:
            raise ValueError(f"SunElevation(latitude_deg=…) lies between −90 and 90 degrees, not {self.latitude_deg!r}")

    def units(self) -> Units:
        """Hours and days to degrees."""
        return Units(("h", "d"), "°")

    def value(self, parents: Sequence[Values], noise: Values) -> Values:
        """Degrees over the horizon."""
        del noise
        hour, day = parents
        latitude = math.radians(self.latitude_deg)
        declination = math.radians(23.45) * torch.sin(2 * math.pi * (284 + day) / 365)
        turned = torch.cos(math.pi / 12 * (hour - 12))
        sine = math.sin(latitude) * declination.sin() + math.cos(latitude) * declination.cos() * turned
        return torch.rad2deg(torch.asin(sine.clamp(-1.0, 1.0)))


# Twilight: Seidelmann (ed.), "Explanatory supplement to the astronomical almanac", 1992: 3.4 lux at the end of civil
# and 0.008 at the end of nautical twilight. A moonless sky is below that; a quarter moon is taken as the least.
# Day: IES clear sky (Gillette, Pierpoint and Treado, J. IES 13, 1984): 127.5·exp(−0.21/sin h)·sin h + 0.8 +
# 15.5·√sin h kilolux.
_CLEAR: Final = Lookup(
    at=(-12.0, -6.0, -0.8, 5.0, 10.0, 20.0, 30.0, 45.0, 60.0, 75.0, 90.0),
    values=(0.01, 3.4, 500.0, 6.4e3, 13.9e3, 33.5e3, 53.6e3, 80.8e3, 102e3, 115e3, 120e3),
    spread=0.1,
    scale="log",
)

# 1 − 0.75·N^3.4 of the clear sky's light passes a cloud cover N (Kasten and Czeplak, Solar Energy 24, 1980).
_CLOUDS: Final = Lookup(
    at=(0.0, 0.25, 0.5, 0.75, 0.9, 1.0), values=(1.0, 0.993, 0.929, 0.718, 0.476, 0.25), spread=0.15, scale="log"
)

# Cover is U-shaped over land: clear and overcast skies are the most frequent, 55 % in the mean (Warren et al., "Global
# distribution of total cloud cover over land", NCAR 1986).
_COVER: Final = Quantiles((0.0, 0.03, 0.2, 0.5, 0.8, 0.97, 1.0, 1.0))

# Two streams through a scattering layer: 1 / (1 + 0.75·(1 − g)·τ), with asymmetry g = 0.85, τ = 2.996·150 m /
# visibility for a fog of 150 m (Bohren, "Multiple scattering of light and some of its observable consequences", Am. J.
# Phys. 55, 1987).
_FOG_VISIBILITIES: Final = (20.0, 50.0, 100.0, 200.0, 500.0, 1000.0, 10000.0, 1e6)
_FOG: Final = Lookup(
    at=_FOG_VISIBILITIES,
    values=tuple(1 / (1 + 0.75 * 0.15 * 2.996 * 150 / visibility) for visibility in _FOG_VISIBILITIES),
    at_scale="log",
)

# By light: street lamps of 3000 K and less; the blue of twilight between; a low sun of 4500 K; day at 5500 to 6500 K
# (daylight of Granada measured by Hernández-Andrés et al., J. Opt. Soc. Am. A 18, 2001; lamps as in ANSI C78.377).
LIGHT_COLOUR: Final = Lookup(
    at=(1.0, 15.0, 60.0, 300.0, 2000.0, 1e4, 1e5),
    values=(380.0, 340.0, 250.0, 150.0, 200.0, 165.0, 178.0),
    spread=20.0,
    at_scale="log",
)
"""Mired of the light outdoors against its illuminance in lux."""

# By light: lamps of 2700 to 4000 K until windows or the sky add more (EN 12464-1 asks for 100 to 750 lux of them).
MIXED_COLOUR: Final = Lookup(
    at=(5.0, 100.0, 500.0, 2000.0, 1e4, 1e5), values=(370.0, 320.0, 270.0, 200.0, 165.0, 178.0), spread=30.0,
    at_scale="log",
)  # fmt: skip
"""The same where pictures are taken indoors too."""


def daylight(hour_h: VariableLaw, *, latitude_deg: float, fog_share: float) -> tuple[Variable, ...]:
    """The variables from the hour to `daylight_lux`, and the air's `visibility_m`.

    Fog, a visibility below 1 km, happens to a share of the pictures, uniform in its logarithm from 50 m; all other air
    is clear at the distances of a picture (WMO-No. 8, part I, chapter 9).

    Args:
        hour_h: law of the solar hour.
        latitude_deg: of the place.
        fog_share: how often there is fog, 0 to 1.
    """
    return (
        Variable("hour_h", "h", hour_h, low=0.0, high=24.0),
        Variable("day_of_year", "d", (1.0, 365.0), low=1.0, high=366.0),
        Variable("sun_elevation_deg", "°", SunElevation(latitude_deg), ("hour_h", "day_of_year"), low=-90.0, high=90.0),
        Variable("clear_sky_lux", "lux", _CLEAR, ("sun_elevation_deg",), scale="log", low=1e-3),
        Variable("cloud_cover", "", _COVER, low=0.0, high=1.0),
        Variable("cloud_share", "", _CLOUDS, ("cloud_cover",), low=0.01, high=1.0),
        Variable("visibility_m", "m", Sometimes(fog_share, (50.0, 1000.0), math.inf, "log"), scale="log", low=1.0),
        Variable("fog_share", "", _FOG, ("visibility_m",), low=0.01, high=1.0),
        Variable(
            "daylight_lux", "lux", Power((1.0, 1.0, 1.0)), ("clear_sky_lux", "cloud_share", "fog_share"), scale="log",
            low=1e-3,
        ),
    )  # fmt: skip

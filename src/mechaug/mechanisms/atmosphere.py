"""Atmosphere: the air between the scene and the camera."""

import math
from dataclasses import dataclass
from typing import Final, final

import torch

from mechaug.keys import Key
from mechaug.laws import Law, quantity
from mechaug.mechanisms.base import (
    Parameters,
    Semigroup,
    check_laws,
    draw_quantities,
    neutral_quantities,
    parameters,
    per_image,
)
from mechaug.types import Image, PerImage

CONTRAST_AT_VISIBILITY: Final = 0.05
"""The contrast that is left at the meteorological optical range, by its definition (WMO-No. 8, part I, chapter 9)."""


@parameters
class HazeParams(Parameters):
    """The air in front of each picture.

    Attributes:
        visibility_m: meteorological optical range, metres; infinity is clear air.
        distance_m: how far what is seen stands from the camera, metres.
        airlight: linear light that the air itself sends, white = 1.
    """

    visibility_m: PerImage
    distance_m: PerImage
    airlight: PerImage


@final
@dataclass(frozen=True)
class Haze(Semigroup[HazeParams]):
    """Koschmieder's law: light J becomes J·t + A·(1 − t).

    The transmittance is t = exp(−β·distance) with β = 2.996 / visibility, one distance for the whole picture. Layers of
    air multiply their transmittances: a semigroup, because nothing takes haze away (Koschmieder, "Theorie der
    horizontalen Sichtweite", 1924).

    Args:
        visibility_m: law of the meteorological optical range, metres; below 1,000 m it is called fog.
        distance_m: law of the distance, metres.
        airlight: law of the airlight, linear, white = 1.

    Default prior: visibilities from dense fog to light haze, uniform in their logarithm, at a street's distances.
    """

    visibility_m: Law = quantity((50.0, 2000.0), "m", neutral=math.inf, scale="log", low=0.1, sweep=(1000.0, 60.0))
    distance_m: Law = quantity((10.0, 100.0), "m", neutral=50.0, scale="log", low=0.0, high=1e6, held=50.0)
    airlight: Law = quantity((0.6, 1.0), "", neutral=0.8, low=0.0, held=0.8)

    domain = "light"
    structure = "semigroup"
    overlaps = ("fog", "contrast")

    def __post_init__(self) -> None:
        check_laws(self)

    def sample(self, key: Key) -> HazeParams:
        return HazeParams(**draw_quantities(self, key))

    def neutral(self, batch: int) -> HazeParams:
        return HazeParams(**neutral_quantities(self, batch))

    def transform(self, x: Image, params: HazeParams) -> Image:
        transmittance = per_image(torch.exp(-_optical_depth(params))).to(x.dtype)
        airlight = per_image(params.airlight).to(x.dtype)
        return x * transmittance + airlight * (1 - transmittance)

    def compose(self, first: HazeParams, second: HazeParams) -> HazeParams:
        depth1, depth2 = _optical_depth(first), _optical_depth(second)
        behind = -torch.expm1(-depth1) * torch.exp(-depth2)
        before = -torch.expm1(-depth2)
        shared = behind + before
        # Where both layers are clear air there is no airlight to average, and any value serves.
        airlight = (first.airlight * behind + second.airlight * before) / shared.clamp(min=1e-30)
        distance, depth = torch.where(depth1 > 0, first.distance_m, second.distance_m), depth1 + depth2
        visibility = -math.log(CONTRAST_AT_VISIBILITY) * distance / depth.clamp(min=1e-30)
        return HazeParams(
            visibility_m=torch.where(depth > 0, visibility, math.inf),
            distance_m=distance,
            airlight=torch.where(shared > 0, airlight, first.airlight),
        )


def _optical_depth(params: HazeParams) -> PerImage:
    """Extinction times distance, β·d: a pure number."""
    return -math.log(CONTRAST_AT_VISIBILITY) * params.distance_m / params.visibility_m

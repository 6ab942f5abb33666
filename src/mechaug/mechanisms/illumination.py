"""Illumination: how much light the picture is made of, of which colour, and from how near a lamp."""

import math
from dataclasses import dataclass
from typing import final

import torch

from mechaug.keys import Key
from mechaug.laws import Law, quantity
from mechaug.mechanisms.base import (
    Group,
    Mechanism,
    Parameters,
    check_laws,
    draw_quantities,
    neutral_quantities,
    parameters,
    per_image,
)
from mechaug.mechanisms.colour import BALANCED_MIRED, Locus, illuminant_matrix
from mechaug.mechanisms.warp import pixel_places
from mechaug.types import Image, PerImage


@parameters
class ExposureParams(Parameters):
    """`exposure_ev`: exposure values, each one twice the light."""

    exposure_ev: PerImage


@final
@dataclass(frozen=True)
class Exposure(Group[ExposureParams]):
    """More or less light: linear light times 2^EV, the multiplicative group of gains.

    Light above white is kept for the mechanisms behind it and clipped where the picture is made (ISO 2720 defines EV).

    Args:
        exposure_ev: law of the exposure relative to the picture's own, EV.

    Default prior: −3 to +2 EV: an exposure programme's residual error, with under-exposure in poor light.
    """

    exposure_ev: Law = quantity((-3.0, 2.0), "EV", neutral=0.0, sweep=(-4.0, 3.0))

    domain = "light"
    structure = "group"
    overlaps = ("brightness",)

    def __post_init__(self) -> None:
        check_laws(self)

    def sample(self, key: Key) -> ExposureParams:
        return ExposureParams(**draw_quantities(self, key))

    def neutral(self, batch: int) -> ExposureParams:
        return ExposureParams(**neutral_quantities(self, batch))

    def transform(self, x: Image, params: ExposureParams) -> Image:
        return x * per_image(torch.exp2(params.exposure_ev)).to(x.dtype)

    def compose(self, first: ExposureParams, second: ExposureParams) -> ExposureParams:
        return ExposureParams(exposure_ev=first.exposure_ev + second.exposure_ev)

    def inverse(self, params: ExposureParams) -> ExposureParams:
        return ExposureParams(exposure_ev=-params.exposure_ev)


@parameters
class IlluminantParams(Parameters):
    """The light that each picture is seen under.

    Attributes:
        mired: 10⁶ / correlated colour temperature in kelvin: small is blue, large is orange.
        tint_duv: distance from the locus in the CIE 1960 diagram, Duv: positive is greenish, negative pinkish.
    """

    mired: PerImage
    tint_duv: PerImage


@final
@dataclass(frozen=True)
class Illuminant(Mechanism[IlluminantParams]):
    """The picture under light of another colour, its white balance left where it was, at D65.

    Cone responses in Bradford's space are multiplied by those to the new light over those to the reference, and the
    whole scaled so that white keeps its luminance. The reference is the locus's own light of 6504 K: that is D65 itself
    for "daylight", while the black body lies 0.003 below it, and takes D65's place so that only the difference counts.
    What falls outside the colours of sRGB is clipped at 0.

    All these matrices commute, as they are diagonal in one basis; but the colours of a locus are not closed under
    multiplication, so that shifts in mired add only roughly: no group.

    Args:
        mired: law of 10⁶/kelvin.
        tint_duv: law of the distance from the locus, Duv.
        locus: "planckian" for black bodies; "daylight" for the phases of daylight, which give way to black bodies from
            5000 K to 4000 K, below which there is no daylight.

    Default prior: uniform in mired, in which equal steps look about equal, from blue sky (10,000 K) to a candle
    (2500 K); the tint that white lamps are allowed (ANSI C78.377).

    Raises:
        ValueError: `locus` is none of these; `transform` is given images that have not 3 channels.
    """

    mired: Law = quantity((100.0, 400.0), "mired", neutral=BALANCED_MIRED, low=40.0, high=599.0, sweep=(100.0, 400.0))
    tint_duv: Law = quantity((-0.006, 0.006), "Duv", neutral=0.0, low=-0.05, high=0.05, sweep=(-0.02, 0.02))
    locus: Locus = "daylight"

    domain = "light"
    structure = "none"

    def __post_init__(self) -> None:
        check_laws(self)
        if self.locus not in ("planckian", "daylight"):
            raise ValueError(f'Illuminant(locus=…) is "planckian" or "daylight", not {self.locus!r}')

    def sample(self, key: Key) -> IlluminantParams:
        return IlluminantParams(**draw_quantities(self, key))

    def neutral(self, batch: int) -> IlluminantParams:
        return IlluminantParams(**neutral_quantities(self, batch))

    def transform(self, x: Image, params: IlluminantParams) -> Image:
        if x.shape[1] != 3:
            raise ValueError(f"Illuminant takes pictures of 3 channels, not {x.shape[1]}: grey has no colour to change")
        coloured = torch.bmm(illuminant_matrix(params.mired, params.tint_duv, self.locus).to(x.dtype), x.flatten(2))
        return coloured.relu_().unflatten(2, x.shape[2:])


@parameters
class FalloffParams(Parameters):
    """Where the lamp stands.

    Attributes:
        lamp_distance_widths: from the scene's centre, in widths of the picture; infinity lights all of it alike.
        direction_deg: from the centre towards the lamp, in the picture: 0 is right, 90 is up.
        incidence_deg: angle between its light and the line of sight at the centre: 0 is a lamp at the camera.
    """

    lamp_distance_widths: PerImage
    direction_deg: PerImage
    incidence_deg: PerImage


@final
@dataclass(frozen=True)
class Falloff(Mechanism[FalloffParams]):
    """A lamp so near that it lights one side more: irradiance falls as the cosine over the square of the distance.

    The scene is a plane that faces the camera, and the lamp a point before it at distance D from its centre, in the
    direction of the unit vector l. A point at p from the centre gets (1 − 2·l·p/D + p²/D²)^(−3/2) of the light at the
    centre, which keeps its exposure: the inverse square of its distance times the cosine at which the light arrives.

    Args:
        lamp_distance_widths: law of the lamp's distance, widths of the picture.
        direction_deg: law of the direction towards it, degrees.
        incidence_deg: law of the angle at which it stands off the line of sight, degrees.

    Default prior: from a desk lamp or a flash at arm's length, one picture width away, to a room's lamps, at any angle
    that photographers light from (up to 60°).
    """

    lamp_distance_widths: Law = quantity(
        (1.0, 10.0), "widths", neutral=math.inf, scale="log", low=0.1, sweep=(8.0, 0.8)
    )
    direction_deg: Law = quantity((0.0, 360.0), "°", neutral=0.0, held=135.0)
    incidence_deg: Law = quantity((0.0, 60.0), "°", neutral=0.0, low=0.0, high=85.0, held=45.0)

    domain = "light"
    structure = "none"
    overlaps = ("brightness",)

    def __post_init__(self) -> None:
        check_laws(self)

    def sample(self, key: Key) -> FalloffParams:
        return FalloffParams(**draw_quantities(self, key))

    def neutral(self, batch: int) -> FalloffParams:
        return FalloffParams(**neutral_quantities(self, batch))

    def transform(self, x: Image, params: FalloffParams) -> Image:
        nearness = (1 / params.lamp_distance_widths).to(x.dtype)[:, None]
        direction, incidence = (
            torch.deg2rad(angle).to(x.dtype)[:, None] for angle in (params.direction_deg, params.incidence_deg)
        )
        height, width = x.shape[-2:]
        right, down = pixel_places(height, width, x)
        right, down = nearness * right, nearness * down
        aside = torch.sin(incidence)
        # The square of the distance in units of D is a column plus a row.
        across = 1 + right * (right - 2 * aside * torch.cos(direction))
        along = down * (down + 2 * aside * torch.sin(direction))
        over_distance = (across[:, None, None, :] + along[:, None, :, None]).rsqrt()
        return x * (over_distance.square() * over_distance)

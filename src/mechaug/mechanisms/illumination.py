"""Illumination: how much light the picture is made of."""

from dataclasses import dataclass
from typing import final

import torch

from mechaug.keys import Key
from mechaug.laws import Law, quantity
from mechaug.mechanisms.base import (
    Group,
    Parameters,
    check_laws,
    draw_quantities,
    neutral_quantities,
    parameters,
    per_image,
)
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

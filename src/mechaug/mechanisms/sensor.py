"""Sensor: photons become electrons, electrons become numbers."""

import math
from dataclasses import dataclass
from typing import final

import torch

from mechaug.keys import Key, noise_field
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
from mechaug.types import Image, PerImage, Seeds


@parameters
class SensorParams(Parameters):
    """How many electrons make up each picture.

    Attributes:
        iso: sensitivity setting; doubling it halves the electrons at white.
        full_well_e: electrons at white at ISO 100, per pixel of the picture (binned pixels add up).
        read_noise_e: standard deviation of the read noise, electrons.
        noise_seed: the noise field, stored as its seed.
    """

    iso: PerImage
    full_well_e: PerImage
    read_noise_e: PerImage
    noise_seed: Seeds


@final
@dataclass(frozen=True)
class Sensor(Mechanism[SensorParams]):
    """Shot noise and read noise in electrons, after EMVA 1288.

    White holds W = full_well_e·100/iso electrons, and light x makes λ = x·W of them. Their number is Poisson and the
    read noise normal; both together are drawn from one standard normal field z by the Cornish–Fisher expansion

        e = λ + σ·z + λ/(6σ²)·(z² − 1),   σ² = λ + read_noise_e²,

    which has the mean of the sum, its variance to within 1/18 e⁻² and its third cumulant to within 1/27 e⁻³, and which
    is differentiable in the light and in every parameter. Light above white is clipped, as a full well is.

    Args:
        iso: law of the ISO setting.
        full_well_e: law of the electrons at white at ISO 100.
        read_noise_e: law of the read noise, electrons.

    Default prior: ISO 100 to 6400, uniform in its logarithm, on a small pixel (6,000 e⁻, read noise 3 e⁻).
    """

    iso: Law = quantity((100.0, 6400.0), "ISO", neutral=100.0, scale="log", low=0.0, sweep=(400.0, 25600.0))
    full_well_e: Law = quantity(6000.0, "e⁻", neutral=math.inf, scale="log", low=1.0, held=6000.0)
    read_noise_e: Law = quantity(3.0, "e⁻", neutral=0.0, low=0.0, held=3.0)

    domain = "light"
    structure = "none"
    overlaps = ("gaussian_noise", "shot_noise")

    def __post_init__(self) -> None:
        check_laws(self)

    def sample(self, key: Key) -> SensorParams:
        return SensorParams(**draw_quantities(self, key), noise_seed=key.fold("Sensor").fold("noise_seed").seed())

    def neutral(self, batch: int) -> SensorParams:
        return SensorParams(**neutral_quantities(self, batch), noise_seed=torch.zeros(batch, dtype=torch.int64))

    def transform(self, x: Image, params: SensorParams) -> Image:
        # Everything is divided by W, so that an infinite full well is simply free of noise.
        per_electron = per_image(params.iso / (100 * params.full_well_e)).to(x.dtype)
        read = per_image(params.read_noise_e).to(x.dtype)
        light = x.clamp(0.0, 1.0)
        read_share = read.square() * per_electron
        # The small numbers keep slopes finite where there is neither light nor noise: in the root one far below any
        # grey level, in the quotient a hundredth of an electron.
        sigma = torch.sqrt((light + read_share) * per_electron + 1e-14)
        skew = per_electron / 6 * light / (light + read_share + 0.01 * per_electron + 1e-30)
        z = noise_field(params.noise_seed, list(x.shape[1:])).to(x.dtype)
        return (light + sigma * z + skew * (z.square() - 1)).clamp(0.0, 1.0)

"""Mixed light: a scene lit by several lamps, each of its colour and on its part of the scene."""

from dataclasses import dataclass
from typing import final

import torch

from mechaug.keys import Key
from mechaug.laws import Law, quantity
from mechaug.mechanisms.base import (
    Mechanism,
    Parameters,
    check_laws,
    draw_quantities,
    neutral_quantities,
    parameters,
)
from mechaug.mechanisms.waves import natural_light
from mechaug.types import Image, PerImage, Seeds


@parameters
class MixedLightParams(Parameters):
    """The light on each scene.

    Attributes:
        contrast: standard deviation of the natural logarithm of the light that falls on the scene.
        colour: how far red, green and blue differ in it, in units of what they share.
        finest_cycles: cycles over the picture's width of its finest detail.
        light_seed: which light it is, stored as a seed.
    """

    contrast: PerImage
    colour: PerImage
    finest_cycles: PerImage
    light_seed: Seeds


@final
@dataclass(frozen=True)
class MixedLight(Mechanism[MixedLightParams]):
    """Light that falls unevenly and in several colours: lamps beside a window, a stage, neon, dappled shade.

    Light x becomes x·L, and L has the mean 1 in every channel. Scenes with one light source are the exception
    (Gijsenij, Lu and Gevers, "Color constancy for multiple light sources", IEEE Trans. Image Processing 21, 2012). L is
    given by its statistics: log-normal, with equal power in every octave up to `finest_cycles`; see `natural_light`.

    Args:
        contrast: law of the standard deviation of ln L.
        colour: law of how far the channels of ln L differ, in units of what they share; 0 is grey light, and at 3 they
            have a tenth in common.
        finest_cycles: law of the finest detail, cycles over the picture's width: soft lamps to dappled shade.

    Default prior: from a room with two windows to a stage, where one part has some ten times the light of another and
    another colour. The ranges are assumptions.
    """

    contrast: Law = quantity((0.1, 0.9), "", neutral=0.0, low=0.0, high=3.0, sweep=(0.1, 0.9))
    colour: Law = quantity((0.2, 3.0), "", neutral=0.0, scale="log", low=0.0, high=100.0, held=1.0)
    finest_cycles: Law = quantity((2.0, 12.0), "/width", neutral=4.0, scale="log", low=0.5, high=64.0, held=4.0)

    domain = "light"
    structure = "none"
    overlaps = ("brightness", "brownish_noise", "plasma_noise", "perlin_noise")

    def __post_init__(self) -> None:
        check_laws(self)

    def sample(self, key: Key) -> MixedLightParams:
        seed = key.fold("MixedLight").fold("light_seed").seed()
        return MixedLightParams(**draw_quantities(self, key), light_seed=seed)

    def neutral(self, batch: int) -> MixedLightParams:
        return MixedLightParams(**neutral_quantities(self, batch), light_seed=torch.zeros(batch, dtype=torch.int64))

    def transform(self, x: Image, params: MixedLightParams) -> Image:
        return x * natural_light(
            params.light_seed, x, contrast=params.contrast, finest=params.finest_cycles, colour=params.colour
        )

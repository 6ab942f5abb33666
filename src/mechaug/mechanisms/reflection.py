"""Reflections: the scene before a pane of glass, seen in it over the scene behind."""

from dataclasses import dataclass
from typing import Final, final

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
from mechaug.mechanisms.waves import natural_light
from mechaug.types import Image, PerImage, Seeds

GLASS: Final = 1.52
"""Refractive index of window glass (soda-lime, at 589 nm)."""

GREY: Final = 0.18
"""Mean light of a scene as it is exposed for: of a grey card, in units of white."""

_FINEST: Final = 16.0
"""Cycles over the picture's width of the finest detail that is reflected."""


def pane_reflectance(angle_deg: Tensor) -> Tensor:
    """What a pane of glass reflects of unpolarised light, by the angle of incidence in degrees below 90.

    Fresnel's equations at one surface give R_s and R_p; between two surfaces light goes to and fro, without
    interference, so that a pane reflects 2R/(1 + R) of each polarisation (Hecht, "Optics", 4.6 and 9.6).
    """
    cos = torch.cos(torch.deg2rad(angle_deg))
    inside = torch.sqrt(1 - (1 - cos.square()) / GLASS**2)
    across = ((cos - GLASS * inside) / (cos + GLASS * inside)).square()
    along = ((GLASS * cos - inside) / (GLASS * cos + inside)).square()
    return across / (1 + across) + along / (1 + along)


@parameters
class ReflectionParams(Parameters):
    """The reflection over each picture.

    Attributes:
        reflectance: share of the light that the pane reflects; it lets the rest pass.
        brighter_ev: how much brighter the reflected scene is than one that the camera is exposed for, EV.
        contrast: standard deviation of the natural logarithm of the reflected scene's light.
        blur_permille: standard deviation of its blur, being out of focus, in thousandths of the picture's width.
        colour: how far red, green and blue differ in it, in units of what they share.
        scene_seed: which scene is reflected, stored as a seed.
    """

    reflectance: PerImage
    brighter_ev: PerImage
    contrast: PerImage
    blur_permille: PerImage
    colour: PerImage
    scene_seed: Seeds


@final
@dataclass(frozen=True)
class Reflection(Mechanism[ReflectionParams]):
    """A window pane, a shop window or a windscreen: light x becomes (1 − R)·x + R·(light of the scene before it).

    The reflected scene is one by its statistics: its light is log-normal, with equal power in every octave; see
    `natural_light`. Its mean is 18 % of white times 2^brighter_ev.

    Args:
        reflectance: law of the share of light that is reflected; see `pane_reflectance`.
        brighter_ev: law of how much brighter the reflected scene is, EV.
        contrast: law of the standard deviation of the logarithm of its light.
        blur_permille: law of the blur's standard deviation, thousandths of the picture's width.
        colour: law of how far the channels differ, in units of what they share.

    Default prior: a pane seen at up to 70° (0.08 to 0.29); from a reflected scene as bright as the one behind to a
    sunlit street before a shaded room, 3 EV; the contrast of outdoor scenes, low to high; in focus to well out of it;
    little colour, as natural scenes have, where neon at night has 1 and more. The last four are assumptions.
    """

    reflectance: Law = quantity(
        (0.08, 0.29), "of the light", neutral=0.0, scale="log", low=0.0, high=1.0, sweep=(0.04, 0.4)
    )
    brighter_ev: Law = quantity((0.0, 3.0), "EV", neutral=0.0, low=-20.0, high=20.0, held=1.5)
    contrast: Law = quantity((0.5, 1.1), "", neutral=0.8, low=0.0, high=3.0, held=0.8)
    blur_permille: Law = quantity((0.0, 40.0), "permille", neutral=0.0, low=0.0, held=10.0)
    colour: Law = quantity(0.2, "", neutral=0.2, low=0.0, high=100.0)

    domain = "light"
    structure = "none"
    overlaps = ("fog", "frost", "contrast", "brownish_noise", "plasma_noise", "perlin_noise")

    def __post_init__(self) -> None:
        check_laws(self)

    def sample(self, key: Key) -> ReflectionParams:
        seed = key.fold("Reflection").fold("scene_seed").seed()
        return ReflectionParams(**draw_quantities(self, key), scene_seed=seed)

    def neutral(self, batch: int) -> ReflectionParams:
        return ReflectionParams(**neutral_quantities(self, batch), scene_seed=torch.zeros(batch, dtype=torch.int64))

    def transform(self, x: Image, params: ReflectionParams) -> Image:
        level = per_image(GREY * torch.exp2(params.brighter_ev)).to(x.dtype)
        seen = level * natural_light(
            params.scene_seed, x, contrast=params.contrast, finest=_FINEST, colour=params.colour,
            blur_permille=params.blur_permille,
        )  # fmt: skip
        return torch.lerp(x, seen, per_image(params.reflectance).to(x.dtype))

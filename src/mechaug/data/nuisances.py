"""The causal model behind the embedded signs: everything that changes a picture and not its meaning.

    hour_h ──► illuminance_lux ──► exposure_ev, white_level_e        distance_m ──► scale ──► shift_x, shift_y
       │            ▲
       │       cloud_cover ──► shadow_depth                          rotation_deg, yaw_deg, pitch_deg, fading,
       ▼            ▼                                                leaf_…, shadow_…, …_seed: without parents
       └───► illuminant_mired ◄── label (confounding only)

Every variable is a function of its parents and of one noise of its own, drawn by its own name: a change to one law
leaves the noises of all others as they were.
"""

import math
from typing import Final, final

import torch

from mechaug.keys import Key
from mechaug.mechanisms.base import Parameters, parameters
from mechaug.types import Labels, PerImage, Seeds

CLASS_COUNT: Final = 10

MIRED: Final = (100.0, 400.0)
"""The bluest and the warmest light, 10,000 K and 2,500 K."""

MIRED_JITTER: Final = 6.0
"""Standard deviation of an illuminant about the level to which confounding ties it; levels are 33 mired apart."""


@final
@parameters
class Nuisances(Parameters):
    """One row per image; `render` reads everything below the first four, which are only causes of the rest.

    Attributes:
        hour_h: solar time, 5 to 21.
        cloud_cover: 0 (clear) to 1 (overcast).
        illuminance_lux: on the ground.
        distance_m: from the camera to the sign.
        illuminant_mired: colour of the light, 100 (blue) to 400 (orange); 154 is neutral.
        exposure_ev: error of the camera's exposure, −2 to +1.
        white_level_e: electrons that a white point collects; the fewer, the noisier.
        scale: height of the plate over height of the picture, 0.55 to 0.95.
        shift_x: middle of the sign, right of the middle of the picture, in picture widths.
        shift_y: likewise, above the middle.
        rotation_deg: of the sign in the picture, counter-clockwise, −12 to 12.
        yaw_deg: of the sign about its vertical axis, −40 to 40.
        pitch_deg: about its horizontal axis, −15 to 15.
        fading: ageing of the pigments, 0 (new) to 1.
        leaf_area: of a leaf before the sign, over the area of the square around the plate, 0 (none) to 0.4.
        leaf_angle_deg: direction from the sign's middle in which the leaf lies, and the way it points.
        shadow_depth: part of the light that a cast shadow takes away, 0 to 0.8.
        shadow_angle_deg: direction of the shadow from its edge.
        shadow_offset: of the edge from the middle of the picture, in picture widths.
        background_seed: of the scene behind the sign.
        noise_seed: of the sensor's noise.
    """

    hour_h: PerImage
    cloud_cover: PerImage
    illuminance_lux: PerImage
    distance_m: PerImage
    illuminant_mired: PerImage
    exposure_ev: PerImage
    white_level_e: PerImage
    scale: PerImage
    shift_x: PerImage
    shift_y: PerImage
    rotation_deg: PerImage
    yaw_deg: PerImage
    pitch_deg: PerImage
    fading: PerImage
    leaf_area: PerImage
    leaf_angle_deg: PerImage
    shadow_depth: PerImage
    shadow_angle_deg: PerImage
    shadow_offset: PerImage
    background_seed: Seeds
    noise_seed: Seeds


def draw_nuisances(key: Key, labels: Labels, *, confounding: float = 0.0, reverse: bool = False) -> Nuisances:
    """Draw the nuisances of some images.

    Args:
        key: one per image.
        labels: class numbers; they matter only to confounded illuminants.
        confounding: probability that an image's illuminant is the one tied to its class, 0 to 1; every other draw
            is the same whatever it is.
        reverse: tie class 9 − k's illuminant to class k, as a test split does.

    Raises:
        ValueError: not one key per label, or a probability outside 0..1.
    """
    if key.shape != labels.shape:
        raise ValueError(f"draw_nuisances needs one key per label, not {tuple(key.shape)} and {tuple(labels.shape)}")
    if not 0.0 <= confounding <= 1.0:
        raise ValueError(f"confounding is a probability from 0 to 1, not {confounding}")

    def uniform(name: str, low: float, high: float) -> PerImage:
        return key.fold(name).uniform(low, high)

    def normal(name: str, std: float) -> PerImage:
        return key.fold(name).normal(0.0, std)

    hour_h = uniform("hour_h", 5.0, 21.0)
    sun = torch.sin(math.pi * (hour_h - 4.0) / 18.0)
    cloud_cover = uniform("cloud_cover", 0.0, 1.0)
    illuminance_lux = 1e5 * sun**2.5 * (1 - 0.9 * cloud_cover) * torch.exp(normal("illuminance_lux", 0.3))

    # A low sun is orange, an overcast sky is nearly neutral, and shade is blue.
    clear_mired = 182.0 + 420.0 * torch.exp(-sun / 0.25)
    sky_mired = torch.lerp(clear_mired, torch.full_like(clear_mired, 150.0), cloud_cover)
    illuminant_mired = sky_mired + normal("illuminant_mired", 25.0)
    tied = _tied_mired(labels, reverse) + normal("tied_mired", MIRED_JITTER)
    confounded = uniform("confounded", 0.0, 1.0) < confounding
    illuminant_mired = torch.where(confounded, tied, illuminant_mired).clamp(*MIRED)

    # Below 10,000 lux the exposure time of a moving camera is at its limit: amplification makes up for most of what is
    # missing, with noise, and the rest stays dark.
    missing_ev = torch.log2(1e4 / illuminance_lux).clamp(min=0.0)
    exposure_ev = (normal("exposure_ev", 0.6) - 0.3 * missing_ev).clamp(-2.0, 1.0)
    white_level_e = (1e4 * (illuminance_lux / 1e5) ** 0.8).clamp(40.0, 1e4)

    # The camera crops around the sign, but only in part for the distance.
    distance_m = torch.exp(uniform("distance_m", math.log(5.0), math.log(40.0)))
    scale = ((distance_m / 5.0) ** -0.3 * torch.exp(normal("scale", 0.08))).clamp(0.55, 0.95)
    room = (1.0 - scale) / 2 + 0.03
    return Nuisances(
        hour_h=hour_h,
        cloud_cover=cloud_cover,
        illuminance_lux=illuminance_lux,
        distance_m=distance_m,
        illuminant_mired=illuminant_mired,
        exposure_ev=exposure_ev,
        white_level_e=white_level_e,
        scale=scale,
        shift_x=room * uniform("shift_x", -1.0, 1.0),
        shift_y=room * uniform("shift_y", -1.0, 1.0),
        rotation_deg=uniform("rotation_deg", -12.0, 12.0),
        yaw_deg=uniform("yaw_deg", -40.0, 40.0),
        pitch_deg=uniform("pitch_deg", -15.0, 15.0),
        fading=uniform("fading", 0.0, 1.0) ** 2,
        leaf_area=uniform("leaf_area", -0.3, 0.4).clamp(min=0.0),
        leaf_angle_deg=uniform("leaf_angle_deg", 0.0, 360.0),
        shadow_depth=(1 - cloud_cover) * uniform("shadow_depth", 0.0, 0.8),
        shadow_angle_deg=uniform("shadow_angle_deg", 0.0, 360.0),
        shadow_offset=uniform("shadow_offset", -0.4, 0.4),
        background_seed=key.fold("background_seed").seed(),
        noise_seed=key.fold("noise_seed").seed(),
    )


def _tied_mired(labels: Labels, reverse: bool) -> PerImage:
    """The illuminant of each class under confounding: class k's is the k-th of ten evenly spaced levels."""
    level = CLASS_COUNT - 1 - labels if reverse else labels
    return MIRED[0] + (MIRED[1] - MIRED[0]) * level.float() / (CLASS_COUNT - 1)

"""Atmosphere: the air between the scene and the camera."""

import math
from dataclasses import dataclass
from typing import Final, Literal, final

import torch
from jaxtyping import Float
from torch import Tensor

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
from mechaug.mechanisms.view import View
from mechaug.mechanisms.warp import pixel_places
from mechaug.types import Image, PerImage

CONTRAST_AT_VISIBILITY: Final = 0.05
"""The contrast that is left at the meteorological optical range, by its definition (WMO-No. 8, part I, chapter 9)."""

_SKY_M: Final = 1e9
"""What counts as infinitely far, so that clear air before the sky is no infinity times nothing."""


@parameters
class HazeParams(Parameters):
    """The air in front of each picture.

    Attributes:
        visibility_m: meteorological optical range, metres; infinity is clear air.
        distance_m: how far what is seen stands from the camera, metres; the farthest of it where there is a ground.
        airlight: linear light that the air itself sends, white = 1.
    """

    visibility_m: PerImage
    distance_m: PerImage
    airlight: PerImage


@final
@dataclass(frozen=True)
class Haze(Semigroup[HazeParams]):
    """Koschmieder's law: light J becomes J·t + A·(1 − t).

    The transmittance is t = exp(−β·distance) with β = 2.996 / visibility. Layers of air multiply their transmittances:
    a semigroup, because nothing takes haze away (Koschmieder, "Theorie der horizontalen Sichtweite", 1924).

    How far away what a pixel shows is, along its ray, is one number for the whole picture, or a guess at its scene:

    - "flat": everything at `distance_m`.
    - "radial": a wall that faces the camera at `distance_m`. Rays to its sides are longer, by √(1 + r²/f²) at r from
      the picture's centre for the focal length f.
    - "ground": a level plain under a camera at `camera_height_m`. What is seen at y below the horizon lies
      camera_height_m·f/y ahead, up to that same wall at `distance_m`, which hides what is beyond.

    Layers compose exactly where transmittances do: with "flat" always, else pixel by pixel where both have the same
    airlight, and with "ground" the same distance too. Other layers compose to one that is right at the distance of the
    first.

    Args:
        visibility_m: law of the meteorological optical range, metres; below 1,000 m it is called fog.
        distance_m: law of the distance, metres.
        airlight: law of the airlight, linear, white = 1.
        depth: "flat", "radial" or "ground".
        camera_height_m: of the camera over the ground, metres.
        horizon: where it lies, a share of the picture's height from its top: the camera is level, so that it is 0.5 in
            a whole frame.
        view: gives the focal length.

    Default prior: visibilities from dense fog to light haze, uniform in their logarithm, at a street's distances.

    Raises:
        ValueError: `depth` is none of these, or the camera is not above the ground.
    """

    visibility_m: Law = quantity((50.0, 2000.0), "m", neutral=math.inf, scale="log", low=0.1, sweep=(1000.0, 60.0))
    distance_m: Law = quantity((10.0, 100.0), "m", neutral=50.0, scale="log", low=0.0, high=1e6, held=50.0)
    airlight: Law = quantity((0.6, 1.0), "", neutral=0.8, low=0.0, held=0.8)
    depth: Literal["flat", "radial", "ground"] = "flat"
    camera_height_m: float = 1.5
    horizon: float = 0.5
    view: View = View()

    domain = "light"
    structure = "semigroup"
    overlaps = ("fog", "contrast")

    def __post_init__(self) -> None:
        check_laws(self)
        if self.depth not in ("flat", "radial", "ground"):
            raise ValueError(f'Haze(depth=…) is "flat", "radial" or "ground", not {self.depth!r}')
        if not (0 < self.camera_height_m < math.inf and math.isfinite(self.horizon)):
            raise ValueError(
                "Haze: camera_height_m is greater than 0 and horizon a share of the height, both finite, "
                f"not {self.camera_height_m!r} and {self.horizon!r}"
            )

    def sample(self, key: Key) -> HazeParams:
        return HazeParams(**draw_quantities(self, key))

    def neutral(self, batch: int) -> HazeParams:
        return HazeParams(**neutral_quantities(self, batch))

    def transform(self, x: Image, params: HazeParams) -> Image:
        if self.depth == "flat":
            # A row of equal numbers: over a single one per image, `lerp` would take four times as long.
            transmittance = torch.exp(-_extinction(params) * params.distance_m).to(x.dtype)
            transmittance = per_image(transmittance).repeat(1, 1, 1, x.shape[-1])
            return torch.lerp(per_image(params.airlight).to(x.dtype), x, transmittance)
        ahead, obliquity = self._geometry(x, params)
        return koschmieder(x, per_image(_extinction(params)).to(x.dtype) * ahead * obliquity, params.airlight)

    def through(self, x: Image, params: HazeParams, depth_m: Float[Tensor, "b 1 h w"]) -> Image:
        """The light that is left of a scene whose distances are known.

        Args:
            x: light, shape (b, c, h, w).
            params: one row per image; its `distance_m` is not used.
            depth_m: how far each pixel's scene is along its ray, metres; infinite for the sky.

        Returns:
            Light of the same shape.
        """
        extinction = per_image(_extinction(params)).to(depth_m.dtype)
        return koschmieder(x, extinction * depth_m.clamp(max=_SKY_M), params.airlight)

    def distances_m(self, x: Image, params: HazeParams) -> Float[Tensor, "b 1 h w"]:
        """How far away what each pixel shows is taken to be, along its ray, metres.

        Args:
            x: gives height, width, dtype and device.
            params: one row per image.
        """
        if self.depth == "flat":
            return per_image(params.distance_m).to(x.dtype).expand(-1, 1, *x.shape[2:])
        ahead, obliquity = self._geometry(x, params)
        return ahead * obliquity

    def _geometry(self, x: Image, params: HazeParams) -> tuple[Float[Tensor, "b 1 y 1"], Float[Tensor, "1 1 h w"]]:
        """How far ahead of the camera the scene is, by row where rows differ, and how much longer each ray is."""
        height, width = x.shape[-2:]
        focal = self.view.focal_widths
        right, down = pixel_places(height, width, x)
        ahead = per_image(params.distance_m).to(x.dtype)
        if self.depth == "ground":
            # A level camera's axis points at the horizon.
            down = down + (0.5 - self.horizon) * height / width
            drop = self.camera_height_m * focal
            ahead = torch.minimum(ahead, drop / down.clamp(min=drop / _SKY_M)[:, None])
        return ahead, torch.sqrt(1 + (right.square() + down.square()[:, None]) / focal**2)[None, None]

    def compose(self, first: HazeParams, second: HazeParams) -> HazeParams:
        depth1, depth2 = (_extinction(params) * params.distance_m for params in (first, second))
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


def koschmieder(x: Image, optical_depth: Float[Tensor, "b 1 h w"], airlight: PerImage) -> Image:
    """Light after a way through air that dims it and adds light of its own: x·t + airlight·(1 − t), t = exp(−depth).

    Args:
        x: light, shape (b, c, h, w).
        optical_depth: extinction times distance per pixel, a pure number ≥ 0.
        airlight: linear, white = 1.

    Returns:
        Light of the same shape.
    """
    return torch.lerp(per_image(airlight).to(x.dtype), x, (-optical_depth).exp_().to(x.dtype))


def _extinction(params: HazeParams) -> PerImage:
    """The extinction coefficient β, per metre."""
    return -math.log(CONTRAST_AT_VISIBILITY) / params.visibility_m

"""Optics: what a lens of finite aperture does to light: blur out of focus, and less light off its axis."""

import math
from dataclasses import dataclass
from typing import Final, final

import torch
from jaxtyping import Float
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
)
from mechaug.mechanisms.blur import Blur
from mechaug.mechanisms.psf import largest_reach, needed_reach, normalised, offsets, variances, widened
from mechaug.mechanisms.view import View
from mechaug.mechanisms.warp import off_axis, pixel_places
from mechaug.types import Image, PerImage


@parameters
class DefocusParams(Parameters):
    """Where the lens is focused and how wide it is open.

    Attributes:
        f_number: focal length over aperture; infinity is a pinhole, which is never out of focus.
        focus_m: distance of what is sharp, metres.
        object_m: distance of what is seen, metres.
    """

    f_number: PerImage
    focus_m: PerImage
    object_m: PerImage


@final
@dataclass(frozen=True)
class Defocus(Blur[DefocusParams]):
    """The blur of a thin lens that is focused elsewhere: every point of light becomes an image of the aperture.

    The circle of confusion has the diameter c = (f/N)·|d − d_f|/d·f/(d_f − f) on the sensor, with focal length f,
    f-number N, object distance d and focus distance d_f. The aperture is a regular polygon with the area of that
    circle, which is what the f-number measures, and a corner up; its image is upright behind the focus and upside down
    before it. The variance of the blur is that of the polygon at every size, also below one pixel: (c/4)² along each
    axis for a circle, 0.4 % more for seven blades, 1.7 % more for five. Polygons blurred twice are no polygon: no
    composition law.

    A blur is at most as wide as `psf.LARGEST_REACH` allows: half of the picture's width.

    Args:
        f_number: law of the f-number.
        focus_m: law of the focus distance, metres; at least twice the focal length.
        object_m: law of the object's distance, metres.
        view: the lens, and the part of its image that the picture shows.
        blades: corners of the aperture, at least 3; 0 for a circle.

    Default prior: a 50 mm lens on full frame from f/1.4 to f/8, focus and object each within 1 to 20 m; seven blades
    are what most lenses of this kind are built with.
    """

    f_number: Law = quantity((1.4, 8.0), "", neutral=math.inf, scale="log", low=0.1, sweep=(8.0, 0.7))
    focus_m: Law = quantity((1.0, 20.0), "m", neutral=1.0, scale="log", low=0.01, held=1.0)
    object_m: Law = quantity((1.0, 20.0), "m", neutral=3.0, scale="log", low=0.01, held=3.0)
    view: View = View()
    blades: int = 7

    structure = "none"
    overlaps = ("defocus_blur", "gaussian_blur", "glass_blur", "zoom_blur", "pixelate")

    def __post_init__(self) -> None:
        check_laws(self)
        if self.blades != 0 and self.blades < 3:
            raise ValueError(
                f"Defocus(blades=…): an aperture has 3 corners or more, or 0 for a circle, not {self.blades}"
            )
        nearest = self.focus_m[0] if isinstance(self.focus_m, tuple) else self.focus_m
        focal_mm = self.view.focal_length_mm
        if isinstance(nearest, int | float) and nearest * 1e3 < 2 * focal_mm:
            raise ValueError(
                f"Defocus(focus_m=…): a lens of {focal_mm:.0f} mm does not focus at {nearest:g} m; "
                "the focus distance is at least twice the focal length"
            )

    def sample(self, key: Key) -> DefocusParams:
        drawn = DefocusParams(**draw_quantities(self, key))
        # A distribution may reach where no lens focuses: nearer than a magnification of one.
        return drawn.replace(focus_m=drawn.focus_m.clamp(min=2e-3 * self.view.focal_length_mm))

    def neutral(self, batch: int) -> DefocusParams:
        return DefocusParams(**neutral_quantities(self, batch))

    def psf(self, x: Image, params: DefocusParams) -> Float[Tensor, "b 1 k k"]:
        radius = self._confusion_mm(params) * (self.view.pixels_per_mm(x.shape[-1]) / 2)
        return aperture_psf(radius.to(x.dtype), self.blades, largest_reach(x.shape[-1]))[:, None]

    def _confusion_mm(self, params: DefocusParams) -> PerImage:
        """Diameter of the circle of confusion on the sensor, signed: positive behind the focus."""
        # The thin lens in dioptres, so that infinity is a distance like any other: |d − d_f|/(d·(d_f − f)) is
        # |1/d_f − 1/d|/(1 − f/d_f).
        focal = self.view.focal_length_mm
        focus, distance = 1 / (1e3 * params.focus_m), 1 / (1e3 * params.object_m)
        return focal / params.f_number * focal * (focus - distance) / (1 - focal * focus)


_SMOOTHING: Final = 1.2
"""What the drawn aperture's squared radius is smaller by, pixels squared: room for its edge of one pixel. Over radii
up to 20 pixels and 0, 5, 6, 7 and 9 blades it leaves 0.001 to 0.39 pixels squared for `widened` to add."""


def aperture_psf(radius: PerImage, blades: int, largest: int) -> Float[Tensor, "b k k"]:
    """A uniform regular polygon of light on whole pixels, with the variance of the sharp one.

    Args:
        radius: of the circle of the same area, pixels; negative ones are upside down.
        blades: corners; 0 for a circle.
        largest: the reach to which larger ones are drawn, pixels.
    """
    # The circle of the corners is wider than that of the same area, and what is drawn reaches two pixels beyond.
    corner, per_axis = _corner_and_variance(blades)
    size = radius.abs().clamp(max=max(0.5, largest - 1) / corner)
    target = per_axis * size.square()
    inner = (size.square() - _SMOOTHING).clamp(min=1e-2).sqrt()
    reach = needed_reach(inner * corner + 1.5, largest + 1)
    place = offsets(reach, radius)
    if blades == 0:
        beyond = torch.hypot(place[:, None], place)[None] - inner[:, None, None]
    else:
        turns = torch.arange(blades, dtype=radius.dtype, device=radius.device) + 0.5
        across, down = torch.sin(2 * math.pi / blades * turns), torch.cos(2 * math.pi / blades * turns)
        # How far a pixel lies along the nearest side's normal; a corner points up.
        upright = (place[:, None, None] * -down + place[:, None] * across).amax(-1)
        along = torch.where(radius[:, None, None] < 0, upright.flip(0), upright)
        beyond = along - (corner * math.cos(math.pi / blades) * inner)[:, None, None]
    drawn = normalised((0.5 - beyond).clamp(0.0, 1.0))
    down, across = variances(drawn)
    return widened(drawn, (target - down).clamp(min=0.0), (target - across).clamp(min=0.0))


def _corner_and_variance(blades: int) -> tuple[float, float]:
    """Radius of the corners and variance along an axis, of the regular polygon with the area of the unit circle."""
    if blades == 0:
        return 1.0, 0.25
    corner = math.sqrt(2 * math.pi / (blades * math.sin(2 * math.pi / blades)))
    return corner, corner**2 * (2 + math.cos(2 * math.pi / blades)) / 12


@parameters
class VignettingParams(Parameters):
    """How the light falls off from the optical axis.

    Attributes:
        natural_exponent: of the cosine of the angle from the axis.
        mechanical_ev: light that the barrel takes away at the corner of the whole frame, EV.
        place_x: where the picture was cut from the frame: −1 its left end, 0 the middle, 1 its right end.
        place_y: the same, −1 at the top and 1 at the bottom.
    """

    natural_exponent: PerImage
    mechanical_ev: PerImage
    place_x: PerImage
    place_y: PerImage


@final
@dataclass(frozen=True)
class Vignetting(Mechanism[VignettingParams]):
    """Less light off the optical axis, by nature and by the barrel of the lens.

    Light is multiplied by cosⁿ(θ)·2^(−m·(r/r_corner)⁴), where θ is the angle from the axis, tan θ = r/f, and r the
    distance on the sensor. A simple lens has the exponent n = 4; lenses that look wide have less by design, and cameras
    correct for some of it. The barrel cuts the cone of light to a lens shape whose area is flat near the axis and falls
    towards the corner: m EV at the corner of the frame (Kang and Weiss, "Can we calibrate a camera using an image of a
    flat, textureless Lambertian surface?", 2000, separate the two likewise). The light on the axis stays as it is.

    Args:
        natural_exponent: law of n: 0 is corrected light, 4 the law of a simple lens.
        mechanical_ev: law of m, EV; 0 for a lens that is stopped down, 1 to 2.5 for a fast lens wide open.
        place_x: law of where the picture was cut from the frame, from left to right.
        place_y: the same from top to bottom.
        view: the lens, and the part of its image that the picture shows.

    Default prior: n from 0 to 4, m from 0 to 2 EV (lens tests find 1 to 2.5 EV in fast lenses wide open), anywhere.
    """

    natural_exponent: Law = quantity((0.0, 4.0), "", neutral=0.0, low=0.0, high=8.0, held=4.0)
    mechanical_ev: Law = quantity((0.0, 2.0), "EV", neutral=0.0, low=0.0, sweep=(0.5, 3.0))
    place_x: Law = quantity((-1.0, 1.0), "of the room", neutral=0.0, low=-1.0, high=1.0, held=0.8)
    place_y: Law = quantity((-1.0, 1.0), "of the room", neutral=0.0, low=-1.0, high=1.0, held=0.8)
    view: View = View()

    domain = "light"
    structure = "none"
    overlaps = ()

    def __post_init__(self) -> None:
        check_laws(self)

    def sample(self, key: Key) -> VignettingParams:
        return VignettingParams(**draw_quantities(self, key))

    def neutral(self, batch: int) -> VignettingParams:
        return VignettingParams(**neutral_quantities(self, batch))

    def transform(self, x: Image, params: VignettingParams) -> Image:
        height, width = x.shape[-2:]
        right, down = pixel_places(height, width, x)
        middle_x, middle_y = off_axis(self.view, params.place_x, params.place_y, height, width)
        # All lengths are focal lengths, so that the squared distance from the axis is the squared tangent.
        focal = self.view.focal_widths
        across = (right + middle_x.to(x.dtype)[:, None]) / focal
        along = (down + middle_y.to(x.dtype)[:, None]) / focal
        tangent2 = across.square()[:, None, :] + along.square()[:, :, None]
        corner2 = (self.view.half_diagonal / focal) ** 2
        natural = (params.natural_exponent / 2).to(x.dtype)[:, None, None]
        mechanical = (params.mechanical_ev * (math.log(2) / corner2**2)).to(x.dtype)[:, None, None]
        lost = natural * torch.log1p(tangent2) + mechanical * tangent2.square()
        return x * torch.exp(-lost)[:, None]

"""Distortion: the lens does not put points where a pinhole would, and not every colour in the same place."""

from dataclasses import dataclass
from typing import final

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
)
from mechaug.mechanisms.view import View
from mechaug.mechanisms.warp import Places, keep_still, off_axis, pixel_places, sample_channels, sample_light
from mechaug.types import Image, PerImage


@parameters
class LensDistortionParams(Parameters):
    """How a lens distorts, and which part of its image each picture is.

    Lengths are in half diagonals of the whole frame, so that `k1` is the displacement at the frame's corner.

    Attributes:
        k1: radial distortion with the square of the radius; positive is a barrel, negative a pincushion.
        k2: with its fourth power; of the other sign than `k1`, lines bend like a moustache.
        p1: tangential distortion, of a lens that is decentred or tilted downward.
        p2: the same to the right.
        place_x: the picture's centre is this share of the way from the optical axis to where the picture would touch
            the frame's right edge.
        place_y: the same downward.
    """

    k1: PerImage
    k2: PerImage
    p1: PerImage
    p2: PerImage
    place_x: PerImage
    place_y: PerImage


@final
@dataclass(frozen=True)
class LensDistortion(Mechanism[LensDistortionParams]):
    """Brown's distortion: straight lines bend, more so away from the optical axis.

    The point (x, y) of the picture shows what a pinhole would have put at
    x·(1 + k₁r² + k₂r⁴) + 2p₁xy + p₂(r² + 2x²) and y·(1 + k₁r² + k₂r⁴) + p₁(r² + 2y²) + 2p₂xy, with r² = x² + y².
    This is the direction in which Brown wrote it, from what was measured to where it should be ("Close-range camera
    calibration", Photogrammetric Engineering 37(8), 1971): just what is needed to make a distorted picture, without
    inverting a polynomial. OpenCV reads the same polynomial the other way round, so its k₁ has the other sign to first
    order; its `undistort` computes this map. x and y are counted in half diagonals of the frame and not in focal
    lengths, so that one prior means the same displacement, in per cent at the corner, behind every lens:
    k₁ = k₁(OpenCV's units) · (half diagonal / focal length)², and p likewise to the first power.

    The picture is cut around the same object as before: its centre stays in place, and a small crop is sheared
    and stretched only. Light is interpolated bilinearly; what lies beyond the picture is mirrored at its edge.

    Args:
        k1: law of the radial distortion.
        k2: law of its next order.
        p1: law of the vertical tangential distortion.
        p2: law of the horizontal tangential distortion.
        place_x: law of the picture's place in the frame, across.
        place_y: law of the picture's place in the frame, down.
        view: gives the picture's share of the frame, and with it its distance from the axis.

    Default prior: up to a tenth at the corner either way, what lenses from simple wide ones (barrel) to long zooms
    (pincushion) show before their pictures are corrected; a two-hundredth of decentring.
    """

    k1: Law = quantity((-0.1, 0.1), "", neutral=0.0, low=-1.0, high=1.0, sweep=(0.05, 0.4))
    k2: Law = quantity((-0.03, 0.03), "", neutral=0.0, low=-1.0, high=1.0, sweep=(-0.02, -0.1))
    p1: Law = quantity((-0.005, 0.005), "", neutral=0.0, low=-0.5, high=0.5, sweep=(0.01, 0.08))
    p2: Law = quantity((-0.005, 0.005), "", neutral=0.0, low=-0.5, high=0.5)
    place_x: Law = quantity((-1.0, 1.0), "of the room", neutral=0.0, low=-1.0, high=1.0, held=0.8)
    place_y: Law = quantity((-1.0, 1.0), "of the room", neutral=0.0, low=-1.0, high=1.0, held=0.8)
    view: View = View()

    domain = "light"
    structure = "none"
    overlaps = ("pinch_and_twirl",)

    def __post_init__(self) -> None:
        check_laws(self)

    def sample(self, key: Key) -> LensDistortionParams:
        return LensDistortionParams(**draw_quantities(self, key))

    def neutral(self, batch: int) -> LensDistortionParams:
        return LensDistortionParams(**neutral_quantities(self, batch))

    def transform(self, x: Image, params: LensDistortionParams) -> Image:
        height, width = x.shape[-2:]
        k1, k2, p1, p2 = (value.to(x.dtype)[:, None, None] for value in (params.k1, params.k2, params.p1, params.p2))
        # In half diagonals of the frame: places on the picture from its centre, and its centre's from the axis.
        unit = self.view.half_diagonal
        centre_x, centre_y = (
            middle.to(x.dtype)[:, None, None] / unit
            for middle in off_axis(self.view, params.place_x, params.place_y, height, width)
        )
        columns, rows = pixel_places(height, width, x)
        right, down = columns / unit, rows[:, None] / unit

        def displaced(right: Tensor, down: Tensor) -> tuple[Tensor, Tensor]:
            squares = right.square() + down.square()
            # What Brown's two sums share multiplies both coordinates; p·r² is left.
            growth = (squares * k2 + k1) * squares + 2 * p1 * down + 2 * p2 * right
            return right * growth + squares * p2, down * growth + squares * p1

        moved_x, moved_y = displaced(centre_x + right, centre_y + down)
        middle_x, middle_y = displaced(centre_x, centre_y)
        across = (moved_x + (right - middle_x)) * (2 * unit)
        along = (moved_y + (down - middle_y)) * (2 * unit * width / height)
        seen = sample_light(x, torch.stack((across, along), dim=1))
        bends = torch.stack((params.k1, params.k2, params.p1, params.p2))
        return keep_still(seen, x, bends.any(0))


@parameters
class LateralChromaticParams(Parameters):
    """How much larger the lens draws two of the colours, and which part of its image each picture is.

    Attributes:
        red_percent: how much larger red is than green, per cent.
        blue_percent: how much larger blue is than green, per cent.
        place_x: the picture's centre is this share of the way from the optical axis to where the picture would touch
            the frame's right edge.
        place_y: the same downward.
    """

    red_percent: PerImage
    blue_percent: PerImage
    place_x: PerImage
    place_y: PerImage


@final
@dataclass(frozen=True)
class LateralChromatic(Mechanism[LateralChromaticParams]):
    """Lateral colour: glass bends blue more than red, so a lens draws its colours at different sizes.

    A point of green light at p from the optical axis has its red at (1 + α)·p: edges get coloured fringes, along the
    radius, that grow with the distance from the axis (Smith, "Modern Optical Engineering", chapter 5:
    chromatic difference of magnification). Green stays as it is. Light is interpolated bilinearly; what lies beyond the
    picture is mirrored.

    Args:
        red_percent: law of α of red, per cent.
        blue_percent: law of α of blue, per cent.
        place_x: law of the picture's place in the frame, across.
        place_y: law of the picture's place in the frame, down.
        view: gives the picture's share of the frame, and with it its distance from the axis.

    Default prior: ±0.3 %, at most eleven pixels at the corner of 24 megapixels: from corrected primes, a tenth of
    this, to simple wide lenses.
    """

    red_percent: Law = quantity((-0.3, 0.3), "%", neutral=0.0, low=-50.0, high=50.0, sweep=(0.3, 2.0))
    blue_percent: Law = quantity((-0.3, 0.3), "%", neutral=0.0, low=-50.0, high=50.0, sweep=(-0.3, -2.0))
    place_x: Law = quantity((-1.0, 1.0), "of the room", neutral=0.0, low=-1.0, high=1.0, held=0.8)
    place_y: Law = quantity((-1.0, 1.0), "of the room", neutral=0.0, low=-1.0, high=1.0, held=0.8)
    view: View = View()

    domain = "light"
    structure = "none"
    overlaps = ("transverse_chromatic_abberation",)

    def __post_init__(self) -> None:
        check_laws(self)

    def sample(self, key: Key) -> LateralChromaticParams:
        return LateralChromaticParams(**draw_quantities(self, key))

    def neutral(self, batch: int) -> LateralChromaticParams:
        return LateralChromaticParams(**neutral_quantities(self, batch))

    def transform(self, x: Image, params: LateralChromaticParams) -> Image:
        """Raises ValueError for pictures that are not red, green and blue."""
        if x.shape[1] != 3:
            raise ValueError(f"LateralChromatic parts red, green and blue; these pictures have {x.shape[1]} channels")
        height, width = x.shape[-2:]
        right, down = pixel_places(height, width, x)
        middle_x, middle_y = (
            middle.to(x.dtype)[:, None] for middle in off_axis(self.view, params.place_x, params.place_y, height, width)
        )

        def places(percent: PerImage) -> Places:
            # Where the larger picture shows p, the smaller one did p/(1 + α).
            shrink = (percent / (100 + percent)).to(x.dtype)[:, None]
            across = 2 * (right - shrink * (right + middle_x))
            along = (2 * width / height) * (down - shrink * (down + middle_y))
            shape = (-1, height, width)
            return torch.stack((across[:, None, :].expand(shape), along[:, :, None].expand(shape)), dim=1)

        seen = sample_channels(x, (places(params.red_percent), None, places(params.blue_percent)))
        return keep_still(seen, x, torch.stack((params.red_percent, params.blue_percent)).any(0))

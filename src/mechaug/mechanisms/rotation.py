"""Rotation: the camera turns about its own centre, or a flat scene turns before it."""

import math
from dataclasses import dataclass
from typing import final

import torch
from jaxtyping import Float
from torch import Tensor

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
)
from mechaug.mechanisms.eager import constant
from mechaug.mechanisms.view import View
from mechaug.mechanisms.warp import homography_places, keep_still, sample_light, stack_matrix
from mechaug.types import Image, PerImage


@parameters
class CameraRotationParams(Parameters):
    """How the camera was turned, one turn after the other, each about the camera's own axis as the last one left it.

    Attributes:
        pan_deg: first, about the vertical axis, degrees; positive looks to the right, so that the scene moves left.
        tilt_deg: then, about the horizontal axis, degrees; positive looks up, so that the scene moves down.
        roll_deg: last, about the optical axis, degrees; positive turns the picture counter-clockwise.
    """

    pan_deg: PerImage
    tilt_deg: PerImage
    roll_deg: PerImage


@final
@dataclass(frozen=True)
class CameraRotation(Group[CameraRotationParams]):
    """The camera turns about its centre: the homography K R K⁻¹ with a rotation R, the group SO(3).

    A turn alone has no parallax: whatever the depth of the scene, a point that the turned camera sees in direction d
    was seen in direction R·d before, with R = R_y(pan)·R_x(tilt)·R_z(roll) (Hartley and Zisserman, "Multiple View
    Geometry"). Parallels converge as they do when one looks up at a house. The optical axis
    meets the picture in its centre. Light is interpolated bilinearly; what lies beyond the frame is mirrored at it.

    Args:
        pan_deg: law of the pan, degrees.
        tilt_deg: law of the tilt, degrees; within ±90, beyond which pan and roll would name the same turn twice.
        roll_deg: law of the roll, degrees.
        view: gives the focal length: the picture moves by its tangent of the angle.

    Default prior: ±8° of pan and tilt and ±10° of roll, what framing a photograph by hand leaves; at the default view
    of 39.6° this shifts by up to a fifth of the width. A crop of the frame sees less, and an object cut out of a
    photograph is soon out of it, so a narrow `view` needs laws as narrow: a fifth of `VIEWS["object"]` is ±0.7°.

    Raises:
        ValueError: as `check_laws`, or a pan or tilt leaves nothing of the picture.
    """

    pan_deg: Law = quantity((-8.0, 8.0), "°", neutral=0.0, sweep=(3.0, 25.0))
    tilt_deg: Law = quantity((-8.0, 8.0), "°", neutral=0.0, low=-90.0, high=90.0, sweep=(3.0, 25.0))
    roll_deg: Law = quantity((-10.0, 10.0), "°", neutral=0.0, sweep=(5.0, 45.0))
    view: View = View()

    domain = "light"
    structure = "group"

    def __post_init__(self) -> None:
        check_laws(self)
        seen_deg = math.degrees(2 * math.atan(0.5 / self.view.focal_widths))
        for name, law in (("pan_deg", self.pan_deg), ("tilt_deg", self.tilt_deg)):
            ends = law if isinstance(law, tuple) else (law,)
            widest = max((abs(end) for end in ends if isinstance(end, int | float)), default=0.0)
            if widest > seen_deg:
                raise ValueError(
                    f"CameraRotation({name}=…): a picture {seen_deg:.1f}° wide is out of sight after a turn of "
                    f"{widest:g}°; choose a range within ±{seen_deg:.1f}°, such as a fifth of it, or a wider view"
                )

    def sample(self, key: Key) -> CameraRotationParams:
        return CameraRotationParams(**draw_quantities(self, key))

    def neutral(self, batch: int) -> CameraRotationParams:
        return CameraRotationParams(**neutral_quantities(self, batch))

    def transform(self, x: Image, params: CameraRotationParams) -> Image:
        angles = torch.stack((params.pan_deg, params.tilt_deg, params.roll_deg)) * (math.pi / 180)
        focal = self.view.focal_widths
        # K R K⁻¹ in picture widths, with K = diag(f, f, 1).
        scaling = constant(((1.0, 1.0, focal), (1.0, 1.0, focal), (1 / focal, 1 / focal, 1.0)), angles)
        matrix = _orientation(angles) * scaling
        seen = sample_light(x, homography_places(matrix.to(x.dtype), *x.shape[-2:]))
        return keep_still(seen, x, angles.any(0))

    def compose(self, first: CameraRotationParams, second: CameraRotationParams) -> CameraRotationParams:
        # Directions of the second camera go to the first one's, and from there to the scene's.
        return _named(_orientation_of(first) @ _orientation_of(second), first.pan_deg)

    def inverse(self, params: CameraRotationParams) -> CameraRotationParams:
        return _named(_orientation_of(params).mT, params.pan_deg)


@parameters
class PerspectiveParams(Parameters):
    """How a flat scene stands before the camera.

    Attributes:
        yaw_deg: its turn about the vertical axis through its centre, degrees; positive turns the right edge away.
        pitch_deg: before that, its turn about the horizontal one, degrees; positive turns the top edge away.
        distance_widths: from the camera to its centre, in widths of what the picture shows.
    """

    yaw_deg: PerImage
    pitch_deg: PerImage
    distance_widths: PerImage


@final
@dataclass(frozen=True)
class Perspective(Mechanism[PerspectiveParams]):
    """A flat scene, such as a sign or a page, turned about its own centre: seen obliquely and foreshortened.

    A point (a, b) of the board lies at R·(a, b, 0) + (0, 0, D) with R = R_y(−yaw)·R_x(−pitch), in (right, down, ahead)
    of the camera, and is seen at D/depth times its first two coordinates, so that the unturned board fills the picture
    at every distance D. What is nearer is larger: the keystone is stronger the smaller D is. A picture of a picture of
    a board is in general no picture of a board, so there is no structure. Light is interpolated bilinearly; what lies
    beyond the board is mirrored at its edge.

    Args:
        yaw_deg: law of the turn about the vertical axis, degrees.
        pitch_deg: law of the turn about the horizontal axis, degrees.
        distance_widths: law of the distance, in widths of what the picture shows; the focal length in picture widths
            (`View.focal_widths`) keeps the camera where it was.

    Default prior: ±30° of yaw and ±20° of pitch, seen from one to four widths away, uniform in the logarithm: a choice,
    by which from afar no more than a fifth of the area is lost (cos 30° · cos 20° = 0.81).
    """

    yaw_deg: Law = quantity((-30.0, 30.0), "°", neutral=0.0, low=-85.0, high=85.0, sweep=(10.0, 50.0))
    pitch_deg: Law = quantity((-20.0, 20.0), "°", neutral=0.0, low=-85.0, high=85.0, sweep=(10.0, 50.0))
    distance_widths: Law = quantity((1.0, 4.0), "widths", neutral=1.4, scale="log", low=0.5, held=1.4)

    domain = "light"
    structure = "none"

    def __post_init__(self) -> None:
        check_laws(self)

    def sample(self, key: Key) -> PerspectiveParams:
        return PerspectiveParams(**draw_quantities(self, key))

    def neutral(self, batch: int) -> PerspectiveParams:
        return PerspectiveParams(**neutral_quantities(self, batch))

    def transform(self, x: Image, params: PerspectiveParams) -> Image:
        angles = torch.stack((params.yaw_deg, params.pitch_deg)) * (math.pi / 180)
        yaw_cos, pitch_cos = torch.cos(angles).unbind()
        yaw_tan, pitch_tan = torch.tan(angles).unbind()
        nearness = 1 / params.distance_widths
        # The board's (a, b, 1) goes to the picture by [[R₁₁, R₁₂, 0], [R₂₁, R₂₂, 0], [R₃₁/D, R₃₂/D, 1]]. This is the
        # inverse: where on the board a pixel looks.
        rows = (
            (1 / yaw_cos, -yaw_tan * pitch_tan, 0.0),
            (0.0, 1 / pitch_cos, 0.0),
            (-yaw_tan * nearness, pitch_tan / yaw_cos * nearness, 1.0),
        )
        seen = sample_light(x, homography_places(stack_matrix(rows).to(x.dtype), *x.shape[-2:]))
        return keep_still(seen, x, angles.any(0))


def _orientation(angles: Float[Tensor, "3 b"]) -> Float[Tensor, "b 3 3"]:
    """The rotation R_y(pan)·R_x(tilt)·R_z(roll) that takes directions of the turned camera to those before the turn.

    Args:
        angles: pan, tilt and roll in radians, with the signs of `CameraRotationParams`. Directions are (right, down,
            ahead).
    """
    (cos_p, cos_t, cos_r), (sin_p, sin_t, sin_r) = torch.cos(angles).unbind(), torch.sin(angles).unbind()
    lean, rise = sin_p * sin_t, cos_p * sin_t
    rows = (
        (lean * sin_r + cos_p * cos_r, lean * cos_r - cos_p * sin_r, sin_p * cos_t),
        (cos_t * sin_r, cos_t * cos_r, -sin_t),
        (rise * sin_r - sin_p * cos_r, rise * cos_r + sin_p * sin_r, cos_p * cos_t),
    )
    return stack_matrix(rows)


def _orientation_of(params: CameraRotationParams) -> Float[Tensor, "b 3 3"]:
    """In float64, so that what products leave is rounded once."""
    return _orientation(torch.deg2rad(torch.stack((params.pan_deg, params.tilt_deg, params.roll_deg)).double()))


def _named(rotation: Float[Tensor, "b 3 3"], like: Tensor) -> CameraRotationParams:
    """The pan, tilt and roll of a rotation, in the dtype of `like`; the tilt is within ±90°."""
    down_row = rotation[:, 1]
    pan = torch.atan2(rotation[:, 0, 2], rotation[:, 2, 2])
    tilt = torch.atan2(-down_row[:, 2], torch.hypot(down_row[:, 0], down_row[:, 1]))
    roll = torch.atan2(down_row[:, 0], down_row[:, 1])
    return CameraRotationParams(*(torch.rad2deg(angle).to(like.dtype) for angle in (pan, tilt, roll)))

"""Viewpoint: the camera rolls, comes nearer or looks slightly aside."""

import math
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
)
from mechaug.mechanisms.warp import affine_places, keep_still, sample_light, stack_matrix
from mechaug.types import Image, PerImage


@parameters
class ViewpointParams(Parameters):
    """A similarity of the image plane per image.

    Attributes:
        rotation_deg: degrees, positive turns the picture counter-clockwise.
        log2_scale: octaves, positive enlarges what is seen.
        shift_x: to the right, as a fraction of the picture's width.
        shift_y: downward, as a fraction of the picture's width, so that shifts turn with rotations.
    """

    rotation_deg: PerImage
    log2_scale: PerImage
    shift_x: PerImage
    shift_y: PerImage


@final
@dataclass(frozen=True)
class Viewpoint(Group[ViewpointParams]):
    """In-plane rotation, scale and shift about the picture's centre: the group of similarities, Sim(2).

    A point at p, in picture widths from the centre, moves to 2^log2_scale · R(rotation) · p + shift. Light is
    interpolated bilinearly; what lies beyond the frame is mirrored at it.

    Args:
        rotation_deg: law of the rotation, degrees.
        log2_scale: law of the scale, octaves.
        shift_x: law of the shift to the right, fraction of the width.
        shift_y: law of the shift downward, fraction of the width.

    Default prior: ±10°, ±a quarter octave, ±6 % of the field of view: what framing an object by hand leaves.
    """

    rotation_deg: Law = quantity((-10.0, 10.0), "°", neutral=0.0, sweep=(5.0, 45.0))
    log2_scale: Law = quantity((-0.25, 0.25), "octaves", neutral=0.0, sweep=(0.2, 1.0))
    shift_x: Law = quantity((-0.06, 0.06), "of the width", neutral=0.0, sweep=(0.05, 0.25))
    shift_y: Law = quantity((-0.06, 0.06), "of the width", neutral=0.0, sweep=(0.05, 0.25))

    domain = "light"
    structure = "group"

    def __post_init__(self) -> None:
        check_laws(self)

    def sample(self, key: Key) -> ViewpointParams:
        return ViewpointParams(**draw_quantities(self, key))

    def neutral(self, batch: int) -> ViewpointParams:
        return ViewpointParams(**neutral_quantities(self, batch))

    def transform(self, x: Image, params: ViewpointParams) -> Image:
        # Each output pixel p looks up where its light came from, the inverse map: R(−rotation) · (p − shift) / scale.
        cos, sin, scale = _turn(params)
        cos, sin = cos / scale, sin / scale
        matrix = stack_matrix(((cos, -sin), (sin, cos)))
        moved = torch.stack((params.rotation_deg, params.log2_scale, params.shift_x, params.shift_y)).any(0)
        places = affine_places(
            matrix.to(x.dtype), params.shift_x.to(x.dtype), params.shift_y.to(x.dtype), *x.shape[-2:]
        )
        return keep_still(sample_light(x, places), x, moved)

    def compose(self, first: ViewpointParams, second: ViewpointParams) -> ViewpointParams:
        cos, sin, scale = _turn(second)
        return ViewpointParams(
            rotation_deg=first.rotation_deg + second.rotation_deg,
            log2_scale=first.log2_scale + second.log2_scale,
            shift_x=scale * (cos * first.shift_x + sin * first.shift_y) + second.shift_x,
            shift_y=scale * (cos * first.shift_y - sin * first.shift_x) + second.shift_y,
        )

    def inverse(self, params: ViewpointParams) -> ViewpointParams:
        cos, sin, scale = _turn(params)
        return ViewpointParams(
            rotation_deg=-params.rotation_deg,
            log2_scale=-params.log2_scale,
            shift_x=-(cos * params.shift_x - sin * params.shift_y) / scale,
            shift_y=-(cos * params.shift_y + sin * params.shift_x) / scale,
        )


def _turn(params: ViewpointParams) -> tuple[PerImage, PerImage, PerImage]:
    """Cosine, sine and scale; rows grow downward, so a counter-clockwise turn takes (x, y) to (cx + sy, cy − sx)."""
    angle = params.rotation_deg * (math.pi / 180)
    return torch.cos(angle), torch.sin(angle), torch.exp2(params.log2_scale)

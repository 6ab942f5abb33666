"""Viewpoint: the camera rolls, comes nearer or looks slightly aside."""

import math
from dataclasses import dataclass
from typing import final

import torch
from torch.nn.functional import grid_sample

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
        height, width = x.shape[-2:]
        cos, sin, scale = _turn(params)
        # Each output pixel looks up where its light came from: the inverse map, in picture widths from the centre.
        pixel = 1 / width
        right = (torch.arange(width, device=x.device) + 0.5) * pixel - 0.5 - params.shift_x[:, None]
        down = (torch.arange(height, device=x.device) + 0.5) * pixel - 0.5 * height / width - params.shift_y[:, None]
        right, down = (right / scale[:, None])[:, None, :], (down / scale[:, None])[:, :, None]
        cos, sin = cos[:, None, None], sin[:, None, None]
        # grid_sample counts −1..1 across the width and −1..1 down the height.
        grid = torch.stack((2 * (cos * right - sin * down), 2 * width / height * (sin * right + cos * down)), dim=-1)
        grid = grid.to(x.dtype)
        seen = grid_sample(x, grid, mode="bilinear", padding_mode="reflection", align_corners=False)
        # Places are rounded to a fraction of a pixel; where nothing moves, nothing may change, gradients included.
        still = (params.rotation_deg == 0) & (params.log2_scale == 0) & (params.shift_x == 0) & (params.shift_y == 0)
        return seen + torch.where(per_image(still), x - seen, 0.0).detach()

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

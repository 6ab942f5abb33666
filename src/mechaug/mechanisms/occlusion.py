"""Occlusion: things that stand between the camera and what it looks at."""

import math
from dataclasses import dataclass
from typing import Final, final

import torch
from jaxtyping import Bool, Float
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
from mechaug.mechanisms.colour import LUMINANCE
from mechaug.mechanisms.eager import constant, needs_gradient, values_known
from mechaug.mechanisms.warp import pixel_places
from mechaug.types import Image, PerImage

PerShape = Float[Tensor, "b k"]
"""One real number per image and shape, from the farthest to the nearest."""

RADII_RATIO: Final = 4.0
"""The largest possible radius of an image's shapes over the smallest."""

# The mean of |x| over a disc is 4/(3π) of its radius; over any ellipse or rectangle it is this share of the standard
# deviation of x, to within 4 %.
_MEAN_OVER_DEVIATION: Final = 8 / (3 * math.pi)

# Deviations of one axis of an ellipse and of a rectangle, over its half-length.
_DEVIATIONS: Final = (1 / 2, 1 / math.sqrt(3))


@parameters
class OcclusionParams(Parameters):
    """What stands before each picture; lengths are in widths of the picture.

    Attributes:
        area: share of the picture that is covered, in the mean over all places of the shapes.
        softness: how wide the blurred edges are.
        place_x: where the shapes' middles are across the picture, 0 to 1 from its left edge.
        place_y: the same down the picture, from its top.
        weight: how the cover is divided among the shapes; only ratios count.
        slimness: each shape's width over its length, 0 to 1.
        turn_deg: how its long side is turned, counter-clockwise from the horizontal.
        colour: linear reflectance.
        shading: how much brighter one end is than the middle, as a share: rounded or slanted things are.
    """

    area: PerImage
    softness: PerImage
    place_x: PerShape
    place_y: PerShape
    weight: PerShape
    slimness: PerShape
    turn_deg: PerShape
    colour: Float[Tensor, "b k 3"]
    shading: PerShape


@final
@dataclass(frozen=True)
class Occlusion(Mechanism[OcclusionParams]):
    """Opaque ellipses and rectangles in front of the scene, in the same light as the scene: dead leaves.

    Each shape covers what is behind it; out of focus, its edges are blurred and what is slimmer than the blur becomes
    transparent, so that its cover stays the same. Their radii r are distributed as r⁻³, as those of the things in
    photographs (Lee, Mumford & Huang, "Occlusion models for natural images", IJCV 41, 2001), up to a common scale. That
    is such that a picture's point is covered in a share `area` of all places where the shapes may be: their middles are
    uniform over the picture, what sticks out of it is lost, and what they cover twice counts once. That holds to 1.5 %
    of `area`; a picture's own share varies about it by an eighth at one quarter.

    Args:
        area: law of the covered share, in the mean over places.
        softness: law of the width of the blurred edges, widths of the picture.
        shapes: how many, at least 1; every other one is a rectangle.

    Default prior: up to a quarter of the picture, edges from sharp to blurred over a twentieth of it. Reflectances are
    log-normal about 18 %, the grey that light meters take scenes for: 1.2 EV in common, and 0.4 EV in each channel, as
    in things that people make and paint.

    Raises:
        ValueError: there are no shapes; `transform` is given images of neither 1 nor 3 channels.
    """

    area: Law = quantity((0.0, 0.25), "of the picture", neutral=0.0, low=0.0, high=0.6, sweep=(0.05, 0.4))
    softness: Law = quantity((0.0, 0.05), "of the width", neutral=0.0, low=0.0, held=0.01)
    shapes: int = 6

    domain = "light"
    structure = "none"
    overlaps = ("checkerboard_cutout", "lines")

    def __post_init__(self) -> None:
        check_laws(self)
        if isinstance(self.shapes, bool) or not isinstance(self.shapes, int) or self.shapes < 1:
            raise ValueError(f"Occlusion(shapes=…) is a count of at least 1, not {self.shapes!r}")

    def sample(self, key: Key) -> OcclusionParams:
        own = key.fold("Occlusion").fold("shapes")
        place_x, place_y, size, slimness, turn, shading = own.unit(self.shapes, 6).unbind(-1)
        # Density r⁻³ between 1 and RADII_RATIO, and the area goes with r².
        weight = 1 / (1 - size * (1 - RADII_RATIO**-2))
        normal = torch.special.ndtri(own.fold("colour").unit(self.shapes, 4))
        reflectance = 0.18 * torch.exp2(1.2 * normal[..., :1] + 0.4 * normal[..., 1:])
        return OcclusionParams(
            **draw_quantities(self, key),
            place_x=place_x.float(),
            place_y=place_y.float(),
            weight=weight.float(),
            slimness=(0.2 + 0.8 * slimness).float(),
            turn_deg=(180 * turn).float(),
            colour=reflectance.clamp(0.02, 0.95).float(),
            shading=(shading - 0.5).float(),
        )

    def neutral(self, batch: int) -> OcclusionParams:
        half = torch.full((batch, self.shapes), 0.5)
        return OcclusionParams(
            **neutral_quantities(self, batch),
            place_x=half,
            place_y=half.clone(),
            weight=torch.ones_like(half),
            slimness=torch.ones_like(half),
            turn_deg=torch.zeros_like(half),
            colour=torch.full((batch, self.shapes, 3), 0.18),
            shading=torch.zeros_like(half),
        )

    def transform(self, x: Image, params: OcclusionParams) -> Image:
        channels, height, width = x.shape[1:]
        if channels not in (1, 3):
            raise ValueError(f"Occlusion takes pictures of 1 or 3 channels, not {channels}")
        params = params.map(lambda leaf: leaf.to(x.dtype))
        colour = params.colour if channels == 3 else params.colour @ constant(LUMINANCE, x)[:, None]
        # At least a pixel wide, which is what a pixel sees of a sharp edge.
        edge = torch.hypot(params.softness, torch.full_like(params.softness, 1 / width))[:, None]
        half_long = _half_lengths(params, height / width)
        half_wide = half_long * params.slimness
        # How sharply cover falls along and across each shape, in the unit that `_covered` wants.
        rectangle = _rectangles(self.shapes, x.device)
        sharpness = torch.sqrt(half_long * half_wide) / (2 * edge)
        along = torch.where(rectangle, 1 / edge, torch.sqrt(sharpness) / half_long)[..., None]
        across = torch.where(rectangle, 1 / edge, torch.sqrt(sharpness) / half_wide)[..., None]
        # Blur evens out the shading of what it is wide enough for, so that wherever there is cover there is light.
        slope = (params.shading / (half_long * (1 + edge / (2 * half_wide))))[..., None]

        # A point's place in a shape's own frame is linear in its column and its row, and so is all that follows.
        right, down = pixel_places(height, width, x)
        right = right - (params.place_x[..., None] - 0.5)
        down = down - (params.place_y[..., None] - 0.5) * (height / width)
        turn = torch.deg2rad(params.turn_deg)[..., None]
        cos, sin = torch.cos(turn), torch.sin(turn)
        lengths = (along * cos * right, -along * sin * down)
        widths = (across * sin * right, across * cos * down)
        paints = (
            colour[..., None] * (1 + slope * cos * right)[:, :, None],
            colour[..., None] * (-slope * sin * down)[:, :, None],
        )
        room = _room(x, params)
        for shape in range(self.shapes):
            u, v = _plane(lengths, shape, room.u), _plane(widths, shape, room.v)
            if shape % 2:
                half = (half[:, shape, None, None] / edge[..., None] for half in (half_long, half_wide))
                u = _covered(torch.abs(u, out=room.u), next(half), room.u)
                v = _covered(torch.abs(v, out=room.v), next(half), room.v)
                cover = torch.mul(u, v, out=room.u)
            else:
                outward = torch.addcmul(torch.mul(u, u, out=room.u), v, v, out=room.u)
                cover = _covered(outward, sharpness[:, shape, None, None], room.u)
            column, row = paints
            paint = torch.add(column[:, shape, :, None, :], row[:, shape, :, :, None], out=room.paint)
            x = torch.lerp(x, paint, cover[:, None], out=room.seen)
        return x


@dataclass(frozen=True)
class _Room:
    """Memory that is used again for each shape, which takes half of the time; None where autograd or a tracer looks."""

    u: Tensor | None = None
    v: Tensor | None = None
    paint: Tensor | None = None
    seen: Tensor | None = None


def _room(x: Image, params: OcclusionParams) -> _Room:
    if not values_known() or needs_gradient(x, *params.leaves()):
        return _Room()
    plane = torch.empty_like(x[:, 0])
    return _Room(plane, torch.empty_like(plane), torch.empty_like(x), torch.empty_like(x))


def _rectangles(shapes: int, device: torch.device) -> Bool[Tensor, "k"]:
    """Which shapes are rectangles: every other one."""
    return torch.arange(shapes, device=device) % 2 == 1


def _plane(
    parts: tuple[Float[Tensor, "b k w"], Float[Tensor, "b k h"]], shape: int, room: Tensor | None
) -> Float[Tensor, "b h w"]:
    """What is linear in the place, for one shape, from its part by columns and its part by rows."""
    columns, rows = parts
    return torch.add(columns[:, shape, None, :], rows[:, shape, :, None], out=room)


def _covered(
    outward: Float[Tensor, "b h w"], sharp: Float[Tensor, "b 1 1"], room: Tensor | None
) -> Float[Tensor, "b h w"]:
    """How much of a blurred shape covers a point: ½ at its edge, where `outward` is `sharp`, and falling by 1 per 1.

    Cut off at 0 and at 1, or lower where the blur is wider than the shape: at such a height that the integral over
    `outward`, from 0 on, is that of the sharp shape. Blur moves cover and makes none.
    """
    ramp = torch.sub(0.5 + sharp, outward, out=room)
    return torch.minimum(ramp, (2 * sharp).clamp(max=1.0), out=room).relu_()


def _half_lengths(params: OcclusionParams, aspect: float) -> PerShape:
    """Half of each shape's length, so that all together cover `area` of the picture in the mean over their places."""
    rectangle = _rectangles(params.weight.shape[1], params.weight.device)
    deviation = torch.where(rectangle, _DEVIATIONS[1], _DEVIATIONS[0]).to(params.weight)
    # Shapes lie independently, so that what each leaves uncovered multiplies.
    share = params.weight / params.weight.sum(1, keepdim=True)
    covered = -torch.expm1(share * torch.log1p(-params.area)[:, None])
    turn = torch.deg2rad(params.turn_deg)
    over_square = covered * aspect / (torch.where(rectangle, 4.0, math.pi).to(turn) * params.slimness)
    # A shape at one place covers a point at another with the chance that both are in the picture: 1 less their mean
    # distance across it, times the same down. The distance grows with the shape, hence the iteration.
    spread_x = _MEAN_OVER_DEVIATION * deviation * torch.hypot(torch.cos(turn), params.slimness * torch.sin(turn))
    spread_y = _MEAN_OVER_DEVIATION * deviation * torch.hypot(torch.sin(turn), params.slimness * torch.cos(turn))
    # The small number keeps the slope finite where nothing is covered.
    half_long = torch.sqrt(over_square + 1e-16)
    for _ in range(3):
        seen = (1 - spread_x * half_long).clamp(min=0.2) * (1 - spread_y * half_long / aspect).clamp(min=0.2)
        half_long = torch.sqrt(over_square / seen + 1e-16)
    return half_long

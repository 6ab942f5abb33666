"""Shapes by their signed distance: negative inside, zero on the edge, positive outside.

Every function takes the coordinates of a batch of picture points in one plane, u to the right and v upwards, and
returns their distance to the shape's edge in the same unit. From a distance, `coverage` makes an anti-aliased mask.
Shapes join by `torch.minimum`, intersect by `torch.maximum`, and grow by subtracting a number.
"""

import math

import torch
from jaxtyping import Float
from torch import Tensor

Plane = Float[Tensor, "b h w"]
"""One real number per picture point: a coordinate, a distance or a mask."""


def coverage(distance: Plane, point: Float[Tensor, "b 1 1"]) -> Plane:
    """The part of a picture point that a shape covers, 0 to 1.

    Exact for a straight edge through a square point along its axes, as far as the edge is wider than the point.

    Args:
        distance: signed distance to the edge.
        point: the side of a picture point, in the unit of the distance.
    """
    return (0.5 - distance / point).clamp(0.0, 1.0)


def disc(u: Plane, v: Plane, radius: float) -> Plane:
    """A disc about the origin."""
    return _length(u, v) - radius


def box(u: Plane, v: Plane, half_width: float, half_height: float) -> Plane:
    """An upright rectangle about the origin."""
    x, y = u.abs() - half_width, v.abs() - half_height
    return _length(x.clamp(min=0.0), y.clamp(min=0.0)) + torch.maximum(x, y).clamp(max=0.0)


def diamond(u: Plane, v: Plane, half_diagonal: float) -> Plane:
    """A square about the origin that stands on a corner."""
    half_side = half_diagonal / math.sqrt(2)
    return box((u + v) / math.sqrt(2), (u - v) / math.sqrt(2), half_side, half_side)


def octagon(u: Plane, v: Plane, apothem: float) -> Plane:
    """A regular octagon about the origin that stands on a side; outside, near corners, the distance is too small."""
    x, y = u.abs(), v.abs()
    return torch.maximum(torch.maximum(x, y), (x + y) / math.sqrt(2)) - apothem


def triangle(u: Plane, v: Plane, inradius: float) -> Plane:
    """An equilateral triangle about the origin that points up, by the radius of its inscribed circle."""
    x, up, half_side = u.abs(), v + inradius, math.sqrt(3) * inradius
    to_base = _length((x - half_side).clamp(min=0.0), up)
    # The right side runs from (half_side, 0) to the tip, in the direction (−1, √3) / 2.
    along = ((half_side - x + math.sqrt(3) * up) / 2).clamp(0.0, 2 * half_side)
    to_side = _length(x - half_side + along / 2, up - along * (math.sqrt(3) / 2))
    outside = torch.maximum(-up, (math.sqrt(3) * (x - half_side) + up) / 2)
    return torch.copysign(torch.minimum(to_base, to_side), outside)


def stroke(u: Plane, v: Plane, start: tuple[float, float], end: tuple[float, float], half_width: float) -> Plane:
    """A straight line from `start` to `end`, drawn with a round pen."""
    du, dv = end[0] - start[0], end[1] - start[1]
    x, y = u - start[0], v - start[1]
    along = ((x * du + y * dv) / (du * du + dv * dv)).clamp(0.0, 1.0)
    return _length(x - along * du, y - along * dv) - half_width


def arc(
    u: Plane,
    v: Plane,
    centre: tuple[float, float],
    radius: float,
    middle_deg: float,
    half_deg: float,
    half_width: float,
) -> Plane:
    """A part of a circle, drawn with a round pen.

    Args:
        u: points, to the right.
        v: points, upwards.
        centre: of the circle.
        radius: of the circle.
        middle_deg: where the middle of the arc lies, counter-clockwise from the right.
        half_deg: how far the arc reaches from its middle to either end, below 180.
        half_width: of the pen.
    """
    cos, sin = math.cos(math.radians(middle_deg)), math.sin(math.radians(middle_deg))
    end_x, end_y = math.cos(math.radians(half_deg)), math.sin(math.radians(half_deg))
    # The circle's own frame, with the arc's middle on the positive x axis; both halves are alike.
    x = (u - centre[0]) * cos + (v - centre[1]) * sin
    y = ((v - centre[1]) * cos - (u - centre[0]) * sin).abs()
    to_circle = (_length(x, y) - radius).abs()
    to_end = _length(x - radius * end_x, y - radius * end_y)
    # Both distances agree on the ray through the arc's end, so the step between them does not show. A weight, because
    # `torch.where` costs ten times as much.
    beyond = ((end_x * y - end_y * x) * 1e6).clamp(0.0, 1.0)
    return torch.lerp(to_circle, to_end, beyond) - half_width


def lens(u: Plane, v: Plane, half_length: Float[Tensor, "b 1 1"], slimness: float) -> Plane:
    """Where two equal discs overlap: a leaf with its tips on the u axis.

    Args:
        u: points, along the leaf.
        v: points, across it.
        half_length: from the middle to a tip.
        slimness: half width over half length, below 1.
    """
    # Either circle passes through both tips and bulges over the axis by slimness · half_length.
    radius = half_length * (1 + slimness**2) / (2 * slimness)
    return _length(u, v.abs() + (radius - slimness * half_length)) - radius


def lens_area(slimness: float) -> float:
    """The area of a lens with half length 1."""
    radius = (1 + slimness**2) / (2 * slimness)
    half_angle = math.asin(1 / radius)
    return 2 * radius**2 * (half_angle - math.sin(half_angle) * math.cos(half_angle))


def _length(x: Plane, y: Plane) -> Plane:
    return (x * x + y * y).sqrt()  # twice as fast as hypot, and nothing here is near overflow

"""The ten road signs, as layers of pigment on a plate.

A face is drawn in its own plane, u to the right and v upwards, with the plate between −1 and 1 in v. Layers are painted
in order; the first is the plate and gives the sign its outline. Pigments are linear reflectances.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final, TypeAlias

import torch

from mechaug.data import shapes
from mechaug.data.shapes import Plane

Pigment: TypeAlias = tuple[float, float, float]
"""Linear reflectance in red, green and blue."""

Layers: TypeAlias = tuple[tuple[Plane, Pigment], ...]
"""Signed distances and what is painted inside them, from back to front."""

WHITE: Final[Pigment] = (0.80, 0.80, 0.78)
BLACK: Final[Pigment] = (0.03, 0.03, 0.03)
RED: Final[Pigment] = (0.50, 0.020, 0.025)
BLUE: Final[Pigment] = (0.010, 0.095, 0.40)
YELLOW: Final[Pigment] = (0.83, 0.50, 0.010)


def _stop(u: Plane, v: Plane) -> Layers:
    plate = shapes.octagon(u, v, 1.0)
    word = (_letter_s(u + 0.63, v), _letter_t(u + 0.21, v), _letter_o(u - 0.21, v), _letter_p(u - 0.63, v))
    return (plate, WHITE), (plate + 0.08, RED), (_union(*word), WHITE)


def _yield(u: Plane, v: Plane) -> Layers:
    # Pointing down; the middle of its height is 0.3 above its centre of mass.
    plate, field = _warning(u, 0.3 - v)
    return (plate, RED), (field, WHITE)


def _no_entry(u: Plane, v: Plane) -> Layers:
    plate = shapes.disc(u, v, 1.0)
    return (plate, WHITE), (plate + 0.06, RED), (shapes.box(u, v, 0.66, 0.17), WHITE)


def _speed_limit(u: Plane, v: Plane) -> Layers:
    plate = shapes.disc(u, v, 1.0)
    digits = _union(_digit_5(u + 0.29, v), _digit_0(u - 0.27, v))
    return (plate, RED), (plate + 0.22, WHITE), (digits, BLACK)


def _no_stopping(u: Plane, v: Plane) -> Layers:
    plate = shapes.disc(u, v, 1.0)
    cross = _union(
        shapes.stroke(u, v, (-0.6, -0.6), (0.6, 0.6), 0.09), shapes.stroke(u, v, (-0.6, 0.6), (0.6, -0.6), 0.09)
    )
    return (plate, RED), (plate + 0.2, BLUE), (cross, RED)


def _priority_road(u: Plane, v: Plane) -> Layers:
    plate = shapes.diamond(u, v, 0.92) - 0.08
    return (plate, BLACK), (plate + 0.03, WHITE), (plate + 0.2, YELLOW)


def _turn_left(u: Plane, v: Plane) -> Layers:
    plate = shapes.disc(u, v, 1.0)
    arrow = _union(
        shapes.stroke(u, v, (0.26, -0.55), (0.26, 0.14), 0.12),
        shapes.stroke(u, v, (0.26, 0.14), (-0.2, 0.14), 0.12),
        shapes.triangle(v - 0.14, -0.26 - u, 0.22),
    )
    return (plate, WHITE), (plate + 0.06, BLUE), (arrow, WHITE)


def _turn_right(u: Plane, v: Plane) -> Layers:
    return _turn_left(-u, v)


def _crossing(u: Plane, v: Plane) -> Layers:
    plate = shapes.box(u, v, 0.85, 0.85) - 0.12
    field = shapes.triangle(u, v + 0.28, 0.46) - 0.04
    limbs = (
        ((0.0, 0.16), (-0.03, -0.14), 0.09),
        ((-0.03, -0.14), (0.14, -0.32), 0.065),
        ((0.14, -0.32), (0.15, -0.58), 0.06),
        ((-0.03, -0.14), (-0.08, -0.36), 0.065),
        ((-0.08, -0.36), (-0.26, -0.55), 0.06),
        ((0.03, 0.15), (0.21, -0.08), 0.05),
        ((-0.03, 0.15), (-0.22, -0.05), 0.05),
    )
    walker = _union(shapes.disc(u - 0.03, v - 0.32, 0.105), *(shapes.stroke(u, v, *limb) for limb in limbs))
    return (plate, WHITE), (plate + 0.05, BLUE), (field, WHITE), (walker, BLACK)


def _caution(u: Plane, v: Plane) -> Layers:
    plate, field = _warning(u, v + 0.3)
    mark = _union(shapes.stroke(u, v, (0.0, 0.2), (0.0, -0.24), 0.1), shapes.disc(u, v + 0.52, 0.11))
    return (plate, RED), (field, WHITE), (mark, BLACK)


FACES: Final[Mapping[str, Callable[[Plane, Plane], Layers]]] = MappingProxyType(
    {
        "stop": _stop,
        "yield": _yield,
        "no_entry": _no_entry,
        "speed_limit": _speed_limit,
        "no_stopping": _no_stopping,
        "priority_road": _priority_road,
        "turn_left": _turn_left,
        "turn_right": _turn_right,
        "crossing": _crossing,
        "caution": _caution,
    }
)
"""The face of each class, in the order of the class numbers."""


def _union(*distances: Plane) -> Plane:
    nearest = distances[0]
    for distance in distances[1:]:
        nearest = torch.minimum(nearest, distance)
    return nearest


def _warning(u: Plane, v: Plane) -> tuple[Plane, Plane]:
    """The plate and the inner field of a triangular sign, about its centre of mass, pointing up."""
    return shapes.triangle(u, v, 0.6) - 0.1, shapes.triangle(u, v, 0.42) - 0.04


def _letter_s(u: Plane, v: Plane) -> Plane:
    return torch.minimum(
        shapes.arc(u, v, (0.0, 0.12), 0.12, 145.0, 125.0, 0.055),
        shapes.arc(u, v, (0.0, -0.12), 0.12, -35.0, 125.0, 0.055),
    )


def _letter_t(u: Plane, v: Plane) -> Plane:
    return torch.minimum(shapes.box(u, v - 0.24, 0.18, 0.055), shapes.box(u, v, 0.055, 0.295))


def _letter_o(u: Plane, v: Plane) -> Plane:
    return shapes.stroke(u, v, (0.0, 0.12), (0.0, -0.12), 0.12).abs() - 0.055


def _letter_p(u: Plane, v: Plane) -> Plane:
    stem = shapes.box(u + 0.12, v, 0.055, 0.295)
    bowl = (shapes.box(u + 0.06, v - 0.12, 0.07, 0.01) - 0.11).abs() - 0.055
    # Of the closed bowl, what lies to the left of the stem goes.
    return torch.minimum(stem, torch.maximum(bowl, -0.12 - u))


def _digit_5(u: Plane, v: Plane) -> Plane:
    return _union(
        shapes.stroke(u, v, (-0.15, 0.33), (0.15, 0.33), 0.07),
        shapes.stroke(u, v, (-0.15, 0.33), (-0.165, 0.03), 0.07),
        shapes.arc(u, v, (-0.02, -0.12), 0.21, 0.0, 135.0, 0.07),
    )


def _digit_0(u: Plane, v: Plane) -> Plane:
    return shapes.stroke(u, v, (0.0, 0.15), (0.0, -0.15), 0.18).abs() - 0.07

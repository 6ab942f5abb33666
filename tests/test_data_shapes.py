"""Signed distances against distances to densely sampled outlines, and areas by counting."""

import math

import pytest
import torch

from mechaug.data import shapes

POINTS = 400
SPAN = 1.6


def plane():
    grid = ((torch.arange(POINTS) + 0.5) / POINTS * 2 - 1) * SPAN
    return grid.expand(1, POINTS, POINTS), -grid[:, None].expand(1, POINTS, POINTS)


def area(distance):
    return float((distance < 0).float().mean()) * (2 * SPAN) ** 2


@pytest.mark.parametrize(
    ("name", "draw", "expected"),
    [
        ("disc", lambda u, v: shapes.disc(u, v, 0.7), math.pi * 0.49),
        ("box", lambda u, v: shapes.box(u, v, 0.5, 0.3), 0.6),
        ("diamond", lambda u, v: shapes.diamond(u, v, 0.8), 2 * 0.64),
        ("octagon", lambda u, v: shapes.octagon(u, v, 1.0), 8 * (math.sqrt(2) - 1)),
        ("triangle", lambda u, v: shapes.triangle(u, v, 0.5), 3 * math.sqrt(3) * 0.25),
        ("stroke", lambda u, v: shapes.stroke(u, v, (-0.4, -0.3), (0.4, 0.3), 0.1), 0.2 + math.pi * 0.01),
        (
            "arc",
            lambda u, v: shapes.arc(u, v, (0.1, -0.2), 0.6, 70.0, 100.0, 0.1),
            math.radians(200) * 0.6 * 0.2 + math.pi * 0.01,
        ),
        ("lens", lambda u, v: shapes.lens(u, v, torch.full((1, 1, 1), 1.2), 0.5), 1.44 * shapes.lens_area(0.5)),
    ],
)
def test_a_shape_has_its_area(name, draw, expected):
    assert area(draw(*plane())) == pytest.approx(expected, abs=0.015)


@pytest.mark.parametrize(
    "draw",
    [
        lambda u, v: shapes.disc(u, v, 0.7),
        lambda u, v: shapes.box(u, v, 0.5, 0.3),
        lambda u, v: shapes.diamond(u, v, 0.8),
        lambda u, v: shapes.triangle(u, v, 0.5),
        lambda u, v: shapes.stroke(u, v, (-0.4, -0.3), (0.4, 0.3), 0.1),
        lambda u, v: shapes.arc(u, v, (0.1, -0.2), 0.6, 70.0, 100.0, 0.1),
    ],
)
def test_a_distance_is_the_way_to_the_outline(draw):
    u, v = plane()
    distance = draw(u, v)
    # The outline is where the sign changes between neighbours; every point's nearest of these is its distance.
    inside = distance[0] < 0
    edge = torch.zeros_like(inside)
    edge[:-1] |= inside[:-1] != inside[1:]
    edge[:, :-1] |= inside[:, :-1] != inside[:, 1:]
    outline = torch.stack((u[0][edge], v[0][edge]), -1)
    some = torch.arange(0, POINTS, 20)
    probes = torch.stack((u[0][some][:, some].flatten(), v[0][some][:, some].flatten()), -1)
    nearest = torch.cdist(probes, outline).min(1).values
    found = distance[0][some][:, some].flatten()
    outside = found > 0
    assert torch.allclose(found[outside], nearest[outside], atol=0.02)
    assert torch.allclose(-found[~outside], nearest[~outside], atol=0.02)


def test_coverage_of_a_half_plane_is_exact():
    edge = torch.tensor([-1.0, -0.25, 0.0, 0.25, 1.0]).reshape(1, 1, 5)
    found = shapes.coverage(edge, torch.full((1, 1, 1), 1.0))
    assert found.flatten().tolist() == [1.0, 0.75, 0.5, 0.25, 0.0]

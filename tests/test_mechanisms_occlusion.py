"""Occlusion: how much is covered, by which shapes, and what lies before what."""

import math
from dataclasses import fields

import numpy as np
import pytest
import torch
from torch import Tensor

from mechaug.keys import Key
from mechaug.mechanisms.occlusion import Occlusion, OcclusionParams
from mechaug.testing import example_pictures


def one(shape: int = 0, *, shapes: int = 2, **changes: float) -> OcclusionParams:
    """A white shape in the middle of the picture and nothing else: number 0 is an ellipse, number 1 a rectangle."""
    values = {"place_x": 0.5, "place_y": 0.5, "slimness": 0.5, "turn_deg": 0.0, "shading": 0.0} | changes
    single = {name: torch.tensor([values.pop(name, 0.0)], dtype=torch.float64) for name in ("area", "softness")}
    each = {name: torch.full((1, shapes), value, dtype=torch.float64) for name, value in values.items()}
    weight = torch.zeros(1, shapes).double()
    weight[0, shape] = 1.0
    return OcclusionParams(**single, **each, weight=weight, colour=torch.ones(1, shapes, 3).double())


def cover(params: OcclusionParams, height: int = 64, width: int = 64) -> Tensor:
    """What is covered of a black picture by white shapes."""
    shapes = params.weight.shape[1]
    return Occlusion(shapes=shapes).transform(torch.zeros(1, 1, height, width).double(), params)[0, 0]


def lone_area(area: float, slimness: float, axis_deviation: float) -> float:
    """The area that a shape along the axes needs, in pictures, to cover `area` of a square one in the mean.

    Two points of the picture that are (x, y) apart are both in it with the chance (1 − |x|)(1 − |y|); summed over the
    shape, by brute force.
    """
    low, high = 0.0, 4.0
    grid = (np.arange(400) + 0.5) / 200 - 1
    u, v = np.meshgrid(grid, grid)
    inside = (u**2 + v**2 < 1) if axis_deviation == 0.5 else np.ones_like(u, bool)
    for _ in range(60):
        a = (low + high) / 2
        chance = np.maximum(1 - np.abs(a * u), 0) * np.maximum(1 - np.abs(a * slimness * v), 0)
        covered = (chance * inside).mean() * 4 * a**2 * slimness
        low, high = (a, high) if covered < area else (low, a)
    return inside.mean() * 4 * a**2 * slimness


# How much -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("area", [0.02, 0.1, 0.25, 0.5])
@pytest.mark.parametrize("size", [(32, 32), (24, 48)])
def test_the_covered_share_is_the_one_asked_for_in_the_mean(area: float, size: tuple[int, int]) -> None:
    count = 2000
    params = Occlusion(area=area, softness=(0.0, 0.05)).sample(Key(0).at(range(count)))
    params = params.replace(colour=torch.ones_like(params.colour), shading=torch.zeros_like(params.shading))
    share = Occlusion().transform(torch.zeros(count, 1, *size), params).mean((1, 2, 3))
    noise = float(share.std()) / math.sqrt(count)
    assert float(share.mean()) == pytest.approx(area, abs=0.015 * area + 3 * noise)
    # And no picture is far from it: half as much again is the most.
    assert share.max() < 1.5 * area


@pytest.mark.parametrize("shapes", [1, 2, 20])
def test_so_it_is_for_any_number_of_shapes(shapes: int) -> None:
    count = 2000
    mechanism = Occlusion(area=0.2, softness=0.0, shapes=shapes)
    params = mechanism.sample(Key(1).at(range(count)))
    params = params.replace(colour=torch.ones_like(params.colour), shading=torch.zeros_like(params.shading))
    share = mechanism.transform(torch.zeros(count, 1, 24, 24), params).mean((1, 2, 3))
    noise = float(share.std()) / math.sqrt(count)
    assert float(share.mean()) == pytest.approx(0.2, abs=0.003 + 3 * noise)


@pytest.mark.parametrize(("shape", "deviation"), [(0, 0.5), (1, 1 / math.sqrt(3))])
@pytest.mark.parametrize("area", [0.02, 0.2])
def test_a_shape_in_the_middle_is_larger_by_what_it_loses_elsewhere(shape: int, deviation: float, area: float) -> None:
    found = float(cover(one(shape, area=area, slimness=0.7)).mean())
    assert found == pytest.approx(lone_area(area, 0.7, deviation), rel=0.02)
    assert found > area


def test_more_area_covers_more_and_its_slope_says_how_much() -> None:
    area = torch.tensor([0.1], dtype=torch.float64, requires_grad=True)
    seen = cover(one(0, softness=0.05).replace(area=area)).mean()
    (slope,) = torch.autograd.grad(seen, area)
    assert float(slope) == pytest.approx(1.3, abs=0.3), "a little over 1, by what is lost at other places"


# Shapes -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("height", "width"), [(60, 60), (40, 80)])
@pytest.mark.parametrize("turn_deg", [0.0, 35.0, 90.0, 160.0])
@pytest.mark.parametrize("shape", [0, 1])
def test_shapes_have_their_place_proportions_and_turn(shape: int, turn_deg: float, height: int, width: int) -> None:
    """Moments of the cover against those of an ellipse or a rectangle."""
    params = one(shape, area=0.06, slimness=0.4, turn_deg=turn_deg, place_x=0.45, place_y=0.55)
    mass = cover(params, height, width).numpy()
    right = (np.arange(width) + 0.5) / width
    up = -(np.arange(height) + 0.5)[:, None] / width
    total = mass.sum()
    x, y = (mass * right).sum() / total, (mass * up).sum() / total
    assert x == pytest.approx(0.45, abs=2e-3)
    assert -y * width / height == pytest.approx(0.55, abs=2e-3)
    dx, dy = right - x, up - y
    moments = [(mass * m).sum() / total for m in (dx * dx, dx * dy, dy * dy)]
    spread, axes = np.linalg.eigh(np.array([[moments[0], moments[1]], [moments[1], moments[2]]]))
    assert math.sqrt(spread[0] / spread[1]) == pytest.approx(0.4, abs=0.02)
    long = axes[:, 1]
    assert abs(long @ [math.cos(math.radians(turn_deg)), math.sin(math.radians(turn_deg))]) > 0.999
    # Area over spread tells the shapes apart: 4π for ellipses, 12 for rectangles.
    area = total / width**2
    assert area / math.sqrt(spread.prod()) == pytest.approx(12.0 if shape else 4 * math.pi, rel=0.015)


@pytest.mark.parametrize("shape", [0, 1])
@pytest.mark.parametrize("softness", [0.03, 0.1, 0.3])
def test_blur_moves_cover_and_makes_none(shape: int, softness: float) -> None:
    sharp, soft = (cover(one(shape, area=0.03, softness=value), 256, 256) for value in (0.0, softness))
    assert float(soft.mean()) == pytest.approx(float(sharp.mean()), rel=5e-3)
    assert float(sharp.max()) == pytest.approx(1.0, abs=1e-12)
    assert (soft > 0).sum() > (sharp > 0).sum()
    if softness == 0.3:
        assert soft.max() < 0.8, "what is slimmer than its blur is seen through"


def test_an_edge_is_as_wide_as_it_is_soft() -> None:
    seen = cover(one(1, area=0.3, slimness=1.0, softness=0.1), 400, 400)[200]
    rows = torch.arange(400) + 0.5
    ramp = rows[(seen > 0.005) & (seen < 0.995)]
    left = ramp[ramp < 200]
    assert float(left.max() - left.min()) / 400 == pytest.approx(0.1, abs=0.006)


# Colours ------------------------------------------------------------------------------------------------------------


def test_the_nearer_covers_the_farther() -> None:
    params = one(0, area=0.2, slimness=1.0)
    params = params.replace(
        weight=torch.tensor([[1.0, 0.2]]).double(), colour=torch.tensor([[[0.1] * 3, [0.9, 0.5, 0.2]]]).double()
    )
    seen = Occlusion(shapes=2).transform(torch.full((1, 3, 64, 64), 0.3).double(), params)[0]
    torch.testing.assert_close(seen[:, 32, 32], torch.tensor([0.9, 0.5, 0.2]).double())
    torch.testing.assert_close(seen[:, 32, 44], torch.full((3,), 0.1).double(), atol=1e-7, rtol=0)
    torch.testing.assert_close(seen[:, 0, 0], torch.full((3,), 0.3).double(), atol=1e-7, rtol=0)


def test_shading_runs_along_the_shape() -> None:
    params = one(1, area=0.2, slimness=1.0, shading=0.5, turn_deg=0.0)
    seen = Occlusion(shapes=2).transform(torch.zeros(1, 1, 128, 128).double(), params)[0, 0]
    row = seen[64, seen[64] > 0.0][1:-1]
    assert torch.allclose(row.diff(), row.diff().mean(), rtol=1e-6), "evenly"
    assert float(row[0]) == pytest.approx(0.5, abs=0.04)
    assert float(row[-1]) == pytest.approx(1.5, abs=0.04)


def test_grey_pictures_see_the_luminance_of_colours() -> None:
    params = one(0, area=0.2).replace(colour=torch.tensor([0.9, 0.1, 0.4]).double().expand(1, 2, 3))
    seen = Occlusion(shapes=2).transform(torch.zeros(1, 1, 33, 33).double(), params)
    assert float(seen[0, 0, 16, 16]) == pytest.approx(0.2126 * 0.9 + 0.7152 * 0.1 + 0.0722 * 0.4, abs=1e-4)


def test_reflectances_are_those_of_things() -> None:
    colour = Occlusion().sample(Key(0).at(range(2000))).colour
    assert colour.min() >= 0.02
    assert colour.max() <= 0.95
    assert float(colour.median()) == pytest.approx(0.18, rel=0.05)
    bright = colour.log2().mean(-1)
    assert float(bright.std()) == pytest.approx(1.1, abs=0.1), "1.2 EV, cut off at black and white"


def test_light_stays_light_under_any_blur() -> None:
    params = Occlusion(area=(0.001, 0.5), softness=(0.0, 0.5)).sample(Key(0).at(range(300)))
    params = params.replace(shading=params.shading.sign() * 0.5)
    seen = Occlusion().transform(torch.zeros(300, 3, 16, 16), params)
    assert seen.min() >= 0.0
    assert seen.max() <= 1.5 * 0.95


# Draws --------------------------------------------------------------------------------------------------------------


def test_nothing_is_there_without_area() -> None:
    x = example_pictures(5, height=33, width=33).double()
    params = Occlusion().sample(Key(0).at(range(5))).map(Tensor.double).replace(area=torch.zeros(5).double())
    torch.testing.assert_close(Occlusion().transform(x, params), x, atol=1e-6, rtol=0)


def test_memory_that_is_used_again_changes_nothing() -> None:
    x = example_pictures(3)
    before = x.clone()
    params = Occlusion(area=0.3).sample(Key(0).at(range(3)))
    plain = Occlusion().transform(x, params)
    assert torch.equal(x, before)
    recorded = Occlusion().transform(x.clone().requires_grad_(), params)
    assert torch.equal(plain, recorded)


def test_another_law_leaves_the_shapes_alone() -> None:
    key = Key(0).at(range(20))
    a, b = Occlusion().sample(key), Occlusion(area=0.1).sample(key)
    for field in fields(OcclusionParams):
        assert torch.equal(getattr(a, field.name), getattr(b, field.name)) == (field.name != "area")


def test_what_does_not_exist_is_refused() -> None:
    with pytest.raises(ValueError, match="shapes=…"):
        Occlusion(shapes=0)
    with pytest.raises(ValueError, match="area=…"):
        Occlusion(area=(0.1, 0.9))
    with pytest.raises(ValueError, match="1 or 3 channels, not 4"):
        Occlusion()(example_pictures(1, channels=4), Key(0).at([0]))

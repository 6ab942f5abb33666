"""Motion: lengths and directions of paths by their moments, and how light is shared along them."""

import math

import pytest
import torch
from torch import Tensor

from mechaug.keys import Key
from mechaug.mechanisms.motion import (
    MotionBlur,
    MotionBlurParams,
    SubjectMotion,
    SubjectMotionParams,
    _wandering,
)
from mechaug.mechanisms.view import VIEWS, View
from mechaug.testing import example_pictures

OBJECT = VIEWS["object"]


def swing(
    exposure_s: float, speed: float, direction_deg: float = 0.0, tremble_deg: float = 0.0, seed: int | None = None
) -> MotionBlurParams:
    values = (exposure_s, speed, direction_deg, tremble_deg)
    shape = torch.zeros(1, 2, 6) if seed is None else Key(seed).at([0]).normal(0.0, 1.0, 2, 6)
    return MotionBlurParams(*(torch.tensor([value], dtype=torch.float64) for value in values), shape=shape.double())


def passing(exposure_s: float, speed_m_s: float, distance_m: float, direction_deg: float = 0.0) -> SubjectMotionParams:
    values = (exposure_s, speed_m_s, distance_m, direction_deg)
    return SubjectMotionParams(*(torch.tensor([value], dtype=torch.float64) for value in values))


def impulse(height: int = 129, width: int = 129) -> Tensor:
    x = torch.zeros(1, 1, height, width, dtype=torch.float64)
    x[..., height // 2, width // 2] = 1.0
    return x


def moments(image: Tensor) -> dict[str, float]:
    """Of a picture as a distribution, pixels; y grows upward."""
    mass = image[0, 0] / image.sum()
    down, across = (torch.arange(n).double() - n // 2 for n in mass.shape)
    y, x = -down[:, None], across[None]
    mean_x, mean_y = float((mass * x).sum()), float((mass * y).sum())
    return {
        "x": mean_x,
        "y": mean_y,
        "xx": float((mass * x * x).sum()) - mean_x**2,
        "yy": float((mass * y * y).sum()) - mean_y**2,
        "xy": float((mass * x * y).sum()) - mean_x * mean_y,
    }


# Length -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("degrees", [0.2, 0.5, 1.0, 2.0, 4.0, 9.0])
@pytest.mark.parametrize("direction", [0.0, 90.0, 180.0])
def test_a_swing_is_as_long_as_focal_length_times_angle(degrees: float, direction: float) -> None:
    """A uniform line of length L has the variance L²/12; f = 129/(2·tan 20°) pixels."""
    view = View(hfov_deg=40.0)
    y = MotionBlur(view=view).transform(impulse(), swing(1 / 20, 20 * degrees, direction))
    length = 129 / (2 * math.tan(math.radians(20))) * math.radians(degrees)
    found = moments(y)
    along, beside = ("yy", "xx") if direction == 90.0 else ("xx", "yy")
    assert found[along] == pytest.approx(length**2 / 12, rel=0.05)
    assert found[beside] < 1e-9
    assert abs(found["x"]) < 1e-9
    assert abs(found["y"]) < 1e-9


@pytest.mark.parametrize("direction", [20.0, 45.0, 70.0, 110.0, 160.0, 340.0])
def test_an_oblique_swing_points_where_it_should(direction: float) -> None:
    y = MotionBlur().transform(impulse(), swing(1 / 10, 40.0, direction))
    found = moments(y)
    length = 129 * 50 / 36 * math.radians(4.0)
    assert found["xx"] + found["yy"] == pytest.approx(length**2 / 12 + 1 / 6, rel=0.02)
    axis = math.degrees(math.atan2(2 * found["xy"], found["xx"] - found["yy"])) / 2
    assert (axis - direction + 90) % 180 == pytest.approx(90, abs=1.0)


def test_length_depends_on_the_angle_alone() -> None:
    x = example_pictures(1).double()
    blur = MotionBlur(view=OBJECT)
    a, b = blur.transform(x, swing(1 / 100, 30.0)), blur.transform(x, swing(1 / 25, 7.5))
    torch.testing.assert_close(a, b, atol=1e-12, rtol=0)


def test_a_subject_is_as_fast_as_it_passes() -> None:
    """5 m/s at 10 m for 1/50 s is 10 mrad: 50/36 · 1000 px · 0.01."""
    y = SubjectMotion().transform(impulse(9, 1000), passing(1 / 50, 5.0, 10.0))
    assert moments(y)["xx"] == pytest.approx((1000 * 50 / 36 * 0.01) ** 2 / 12, rel=0.02)
    nearer = SubjectMotion().transform(impulse(9, 1000), passing(1 / 50, 5.0, 5.0))
    assert moments(nearer)["xx"] == pytest.approx((1000 * 50 / 36 * 0.02) ** 2 / 12, rel=0.02)


@pytest.mark.parametrize("tremble_deg", [0.0, 20.0, 90.0])
def test_a_path_is_of_length_one_whatever_its_shape(tremble_deg: float) -> None:
    for seed in range(5):
        x = torch.zeros(1, 3, 224, 224).double()
        path = _wandering(swing(1.0, 1.0, 0.0, tremble_deg, seed), x)[0]
        steps = path.diff(dim=0).norm(dim=1)
        # The first and the last half of a step are left out by looking at their middles; bends are cut.
        assert float(steps.sum()) == pytest.approx(1.0, abs=0.03)
        assert float(path.mean(0).norm()) < 1e-12


def test_the_direction_wanders_by_the_tremble() -> None:
    """The root mean square over paths and moments of the departure of the direction."""
    # Wide, so that the steps between moments are short against the waves.
    x = torch.zeros(400, 1, 1, 400).double()
    one = swing(1.0, 1.0, 0.0, 25.0)
    params = one.map(lambda t: t.expand(400, *t.shape[1:])).replace(
        shape=Key(0).at(range(400)).normal(0.0, 1.0, 2, 6).double()
    )
    steps = _wandering(params, x).diff(dim=1)
    departure = torch.rad2deg(torch.atan2(steps[..., 1], steps[..., 0]))
    assert float(departure.square().mean().sqrt()) == pytest.approx(25.0, rel=0.05)
    # The logarithm of the speed varies as much, about its mean over each path.
    pace = steps.norm(dim=-1).log()
    varied = (pace - pace.mean(1, keepdim=True)).square().mean().sqrt()
    assert float(varied) == pytest.approx(math.radians(25.0), rel=0.06)


def test_no_tremble_is_a_straight_line() -> None:
    y = MotionBlur(view=OBJECT).transform(impulse(), swing(1 / 60, 15.0, 0.0, 0.0, seed=4))
    assert moments(y)["yy"] < 1e-12


# Light ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "params", [swing(1 / 60, 20.0, 33.0, 50.0, 1), swing(1 / 8, 99.0, 70.0), swing(1e-4, 1.0, 5.0)]
)
def test_no_light_is_lost_and_none_is_negative(params: MotionBlurParams) -> None:
    y = MotionBlur(view=OBJECT).transform(impulse(), params)
    assert float(y.sum()) == pytest.approx(1.0, abs=1e-12)
    assert float(y.min()) > -1e-15


def test_a_straight_line_is_evenly_bright() -> None:
    y = MotionBlur().transform(impulse(), swing(1 / 10, 40.0))[0, 0, 64]
    inside = y[y > 0.9 * y.max()]
    assert len(inside) >= 9
    assert float(inside.max() / inside.min()) < 1.05


def test_the_shortest_blurs_grow_from_nothing() -> None:
    """Continuous down to neutral: the second moment of a path of 0.3 pixels is seen, and falls as its square."""
    view = View()
    per_px = 1 / (129 * 50 / 36 * math.pi / 180)
    found = [moments(MotionBlur(view=view).transform(impulse(), swing(1.0, s * per_px)))["xx"] for s in (0.1, 0.2, 0.4)]
    assert found[2] == pytest.approx(0.4**2 / 12, rel=0.05)
    assert found[1] / found[0] == pytest.approx(4.0, rel=0.01)
    x = example_pictures(1).double()
    for still in (swing(0.0, 30.0, 20.0, 30.0, 1), swing(1 / 30, 0.0, 20.0, 30.0, 1)):
        torch.testing.assert_close(MotionBlur().transform(x, still), x, atol=1e-14, rtol=0)


def test_paths_wider_than_the_bound_are_drawn_at_it() -> None:
    wide, wider = (SubjectMotion().transform(impulse(), passing(1.0, v, 1.0)) for v in (10.0, 1000.0))
    torch.testing.assert_close(wide, wider, atol=1e-12, rtol=0)
    assert moments(wide)["xx"] == pytest.approx((2 * 33) ** 2 / 12, rel=0.05)


def test_an_object_shakes_at_32_pixels_where_a_photograph_does_not() -> None:
    x = example_pictures(1, seed=3).double()
    shake = swing(1 / 30, 10.0, 30.0, 30.0, 2)
    changed = {name: float((MotionBlur(view=VIEWS[name]).transform(x, shake) - x).abs().mean()) for name in VIEWS}
    assert changed["object"] > 20 * changed["photograph"] > 0


# Draws ------------------------------------------------------------------------------------------------------------


def test_another_law_leaves_the_other_draws_alone() -> None:
    key = Key(0).at(range(20))
    before, after = MotionBlur().sample(key), MotionBlur(tremble_deg=5.0).sample(key)
    assert not torch.equal(before.tremble_deg, after.tremble_deg)
    for name in ("exposure_s", "angular_speed_deg_s", "direction_deg", "shape"):
        assert torch.equal(getattr(before, name), getattr(after, name))


def test_shapes_are_normal_numbers() -> None:
    shape = MotionBlur().sample(Key(0).at(range(2000))).shape
    assert abs(float(shape.mean())) < 0.03
    assert float(shape.std()) == pytest.approx(1.0, abs=0.03)


@pytest.mark.parametrize("laws", [{"exposure_s": -1.0}, {"angular_speed_deg_s": -1.0}, {"tremble_deg": 200.0}])
def test_what_does_not_exist_is_refused(laws: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=r"MotionBlur\(.*=…\)"):
        MotionBlur(**laws)
    with pytest.raises(ValueError, match=r"SubjectMotion\(distance_m=…\)"):
        SubjectMotion(distance_m=0.0)

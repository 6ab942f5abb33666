"""Atmosphere: Koschmieder's law and the algebra of layers of air."""

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from mechaug.keys import Key
from mechaug.mechanisms import Haze, HazeParams, View, to_light
from mechaug.mechanisms.atmosphere import koschmieder
from mechaug.testing import CHECKS, check_compile, check_no_global_state, example_pictures

UNTYPED = (check_compile, check_no_global_state)
TYPED = tuple(check for check in CHECKS if check not in UNTYPED)

haze = Haze()


def air(visibility_m: float, distance_m: float, airlight: float = 0.8) -> HazeParams:
    values = {"visibility_m": visibility_m, "distance_m": distance_m, "airlight": airlight}
    return HazeParams(**{name: torch.tensor([value], dtype=torch.float64) for name, value in values.items()})


def edge() -> Tensor:
    """Black on the left, white on the right."""
    return torch.tensor([0.0, 0.0, 1.0, 1.0], dtype=torch.float64).expand(1, 3, 4, 4)


def contrast(light: Tensor) -> float:
    return float(light[..., -1].mean() - light[..., 0].mean())


@pytest.mark.parametrize("visibility_m", [40.0, 1000.0, 20_000.0])
def test_five_per_cent_of_contrast_is_left_at_the_visibility(visibility_m: float) -> None:
    assert contrast(haze.transform(edge(), air(visibility_m, visibility_m))) == pytest.approx(0.05, rel=1e-9)
    # And so after the round trip through a picture.
    assert contrast(to_light(haze.apply(edge(), air(visibility_m, visibility_m)))) == pytest.approx(0.05, rel=1e-5)


def test_a_black_object_before_the_horizon_is_just_seen_at_the_visibility() -> None:
    """The definition itself: Weber contrast of black against the airlight of the horizon."""
    airlight = 0.7
    seen = haze.transform(torch.zeros(1, 1, 2, 2).double(), air(500.0, 500.0, airlight))
    assert float((airlight - seen).mean() / airlight) == pytest.approx(0.05, rel=1e-9)


def test_contrast_falls_exponentially_with_distance() -> None:
    at = {d: contrast(haze.transform(edge(), air(300.0, d))) for d in (10.0, 20.0, 30.0, 60.0)}
    assert at[20.0] == pytest.approx(at[10.0] ** 2, rel=1e-9)
    assert at[60.0] == pytest.approx(at[20.0] * at[10.0] * at[30.0], rel=1e-9)
    # β = 3.912/V holds for 2 % (Koschmieder); 5 % needs 2.996/V.
    assert -math.log(at[10.0]) / 10.0 == pytest.approx(2.996 / 300.0, rel=1e-3)


def test_far_away_there_is_only_airlight() -> None:
    y = haze.transform(edge(), air(50.0, 5000.0, 0.6))
    torch.testing.assert_close(y, torch.full_like(y, 0.6))


@pytest.mark.parametrize("params", [air(math.inf, 80.0), air(100.0, 0.0), air(math.inf, 0.0)])
def test_clear_air_changes_nothing(params: HazeParams) -> None:
    x = example_pictures(1).double()
    assert torch.equal(haze.transform(x, params), x)


def test_an_object_as_bright_as_the_air_does_not_change() -> None:
    x = torch.full((1, 3, 2, 2), 0.8).double()
    torch.testing.assert_close(haze.transform(x, air(50.0, 60.0, 0.8)), x, atol=1e-7, rtol=0)


def test_airlight_above_white_is_kept_as_light() -> None:
    assert float(haze.transform(edge(), air(50.0, 1000.0, 1.5)).max()) == pytest.approx(1.5)
    assert float(haze.apply(edge(), air(50.0, 1000.0, 1.5)).max()) == pytest.approx(1.0)


# Layers -------------------------------------------------------------------------------------------------------------


def transmittance(params: HazeParams) -> float:
    return contrast(haze.transform(edge(), params))


def test_transmittances_multiply() -> None:
    a, b = air(120.0, 35.0), air(700.0, 90.0)
    assert transmittance(haze.compose(a, b)) == pytest.approx(transmittance(a) * transmittance(b), rel=1e-9)


@pytest.mark.parametrize(("inner", "outer"), [(0.2, 0.9), (0.9, 0.2), (0.5, 0.5), (0.0, 1.0)])
def test_layers_of_different_airlight_compose(inner: float, outer: float) -> None:
    x = example_pictures(1).double()
    a, b = air(120.0, 35.0, inner), air(300.0, 90.0, outer)
    twice = haze.transform(haze.transform(x, a), b)
    once = haze.compose(a, b)
    torch.testing.assert_close(haze.transform(x, once), twice, atol=1e-12, rtol=0)
    assert min(inner, outer) - 1e-12 <= float(once.airlight) <= max(inner, outer) + 1e-12


def test_the_nearer_layer_veils_the_farther() -> None:
    behind, before = air(50.0, 100.0, 0.2), air(50.0, 100.0, 0.9)
    assert float(haze.compose(behind, before).airlight) > 0.89
    assert float(haze.compose(before, behind).airlight) < 0.21


def test_a_hundred_thin_layers_are_one_thick_layer() -> None:
    x = example_pictures(1).double()
    thin = air(200.0, 0.5, 0.7)
    y, whole = x, haze.neutral(1).map(Tensor.double)
    for _ in range(100):
        y, whole = haze.transform(y, thin), haze.compose(whole, thin)
    torch.testing.assert_close(y, haze.transform(x, air(200.0, 50.0, 0.7)), atol=1e-12, rtol=0)
    torch.testing.assert_close(haze.transform(x, whole), y, atol=1e-7, rtol=0)


def test_clear_layers_are_neutral() -> None:
    x = example_pictures(1).double()
    a, clear = air(120.0, 35.0, 0.3), air(math.inf, 50.0, 0.9)
    expected = haze.transform(x, a)
    torch.testing.assert_close(haze.transform(x, haze.compose(a, clear)), expected, atol=1e-12, rtol=0)
    torch.testing.assert_close(haze.transform(x, haze.compose(clear, a)), expected, atol=1e-12, rtol=0)
    both = haze.compose(clear, clear)
    assert float(both.visibility_m) == math.inf
    assert torch.equal(haze.transform(x, both), x)
    torch.testing.assert_close(haze.transform(x, haze.compose(a, air(80.0, 0.0))), expected, atol=1e-12, rtol=0)


def test_a_layer_of_no_depth_before_another_is_neutral() -> None:
    x = example_pictures(1).double()
    a = air(120.0, 35.0, 0.3)
    composed = haze.transform(x, haze.compose(air(80.0, 0.0), a))
    torch.testing.assert_close(composed, haze.transform(x, a), atol=1e-12, rtol=0)


# Draws --------------------------------------------------------------------------------------------------------------


def test_the_default_prior_stays_within_its_ranges() -> None:
    params = haze.sample(Key(0).at(range(4000)))
    for name, low, high in (("visibility_m", 50.0, 2000.0), ("distance_m", 10.0, 100.0), ("airlight", 0.6, 1.0)):
        drawn = getattr(params, name)
        assert low * 0.99999 <= float(drawn.min()) < low * 1.01
        assert high * 0.99 < float(drawn.max()) <= high * 1.00001
    columns = torch.stack([params.visibility_m.log(), params.distance_m.log(), params.airlight])
    assert (torch.corrcoef(columns) - torch.eye(3)).abs().max() < 4 / math.sqrt(4000)


@pytest.mark.parametrize("change", [{"visibility_m": 10.0}, {"distance_m": (5.0, 6.0)}, {"airlight": 0.1}])
def test_another_law_leaves_the_other_draws_alone(change: dict[str, float]) -> None:
    key = Key(0).at(range(50))
    before, after = haze.sample(key), Haze(**change).sample(key)
    for name in ("visibility_m", "distance_m", "airlight"):
        assert torch.equal(getattr(before, name), getattr(after, name)) == (name not in change)


@pytest.mark.parametrize("laws", [{"visibility_m": -1.0}, {"distance_m": (-1.0, 5.0)}, {"airlight": -0.1}])
def test_what_does_not_exist_is_refused(laws: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=r"Haze\(.*=…\)"):
        Haze(**laws)


# Distances ----------------------------------------------------------------------------------------------------------

WIDE = View(hfov_deg=90.0, crop=0.8)
"""A focal length of 0.625 picture widths."""


def rays(height: int, width: int, horizon: float = 0.5) -> np.ndarray:
    """The direction of each pixel's ray, right, down and ahead, for a view whose focal length is 0.625 widths."""
    right = (np.arange(width) + 0.5) / width - 0.5
    down = ((np.arange(height) + 0.5) / height - horizon) * height / width
    return np.stack(np.broadcast_arrays(right, down[:, None], 0.625), -1)


def test_a_wall_is_farther_away_at_its_sides() -> None:
    x = torch.zeros(1, 3, 5, 9).double()
    found = Haze(depth="radial", view=WIDE).distances_m(x, air(100.0, 40.0))[0, 0]
    # A ray meets the plane at 40 m ahead after 40/0.625 of its direction.
    np.testing.assert_allclose(found, np.linalg.norm(rays(5, 9) * 40 / 0.625, axis=-1), rtol=1e-12)
    assert float(found[2, 4]) == pytest.approx(40.0)
    # 45° from the axis, where this view's whole frame ends, it would be √2 as far.
    assert float(found[2, 0]) == pytest.approx(40.0 * math.hypot(1.0, (4 / 9) / 0.625))


def test_the_ground_is_met_where_rays_meet_it() -> None:
    mechanism = Haze(depth="ground", view=WIDE, camera_height_m=2.0, horizon=0.4)
    found = mechanism.distances_m(torch.zeros(1, 3, 10, 6).double(), air(100.0, 30.0))[0, 0]
    direction = rays(10, 6, horizon=0.4)
    assert (direction[:4, :, 1] < 0).all(), "four of ten rows are above the horizon"
    with np.errstate(divide="ignore"):
        to_ground = np.where(direction[..., 1] > 0, 2.0 / direction[..., 1], np.inf)
    # In units of the direction: whichever comes first, the ground or the wall.
    reach = np.minimum(to_ground, 30.0 / direction[..., 2])
    np.testing.assert_allclose(found, reach * np.linalg.norm(direction, axis=-1), rtol=1e-12)
    assert (found[-1] < 5.0).all(), "what is at the feet is near"
    # In the plane's own terms: height of the camera times focal length over the distance below the horizon.
    assert float(found[-1, 2]) == pytest.approx(
        2.0 * 0.625 / (0.55 * 10 / 6) * math.hypot(1.0, (0.55 * 10 / 6) / 0.625, (0.5 / 6) / 0.625)
    )


def test_five_per_cent_of_contrast_is_left_where_the_ground_is_at_the_visibility() -> None:
    mechanism = Haze(depth="ground", view=WIDE)
    x = torch.stack((torch.zeros(3, 20, 30), torch.ones(3, 20, 30))).double()
    # Row 16 of 20 in the middle of the picture is 6.5/30 widths below the horizon, so that the ground is this far.
    visibility_m = 1.5 / (6.5 / 30) * math.hypot(0.625, 6.5 / 30, 0.5 / 30)
    params = air(visibility_m, 500.0).map(lambda value: value.expand(2))
    black, white = mechanism.transform(x, params)
    left = (white - black)[0]
    assert float(left[16, 15]) == pytest.approx(0.05, rel=1e-9)
    assert (left[17:, 15] > 0.05).all(), "nearer ground is clearer"
    distance = mechanism.distances_m(x, params)[0, 0]
    torch.testing.assert_close(left, 0.05 ** (distance / visibility_m), rtol=1e-9, atol=1e-15)


def test_through_a_narrow_lens_a_wall_is_flat() -> None:
    x, narrow = example_pictures(2).double(), View(hfov_deg=0.1)
    params = haze.sample(Key(0).at([1, 2])).map(Tensor.double)
    flat, radial = haze.transform(x, params), Haze(depth="radial", view=narrow).transform(x, params)
    torch.testing.assert_close(flat, radial, atol=1e-6, rtol=0)
    assert (flat - Haze(depth="radial", view=WIDE).transform(x, params)).abs().max() > 0.01


def test_light_through_known_distances() -> None:
    x = example_pictures(2).double()
    params = haze.sample(Key(0).at([1, 2])).map(Tensor.double)
    flat = torch.full((2, 1, 32, 32), 35.0).double()
    expected = haze.transform(x, params.replace(distance_m=torch.full((2,), 35.0).double()))
    torch.testing.assert_close(haze.through(x, params, flat), expected, atol=1e-12, rtol=0)
    for depth in ("flat", "radial", "ground"):
        mechanism = Haze(depth=depth, view=WIDE)
        known = mechanism.through(x, params, mechanism.distances_m(x, params))
        torch.testing.assert_close(mechanism.transform(x, params), known, atol=1e-12, rtol=0)


def test_the_sky_is_infinitely_far() -> None:
    x = example_pictures(1).double()
    sky = torch.full((1, 1, 32, 32), math.inf).double()
    torch.testing.assert_close(haze.through(x, air(300.0, 1.0, 0.7), sky), torch.full_like(x, 0.7))
    assert torch.equal(haze.through(x, air(math.inf, 1.0, 0.7), sky), x), "through clear air it is seen as it is"


@pytest.mark.parametrize("depth", ["radial", "ground"])
def test_layers_of_one_air_compose_pixel_by_pixel(depth) -> None:
    mechanism, x = Haze(depth=depth, view=WIDE), example_pictures(1).double()
    a, b = air(120.0, 35.0, 0.7), air(300.0, 35.0, 0.7)
    composed = mechanism.compose(a, b)
    assert float(composed.visibility_m) == pytest.approx(1 / (1 / 120.0 + 1 / 300.0)), "extinctions add up"
    twice = mechanism.transform(mechanism.transform(x, a), b)
    torch.testing.assert_close(mechanism.transform(x, composed), twice, atol=1e-12, rtol=0)


def test_koschmieders_law() -> None:
    x = torch.tensor([[[[0.2, 0.9]]]], dtype=torch.float64)
    depth = torch.tensor([[[[0.0, math.log(4.0)]]]], dtype=torch.float64)
    found = koschmieder(x, depth, torch.tensor([0.5]).double())
    assert found.flatten().tolist() == pytest.approx([0.2, 0.9 / 4 + 0.5 * 3 / 4], rel=1e-12)


@pytest.mark.parametrize("fields", [{"camera_height_m": 0.0}, {"horizon": math.nan}])
def test_geometry_that_does_not_exist_is_refused(fields: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="camera_height_m"):
        Haze(**fields)


@pytest.mark.untyped  # run without run-time checks, which would refuse it first
def test_an_unknown_geometry_is_refused() -> None:
    with pytest.raises(ValueError, match="depth=…"):
        Haze(depth="linear")  # type: ignore[arg-type]

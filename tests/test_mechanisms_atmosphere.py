"""Atmosphere: Koschmieder's law and the algebra of layers of air."""

import math

import pytest
import torch
from torch import Tensor

from mechaug.keys import Key
from mechaug.mechanisms import Haze, HazeParams, to_light
from mechaug.testing import example_pictures

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

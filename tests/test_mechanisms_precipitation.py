"""Precipitation: spectra, speeds, streaks and extinction against figures worked out apart from the code."""

import math
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch
from scipy.integrate import quad
from torch import Tensor

from mechaug.keys import Key
from mechaug.mechanisms.particles import draw_particles
from mechaug.mechanisms.precipitation import RAIN_INTERCEPT, Rain, RainParams, Snow, SnowParams, drop_speed
from mechaug.mechanisms.view import VIEWS, View
from mechaug.testing import example_key, example_pictures

WIDE = View(hfov_deg=90.0)  # the focal length is half the width


def rain(seed: int = 0, **changes: float) -> RainParams:
    values = {"rate_mm_h": 10.0, "exposure_s": 0.01, "wind_m_s": 0.0, "distance_m": 50.0, "f_number": 1e6, "sky": 1.0}
    made = {name: torch.tensor([value], dtype=torch.float64) for name, value in (values | changes).items()}
    return RainParams(**made, drops_seed=torch.tensor([seed]))


def snow(seed: int = 0, **changes: float) -> SnowParams:
    values = {"rate_mm_h": 1.0, "flake_mm": 4.0, "fall_m_s": 1.0, "wind_m_s": 0.0, "exposure_s": 0.004}
    values |= {"distance_m": 50.0, "f_number": 1e6, "sky": 1.0} | changes
    made = {name: torch.tensor([value], dtype=torch.float64) for name, value in values.items()}
    return SnowParams(**made, flakes_seed=torch.tensor([seed]))


def black(size: int = 64, channels: int = 1) -> Tensor:
    return torch.zeros(1, channels, size, size, dtype=torch.float64)


def near(mechanism: Any, params: Any, size: int = 64) -> np.ndarray:
    """What the drawn particles cover, with the even veil taken off."""
    y = mechanism.transform(black(size), params)[0, 0].numpy()
    clear = mechanism.transform(black(size), params.replace(rate_mm_h=params.rate_mm_h * 0))
    assert float(clear.abs().max()) == 0.0
    depth = -math.log(1 - y.min())  # a picture with one streak has pixels far from it
    return 1 - (1 - y) / math.exp(-depth)


# Rain: the spectrum ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("diameter_mm", "speed_m_s"), [(1.0, 3.997), (2.0, 6.548), (5.0, 9.137)])
def test_drops_fall_as_fast_as_worked_out_by_hand(diameter_mm: float, speed_m_s: float) -> None:
    assert float(drop_speed(torch.tensor(diameter_mm * 1e-3))) == pytest.approx(speed_m_s, abs=1e-3)


def test_no_drop_rises() -> None:
    assert float(drop_speed(torch.tensor(0.0))) == pytest.approx(0.515, abs=1e-3)


@pytest.mark.parametrize("rate", [1.0, 5.0, 25.0, 50.0])
def test_the_spectrum_carries_the_rain(rate: float) -> None:
    """∫N(D)·v(D)·π/6·D³ dD is the rate, as nearly as Marshall and Palmer's fit and this fit of speeds agree."""

    def flux(d: float) -> float:  # mm³ per m² and s
        density = RAIN_INTERCEPT * math.exp(-4.1 * rate**-0.21 * d)
        return density * float(drop_speed(torch.tensor(d * 1e-3, dtype=torch.float64))) * math.pi / 6 * d**3

    rate_mm_h = quad(flux, 0.0, 15.0)[0] * 1e-6 * 3600
    assert rate_mm_h == pytest.approx(rate, rel=0.2)


# Rain: streaks --------------------------------------------------------------------------------------------------------


def largest_drop(params: RainParams, size: int, view: View) -> tuple[float, float, float]:
    """Diameter, distance and apparent size in pixels of the first drop, from its random part and the textbook."""
    drawn = draw_particles(params.drops_seed, 1, torch.float64)
    slope = 4.1 * float(params.rate_mm_h) ** -0.21  # per mm
    diameter = float(drawn.volume) / slope
    angle = 1 / view.focal_widths**2
    cubed = angle / 3 * RAIN_INTERCEPT * 6 / slope**4 / float(drawn.order)  # (mm/m)³
    distance = diameter / cubed ** (1 / 3)
    return diameter * 1e-3, distance, view.focal_px(size) * diameter * 1e-3 / distance


def first_seed(inside: float = 0.15) -> int:
    """A seed whose first drop is in the middle and not very near."""
    for seed in range(1000):
        drawn = draw_particles(torch.tensor([seed]), 1, torch.float64)
        central = abs(float(drawn.across) - 0.5) < inside and abs(float(drawn.down) - 0.5) < inside
        if central and 0.8 < float(drawn.order) < 1.2 and 3.0 < float(drawn.volume) < 5.0:
            return seed
    raise AssertionError("no such seed")


@pytest.mark.parametrize("exposure_s", [1 / 2000, 1 / 250, 1 / 100])
def test_a_streak_is_as_long_as_the_drop_falls_in_the_exposure(exposure_s: float) -> None:
    mechanism, params = Rain(drops=1, view=WIDE), rain(first_seed(), exposure_s=exposure_s)
    field = near(mechanism, params, 128)
    diameter, distance, apparent = largest_drop(params, 128, WIDE)
    speed = 9.65 - 10.3 * math.exp(-0.6 * diameter * 1e3)
    length = 64.0 * speed * exposure_s / distance
    rows, columns = field.sum(1) / field.sum(), field.sum(0) / field.sum()
    place = np.arange(128)
    spread_y = rows @ (place - rows @ place) ** 2
    spread_x = columns @ (place - columns @ place) ** 2
    # An even path, the drop's own disc, and the pixel; a Gaussian so narrow is sampled to within 0.03 square pixels.
    assert spread_y == pytest.approx(length**2 / 12 + apparent**2 / 16 + 0.25, rel=0.01, abs=0.03)
    assert spread_x == pytest.approx(apparent**2 / 16 + 0.25, abs=0.03)
    # Its area is the drop's, however it is spread: opacity is the drop's time in a pixel over the exposure.
    assert field.sum() == pytest.approx(math.pi / 4 * apparent**2, rel=1e-3)


def test_a_longer_exposure_makes_fainter_streaks_of_the_same_area() -> None:
    mechanism, seed = Rain(drops=1, view=WIDE), first_seed()
    fields = [near(mechanism, rain(seed, exposure_s=t), 128) for t in (0.001, 0.004, 0.012)]
    assert fields[0].max() > 1.5 * fields[1].max() > 2.5 * fields[2].max()
    assert max(f.sum() for f in fields) == pytest.approx(min(f.sum() for f in fields), rel=1e-3)


def test_streaks_lean_as_the_wind_blows() -> None:
    mechanism, seed = Rain(drops=1, view=WIDE), first_seed()
    speed = float(drop_speed(torch.tensor(4 / (4.1e3 * 10**-0.21), dtype=torch.float64)))  # of the mean drop
    for wind in (-2.0, 2.0):
        field = near(mechanism, rain(seed, exposure_s=0.01, wind_m_s=wind), 128)
        field = field / field.sum()
        place = np.arange(128)
        down, across = place - field.sum(1) @ place, place - field.sum(0) @ place
        lean = (field * np.outer(down, across)).sum() / (field.sum(1) @ down**2)
        assert lean == pytest.approx(wind / speed, rel=0.05)


@pytest.mark.parametrize(("exposure_s", "f_number"), [(0.012, 1e6), (0.006, 1.4), (0.003, 0.5)])
def test_the_mean_drop_has_the_second_moments_of_its_blurred_and_leaning_path(
    exposure_s: float, f_number: float
) -> None:
    """A disc and a path convolved: their covariances add, whichever is the larger."""
    mechanism, wind = Rain(drops=1, view=WIDE), 3.0
    params = rain(first_seed(), exposure_s=exposure_s, wind_m_s=wind, f_number=f_number)
    diameter, distance, _ = largest_drop(params, 128, WIDE)
    fall = 9.65 - 10.3 * math.exp(-600 * diameter)
    aperture = WIDE.focal_length_mm * 1e-3 / f_number * (1 - distance / 50.0)
    disc, scale = (diameter**2 + aperture**2) / 16, (64.0 / distance) ** 2
    field = near(mechanism, params, 128)
    field, place = field / field.sum(), np.arange(128)
    down, across = place - field.sum(1) @ place, place - field.sum(0) @ place
    expected = scale * exposure_s**2 / 12 * wind * fall
    assert (field * np.outer(down, across)).sum() == pytest.approx(expected, rel=0.1)
    assert field.sum(1) @ down**2 == pytest.approx(scale * (disc + (fall * exposure_s) ** 2 / 12) + 0.25, rel=0.05)
    # Sheared by interpolation, up to a quarter of a square pixel wider; all drops lean like the mean one.
    wide = scale * (disc + (wind * exposure_s) ** 2 / 12) + 0.25
    assert wide - 0.05 < field.sum(0) @ across**2 < wide * 1.2 + 0.5


def test_a_wide_aperture_blurs_near_drops() -> None:
    mechanism, seed = Rain(drops=1), first_seed()
    sharp, soft = (near(mechanism, rain(seed, exposure_s=1e-5, f_number=n), 128) for n in (1e6, 4.0))
    assert soft.max() < 0.5 * sharp.max()
    assert soft.sum() == pytest.approx(sharp.sum(), rel=0.02)


def test_drops_behind_the_scene_are_not_seen() -> None:
    params = rain(first_seed())
    distance = largest_drop(params, 64, WIDE)[1]
    mechanism = Rain(drops=1, view=WIDE)
    assert near(mechanism, params.replace(distance_m=torch.tensor([0.99 * distance]).double())).max() < 1e-12
    assert near(mechanism, params.replace(distance_m=torch.tensor([1.3 * distance]).double())).max() > 1e-3


def test_more_rain_covers_more() -> None:
    x = black(96)
    covered = [
        float(Rain().transform(x, rain(distance_m=5.0, rate_mm_h=r)).mean()) for r in (0.05, 0.1, 1.0, 10.0, 90.0)
    ]
    assert all(b > a for a, b in pairwise(covered))
    assert covered[0] == pytest.approx(covered[1] / 2, rel=0.01)


# Extinction -----------------------------------------------------------------------------------------------------------


def contrast(mechanism: Any, params: Any) -> float:
    """What is left of the difference of white and black where no near particle is in the way."""
    white, nothing = mechanism.transform(black() + 1, params), mechanism.transform(black(), params)
    return float((white - nothing).max())


@pytest.mark.parametrize(("rate", "left"), [(1.0, 0.7320), (10.0, 0.2323), (50.0, 0.0137)])
def test_a_kilometre_of_rain_extinguishes(rate: float, left: float) -> None:
    assert contrast(Rain(drops=1), rain(rate_mm_h=rate, distance_m=1000.0)) == pytest.approx(left, rel=5e-3)


def test_snow_extinguishes_what_its_flakes_do() -> None:
    """Twice the area of the flakes that carry the snowfall, by integrating a spectrum of the right flux."""
    rate, flake, fall, distance = 1.5, 5.0, 1.2, 300.0
    slope = 4 / (flake * 1e-3)
    flux = quad(lambda d: math.exp(-slope * d) * (0.17 / d) * math.pi / 6 * d**3 * fall, 0, 30 / slope)[0]  # kg/m²/s
    intercept = (rate / 3600) / flux
    area = quad(lambda d: intercept * math.exp(-slope * d) * math.pi / 4 * d**2, 0, 30 / slope)[0]
    params = snow(rate_mm_h=rate, flake_mm=flake, fall_m_s=fall, distance_m=distance)
    assert contrast(Snow(flakes=1), params) == pytest.approx(math.exp(-2 * area * distance), rel=1e-3)


@pytest.mark.parametrize("flake_mm", [2.0, 8.0])
def test_the_visibility_in_a_millimetre_of_snow_an_hour_is_six_hundred_metres(flake_mm: float) -> None:
    left = contrast(Snow(flakes=1), snow(flake_mm=flake_mm, distance_m=611.0))
    assert left == pytest.approx(0.05, rel=0.01)


def test_snow_veils_more_than_rain() -> None:
    assert contrast(Snow(flakes=1), snow(distance_m=200.0)) < contrast(
        Rain(drops=1), rain(rate_mm_h=1.0, distance_m=200.0)
    )


# Snow: flakes ---------------------------------------------------------------------------------------------------------


def test_a_sharp_near_flake_is_opaque_and_no_flake_more_than_that() -> None:
    y = Snow(view=VIEWS["object"]).transform(black(), snow(rate_mm_h=3.0, exposure_s=1e-4, distance_m=5.0, sky=0.9))
    assert float(y.max()) == pytest.approx(0.9, abs=1e-6)


def test_the_largest_flake_is_as_large_as_the_snowfall_makes_it() -> None:
    """Its apparent size from the number of flakes that carry the rate at their speed."""
    seed, size = first_seed(), 96
    params = snow(seed, rate_mm_h=0.5, flake_mm=3.0, fall_m_s=0.8, exposure_s=0.05)
    slope = 4 / 3e-3
    flux = quad(lambda d: math.exp(-slope * d) * (0.17 / d) * math.pi / 6 * d**3 * 0.8, 0, 30 / slope)[0]
    cubes = quad(lambda d: 0.5 / 3600 / flux * math.exp(-slope * d) * d**3, 0, 40 / slope)[0]
    order = float(draw_particles(params.flakes_seed, 1, torch.float64).order)
    apparent = WIDE.focal_px(size) * (cubes / (3 * WIDE.focal_widths**2 * order)) ** (1 / 3)
    assert near(Snow(flakes=1, view=WIDE), params, size).sum() == pytest.approx(math.pi / 4 * apparent**2, rel=0.01)


def test_flakes_stay_round_in_the_wind_at_short_exposures_and_lean_at_long_ones() -> None:
    mechanism, leans = Snow(flakes=1, view=VIEWS["object"]), []
    seed = first_seed()
    for exposure in (1e-4, 0.05):
        field = near(mechanism, snow(seed, rate_mm_h=0.02, exposure_s=exposure, wind_m_s=1.0), 96)
        field, place = field / field.sum(), np.arange(96)
        down, across = place - field.sum(1) @ place, place - field.sum(0) @ place
        leans.append((field * np.outer(down, across)).sum() / (field.sum(1) @ down**2))
    assert abs(leans[0]) < 0.01
    assert leans[1] == pytest.approx(1.0, rel=0.1)


# Both -----------------------------------------------------------------------------------------------------------------

FALLING = pytest.mark.parametrize(("mechanism", "params"), [(Rain(), rain()), (Snow(), snow())], ids=["rain", "snow"])


@FALLING
def test_without_a_rate_nothing_changes(mechanism: Any, params: Any) -> None:
    x = example_pictures(1).double()
    nothing = params.replace(rate_mm_h=torch.zeros(1).double())
    assert torch.equal(mechanism.transform(x, nothing), x)
    slight = params.replace(rate_mm_h=torch.full((1,), 1e-6).double())
    torch.testing.assert_close(mechanism.transform(x, slight), x, atol=1e-4, rtol=0)


@FALLING
def test_light_stays_between_the_scene_and_the_sky_and_is_affine(mechanism: Any, params: Any) -> None:
    x, z = example_pictures(2).double().unbind(0)
    x, z = x[None] * 3, z[None]
    y = mechanism.transform(x, params)
    assert bool(((y - x) * (1.0 - y) >= -1e-12).all())
    mixed = mechanism.transform(0.3 * x + 0.7 * z, params)
    torch.testing.assert_close(mixed, 0.3 * y + 0.7 * mechanism.transform(z, params))
    even = torch.ones(1, 3, 8, 8).double()
    torch.testing.assert_close(mechanism.transform(even, params), even)


@FALLING
@pytest.mark.parametrize("shape", [(1, 40), (40, 1), (7, 13)])
def test_any_shape_is_drawn(mechanism: Any, params: Any, shape: tuple[int, int]) -> None:
    y = mechanism.transform(torch.full((1, 1, *shape), 0.2).double(), params)
    assert y.shape == (1, 1, *shape)
    assert bool(torch.isfinite(y).all())


@FALLING
def test_the_exposure_does_not_change_which_particles_there_are(mechanism: Any, params: Any) -> None:
    """A counterfactual: only the streaks' length differs, so what is covered in all is the same."""
    x = black(96)
    short, long = (mechanism.transform(x, params.replace(exposure_s=torch.tensor([t]).double())) for t in (0.002, 0.02))
    assert float(short.mean()) == pytest.approx(float(long.mean()), rel=0.02)
    assert not torch.allclose(short, long, atol=1e-3)


def test_draws_differ_between_pictures_and_rain_from_snow() -> None:
    drawn = Rain().sample(example_key(3))
    assert len(set(drawn.drops_seed.tolist())) == 3
    assert not torch.equal(drawn.drops_seed, Snow().sample(example_key(3)).flakes_seed)
    assert torch.equal(
        drawn.drops_seed, Rain(rate_mm_h=3.0, drops=9).sample(Key(1).at(torch.arange(3) + 10)).drops_seed
    )


@pytest.mark.parametrize(("made", "complaint"), [
    (lambda: Rain(drops=0), "drops"), (lambda: Snow(flakes=0), "flakes"),
    (lambda: Rain(rate_mm_h=-1.0), "rate_mm_h"), (lambda: Snow(fall_m_s=0.0), "fall_m_s"),
])  # fmt: skip
def test_bad_numbers_are_refused(made: Any, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        made()

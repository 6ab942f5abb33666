"""The auto-exposure programme against the published table of worked values, and against its own equations."""

import itertools
import math

import pytest
import torch

from mechaug import Key
from mechaug import mechanisms as m
from mechaug.scenes import CAMERAS, AutoExposure, Ev100, Programme, Scene, Variable

FIXED = Programme((1.8, 1.8), (1 / 20000, 1 / 30), (100.0, 6400.0))
REFLEX = Programme((1.8, 22.0), (1 / 8000, 1 / 60), (100.0, 6400.0))
KEY = Key(0).at(torch.arange(1))


def exposed(programme: Programme, lux: float) -> tuple[float, float, float, float]:
    """f-number, time, ISO and the exposure's error for an illuminance."""
    none = torch.full((1,), 0.5, dtype=torch.float64)
    ev100 = Ev100().value([torch.tensor([lux], dtype=torch.float64)], none)
    chosen: list[torch.Tensor] = []
    for name in ("f_number", "exposure_s", "iso", "exposure_ev"):
        chosen.append(AutoExposure(programme, name).value([ev100, *chosen], none))  # type: ignore[arg-type]
    return tuple(value.item() for value in chosen)  # type: ignore[return-value]


# N = 1.8, t_max = 1/30, S_max = 6400.
@pytest.mark.parametrize(
    ("lux", "over_time", "iso", "error_ev"),
    [
        (100e3, 12346, 100, 0),
        (1e3, 123, 100, 0),
        (300, 37, 100, 0),
        (80, 30, 304, 0),
        (20, 30, 1215, 0),
        (5, 30, 4860, 0),
        (1, 30, 6400, -1.9),
    ],
)
def test_a_telephone_exposes_as_published(lux: float, over_time: float, iso: float, error_ev: float) -> None:
    f_number, time, gain, error = exposed(FIXED, lux)
    assert f_number == pytest.approx(1.8)
    assert 1 / time == pytest.approx(over_time, rel=0.005)
    assert gain == pytest.approx(iso, rel=0.002)
    assert error == pytest.approx(error_ev, abs=0.05)


def test_exposure_values_are_those_of_incident_meters() -> None:
    """Full sun is EV 15, by the sunny-16 rule: f/16 at 1/100 s for ISO 100 is 14.6."""
    none = torch.full((2,), 0.5, dtype=torch.float64)
    ev = Ev100().value([torch.tensor([2.5, 81920.0], dtype=torch.float64)], none)
    assert ev.tolist() == pytest.approx([0, 15])


def test_a_reflex_camera_splits_the_light_between_aperture_and_time() -> None:
    lux = [500.0 * 4**step for step in range(4)]
    rows = [exposed(REFLEX, value) for value in lux]
    # From f/1.8 at 1/60: four times the light is one stop of each, while neither is at its limit.
    for (before, slow, _, _), (after, fast, _, error) in itertools.pairwise(rows):
        assert after / before == pytest.approx(math.sqrt(2), rel=1e-6)
        assert slow / fast == pytest.approx(2, rel=1e-6)
        assert error == pytest.approx(0, abs=1e-9)


def test_limits_hand_over_to_each_other() -> None:
    narrow = Programme((1.8, 4.0), (1 / 1000, 1 / 60), (100.0, 400.0))
    f_number, time, iso, error = exposed(narrow, 1e5)
    assert (f_number, time, iso) == pytest.approx((4.0, 1 / 1000, 100.0))
    assert error > 0  # neither can take so much light
    early = Programme((1.8, 22.0), (1 / 250, 1 / 60), (100.0, 400.0))
    f_number, time, _, error = exposed(early, 1e5)
    assert time == pytest.approx(1 / 250) and f_number > 4 and error == pytest.approx(0, abs=1e-9)
    assert exposed(narrow, 0.01)[3] < -5


def test_every_choice_exposes_right_where_no_limit_is_reached() -> None:
    for programme in (FIXED, REFLEX):
        for lux in (10.0, 50.0, 500.0, 5e3, 5e4):
            f_number, time, iso, error = exposed(programme, lux)
            needed = math.log2(lux / 2.5)
            assert math.log2(f_number**2 / time * 100 / iso) == pytest.approx(needed - error, abs=1e-9)
            assert error == pytest.approx(0, abs=1e-9)


def test_a_camera_answers_to_an_intervention() -> None:
    """Who sets the time by hand makes the gain follow: time priority."""
    camera = CAMERAS["canon-5d4"]
    scene = Scene(
        (
            Variable("illuminance_lux", "lux", 200.0),
            Variable("ev100", "EV", Ev100(), ("illuminance_lux",)),
            *camera.variables(metered_ev="ev100"),
        ),
        m.Chain(m.Exposure(exposure_ev="exposure_ev"), camera.sense()),
    )
    before, after = (s.table(s.sample(KEY)) for s in (scene, scene.do(exposure_s=1 / 1600)))
    assert after["f_number"].equal(before["f_number"])
    gained = after["iso"] / before["iso"]
    assert gained.item() == pytest.approx(before["exposure_s"].item() * 1600, rel=1e-5)
    assert after["exposure_ev"].item() == pytest.approx(0, abs=1e-5)


@pytest.mark.parametrize("name", CAMERAS)
def test_presets_are_cameras(name: str) -> None:
    camera = CAMERAS[name]
    assert camera.view().focal_length_mm == pytest.approx(camera.focal_length_mm)
    assert camera.sense().full_well_e == camera.sensor.full_well_e
    assert [variable.name for variable in camera.variables()] == ["f_number", "exposure_s", "iso", "exposure_ev"]
    assert 1 < camera.sensor.pitch_um < 10


def test_what_is_no_programme_is_said() -> None:
    with pytest.raises(ValueError, match="range \\(low, high\\)"):
        Programme((8.0, 1.8), (0.1, 1.0), (100.0, 200.0))
    with pytest.raises(ValueError, match="takes EV"):
        Scene(
            (Variable("lux", "lux", 5.0), Variable("n", "", AutoExposure(FIXED, "f_number"), ("lux",))),
            m.Chain(m.Jpeg()),
        )
    with pytest.raises(ValueError, match="gives ISO"):
        Variable("n", "", AutoExposure(FIXED, "iso"), ("a", "b", "c"))

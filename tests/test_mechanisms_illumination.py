"""Illumination: exposure values are powers of two of the light, lights have their colour, and lamps a place."""

import itertools

import numpy as np
import pytest
import torch

from mechaug import mechanisms
from mechaug.keys import Key
from mechaug.mechanisms import Chain, Exposure, ExposureParams, to_light, to_picture
from mechaug.mechanisms.illumination import Falloff, FalloffParams, Illuminant, IlluminantParams
from mechaug.testing import CHECKS, check_compile, check_no_global_state, example_pictures

TYPES = tuple(
    {
        **mechanisms.TYPES, "Illuminant": Illuminant, "IlluminantParams": IlluminantParams, "Falloff": Falloff,
        "FalloffParams": FalloffParams,
    }.items()
)  # fmt: skip
UNTYPED = (check_compile, check_no_global_state)
TYPED = tuple(check for check in CHECKS if check not in UNTYPED)


def ev(*values: float) -> ExposureParams:
    return ExposureParams(exposure_ev=torch.tensor(values))


def test_one_ev_doubles_the_light() -> None:
    light = to_light(example_pictures(2)) / 4
    picture = to_picture(light)
    for steps, factor in ((1.0, 2.0), (-1.0, 0.5), (2.0, 4.0), (0.5, 2**0.5)):
        mean = to_light(Exposure().apply(picture, ev(steps, steps))).mean((1, 2, 3))
        torch.testing.assert_close(mean, factor * light.mean((1, 2, 3)), rtol=1e-5, atol=0)


def test_whole_evs_are_exact() -> None:
    x = example_pictures(3)
    y = Exposure().transform(x, ev(3.0, -2.0, 0.0))
    assert torch.equal(y, x * torch.tensor([8.0, 0.25, 1.0])[:, None, None, None])


def test_light_above_white_is_kept_inside_a_chain_and_clipped_at_its_end() -> None:
    x = example_pictures(4)
    up, down = Exposure(exposure_ev=9.0), Exposure(exposure_ev=-9.0)
    key = Key(0).at(range(4))
    torch.testing.assert_close(Chain(up, down)(x, key), x, atol=1e-5, rtol=0)
    torch.testing.assert_close(up(x, key), torch.ones_like(x), atol=1e-6, rtol=0)
    assert (down(up(x, key), key) - x).abs().max() > 0.1, "two pictures one after the other do lose what is clipped"


def test_the_gains_are_a_group() -> None:
    mechanism = Exposure()
    a, b, c = (mechanism.sample(Key(seed).at(range(100))).map(torch.Tensor.double) for seed in (1, 2, 3))
    x = example_pictures(100, height=2, width=2).double()

    def act(params: ExposureParams) -> torch.Tensor:
        return mechanism.transform(x, params)

    compose, inverse, close = mechanism.compose, mechanism.inverse, torch.testing.assert_close
    close(act(compose(a, b)), mechanism.transform(act(a), b), rtol=1e-14, atol=0)
    close(act(compose(a, b)), act(compose(b, a)), rtol=0, atol=0)
    close(act(compose(compose(a, b), c)), act(compose(a, compose(b, c))), rtol=1e-14, atol=0)
    assert torch.equal(compose(a, inverse(a)).exposure_ev, torch.zeros(100).double())
    assert torch.equal(inverse(inverse(a)).exposure_ev, a.exposure_ev)
    assert torch.equal(compose(a, mechanism.neutral(100)).exposure_ev, a.exposure_ev)


def test_the_slope_in_ev_is_the_light_times_the_logarithm_of_two() -> None:
    x = example_pictures(1)
    params = ev(1.5).map(torch.Tensor.requires_grad_)
    (slope,) = torch.autograd.grad(Exposure().transform(x, params).sum(), params.exposure_ev)
    assert float(slope) == pytest.approx(float(x.sum()) * 2**1.5 * 0.69314718, rel=1e-5)


# The light's colour -------------------------------------------------------------------------------------------------


def light(mired: float, tint: float = 0.0) -> IlluminantParams:
    return IlluminantParams(mired=torch.tensor([mired]).double(), tint_duv=torch.tensor([tint]).double())


def chromaticity(rgb: torch.Tensor) -> list[float]:
    # IEC 61966-2-1.
    matrix = torch.tensor([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]).double()
    xyz = matrix @ rgb.double()
    return [float(value) for value in xyz[:2] / xyz.sum()]


@pytest.mark.parametrize(
    ("mired", "xy"),
    # CIE illuminants A, D50 and D75 (CIE 015:2004): what a white wall looks like in them.
    [(1e6 / 2856, (0.4476, 0.4074)), (1e6 / 5003, (0.3457, 0.3585)), (1e6 / 7504, (0.2990, 0.3149))],
)
def test_white_takes_the_colour_of_the_light(mired: float, xy: tuple[float, float]) -> None:
    seen = Illuminant().transform(torch.ones(1, 3, 1, 1).double(), light(mired))[0, :, 0, 0]
    assert chromaticity(seen) == pytest.approx(xy, abs=1e-3)
    assert float(seen @ torch.tensor([0.2126, 0.7152, 0.0722]).double()) == pytest.approx(1.0, abs=1e-4)


@pytest.mark.parametrize("locus", ["planckian", "daylight"])
def test_light_of_d65_changes_nothing(locus) -> None:
    x = example_pictures(2).double()
    mechanism = Illuminant(locus=locus)
    torch.testing.assert_close(mechanism.transform(x, mechanism.neutral(2)), x, atol=1e-12, rtol=0)


def test_more_mired_is_redder_and_more_tint_is_greener() -> None:
    white = torch.ones(1, 3, 1, 1).double()
    casts = [Illuminant().transform(white, light(mired))[0, :, 0, 0] for mired in (100.0, 153.75, 200.0, 300.0, 400.0)]
    assert all(a[0] < b[0] and a[2] > b[2] for a, b in itertools.pairwise(casts))
    green, pink = (Illuminant().transform(white, light(153.75, tint))[0, :, 0, 0] for tint in (0.01, -0.01))
    assert green[1] > 1 > pink[1]
    assert green[0] < 1 < pink[0]


def test_two_changes_of_light_commute() -> None:
    x = 0.3 + 0.4 * example_pictures(1).double()  # Colours that no light takes out of sRGB.
    act, a, b = Illuminant().transform, light(120.0, 0.004), light(230.0)
    torch.testing.assert_close(act(act(x, a), b), act(act(x, b), a), atol=1e-12, rtol=0)


def test_light_is_never_negative() -> None:
    blue = torch.tensor([0.0, 0.0, 1.0]).double()[None, :, None, None]
    lights = IlluminantParams(mired=torch.arange(40.0, 599.0), tint_duv=torch.zeros(559))
    seen = Illuminant().transform(blue.expand(559, 3, 1, 1), lights)
    assert seen.min() == 0.0
    assert seen[:, 2].min() > 0.0


def test_what_has_no_colour_is_refused() -> None:
    with pytest.raises(ValueError, match="3 channels, not 1"):
        Illuminant().transform(example_pictures(1, channels=1), light(200.0))
    with pytest.raises(ValueError, match="mired=…"):
        Illuminant(mired=(10.0, 200.0))


@pytest.mark.untyped  # run without run-time checks, which would refuse it first
def test_an_unknown_locus_is_refused() -> None:
    with pytest.raises(ValueError, match="locus=…"):
        Illuminant(locus="tungsten")  # type: ignore[arg-type]


# A lamp nearby ------------------------------------------------------------------------------------------------------


def lamp(distance: float, direction: float, incidence: float) -> FalloffParams:
    values = (distance, direction, incidence)
    return FalloffParams(*(torch.tensor([value], dtype=torch.float64) for value in values))


@pytest.mark.parametrize(
    ("distance", "direction", "incidence"), [(0.7, 20.0, 55.0), (3.0, 250.0, 10.0), (1.0, 0.0, 0.0)]
)
def test_light_falls_with_the_square_of_the_distance_and_the_cosine(
    distance: float, direction: float, incidence: float
) -> None:
    """Each point's distance and angle to the lamp in three dimensions, one by one."""
    height, width = 5, 9
    phi, theta = np.radians(direction), np.radians(incidence)
    # Right, up, towards the camera.
    place = distance * np.array([np.sin(theta) * np.cos(phi), np.sin(theta) * np.sin(phi), np.cos(theta)])
    expected = np.empty((height, width))
    for row in range(height):
        for column in range(width):
            point = np.array([(column - 4) / width, -(row - 2) / width, 0.0])
            r = np.linalg.norm(place - point)
            expected[row, column] = (place[2] / r) / r**2
    expected /= expected[2, 4]
    found = Falloff().transform(torch.ones(1, 1, height, width).double(), lamp(distance, direction, incidence))
    np.testing.assert_allclose(found[0, 0].numpy(), expected, rtol=1e-12)


def test_the_side_of_the_lamp_is_brighter() -> None:
    seen = Falloff().transform(torch.ones(1, 1, 9, 9).double(), lamp(1.0, 90.0, 60.0))[0, 0]
    assert (seen[:-1] > seen[1:]).all(), "90° is up"
    torch.testing.assert_close(seen, seen.flip(1))


def test_a_distant_lamp_lights_all_alike() -> None:
    x = example_pictures(1).double()
    assert torch.equal(Falloff().transform(x, lamp(float("inf"), 40.0, 30.0)), x)
    torch.testing.assert_close(Falloff().transform(x, lamp(1e6, 40.0, 30.0)), x, atol=3e-6, rtol=0)

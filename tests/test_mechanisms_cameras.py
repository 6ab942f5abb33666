"""Cameras: presets give the noise that was measured."""

import math

import pytest
import torch

from mechaug.keys import Key
from mechaug.mechanisms.cameras import CAMERAS, sensor_of
from mechaug.testing import example_pictures


@pytest.mark.parametrize(
    ("name", "iso", "read_noise_e"),
    [
        ("canon-5d4", 100.0, 7.4), ("canon-5d4", 6400.0, 1.9), ("canon-70d", 100.0, 10.9), ("canon-70d", 6400.0, 1.8),
        ("nikon-d850", 100.0, 3.3), ("nikon-d850", 6400.0, 0.53), ("sony-a7s2", 100.0, 10.0),
        ("sony-a7s2", 6400.0, 1.5), ("sony-imx363", 800.0, 5.0),
    ],
)  # fmt: skip
def test_a_dark_grey_has_the_read_noise_that_was_measured(name: str, iso: float, read_noise_e: float) -> None:
    """Variance of flat light less its shot noise, in electrons; every other noise of the camera taken away."""
    sensor = sensor_of(name, iso=iso)
    params = sensor.sample(Key(2).at(range(4)))
    nothing = torch.zeros(4)
    params = params.replace(prnu_percent=nothing, row_noise_e=nothing, bits=nothing + math.inf)
    white_e = CAMERAS[name].full_well_e * 100 / iso
    level_e = 20.0 * read_noise_e
    y = sensor.transform(torch.full((4, 3, 192, 192), level_e / white_e), params).double() * white_e
    expected = level_e + read_noise_e**2
    assert float(y.var()) == pytest.approx(expected, rel=4 * math.sqrt(2 / y.numel()) + 0.003)
    assert 0.02 * expected < 0.9 * read_noise_e**2, "the test could not tell the read noise from its error"


@pytest.mark.parametrize(
    ("name", "gain_dn_e"), [("canon-5d4", 0.218), ("canon-70d", 0.41), ("nikon-d850", 0.42), ("sony-a7s2", 0.094)]
)
def test_the_gain_is_near_the_measured_one(name: str, gain_dn_e: float) -> None:
    """K = (2^bits − 1)/W; makers keep a few per cent of the converter's range below black."""
    camera = CAMERAS[name]
    assert (2**camera.bits - 1) / camera.full_well_e == pytest.approx(gain_dn_e, rel=0.07)


@pytest.mark.parametrize(
    ("name", "pitch_um"),
    [("canon-5d4", 5.36), ("canon-70d", 4.1), ("nikon-d850", 4.35), ("sony-a7s2", 8.4), ("sony-imx363", 1.4)],
)
def test_the_pitch_is_that_of_the_data_sheet(name: str, pitch_um: float) -> None:
    camera = CAMERAS[name]
    assert camera.pitch_um == pytest.approx(pitch_um, rel=0.01)
    assert camera.view(crop=0.5).pitch_um == pytest.approx(camera.pitch_um)


@pytest.mark.parametrize("name", CAMERAS)
def test_every_camera_takes_pictures(name: str) -> None:
    x = example_pictures(3)
    view = CAMERAS[name].view(crop=0.1)
    alone, binned = sensor_of(name, iso=6400.0)(x, Key(1).at(range(3))), sensor_of(name, iso=6400.0, view=view)
    off = (alone - x).std()
    assert 0 < float((binned(x, Key(1).at(range(3))) - x).std()) < 0.5 * off
    assert CAMERAS[name].source


def test_an_unknown_camera_is_refused() -> None:
    with pytest.raises(ValueError, match="no camera 'leica'; there are canon-5d4"):
        sensor_of("leica")

"""Rolling shutter: each row against the camera as it stood when the row was read."""

import math
from typing import Any

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from mechaug.mechanisms.shutter import RollingShutter, RollingShutterParams
from mechaug.mechanisms.view import VIEWS, View
from mechaug.testing import example_pictures

NOTHING = {"readout_ms": 0.0, "pan_deg_s": 0.0, "tilt_deg_s": 0.0,
           "vibration_deg": 0.0, "vibration_hz": 0.0, "vibration_phase": 0.0}  # fmt: skip


def shutter(**values: float) -> RollingShutterParams:
    assert values.keys() <= NOTHING.keys()
    return RollingShutterParams(
        **{name: torch.tensor([value], dtype=torch.float64) for name, value in (NOTHING | values).items()}
    )


def plane(height: int, width: int) -> np.ndarray:
    """Right and down of each pixel's centre, in picture widths from the picture's centre."""
    down, right = np.mgrid[:height, :width]
    return np.stack(((right + 0.5 - width / 2) / width, (down + 0.5 - height / 2) / width))


def looked_up(params: RollingShutterParams, height: int, width: int, view: View) -> np.ndarray:
    """Where each pixel looks: pictures that show their own coordinates are interpolated exactly."""
    return RollingShutter(view=view).transform(torch.from_numpy(plane(height, width))[None], params)[0].numpy()


@pytest.mark.parametrize(("height", "width"), [(24, 24), (20, 36), (36, 20)])
@pytest.mark.parametrize("view", [View(), VIEWS["object"], VIEWS["dash"]])
@pytest.mark.parametrize(
    "values",
    [
        {"pan_deg_s": 200.0},
        {"tilt_deg_s": -150.0},
        {"vibration_deg": 0.5, "vibration_hz": 130.0, "vibration_phase": 0.2},
        {"pan_deg_s": -100.0, "tilt_deg_s": 80.0, "vibration_deg": 0.2, "vibration_hz": 60.0, "vibration_phase": 0.7},
    ],
)
def test_every_row_is_seen_by_the_camera_of_its_time(
    height: int, width: int, view: View, values: dict[str, float]
) -> None:
    numbers = NOTHING | {"readout_ms": 25.0} | values
    focal = 0.5 / math.tan(math.radians(view.hfov_deg) / 2) / view.crop
    x, y = plane(height, width)
    # The frame's height in picture widths is 1/(crop · aspect), but for pictures that are higher than the frame.
    frame_height = max(1 / (view.crop * view.aspect), height / width)
    time_s = 25e-3 * y[:, 0] / frame_height
    hz, phase = numbers["vibration_hz"], numbers["vibration_phase"]
    swing = np.sin(2 * np.pi * (hz * time_s + phase)) - np.sin(2 * np.pi * phase)
    pan = numbers["pan_deg_s"] * time_s + numbers["vibration_deg"] * swing
    stood = Rotation.from_euler("YX", np.stack((pan, numbers["tilt_deg_s"] * time_s), -1), degrees=True)
    rays = np.stack((x, y, np.full_like(x, focal)), axis=-1)
    before = np.stack([stood[row].apply(rays[row]) for row in range(height)])
    expected = np.moveaxis(focal * before[..., :2] / before[..., 2:], -1, 0)
    edge = np.array([(width - 1) / 2 / width, (height - 1) / 2 / width])[:, None, None]
    inside = (np.abs(expected) <= edge).all(0)
    assert inside.mean() > 0.5
    found = looked_up(shutter(**{**values, "readout_ms": 25.0}), height, width, view)
    np.testing.assert_allclose(found[:, inside], expected[:, inside], atol=1e-9)


def test_an_upright_leans_by_focal_length_times_speed_times_readout() -> None:
    """A white post at the centre, panned over at 60°/s while 30 ms pass: 1.8° of 281 px/rad from top to bottom."""
    height, width, view = 134, 201, View(aspect=1.5)
    right = plane(height, width)[0] * width
    post = torch.from_numpy(np.exp(-(right**2) / 2 / 3.0**2)).expand(1, 3, height, width)
    seen = RollingShutter(view=view).transform(post, shutter(readout_ms=30.0, pan_deg_s=60.0))[0, 0].numpy()
    place = (seen * right).sum(1) / seen.sum(1)
    focal_px = width / 2 / math.tan(math.radians(39.6 / 2))
    lean = focal_px * math.radians(60.0 * 30e-3) * (height - 1) / height
    # The camera turns to the right, so what is read last has moved to the left.
    assert place[0] - place[-1] == pytest.approx(lean, rel=2e-3)
    assert lean == pytest.approx(8.7, abs=0.1)
    np.testing.assert_allclose(np.diff(place), -lean / (height - 1), rtol=0.02)


def test_a_tilt_stretches_what_moves_along_with_the_readout() -> None:
    """Heights near the axis are multiplied by 1/(1 − f·ω·T/h)."""
    height, width, view = 200, 300, View(aspect=1.5)
    for tilt_deg_s in (80.0, -80.0):
        _, y = looked_up(shutter(readout_ms=20.0, tilt_deg_s=tilt_deg_s), height, width, view)
        per_row = np.diff(y[:, width // 2])[height // 2 - 1] * width
        turned = view.focal_px(width) * math.radians(tilt_deg_s) * 20e-3 / height
        assert per_row == pytest.approx(1 - turned, abs=1e-4)
        assert abs(turned) > 0.05


def test_a_vibration_makes_waves_as_many_as_its_periods() -> None:
    height, width, view = 300, 300, View(aspect=1.0)
    x, _ = looked_up(shutter(readout_ms=20.0, vibration_deg=0.3, vibration_hz=150.0), height, width, view)
    shift = (x - plane(height, width)[0])[:, width // 2] * width
    expected = view.focal_px(width) * math.radians(0.3)
    assert shift.max() == pytest.approx(expected, rel=1e-3)
    assert shift.min() == pytest.approx(-expected, rel=1e-3)
    assert (np.diff(np.sign(shift)) != 0).sum() == 5  # three periods: zeros at the ends and five between


@pytest.mark.parametrize(
    ("view", "size", "share"),
    [
        (View(), (200, 300), 1.0),
        (View(), (100, 300), 0.5),
        (View(), (300, 300), 1.0),
        (VIEWS["object"], (32, 32), 0.15),
    ],
)
def test_a_crop_is_read_in_its_share_of_the_time(view: View, size: tuple[int, int], share: float) -> None:
    assert RollingShutter(view=view).share(*size) == pytest.approx(share)


def test_the_middle_stays() -> None:
    found = looked_up(
        shutter(readout_ms=30.0, pan_deg_s=90.0, tilt_deg_s=50.0, vibration_deg=1.0, vibration_hz=70.0,
                vibration_phase=0.3), 41, 41, View()
    )  # fmt: skip
    np.testing.assert_allclose(found[:, 20, 20], 0, atol=1e-12)


@pytest.mark.parametrize(
    "params",
    [
        shutter(),
        shutter(pan_deg_s=100.0, tilt_deg_s=50.0, vibration_deg=1.0, vibration_hz=50.0, vibration_phase=0.3),
        shutter(readout_ms=30.0, vibration_hz=50.0, vibration_phase=0.3),
    ],
)
def test_a_global_shutter_or_a_camera_at_rest_changes_nothing(params: RollingShutterParams) -> None:
    x = torch.rand(1, 3, 90, 110, generator=torch.Generator().manual_seed(0))
    assert torch.equal(RollingShutter().transform(x, params), x)


@pytest.mark.parametrize(("height", "width"), [(1, 9), (9, 1), (1, 1)])
def test_single_rows_and_columns(height: int, width: int) -> None:
    x = example_pictures(1, height=height, width=width).double()
    y = RollingShutter().transform(x, shutter(readout_ms=30.0, pan_deg_s=90.0))
    assert y.shape == x.shape
    if height == 1:  # one row is one moment
        torch.testing.assert_close(y, x, atol=1e-12, rtol=0)


@pytest.mark.parametrize("laws", [{"readout_ms": -1.0}, {"vibration_deg": 60.0}, {"vibration_hz": (-5.0, 5.0)}])
def test_what_does_not_exist_is_refused(laws: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"RollingShutter\(.*=…\)"):
        RollingShutter(**laws)

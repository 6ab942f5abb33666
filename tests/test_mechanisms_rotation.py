"""Rotation: where rays go, by SciPy's rotations and by ray tracing."""

import math
from typing import Any

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation
from torch import Tensor

from mechaug.keys import Key
from mechaug.mechanisms import Viewpoint, ViewpointParams
from mechaug.mechanisms.rotation import CameraRotation, CameraRotationParams, Perspective, PerspectiveParams
from mechaug.mechanisms.view import VIEWS, View
from mechaug.testing import example_pictures

WIDE = CameraRotation(pan_deg=(-30.0, 30.0), tilt_deg=(-30.0, 30.0), roll_deg=(-180.0, 180.0))


def turn(pan_deg: float = 0.0, tilt_deg: float = 0.0, roll_deg: float = 0.0) -> CameraRotationParams:
    return CameraRotationParams(
        *(torch.tensor([angle], dtype=torch.float64) for angle in (pan_deg, tilt_deg, roll_deg))
    )


def board(yaw_deg: float = 0.0, pitch_deg: float = 0.0, distance_widths: float = 2.0) -> PerspectiveParams:
    return PerspectiveParams(
        *(torch.tensor([value], dtype=torch.float64) for value in (yaw_deg, pitch_deg, distance_widths))
    )


def turns(count: int, seed: int = 0) -> CameraRotationParams:
    return WIDE.sample(Key(seed).at(range(count))).map(Tensor.double)


def plane(height: int, width: int) -> np.ndarray:
    """Right and down of each pixel's centre, in picture widths from the picture's centre."""
    down, right = np.mgrid[:height, :width]
    return np.stack(((right + 0.5 - width / 2) / width, (down + 0.5 - height / 2) / width))


def looked_up(mechanism: Any, params: Any, height: int, width: int) -> np.ndarray:
    """Where each pixel looks: pictures that show their own coordinates are interpolated exactly."""
    return mechanism.transform(torch.from_numpy(plane(height, width))[None], params)[0].numpy()


def assert_shown(found: np.ndarray, expected: np.ndarray, share: float) -> None:
    """The same places where they lie between pixel centres of the source, which at least `share` of them do."""
    _, height, width = found.shape
    edge = np.array([(width - 1) / 2 / width, (height - 1) / 2 / width])[:, None, None]
    inside = (np.abs(expected) <= edge).all(0)
    assert inside.mean() > share
    np.testing.assert_allclose(found[:, inside], expected[:, inside], atol=1e-9)


def as_rotation(params: CameraRotationParams) -> Rotation:
    """Turns about the axes that the last turn left: directions are (right, down, ahead)."""
    angles = torch.stack((params.pan_deg, params.tilt_deg, params.roll_deg), dim=-1)
    return Rotation.from_euler("YXZ", angles.numpy(), degrees=True)


# The turned camera ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("height", "width"), [(24, 24), (20, 36), (36, 20)])
@pytest.mark.parametrize("view", [View(), View(hfov_deg=100.0), View(hfov_deg=60.0, crop=0.5)])
@pytest.mark.parametrize("angles", [(12.0, 0, 0), (0, -12.0, 0), (0, 0, 50.0), (9.0, 5.0, -130.0), (-4.0, 11.0, 20.0)])
def test_every_pixel_looks_in_its_direction(
    height: int, width: int, view: View, angles: tuple[float, float, float]
) -> None:
    params = turn(*angles)
    x, y = plane(height, width)
    focal = 0.5 / math.tan(math.radians(view.hfov_deg) / 2) / view.crop
    rays = np.stack((x, y, np.full_like(x, focal)), axis=-1).reshape(-1, 3)
    before = as_rotation(params)[0].apply(rays).reshape(height, width, 3)
    expected = np.moveaxis(focal * before[..., :2] / before[..., 2:], -1, 0)
    assert_shown(looked_up(CameraRotation(view=view), params, height, width), expected, 0.2)


def dot(height: int, width: int, row: int, column: int) -> Tensor:
    x = torch.zeros(1, 1, height, width).double()
    x[0, 0, row, column] = 1.0
    return x


@pytest.mark.parametrize(("params", "row", "column"), [(turn(pan_deg=20.0), 200, 273), (turn(tilt_deg=20.0), 127, 200)])
def test_what_the_camera_turns_to_comes_to_the_centre(params: CameraRotationParams, row: int, column: int) -> None:
    """At 90° of view the focal length is half of 401 pixels: 20° to the right, or up, are 72.98 of them."""
    y = CameraRotation(view=View(hfov_deg=90.0)).transform(dot(401, 401, row, column), params)[0, 0]
    assert divmod(int(y.argmax()), 401) == (200, 200)


def test_parallels_converge_upward_when_one_looks_up() -> None:
    x, _ = looked_up(CameraRotation(), turn(tilt_deg=10.0), 41, 41)
    gap = x[:, 30] - x[:, 10]  # how much of the scene lies between two columns
    assert (np.diff(gap) < 0).all()


@pytest.mark.parametrize("view", [View(), VIEWS["object"]])
def test_a_roll_is_a_turn_in_the_plane(view: View) -> None:
    x = example_pictures(1, height=20, width=28).double()
    still = torch.zeros(1).double()
    in_plane = Viewpoint().transform(x, ViewpointParams(still + 33.0, still, still, still))
    rolled = CameraRotation(pan_deg=0.0, tilt_deg=0.0, view=view).transform(x, turn(roll_deg=33.0))
    torch.testing.assert_close(rolled, in_plane, atol=1e-12, rtol=0)


def test_a_thumbnail_of_one_object_moves_by_pixels_in_tenths_of_a_degree() -> None:
    """f = 11.15 mm / tan(17.65°) = 35.04 mm over 2.23 mm is 15.71 widths: 502.8 pixels per radian at 32."""
    found = looked_up(CameraRotation(pan_deg=0.2, tilt_deg=0.0, view=VIEWS["object"]), turn(pan_deg=0.2), 32, 32)[0]
    assert (found - plane(32, 32)[0])[16, 16] * 32 == pytest.approx(502.8 * math.radians(0.2), rel=1e-3)


def test_nothing_is_nothing() -> None:
    x = torch.rand(2, 3, 224, 224, generator=torch.Generator().manual_seed(0))
    assert torch.equal(CameraRotation().transform(x, CameraRotation().neutral(2)), x)
    assert torch.equal(Perspective().transform(x, Perspective().neutral(2)), x)


def test_a_camera_that_looks_backward_makes_a_picture() -> None:
    y = CameraRotation().transform(example_pictures(1).double(), turn(170.0, 60.0, 10.0))
    assert torch.isfinite(y).all()


# The group -----------------------------------------------------------------------------------------------------------


def assert_same_rotation(params: CameraRotationParams, expected: Rotation) -> None:
    np.testing.assert_allclose(as_rotation(params).as_matrix(), expected.as_matrix(), atol=1e-12)


def test_composition_multiplies_rotations() -> None:
    a, b = turns(200, 1), turns(200, 2)
    assert_same_rotation(CameraRotation().compose(a, b), as_rotation(a) * as_rotation(b))


def test_the_inverse_turns_back() -> None:
    a = turns(200, 3)
    assert_same_rotation(CameraRotation().inverse(a), as_rotation(a).inv())
    assert_same_rotation(CameraRotation().compose(CameraRotation().inverse(a), a), Rotation.identity(200))


def test_names_are_kept_where_they_are_unique() -> None:
    a = turns(50, 4)
    again = CameraRotation().compose(a, CameraRotation().neutral(50).map(Tensor.double))
    for name in ("pan_deg", "tilt_deg", "roll_deg"):
        torch.testing.assert_close(getattr(again, name), getattr(a, name), atol=1e-9, rtol=0)
    assert CameraRotation().compose(a.map(Tensor.float), a).pan_deg.dtype == torch.float32


def test_a_full_turn_in_parts() -> None:
    whole = turn()
    for _ in range(24):
        whole = CameraRotation().compose(whole, turn(pan_deg=15.0))
    assert_same_rotation(whole, Rotation.identity(1))


# The turned board ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("height", "width"), [(24, 24), (20, 36), (36, 20)])
@pytest.mark.parametrize("pose", [(40.0, 0.0, 1.4), (0.0, -40.0, 1.0), (25.0, 35.0, 1.1), (-30.0, 20.0, 8.0)])
def test_every_pixel_sees_where_its_ray_meets_the_board(
    height: int, width: int, pose: tuple[float, float, float]
) -> None:
    yaw, pitch, distance = pose
    # Right, down, ahead from the board's centre. A positive yaw takes the right edge away, and so turns −y.
    stand = Rotation.from_euler("YX", [-yaw, -pitch], degrees=True)
    normal, camera = stand.apply([0.0, 0.0, 1.0]), np.array([0.0, 0.0, -distance])
    x, y = plane(height, width)
    rays = np.stack((x, y, np.full_like(x, distance)), axis=-1)
    met = camera + rays * (-(normal @ camera) / (rays @ normal))[..., None]
    on_board = stand.inv().apply(met.reshape(-1, 3)).reshape(height, width, 3)
    np.testing.assert_allclose(on_board[..., 2], 0, atol=1e-12)
    expected = np.moveaxis(on_board[..., :2], -1, 0)
    assert_shown(looked_up(Perspective(), board(*pose), height, width), expected, 0.2)


@pytest.mark.parametrize("angle_deg", [30.0, 60.0])
def test_from_far_away_a_turned_board_is_narrower_by_the_cosine(angle_deg: float) -> None:
    x, y = looked_up(Perspective(), board(yaw_deg=angle_deg, distance_widths=1e6), 41, 41)
    shown = plane(41, 41)[0, 20, 22] / math.cos(math.radians(angle_deg))
    assert x[20, 22] == pytest.approx(shown, rel=1e-5)
    assert y[5, 20] == pytest.approx(plane(41, 41)[1, 5, 20], rel=1e-5)


def test_what_is_turned_away_is_smaller() -> None:
    _, y = looked_up(Perspective(), board(yaw_deg=20.0), 41, 41)
    assert y[25, 35] > y[25, 20] > y[25, 5] > 0  # the farther right, the more of the board between two rows
    x, _ = looked_up(Perspective(), board(pitch_deg=20.0), 41, 41)
    assert x[5, 25] > x[20, 25] > x[35, 25] > 0  # and the higher, the more between two columns


def test_the_centre_of_the_board_stays() -> None:
    found = looked_up(Perspective(), board(35.0, -25.0, 1.2), 41, 41)
    np.testing.assert_allclose(found[:, 20, 20], 0, atol=1e-12)


# Laws ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("laws", [{"pan_deg": 50.0}, {"tilt_deg": (-45.0, 5.0)}])
def test_a_turn_that_leaves_nothing_of_the_picture_is_refused(laws: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"CameraRotation\(.*=…\).*39\.6° wide is out of sight"):
        CameraRotation(**laws)


def test_a_narrow_view_needs_narrow_laws() -> None:
    with pytest.raises(ValueError, match=r"pan_deg=…\): a picture 3\.6° wide"):
        CameraRotation(view=VIEWS["object"])
    CameraRotation(pan_deg=(-0.7, 0.7), tilt_deg=(-0.7, 0.7), view=VIEWS["object"])


@pytest.mark.parametrize("laws", [{"yaw_deg": 90.0}, {"pitch_deg": (-86.0, 0.0)}, {"distance_widths": 0.4}])
def test_what_cannot_be_seen_is_refused(laws: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"Perspective\(.*=…\)"):
        Perspective(**laws)

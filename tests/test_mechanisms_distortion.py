"""Distortion: Brown's polynomial as NumPy and OpenCV compute it, and colours at their own magnification."""

import math
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from mechaug.keys import Key
from mechaug.mechanisms.distortion import (
    LateralChromatic,
    LateralChromaticParams,
    LensDistortion,
    LensDistortionParams,
)
from mechaug.mechanisms.view import VIEWS, View

NOTHING = {"k1": 0.0, "k2": 0.0, "p1": 0.0, "p2": 0.0, "place_x": 0.0, "place_y": 0.0}
CROP = View(hfov_deg=60.0, crop=0.4, aspect=1.25)


def lens(**values: float) -> LensDistortionParams:
    assert values.keys() <= NOTHING.keys()
    return LensDistortionParams(
        **{name: torch.tensor([value], dtype=torch.float64) for name, value in (NOTHING | values).items()}
    )


def colours(red: float = 0.0, blue: float = 0.0, place_x: float = 0.0, place_y: float = 0.0) -> LateralChromaticParams:
    return LateralChromaticParams(
        *(torch.tensor([value], dtype=torch.float64) for value in (red, blue, place_x, place_y))
    )


def plane(height: int, width: int) -> np.ndarray:
    """Right and down of each pixel's centre, in picture widths from the picture's centre."""
    down, right = np.mgrid[:height, :width]
    return np.stack(((right + 0.5 - width / 2) / width, (down + 0.5 - height / 2) / width))


def looked_up(params: LensDistortionParams, height: int, width: int, view: View) -> np.ndarray:
    """Where each pixel looks: pictures that show their own coordinates are interpolated exactly."""
    shown = torch.from_numpy(plane(height, width))[None]
    return LensDistortion(view=view).transform(shown, params)[0].numpy()


def frame_in_half_diagonals(view: View) -> float:
    """Picture widths per half diagonal of the frame: its width is 1/crop and its height 1/(crop · aspect)."""
    return 0.5 * math.sqrt(1 + view.aspect**-2) / view.crop


def brown(x: np.ndarray, y: np.ndarray, k1: float, k2: float, p1: float, p2: float) -> tuple[np.ndarray, np.ndarray]:
    """As in the camera calibration page of OpenCV's manual."""
    r = np.hypot(x, y)
    radial = 1 + k1 * r**2 + k2 * r**4
    return x * radial + 2 * p1 * x * y + p2 * (r**2 + 2 * x**2), y * radial + p1 * (r**2 + 2 * y**2) + 2 * p2 * x * y


# Brown's distortion --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("height", "width"), [(24, 24), (20, 36), (36, 20)])
@pytest.mark.parametrize("view", [View(), View(aspect=1.0), CROP, VIEWS["object"]])
@pytest.mark.parametrize(
    "values",
    [
        {"k1": 0.15},
        {"k1": -0.1, "k2": 0.03, "place_x": 0.7, "place_y": -0.5},
        {"p1": 0.05, "place_x": -1.0},
        {"p2": -0.04, "place_y": 1.0},
        {"k1": 0.1, "k2": -0.05, "p1": 0.01, "p2": -0.02, "place_x": -0.3, "place_y": 0.9},
    ],
)
def test_every_pixel_looks_where_brown_says(height: int, width: int, view: View, values: dict[str, float]) -> None:
    unit = frame_in_half_diagonals(view)
    # From the middle of the frame to the middle of a picture that touches the frame's edge.
    room = (1 / view.crop - 1) / 2, max(0.0, (1 / view.crop / view.aspect - height / width) / 2)
    numbers = NOTHING | values
    centre = np.array([numbers["place_x"] * room[0], numbers["place_y"] * room[1]]) / unit
    bends = tuple(numbers[name] for name in ("k1", "k2", "p1", "p2"))
    ideal = np.stack(brown(*(plane(height, width) / unit + centre[:, None, None]), *bends))
    middle = np.array(brown(centre[0], centre[1], *bends))
    expected = (ideal - middle[:, None, None]) * unit
    edge = np.array([(width - 1) / 2 / width, (height - 1) / 2 / width])[:, None, None]
    inside = (np.abs(expected) <= edge).all(0)
    assert inside.mean() > 0.4
    found = looked_up(lens(**values), height, width, view)
    np.testing.assert_allclose(found[:, inside], expected[:, inside], atol=1e-9)


def test_k1_is_the_displacement_at_the_frames_corner() -> None:
    """A pincushion of a tenth shows at the corner what was at nine tenths of the way to it."""
    found = looked_up(lens(k1=-0.1), 200, 300, View(aspect=1.5))
    # The corner's pixel lies half a pixel inside of it.
    assert found[0, 0, 0] / plane(200, 300)[0, 0, 0] == pytest.approx(0.9, abs=2e-3)


def test_a_barrel_bends_lines_outward() -> None:
    """Of a straight line above the centre, a barrel shows the middle farther up than the ends."""
    for k1, sign in ((0.1, 1), (-0.1, -1)):
        _, y = looked_up(lens(k1=k1), 61, 61, View())
        line = -0.3  # where in the scene
        shown = [np.interp(line, y[:, column], np.arange(61)) for column in (3, 30, 57)]
        assert sign * (shown[0] - shown[1]) > 0.5
        assert shown[0] == pytest.approx(shown[2], abs=1e-9)


def test_a_crop_follows_its_object() -> None:
    found = looked_up(lens(k1=0.2, k2=-0.05, p1=0.02, place_x=0.9, place_y=-0.8), 33, 33, VIEWS["object"])
    np.testing.assert_allclose(found[:, 16, 16], 0, atol=1e-9)


def test_a_small_crop_at_the_edge_is_squeezed_along_the_radius() -> None:
    """The derivative of r(1 + k₁r²) is 1 + 3k₁r² along the radius and 1 + k₁r² across it."""
    view = View(crop=0.01)
    found = looked_up(lens(k1=0.1, place_x=1.0), 41, 41, view)
    r = (1 / view.crop - 1) / 2 / frame_in_half_diagonals(view)
    scene = plane(41, 41)
    assert found[0, 20, 25] / scene[0, 20, 25] == pytest.approx(1 + 0.3 * r**2, rel=1e-3)
    assert found[1, 25, 20] / scene[1, 25, 20] == pytest.approx(1 + 0.1 * r**2, rel=1e-3)


@pytest.mark.parametrize("params", [lens(), lens(place_x=0.5, place_y=-1.0)])
def test_a_perfect_lens_changes_nothing(params: LensDistortionParams) -> None:
    x = torch.rand(1, 3, 100, 120, generator=torch.Generator().manual_seed(0))
    assert torch.equal(LensDistortion(view=CROP).transform(x, params), x)


def smooth(height: int, width: int) -> Tensor:
    coarse = Key(0).at([0]).fold("smooth").uniform(0.0, 1.0, 3, 6, 8)
    return torch.nn.functional.interpolate(coarse, size=(height, width), mode="bicubic").double()


def test_opencv_undistorts_by_the_same_map() -> None:
    cv2 = pytest.importorskip("cv2", reason="OpenCV is no dependency, but an oracle where it is installed")
    height, width, view = 80, 120, View(hfov_deg=70.0, aspect=1.5)
    focal = view.focal_px(width)
    camera = np.array([[focal, 0, (width - 1) / 2], [0, focal, (height - 1) / 2], [0, 0, 1]])
    tangent = math.hypot(height, width) / 2 / focal  # half diagonal over focal length
    for k1, k2, p1, p2 in ((0.1, 0.0, 0.0, 0.0), (-0.1, 0.03, 0.0, 0.0), (0.05, -0.02, 0.01, -0.015)):
        theirs = np.array([k1 / tangent**2, k2 / tangent**4, p1 / tangent, p2 / tangent])
        across, along = cv2.initUndistortRectifyMap(camera, theirs, None, camera, (width, height), cv2.CV_32FC1)
        expected = np.stack((across + 0.5 - width / 2, along + 0.5 - height / 2)) / width
        found = looked_up(lens(k1=k1, k2=k2, p1=p1, p2=p2), height, width, view)
        inside = (np.abs(expected) <= np.array([0.49, 0.32])[:, None, None]).all(0)
        np.testing.assert_allclose(found[:, inside], expected[:, inside], atol=1e-6)
        x = smooth(height, width)
        theirs_seen = cv2.remap(
            x[0].permute(1, 2, 0).numpy(), across, along, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT
        )
        ours = LensDistortion(view=view).transform(x, lens(k1=k1, k2=k2, p1=p1, p2=p2))[0].permute(1, 2, 0)
        np.testing.assert_allclose(ours, theirs_seen, atol=0.01)


# Lateral colour ------------------------------------------------------------------------------------------------------


def spot(side: int, right: float, down: float, sigma: float) -> Tensor:
    """A white spot at (right, down) pixels from the centre."""
    x, y = plane(side, side) * side
    light = np.exp(-((x - right) ** 2 + (y - down) ** 2) / 2 / sigma**2)
    return torch.from_numpy(light).expand(1, 3, side, side)


def centroids(light: Tensor) -> np.ndarray:
    """Right and down of each channel's light, pixels from the centre; shape (3, 2)."""
    x, y = plane(*light.shape[-2:]) * light.shape[-1]
    weights = light[0].numpy()
    total = weights.sum((1, 2))
    return np.stack(((weights * x).sum((1, 2)), (weights * y).sum((1, 2))), axis=-1) / total[:, None]


@pytest.mark.parametrize(("height", "width"), [(24, 24), (20, 36), (36, 20)])
@pytest.mark.parametrize(("place_x", "place_y"), [(0.0, 0.0), (0.6, -0.9)])
def test_red_and_blue_are_drawn_at_their_own_size(height: int, width: int, place_x: float, place_y: float) -> None:
    """The result shows at p what was at p/(1 + α), counted from the axis: every channel shows its coordinates."""
    room = (1 / CROP.crop - 1) / 2, max(0.0, (1 / CROP.crop / CROP.aspect - height / width) / 2)
    axis = -np.array([place_x * room[0], place_y * room[1]])[:, None, None]
    shown = plane(height, width)
    edge = np.array([(width - 1) / 2 / width, (height - 1) / 2 / width])[:, None, None]
    seen = [
        LateralChromatic(view=CROP).transform(
            torch.from_numpy(coordinate).expand(1, 3, -1, -1), colours(2.0, -1.0, place_x, place_y)
        )[0]
        for coordinate in shown
    ]
    for channel, size in enumerate((1.02, 1.0, 0.99)):
        expected = axis + (shown - axis) / size
        inside = (np.abs(expected) <= edge).all(0)
        assert inside.mean() > 0.8
        found = np.stack([coordinate[channel].numpy() for coordinate in seen])
        np.testing.assert_allclose(found[:, inside], expected[:, inside], atol=1e-12)


def test_a_thumbnail_at_the_edge_of_the_frame_has_its_colours_parted() -> None:
    """A crop of a tenth has 4.5 widths of room to the right: at 32 pixels 0.5 % of them are 0.72 pixels."""
    view = View(crop=0.1)
    seen = LateralChromatic(view=view).transform(spot(32, 0.0, 0.0, 3.0), colours(red=0.5, place_x=1.0))
    # The room downward is (10/1.5 − 1)/2 widths.
    np.testing.assert_allclose(centroids(seen)[0], [0.72, 0.0], atol=5e-3)
    seen = LateralChromatic(view=view).transform(spot(32, 0.0, 0.0, 3.0), colours(blue=-0.5, place_y=1.0))
    np.testing.assert_allclose(centroids(seen)[2], [0.0, -0.5e-2 * 32 * (10 / 1.5 - 1) / 2], atol=5e-3)


def test_eleven_pixels_at_the_corner_of_24_megapixels() -> None:
    assert 0.3e-2 * math.hypot(6000, 4000) / 2 == pytest.approx(11, abs=0.2)
    law = LateralChromatic().red_percent
    assert law == (-0.3, 0.3)


def test_green_and_grey_fields_stay() -> None:
    x = torch.rand(1, 3, 30, 40, generator=torch.Generator().manual_seed(0)).double()
    seen = LateralChromatic(view=CROP).transform(x, colours(3.0, -3.0, 0.7, 0.2))
    assert torch.equal(seen[:, 1], x[:, 1])
    assert (seen[:, 0] - x[:, 0]).abs().max() > 0.1
    flat = torch.full((1, 3, 30, 40), 0.4).double()
    torch.testing.assert_close(LateralChromatic(view=CROP).transform(flat, colours(3.0, -3.0)), flat)


def test_one_colour_cannot_be_parted() -> None:
    with pytest.raises(ValueError, match="red, green and blue; these pictures have 1 channels"):
        LateralChromatic().transform(torch.zeros(1, 1, 8, 8).double(), colours(1.0))


def test_a_corrected_lens_changes_nothing() -> None:
    x = torch.rand(1, 3, 100, 120, generator=torch.Generator().manual_seed(0))
    assert torch.equal(LateralChromatic(view=CROP).transform(x, colours(place_x=0.5)), x)


# Laws ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("laws", [{"k1": 2.0}, {"p1": (-1.0, 0.0)}, {"place_x": 1.5}, {"place_y": (-2.0, 0.0)}])
def test_lenses_that_do_not_exist_are_refused(laws: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"LensDistortion\(.*=…\)"):
        LensDistortion(**laws)


@pytest.mark.parametrize("laws", [{"red_percent": 60.0}, {"place_x": -1.5}])
def test_colours_that_do_not_exist_are_refused(laws: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"LateralChromatic\(.*=…\)"):
        LateralChromatic(**laws)


def test_default_lenses_do_not_fold_the_picture() -> None:
    """Even at the corner of a square picture as wide as the frame, what is farther out is shown farther out."""
    worst = lens(k1=-0.1, k2=-0.03, p1=0.005, p2=0.005)
    x, _ = looked_up(worst, 64, 64, View())
    assert (np.diff(x, axis=1) > 0).all()

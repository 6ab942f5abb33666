"""Warps: sampling against SciPy and OpenCV, places against projective geometry written out."""

import numpy as np
import pytest
import torch
from scipy.ndimage import map_coordinates
from torch import Tensor

from mechaug.keys import Key
from mechaug.mechanisms.warp import (
    affine_places,
    homography_places,
    keep_still,
    pixel_places,
    row_homography_places,
    sample_channels,
    sample_light,
    stack_matrix,
)

SIZES = [(1, 1), (1, 9), (8, 8), (7, 12), (13, 5)]


def uniform(*shape: int, low: float = 0.0, high: float = 1.0, seed: int = 0) -> Tensor:
    return torch.from_numpy(np.random.default_rng(seed).uniform(low, high, shape))


def plane(height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    """Right and down of each pixel's centre, in picture widths from the picture's centre."""
    down, right = np.mgrid[:height, :width]
    return (right + 0.5 - width / 2) / width, (down + 0.5 - height / 2) / width


def near_identity(*shape: int, seed: int = 0) -> Tensor:
    """Homographies that keep what they show ahead of the camera."""
    return torch.eye(3).double() + uniform(*shape, 3, 3, low=-0.2, high=0.2, seed=seed)


# Sampling ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("height", "width"), SIZES)
def test_sampling_is_scipys_bilinear_with_mirrored_borders(height: int, width: int) -> None:
    x = uniform(2, 3, height, width)
    places = uniform(2, 2, 6, 10, low=-2.9, high=2.9, seed=1)
    seen = sample_light(x, places)
    for image in range(2):
        column = ((places[image, 0] + 1) * width - 1) / 2
        row = ((places[image, 1] + 1) * height - 1) / 2
        for channel in range(3):
            expected = map_coordinates(x[image, channel].numpy(), [row, column], order=1, mode="reflect")
            np.testing.assert_allclose(seen[image, channel], expected, atol=1e-12)


def test_channels_may_look_at_places_of_their_own() -> None:
    x = uniform(2, 3, 6, 8)
    first, last = (uniform(2, 2, 6, 8, low=-1, high=1, seed=seed) for seed in (1, 2))
    seen = sample_channels(x, (first, None, last))
    torch.testing.assert_close(seen[:, 0], sample_light(x, first)[:, 0], atol=1e-12, rtol=0)
    assert torch.equal(seen[:, 1], x[:, 1])
    torch.testing.assert_close(seen[:, 2], sample_light(x, last)[:, 2], atol=1e-12, rtol=0)


def test_every_channel_has_its_map() -> None:
    with pytest.raises(ValueError, match="3 channels are sampled by as many maps, not 1"):
        sample_channels(uniform(1, 3, 4, 4), (None,))


def test_what_did_not_move_is_kept_bit_for_bit_with_the_gradients_of_sampling() -> None:
    x = uniform(3, 1, 4, 4).requires_grad_()
    seen = 2 * x
    kept = keep_still(seen, x, torch.tensor([True, False, True]))
    assert torch.equal(kept[1], x[1])
    assert torch.equal(kept[::2], seen[::2])
    (gradient,) = torch.autograd.grad(kept.sum(), x)
    assert torch.equal(gradient, torch.full_like(x, 2.0))
    assert keep_still(seen, x, torch.ones(3, dtype=torch.bool)) is seen


# Places --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("height", "width"), SIZES)
def test_pixels_lie_where_their_centres_are(height: int, width: int) -> None:
    right, down = pixel_places(height, width, torch.zeros(()).double())
    expected_right, expected_down = plane(height, width)
    np.testing.assert_allclose(right, expected_right[0], atol=1e-15)
    np.testing.assert_allclose(down, expected_down[:, 0], atol=1e-15)


@pytest.mark.parametrize(("height", "width"), SIZES)
def test_affine_places(height: int, width: int) -> None:
    matrix, shift = uniform(4, 2, 2, low=-1, high=1), uniform(2, 4, low=-1, high=1, seed=1)
    places = affine_places(matrix, shift[0], shift[1], height, width)
    right, down = plane(height, width)
    for i in range(4):
        moved = np.stack((right - shift[0, i].item(), down - shift[1, i].item()))
        source = np.einsum("ij,jhw->ihw", matrix[i].numpy(), moved)
        np.testing.assert_allclose(places[i, 0], 2 * source[0], atol=1e-12)
        np.testing.assert_allclose(places[i, 1], 2 * source[1] * width / height, atol=1e-12)


@pytest.mark.parametrize(("height", "width"), SIZES)
def test_homographies_and_those_of_rows(height: int, width: int) -> None:
    matrix = near_identity(4, height)
    right, down = plane(height, width)
    rays = np.einsum("bhij,jhw->bihw", matrix.numpy(), np.stack((right, down, np.ones_like(right))))
    expected = rays[:, :2] / rays[:, 2:] * np.array([2, 2 * width / height])[:, None, None]
    middles = matrix[..., 1] * torch.from_numpy(down[:, :1]) + matrix[..., 2]
    rows = row_homography_places(matrix[..., 0].mT, middles.mT, width)
    np.testing.assert_allclose(rows, expected, atol=1e-12)
    same = matrix[:, :1].expand(-1, height, -1, -1)
    middles = same[..., 1] * torch.from_numpy(down[:, :1]) + same[..., 2]
    rows = row_homography_places(same[..., 0].mT, middles.mT, width)
    np.testing.assert_allclose(homography_places(matrix[:, 0], height, width), rows, atol=1e-12)


def test_what_lies_behind_the_camera_is_somewhere() -> None:
    matrix = torch.tensor([[[0.0, 0.0, 1.0], [0.0, 1.0, 0.0], [-1.0, 0.0, 0.0]]])
    places = homography_places(matrix, 9, 9)
    assert torch.isfinite(places).all()
    assert torch.isfinite(sample_light(uniform(1, 3, 9, 9).float(), places)).all()


def test_numbers_fill_a_matrix() -> None:
    entry = torch.tensor([2.0, 3.0])
    assert stack_matrix(((entry, 0.0), (1.0, -entry))).tolist() == [[[2, 0], [1, -2]], [[3, 0], [1, -3]]]


def test_homographies_agree_with_opencv() -> None:
    cv2 = pytest.importorskip("cv2", reason="OpenCV is no dependency, but an oracle where it is installed")
    height, width = 60, 80
    smooth = Key(0).at([0]).fold("smooth").uniform(0.0, 1.0, 3, 6, 8)
    x = torch.nn.functional.interpolate(smooth, size=(height, width), mode="bicubic")
    pixels = np.array([[1 / width, 0, (1 - width) / 2 / width], [0, 1 / width, (1 - height) / 2 / width], [0, 0, 1]])
    for seed in range(4):
        matrix = near_identity(1, seed=seed)
        seen = sample_light(x, homography_places(matrix.float(), height, width))
        expected = cv2.warpPerspective(
            x[0].permute(1, 2, 0).numpy(),
            np.linalg.inv(pixels) @ matrix[0].numpy() @ pixels,
            (width, height),
            flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
            borderMode=cv2.BORDER_REFLECT,
        )
        # OpenCV may round places to 1/32 of a pixel.
        np.testing.assert_allclose(seen[0].permute(1, 2, 0), expected, atol=0.01)

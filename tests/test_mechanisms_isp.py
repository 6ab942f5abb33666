"""Image signal processor: gains, matrices and filters against NumPy and SciPy."""

import math

import numpy as np
import pytest
import torch
from scipy import linalg, ndimage, stats
from torch import Tensor

from mechaug.keys import Key
from mechaug.mechanisms.isp import (
    COLOUR_MATRICES,
    ColourMatrix,
    ColourMatrixParams,
    Denoise,
    DenoiseParams,
    Sharpen,
    SharpenParams,
    WhiteBalance,
    WhiteBalanceParams,
)
from mechaug.testing import example_pictures


def rows(*values: float) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)


# White balance --------------------------------------------------------------------------------------------------------


def test_a_stop_of_red_doubles_red_alone() -> None:
    x = example_pictures(1).double()
    y = WhiteBalance().transform(x, WhiteBalanceParams(red_ev=rows(1.0), blue_ev=rows(-1.0)))
    expected = x * torch.tensor([2.0, 1.0, 0.5]).double()[:, None, None]
    torch.testing.assert_close(y, expected, atol=1e-12, rtol=0)


def test_the_default_error_is_five_per_cent() -> None:
    params = WhiteBalance().sample(Key(0).at(range(4000)))
    for drawn in (params.red_ev, params.blue_ev):
        gains = np.exp2(drawn.double().numpy())
        assert gains.std() == pytest.approx(0.05, rel=0.06)
        assert stats.kstest(np.log2(gains) / 0.07, "norm").pvalue > 0.01
    assert abs(np.corrcoef(params.red_ev.numpy(), params.blue_ev.numpy())[0, 1]) < 4 / math.sqrt(4000)


# Colour matrix --------------------------------------------------------------------------------------------------------


def corrected(x: Tensor, correction: float, camera: int) -> Tensor:
    shares = torch.zeros(1, 5).double()
    shares[0, camera] = 1.0
    return ColourMatrix().transform(x, ColourMatrixParams(correction=rows(correction), cameras=shares))


PALE = 0.4 + 0.2 * example_pictures(1).double()  # no colour of it leaves sRGB


@pytest.mark.parametrize("camera", range(5))
def test_one_correction_is_the_cameras_matrix(camera: int) -> None:
    matrix = COLOUR_MATRICES[camera]
    torch.testing.assert_close(matrix.sum(1), torch.ones(3).double(), atol=1e-12, rtol=0)
    for correction, power in ((1.0, matrix), (-1.0, torch.linalg.inv(matrix)), (2.0, matrix @ matrix)):
        expected = torch.einsum("ij,bjhw->bihw", power, PALE)
        torch.testing.assert_close(corrected(PALE, correction, camera), expected.clamp(min=0), atol=1e-9, rtol=0)


def test_the_canon_matrix_is_the_published_one() -> None:
    published = np.array([[2.12, -1.24, 0.12], [-0.21, 1.70, -0.49], [0.05, -0.65, 1.61]])
    np.testing.assert_allclose(COLOUR_MATRICES[4].numpy(), published, atol=0.02)


def test_shares_mix_the_logarithms() -> None:
    shares = np.array([0.1, 0.2, 0.3, 0.15, 0.25])
    mixed = sum(share * linalg.logm(matrix.numpy()) for share, matrix in zip(shares, COLOUR_MATRICES, strict=True))
    expected = np.einsum("ij,bjhw->bihw", linalg.expm(-0.6 * mixed), PALE.numpy())
    params = ColourMatrixParams(correction=rows(-0.6), cameras=torch.from_numpy(shares)[None])
    np.testing.assert_allclose(ColourMatrix().transform(PALE, params).numpy(), expected, atol=1e-9)


def test_grey_stays_grey_and_colours_pale_or_flare() -> None:
    grey = torch.full((1, 3, 2, 2), 0.3).double()
    red = torch.tensor([0.6, 0.3, 0.3]).double()[None, :, None, None]
    for correction in (-1.0, -0.3, 0.7):
        torch.testing.assert_close(corrected(grey, correction, 1), grey, atol=1e-12, rtol=0)
        y = corrected(red, correction, 1)
        assert (float(y[0, 0] - y[0, 1]) < 0.3) == (correction < 0)


def test_corrections_add_where_nothing_is_clipped() -> None:
    twice = corrected(corrected(PALE, 0.3, 2), -0.8, 2)
    torch.testing.assert_close(twice, corrected(PALE, -0.5, 2), atol=1e-12, rtol=0)


def test_the_shares_of_cameras_are_uniform_on_the_simplex() -> None:
    shares = ColourMatrix().sample(Key(0).at(range(2000))).cameras
    torch.testing.assert_close(shares.sum(1), torch.ones(2000))
    for camera in range(5):
        # One coordinate of a uniform point of the simplex is Beta(1, 4).
        assert stats.kstest(shares[:, camera].double().numpy(), stats.beta(1, 4).cdf).pvalue > 0.002


@pytest.mark.parametrize("mechanism", [WhiteBalance(), ColourMatrix()])
def test_grey_pictures_are_refused(mechanism: WhiteBalance | ColourMatrix) -> None:
    with pytest.raises(ValueError, match="3 channels, not 1"):
        mechanism(torch.zeros(2, 1, 8, 8), Key(0).at(range(2)))


# Denoise --------------------------------------------------------------------------------------------------------------


def guided(y: np.ndarray, sigma: float, radius: int) -> np.ndarray:
    """He, Sun and Tang's equations 5 to 8 with the picture as guide and one `a` for all colours."""

    def mean(values: np.ndarray) -> np.ndarray:
        return ndimage.uniform_filter(values, (0, 2 * radius + 1, 2 * radius + 1), mode="nearest")

    means = mean(y)
    variance = (mean(y**2) - means**2).mean(0, keepdims=True)
    a = variance / (variance + sigma**2)
    return mean(a) * y + mean((1 - a) * means)


@pytest.mark.parametrize(("noise_percent", "radius_px"), [(2.0, 2), (10.0, 1), (5.0, 4)])
def test_the_guided_filter_is_the_papers(noise_percent: float, radius_px: int) -> None:
    x = example_pictures(2, height=24, width=33).double()
    y = Denoise(radius_px=radius_px).transform(x, DenoiseParams(rows(noise_percent, noise_percent)))
    for k in range(2):
        np.testing.assert_allclose(y[k].numpy(), guided(x[k].numpy(), noise_percent / 100, radius_px), atol=2e-5)


def test_noise_goes_and_the_edge_stays() -> None:
    """Noise of 3 % on both sides of an edge ten times as high, with a filter that is told so."""
    edge = torch.where(torch.arange(64) < 32, 0.35, 0.65).double().expand(1, 3, 64, 64)
    noisy = edge + 0.03 * torch.from_numpy(np.random.default_rng(0).normal(size=(1, 3, 64, 64)))
    y = Denoise().transform(noisy, DenoiseParams(rows(3.0)))
    flat = [28 - 4, 28]
    assert float(y[..., : flat[0]].std()) < 0.6 * float(noisy[..., : flat[0]].std())
    assert float((y[..., 32] - y[..., 31]).mean()) > 0.9 * 0.3
    # A box of the same size halves the step at least.
    box = torch.from_numpy(ndimage.uniform_filter(noisy.numpy(), (0, 0, 5, 5)))
    assert float((box[..., 32] - box[..., 31]).mean()) < 0.3 * 0.3


def test_flat_pictures_are_left_alone() -> None:
    x = torch.full((1, 3, 16, 16), 0.7)
    torch.testing.assert_close(Denoise().transform(x, DenoiseParams(torch.tensor([50.0]))), x, atol=1e-6, rtol=0)


def test_more_assumed_noise_smears_more() -> None:
    x = example_pictures(1).expand(4, -1, -1, -1)
    y = Denoise().transform(x, DenoiseParams(torch.tensor([0.0, 1.0, 5.0, 20.0])))
    steps = (y[..., 1:] - y[..., :-1]).abs().mean((1, 2, 3))
    assert (steps[1:] < steps[:-1]).all()


def test_windows_are_of_some_size() -> None:
    with pytest.raises(ValueError, match=r"Denoise\(radius_px=…\)"):
        Denoise(radius_px=0)


# Sharpen --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("radius_px", [0.5, 1.0, 2.3])
def test_unsharp_masking_is_that_of_scipy(radius_px: float) -> None:
    x = 0.3 + 0.4 * example_pictures(1, height=24, width=33).double()
    y = Sharpen().transform(x, SharpenParams(amount=rows(0.5), radius_px=rows(radius_px)))
    blurred = ndimage.gaussian_filter(x[0].numpy(), (0, radius_px, radius_px), mode="nearest", truncate=8.0)
    np.testing.assert_allclose(y[0].numpy(), x[0].numpy() + 0.5 * (x[0].numpy() - blurred), atol=2e-5)


def test_an_edge_overshoots_and_the_mean_stays() -> None:
    edge = (0.4 + 0.2 * (torch.arange(32) >= 16).double()).expand(1, 3, 32, 32)
    y = Sharpen().transform(edge, SharpenParams(amount=rows(1.0), radius_px=rows(1.0)))
    assert float(y.min()) < 0.35
    assert float(y.max()) > 0.65
    assert float(y.mean()) == pytest.approx(0.5, abs=1e-9)
    assert float(y[0, 0, 0, 0]) == pytest.approx(0.4, abs=1e-9)


def test_a_picture_beside_a_wider_radius_is_sharpened_alike() -> None:
    """How far the filter reaches depends on the widest of a batch; what it computes does not."""
    x = example_pictures(2)
    alone = Sharpen().transform(x[:1], SharpenParams(amount=torch.ones(1), radius_px=torch.tensor([0.6])))
    beside = Sharpen().transform(x, SharpenParams(amount=torch.ones(2), radius_px=torch.tensor([0.6, 3.0])))
    torch.testing.assert_close(beside[:1], alone, atol=1e-6, rtol=0)


@pytest.mark.parametrize("laws", [{"amount": -1.0}, {"radius_px": (0.1, 2.0)}, {"radius_px": 4.0}])
def test_what_does_not_exist_is_refused(laws: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=r"Sharpen\(.*=…\)"):
        Sharpen(**laws)


@pytest.mark.parametrize("mechanism", [Denoise(noise_percent=5.0), Sharpen(amount=1.0)])
@pytest.mark.parametrize("size", [(1, 1), (1, 7), (2, 3)])
def test_tiny_pictures_pass(mechanism: Denoise | Sharpen, size: tuple[int, int]) -> None:
    x = example_pictures(2, channels=1, height=8, width=8)[..., : size[0], : size[1]]
    y = mechanism(x, Key(0).at(range(2)))
    assert y.shape == x.shape
    assert torch.isfinite(y).all()

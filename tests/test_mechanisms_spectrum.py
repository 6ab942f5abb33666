"""Spectrum: slopes measured on noise of known slope by SciPy's transforms."""

import numpy as np
import pytest
import torch
from scipy import fft
from torch import Tensor

from mechaug.mechanisms.spectrum import SpectralSlope, SpectralSlopeParams, filtered
from mechaug.testing import example_pictures

slope = SpectralSlope()


def tilt(*change: float) -> SpectralSlopeParams:
    return SpectralSlopeParams(torch.tensor(change, dtype=torch.float64))


def cycles(height: int, width: int) -> np.ndarray:
    """Cycles per picture width of each coefficient of a cosine transform."""
    return np.hypot(np.arange(height)[:, None] / (2 * height), np.arange(width) / (2 * width)) * width


def coloured_noise(height: int, width: int, alpha: float) -> Tensor:
    """A grey picture about 1 whose mirrored amplitude spectrum is f^−α, of random signs; small enough to stay light."""
    frequency = cycles(height, width)
    frequency[0, 0] = np.inf
    signs = np.random.default_rng(0).choice([-1.0, 1.0], (height, width))
    x = fft.idctn(signs * frequency**-alpha, norm="ortho")
    return torch.from_numpy(1 + 0.1 * x / x.std())[None, None]


def fitted_slope(x: Tensor) -> float:
    """−α by least squares on the logarithms of all amplitudes but the mean."""
    height, width = x.shape[-2:]
    amplitude = np.abs(fft.dctn(x[0, 0].numpy(), norm="ortho")).ravel()[1:]
    return float(np.polyfit(np.log(cycles(height, width).ravel()[1:]), np.log(amplitude), 1)[0])


def radial_slope(x: Tensor) -> float:
    """The slope of the usual estimate: power in a window, averaged over rings of equal frequency."""
    size = x.shape[-1]
    window = np.hanning(size)[:, None] * np.hanning(size)
    picture = x[0, 0].numpy()
    power = np.abs(np.fft.fft2((picture - picture.mean()) * window)) ** 2
    ring = np.hypot(np.fft.fftfreq(size)[:, None], np.fft.fftfreq(size)) * size
    rings = np.arange(4, size // 2)
    mean = [power[(ring >= r - 0.5) & (ring < r + 0.5)].mean() for r in rings]
    return float(np.polyfit(np.log(rings), np.log(mean), 1)[0] / 2)


@pytest.mark.parametrize("alpha", [0.8, 1.2])
@pytest.mark.parametrize("change", [-0.4, -0.1, 0.3])
@pytest.mark.parametrize("size", [(64, 64), (40, 90)])
def test_the_slope_changes_by_what_is_said(alpha: float, change: float, size: tuple[int, int]) -> None:
    x = coloured_noise(*size, alpha)
    assert fitted_slope(x) == pytest.approx(-alpha, abs=1e-9)
    assert fitted_slope(slope.transform(x, tilt(change))) == pytest.approx(-alpha - change, abs=1e-9)


@pytest.mark.parametrize("change", [-0.4, 0.4])
def test_and_so_as_it_is_usually_measured(change: float) -> None:
    x = coloured_noise(128, 128, 1.0)
    measured = radial_slope(slope.transform(x, tilt(change))) - radial_slope(x)
    assert measured == pytest.approx(-change, abs=0.06)


def test_means_and_contrast_are_kept() -> None:
    x = example_pictures(3).double()
    y = slope.transform(x, tilt(-0.2, 0.1, 0.5))
    torch.testing.assert_close(y.mean((2, 3)), x.mean((2, 3)), atol=1e-12, rtol=0)
    before, after = (z - z.mean((2, 3), keepdim=True) for z in (x, y))
    torch.testing.assert_close(after.square().mean((1, 2, 3)), before.square().mean((1, 2, 3)), atol=1e-9, rtol=0)
    # One number for all channels, so that hues are those of each frequency.
    assert not torch.allclose(after.square().mean((2, 3)), before.square().mean((2, 3)), rtol=1e-3)


def test_slopes_add_and_are_undone() -> None:
    x = coloured_noise(30, 47, 1.0)
    a, b = tilt(0.4), tilt(-0.15)
    once = slope.transform(x, slope.compose(a, b))
    torch.testing.assert_close(slope.transform(slope.transform(x, a), b), once, atol=1e-9, rtol=0)
    torch.testing.assert_close(slope.transform(slope.transform(x, a), slope.inverse(a)), x, atol=1e-9, rtol=0)


def test_light_is_never_below_black() -> None:
    x = torch.zeros(1, 3, 20, 20, dtype=torch.float64)
    x[..., 5:8, 5:8] = 3.0
    assert slope.transform(x, tilt(-0.5)).min() == 0.0


@pytest.mark.parametrize("level", [0.0, 0.5])
def test_a_flat_picture_stays_flat_with_finite_gradients(level: float) -> None:
    x = torch.full((2, 3, 16, 20), level).requires_grad_()
    change = torch.tensor([-0.5, 0.5]).requires_grad_()
    y = slope.transform(x, SpectralSlopeParams(change))
    torch.testing.assert_close(y, x, atol=2e-6, rtol=0)
    for gradient in torch.autograd.grad(y.sum(), (x, change)):
        assert gradient.isfinite().all()


@pytest.mark.parametrize("shape", [(2, 3, 12, 17), (2, 1, 1, 9), (2, 1, 32, 32)])
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-12), (torch.float32, 2e-6)])
def test_filters_are_products_of_the_cosine_transform(
    shape: tuple[int, ...], dtype: torch.dtype, tolerance: float
) -> None:
    generator = torch.Generator().manual_seed(0)
    x, gain = torch.rand(shape, generator=generator), torch.rand((2, *shape[2:]), generator=generator)
    expected = fft.idctn(
        gain[:, None].double().numpy() * fft.dctn(x.double().numpy(), axes=(2, 3), norm="ortho"),
        axes=(2, 3),
        norm="ortho",
    )
    y = filtered(x.to(dtype), gain.to(dtype))
    assert y.dtype == dtype
    assert np.abs(y.double().numpy() - expected).max() < tolerance

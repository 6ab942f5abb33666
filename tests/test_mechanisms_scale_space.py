"""Scale space: the discrete Gaussian by its Bessel functions, and what a heat flow on a lattice must be."""

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from scipy import ndimage
from scipy.special import ive
from torch import Tensor

from mechaug.keys import Key
from mechaug.mechanisms.scale_space import (
    BandDropout,
    BandDropoutParams,
    GaussianScale,
    GaussianScaleParams,
    heat_flow,
)
from mechaug.testing import example_pictures


def noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def by_bessel(x: Tensor, variance: float) -> Tensor:
    """Lindeberg's kernel exp(−v)·I_k(v), as far as it is larger than rounding, with mirrored borders."""
    taps = ive(np.arange(2000), variance)
    taps = taps[: max(2, int((taps > 1e-18).sum()))]
    kernel = np.concatenate((taps[:0:-1], taps))
    y = ndimage.convolve1d(x.double().numpy(), kernel, axis=-1, mode="reflect")
    return torch.from_numpy(ndimage.convolve1d(y, kernel, axis=-2, mode="reflect"))


def deviation(x: Tensor) -> float:
    """Standard deviation of a spot along its width, pixels."""
    line = x.double().sum((0, 1, 2))
    place = torch.arange(len(line)).double()
    mean = (line * place).sum() / line.sum()
    return float((line * (place - mean) ** 2).sum() / line.sum()) ** 0.5


# The flow ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("variance", [0.0, 1e-6, 0.01, 0.3, 1.0, 5.0, 25.0, 150.0, 4000.0])
@pytest.mark.parametrize(("height", "width"), [(20, 31), (224, 97), (1, 150)])
def test_the_kernel_is_the_discrete_gaussian(variance: float, height: int, width: int) -> None:
    """Short lines are computed by the whole kernel, long ones by what is reached: both are Lindeberg's kernel."""
    x = noise(1, 2, height, width)
    y = heat_flow(x, torch.tensor([variance]).double())
    torch.testing.assert_close(y, by_bessel(x, variance), atol=1e-7, rtol=0)
    single = heat_flow(x.float(), torch.tensor([variance]))
    assert single.dtype == torch.float32
    torch.testing.assert_close(single.double(), y, atol=1e-6, rtol=0)


@pytest.mark.parametrize("variance", [1e-6, 0.01, 0.3, 2.0, 50.0, 4000.0])
@pytest.mark.parametrize(("height", "width"), [(33, 33), (16, 40), (1, 5), (3, 200)])
def test_the_kernel_is_a_distribution(variance: float, height: int, width: int) -> None:
    """Columns of the flow, one impulse at a time: nothing negative, and all of the light arrives."""
    places = torch.tensor([0, height * width // 3, height * width - 1])
    x = torch.nn.functional.one_hot(places, height * width).double().reshape(3, 1, height, width)
    y = heat_flow(x, torch.full((3,), variance, dtype=torch.float64))
    assert y.min() > -1e-15
    torch.testing.assert_close(y.sum((1, 2, 3)), torch.ones(3).double(), atol=2e-7, rtol=0)


@pytest.mark.parametrize("width", [31, 160])
def test_the_mean_is_kept_at_every_width(width: int) -> None:
    x = example_pictures(6, height=20, width=width).double()
    variance = torch.tensor([0.0, 0.1, 1.0, 9.0, 100.0, 1e6]).double()
    for some in (slice(0, 3), slice(0, 6)):
        y = heat_flow(x[some], variance[some])
        torch.testing.assert_close(y.mean((2, 3)), x[some].mean((2, 3)), atol=1e-7, rtol=0)
    # And what is blurred without end is flat.
    torch.testing.assert_close(y[5], x[5].mean((1, 2), keepdim=True).expand_as(x[5]), atol=1e-9, rtol=0)


def test_a_flat_picture_stays_flat() -> None:
    x = torch.full((2, 3, 9, 214), 0.37)
    torch.testing.assert_close(heat_flow(x, torch.tensor([0.5, 30.0])), x, atol=2e-7, rtol=0)


@pytest.mark.parametrize(("size", "tolerance"), [((24, 37), 1e-13), ((224, 130), 1e-7)])
def test_variances_add(size: tuple[int, int], tolerance: float) -> None:
    x = noise(4, 3, *size)
    a, b = torch.tensor([0.01, 0.5, 3.0, 9.0]).double(), torch.tensor([0.3, 0.02, 8.0, 16.0]).double()
    torch.testing.assert_close(heat_flow(heat_flow(x, a), b), heat_flow(x, a + b), atol=tolerance, rtol=0)
    y = heat_flow(heat_flow(x.float(), a.float()), b.float())
    torch.testing.assert_close(y, heat_flow(x.float(), (a + b).float()), atol=1e-6, rtol=0)


@pytest.mark.parametrize("size", [20, 224])
def test_a_picture_is_blurred_alike_in_every_batch(size: int) -> None:
    """A wide blur beside it makes the kernels of the whole batch longer."""
    x, variance = noise(3, 1, size, size), torch.tensor([0.5, 4.0, 900.0]).double()
    together = heat_flow(x, variance)
    for row in range(3):
        alone = heat_flow(x[row : row + 1], variance[row : row + 1])
        torch.testing.assert_close(together[row : row + 1], alone, atol=1e-7, rtol=0)
    mapped = torch.vmap(lambda image, v: heat_flow(image[None], v[None])[0])(x, variance)
    torch.testing.assert_close(mapped, together, atol=1e-7, rtol=0)


@pytest.mark.parametrize("sigma", [1.5, 3.0, 6.0])
def test_a_wide_blur_is_scipys_gaussian(sigma: float) -> None:
    """The lattice's own Gaussian approaches the sampled one; borders are mirrored alike."""
    x = example_pictures(1, height=48, width=161, seed=5).double()
    x = x + 0.1 * Key(0).at([0]).field(3, 48, 161).double()
    ours = heat_flow(x, torch.tensor([sigma**2]).double())
    theirs = ndimage.gaussian_filter(x.numpy(), sigma, axes=(2, 3), mode="reflect", truncate=10.0)
    difference = np.abs(ours.numpy() - theirs)
    assert difference.max() < 0.03 / sigma**2
    # And nothing like another width: a tenth more blur is another picture.
    wider = ndimage.gaussian_filter(x.numpy(), 1.1 * sigma, axes=(2, 3), mode="reflect", truncate=10.0)
    assert difference.mean() < 0.5 * np.abs(ours.numpy() - wider).mean()


def test_a_wide_blur_is_opencvs_gaussian() -> None:
    cv2 = pytest.importorskip("cv2", reason="compares with OpenCV where it is installed")
    x = example_pictures(1, height=150, width=161, seed=5)
    ours = heat_flow(x, torch.tensor([16.0]))[0].movedim(0, -1).numpy()
    theirs = cv2.GaussianBlur(x[0].movedim(0, -1).numpy(), (49, 49), 4.0, borderType=cv2.BORDER_REFLECT)
    assert np.abs(ours - theirs).max() < 2e-3


@pytest.mark.parametrize("size", [(11, 14), (120, 90)])
def test_the_flow_solves_the_heat_equation(size: tuple[int, int]) -> None:
    """d/dv of the flow is half the Laplacian of five points, with mirrored borders; by differences and by gradient."""
    x = noise(1, 1, *size)
    variance = torch.tensor([1.7]).double()
    flowed = heat_flow(x, variance)
    slope = (heat_flow(x, variance + 1e-4) - heat_flow(x, variance - 1e-4)) / 2e-4
    padded = torch.nn.functional.pad(flowed, (1, 1, 1, 1), mode="replicate")
    laplacian = (
        padded[..., 2:, 1:-1] + padded[..., :-2, 1:-1] + padded[..., 1:-1, 2:] + padded[..., 1:-1, :-2] - 4 * flowed
    )
    torch.testing.assert_close(slope, laplacian / 2, atol=1e-7, rtol=0)
    weights = noise(1, 1, *size, seed=1)
    grown = variance.clone().requires_grad_()
    (weights * heat_flow(x, grown)).sum().backward()
    assert grown.grad is not None
    assert float(grown.grad) == pytest.approx(float((weights * laplacian / 2).sum()), rel=1e-4)


def test_not_a_number_stays_with_its_own_picture() -> None:
    y = heat_flow(noise(2, 1, 100, 100), torch.tensor([math.nan, 1.0]).double())
    assert y[0].isnan().all()
    torch.testing.assert_close(y[1:], by_bessel(noise(2, 1, 100, 100)[1:], 1.0), atol=1e-7, rtol=0)


# GaussianScale ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("height", "width"), [(201, 201), (33, 401)])
def test_the_width_is_a_share_of_the_picture(height: int, width: int) -> None:
    x = torch.zeros(1, 1, height, width, dtype=torch.float64)
    x[..., height // 2, width // 2] = 1.0
    y = GaussianScale().transform(x, GaussianScaleParams(torch.tensor([20.0], dtype=torch.float64)))
    assert deviation(y) == pytest.approx(0.02 * width, rel=1e-4)


def test_the_prior_leaves_half_of_the_contrast_at_nine_cycles() -> None:
    """What its docstring says, by Gauss's transfer function exp(−2π²σ²f²)."""
    cycles = math.sqrt(math.log(2) / (2 * math.pi**2)) / 20e-3
    assert round(cycles) == 9
    wave = torch.cos(torch.arange(1000).double() * (2 * math.pi * 9 / 1000) + 0.3).expand(1, 1, 2, 1000)
    y = GaussianScale().transform(wave, GaussianScaleParams(torch.tensor([20.0]).double()))
    assert float(y[..., 200:800].std() / wave[..., 200:800].std()) == pytest.approx(0.5, abs=0.04)


def test_scales_compose_by_their_squares() -> None:
    scale = GaussianScale()
    three, four = (GaussianScaleParams(torch.tensor([value])) for value in (3.0, 4.0))
    assert scale.compose(three, four).scale_permille.item() == pytest.approx(5.0)


def test_no_scale_is_below_zero() -> None:
    with pytest.raises(ValueError, match="scale_permille"):
        GaussianScale(scale_permille=(-1.0, 3.0))


# BandDropout ------------------------------------------------------------------------------------------------------


def drops(*dropped: float, gain: float = 0.0) -> BandDropoutParams:
    return BandDropoutParams(torch.tensor([gain]).double(), torch.tensor([dropped]).double())


@pytest.mark.parametrize("shape", [(1, 3, 40, 53), (1, 1, 1, 17)])
def test_bands_add_up_to_the_picture(shape: tuple[int, ...]) -> None:
    x, mechanism = noise(*shape), BandDropout(bands=4)
    bands = [x - mechanism.transform(x, drops(*(float(k == j) for j in range(4)))) for k in range(4)]
    remainder = mechanism.transform(x, drops(1.0, 1.0, 1.0, 1.0))
    torch.testing.assert_close(torch.stack((*bands, remainder)).sum(0), x, atol=1e-12, rtol=0)
    torch.testing.assert_close(mechanism.transform(x, drops(1.0, 1.0, 1.0, 1.0, gain=1.0)), x, atol=1e-12, rtol=0)


def test_each_band_is_the_difference_of_two_gaussians_an_octave_apart() -> None:
    x, mechanism = noise(1, 2, 60, 45), BandDropout(bands=3)
    passed = [x, *(by_bessel(x, sigma**2) for sigma in (1.0, 2.0, 4.0))]
    for k in range(3):
        without = mechanism.transform(x, drops(*(float(k == j) for j in range(3))))
        torch.testing.assert_close(without, x - (passed[k] - passed[k + 1]), atol=1e-12, rtol=0)
        # All bands down to one dropped is a blur, and nothing else.
        blurred = mechanism.transform(x, drops(*(float(j <= k) for j in range(3))))
        torch.testing.assert_close(blurred, passed[k + 1], atol=1e-12, rtol=0)
    half = mechanism.transform(x, drops(0.0, 1.0, 0.0, gain=0.25))
    torch.testing.assert_close(half, x - 0.75 * (passed[1] - passed[2]), atol=1e-12, rtol=0)


def test_the_mean_is_always_kept() -> None:
    x = noise(1, 3, 33, 20)
    y = BandDropout(bands=6).transform(x, drops(*[1.0] * 6))
    torch.testing.assert_close(y.mean((2, 3)), x.mean((2, 3)), atol=1e-12, rtol=0)
    assert (y - y.mean((2, 3), keepdim=True)).abs().max() < 0.05


def test_bands_are_dropped_as_often_as_asked_and_each_on_its_own() -> None:
    dropped = BandDropout(drop_probability=0.3, bands=4).sample(Key(0).at(range(4000))).dropped
    assert set(dropped.unique().tolist()) == {0.0, 1.0}
    assert (dropped.mean(0) - 0.3).abs().max() < 0.03
    correlation = torch.corrcoef(dropped.mT) - torch.eye(4)
    assert correlation.abs().max() < 0.06
    key = Key(0).at(range(50))
    assert BandDropout(drop_probability=0.0).sample(key).dropped.sum() == 0
    assert BandDropout(drop_probability=1.0).sample(key).dropped.min() == 1


def test_dropping_a_band_twice_drops_more_than_once() -> None:
    """Why it is declared no projection: bands overlap."""
    x, only = noise(1, 1, 64, 64), drops(0.0, 1.0, 0.0, 0.0)
    once = BandDropout().transform(x, only)
    assert (BandDropout().transform(once, only) - once).abs().mean() > 1e-3


@pytest.mark.parametrize(
    ("make", "complaint"),
    [
        (lambda: BandDropout(drop_probability=1.2), "drop_probability"),
        (lambda: BandDropout(bands=0), "bands"),
        (lambda: BandDropout(gain=1.5), "gain"),
    ],
)
def test_what_cannot_be_is_refused(make: Callable[[], object], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        make()

"""The statistics of the backgrounds, and that each depends on its seed alone."""

import pytest
import torch

from mechaug.data.dead_leaves import RADII, _radius, dead_leaves


@pytest.fixture(autouse=True)
def one_thread():
    """Small operations, which on a busy machine are far slower when each is shared among threads."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def spectral_slope(light):
    """Exponent of frequency in the radially averaged power of log luminance, under a Hann window."""
    size = light.shape[-1]
    luminance = (light * torch.tensor([0.2126, 0.7152, 0.0722])[:, None, None]).sum(1).log()
    window = torch.hann_window(size, periodic=True)
    luminance = (luminance - luminance.mean((1, 2), keepdim=True)) * window * window[:, None]
    power = torch.fft.fft2(luminance).abs().square().mean(0)
    frequency = torch.fft.fftfreq(size) * size
    radius = torch.hypot(frequency[:, None], frequency).round()
    rings = torch.arange(2, size // 2)
    mean = torch.stack([power[radius == ring].mean() for ring in rings]).log()
    x = rings.float().log()
    x, y = x - x.mean(), mean - mean.mean()
    return float((x * y).sum() / (x * x).sum())


@pytest.mark.parametrize(("size", "count"), [(32, 192), (64, 64)])
def test_power_falls_as_in_photographs(size, count):
    # The same measurement on photographs of these sizes gives −2.5; white noise 0, smooth gradients below −4.
    assert spectral_slope(dead_leaves(torch.arange(count), size)) == pytest.approx(-2.5, abs=0.3)


def test_the_estimator_tells_spectra_apart():
    noise = 0.5 + 0.1 * torch.rand(32, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    assert spectral_slope(noise) == pytest.approx(0.0, abs=0.15)


def test_radii_follow_the_power_law():
    # Among leaves that touch the picture, the density is r⁻³ (1 + 2r)²: dividing by the latter leaves r⁻³.
    quantile = (torch.arange(200_000) + 0.5) / 200_000
    radius = _radius(quantile[None])[0]
    assert radius.min() >= RADII[0] * 0.999
    assert radius.max() <= RADII[1] * 1.001
    weight = (1 + 2 * radius) ** -2
    low, high = 0.05, 0.4
    middle = (low * high) ** 0.5
    small = weight[(radius > low) & (radius < middle)].sum()
    large = weight[(radius > middle) & (radius < high)].sum()
    assert float(small / large) == pytest.approx((low**-2 - middle**-2) / (middle**-2 - high**-2), rel=0.02)


def test_a_background_depends_on_its_seed_alone():
    together = dead_leaves(torch.tensor([5, 2**62, 9]), 32)
    alone = dead_leaves(torch.tensor([2**62]), 32)
    assert torch.allclose(together[1:2], alone, atol=1e-6)
    assert (together[0] - together[2]).abs().mean() > 0.05
    assert together.min() >= 0
    assert together.max() <= 1


def test_a_background_is_the_same_scene_at_every_size():
    seeds = torch.arange(8)
    small, large = dead_leaves(seeds, 32), dead_leaves(seeds, 128)
    averaged = torch.nn.functional.avg_pool2d(large, 4)
    assert (small - averaged).abs().mean() < 0.02

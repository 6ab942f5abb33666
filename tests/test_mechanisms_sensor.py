"""Sensor: the photon transfer curve of EMVA 1288, and noise that is what its seed says."""

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from scipy import stats
from torch import Tensor

from mechaug.keys import Key
from mechaug.mechanisms import Sensor, SensorParams
from mechaug.testing import example_pictures


def settings(
    batch: int = 1, *, iso: float = 100.0, full_well_e: float = 6000.0, read_noise_e: float = 3.0
) -> SensorParams:
    return SensorParams(
        iso=torch.full((batch,), iso),
        full_well_e=torch.full((batch,), full_well_e),
        read_noise_e=torch.full((batch,), read_noise_e),
        noise_seed=Key(11).at(range(batch)).seed(),
    )


def flat(levels: list[float], side: int = 128) -> Tensor:
    return torch.tensor(levels)[:, None, None, None].expand(-1, 3, side, side)


def electrons(levels_e: list[float], *, side: int = 128, **values: float) -> Tensor:
    """What a sensor makes of flat light, in electrons, one row per level; float64."""
    params = settings(len(levels_e), **values)
    white = float(params.full_well_e[0]) * 100 / float(params.iso[0])
    y = Sensor().transform(flat([level / white for level in levels_e], side), params)
    assert y.min() > 0, "these levels are meant to stay clear of black"
    assert y.max() < 1, "and of white"
    return y.double().flatten(1) * white


LEVELS = [400.0, 700.0, 1200.0, 2000.0, 3000.0, 4200.0]


@pytest.mark.parametrize("iso", [100.0, 130.0])
@pytest.mark.parametrize("read_noise_e", [2.0, 12.0])
def test_the_photon_transfer_curve(iso: float, read_noise_e: float) -> None:
    """Variance against mean, both in electrons: slope 1, intercept the read noise squared."""
    signal = electrons(LEVELS, iso=iso, read_noise_e=read_noise_e)
    mean, variance = signal.mean(1).numpy(), signal.var(1).numpy()
    error = variance * np.sqrt(2 / signal.shape[1])
    (slope, intercept), covariance = np.polyfit(mean, variance, 1, w=1 / error, cov="unscaled")
    assert slope == pytest.approx(1.0, abs=0.03)
    assert intercept == pytest.approx(read_noise_e**2, abs=4 * np.sqrt(covariance[1, 1]))
    # The same, exactly where the intercept shows: what two read noises add to one and the same shot noise.
    dark = electrons([400.0], iso=iso, read_noise_e=read_noise_e + 10.0).var() - signal[0].var()
    assert float(dark) == pytest.approx((read_noise_e + 10.0) ** 2 - read_noise_e**2, rel=0.05)


def test_the_mean_is_kept_where_nothing_clips() -> None:
    signal = electrons(LEVELS)
    error = signal.std(1) / math.sqrt(signal.shape[1])
    assert ((signal.mean(1) - torch.tensor(LEVELS)).abs() < 4 * error).all()


@pytest.mark.parametrize(("level_e", "read_noise_e"), [(60.0, 3.0), (150.0, 0.0), (100.0, 10.0)])
def test_the_skewness_of_counting(level_e: float, read_noise_e: float) -> None:
    """The third cumulant of Poisson plus normal is λ: no normal noise has it."""
    signal = electrons([level_e], side=384, read_noise_e=read_noise_e)[0].numpy()
    error = np.sqrt(6 / len(signal)) * np.std(signal) ** 3
    assert abs(stats.kstat(signal, 3) - level_e) < 4 * error
    assert 4 * error < 0.5 * level_e, "the test could not tell λ from 0"


@pytest.mark.parametrize("level_e", [50.0, 100.0, 800.0])
def test_the_distribution_is_that_of_poisson_plus_normal(level_e: float) -> None:
    read_noise_e = 3.0
    signal = np.sort(electrons([level_e], side=384, read_noise_e=read_noise_e)[0].numpy())
    counts = np.arange(stats.poisson.ppf(1e-12, level_e), stats.poisson.isf(1e-12, level_e) + 1)
    at = np.linspace(signal[0], signal[-1], 400)
    exact = stats.norm.cdf((at[:, None] - counts) / read_noise_e) @ stats.poisson.pmf(counts, level_e)
    ours = np.searchsorted(signal, at) / len(signal)
    # 442,368 samples of the exact law would stay within 0.0025 in 99 of 100 cases.
    assert np.abs(ours - exact).max() < 0.0025
    # A normal law of the same mean and variance would not have passed where skewness shows.
    if level_e < 500:
        normal = stats.norm.cdf(at, level_e, np.sqrt(level_e + read_noise_e**2))
        assert np.abs(normal - exact).max() > 0.005


def test_doubling_the_iso_halves_the_electrons() -> None:
    """At the same light, half of the electrons: the shot noise's share of the signal grows by √2."""
    variance = {
        iso: float(Sensor().transform(flat([0.5]), settings(iso=iso, read_noise_e=0.0)).double().var())
        for iso in (100.0, 200.0, 400.0)
    }
    assert variance[100.0] == pytest.approx(0.5 / 6000, rel=0.02)
    assert variance[200.0] / variance[100.0] == pytest.approx(2.0, rel=0.02)
    assert variance[400.0] / variance[100.0] == pytest.approx(4.0, rel=0.02)


def test_iso_and_full_well_are_one_gain() -> None:
    x = flat([0.3])
    a = Sensor().transform(x, settings(iso=200.0, full_well_e=6000.0))
    b = Sensor().transform(x, settings(iso=100.0, full_well_e=3000.0))
    torch.testing.assert_close(a, b, atol=1e-6, rtol=0)


def test_a_full_well_and_an_empty_one_clip() -> None:
    x = torch.stack((torch.zeros(3, 64, 64), torch.ones(3, 64, 64), torch.full((3, 64, 64), 7.0)))
    y = Sensor().transform(x, settings(3, iso=3200.0))
    assert y.min() == 0
    assert y.max() == 1
    # Read noise alone at black: half of it clipped.
    assert float((y[0] == 0).float().mean()) == pytest.approx(0.5, abs=0.02)
    sevens = settings(3, iso=3200.0).rows(torch.tensor([1, 2])).replace(noise_seed=torch.tensor([5, 5]))
    assert torch.equal(*Sensor().transform(x[1:], sevens)), "light above white is white to a sensor"


def test_black_without_read_noise_is_black() -> None:
    y = Sensor().transform(torch.zeros(1, 3, 32, 32), settings(read_noise_e=0.0, iso=6400.0))
    assert y.max() < 1e-6


def test_an_endless_full_well_is_free_of_noise() -> None:
    x = example_pictures(4)
    torch.testing.assert_close(Sensor().apply(x, Sensor().neutral(4)), x, atol=1e-5, rtol=0)


def test_the_slope_at_black_is_of_the_order_of_the_others() -> None:
    slopes = []
    for light, read_noise_e in ((0.0, 3.0), (0.01, 0.0), (0.0, 0.0)):
        x = torch.full((1, 1, 16, 16), light, requires_grad=True)
        y = Sensor().transform(x, settings(read_noise_e=read_noise_e))
        slopes.append(float(torch.autograd.grad(y.sum(), x)[0].abs().max()))
    assert slopes[2] < 1e4 * max(slopes[:2])


# The noise ----------------------------------------------------------------------------------------------------------


def noise(params: SensorParams, side: int = 96) -> Tensor:
    return Sensor().transform(flat([0.5] * len(params.iso), side), params).double() - 0.5


def test_noise_is_independent_across_images_channels_and_pixels() -> None:
    field = noise(settings(6))
    limit = 4.5 / math.sqrt(96 * 96)
    rows = field.flatten(2).flatten(0, 1)
    assert (torch.corrcoef(rows) - torch.eye(18)).abs().max() < limit
    spread = field.var()
    for down, across in ((0, 1), (1, 0), (1, 1), (1, -1), (0, 2), (48, 0)):
        shifted = field.roll((down, across), (2, 3))
        assert abs(float((field * shifted).mean() / spread)) < 4 / math.sqrt(field.numel())


def test_noise_replays_from_its_seed_alone() -> None:
    params = settings(5)
    y = noise(params)
    assert torch.equal(noise(params), y)
    assert torch.equal(noise(params.rows(torch.tensor([3]))), y[3:4])
    other = params.replace(noise_seed=params.noise_seed.roll(1))
    assert torch.equal(noise(other), y.roll(1, 0)), "equal settings, so that the seed is all that tells images apart"
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(123)
        assert torch.equal(noise(params), y)


CHANGES: dict[str, Callable[[SensorParams], SensorParams]] = {
    "iso": lambda params: params.replace(iso=params.iso * 4),
    "read_noise_e": lambda params: params.replace(read_noise_e=params.read_noise_e * 9),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
def test_a_counterfactual_keeps_the_same_grains(change: Callable[[SensorParams], SensorParams]) -> None:
    """The same photograph at another setting: more noise, and the same noise."""
    params = settings(1)
    factual, counterfactual = noise(params).flatten(), noise(change(params)).flatten()
    assert counterfactual.std() > 1.05 * factual.std()
    assert float(torch.corrcoef(torch.stack((factual, counterfactual)))[0, 1]) > 0.995


def test_draws() -> None:
    key = Key(2).at(range(2000))
    params = Sensor().sample(key)
    assert stats.kstest(params.iso.double().numpy(), stats.loguniform(100, 6400).cdf).pvalue > 0.01
    assert torch.equal(params.full_well_e, torch.full((2000,), 6000.0))
    assert params.noise_seed.dtype == torch.int64
    assert len(params.noise_seed.unique()) == 2000
    assert (params.noise_seed >= 0).all()
    another = Sensor(iso=800.0, read_noise_e=(0.0, 5.0)).sample(key)
    assert torch.equal(another.noise_seed, params.noise_seed), "laws are not part of the noise's address"
    later = Sensor().sample(Key(2).at(range(2000), epoch=1))
    assert not (later.noise_seed == params.noise_seed).any()


@pytest.mark.parametrize("laws", [{"iso": -100.0}, {"full_well_e": 0.5}, {"read_noise_e": (-1.0, 3.0)}])
def test_what_does_not_exist_is_refused(laws: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=r"Sensor\(.*=…\)"):
        Sensor(**laws)

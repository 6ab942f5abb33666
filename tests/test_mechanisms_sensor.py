"""Sensor: the photon transfer curve of EMVA 1288, and noise that is what its seed says."""

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from scipy import stats
from torch import Tensor

from mechaug.keys import Key
from mechaug.mechanisms import VIEWS, Sensor, SensorParams, View
from mechaug.testing import example_pictures


def settings(batch: int = 1, **values: float) -> SensorParams:
    """One sensor for a batch, whatever is not named at its default."""
    laws = {"iso": 100.0, "full_well_e": 6000.0, "read_noise_e": 3.0, **values}
    return Sensor(**laws).sample(Key(11).at(range(batch)))


SENSOR = Sensor()


def flat(levels: list[float], side: int = 128) -> Tensor:
    return torch.tensor(levels)[:, None, None, None].expand(-1, 3, side, side)


def electrons(levels_e: list[float], *, side: int = 128, **values: float) -> Tensor:
    """What a sensor makes of flat light, in electrons, one row per level; float64."""
    params = settings(len(levels_e), **values)
    white = float(params.full_well_e[0]) * 100 / float(params.iso[0])
    y = SENSOR.transform(flat([level / white for level in levels_e], side), params)
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
    # Read noise alone at black: half of it clipped. At white, noise below the brim is seen.
    assert float((y[0] == 0).float().mean()) == pytest.approx(0.5, abs=0.02)
    assert float((y[1] == 1).float().mean()) == pytest.approx(0.5, abs=0.02)
    assert (y[2] == 1).all(), "seven times as many electrons as the well holds: it is full, without noise"


def test_a_well_without_end_clips_nothing() -> None:
    x = torch.full((2, 3, 8, 8), 2.5)
    params = settings(2).replace(full_well_e=torch.tensor([math.inf, 6000.0]))
    y = Sensor().transform(x, params)
    torch.testing.assert_close(y[0], x[0], atol=1e-6, rtol=0)
    assert (y[1] == 1).all()


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


@pytest.mark.parametrize(
    "laws",
    [{"iso": -100.0}, {"full_well_e": 0.5}, {"read_noise_e": (-1.0, 3.0)}, {"bits": 0.5}],
)
def test_what_does_not_exist_is_refused(laws: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=r"Sensor\(.*=…\)"):
        Sensor(**laws)


@pytest.mark.untyped
def test_an_unknown_rounding_is_refused() -> None:
    with pytest.raises(ValueError, match=r"Sensor\(rounding=…\)"):
        Sensor(rounding="even")  # type: ignore[arg-type]


# The other parts of EMVA 1288 -----------------------------------------------------------------------------------------


def test_the_photon_transfer_curve_of_numbers() -> None:
    """EMVA 1288: variance of the numbers = K²·σ_r² + K·mean + 1/12, from a converter of few bits."""
    bits, read_noise_e, white_e = 6.0, 40.0, 6000.0
    gain = (2**bits - 1) / white_e
    x = flat([0.2, 0.3, 0.45, 0.6, 0.75], 256)
    numbers = Sensor().transform(x, settings(5, bits=bits, read_noise_e=read_noise_e)).double() * (2**bits - 1)
    torch.testing.assert_close(numbers, numbers.round(), atol=1e-4, rtol=0)
    mean, variance = numbers.flatten(1).mean(1).numpy(), numbers.flatten(1).var(1).numpy()
    slope, intercept = np.polyfit(mean, variance, 1)
    assert slope == pytest.approx(gain, rel=0.04)
    assert intercept == pytest.approx(gain**2 * read_noise_e**2 + 1 / 12, abs=0.01)
    assert 1 / 12 > 4 * 0.01, "the test could not tell that numbers were rounded"


def test_read_noise_behind_the_amplifier_falls_with_the_iso() -> None:
    """In electrons: σ² = before² + (behind·100/ISO)²."""
    for iso, expected in ((100.0, 2.0**2 + 30.0**2), (400.0, 2.0**2 + 7.5**2), (1600.0, 2.0**2 + 1.875**2)):
        level = 150.0
        noisy = electrons([level], iso=iso, read_noise_e=2.0, adc_noise_e=30.0, full_well_e=2e5).var()
        assert float(noisy) == pytest.approx(level + expected, rel=0.03)


def test_dark_current_leaves_noise_and_no_light() -> None:
    """100 e⁻/s for 2 s at 25 °C, and twice that 7 degrees warmer; the black level is taken away."""
    for temperature_c, dark_e in ((25.0, 200.0), (32.0, 400.0), (11.0, 50.0)):
        signal = electrons([500.0], dark_e_s=100.0, exposure_s=2.0, temperature_c=temperature_c, read_noise_e=0.0)
        assert float(signal.var()) == pytest.approx(500.0 + dark_e, rel=0.03)
        assert float(signal.mean()) == pytest.approx(500.0, abs=4 * math.sqrt(900.0 / signal.numel()))


def test_rows_share_their_noise() -> None:
    """Everything of a row moves together, rows are independent, and their spread is what the law says."""
    sigma_e = 60.0
    field = noise(settings(4, row_noise_e=sigma_e), 128) * 6000
    rows = field.mean((1, 3))
    assert float(rows.var()) == pytest.approx(sigma_e**2, rel=0.2)
    within = (field[..., 1:] * field[..., :-1]).mean() / field.square().mean()
    assert float(within) == pytest.approx(sigma_e**2 / (sigma_e**2 + 3000 + 9), abs=0.1)
    between = (rows[:, 1:] * rows[:, :-1]).mean() / rows.square().mean()
    assert abs(float(between)) < 4 / math.sqrt(rows.numel())
    # And the pixels' noise is the same as without it.
    plain = noise(settings(4), 128) * 6000
    torch.testing.assert_close(field - plain, (field - plain).mean((1, 3), keepdim=True).expand_as(field), **LOOSE)


LOOSE = {"atol": 0.01, "rtol": 0.0}


def test_row_noise_falls_with_the_iso_as_read_noise_does() -> None:
    def spread(**values: float) -> float:
        with_rows = noise(settings(3, row_noise_e=20.0, full_well_e=1e5, **values), 128)
        return float((with_rows - noise(settings(3, full_well_e=1e5, **values), 128)).std())

    low, high = (
        spread(iso=100.0, read_noise_e=0.0, adc_noise_e=8.0),
        spread(read_noise_e=0.0, adc_noise_e=8.0, iso=400.0),
    )
    assert high / low == pytest.approx(1.0, rel=1e-3), "the share of white is that of ISO 100"
    constant = spread(iso=400.0, read_noise_e=8.0)
    assert constant / low == pytest.approx(4.0, rel=1e-3), "the electrons are those of ISO 100"


def test_sensitivities_are_a_pattern_of_the_light() -> None:
    """Two pictures by one camera share it: their covariance is (PRNU·light)², at every light."""
    camera = Sensor(body=7)
    key = Key(3).at(range(4))
    params = camera.sample(key).replace(iso=torch.full((4,), 100.0), prnu_percent=torch.full((4,), 2.0))
    y = camera.transform(flat([0.2, 0.2, 0.8, 0.8], 256), params).double().flatten(1)
    y = y - y.mean(1, keepdim=True)
    for pair, light in (((0, 1), 0.2), ((2, 3), 0.8)):
        covariance = float((y[pair[0]] * y[pair[1]]).mean())
        assert math.sqrt(covariance) == pytest.approx(0.02 * light, rel=0.05)
    others = params.replace(pattern_seed=torch.tensor([1, 2, 3, 4]))
    z = Sensor().transform(flat([0.8] * 4, 256), others).double().flatten(1) - 0.8
    assert abs(float((z[0] * z[1]).mean())) < 5 * float(z.var()) / math.sqrt(z.shape[1])


def test_a_body_has_one_pattern_and_other_noise_each_time() -> None:
    key = Key(3).at(range(5))
    one, again, other, any_body = (Sensor(body=body).sample(key) for body in (1, 1, 2, None))
    assert len(one.pattern_seed.unique()) == 1
    assert torch.equal(one.pattern_seed, again.pattern_seed)
    assert not torch.equal(one.pattern_seed, other.pattern_seed)
    assert len(any_body.pattern_seed.unique()) == 5
    assert torch.equal(one.noise_seed, any_body.noise_seed)
    # One field for all pictures, or one for each: the same pixels.
    x, params = flat([0.3] * 5, 16), one.replace(prnu_percent=torch.full((5,), 5.0))
    torch.testing.assert_close(
        Sensor().transform(x, params)[2:3], Sensor().transform(x[2:3], params.rows(torch.tensor([2])))
    )


@pytest.mark.parametrize("ppm", [1000.0, 20_000.0])
def test_hot_pixels_are_as_many_and_as_hot_as_stated(ppm: float) -> None:
    dark = torch.zeros(1, 3, 400, 400)
    params = Sensor(iso=100.0, full_well_e=1e9, read_noise_e=0.0, hot_ppm=ppm).sample(Key(5).at([0]))
    y = Sensor().transform(dark, params).flatten().double().numpy()
    # A surplus below a thousandth of white counts as none; clipping at white takes from the exponential's tail.
    hot = y[y > 1e-3]
    assert len(hot) == pytest.approx(len(y) * ppm * 1e-6, rel=4 / math.sqrt(len(y) * ppm * 1e-6) + 0.01)
    mean_of_clipped = 0.5 * (1 - math.exp(-1 / 0.5))
    assert hot.mean() == pytest.approx(mean_of_clipped, rel=0.1)
    # The same pixels are hot whatever the light.
    lit = Sensor().transform(dark + 0.2, params).flatten().numpy()
    assert (lit[y > 0.1] > 0.25).all()


def test_parts_that_are_absent_from_some_change_nothing_for_the_others() -> None:
    """Work is left out where no picture of the batch needs it; a batch with one that does must agree."""
    x = example_pictures(2)
    alone = settings(2)
    mixed = alone.replace(
        prnu_percent=torch.tensor([0.0, 3.0]),
        hot_ppm=torch.tensor([0.0, 1000.0]),
        row_noise_e=torch.tensor([0.0, 20.0]),
        dark_e_s=torch.tensor([0.0, 20.0]),
        bits=torch.tensor([math.inf, 5.0]),
    )
    a, b = Sensor().transform(x, alone), Sensor().transform(x, mixed)
    torch.testing.assert_close(a[0], b[0], atol=1e-6, rtol=0)
    assert (a[1] - b[1]).abs().max() > 0.01


# Binning --------------------------------------------------------------------------------------------------------------


def test_a_binned_pixel_is_the_mean_of_its_pixels() -> None:
    """Against the sensor itself, whose picture is averaged 4 × 4: the same mean, variance and rounding."""
    side, view = 4, View(crop=1.0, frame_px=4 * 96)
    values = {"iso": 6400.0, "read_noise_e": 4.0, "prnu_percent": 3.0, "row_noise_e": 2.0, "bits": 7.0}
    fine = Sensor().transform(flat([0.4] * 6, 96 * side), settings(6, **values)).double()
    averaged = fine.unflatten(3, (96, side)).unflatten(2, (96, side)).mean((3, 5))
    binned = Sensor(view=view).transform(flat([0.4] * 6, 96), settings(6, **values)).double()
    assert float(binned.mean()) == pytest.approx(float(averaged.mean()), abs=1e-3)
    assert float(binned.var()) == pytest.approx(float(averaged.var()), rel=0.03)
    rows = [float(picture.mean((1, 3)).var()) for picture in (averaged, binned)]
    assert rows[1] == pytest.approx(rows[0], rel=0.25)
    step = 1 / (2**7 - 1) / side**2
    whole = binned / step
    torch.testing.assert_close(whole, whole.round(), atol=2e-3, rtol=0)


def test_rounding_before_binning_is_noise() -> None:
    """Sixteen roundings of 1/12 add up, though their sum is a whole number again."""
    view = View(frame_px=4 * 96)
    values = {"full_well_e": 1e9, "read_noise_e": 0.0}
    binned = Sensor(view=view).transform(flat([0.4] * 4, 96), settings(4, bits=5.0, **values)).double()
    assert float(binned.var()) == pytest.approx((1 / 31) ** 2 / 12 / 16, rel=0.03)


@pytest.mark.parametrize("iso", [12_800.0, 102_400.0])
def test_the_view_multiplies_the_electrons(iso: float) -> None:
    """178 pixels of an object's photograph make one of 32: shot noise as of a well that many times as deep."""
    view = VIEWS["object"]
    side = 4272 * 0.1 / 32
    binned = Sensor(view=view).transform(flat([0.5] * 8, 32), settings(8, iso=iso, read_noise_e=3.0)).double()
    variance = (0.5 * 6000 * 100 / iso * side**2 + 9 * side**2) / (6000 * 100 / iso * side**2) ** 2
    assert float(binned.var()) == pytest.approx(variance, rel=0.05)
    # And in pictures of this size it is there to be seen: more than a grey level.
    assert math.sqrt(variance) > 1 / 255

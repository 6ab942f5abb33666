import math
import time

import pytest
import torch
from scipy.stats import binomtest

from mechaug.evaluation import bootstrap, metrics
from mechaug.evaluation.calibration import expected_calibration_error, rms_calibration_error
from mechaug.keys import Key

KEY = Key(0)
NAMES = [str(i) for i in range(10)]


def coins(runs, pictures, probability, seed=0):
    """Yes or no, each with its probability, drawn apart."""
    return torch.rand(runs, pictures, generator=torch.Generator().manual_seed(seed)) < probability


def hard_and_easy(runs, pictures, seed):
    """Runs that find the same pictures hard and differ a little in skill: 79 % right in the mean."""
    generator = torch.Generator().manual_seed(seed)
    ease = torch.randn(1, pictures, generator=generator) * 0.8**0.5
    luck = torch.randn(runs, pictures, generator=generator) * 0.2**0.5
    skill = torch.randn(runs, 1, generator=generator) * 0.01
    return ease + luck + skill + 0.8 > 0


def coverage(measure, truth, experiments):
    """In which share of the experiments the interval holds the truth."""
    held = [measure(number) for number in range(experiments)]
    assert all(m.low <= m.value <= m.high for m in held)
    return sum(m.low <= truth <= m.high for m in held) / experiments


@pytest.fixture(autouse=True)
def one_thread():
    """These tensors are small: on a busy machine threads would cost more than they give."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def fewer_resamples(monkeypatch):
    monkeypatch.setattr(bootstrap, "RESAMPLES", 400)


class TestAccuracy:
    def test_one_run_has_wilson_s_interval(self):
        # 81 of 100: the closed form (p + z²/2n ± z √(p(1−p)/n + z²/4n²)) / (1 + z²/n) with z = 1.95996.
        correct = torch.arange(100)[None] < 81
        found = metrics.accuracy(correct, KEY)
        assert (found.value, found.count) == (pytest.approx(0.81), 100)
        assert found.low == pytest.approx(0.722212, abs=2e-6)
        assert found.high == pytest.approx(0.874852, abs=2e-6)

    def test_the_bootstrap_is_as_wide_as_the_binomial_law_says(self):
        shares = coins(1, 2_000, 0.8).float()
        found = metrics.accuracy(shares, KEY)
        assert found.value == pytest.approx(shares.mean().item())
        assert found.high - found.low == pytest.approx(2 * 1.96 * (0.8 * 0.2 / 2_000) ** 0.5, rel=0.08)

    def test_equal_runs_tell_no_more_than_one(self):
        once = coins(1, 1_000, 0.7)
        thrice = metrics.accuracy(once.repeat(3, 1), KEY)
        alone = metrics.accuracy(once.float(), KEY)
        assert (thrice.low, thrice.high) == pytest.approx((alone.low, alone.high), abs=1e-6)
        assert thrice.count == 1_000

    def test_runs_that_differ_widen_the_interval(self):
        pictures = coins(1, 1_000, 0.7)
        level = torch.cat((pictures, pictures, pictures))
        apart = torch.cat((pictures, pictures & coins(1, 1_000, 0.6, seed=1), pictures | coins(1, 1_000, 0.6, seed=2)))
        wide, narrow = metrics.accuracy(apart, KEY), metrics.accuracy(level, KEY)
        assert wide.high - wide.low > 3 * (narrow.high - narrow.low)

    @pytest.mark.parametrize("runs", [1, 3])
    def test_all_right_is_not_certainty(self, runs):
        found = metrics.accuracy(torch.ones(runs, 500, dtype=torch.bool), KEY)
        assert (found.value, found.high) == (1, pytest.approx(1))
        assert found.low == pytest.approx(binomtest(500, 500).proportion_ci(method="wilson").low, abs=1e-6)

    def test_the_key_decides(self):
        correct = coins(3, 300, 0.8)
        assert metrics.accuracy(correct, Key(1)) == metrics.accuracy(correct, Key(1))
        assert metrics.accuracy(correct, Key(1)) != metrics.accuracy(correct, Key(2))

    def test_in_parts_it_is_a_bootstrap_all_the_same(self, monkeypatch):
        correct = coins(3, 300, 0.8)
        whole = metrics.accuracy(correct, KEY)
        monkeypatch.setattr(bootstrap, "_WEIGHTS_AT_ONCE", 300 * 77)
        parts = metrics.accuracy(correct, KEY)
        assert parts.low == pytest.approx(whole.low, abs=0.006)
        assert parts.high == pytest.approx(whole.high, abs=0.006)

    def test_a_single_picture(self):
        found = metrics.accuracy(torch.ones(3, 1), KEY)
        assert found.low < 0.5
        assert found.high == 1

    def test_the_weights_are_poisson_numbers(self):
        weights = torch.cat(list(bootstrap.picture_weights(KEY, 500)), dim=1)
        assert weights.shape == (500, bootstrap.RESAMPLES)
        assert weights.mean() == pytest.approx(1, abs=0.005)
        assert weights.var() == pytest.approx(1, abs=0.01)
        assert (weights == 0).double().mean() == pytest.approx(0.36788, abs=0.003)
        assert (weights == 3).double().mean() == pytest.approx(0.06131, abs=0.001)


class TestCoverage:
    def test_wilson(self):
        assert 0.90 <= coverage(lambda i: metrics.accuracy(coins(1, 150, 0.8, i), Key(i)), 0.8, 300) <= 0.98

    def test_bootstrap_over_pictures(self, fewer_resamples):
        assert 0.90 <= coverage(lambda i: metrics.accuracy(coins(1, 150, 0.8, i).float(), Key(i)), 0.8, 300) <= 0.98

    def test_bootstrap_over_pictures_and_runs(self, fewer_resamples):
        truth = torch.special.ndtr(torch.tensor(0.8)).item()
        assert 0.90 <= coverage(lambda i: metrics.accuracy(hard_and_easy(3, 200, i), Key(i)), truth, 200) <= 0.98

    def test_paired_difference(self, fewer_resamples):
        def measure(seed):
            easy, better = coins(2, 150, 0.7, seed), coins(2, 150, 0.1, seed + 1_000)
            return metrics.difference((easy[:1] | better[:1]).float(), easy[:1].float(), Key(seed))

        assert 0.90 <= coverage(measure, 0.3 * 0.1, 200) <= 0.985

    def test_calibration_covers_what_the_estimate_is_on_average(self, fewer_resamples):
        def predictions(seed):
            generator = torch.Generator().manual_seed(seed)
            confidence = 0.4 + 0.6 * torch.rand(1, 300, generator=generator).sqrt()
            return confidence, torch.rand(1, 300, generator=generator) < confidence - 0.1

        many = [expected_calibration_error(c[0], r[0]) for c, r in map(predictions, range(10_000, 10_500))]
        held = coverage(lambda i: metrics.calibration(*predictions(i), Key(i)), sum(many) / 500, 150)
        assert 0.90 <= held <= 0.99

    def test_the_worst_class_where_it_stands_out(self, fewer_resamples):
        labels = torch.arange(300) % 3
        probability = torch.tensor([0.6, 0.9, 0.95])[labels]

        def measure(seed):
            return metrics.worst_class(coins(1, 300, probability, seed), labels, NAMES[:3], Key(seed))[0]

        assert 0.90 <= coverage(measure, 0.6, 150) <= 0.985


class TestDifference:
    def test_the_sign(self):
        worse, better = coins(1, 500, 0.5), torch.ones(1, 500, dtype=torch.bool)
        gain = metrics.difference(better, worse, KEY)
        loss = metrics.difference(worse, better, KEY)
        assert gain.value == pytest.approx(1 - worse.float().mean().item())
        assert gain.low > 0
        assert (loss.value, loss.low, loss.high) == pytest.approx((-gain.value, -gain.high, -gain.low), abs=1e-6)

    def test_pairing_takes_the_pictures_difficulty_out(self):
        first = coins(1, 1_000, 0.5)
        second = first.clone()
        second[0, :20] = False
        paired = metrics.difference(first, second, KEY)
        alone = metrics.accuracy(first, KEY)
        assert paired.high - paired.low < 0.3 * (alone.high - alone.low)

    def test_no_difference_seen_is_not_no_difference(self):
        same = coins(3, 400, 0.5)
        found = metrics.difference(same, same, KEY)
        bound = binomtest(0, 400).proportion_ci(method="wilson").high
        assert (found.value, found.low, found.high) == pytest.approx((0, -bound, bound))


class TestCalibration:
    def test_the_figure_is_the_mean_over_runs(self):
        confidence = torch.rand(3, 400, generator=torch.Generator().manual_seed(0))
        correct = coins(3, 400, 0.6)
        found = metrics.calibration(confidence, correct, KEY)
        errors = [expected_calibration_error(c, r) for c, r in zip(confidence, correct, strict=True)]
        assert found.value == pytest.approx(sum(errors) / 3)
        assert found.low < found.value < found.high
        assert found.count == 400

    def test_the_resamples_hold_the_same_error(self, monkeypatch):
        # All weights one: the bootstrap's own sum must give the figure itself.
        confidence, correct = torch.rand(2, 300, generator=torch.Generator().manual_seed(0)), coins(2, 300, 0.6)
        monkeypatch.setattr(
            bootstrap, "picture_weights", lambda key, pictures: iter([torch.ones(pictures, bootstrap.RESAMPLES)])
        )
        seen = []
        interval = metrics.interval
        monkeypatch.setattr(metrics, "interval", lambda v, s, *a, **k: seen.append((v, s)) or interval(v, s, *a, **k))
        metrics.calibration(confidence, correct, KEY)
        value, samples = seen[0]
        errors = [expected_calibration_error(c, r) for c, r in zip(confidence, correct, strict=True)]
        assert samples.min().item() == pytest.approx(min(errors), abs=1e-6)
        assert samples.max().item() == pytest.approx(max(errors), abs=1e-6)
        assert value == pytest.approx(sum(errors) / 2)

    def test_the_resamples_own_bias_is_taken_out(self):
        confidence = 0.5 + 0.5 * torch.rand(1, 300, generator=torch.Generator().manual_seed(0))
        found = metrics.calibration(confidence, coins(1, 300, confidence), KEY)
        assert 0.25 < (found.value - found.low) / (found.high - found.low) < 0.75

    def test_certain_and_always_right(self):
        found = metrics.calibration(torch.ones(1, 100), torch.ones(1, 100, dtype=torch.bool), KEY)
        assert (found.value, found.low) == (0, 0)
        assert 0.01 < found.high < 0.05


class TestAdaptiveCalibration:
    def test_the_figure_is_the_mean_over_runs_and_the_resamples_hold_the_same_error(self, monkeypatch):
        confidence, correct = torch.rand(2, 350, generator=torch.Generator().manual_seed(0)), coins(2, 350, 0.6)
        errors = [rms_calibration_error(c, r) for c, r in zip(confidence, correct, strict=True)]
        found = metrics.rms_calibration(confidence, correct, KEY)
        assert found.value == pytest.approx(sum(errors) / 2)
        assert found.low < found.value < found.high
        monkeypatch.setattr(
            bootstrap, "picture_weights", lambda key, pictures: iter([torch.ones(pictures, bootstrap.RESAMPLES)])
        )
        seen = []
        interval = metrics.interval
        monkeypatch.setattr(metrics, "interval", lambda v, s, *a, **k: seen.append(s) or interval(v, s, *a, **k))
        metrics.rms_calibration(confidence, correct, KEY)
        assert seen[0].min().item() == pytest.approx(min(errors), abs=1e-5)
        assert seen[0].max().item() == pytest.approx(max(errors), abs=1e-5)


class TestMean:
    def test_any_figure_has_the_interval_of_its_standard_error(self):
        values = torch.randn(1, 2_000, generator=torch.Generator().manual_seed(0)).exp()
        found = metrics.mean(values, KEY, highest=math.inf)
        assert found.value == pytest.approx(values.mean().item())
        assert found.high > 1
        assert found.high - found.low == pytest.approx(2 * 1.96 * values.std().item() / 2_000**0.5, rel=0.08)

    def test_refusals(self):
        with pytest.raises(ValueError, match="from 0 to 1"):
            metrics.mean(torch.tensor([[0.5, 1.5]]), KEY)
        with pytest.raises(ValueError, match="finite"):
            metrics.mean(torch.tensor([[torch.inf]]), KEY, highest=math.inf)


class TestWorstClass:
    def test_which_and_how_low(self):
        labels = torch.tensor([0, 0, 1, 1, 1, 1, 2, 2])
        correct = torch.tensor([[1, 1, 1, 0, 0, 0, 1, 0], [1, 1, 1, 1, 0, 0, 1, 1]]).float()
        found, which = metrics.worst_class(correct, labels, ["cat", "dog", "owl"], KEY)
        assert which == 1
        assert (found.value, found.count) == (pytest.approx(3 / 8), 4)
        assert found.low < found.value < found.high

    def test_classes_without_pictures_are_left_out(self):
        labels = torch.tensor([1, 1, 3, 3]).repeat(50)
        correct = coins(1, 200, torch.where(labels == 3, 0.4, 0.9))
        found, which = metrics.worst_class(correct, labels, NAMES, KEY)
        assert which == 3
        assert found.value == pytest.approx(correct[0, labels == 3].float().mean().item())

    def test_runs_that_differ_widen_the_interval(self):
        labels = torch.arange(900) % 3
        level = coins(1, 900, 0.7).repeat(3, 1)
        apart = level & torch.cat((coins(1, 900, 1.0), coins(1, 900, 0.7, seed=1), coins(1, 900, 0.4, seed=2)))
        wide, narrow = (metrics.worst_class(runs, labels, NAMES[:3], KEY)[0] for runs in (apart, level))
        assert wide.high - wide.low > 1.5 * (narrow.high - narrow.low)

    def test_many_equal_classes_give_a_minimum_below_them(self):
        labels = torch.arange(500) % 10
        found, _ = metrics.worst_class(coins(1, 500, 0.8), labels, NAMES, KEY)
        assert found.value < 0.78
        # The resamples' minima lie lower still; the interval stays about the figure.
        assert 0.25 < (found.value - found.low) / (found.high - found.low) < 0.75


class TestRefusals:
    def test_shapes(self):
        with pytest.raises(ValueError, match="at least one of each"):
            metrics.accuracy(torch.zeros(1, 0), KEY)
        with pytest.raises((ValueError, TypeError)):  # a TypeError where shapes are checked at run time
            metrics.difference(torch.zeros(1, 3), torch.zeros(2, 3), KEY)

    def test_values(self):
        with pytest.raises(ValueError, match="shares in"):
            metrics.accuracy(torch.tensor([[0.5, 1.5]]), KEY)
        with pytest.raises(ValueError, match="shares in"):
            metrics.accuracy(torch.tensor([[0.5, torch.nan]]), KEY)

    def test_keys(self):
        with pytest.raises(ValueError, match="a single key"):
            metrics.accuracy(torch.rand(1, 3), Key(0).at([1, 2]))

    def test_labels(self):
        with pytest.raises(ValueError, match="there are 2 classes"):
            metrics.worst_class(torch.rand(1, 3), torch.tensor([0, 1, 2]), ["cat", "dog"], KEY)


def test_an_interval_takes_a_fraction_of_a_second():
    correct = coins(3, 2_000, 0.8)
    metrics.accuracy(correct, KEY)
    started = time.perf_counter()
    metrics.accuracy(correct, KEY)
    assert time.perf_counter() - started < 1.0  # about 0.06 s on one idle core

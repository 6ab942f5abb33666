import pytest
import torch
from scipy.stats import binomtest

from mechaug.evaluation import bootstrap
from mechaug.evaluation.statistics import compare, compare_all, holm, mcnemar
from mechaug.keys import Key

KEY = Key(0)


def coins(runs, pictures, probability, seed=0):
    return torch.rand(runs, pictures, generator=torch.Generator().manual_seed(seed)) < probability


@pytest.fixture
def fewer_resamples(monkeypatch):
    monkeypatch.setattr(bootstrap, "RESAMPLES", 300)


class TestCompare:
    def test_a_clear_difference_is_shown_and_its_sign_is_right(self):
        worse = coins(1, 500, 0.6)
        better = worse | coins(1, 500, 0.3, seed=1)
        found, turned = compare(better, worse, KEY), compare(worse, better, KEY)
        assert (found.verdict, turned.verdict) == ("first is better", "second is better")
        assert found.difference.value == pytest.approx((better.sum() - worse.sum()).item() / 500)
        assert found.difference.low > 0
        assert (found.only_first, found.only_second) == (int((better & ~worse).sum()), 0)
        assert (turned.only_first, turned.only_second) == (0, found.only_first)
        assert found.p_value == found.corrected_p_value < 1e-6

    def test_the_same_outcomes_show_no_difference(self):
        same = coins(3, 200, 0.7)
        found = compare(same, same, KEY, paired_runs=True)
        assert found.verdict == "no difference shown"
        assert (found.difference.value, found.p_value) == (0, 1)
        assert (found.only_first, found.only_second) == (None, None)

    def test_one_picture_more_is_no_difference(self):
        first = coins(1, 300, 0.7)
        second = first.clone()
        second[0, first[0].nonzero()[0]] = False
        found = compare(first, second, KEY)
        assert found.verdict == "no difference shown"
        assert (found.only_first, found.only_second, found.p_value) == (1, 0, 1.0)

    def test_mcnemar_is_the_sign_test_on_the_pictures_that_differ(self):
        assert mcnemar(15, 5) == pytest.approx(binomtest(5, 20).pvalue)
        assert mcnemar(15, 5) == mcnemar(5, 15)
        assert mcnemar(0, 0) == 1

    @pytest.mark.parametrize("runs", [1, 3])
    def test_without_a_difference_one_is_rarely_shown(self, runs, fewer_resamples):
        """The level holds: 5 %, and some for chance and for few runs."""
        shown = 0
        for seed in range(200):
            hard = coins(1, 200, 0.5, 3 * seed)
            first, second = (hard & coins(runs, 200, 0.8, 3 * seed + i) for i in (1, 2))
            shown += compare(first, second, Key(seed)).verdict != "no difference shown"
        assert shown / 200 <= 0.09

    def test_pairing_by_pictures_sees_what_two_intervals_would_not(self):
        first = coins(2, 1_000, 0.5)
        second = first.clone()
        second[:, :30] = False
        assert compare(first, second, KEY, paired_runs=True).verdict == "first is better"

    def test_unequal_numbers_of_runs(self):
        found = compare(coins(1, 400, 0.9), coins(4, 400, 0.6, seed=1), KEY)
        assert found.verdict == "first is better"
        assert found.only_first is None

    def test_runs_that_are_not_paired_widen_the_interval(self):
        pictures = coins(1, 400, 0.7)
        level = pictures & torch.cat((coins(1, 400, 1.0), coins(1, 400, 0.7, 1), coins(1, 400, 0.5, 2)))
        paired = compare(level, level, KEY, paired_runs=True).difference
        apart = compare(level, level, KEY).difference
        assert apart.high - apart.low > 5 * (paired.high - paired.low)

    def test_pictures_that_all_say_the_same(self):
        one, none = torch.full((1, 1), 1.0), torch.full((1, 1), 0.0)
        assert compare(one, none, KEY).p_value == 1
        many = compare(one.expand(1, 20), none.expand(1, 20), KEY)
        assert many.p_value == pytest.approx(2 * 0.5**20)
        assert many.verdict == "first is better"


class TestManyComparisons:
    def test_holm_by_hand(self):
        assert holm([0.01, 0.04, 0.03, 0.5]) == pytest.approx([0.04, 0.09, 0.09, 0.5])
        assert holm([0.6, 0.7]) == [1.0, 1.0]
        assert holm([]) == []

    def test_a_difference_that_shows_alone_may_not_show_among_many(self):
        first = torch.zeros(1, 200, dtype=torch.bool)
        second = first.clone()
        second[0, :9], first[0, 9:11] = True, True
        alone = compare(second, first, KEY)
        if alone.p_value <= 0.05:
            pytest.fail("11 pictures, 9 to 2, are not significant by McNemar's test")
        second[0, 11] = second[0, 12] = True  # 11 to 2
        pairs = {str(i): (second, first) for i in range(1)} | {f"same {i}": (first, first) for i in range(9)}
        assert compare(second, first, KEY).verdict == "first is better"
        many = compare_all(pairs, KEY)
        assert many["0"].verdict == "no difference shown"
        assert many["0"].corrected_p_value == pytest.approx(10 * many["0"].p_value)
        assert list(many) == list(pairs)


class TestRefusals:
    def test_other_pictures(self):
        with pytest.raises((ValueError, TypeError), match=r"same pictures|type|check"):
            compare(coins(1, 5, 0.5), coins(1, 6, 0.5), KEY)

    def test_runs_that_cannot_be_paired(self):
        with pytest.raises((ValueError, TypeError), match=r"as many on both|type|check"):
            compare(coins(1, 5, 0.5), coins(2, 5, 0.5), KEY, paired_runs=True)

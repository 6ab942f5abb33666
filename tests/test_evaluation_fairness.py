import pytest
import torch

from mechaug.evaluation.fairness import NO_GROUP, by_group, groups_of, worst_cell
from mechaug.keys import Key

KEY = Key(0)


def coins(shape, probability, seed=0):
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed)) < probability


class TestByGroup:
    def test_accuracies_best_worst_and_gap(self):
        groups = torch.tensor([0, 0, 2, 2, 2, 2, NO_GROUP])
        correct = torch.tensor([[1, 1, 1, 0, 0, 0, 1], [1, 0, 1, 1, 0, 0, 0]]).bool()
        found = by_group(correct, groups, ["day", "dusk", "night"], KEY)
        assert [(group.name, group.accuracy.value, group.accuracy.count) for group in found.groups] == [
            ("day", 0.75, 2),
            ("night", 0.375, 4),
        ]
        assert (found.best, found.worst) == ("day", "night")
        assert found.gap.value == pytest.approx(0.375)
        assert found.gap.low <= found.gap.value <= found.gap.high
        assert found.gap.count == 6

    def test_one_run_has_wilson_s_interval_in_each_group(self):
        from scipy.stats import binomtest

        groups = torch.arange(100) % 2
        correct = (torch.arange(100) < 80)[None]
        found = by_group(correct, groups, ["a", "b"], KEY)
        expected = binomtest(40, 50).proportion_ci(method="wilson")
        assert (found.groups[0].accuracy.low, found.groups[0].accuracy.high) == pytest.approx(tuple(expected))

    def test_the_gap_s_interval_holds_a_gap_that_stands_out(self):
        groups = torch.arange(600) % 3
        probability = torch.tensor([0.5, 0.8, 0.95])[groups]
        held = [by_group(coins((1, 600), probability, i), groups, "abc", Key(i)).gap for i in range(40)]
        assert sum(gap.low <= 0.45 <= gap.high for gap in held) >= 35

    def test_a_single_group_has_no_gap(self):
        found = by_group(coins((1, 50), 0.8), torch.zeros(50, dtype=torch.long), ["all"], KEY)
        assert found.gap.value == 0
        assert found.best == found.worst == "all"

    def test_refusals(self):
        with pytest.raises(ValueError, match="no picture belongs"):
            by_group(coins((1, 2), 0.5), torch.full((2,), NO_GROUP), ["a"], KEY)
        with pytest.raises(ValueError, match="there are 1 names"):
            by_group(coins((1, 2), 0.5), torch.tensor([0, 1]), ["a"], KEY)
        with pytest.raises(ValueError, match="there are 1 names"):
            by_group(coins((1, 2), 0.5), torch.tensor([0, -2]), ["a"], KEY)


class TestWorstCell:
    def test_which_and_how_low(self):
        groups = torch.arange(300) % 3
        correct = torch.ones(2, 4, 300, dtype=torch.bool)
        correct[0, 2, groups == 1] = False  # one of two runs, in fog, on dogs
        correct[:, 3, :60] = False  # a fifth of every class
        found = worst_cell(correct, groups, ["cat", "dog", "owl"], ["clean", "noise", "fog", "blur"], KEY)
        assert (found.group, found.condition) == ("dog", "fog")
        assert (found.accuracy.value, found.accuracy.count) == (0.5, 100)
        assert found.accuracy.low < 0.5 < found.accuracy.high

    def test_classes_without_pictures_are_left_out(self):
        groups = torch.tensor([1, 1, 3, 3, NO_GROUP])
        correct = torch.tensor([[[1, 1, 1, 0, 0], [1, 1, 1, 1, 0]]]).bool()
        found = worst_cell(correct, groups, "abcd", ["x", "y"], KEY)
        assert (found.group, found.condition, found.accuracy.value) == ("d", "x", 0.5)

    def test_refusals(self):
        with pytest.raises(ValueError, match="with 3 conditions"):
            worst_cell(coins((1, 2, 4), 0.5), torch.zeros(4, dtype=torch.long), ["a"], ["x", "y", "z"], KEY)


def test_a_column_becomes_groups():
    groups, names = groups_of(["night", "day", "", "night", None])
    assert names == ("day", "night")
    assert groups.tolist() == [1, 0, NO_GROUP, 1, NO_GROUP]

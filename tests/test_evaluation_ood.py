import pytest
import torch

from mechaug.evaluation import ood
from mechaug.evaluation.ood import detection, strangeness
from mechaug.keys import Key

KEY = Key(0)


def logits(count, scale, seed):
    return scale * torch.randn(count, 5, generator=torch.Generator().manual_seed(seed))


class TestScores:
    def test_a_sure_answer_is_the_less_strange(self):
        for score in ("max softmax", "energy"):
            sure, unsure = strangeness(torch.tensor([[9.0, 0.0, -1.0], [0.5, 0.2, 0.1]]), score)
            assert sure < unsure

    def test_by_hand(self):
        row = torch.tensor([[1.0, 2.0, 3.0]])
        assert strangeness(row, "max softmax").item() == pytest.approx(-row.softmax(1)[0, 2].item())
        assert strangeness(row, "energy").item() == pytest.approx(-row.exp().sum().log().item())

    def test_probabilities_are_refused(self):
        with pytest.raises(ValueError, match="returns probabilities"):
            strangeness(logits(5, 1.0, 0).softmax(1), "energy")


class TestDetection:
    @pytest.mark.parametrize("equal", [False, True])
    def test_torchmetrics(self, equal):
        """With many equal scores too."""
        from torchmetrics.functional.classification import binary_auroc, binary_average_precision, binary_roc

        inside, elsewhere = logits(300, 3.0, 0), logits(120, 2.0, 1)
        if equal:  # ten scores in all, each on both sides
            inside, elsewhere = inside[torch.arange(300) % 10], inside[torch.arange(120).square() % 10]
        found = detection(inside, elsewhere, "energy", KEY)
        strange = torch.cat((strangeness(inside, "energy"), strangeness(elsewhere, "energy")))
        # torchmetrics turns numbers outside [0, 1] into probabilities by itself: kept from it by scaling, in order.
        scaled = (strange - strange.min()) / (strange.max() - strange.min())
        truth = (torch.arange(420) >= 300).long()
        assert found.auroc.value == pytest.approx(binary_auroc(scaled, truth).item(), abs=1e-6)
        assert found.aupr.value == pytest.approx(binary_average_precision(scaled, truth).item(), abs=1e-6)
        alarms, recall, _ = binary_roc(scaled, truth)
        assert found.fpr95.value == pytest.approx(alarms[recall >= 0.95 - 1e-6].min().item(), abs=1e-6)
        assert found.elsewhere == pytest.approx(120 / 420)
        for figure in (found.auroc, found.aupr, found.fpr95):
            assert figure.low <= figure.value <= figure.high
            assert figure.low < figure.high
            assert figure.count == 120

    def test_scipy_s_rank_sum(self):
        from scipy.stats import mannwhitneyu

        inside, elsewhere = logits(80, 3.0, 2), logits(60, 2.5, 3)
        found = detection(inside, elsewhere, "max softmax", KEY)
        u = mannwhitneyu(strangeness(elsewhere, "max softmax"), strangeness(inside, "max softmax")).statistic
        assert found.auroc.value == pytest.approx(u / (80 * 60))

    def test_told_apart_and_not_told_apart(self):
        sure, unsure = torch.eye(5)[torch.arange(50) % 5] * 20, torch.zeros(50, 5)
        perfect = detection(sure, unsure, "energy", KEY)
        assert (perfect.auroc.value, perfect.aupr.value, perfect.fpr95.value) == (1, 1, 0)
        assert perfect.auroc.low < 1  # 50 pictures are no proof
        turned = detection(unsure, sure, "energy", KEY)
        assert (turned.auroc.value, turned.fpr95.value) == (0, 1)
        guess = detection(unsure, unsure, "energy", KEY)
        assert (guess.auroc.value, guess.aupr.value, guess.fpr95.value) == (0.5, 0.5, 1)

    def test_the_interval_is_as_wide_as_the_theory_says(self):
        """The variance of the rank sum without a difference: (a + b + 1)/(12ab)."""
        found = detection(logits(300, 2.0, 4), logits(200, 2.0, 5), "energy", KEY).auroc
        assert found.high - found.low == pytest.approx(2 * 1.96 * (501 / (12 * 300 * 200)) ** 0.5, rel=0.1)

    def test_the_key_decides(self):
        inside, elsewhere = logits(50, 3.0, 0), logits(50, 2.0, 1)
        one, same, other = (detection(inside, elsewhere, "energy", Key(seed)) for seed in (1, 1, 2))
        assert one == same
        assert one != other

    def test_in_parts_it_is_the_same_bootstrap(self, monkeypatch):
        inside, elsewhere = logits(50, 3.0, 0), logits(70, 2.0, 1)
        whole = detection(inside, elsewhere, "energy", KEY)
        monkeypatch.setattr(ood, "_WEIGHTS_AT_ONCE", 120 * 300)
        parts = detection(inside, elsewhere, "energy", KEY)
        assert parts.auroc.low == pytest.approx(whole.auroc.low, abs=0.02)

    def test_refusals(self):
        with pytest.raises(ValueError, match="pictures from elsewhere"):
            detection(logits(5, 1.0, 0), torch.zeros(0, 5), "energy", KEY)

import pytest
import torch

from mechaug.evaluation.calibration import (
    brier_scores,
    expected_calibration_error,
    log_losses,
    rms_bins,
    rms_calibration_error,
)


def error(confidence, correct, **options):
    return expected_calibration_error(torch.tensor(confidence), torch.tensor(correct, dtype=torch.bool), **options)


class TestByHand:
    def test_one_bin(self):
        # Accuracy 2/4, mean confidence 0.7.
        assert error([0.6, 0.7, 0.7, 0.8], [1, 0, 1, 0], bins=1) == pytest.approx(0.2)

    def test_the_gap_is_taken_per_bin_and_weighted_by_its_pictures(self):
        # 0.3 with accuracy 1 (three pictures), 0.9 with accuracy 0 (one): ¾ · 0.7 + ¼ · 0.9; all together: 0.45 − ¾.
        assert error([0.3, 0.3, 0.3, 0.9], [1, 1, 1, 0]) == pytest.approx(0.75)
        assert error([0.3, 0.3, 0.3, 0.9], [1, 1, 1, 0], bins=1) == pytest.approx(0.3)

    def test_gaps_cancel_inside_a_bin(self):
        assert error([0.75, 0.75, 0.75, 0.75], [1, 1, 1, 0]) == pytest.approx(0)

    def test_full_confidence_shares_the_last_bin(self):
        # Both in (14/15, 1]: accuracy ½, confidence 0.975. Apart they would give ½ · 1 + ½ · 0.05.
        assert error([1.0, 0.95], [0, 1]) == pytest.approx(0.475)

    def test_a_bin_holds_its_upper_edge_and_not_its_lower_one(self):
        # 0.2 = 3/15 is in (2/15, 3/15] with 0.19, and not with 0.21.
        assert error([0.2, 0.19], [1, 0]) == pytest.approx(abs(0.39 / 2 - 0.5))
        assert error([0.2, 0.21], [1, 0]) == pytest.approx((0.8 + 0.21) / 2)

    def test_no_confidence_is_in_the_first_bin(self):
        assert error([0.0, 0.05], [0, 1]) == pytest.approx(abs(0.05 / 2 - 0.5))


class TestAgainstAnotherImplementation:
    @pytest.mark.parametrize("bins", [1, 10, 15])
    def test_torchmetrics(self, bins):
        from torchmetrics.functional.classification import binary_calibration_error

        generator = torch.Generator().manual_seed(0)
        confidence = torch.rand(3_000, generator=generator, dtype=torch.float64).sqrt()
        correct = torch.rand(3_000, generator=generator) < confidence**2
        expected = binary_calibration_error(confidence, correct.long(), n_bins=bins, norm="l1")
        assert expected_calibration_error(confidence, correct, bins) == pytest.approx(expected.item(), abs=1e-9)


class TestRefusals:
    def test_logits(self):
        for wrong in (1.5, -0.1, float("nan")):
            with pytest.raises(ValueError, match="probability in"):
                error([0.5, wrong], [1, 0])

    def test_nothing(self):
        with pytest.raises(ValueError, match="at least one prediction"):
            expected_calibration_error(torch.zeros(0), torch.zeros(0, dtype=torch.bool))
        with pytest.raises(ValueError, match="at least one bin"):
            error([0.5], [1], bins=0)


def rms(confidence, correct, **options):
    return rms_calibration_error(torch.tensor(confidence), torch.tensor(correct, dtype=torch.bool), **options)


class TestAdaptive:
    def test_by_hand(self):
        # Sorted: (0.2, 1), (0.4, 0) | (0.6, 1), (0.9, 1), (1.0, 0): the last bin takes what is left over.
        confidence, correct = [0.9, 0.2, 0.6, 0.4, 1.0], [1, 1, 1, 0, 0]
        first, last = 0.3 - 0.5, 2.5 / 3 - 2 / 3
        assert rms(confidence, correct, bin_size=2) == pytest.approx((2 / 5 * first**2 + 3 / 5 * last**2) ** 0.5)
        assert rms(confidence, correct, bin_size=2, drop_last_bin=True) == pytest.approx((2 / 5 * first**2) ** 0.5)

    def test_the_published_tool_misses_the_most_confident_bin(self):
        """Its rule, written out: bins of 100 from the least confident, and a sum over all of them but the last."""
        generator = torch.Generator().manual_seed(0)
        confidence = torch.rand(1_234, generator=generator).sqrt()
        correct = torch.rand(1_234, generator=generator) < confidence**3
        order = sorted(range(1_234), key=lambda i: confidence[i].item())
        bins = [order[100 * b : 100 * b + 100] for b in range(12)]
        bins[-1] += order[1_200:]
        total = [len(b) / 1_234 * (confidence[b].mean() - correct[b].float().mean()).item() ** 2 for b in bins]
        assert rms_calibration_error(confidence, correct) == pytest.approx(sum(total) ** 0.5, abs=1e-6)
        dropped = rms_calibration_error(confidence, correct, drop_last_bin=True)
        assert dropped == pytest.approx(sum(total[:-1]) ** 0.5, abs=1e-6)
        assert dropped < rms_calibration_error(confidence, correct)

    def test_fewer_pictures_than_a_bin(self):
        assert rms([0.6, 0.8], [1, 0]) == pytest.approx(0.2)
        assert rms([0.6, 0.8], [1, 0], drop_last_bin=True) == 0
        assert rms_bins(torch.tensor([0.5, 0.1]), 100).tolist() == [0, 0]

    def test_refusals(self):
        with pytest.raises(ValueError, match="at least one prediction"):
            rms([], [])
        with pytest.raises(ValueError, match="at least one prediction, not 0"):
            rms([0.5], [1], bin_size=0)
        with pytest.raises(ValueError, match="probability in"):
            rms([5.0], [1])


class TestScores:
    def test_by_hand(self):
        logits, labels = torch.tensor([[0.0, 0.0], [100.0, 0.0], [100.0, 0.0]]), torch.tensor([1, 0, 1])
        assert brier_scores(logits, labels).tolist() == pytest.approx([0.5, 0, 2])
        assert log_losses(logits, labels).tolist() == pytest.approx([0.6931472, 0, 100])

    def test_the_truth_scores_best(self):
        """Both are proper: over labels drawn from p, no other answer does better on average than p itself."""
        p = torch.tensor([0.6, 0.3, 0.1])
        for scores in (brier_scores, log_losses):

            def expected(logits, scores=scores):
                return (p * scores(logits.expand(3, 3), torch.arange(3))).sum()

            best = expected(p.log())
            for other in (2 * p.log(), p.log() / 2, p.flip(0).log()):
                assert expected(other) > best + 1e-3

    def test_refusals(self):
        soft = torch.rand(4, 3, generator=torch.Generator().manual_seed(0)).softmax(1)
        for scores in (brier_scores, log_losses):
            with pytest.raises(ValueError, match="returns probabilities"):
                scores(soft, torch.zeros(4, dtype=torch.long))
            with pytest.raises(ValueError, match="the model tells 3 classes"):
                scores(10 * soft, torch.full((4,), 3))

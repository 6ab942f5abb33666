import pytest
import torch

from mechaug.evaluation.calibration import expected_calibration_error


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

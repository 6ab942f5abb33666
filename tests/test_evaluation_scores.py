"""mCE and relative mCE against their definition, corruption by corruption."""

import pytest
import torch

from mechaug.evaluation.corruptions import NAMES
from mechaug.evaluation.scores import (
    ALEXNET_CLEAN_ERROR,
    ALEXNET_ERRORS,
    can_be_normalised,
    corruption_errors,
    mce,
    mean_error,
    relative_mce,
)
from mechaug.keys import Key

KEY = Key(0)


def outcomes(pictures: int = 200, runs: int = 1) -> tuple[torch.Tensor, torch.Tensor]:
    """Right or not, by run, corruption, severity and picture, and when clean."""
    unit = Key(5).at(torch.arange(runs * 15 * 5)).unit(pictures).reshape(runs, 15, 5, pictures)
    hardness = torch.linspace(0.2, 0.9, 15)[:, None, None] * torch.linspace(0.5, 1.0, 5)[:, None]
    return unit > hardness, Key(6).at(torch.arange(runs)).unit(pictures) > 0.2


def test_alexnets_errors_are_those_of_all_fifteen() -> None:
    assert set(ALEXNET_ERRORS) == set(NAMES)
    # Its mean error of 78.9 % is the published accuracy of 21.1 % (RobustBench gives 21.12 % for its own run).
    assert sum(ALEXNET_ERRORS.values()) / 15 == pytest.approx(0.789, abs=0.0015)


def test_alexnet_itself_scores_one() -> None:
    pictures = 100_000
    right = torch.zeros(1, 15, 5, pictures, dtype=torch.bool)
    for row, name in enumerate(NAMES):
        right[:, row, :, round(ALEXNET_ERRORS[name] * pictures) :] = True
    clean = torch.zeros(1, pictures, dtype=torch.bool)
    clean[:, round(ALEXNET_CLEAN_ERROR * pictures) :] = True
    assert mce(right, NAMES, KEY).value == pytest.approx(1, abs=1e-4)
    assert relative_mce(right, clean, NAMES, KEY).value == pytest.approx(1, abs=1e-3)


@pytest.mark.parametrize("runs", [1, 3])
def test_scores_are_the_means_of_ratios_of_sums(runs: int) -> None:
    right, clean = outcomes(runs=runs)
    error = (~right).double().mean((0, 3))  # by corruption and severity
    clean_error = (~clean).double().mean()
    alex = torch.tensor([ALEXNET_ERRORS[name] for name in NAMES], dtype=torch.float64)
    ratios = error.sum(1) / (5 * alex)
    relative = (error - clean_error).sum(1) / (5 * (alex - ALEXNET_CLEAN_ERROR))
    assert mean_error(right, KEY).value == pytest.approx(error.mean().item(), abs=1e-6)
    for found, expected in (
        (mce(right, NAMES, KEY), ratios.mean().item()),
        (relative_mce(right, clean, NAMES, KEY), relative.mean().item()),
    ):
        assert found.value == pytest.approx(expected, abs=1e-5)
        assert found.low < found.value < found.high
    each = corruption_errors(right, NAMES, KEY)
    assert [each[name].value for name in NAMES] == pytest.approx(ratios.tolist(), abs=1e-5)


def test_the_order_of_corruptions_is_told_by_their_names() -> None:
    right, _ = outcomes()
    turned = torch.flip(right, dims=(1,))
    assert mce(turned, NAMES[::-1], KEY).value == pytest.approx(mce(right, NAMES, KEY).value, abs=1e-6)


def test_a_part_of_c_has_no_mce() -> None:
    right, clean = outcomes()
    assert can_be_normalised(NAMES, (1, 2, 3, 4, 5))
    assert not can_be_normalised(NAMES[:14], (1, 2, 3, 4, 5))
    assert not can_be_normalised(NAMES, (1, 3, 5))
    with pytest.raises(ValueError, match="measure all of them"):
        mce(right[:, :14], NAMES[:14], KEY)
    with pytest.raises(ValueError, match="measure all of them"):
        relative_mce(right[:, :, :3], clean, NAMES, KEY)

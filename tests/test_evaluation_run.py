"""Measuring one model: the same pictures for all, every class with its share, outcomes that add up."""

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from mechaug.data.pictures import Pictures
from mechaug.errors import UserError
from mechaug.evaluation.run import (
    CorruptedPictures,
    Suites,
    load_outcomes,
    mean,
    measure,
    pool,
    save_outcomes,
    some,
)
from mechaug.keys import Key

CLASSES = ("dark", "middling", "bright")
SUITES = Suites(
    corruptions=("gaussian_noise", "contrast"), severities=(1, 5), corrupted_pictures=30, attacked_pictures=12,
    attack_steps=2, batch_size=16,
)  # fmt: skip


def pictures(count: int = 90) -> Pictures:
    """Sorted by class, as folders are."""
    labels = torch.arange(count) * 3 // count
    key = Key(1).at(torch.arange(count))
    pixels = (60 + 70 * labels[:, None, None, None] + 8 * key.field(3, 16, 16)).clamp(0, 255).to(torch.uint8)
    return Pictures(pixels, labels, torch.arange(count))


class Brightness(nn.Module):
    """Knows the classes by their brightness, and is wrong where told to be."""

    def __init__(self, outputs: int = 3, scale: float = 50.0) -> None:
        super().__init__()
        self.centres = nn.Parameter(torch.linspace(60, 200, outputs) / 255)
        self.scale = scale

    def forward(self, x: Tensor) -> Tensor:
        return -self.scale * (x.mean((1, 2, 3))[:, None] - self.centres).square() * 50


def run(model: nn.Module, suites: Suites = SUITES) -> object:
    data = pictures()
    return measure(model, data, CorruptedPictures(data, suites.corrupted_pictures), suites, classes=CLASSES)


def test_some_pictures_have_every_class_whatever_the_order() -> None:
    data = pictures()
    rows = some(data, 12)
    assert data.labels[rows].bincount().tolist() == [4, 4, 4]
    assert torch.equal(rows, some(data, 12))
    assert torch.equal(some(data, 90), torch.arange(90))
    assert torch.equal(some(data, 1000), torch.arange(90))
    assert len(some(data, 0)) == 0
    assert sorted(data.labels[some(data, 2)].tolist()) == [0, 1, 2]


def test_corrupted_pictures_are_the_same_kept_or_made_again() -> None:
    data = pictures()
    kept, again = CorruptedPictures(data, 30), CorruptedPictures(data, 30, budget=0)
    first = kept.get("gaussian_noise", 3)
    assert first.shape == (30, 3, 16, 16)
    assert kept.get("gaussian_noise", 3) is first
    assert torch.equal(again.get("gaussian_noise", 3), first)
    assert again.get("gaussian_noise", 3) is not again.get("gaussian_noise", 3)


def test_outcomes_are_those_of_the_pictures_and_survive_a_file(tmp_path: Path) -> None:
    outcomes = run(Brightness())
    assert outcomes.clean.all() and outcomes.clean.shape == (90,)
    assert outcomes.corrupted.shape == (2, 2, 30)
    assert outcomes.attacked.shape == (12,)
    save_outcomes(tmp_path / "outcomes.safetensors", outcomes)
    read = load_outcomes(tmp_path / "outcomes.safetensors")
    for name in ("clean", "confidence", "corrupted", "attacked", "seconds"):
        assert torch.equal(getattr(read, name), getattr(outcomes, name))


def test_figures_are_the_means_of_the_outcomes() -> None:
    data = pictures()
    runs = [run(Brightness(scale=scale)) for scale in (50.0, 1.0)]
    figures = pool(runs, data, CLASSES, SUITES)
    under = torch.stack([one.corrupted for one in runs]).double()
    assert figures.corrupted is not None and figures.attacked is not None
    assert figures.corrupted.value == pytest.approx(under.mean().item())
    assert figures.attacked.value == pytest.approx(torch.stack([one.attacked for one in runs]).double().mean().item())
    by_place = {(cell.corruption, cell.severity): cell.accuracy.value for cell in figures.cells}
    for row, name in enumerate(SUITES.corruptions):
        for column, severity in enumerate(SUITES.severities):
            assert by_place[name, severity] == pytest.approx(under[:, row, column].mean().item())
    assert mean(torch.zeros(0)) is None


def test_suites_that_are_left_out_leave_no_figures() -> None:
    bare = Suites(corruptions=(), attacked_pictures=0)
    figures = pool([run(Brightness(), bare)], pictures(), CLASSES, bare)
    assert figures.corrupted is None and figures.attacked is None and figures.worst_class_corrupted is None
    assert figures.cells == ()
    assert {suite.name for suite in bare.describe()} == {"clean", "calibration", "worst class"}


def test_models_that_cannot_be_measured_are_said_to_be() -> None:
    with pytest.raises(UserError, match="3 classes"):
        run(Brightness(outputs=7))
    with pytest.raises(UserError, match="not finite"):
        run(Brightness(scale=float("nan")))
    data = pictures()
    empty = data.rows(slice(0))
    with pytest.raises(UserError, match="--test-size"):
        measure(Brightness(), empty, CorruptedPictures(data, 3), SUITES, classes=CLASSES)

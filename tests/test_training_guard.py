"""The guard against catastrophic overfitting: what it holds out, what it sees, and when it ends a training."""

import copy
import json
from pathlib import Path

import pytest
import torch

from mechaug.config import StudyConfig
from mechaug.errors import UserError
from mechaug.evaluation.suites import choose_suites
from mechaug.study import run_study
from mechaug.training import recipes
from mechaug.training.adversarial import PixelAdversary
from mechaug.training.engine import Fitted, fit
from mechaug.training.guard import FastOverfitting
from mechaug.training.objectives import CrossEntropy
from mechaug.training.recipes import Recipe
from mechaug.training.steps import Extras
from test_training_engine import CutAfter, Net, PowerCutError, assert_same, pictures

GUARD = FastOverfitting(pictures=7)
RECIPE = Recipe(net="small", epochs=4, batch_size=16, learning_rate=0.05, precision="float32")


def record(pgd: float, fgsm: float) -> dict[str, float | int | str]:
    return {"pgd_accuracy": pgd, "fgsm_accuracy": fgsm}


def train(**options: object) -> Fitted:
    return fit(
        Net(), pictures(), PixelAdversary.fast(), CrossEntropy("augmented"), options.pop("recipe", RECIPE),  # type: ignore[arg-type]
        config="same", extras=Extras(guard=GUARD), **options,  # type: ignore[arg-type]
    )  # fmt: skip


def scripted(monkeypatch: pytest.MonkeyPatch, *seen: tuple[float, float]) -> None:
    """The looks of a training, by epoch: the first one's net is marked by how far it was trained."""
    left = list(seen)
    monkeypatch.setattr(FastOverfitting, "look", lambda *_: record(*left.pop(0)))


def test_it_collapses_only_where_one_falls_and_the_other_rises() -> None:
    healthy = [record(0.30, 0.40), record(0.35, 0.45)]
    assert FastOverfitting().verdict(healthy[:1]) == ""
    assert FastOverfitting().verdict(healthy) == ""
    assert FastOverfitting().verdict([*healthy, record(0.20, 0.60)]) == ""  # fell too little
    assert FastOverfitting().verdict([*healthy, record(0.05, 0.10)]) == ""  # worse at everything: another trouble
    told = FastOverfitting().verdict([*healthy, record(0.01, 0.85)])
    assert "from 35% to 1%" in told and "from 45% to 85%" in told and "pgd-at" in told


def test_a_look_counts_what_withstands_and_leaves_no_trace() -> None:
    model = Net()
    before = copy.deepcopy(model.state_dict())
    train_on, held = GUARD.split(pictures())
    assert (len(train_on), len(held)) == (63, 7)
    assert not set(train_on.index.tolist()) & set(held.index.tolist())
    found = GUARD.look(model, held, torch.device("cpu"))
    assert found == GUARD.look(model, held, torch.device("cpu"))
    assert 0 <= found["pgd_accuracy"] <= found["fgsm_accuracy"] <= 1
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items()) and model.training


def test_the_training_ends_with_the_last_good_epoch(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    scripted(monkeypatch, (0.3, 0.4), (0.4, 0.5), (0.0, 0.9))
    ended = train(folder=tmp_path)
    assert ended.note.startswith("catastrophic overfitting") and ended.steps == 6
    scripted(monkeypatch, *[(0.3, 0.4), (0.4, 0.5)] * 2)
    whole = train()
    assert whole.note == "" and whole.steps == 12
    lines = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert [line["pgd_accuracy"] for line in lines] == [0.3, 0.4, 0.0]
    assert any(not torch.equal(value, whole.state[name]) for name, value in ended.state.items())
    # The last good epoch is where a training of as many steps, with the same schedule, is at its second record.
    scripted(monkeypatch, (0.3, 0.4), (0.4, 0.5), (0.0, 0.9))
    assert_same(train(), ended)


def test_a_cut_training_still_knows_its_last_good_epoch(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    scripted(monkeypatch, (0.3, 0.4), (0.4, 0.5), (0.0, 0.9))
    expected = train()
    scripted(monkeypatch, (0.3, 0.4), (0.4, 0.5))
    with pytest.raises(PowerCutError):
        train(folder=tmp_path, checkpoint_seconds=0.0, watch=CutAfter(8))
    scripted(monkeypatch, (0.0, 0.9))
    again = train(folder=tmp_path)
    assert_same(again, expected)
    assert again.note == expected.note and again.steps == 6


def test_too_few_pictures_to_hold_any_out() -> None:
    with pytest.raises(UserError, match="none can be held out"):
        GUARD.split(pictures(9))
    for name in ("radius", "steps", "pictures", "drop"):
        with pytest.raises(ValueError, match=name):
            FastOverfitting(**{name: 0})


def test_a_study_says_that_a_training_ended_early(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    scripted(monkeypatch, (0.3, 0.4), (0.0, 0.9))
    config = StudyConfig(
        data="signs", methods=("fgsm-rs",), seeds=(3,), suites=choose_suites(("clean",)), train_size=40, test_size=20,
        recipe=recipes.signs().replace(batch_size=18, epochs=2), flips=False,
    )  # fmt: skip
    result = run_study(config, tmp_path, command="mechaug study")
    (entry,) = result.methods
    assert entry.runs[0].steps == 2
    assert [one.partition(": accuracy")[0] for one in entry.evaluation.cautions] == ["seed 3: catastrophic overfitting"]

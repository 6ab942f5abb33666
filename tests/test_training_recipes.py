"""Recipes, and trainings that start from a net that was trained before."""

import inspect
from pathlib import Path

import pytest
import torch

from mechaug import cli
from mechaug.config import RECIPES
from mechaug.errors import UserError
from mechaug.keys import Key
from mechaug.training import nets, recipes
from mechaug.training.checkpoint import ModelCard, load_model, save_model, start_from

SIZES = ["--train-size", "80", "--batch-size", "40", "--device", "cpu"]


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_says_what_it_costs_and_can_be_run(name: str) -> None:
    make = RECIPES[name]
    assert getattr(recipes, name) is make
    text = inspect.getdoc(make) or ""
    assert any(word in text for word in ("Cost", "minute", "hours", "to begin with"))
    recipe = make("small")
    assert recipe.net == "small" and recipe.total_steps(1000) == 1000 // recipe.batch_size * recipe.epochs
    rates = [recipe.rate_at(step, 100) for step in range(100)]
    assert max(rates) <= recipe.learning_rate and rates[-1] < 0.01 * recipe.learning_rate
    assert make().net in nets.NETS


def train(out: Path, *options: str) -> None:
    with pytest.raises(SystemExit) as stop:
        cli.main(["train", "--method", "flip-crop", "--out", str(out), *SIZES, *options])
    assert stop.value.code == 0


def test_training_goes_on_from_a_model(tmp_path: Path) -> None:
    train(tmp_path / "first", "--epochs", "2", "--net", "small")
    train(tmp_path / "second", "--start", str(tmp_path / "first"), "--steps", "1", "--learning-rate", "1e-9")
    first, card = load_model(tmp_path / "first" / "model.safetensors")
    second, same = load_model(tmp_path / "second" / "model.safetensors")
    assert card == same and card.net == "small"
    for name in (name for name in first if name.endswith("weight")):
        torch.testing.assert_close(first[name], second[name], atol=1e-6, rtol=0)
    text = (tmp_path / "second" / "config.json").read_text()
    assert '"learning_rate": 1e-09' in text and '"ema": 0.99' in text  # the recipe is that for finetuning


def test_other_classes_get_a_classifier_of_their_own(tmp_path: Path) -> None:
    old, new = (nets.build("small", count, key=Key(seed)) for seed, count in enumerate((4, 3)))
    fresh = {name: value.clone() for name, value in new.state_dict().items()}
    save_model(tmp_path / "model.safetensors", old.state_dict(), ModelCard("small", ("a", "b", "c", "d"), (), ()))
    start_from(new, tmp_path, ModelCard("small", ("a", "b", "e"), (), ()))
    for name, value in new.state_dict().items():
        expected = fresh[name] if name.startswith("head.") else old.state_dict()[name]
        assert torch.equal(value, expected), name
    with pytest.raises(UserError, match="give --net small"):
        start_from(new, tmp_path, ModelCard("wrn-40-2", ("a",), (), ()))
    with pytest.raises(UserError, match="there is no file"):
        start_from(new, tmp_path / "nowhere", ModelCard("small", ("a",), (), ()))

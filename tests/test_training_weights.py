"""Adversarial weights: they climb, they are as far away as was said, and they leave no trace."""

import copy

import pytest
import torch
from torch.nn.functional import cross_entropy

from mechaug.keys import Key
from mechaug.training.nets import build
from mechaug.training.weights import AdversarialWeights


def setting() -> tuple[torch.nn.Module, torch.Tensor, torch.Tensor]:
    key = Key(0).at(torch.arange(16))
    return build("small", 4, key=Key(1)), key.uniform(0.0, 1.0, 3, 16, 16), key.integers(0, 4)


def test_the_loss_rises_and_everything_is_put_back() -> None:
    model, x, y = setting()
    before = copy.deepcopy(model.state_dict())

    def loss() -> torch.Tensor:
        return cross_entropy(model(x), y)

    with torch.no_grad():
        calm = loss().item()
    model.load_state_dict(before)
    rule = AdversarialWeights(gamma=0.02)
    with rule.moved(model, loss):
        for (name, now), old in zip(model.state_dict().items(), before.values(), strict=True):
            moved = (now - old).double().norm() if now.is_floating_point() else torch.tensor(0.0)
            expected = 0.02 * old.double().norm() if now.ndim >= 2 else torch.tensor(0.0)
            assert moved.item() == pytest.approx(expected.item(), rel=1e-3, abs=1e-9), name
        with torch.no_grad():
            assert loss().item() > calm
    for name, weight in model.named_parameters():
        assert torch.equal(weight, before[name]), name


def test_statistics_are_counted_once() -> None:
    model, x, y = setting()
    before = copy.deepcopy(model.state_dict())
    with AdversarialWeights().moved(model, lambda: cross_entropy(model(x), y)):
        pass
    for name, value in model.state_dict().items():
        assert torch.equal(value, before[name]), name


def test_an_error_inside_still_puts_the_weights_back() -> None:
    model, x, y = setting()
    before = copy.deepcopy(model.state_dict())
    with (
        pytest.raises(RuntimeError, match="broke"),
        AdversarialWeights().moved(model, lambda: cross_entropy(model(x), y)),
    ):
        raise RuntimeError("broke")
    assert all(torch.equal(weight, before[name]) for name, weight in model.named_parameters())


def test_a_length_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="gamma"):
        AdversarialWeights(gamma=0.0)

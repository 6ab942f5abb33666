"""A step with adversarial weights has the gradient there; one with two norms keeps their statistics apart."""

import copy
from pathlib import Path

import pytest
import torch
from torch.nn.functional import cross_entropy

from mechaug import mechanisms as m
from mechaug.heuristics.views import Batch
from mechaug.keys import Key
from mechaug.training.dual_norm import DualBatchNorm, dual
from mechaug.training.engine import Fitted, fit
from mechaug.training.nets import build
from mechaug.training.objectives import CrossEntropy
from mechaug.training.recipes import Recipe
from mechaug.training.steps import Extras, descend
from mechaug.training.weights import AdversarialWeights
from test_training_engine import CutAfter, Net, PowerCutError, assert_same, pictures

DARK = m.Exposure(exposure_ev=-3.0)


def batch() -> Batch:
    key = Key(0).at(torch.arange(8))
    return Batch(key.uniform(0.2, 0.8, 3, 16, 16), key.integers(0, 3), 3, key)


def test_the_gradient_is_that_at_the_moved_weights() -> None:
    rule, given = AdversarialWeights(gamma=0.05), batch()
    net, twin = build("small", 3, key=Key(0)), build("small", 3, key=Key(0))
    before = copy.deepcopy(net.state_dict())
    descend(net, CrossEntropy(), given, None, extras=Extras(weights=rule))
    with rule.moved(twin, lambda: cross_entropy(twin(given.pictures), given.labels)):
        cross_entropy(twin(given.pictures), given.labels).backward()
    plain = build("small", 3, key=Key(0))
    descend(plain, CrossEntropy(), given, None)
    for (name, weight), other, calm in zip(net.named_parameters(), twin.parameters(), plain.parameters(), strict=True):
        assert torch.equal(weight, before[name])
        torch.testing.assert_close(weight.grad, other.grad)
        assert not torch.equal(weight.grad, calm.grad)  # type: ignore[arg-type]
    for name, buffer in net.named_buffers():
        if name.endswith("num_batches_tracked"):
            assert buffer == 1  # the batch is counted once


def test_views_have_norms_of_their_own() -> None:
    net = dual(build("small", 3, key=Key(0)))
    descend(net, CrossEntropy("all"), batch(), DARK, extras=Extras(two_norms=True))
    norm = next(module for module in net.modules() if isinstance(module, DualBatchNorm))
    apart = build("small", 3, key=Key(0))
    descend(apart, CrossEntropy(), batch(), None)
    expected = next(module for module in apart.modules() if isinstance(module, torch.nn.BatchNorm2d))
    torch.testing.assert_close(norm.ordinary.running_mean, expected.running_mean)
    assert (norm.adversarial.running_mean - norm.ordinary.running_mean).abs().max() > 1e-3  # type: ignore[operator]
    assert norm.rows is None


def test_what_is_kept_has_the_ordinary_norms() -> None:
    recipe = Recipe(net="small", epochs=1, batch_size=16, learning_rate=0.05, precision="float32")
    net = Net()
    fitted = fit(net, pictures(), DARK, CrossEntropy("all"), recipe, extras=Extras(two_norms=True))
    assert not any(isinstance(module, DualBatchNorm) for module in net.modules())
    plain = Net()
    plain.load_state_dict(fitted.state)
    net.load_state_dict(fitted.state)
    x = pictures().image(slice(None))
    assert torch.equal(plain.eval()(x), net.eval()(x))


def test_a_cut_training_goes_on(tmp_path: Path) -> None:
    recipe = Recipe(net="small", epochs=2, batch_size=16, learning_rate=0.05, precision="float32")
    extras = Extras(weights=AdversarialWeights(), two_norms=True)

    def train(**options: object) -> Fitted:
        return fit(Net(), pictures(), DARK, CrossEntropy("all"), recipe, extras=extras, **options)  # type: ignore[arg-type]

    whole = train()
    with pytest.raises(PowerCutError):
        train(folder=tmp_path, checkpoint_seconds=0.0, watch=CutAfter(3))
    assert_same(train(folder=tmp_path), whole)

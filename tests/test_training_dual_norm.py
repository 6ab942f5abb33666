"""Dual batch norm: each kind of picture has statistics of its own, and evaluation uses the ordinary ones."""

import copy

import pytest
import torch
from torch import nn

from mechaug.keys import Key
from mechaug.training.dual_norm import DualBatchNorm, dual, routed
from mechaug.training.nets import build

KEY = Key(0).at(torch.arange(12))


def test_each_part_is_normalised_by_itself() -> None:
    norm = DualBatchNorm(nn.BatchNorm2d(3))
    x = KEY.normal(0.0, 1.0, 3, 4, 4)
    x = torch.cat((x[:8], 5 * x[8:] + 20))
    with routed(norm, 8):
        y = norm(x)
    for part in (y[:8], y[8:]):
        torch.testing.assert_close(part.mean((0, 2, 3)), torch.zeros(3), atol=1e-5, rtol=0)
    assert norm.ordinary.running_mean is not None and norm.adversarial.running_mean is not None
    assert norm.ordinary.running_mean.abs().max() < 0.1
    assert norm.adversarial.running_mean.min() > 1.5
    # Nothing outside of the block goes the adversarial way; within, an adversary may look at the net at rest.
    seen = copy.deepcopy(norm.adversarial.state_dict())
    norm(x)
    norm.eval()
    torch.testing.assert_close(norm(x), norm.ordinary(x))
    with routed(norm, 0):
        torch.testing.assert_close(norm(x), norm.adversarial(x))
    for name, value in norm.adversarial.state_dict().items():
        assert torch.equal(value, seen[name])


def test_a_net_becomes_dual_once_and_starts_as_it_was() -> None:
    net = build("small", 3, key=Key(2))
    x = KEY.uniform(0.0, 1.0, 3, 16, 16)
    expected = copy.deepcopy(net).eval()(x)
    made = dual(dual(net))
    norms = [module for module in made.modules() if isinstance(module, DualBatchNorm)]
    assert norms and all(isinstance(norm.ordinary, nn.BatchNorm2d) for norm in norms)
    torch.testing.assert_close(made.eval()(x), expected)


def test_without_batch_norm_there_is_nothing_to_do() -> None:
    with pytest.raises(ValueError, match="no BatchNorm2d"):
        dual(nn.Sequential(nn.Conv2d(3, 3, 1)))
    with routed(nn.Sequential(nn.Conv2d(3, 3, 1)), 4):
        pass

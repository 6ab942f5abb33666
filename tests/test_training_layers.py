"""The adversary in the layers: moves of the published lengths that raise the loss, in a net that stays as it was."""

import copy

import pytest
import torch
from torch.nn import functional

from mechaug.heuristics.views import Batch
from mechaug.keys import Key
from mechaug.training.layers import LayerAdversary
from mechaug.training.nets import build
from mechaug.training.objectives import CrossEntropy, Inputs
from mechaug.training.views import show
from test_training_adversarial import Linear, batch


def test_moves_have_their_length_and_raise_the_loss() -> None:
    net = build("small", 3, key=Key(0))
    before = copy.deepcopy(net.state_dict())
    key = Key(1).at(torch.arange(6))
    given = Batch(key.uniform(0.3, 0.7, 3, 32, 32), key.integers(0, 3), 3, key)
    (view,) = LayerAdversary(radius=0.08).views(net, given, clean=False, count=1)
    length = (view.pictures - given.pictures).flatten(1).norm(dim=1)
    torch.testing.assert_close(length, torch.full((6,), 0.08))
    assert [one.layer for one in view.inside] == list(net.stages)
    widths = ((16, 16, 16), (32, 8, 8), (64, 4, 4))
    for place, (inside, shape) in enumerate(zip(view.inside, widths, strict=True), start=1):
        move = inside.change(torch.zeros(6, *shape))
        expected = 0.08 * move[0].numel() / 3072 / (place + 1)
        torch.testing.assert_close(move.flatten(1).norm(dim=1), torch.full((6,), expected), rtol=1e-4, atol=0)
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())
    assert net.training and all(weight.requires_grad and weight.grad is None for weight in net.parameters())
    net.eval()
    outputs = show(net, [view], Inputs(clean=False, views=1))
    assert CrossEntropy("augmented").value(outputs, given.labels) > functional.cross_entropy(
        net(given.pictures), given.labels
    )


def test_what_it_cannot_do() -> None:
    with pytest.raises(ValueError, match="does not say where its stages end"):
        LayerAdversary().views(Linear(), batch(), clean=False, count=1)
    with pytest.raises(ValueError, match="positive"):
        LayerAdversary(radius=0.0)

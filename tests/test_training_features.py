"""Objectives on features, each against a formula written apart from it, and how they come from the net."""

import math

import pytest
import torch
from torch import nn

from mechaug import mechanisms as m
from mechaug.errors import UserError
from mechaug.heuristics.views import Batch
from mechaug.keys import Key
from mechaug.training.features import FeatureConsistency, SupCon
from mechaug.training.nets import build
from mechaug.training.objectives import CrossEntropy, Inputs, Outputs
from mechaug.training.views import make_views, show

LABELS = torch.tensor([0, 1, 1, 2, 0])


def features(*seeds: int) -> Outputs:
    clean, *views = (Key(seed).normal(0.0, 1.0, 5, 4).double().requires_grad_() for seed in seeds)
    return Outputs(None, (), clean_features=clean, augmented_features=tuple(views))


@pytest.mark.parametrize("views", [1, 2])
def test_supervised_contrast_is_the_papers_sum(views: int) -> None:
    outputs = features(*range(views + 1))
    assert outputs.clean_features is not None
    z = torch.cat([outputs.clean_features, *outputs.augmented_features])
    z = (z / z.norm(dim=1, keepdim=True)).tolist()
    classes = LABELS.tolist() * (views + 1)
    near = [[math.exp(sum(a * b for a, b in zip(one, other, strict=True)) / 0.5) for other in z] for one in z]
    expected = 0.0
    for i in range(len(z)):
        others = sum(near[i][a] for a in range(len(z)) if a != i)
        same = [p for p in range(len(z)) if p != i and classes[p] == classes[i]]
        expected -= sum(math.log(near[i][p] / others) for p in same) / len(same) / len(z)
    found = SupCon(views=views, temperature=0.5).value(outputs, LABELS)
    assert found.item() == pytest.approx(expected)
    (slope,) = torch.autograd.grad(found, outputs.clean_features)
    assert slope.isfinite().all() and slope.abs().max() > 0


def test_contrast_is_least_where_classes_are_apart() -> None:
    corners = torch.eye(4)[LABELS]
    apart = Outputs(None, (), clean_features=corners, augmented_features=(corners,))
    turned = Outputs(None, (), clean_features=corners, augmented_features=(corners.roll(1, 0),))
    assert SupCon().value(apart, LABELS) < SupCon().value(turned, LABELS)


def test_consistency_is_one_minus_the_cosine() -> None:
    outputs = features(0, 1, 2)
    assert outputs.clean_features is not None
    gaps = [1 - torch.cosine_similarity(outputs.clean_features, view).mean() for view in outputs.augmented_features]
    found = FeatureConsistency(views=2).value(outputs, LABELS)
    assert found.item() == pytest.approx(torch.stack(gaps).mean().item())
    slopes = torch.autograd.grad(found, (outputs.clean_features, outputs.augmented_features[0]), allow_unused=True)
    assert slopes[0] is None and slopes[1] is not None
    both = FeatureConsistency(views=2, stop_gradient=False).value(outputs, LABELS)
    assert torch.autograd.grad(both, outputs.clean_features)[0].abs().max() > 0


def test_a_net_gives_the_features_of_each_kind() -> None:
    net = build("small", 3, key=Key(0)).eval()
    key = Key(1).at(torch.arange(4))
    batch = Batch(key.uniform(0.0, 1.0, 3, 16, 16), torch.tensor([0, 1, 2, 0]), 3, key)
    objective = CrossEntropy("all") + SupCon()
    assert objective.inputs == Inputs(clean=True, views=1, features=True)
    views = make_views(net, batch, m.Exposure(exposure_ev=(-2.0, 1.0)), objective.inputs)
    outputs = show(net, views, objective.inputs)
    assert outputs.clean_features is not None
    for view, found in zip(views, (outputs.clean_features, *outputs.augmented_features), strict=True):
        torch.testing.assert_close(found, net.embed(view.pictures))
    torch.testing.assert_close(outputs.clean, net(batch.pictures))
    plain = show(net, views, Inputs(clean=True, views=1))
    assert plain.clean_features is None and plain.augmented_features == ()


def test_what_is_missing_is_said() -> None:
    nameless = nn.Sequential(nn.Flatten(), nn.Linear(12, 2))
    key = Key(1).at(torch.arange(2))
    batch = Batch(key.uniform(0.0, 1.0, 3, 2, 2), torch.tensor([0, 1]), 2, key)
    needed = Inputs(clean=True, views=0, features=True)
    with pytest.raises(UserError, match="no module `head`"):
        show(nameless, make_views(nameless, batch, None, needed), needed)
    with pytest.raises(ValueError, match="needs the features"):
        SupCon(views=2).value(features(0, 1), LABELS)
    with pytest.raises(ValueError, match="soft labels"):
        SupCon().value(features(0, 1), torch.full((5, 2), 0.5))
    for wrong in (lambda: SupCon(views=0), lambda: SupCon(temperature=0.0), lambda: FeatureConsistency(views=0)):
        with pytest.raises(ValueError, match="at least 1 view"):
            wrong()

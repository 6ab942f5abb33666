"""Mixup, CutMix and their kin: formulas, published draws, and torchvision's distribution where it can be loaded."""

import importlib

import pytest
import torch
from torch import Tensor

from mechaug import heuristics as h
from mechaug import testing
from mechaug.heuristics.manifold import NoisyMixParameters, noisy_blend
from mechaug.heuristics.mixing import MixupParameters, unmixed
from mechaug.heuristics.views import Batch, partner_rows
from mechaug.keys import Key
from mechaug.training import nets
from torchvision_oracle import torchvision

KEY = Key(5).at(torch.arange(4000))
PICTURES = testing.example_pictures(8)
LABELS = torch.tensor([0, 1, 2, 3, 0, 1, 2, 3])


@pytest.mark.parametrize("mixing", [h.Mixup(), h.RegMixup()])
def test_mixup_is_its_formula(mixing: h.Mixup) -> None:
    params = MixupParameters(torch.tensor([0.3, 0.9, 0.1, 0.2, 0.8, 0.5, 0.7, 0.6]), torch.linspace(0.0, 1.0, 8))
    order = [2, 3, 0, 5, 7, 6, 4, 1]
    assert partner_rows(params.partner).tolist() == order
    y, soft = mixing.apply(PICTURES, params), mixing.targets(LABELS, 4, params)
    for row, (partner, share) in enumerate(zip(order, params.share.tolist(), strict=True)):
        assert torch.allclose(y[row], share * PICTURES[row] + (1 - share) * PICTURES[partner], atol=1e-6)
        expected = torch.zeros(4)
        expected[LABELS[row]] += share
        expected[LABELS[partner]] += 1 - share
        assert torch.allclose(soft[row], expected, atol=1e-6)


@pytest.mark.parametrize(
    ("mixing", "alpha"), [(h.Mixup(), 1.0), (h.Mixup(0.2), 0.2), (h.RegMixup(), 20.0), (h.Mixup(2.0), 2.0)]
)
def test_shares_follow_the_published_beta_law(mixing: h.Mixup, alpha: float) -> None:
    share = mixing.sample(KEY).share.double()
    assert abs(share.mean().item() - 0.5) < 0.03
    assert abs(share.var().item() - 1 / (4 * (2 * alpha + 1))) < 0.01


def test_cutmix_pastes_the_box_of_the_partner_and_mixes_labels_by_area() -> None:
    cutmix = h.CutMix(probability=1.0)
    params = cutmix.sample(KEY.rows(torch.arange(8)))
    y, soft, partner = cutmix.apply(PICTURES, params), cutmix.targets(LABELS, 4, params), partner_rows(params.partner)
    for row in range(8):
        left, top, right, bottom = (params.box[row] * 32).round().long().tolist()
        expected = PICTURES[row].clone()
        expected[:, top:bottom, left:right] = PICTURES[partner[row]][:, top:bottom, left:right]
        assert torch.equal(y[row], expected)
        area = (right - left) * (bottom - top) / 32**2
        own = torch.nn.functional.one_hot(LABELS[row], 4) * (1 - area)
        assert torch.allclose(soft[row], own + torch.nn.functional.one_hot(LABELS[partner[row]], 4) * area, atol=1e-6)


@pytest.mark.parametrize("side", [32, 50, 64, 224])
def test_the_share_of_the_label_is_that_of_the_area_at_every_size(side: int) -> None:
    cutmix = h.CutMix(probability=1.0)
    params = cutmix.sample(KEY.rows(torch.arange(16))).replace(partner=torch.linspace(1.0, 0.0, 16))
    x = torch.cat((torch.ones(8, 1, side, side), torch.zeros(8, 1, side, side)))
    kept = cutmix.apply(x, params)[:8].mean((1, 2, 3))
    assert torch.allclose(kept, params.share[:8], atol=1e-5)


def test_half_of_the_pictures_get_a_box_on_cifar() -> None:
    share = h.CutMix().sample(KEY).share
    assert 0.46 < (share < 1).float().mean() < 0.53
    assert (h.CutMix(probability=1.0).sample(KEY).share < 1).float().mean() > 0.97


def test_mixup_has_the_distribution_of_torchvision() -> None:
    torchvision()
    v2 = importlib.import_module("torchvision.transforms.v2")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        made = v2.MixUp(alpha=1.0, num_classes=2)
        labels = torch.tensor([0, 1])
        theirs = torch.stack([made(torch.zeros(2, 3, 4, 4), labels)[1][0, 0] for _ in range(2000)])
    ours = h.Mixup(1.0).sample(KEY).share[:2000]
    assert _ks(theirs, ours) < 1.63 * (2 / 2000) ** 0.5  # the 1 % point of the two-sample test


def test_cutmix_has_the_distribution_of_torchvision() -> None:
    torchvision()
    v2 = importlib.import_module("torchvision.transforms.v2")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        made = v2.CutMix(alpha=1.0, num_classes=2)
        x = torch.stack((torch.zeros(1, 32, 32), torch.ones(1, 32, 32)))
        drawn = [made(x, torch.tensor([0, 1])) for _ in range(3000)]
    boxes = torch.stack([pictures[0, 0] for pictures, _ in drawn])
    shares = torch.stack([labels[0, 0] for _, labels in drawn])
    ours = h.CutMix(1.0, probability=1.0)
    params = ours.sample(KEY.rows(torch.arange(3000)))
    limit = 1.63 * (2 / 3000) ** 0.5
    assert _ks(shares, params.share) < limit
    # Where the boxes lie: the share of the pictures in which a pixel comes from the partner, at each place.
    whole = params.replace(partner=torch.linspace(1.0, 0.0, 3000))
    mine = ours.apply(torch.cat((torch.zeros(1500, 1, 32, 32), torch.ones(1500, 1, 32, 32))), whole)[:1500, 0]
    assert (boxes.mean(0) - mine.mean(0)).abs().max() < 0.07
    assert abs((boxes.flatten(1).sum(1) > 0).float().mean() - (params.share < 1).float().mean()) < 0.02


def _ks(a: Tensor, b: Tensor) -> float:
    """The largest distance between two empirical distribution functions."""
    grid = torch.cat((a, b)).sort().values
    first, second = (torch.searchsorted(one.sort().values, grid, right=True) / len(one) for one in (a, b))
    return (first - second).abs().max().item()


# Inside the net ---------------------------------------------------------------------------------------------------


def _batch(count: int, seed: int) -> Batch:
    return Batch(testing.example_pictures(count), torch.arange(count) % 4, 4, Key(seed).at(torch.arange(count)))


def test_manifold_mixup_mixes_at_one_of_three_places_in_the_drawn_shares() -> None:
    model, places = nets.build("small", 4, key=Key(0)), []
    for seed in range(60):
        (view,) = h.ManifoldMixup().views(model, _batch(6, seed), clean=False, count=1)
        layer = view.inside[0].layer if view.inside else ""
        places.append(layer)
        params = h.ManifoldMixup().sample(_batch(6, seed).key.fold("view 0")).mixup
        features = torch.arange(6.0)[:, None, None, None].expand(6, 2, 3, 3)
        if view.inside:
            other = features[partner_rows(params.partner)]
            share = params.share[:, None, None, None]
            assert torch.allclose(view.inside[0].change(features), share * features + (1 - share) * other, atol=1e-5)
            assert torch.equal(view.pictures, _batch(6, seed).pictures)
    counts = [places.count(layer) for layer in ("", *model.stages[:2])]
    assert sum(counts) == 60
    assert min(counts) >= 9  # a fair draw is below once in 1,000


def test_noisymix_mixes_all_views_alike_and_adds_noise_of_the_drawn_level() -> None:
    model = nets.build("small", 4, key=Key(0))
    clean, first, second = h.NoisyMix().views(model, _batch(6, 0), clean=True, count=2)
    assert torch.equal(clean.targets, first.targets)
    assert torch.equal(clean.targets, second.targets)
    assert {len(view.inside) for view in (clean, first, second)} <= {0, 1}
    level = torch.tensor([0.0, 0.3, 0.0, 0.4])
    params = NoisyMixParameters(
        unmixed(4), torch.zeros(4), added=level, multiplied=level.flip(0), seed=torch.arange(4) + 1
    )
    features = torch.full((4, 8, 40, 40), 2.0)
    noisy = noisy_blend(features, params)
    # Added noise is normal; the factor is uniform in 1 ± level.
    expected = (level.square() + (2.0 * params.multiplied).square() / 3).sqrt()
    assert torch.allclose(noisy.std((1, 2, 3)), expected, rtol=0.05)
    assert torch.allclose(noisy.mean((1, 2, 3)), torch.full((4,), 2.0), atol=0.02)
    assert torch.equal(noisy_blend(features, params.replace(added=0 * level, multiplied=0 * level)), features)


@pytest.mark.parametrize(
    ("make", "word"),
    [
        (lambda: h.Mixup(0.0), "alpha"),
        (lambda: h.RegMixup(-1.0), "alpha"),
        (lambda: h.CutMix(0.0), "alpha"),
        (lambda: h.CutMix(probability=1.5), "probability"),
        (lambda: h.CutMix(grid=0), "grid"),
        (lambda: h.ManifoldMixup(0.0), "alpha"),
        (lambda: h.NoisyMix(added=-1.0), "noise"),
    ],
)
def test_arguments_out_of_range_are_refused(make: object, word: str) -> None:
    with pytest.raises(ValueError, match=word):
        make()  # type: ignore[operator]

"""Makers of views: what they promise together, and the tools that they share."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from heuristics_table import MAKERS, Made
from mechaug import heuristics, spec, testing
from mechaug.heuristics.views import Batch, Mixing, View, ViewMaker, at_rest, hooked, partner_rows, stages
from mechaug.keys import Key
from mechaug.mechanisms.relatives import BAR_CORRUPTIONS, COMMON_CORRUPTIONS
from mechaug.training import nets
from mechaug.training.objectives import Inputs
from mechaug.training.views import show

COUNT, CLASSES = 12, 5
LABELS = torch.arange(COUNT) % CLASSES
each_maker = pytest.mark.parametrize("made", MAKERS.values(), ids=MAKERS.keys())
MIXERS = {name: made for name, made in MAKERS.items() if isinstance(made.maker, Mixing)}
each_mixing = pytest.mark.parametrize("made", MIXERS.values(), ids=MIXERS.keys())


def net() -> nets.Net:
    return nets.build("small", CLASSES, key=Key(0))


def batch(seed: int = 4) -> Batch:
    x = testing.example_pictures(COUNT, height=16, width=16)
    return Batch(x, LABELS, CLASSES, Key(seed).at(torch.arange(COUNT) + 30))


def make(maker: ViewMaker, model: nn.Module, seed: int = 4, *, clean: bool = True, count: int = 2) -> tuple[View, ...]:
    return maker.views(model, batch(seed), clean=clean, count=count)


@each_maker
def test_views_are_those_that_were_asked_for(made: Made) -> None:
    for clean, count in ((True, 2), (False, 1), (True, 1)):
        views = make(made.maker, net(), clean=clean, count=count)
        assert len(views) == clean + count
        for view in views:
            assert view.pictures.shape == batch().pictures.shape
            assert torch.isfinite(view.pictures).all()
    plain = make(made.maker, net())[0]
    assert torch.equal(plain.pictures, batch().pictures) == made.clean or made.inside
    assert (made.clean and torch.equal(plain.targets, LABELS)) or not made.clean


@each_maker
def test_targets_are_labels_or_their_shares(made: Made) -> None:
    views = make(made.maker, net(), clean=False)
    for view in views:
        if made.keeps_labels:
            assert torch.equal(view.targets, LABELS)
        else:
            assert view.targets.shape == (COUNT, CLASSES)
            assert (view.targets >= 0).all()
            assert torch.allclose(view.targets.sum(1), torch.ones(COUNT))
    if not made.keeps_labels:
        mixed = torch.cat([view.targets for seed in range(6) for view in make(made.maker, net(), seed, clean=False)])
        assert (mixed.max(1).values < 0.99).any()


@each_maker
def test_the_same_keys_give_the_same_views_and_others_do_not(made: Made) -> None:
    inputs = Inputs(clean=True, views=2)

    def said(seed: int) -> Tensor:
        model = net()  # a fresh one: batch statistics are kept by the net
        outputs = show(model, make(made.maker, model, seed), inputs)
        return torch.cat((outputs.augmented[0], outputs.augmented[1]))

    assert torch.equal(said(4), said(4))
    assert not torch.allclose(said(4), said(5), atol=1e-4)
    first, second = said(4).chunk(2)
    assert not torch.allclose(first, second, atol=1e-4)


@each_maker
def test_the_net_is_left_as_it_was(made: Made) -> None:
    model = net()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    modes = [module.training for module in model.modules()]
    make(made.maker, model)
    assert [module.training for module in model.modules()] == modes
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert all(weight.requires_grad and weight.grad is None for weight in model.parameters())
    assert not any(module._forward_hooks for module in model.modules())


@each_maker
def test_global_random_state_is_neither_read_nor_changed(made: Made) -> None:
    torch.manual_seed(0)
    first = make(made.maker, net(), clean=False)[0]
    state = torch.random.get_rng_state()
    make(made.maker, net())
    assert torch.equal(torch.random.get_rng_state(), state)
    torch.manual_seed(1)
    assert torch.equal(make(made.maker, net(), clean=False)[0].pictures, first.pictures)


@each_maker
def test_it_has_a_card_a_json_form_and_known_relatives(made: Made) -> None:
    about = made.maker.about
    for sentence in (about.principle, about.assumption, about.breaks, about.cost):
        assert sentence[0].isupper() and sentence.endswith("."), sentence
    assert about.citation.bibtex.startswith("@")
    assert (about.labels == "mixed") != made.keeps_labels
    assert set(made.maker.overlaps) <= {*COMMON_CORRUPTIONS, *BAR_CORRUPTIONS}
    assert spec.loads(spec.dumps(made.maker), heuristics.TYPES) == made.maker


def test_every_maker_has_a_row() -> None:
    tried = {type(made.maker) for made in MAKERS.values()}
    assert {kind for kind in heuristics.TYPES.values() if issubclass(kind, ViewMaker)} <= tried


# Mixing -----------------------------------------------------------------------------------------------------------


def mixing(made: Made) -> Mixing[Any]:
    assert isinstance(made.maker, Mixing)
    return made.maker


@each_mixing
def test_draws_depend_on_the_key_of_the_picture_alone(made: Made) -> None:
    key = Key(1).at(torch.arange(40))
    together = mixing(made).sample(key)
    rows = torch.tensor([7, 3, 29])
    alone = mixing(made).sample(key.rows(rows))
    assert all(torch.equal(a[rows], b) for a, b in zip(together.leaves(), alone.leaves(), strict=True))


@each_mixing
def test_neutral_leaves_pictures_and_labels(made: Made) -> None:
    x, params = batch().pictures, mixing(made).neutral(COUNT)
    assert torch.equal(mixing(made).apply(x, params), x)
    targets = mixing(made).targets(LABELS, CLASSES, params)
    assert torch.equal(targets if targets.ndim == 1 else targets.argmax(1), LABELS)
    assert torch.equal(partner_rows(params.partner), torch.arange(COUNT))


@each_mixing
def test_a_batch_is_mixed_whole_and_stays_in_range(made: Made) -> None:
    for dtype in (torch.float32, torch.float64):
        x = batch().pictures.to(dtype)
        before = x.clone()
        y = mixing(made)(x, batch().key)
        assert y.dtype == dtype
        assert torch.equal(x, before)
        assert y.min() >= 0 and y.max() <= 1
        assert not torch.allclose(y, x, atol=1e-3)
    grey = x[:, :1].contiguous()
    assert mixing(made)(grey, batch().key).shape == grey.shape
    with pytest.raises(ValueError, match="rows of parameters"):
        mixing(made).apply(x, mixing(made).neutral(3))
    with pytest.raises(TypeError, match="loat"):
        mixing(made).apply((x * 255).to(torch.uint8), mixing(made).neutral(COUNT))


def test_partners_are_a_uniform_permutation() -> None:
    key = Key(2).at(torch.arange(6000))
    draws = key.fold("partner").uniform().view(1500, 4)
    partners = torch.stack([partner_rows(row) for row in draws])
    assert torch.equal(partners.sort(1).values, torch.arange(4).expand(1500, 4))
    kinds, counts = partners.unique(dim=0, return_counts=True)
    assert len(kinds) == 24
    assert (counts - 62.5).abs().max() < 5 * 62.5**0.5


# Tools ------------------------------------------------------------------------------------------------------------


def test_hooked_changes_a_layer_within_the_block_only() -> None:
    model, x = net().eval(), batch().pictures
    before = model(x)
    with hooked(model, "features.3", lambda features: 0.0 * features):
        assert not torch.allclose(model(x), before)
    with pytest.raises(RuntimeError, match="broken"), hooked(model, "head", lambda features: features):
        raise RuntimeError("broken")
    assert torch.equal(model(x), before)
    with pytest.raises(ValueError, match=r"no layer 'body'.*features, head"), hooked(model, "body", lambda f: f):
        pass


def test_nets_say_where_their_stages_end_and_others_are_asked() -> None:
    for name, sides in (("small", (16, 8, 4)), ("resnet18", (32, 16, 8, 4)), ("wrn-28-4", (32, 16, 8))):
        model = nets.build(name, 3, key=Key(0)).eval()
        seen = []

        def look(features: Tensor, seen: list[int] = seen) -> Tensor:
            seen.append(features.shape[-1])
            return features

        for layer in stages(model):
            with hooked(model, layer, look), torch.no_grad():
                model(torch.zeros(1, 3, 32, 32))
        assert tuple(seen) == sides
    with pytest.raises(ValueError, match="name the layers"):
        stages(nn.Sequential(nn.Flatten()))
    assert heuristics.MixStyle(layers=("0",)).views(nn.Sequential(nn.Identity()), batch(), clean=False, count=1)


def test_at_rest_gives_everything_back_also_after_an_error() -> None:
    model = net()
    model.features[1].eval()
    model.head.weight.requires_grad_(False)
    modes = [module.training for module in model.modules()]
    asking = [weight.requires_grad for weight in model.parameters()]
    with pytest.raises(RuntimeError, match="broken"), at_rest(model):
        assert not any(module.training for module in model.modules())
        assert not any(weight.requires_grad for weight in model.parameters())
        raise RuntimeError("broken")
    assert [module.training for module in model.modules()] == modes
    assert [weight.requires_grad for weight in model.parameters()] == asking

"""AugMax: the ascent finds mixtures that the net likes less, by the published steps."""

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from mechaug import heuristics as h
from mechaug import testing
from mechaug.heuristics.augmax import mixture
from mechaug.keys import Key
from mechaug.training import nets

COUNT = 24
X, LABELS = testing.example_pictures(COUNT), torch.arange(COUNT) % 10
KEY = Key(1).at(torch.arange(COUNT))


def trained() -> nets.Net:
    """A net that has begun to learn: its loss depends on the picture."""
    model = nets.build("small", 10, key=Key(0))
    optimiser = torch.optim.SGD(model.parameters(), lr=0.1)
    for _ in range(12):
        optimiser.zero_grad()
        functional.cross_entropy(model(X), LABELS).backward()
        optimiser.step()
    optimiser.zero_grad(set_to_none=True)
    return model


def test_more_steps_find_pictures_of_a_higher_loss() -> None:
    model = trained()

    def loss(method: h.AugMax) -> Tensor:
        pictures = method.hardest(model, X, LABELS, KEY)
        with torch.no_grad():
            return functional.cross_entropy(model.eval()(pictures), LABELS)

    start = loss(h.AugMax(steps=1, step_size=1e-9, patience=0))
    assert loss(h.AugMax(steps=10, patience=0)) > start + 0.05


def test_the_ascent_is_the_published_one() -> None:
    """Written again, picture by picture: signs of the gradient, the mix in [0, 1], a stop at the first mistake."""
    model, method = trained(), h.AugMax(steps=6)
    found = method.hardest(model, X, LABELS, KEY)
    own = KEY.fold("AugMax")
    chains = method.augmix.chains(X, method.augmix.sample(own))
    starts = own.fold("mix").uniform(), own.fold("weights").uniform(0.0, 1.0, 3)
    model.eval()
    stopped = 0
    for row in range(0, COUNT, 3):
        one = slice(row, row + 1)
        mix, weights = (start[one].clone().requires_grad_() for start in starts)
        for _ in range(6):
            logits = model(mixture(X[one], chains[one], mix, weights))
            if logits.argmax(1) != LABELS[one]:
                stopped += 1
                break
            up_mix, up_weights = torch.autograd.grad(functional.cross_entropy(logits, LABELS[one]), (mix, weights))
            mix = (mix.detach() + 0.1 * up_mix.sign()).clamp(0, 1).requires_grad_()
            weights = (weights.detach() + 0.1 * up_weights.sign()).requires_grad_()
        assert torch.allclose(found[one], mixture(X[one], chains[one], mix, weights).detach(), atol=1e-4)
    assert 0 < stopped < 8


def test_chains_in_their_drawn_shares_are_augmix() -> None:
    augmix = h.AugMix()
    params = augmix.sample(KEY)
    chains = augmix.chains(X, params)
    mixed = mixture(X, chains, params.mix, params.weights.log())
    assert torch.allclose(mixed, augmix.apply(X, params), atol=1e-6)


def test_a_net_whose_logits_ignore_the_picture_moves_nothing() -> None:
    class Constant(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return torch.eye(10)[LABELS] + 0.0 * x.mean((1, 2, 3))[:, None]

    method = h.AugMax(steps=3)
    pictures = method.hardest(Constant(), X, LABELS, KEY)
    own = KEY.fold("AugMax")
    chains = method.augmix.chains(X, method.augmix.sample(own))
    expected = mixture(X, chains, own.fold("mix").uniform(), own.fold("weights").uniform(0.0, 1.0, 3))
    assert torch.allclose(pictures, expected, atol=1e-6)


@pytest.mark.parametrize(("argument", "value"), [("steps", 0), ("step_size", 0.0), ("patience", -1)])
def test_arguments_out_of_range_are_refused(argument: str, value: float) -> None:
    with pytest.raises(ValueError, match=argument):
        h.AugMax(**{argument: value})  # type: ignore[arg-type]

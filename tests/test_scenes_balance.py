"""Balance: light of one colour is taken out, and what colour it was leaves no trace."""

import pytest
import torch

from mechaug import mechanisms as m
from mechaug.mechanisms import to_light
from mechaug.scenes import TYPES, Balance, BalanceParams
from mechaug.scenes.balance import seen_mired
from mechaug.testing import CHECKS, Case, example_key, example_pictures

CASE = Case(Balance(strength=(0.3, 0.9)), types=tuple(TYPES.items()))


@pytest.mark.untyped
@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_contract(check) -> None:
    check(CASE)


def under(mired: float, x: torch.Tensor) -> torch.Tensor:
    mechanism = m.Illuminant(mired=mired, tint_duv=0.0)
    return mechanism.transform(x, mechanism.sample(example_key(len(x))))


@pytest.mark.parametrize("mired", [60.0, 120.0, 153.75, 250.0, 400.0])
def test_the_light_on_a_grey_wall_is_read(mired: float) -> None:
    wall = torch.full((2, 3, 8, 8), 0.18)
    assert seen_mired(under(mired, wall), 6.0).tolist() == pytest.approx([mired] * 2, abs=0.5)


def test_what_colour_the_light_had_leaves_little_trace() -> None:
    # Nothing clips: dark enough for every channel, and colours that stay in the gamut.
    grey = example_pictures(6).mean(1, keepdim=True)
    x = 0.2 * to_light(0.8 * grey + 0.2 * example_pictures(6))
    params = BalanceParams(strength=torch.ones(6))
    blue, orange = (Balance().transform(under(mired, x), params) for mired in (110.0, 330.0))
    before = (under(110.0, x) - under(330.0, x)).abs().mean()
    assert (blue - orange).abs().mean() < 0.1 * before
    # None at all where what is seen is grey.
    wall = x.mean(1, keepdim=True).expand_as(x)
    blue, orange = (Balance().transform(under(mired, wall), params) for mired in (110.0, 330.0))
    assert (blue - orange).abs().max() < 1e-3 * wall.max()
    # Half of it in mired leaves the light half way.
    half = Balance(norm=1.0).transform(under(353.75, torch.full_like(x, 0.1)), BalanceParams(torch.full((6,), 0.5)))
    assert seen_mired(half, 1.0).tolist() == pytest.approx([253.75] * 6, abs=5)


def test_grey_pictures_are_refused() -> None:
    with pytest.raises(ValueError, match="3 channels"):
        Balance()(torch.rand(1, 1, 8, 8, generator=torch.Generator().manual_seed(0)), example_key(1))
    with pytest.raises(ValueError, match="norm"):
        Balance(norm=0.5)

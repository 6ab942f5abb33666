"""RandConv: the convolution against one made tap by tap, and the published laws of size, weights and mix."""

import pytest
import torch
from scipy.stats import chisquare, kstest

from mechaug.fields import noise_field
from mechaug.heuristics import RandConv, RandConvParameters
from mechaug.keys import Key
from mechaug.testing import example_pictures

KEY = Key(7).at(torch.arange(2000))
SEEDS = Key(9).at(torch.arange(8)).seed()


@pytest.mark.parametrize("size", [1, 3, 7])
def test_it_is_a_mixture_with_a_convolution_about_the_mean(size: int) -> None:
    x = example_pictures(8)
    mix = torch.linspace(0.0, 1.0, 8)
    params = RandConvParameters(mix, torch.full((8,), size), SEEDS)
    y = RandConv(sizes=(1, 3, 7)).transform(x, params)
    weights = noise_field(SEEDS, [3, 3, size, size]) / (3 * size**2) ** 0.5
    half = size // 2
    padded = torch.nn.functional.pad(x - 0.5, (half, half, half, half))
    found = torch.full_like(x, 0.5)
    for i in range(size):
        for j in range(size):
            found += torch.einsum("bok,bkhw->bohw", weights[:, :, :, i, j], padded[:, :, i : i + 32, j : j + 32])
    expected = x + mix[:, None, None, None] * (found - x)
    assert torch.allclose(y, expected.clamp(0, 1), atol=1e-5)


def test_draws_follow_the_published_laws() -> None:
    params = RandConv().sample(KEY)
    counts = torch.bincount(params.size, minlength=8)
    assert counts[[1, 3, 5, 7]].sum() == 2000
    assert chisquare(counts[[1, 3, 5, 7]].numpy()).pvalue > 1e-4
    assert kstest(params.mix.numpy(), "uniform").pvalue > 1e-4


def test_contrast_is_kept_on_average() -> None:
    """As the variance of the weights is chosen, for values that are independent."""
    x = 0.5 + 0.02 * Key(1).normal(0.0, 1.0, 64, 3, 24, 24)
    seeds = Key(2).at(torch.arange(64)).seed()
    params = RandConvParameters(torch.ones(64), torch.full((64,), 3), seeds)
    y = RandConv().transform(x, params)[:, :, 1:-1, 1:-1]
    assert abs(y.var((1, 2, 3)).mean() / 0.02**2 - 1) < 0.1


def test_sizes_of_one_batch_differ() -> None:
    """A fault of the published code: one kernel for a whole batch."""
    x = example_pictures(1).expand(32, -1, -1, -1).contiguous()
    key = KEY.rows(torch.arange(32))
    assert len(RandConv().sample(key).size.unique()) == 4
    params = RandConv().sample(key).replace(mix=torch.ones(32))
    assert len(torch.unique(RandConv().apply(x, params).flatten(1), dim=0)) == 32


@pytest.mark.parametrize("sizes", [(), (2,), (0,), (-1,)])
def test_sizes_are_odd(sizes: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="sizes"):
        RandConv(sizes=sizes)

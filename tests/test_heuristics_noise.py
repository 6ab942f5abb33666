"""Noise: its law, its place, and its strength in the norm that it is named after."""

import math

import pytest
import torch
from scipy.stats import chisquare, gennorm, kstest

from mechaug.heuristics import GaussianNoise, NoiseMixture, NoiseMixtureParameters, PatchGaussian
from mechaug.heuristics.noise import NORMS
from mechaug.keys import Key

KEY = Key(4).at(torch.arange(3000))
GREY = torch.full((64, 3, 32, 32), 0.5)


def test_half_of_the_pictures_get_normal_noise_of_one_strength() -> None:
    heuristic = GaussianNoise(sigma=0.08)
    sigma = heuristic.sample(KEY).sigma
    assert torch.allclose(sigma.unique(), torch.tensor([0.0, 0.08]))
    assert abs((sigma > 0).float().mean() - 0.5) < 0.04
    params = heuristic.sample(KEY.rows(torch.arange(64)))
    noise = (heuristic.transform(GREY, params) - 0.5)[params.sigma > 0] / 0.08
    assert kstest(noise.flatten()[::9].numpy(), "norm").pvalue > 1e-4
    # No two pictures share their noise.
    assert torch.corrcoef(noise.flatten(1)).fill_diagonal_(0.0).abs().max() < 0.1


def test_a_patch_of_noise_has_the_published_size_place_and_strength() -> None:
    heuristic = PatchGaussian(sigma=0.1, side=25 / 32)
    params = heuristic.sample(KEY)
    assert kstest(params.sigma.numpy(), "uniform", args=(0.0, 0.1)).pvalue > 1e-4
    # Sides are 1 to 25 pixels of 32, all equally likely.
    sides = (params.side * 32).ceil().long()
    assert chisquare(torch.bincount(sides, minlength=26)[1:].numpy()).pvalue > 1e-4
    for place in (params.across, params.down):
        assert kstest(place.numpy(), "uniform").pvalue > 1e-4
    few = params.rows(torch.arange(64))
    y = heuristic.apply(GREY, few)
    for noisy, side, across, down, sigma in zip(
        (y != 0.5).any(1), sides, few.across, few.down, few.sigma, strict=False
    ):
        rows, columns = (slice(max(0, int(p * 32) - int(side) // 2), int(p * 32) - int(side) // 2 + int(side))
                         for p in (down, across))  # fmt: skip
        expected = torch.zeros(32, 32, dtype=torch.bool)
        expected[rows, columns] = True
        assert torch.equal(noisy, expected) or sigma < 1e-3
    centre = few.replace(side=torch.full((64,), 2.0), sigma=torch.full((64,), 0.05))
    noise = heuristic.transform(GREY, centre) - 0.5
    assert abs(noise.std() - 0.05) < 0.001


@pytest.mark.parametrize("p", NORMS)
def test_noise_has_the_radius_and_the_law_of_its_norm(p: float) -> None:
    radius = torch.linspace(0.02, 0.2, 64)
    norm = torch.full((64,), NORMS.index(p))
    params = NoiseMixtureParameters(norm, radius, Key(1).at(torch.arange(64)).seed())
    change = NoiseMixture().transform(GREY, params) - 0.5
    values = (change / radius[:, None, None, None]).flatten()
    if p == 0.0:
        replaced = (change != 0).float().mean((1, 2, 3))
        assert torch.allclose(replaced, radius, atol=0.03)
        assert set(change.unique().tolist()) == {-0.5, 0.0, 0.5}
        assert abs(change[change != 0].mean()) < 0.02
        return
    if p == math.inf:
        assert kstest(values[::11].numpy(), "uniform", args=(-1.0, 2.0)).pvalue > 1e-4
        return
    mean = (change.abs() ** p).mean((1, 2, 3)) ** (1 / p)
    assert torch.allclose(mean, radius, rtol=1e-4)
    # The generalised normal law: exp(−|t|^p / p) has mean |t|^p = 1.
    assert kstest(values[::11].numpy(), gennorm(p, scale=p ** (1 / p)).cdf).pvalue > 1e-4


def test_norms_and_radii_are_drawn_evenly() -> None:
    params = NoiseMixture().sample(KEY)
    idle = params.radius == 0
    assert abs(idle.float().mean() - 1 / 6) < 0.03
    counts = torch.bincount(params.norm[~idle], minlength=len(NORMS))
    assert chisquare(counts.numpy()).pvalue > 1e-4
    # The published radii on pictures of 3 × 32 × 32: 200 in the 1-norm, 5 in the 2-norm, 0.15 in the ∞-norm.
    values = 3072
    for p, most in ((0.5, 4e5), (1.0, 200.0), (2.0, 5.0), (math.inf, 0.15), (0.0, 0.2)):
        own = params.radius[~idle & (params.norm == NORMS.index(p))]
        largest = own * values ** (1 / p) if p not in (0.0, math.inf) else own
        assert kstest((largest / most).numpy(), "uniform").pvalue > 1e-4


@pytest.mark.parametrize(
    ("make", "word"),
    [
        (lambda: GaussianNoise(sigma=0.0), "sigma"),
        (lambda: GaussianNoise(share=1.5), "share"),
        (lambda: PatchGaussian(sigma=0.0), "sigma"),
        (lambda: PatchGaussian(side=0.0), "side"),
        (lambda: NoiseMixture(strength=0.0), "strength"),
    ],
)
def test_arguments_out_of_range_are_refused(make: object, word: str) -> None:
    with pytest.raises(ValueError, match=word):
        make()  # type: ignore[operator]

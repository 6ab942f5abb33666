"""Frequency and style: spectra against NumPy's, waves and bands as described, statistics as asked for."""

import math

import numpy as np
import pytest
import torch

from mechaug import heuristics as h
from mechaug import testing
from mechaug.heuristics.apr import recombine
from mechaug.heuristics.augmix import OPERATIONS
from mechaug.heuristics.chains import NOTHING
from mechaug.heuristics.fourier import BandDropoutParameters, FourierBasisParameters
from mechaug.heuristics.style import StyleParameters, restyle
from mechaug.heuristics.views import Batch, partner_rows
from mechaug.keys import Key
from mechaug.mechanisms.light import to_light
from mechaug.training import nets

KEY = Key(5).at(torch.arange(4000))
X = testing.example_pictures(6, height=20, width=26)


@pytest.mark.parametrize("shape", [(3, 20, 26), (3, 9, 7), (1, 8, 8)])
def test_recombination_takes_amplitude_and_phase_of_the_whole_spectrum(shape: tuple[int, int, int]) -> None:
    channels, height, width = shape
    a = testing.example_pictures(2, channels=channels, height=height, width=width)
    b = testing.example_pictures(2, channels=channels, height=height, width=width, seed=3)
    ours = recombine(a, b)
    for row in range(2):
        # As published: over all three axes, in full.
        first, second = np.fft.fftn(a[row].double().numpy()), np.fft.fftn(b[row].double().numpy())
        theirs = np.fft.ifftn(np.abs(first) * np.exp(1j * np.angle(second)))
        assert np.abs(theirs.imag).max() < 1e-12
        assert np.abs(ours[row].numpy() - theirs.real).max() < 1e-5
    assert torch.allclose(recombine(a, a), a, atol=1e-5)
    flat = torch.full_like(a, 0.5)
    assert torch.isfinite(recombine(a, flat)).all()


def test_apr_pair_recombines_six_in_ten_with_their_partners() -> None:
    method = h.APRPair()
    assert abs(method.sample(KEY).strength.mean().item() - 0.6) < 0.03
    params = method.sample(KEY.rows(torch.arange(6)))
    expected = recombine(X[partner_rows(params.partner)], X).clamp(0, 1)
    y = method.apply(X, params)
    for row, happens in enumerate(params.strength.bool().tolist()):
        assert torch.equal(y[row], expected[row] if happens else X[row])


def test_apr_single_follows_the_published_steps() -> None:
    method, count = h.APRSingle(), 24
    drawn = method.sample(KEY)
    assert abs((drawn.phase == 0).float().mean() - 0.5) < 0.03
    assert abs((drawn.phase == 1).float().mean() - 0.25) < 0.03
    assert ((drawn.operation[:, 1] == NOTHING) == (drawn.phase == 0)).all()
    x, params = testing.example_pictures(count), method.sample(KEY.rows(torch.arange(count)))
    y = method.apply(x, params)
    alone = h.AugMix(width=1, depth=1)
    for row in range(count):
        one = torch.tensor([row])

        def stepped(picture: torch.Tensor, step: int, row: int = row) -> torch.Tensor:
            chain = alone.neutral(1).replace(
                mix=torch.ones(1),
                operation=params.operation[row, step].view(1, 1, 1),
                level=params.level[row, step].view(1, 1, 1),
                sign=params.sign[row, step].view(1, 1, 1),
            )
            return alone.apply(picture, chain)

        first = stepped(x[one], 0)
        expected = first
        if params.phase[row]:
            second = stepped(first, 1)
            pair = (second, first) if params.phase[row] == 1 else (first, second)
            expected = recombine(*pair).clamp(0, 1)
        assert torch.allclose(y[one], expected, atol=2e-5)
    assert len(OPERATIONS) == 9


def test_apr_both_shows_augmented_pictures_everywhere() -> None:
    method, key = h.APRBoth(), Key(2).at(torch.arange(6))
    model = nets.build("small", 4, key=Key(0))
    labels = torch.arange(6) % 4
    clean, mixed = method.views(model, Batch(X, labels, 4, key), clean=True, count=1)
    single = method.single(X, key)
    assert torch.equal(clean.pictures, single)
    assert torch.equal(mixed.pictures, method.pair(single, key.fold("view 0")))


def test_fourier_basis_adds_one_wave_of_the_drawn_rms() -> None:
    x = torch.full((3, 3, 32, 32), 0.5)
    params = FourierBasisParameters(
        frequency=torch.full((3, 3), 5 / 32),
        direction_rad=torch.tensor([0.0, math.pi / 2, 0.7])[:, None].expand(3, 3).contiguous(),
        rms=torch.tensor([[0.02, 0.05, 0.0]]).expand(3, 3).contiguous(),
    )
    wave = h.FourierBasis().transform(x, params) - x
    assert torch.allclose(wave.square().mean((2, 3)).sqrt(), params.rms, atol=1e-6)
    # A wave that runs down the rows is the same in every column, and the other way round.
    assert torch.allclose(wave[0], wave[0, :, :, :1].expand_as(wave[0]), atol=1e-6)
    assert torch.allclose(wave[1], wave[1, :, :1, :].expand_as(wave[1]), atol=1e-6)
    # The grid is stretched by one part in 31, as published, so five cycles are a little more.
    power = torch.fft.rfft(wave[0, 0, :, 0]).abs()
    assert power.argmax() == 5
    norms = h.FourierBasis().sample(KEY).rms * 32
    assert abs(norms.mean().item() - 5.0) < 0.2  # exponential: mean and deviation alike
    assert abs(norms.std().item() - 5.0) < 0.3


def test_the_strength_is_the_same_at_every_size() -> None:
    params = h.FourierBasis().sample(KEY.rows(torch.arange(4)))
    for side in (32, 64):
        x = torch.full((4, 3, side, side), 0.5)
        added = h.FourierBasis().transform(x, params) - x
        assert torch.allclose(added.square().mean((2, 3)).sqrt(), params.rms, rtol=1e-3)


@pytest.mark.parametrize("start", [0.0, 0.3, 0.8])
def test_band_dropout_takes_a_ring_and_nothing_else(start: float) -> None:
    x = X[:2]
    params = BandDropoutParameters(torch.full((2,), start), torch.full((2,), 0.15))
    y = h.BandDropout().transform(x, params)
    before, after = (np.fft.fft2(z.double().numpy()) for z in (x, y))
    down, across = np.fft.fftfreq(20)[:, None] / 0.5, np.fft.fftfreq(26) / 0.5
    radius = down**2 + across**2
    ring = (radius > start) & (radius <= start + 0.15)
    assert ring.sum() > 5
    assert np.abs(after[..., ring]).max() < 1e-4
    assert np.abs((after - before)[..., ~ring]).max() < 1e-4
    assert torch.allclose(y.mean((2, 3)), x.mean((2, 3)), atol=1e-6)


def test_half_of_the_pictures_lose_a_band() -> None:
    share = h.BandDropout().sample(KEY).share
    assert abs((share > 0).float().mean() - 0.5) < 0.03
    assert share.unique().tolist() == pytest.approx([0.0, 0.15])


def test_restyled_features_have_the_statistics_in_between() -> None:
    features = Key(0).normal(0.3, 2.0, 5, 4, 9, 9) * torch.linspace(0.5, 2.0, 5)[:, None, None, None]
    params = StyleParameters(torch.tensor([0.4, 0.1, 0.9, 0.2, 0.6]), torch.tensor([0.0, 0.25, 1.0, 0.5, 0.8]))
    y, partner, share = restyle(features, params), partner_rows(params.partner), params.share[:, None]
    mean, spread = features.mean((2, 3)), features.std((2, 3), correction=0)
    assert torch.allclose(y.mean((2, 3)), share * mean + (1 - share) * mean[partner], atol=1e-4)
    assert torch.allclose(y.std((2, 3), correction=0), share * spread + (1 - share) * spread[partner], atol=1e-4)
    assert torch.equal(y[2], features[2])
    # Structure stays: each channel is a straight line of what it was.
    a, b = (z.flatten(2) - z.flatten(2).mean(2, keepdim=True) for z in (features, y))
    assert torch.nn.functional.cosine_similarity(a, b, dim=2).min() > 0.999


def test_style_swap_works_in_linear_light() -> None:
    x = testing.example_pictures(4)
    params = StyleParameters(torch.tensor([0.9, 0.1, 0.3, 0.2]), torch.zeros(4))
    y, partner = h.StyleSwap().apply(x, params), partner_rows(params.partner)
    light, other = to_light(y).mean((2, 3)), to_light(x)[partner].mean((2, 3))
    # Up to what is cut off at black and white.
    assert (light - other).abs().max() < 0.02
    assert (to_light(x).mean((2, 3)) - other).abs().max() > 0.05


def test_mixstyle_changes_half_of_the_pictures_at_each_layer_but_the_last() -> None:
    model, labels = nets.build("small", 4, key=Key(0)), torch.arange(6) % 4
    (view,) = h.MixStyle().views(model, Batch(X, labels, 4, Key(0).at(torch.arange(6))), clean=False, count=1)
    assert [inside.layer for inside in view.inside] == list(model.stages[:-1])
    share = h.MixStyle().sample(KEY).share
    # Beta(0.1, 0.1) is so near 1 at times that it is 1 as a number, for half of (2⁻²⁴)^0.1 of the pictures.
    assert abs((share == 1).float().mean() - 0.5 * (1 + 0.5 * 2**-2.4)) < 0.03
    # It is near 0 or 1 nearly always.
    mixed = share[share < 1]
    assert ((mixed < 0.1) | (mixed > 0.9)).float().mean() > 0.7


@pytest.mark.parametrize(
    ("make", "word"),
    [
        (lambda: h.APRPair(probability=2.0), "probability"),
        (lambda: h.APRSingle(severity=0.0), "severity"),
        (lambda: h.FourierBasis(strength=-1.0), "strength"),
        (lambda: h.BandDropout(share=1.2), "share"),
        (lambda: h.StyleSwap(low=-0.1), "low"),
        (lambda: h.MixStyle(alpha=0.0), "alpha"),
        (lambda: h.MixStyle(probability=-1.0), "probability"),
    ],
)
def test_arguments_out_of_range_are_refused(make: object, word: str) -> None:
    with pytest.raises(ValueError, match=word):
        make()  # type: ignore[operator]

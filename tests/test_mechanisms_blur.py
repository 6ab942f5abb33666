"""Blurs next to one another in a chain are one convolution: what it does, to whom, and what stays as it was."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from mechaug.keys import Key
from mechaug.mechanisms import Aberration, Chain, Defocus, Exposure, Haze, Maybe, Mechanism, MotionBlur, blur
from mechaug.mechanisms.psf import convolve, normalised
from mechaug.testing import example_pictures


def keys(count: int) -> Key:
    return Key(5).at(range(count))


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many point-spread functions each convolution is given."""
    made: list[int] = []

    def spy(x: Tensor, *psfs: Tensor) -> Tensor:
        made.append(len(psfs))
        return convolve(x, *psfs)

    monkeypatch.setattr(blur, "convolve", spy)
    return made


@pytest.mark.parametrize(
    ("chain", "expected"),
    [
        (Chain(Defocus(), MotionBlur()), [2]),
        (Chain(Aberration(), Chain(Defocus(), MotionBlur())), [3]),
        (Chain(Exposure(), Maybe(Defocus(), 0.9), MotionBlur(), Haze()), [2]),
        (Chain(Defocus(), Haze(), MotionBlur()), [1, 1]),
        (Chain(Defocus(), Haze(), MotionBlur(), Defocus()), [1, 2]),
        (Chain(Exposure(), Defocus()), [1]),
        (Chain(Maybe(Defocus(), 0.0), Maybe(MotionBlur(), 0.0)), []),
    ],
)
def test_neighbours_are_one_convolution(calls: list[int], chain: Chain, expected: list[int]) -> None:
    chain(example_pictures(6), keys(6))
    assert calls == expected


@pytest.mark.parametrize("size", [32, 150])
@pytest.mark.parametrize(
    "parts", [(Defocus(), MotionBlur()), (Aberration(), Defocus()), (MotionBlur(), Maybe(Defocus()))], ids=repr
)
def test_far_from_the_border_it_is_one_blur_after_the_other(parts: tuple[Mechanism[Any], ...], size: int) -> None:
    x, chain = example_pictures(9, height=size, width=size), Chain(*parts)
    params = chain.sample(keys(9))
    one_by_one = x
    for part, own in zip(parts, params.steps, strict=True):
        one_by_one = part.transform(one_by_one, own)
    together = chain.transform(x, params)
    # Mirrored before the second blur, the border differs as far as that reaches.
    inner = (..., slice(size // 4, -size // 4), slice(size // 4, -size // 4))
    torch.testing.assert_close(together[inner], one_by_one[inner], atol=2e-6, rtol=0)
    assert not torch.allclose(together, x, atol=1e-3)


@pytest.mark.parametrize(("height", "width", "taps"), [(32, 32, (3, 5, 3)), (140, 130, (3, 7)), (24, 30, (19, 21))])
@pytest.mark.parametrize("channels", [(1, 1, 1), (1, 3, 1), (3, 1, 3)])
def test_one_convolution_is_that_with_the_product(
    height: int, width: int, taps: tuple[int, ...], channels: tuple[int, ...]
) -> None:
    """The product by NumPy; every picture has its own, and some reach nowhere."""
    x = example_pictures(5, height=height, width=width).double()
    psfs = [
        normalised(Key(number).at(range(5)).uniform(0.0, 1.0, held, k, k).double())
        for number, (k, held) in enumerate(zip(taps, channels, strict=False))
    ]
    for psf in psfs:
        psf[2] = 0.0
        psf[2, :, psf.shape[-1] // 2, psf.shape[-1] // 2] = 1.0
    size = sum(taps) - len(taps) + 1
    product = torch.empty(5, 3, size, size).double()
    for row in range(5):
        for channel in range(3):
            spectrum = np.ones((size, size // 2 + 1), dtype=complex)
            for psf in psfs:
                spectrum = spectrum * np.fft.rfft2(psf[row, channel % psf.shape[1]].numpy(), s=(size, size))
            product[row, channel] = torch.from_numpy(np.fft.irfft2(spectrum, s=(size, size)))
    together = convolve(x, *psfs)
    np.testing.assert_allclose(together.numpy(), convolve(x, product).numpy(), atol=1e-12, rtol=0)
    torch.testing.assert_close(together[2], x[2], atol=1e-12, rtol=0)


def test_gradients_are_those_of_what_is_computed() -> None:
    """Also where values are not looked at, both blurs are one, and every parameter has its slope."""
    x, chain = example_pictures(3, height=20, width=24).double(), Chain(Defocus(), MotionBlur())
    drawn = chain.sample(keys(3)).map(lambda leaf: leaf.double())
    plain = chain.transform(x, drawn)
    leaves = drawn.map(lambda leaf: leaf.clone().requires_grad_())
    recorded = chain.transform(x, leaves)
    torch.testing.assert_close(recorded, plain, atol=1e-9, rtol=0)
    slopes = torch.autograd.grad(recorded.square().sum(), leaves.leaves())
    assert all(bool(slope.isfinite().all()) and bool((slope != 0).any()) for slope in slopes)
    batched = torch.vmap(lambda one, own: chain.transform(one[None], own.map(lambda leaf: leaf[None]))[0])(x, drawn)
    torch.testing.assert_close(batched, plain, atol=1e-9, rtol=0)


def test_draws_and_records_are_those_of_each_mechanism() -> None:
    chain = Chain(Defocus(), MotionBlur())
    steps = chain.sample(keys(4)).steps
    for part, own in zip(chain.mechanisms, steps, strict=True):
        alone = part.sample(keys(4)).leaves()
        assert all(torch.equal(a, b) for a, b in zip(own.leaves(), alone, strict=True))


def test_pictures_without_any_blur_are_left_bit_for_bit() -> None:
    x, chain = example_pictures(64), Chain(Maybe(Defocus(), 0.3), Maybe(MotionBlur(), 0.3))
    params = chain.sample(keys(64))
    out = chain.apply(x, params)
    still = params.steps[0].leaves()[0].isinf() & (params.steps[1].leaves()[0] == 0)
    assert 10 < int(still.sum()) < 54
    assert torch.equal(out[still], x[still])
    assert bool((out[~still] != x[~still]).flatten(1).any(1).all())

"""Resampling: Pillow's reductions and enlargements, areas by integration, and what rounding must be."""

import math

import numpy as np
import pytest
import torch
from PIL import Image as Pictures
from PIL import ImageOps
from torch import Tensor

from mechaug.mechanisms.resampling import BitDepth, BitDepthParams, Rescale, RescaleParams
from mechaug.testing import example_pictures

UPS = {"bilinear": Pictures.Resampling.BILINEAR, "nearest": Pictures.Resampling.NEAREST}


def noise(*shape: int) -> Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def by(*factor: float) -> RescaleParams:
    return RescaleParams(torch.tensor(factor, dtype=torch.float64))


def bits(*values: float) -> BitDepthParams:
    return BitDepthParams(torch.tensor(values, dtype=torch.float64))


# Rescale ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("up", UPS)
@pytest.mark.parametrize(
    ("size", "factor"), [((24, 36), 2), ((24, 36), 3), ((24, 36), 12), ((224, 224), 4), ((9, 5), 1)]
)
def test_whole_factors_are_pillows(up: str, size: tuple[int, int], factor: int) -> None:
    x = noise(1, 1, *size)
    picture = Pictures.fromarray(x[0, 0].float().numpy())
    small = picture.reduce(factor)
    expected = np.asarray(small.resize(picture.size, UPS[up]))
    ours = Rescale(up=up).transform(x, by(factor))  # type: ignore[arg-type]
    assert np.abs(ours[0, 0].numpy() - expected).max() < 1e-6


def test_the_last_stored_pixel_sees_the_mirrored_picture() -> None:
    x = torch.arange(1.0, 11.0, dtype=torch.float64).expand(1, 1, 2, 10)
    y = Rescale(up="nearest").transform(x, by(4.0))
    # 10 pixels are two stored ones of four, and one over 9, 10, 10, 9.
    assert y[0, 0, 0].tolist() == pytest.approx([2.5] * 4 + [6.5] * 4 + [9.5] * 2)


@pytest.mark.parametrize("factor", [1.3, 2.5, math.pi, 7.7, 40.0])
@pytest.mark.parametrize("size", [(30, 30), (1, 23)])
def test_stored_pixels_are_means_over_their_squares(factor: float, size: tuple[int, int]) -> None:
    """By the integral of the mirrored picture, which is exact between any two places."""
    x = noise(1, 2, *size).numpy()
    stored = x
    places: list[np.ndarray] = []
    for axis, length in ((2, size[0]), (3, size[1])):
        own = min(factor, length)
        edges = np.arange(math.ceil(length / own) + 2) * own
        copies = math.ceil(edges[-1] / length) + 1
        mirrored = np.concatenate([np.flip(stored, axis) if k % 2 else stored for k in range(copies)], axis)
        integral = np.concatenate((np.zeros_like(mirrored.take([0], axis)), mirrored.cumsum(axis)), axis)

        def at(place: np.ndarray, integral: np.ndarray = integral, axis: int = axis) -> np.ndarray:
            grid = np.arange(integral.shape[axis])
            return np.apply_along_axis(lambda line: np.interp(place, grid, line), axis, integral)

        stored = (at(edges[1:]) - at(edges[:-1])) / own
        places.append((np.arange(length) + 0.5) / own - 0.5)
    expected = stored
    for axis, place in ((2, places[0]), (3, places[1])):
        grid = np.arange(expected.shape[axis])
        expected = np.apply_along_axis(lambda line, p=place, g=grid: np.interp(p, g, line), axis, expected)
    ours = Rescale().transform(torch.from_numpy(x), by(factor))
    # Pixels nearer to the right and lower edge than half a stored pixel lean on one that lies beyond it.
    assert np.abs(ours.numpy() - expected).max() < 1e-12


@pytest.mark.parametrize("up", UPS)
def test_the_picture_changes_smoothly_with_the_factor(up: str) -> None:
    """Also where another stored pixel appears: at 32/4 = 8 and 30/2.5 = 12 of them."""
    x = noise(1, 1, 32, 30)
    for factor in (1.0, 2.0, 2.5, 32 / 13, 4.0):
        near = [Rescale(up=up).transform(x, by(max(1.0, factor + step))) for step in (-1e-7, 0.0, 1e-7)]  # type: ignore[arg-type]
        assert (near[2] - near[0]).abs().max() < 1e-5


@pytest.mark.parametrize("up", UPS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_factor_one_changes_nothing_at_all(up: str, dtype: torch.dtype) -> None:
    x = noise(2, 3, 224, 31).to(dtype)
    assert torch.equal(Rescale(up=up).transform(x, RescaleParams(torch.ones(2))), x)  # type: ignore[arg-type]


@pytest.mark.parametrize("up", UPS)
def test_values_are_means_of_values(up: str) -> None:
    x = noise(4, 3, 50, 37)
    y = Rescale(up=up).transform(x, by(1.01, 2.3, 11.0, 90.0))  # type: ignore[arg-type]
    assert y.min() >= x.min() and y.max() <= x.max()
    flat = torch.full_like(x, 0.3)
    torch.testing.assert_close(Rescale(up=up).transform(flat, by(1.01, 2.3, 11.0, 90.0)), flat)  # type: ignore[arg-type]


@pytest.mark.parametrize("up", UPS)
@pytest.mark.parametrize("factors", [(1.0, 1.001), (1.5, 1.5), (1.1, 3.7), (6.3, 7.0), (30.0, 500.0), (2.0, math.nan)])
def test_products_with_zeros_are_all_that_is_left_out(up: str, factors: tuple[float, float]) -> None:
    """`vmap` hides the factors' values, so that every product is computed."""
    mechanism = Rescale(up=up)  # type: ignore[arg-type]
    x, params = noise(2, 1, 224, 130), by(*factors)
    whole = torch.vmap(lambda image, own: mechanism.transform(image[None], RescaleParams(own[None]))[0])(
        x, params.factor
    )
    torch.testing.assert_close(mechanism.transform(x, params), whole, atol=1e-12, rtol=0, equal_nan=True)
    if not math.isnan(factors[1]):
        alone = mechanism.transform(x[1:], by(factors[1]))
        torch.testing.assert_close(alone, whole[1:], atol=1e-12, rtol=0)


def test_half_the_size_is_too_small_for_the_finest_stripes() -> None:
    stripes = (torch.arange(64) % 2).double().expand(1, 1, 64, 64)
    torch.testing.assert_close(Rescale().transform(stripes, by(2.0)), torch.full((1, 1, 64, 64), 0.5).double())


# BitDepth ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("depth", [1, 2, 3, 5, 8, 12, 16])
def test_values_are_those_of_the_nearest_level(depth: int) -> None:
    x = noise(1, 3, 40, 40)
    steps = 2**depth - 1
    y = BitDepth().transform(x, bits(depth))
    assert np.abs(y.numpy() - np.round(x.numpy() * steps) / steps).max() < 1e-12
    assert (y - x).abs().max() <= 0.5 / steps + 1e-12


def test_one_bit_is_pillows_black_and_white() -> None:
    x = example_pictures(1, channels=1)
    picture = Pictures.fromarray((255 * x[0, 0]).round().to(torch.uint8).numpy())
    expected = np.asarray(picture.convert("1", dither=Pictures.Dither.NONE))
    y = BitDepth().apply(torch.from_numpy(np.asarray(picture) / 255.0)[None, None], bits(1.0))
    assert np.array_equal(y[0, 0].numpy() == 1.0, expected)


@pytest.mark.parametrize("depth", [1, 2, 4, 7])
def test_there_are_as_many_levels_as_in_pillows_posterisation(depth: int) -> None:
    """Which cuts to the level below and darkens, where storage rounds to the nearest: levels are at most one apart."""
    ramp = np.arange(256, dtype=np.uint8)[None]
    cut = np.asarray(ImageOps.posterize(Pictures.fromarray(ramp), depth)) >> (8 - depth)
    y = BitDepth().transform(torch.from_numpy(ramp / 255.0)[None, None], bits(depth))[0, 0].numpy() * (2**depth - 1)
    assert len(np.unique(y)) == len(np.unique(cut)) == 2**depth
    assert np.abs(y - cut).max() < 1 + 1e-9


def test_a_picture_of_eight_bits_has_eight() -> None:
    x = (255 * example_pictures(1)).round() / 255
    torch.testing.assert_close(BitDepth().transform(x, BitDepthParams(torch.tensor([8.0]))), x, atol=1e-7, rtol=0)


@pytest.mark.parametrize("depth", [1.4, 2.0, 4.7])
def test_once_is_enough_and_black_and_white_stay(depth: float) -> None:
    x = torch.cat((noise(1, 1, 9, 16), torch.tensor([0.0, 1.0]).double().repeat(8).expand(1, 1, 1, 16)), 2)
    once = BitDepth().transform(x, bits(depth))
    torch.testing.assert_close(BitDepth().transform(once, bits(depth)), once, atol=1e-12, rtol=0)
    assert torch.equal(once[..., -1, :], x[..., -1, :])
    assert len(once.unique()) == round(2**depth)


def test_hard_gradients_pass_the_picture_and_follow_the_error() -> None:
    x, depth = noise(1, 1, 5, 6).requires_grad_(), torch.tensor([3.0]).double().requires_grad_()
    y = BitDepth().transform(x, BitDepthParams(depth))
    to_x, to_depth = torch.autograd.grad(y.sum(), (x, depth))
    torch.testing.assert_close(to_x, torch.ones_like(x), atol=1e-12, rtol=0)
    # The error y − x scales as 1/(2^bits − 1).
    expected = -(y - x).sum() * math.log(2) * 8 / 7
    torch.testing.assert_close(to_depth[0], expected.detach(), atol=1e-12, rtol=0)


@pytest.mark.parametrize("rounding", ["hard", "soft"])
def test_infinitely_many_bits_return_the_picture(rounding: str) -> None:
    x = noise(2, 3, 8, 8).requires_grad_()
    depth = torch.tensor([math.inf, 17.0]).double().requires_grad_()
    y = BitDepth(rounding=rounding).transform(x, BitDepthParams(depth))  # type: ignore[arg-type]
    assert torch.equal(y, x)
    for gradient in torch.autograd.grad(y.sum(), (x, depth)):
        assert gradient.isfinite().all()


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(ValueError, match="factor"):
        Rescale(factor=0.5)
    with pytest.raises(ValueError, match="bits"):
        BitDepth(bits=(0.0, 4.0))


@pytest.mark.untyped  # run without run-time checks, which would refuse these first
def test_unknown_choices_are_refused() -> None:
    with pytest.raises(ValueError, match=r'"bilinear" or "nearest", not \'cubic\''):
        Rescale(up="cubic")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r'"hard" or "soft", not \'none\''):
        BitDepth(rounding="none")  # type: ignore[arg-type]

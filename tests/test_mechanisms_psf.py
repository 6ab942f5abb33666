"""Point-spread functions: convolution against SciPy's, and shapes that keep their light and their moments."""

import numpy as np
import pytest
import torch
from scipy import ndimage
from torch import Tensor

from mechaug.keys import Key
from mechaug.mechanisms.psf import (
    LARGEST_REACH,
    _groups,
    convolve,
    fast_length,
    largest_reach,
    mirrored,
    needed_reach,
    normalised,
    offsets,
    variances,
    widened,
)
from mechaug.testing import example_pictures


def shapes(batch: int, taps: int, channels: int | None = None) -> Tensor:
    """Lopsided point-spread functions, different for each image (and channel)."""
    key = Key(3).at(range(batch))
    drawn = key.uniform(0.0, 1.0, *((taps, taps) if channels is None else (channels, taps, taps)))
    return normalised(drawn.double())


def by_scipy(x: Tensor, psf: Tensor) -> np.ndarray:
    """Image by image and channel by channel; SciPy calls it `reflect` when the outermost pixel is repeated."""
    psf = psf[:, None].expand(-1, x.shape[1], -1, -1) if psf.ndim == 3 else psf
    pairs = zip(x.flatten(0, 1).numpy(), psf.flatten(0, 1).numpy(), strict=True)
    return np.stack([ndimage.convolve(plane, taps, mode="reflect") for plane, taps in pairs]).reshape(x.shape)


# Sizes on both sides of the choice between taps and spectra, pictures cut into strips, and pictures smaller than the
# spread.
@pytest.mark.parametrize(
    ("height", "width", "taps"),
    [
        (32, 32, 3),
        (32, 32, 11),
        (32, 32, 31),
        (20, 36, 5),
        (97, 50, 5),
        (97, 50, 25),
        (64, 30, 1),
        (1, 9, 5),
        (4, 5, 15),
    ],
)
@pytest.mark.parametrize("channels", [None, 3])
def test_it_is_scipys_convolution(height: int, width: int, taps: int, channels: int | None) -> None:
    x = example_pictures(3, height=height, width=width).double() + 0.1 * Key(1).at(range(3)).field(3, height, width)
    psf = shapes(3, taps, channels)
    np.testing.assert_allclose(convolve(x, psf).numpy(), by_scipy(x, psf), atol=1e-12, rtol=0)


@pytest.mark.parametrize(("size", "taps"), [(32, 5), (32, 31), (96, 5), (96, 41), (160, 3), (160, 7)])
def test_single_precision_is_as_good(size: int, taps: int) -> None:
    x, psf = example_pictures(2, height=size, width=size), shapes(2, taps)
    y = convolve(x, psf.float())
    assert y.dtype == torch.float32
    np.testing.assert_allclose(y.numpy(), by_scipy(x.double(), psf), atol=2e-6, rtol=0)


@pytest.mark.parametrize("channels", [1, 3])
def test_large_pictures_are_spread_together_with_those_of_their_reach(channels: int) -> None:
    """Five small squares, which are more than are done at once, a line, a point and a full square."""
    psf = torch.zeros(8, channels, 9, 9).double()
    psf[:5, :, 3:6, 3:6] = shapes(5, 3)[:, None]
    psf[5, :, 1, 2:8], psf[6, :, 6, 4], psf[7] = 1 / 6, 1.0, shapes(1, 9)
    psf = psf[[0, 5, 1, 7, 2, 3, 6, 4]]
    x = example_pictures(8, height=150, width=130).double()
    whole = convolve(x, psf.expand(-1, 3, -1, -1) if channels == 3 else psf)
    np.testing.assert_allclose(whole.numpy(), by_scipy(x, psf.expand(-1, 3, -1, -1)), atol=1e-13)


@pytest.mark.parametrize(("count", "size"), [(24, 32), (7, 150)])
def test_what_else_is_in_the_batch_changes_nothing(count: int, size: int) -> None:
    """To the last bit: also where pictures of a short reach are spread together with those of a longer one."""
    x, psf = example_pictures(count, height=size, width=size).float(), torch.zeros(count, 11, 11)
    for row in range(count):
        reach = 1 + row % 5
        psf[row, 5 - reach : 6 + reach, 5 - reach : 6 + reach] = shapes(count, 2 * reach + 1)[row].float()
    alone = torch.cat([convolve(x[row : row + 1], psf[row : row + 1]) for row in range(count)])
    assert torch.equal(convolve(x, psf), alone)


@pytest.mark.parametrize("numbers", [3 * 32 * 32, 3 * 224 * 224, 10**7])
def test_every_picture_is_in_one_group(numbers: int) -> None:
    reaches = [(1, 1)] * 300 + [(2, 1), (1, 2), (6, 6), (5, 5), (40, 40)] * 3
    groups = _groups(reaches, numbers)
    assert sorted(row for rows in groups for row in rows) == list(range(len(reaches)))
    assert all(len(rows) * numbers <= 5 * 2**17 or len(rows) == 1 for rows in groups)
    # The three that reach farthest would make the many dearer by more than a call.
    assert all(len(rows) <= 3 for rows in groups if any(reaches[row] == (40, 40) for row in rows))
    assert len(groups) < len(reaches) or numbers > 5 * 2**17


def test_a_point_becomes_its_function() -> None:
    x = torch.zeros(1, 1, 9, 9).double()
    x[0, 0, 3, 5] = 1.0
    psf = shapes(1, 3)
    torch.testing.assert_close(convolve(x, psf)[0, 0, 2:5, 4:7], psf[0], atol=1e-15, rtol=0)


def test_one_tap_in_the_middle_changes_nothing() -> None:
    x = example_pictures(2, height=70, width=33)
    for taps in (1, 5, 41):
        psf = torch.zeros(2, taps, taps)
        psf[:, taps // 2, taps // 2] = 1.0
        torch.testing.assert_close(convolve(x, psf), x, atol=5e-7, rtol=0)


@pytest.mark.parametrize("taps", [3, 21])
def test_symmetric_spreads_keep_the_light_of_the_picture(taps: int) -> None:
    x = example_pictures(2, height=40, width=24).double()
    psf = shapes(2, taps)
    psf = (psf + psf.flip(-1) + psf.flip(-2) + psf.flip(-2, -1)) / 4
    torch.testing.assert_close(convolve(x, psf).mean((2, 3)), x.mean((2, 3)), atol=1e-13, rtol=0)


@pytest.mark.parametrize("taps", [3, 9, 25])
def test_gradients_reach_the_picture_and_the_function(taps: int) -> None:
    x = example_pictures(1, channels=1, height=12, width=12).double().requires_grad_()
    assert torch.autograd.gradcheck(convolve, (x, shapes(1, taps).requires_grad_()), fast_mode=True)


def test_a_function_without_a_middle_is_refused() -> None:
    with pytest.raises(ValueError, match="an odd number of pixels a side, not 4"):
        convolve(example_pictures(1), torch.ones(1, 4, 4))


@pytest.mark.parametrize(("before", "after"), [(0, 0), (1, 0), (1, 1), (2, 3), (5, 5), (17, 0), (0, 23)])
def test_mirrors_are_numpys_symmetric_padding(before: int, after: int) -> None:
    x = torch.arange(10.0).reshape(1, 1, 2, 5)
    padded = np.pad(x.numpy(), ((0, 0), (0, 0), (after, before), (before, after)), mode="symmetric")
    np.testing.assert_array_equal(mirrored(x, (after, before), (before, after)).numpy(), padded)


def test_fast_lengths() -> None:
    assert [fast_length(n) for n in (1, 7, 33, 49, 62, 234, 240, 257)] == [2, 8, 36, 50, 64, 240, 240, 270]


# Shapes -----------------------------------------------------------------------------------------------------------


def test_widening_adds_variances() -> None:
    psf = torch.nn.functional.pad(shapes(4, 5), (1, 1, 1, 1))
    down, across = torch.tensor([0.0, 0.2, 0.5, 1.0]).double(), torch.tensor([0.3, 0.0, 1.0, 0.7]).double()
    wider = widened(psf, down, across)
    assert wider.min() >= 0
    torch.testing.assert_close(wider.sum((1, 2)), torch.ones(4).double(), atol=1e-14, rtol=0)
    for before, after, added in zip(variances(psf), variances(wider), (down, across), strict=True):
        torch.testing.assert_close(after, before + added, atol=1e-12, rtol=0)
    assert torch.equal(widened(psf, down * 0, across * 0), psf)


def test_variances_are_numpys() -> None:
    psf = shapes(2, 7)
    place = np.arange(7)
    for image, down, across in zip(psf.numpy(), *variances(psf), strict=True):
        for line, ours in ((image.sum(1), down), (image.sum(0), across)):
            mean = np.average(place, weights=line)
            assert float(ours) == pytest.approx(np.average((place - mean) ** 2, weights=line), rel=1e-12)


def test_the_reach_is_that_of_the_widest_and_bounded_by_the_width() -> None:
    assert largest_reach(224) == LARGEST_REACH * 224
    assert largest_reach(3) == 1
    assert needed_reach(torch.tensor([0.2, 3.1]), 8) == 4
    assert needed_reach(torch.tensor([0.0]), 8) == 1
    assert needed_reach(torch.tensor([float("inf")]), 8) == 8
    assert needed_reach(torch.zeros(0), 8) == 8
    assert offsets(2, torch.zeros(1)).tolist() == [-2, -1, 0, 1, 2]


@pytest.mark.untyped
def test_what_is_traced_is_sized_for_the_widest() -> None:
    seen = []

    def size(value: Tensor) -> Tensor:
        seen.append(needed_reach(value, 8))
        return value

    torch.vmap(size)(torch.tensor([0.2, 3.1]))
    assert seen == [8]

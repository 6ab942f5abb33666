"""Mosaic: the filters of Malvar's paper pixel by pixel, what they are exact for, and the algebra of shares."""

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn.functional import interpolate

from mechaug.mechanisms.mosaic import Demosaic, DemosaicParams
from mechaug.testing import example_pictures

METHODS = ("bilinear", "malvar")
each_method = pytest.mark.parametrize("method", METHODS)


def one_chip(x: Tensor, method: str, mosaic: float = 1.0) -> Tensor:
    return Demosaic(method=method).transform(x, DemosaicParams(torch.full((len(x),), mosaic).to(x.dtype)))


def colour_at(row: int, column: int) -> int:
    return (0, 1, 1, 2)[2 * (row % 2) + column % 2]


def reference(light: np.ndarray, method: str) -> np.ndarray:
    """Pixel by pixel, as the paper words it: a mean of neighbours plus a gain times the Laplacian of the own colour."""
    height, width = light.shape[1:]

    def raw(row: int, column: int) -> float:
        row, column = abs(row), abs(column)
        row = row if row < height else 2 * (height - 1) - row
        column = column if column < width else 2 * (width - 1) - column
        return float(light[colour_at(row, column), row, column])

    gains = {"cross": 1 / 2, "line": 5 / 8, "corner": 3 / 4} if method == "malvar" else {}
    out = np.zeros_like(light)
    for r in range(height):
        for c in range(width):
            here = colour_at(r, c)
            around = [raw(r - 2, c), raw(r + 2, c), raw(r, c - 2), raw(r, c + 2)]
            diagonal = [raw(r - 1, c - 1), raw(r - 1, c + 1), raw(r + 1, c - 1), raw(r + 1, c + 1)]
            sides, ends = [raw(r, c - 1), raw(r, c + 1)], [raw(r - 1, c), raw(r + 1, c)]
            for colour in range(3):
                if colour == here:
                    value = raw(r, c)
                elif colour == 1:
                    value = np.mean(sides + ends) + gains.get("cross", 0.0) * (raw(r, c) - np.mean(around))
                elif here == 1:
                    lies_along = colour_at(r, c + 1) == colour
                    mean = np.mean(sides if lies_along else ends)
                    # At green the Laplacian is of nine pixels: β = 5/8 of the pixel less weighted greens around it.
                    along, across = (around[2:], around[:2]) if lies_along else (around[:2], around[2:])
                    laplacian = raw(r, c) - (sum(diagonal) + sum(along) - sum(across) / 2) / 5
                    value = mean + gains.get("line", 0.0) * laplacian
                else:
                    value = np.mean(diagonal) + gains.get("corner", 0.0) * (raw(r, c) - np.mean(around))
                out[colour, r, c] = max(value, 0.0)
    return out


@each_method
@pytest.mark.parametrize("size", [(8, 8), (7, 10), (9, 5)])
def test_each_pixel_is_what_the_paper_says(method: str, size: tuple[int, int]) -> None:
    light = np.random.default_rng(0).random((2, 3, *size))
    ours = one_chip(torch.from_numpy(light), method).numpy()
    for k in range(2):
        np.testing.assert_allclose(ours[k], reference(light[k], method), atol=1e-12)


@each_method
def test_what_was_measured_is_kept(method: str) -> None:
    x = example_pictures(2).double()
    y = one_chip(x, method)
    for (row, column), colour in {(0, 0): 0, (0, 1): 1, (1, 0): 1, (1, 1): 2}.items():
        assert torch.equal(y[:, colour, row::2, column::2], x[:, colour, row::2, column::2])
    assert torch.equal(one_chip(y, method), y), "a projection"


@each_method
def test_even_light_and_slopes_come_back(method: str) -> None:
    """Each method is exact for what changes linearly, where no border is mirrored."""
    down, right = torch.arange(16).double()[:, None], torch.arange(20).double()
    grey = (0.2 + 0.01 * down + 0.02 * right).expand(1, 3, 16, 20)
    torch.testing.assert_close(one_chip(grey, method)[..., 2:-2, 2:-2], grey[..., 2:-2, 2:-2], atol=1e-12, rtol=0)
    colour = torch.tensor([0.7, 0.2, 0.4]).double()[None, :, None, None].expand(1, 3, 6, 6)
    torch.testing.assert_close(one_chip(colour, method), colour, atol=1e-12, rtol=0)


def test_malvar_loses_less_than_bilinear() -> None:
    """The paper reports 5.5 dB on photographs, whose detail is mostly grey, as here."""
    grey = torch.from_numpy(np.random.default_rng(2).random((4, 1, 24, 24)))
    tint = torch.tensor([1.0, 0.8, 0.6]).double()[:, None, None]
    x = interpolate(grey, size=(64, 64), mode="bicubic").clamp(0, 1) * tint
    lost = {method: float((one_chip(x, method) - x).square().mean()) for method in METHODS}
    assert lost["malvar"] < 0.5 * lost["bilinear"]


def test_false_colour_is_where_grey_has_detail() -> None:
    """Grey stripes of one pixel turn into colour: the mosaic's moiré."""
    stripes = torch.tensor([0.1, 0.9]).repeat(16).expand(1, 3, 32, 32)
    y = one_chip(stripes, "bilinear")
    assert float((y.amax(1) - y.amin(1)).mean()) > 0.3


@each_method
def test_no_light_is_negative_and_bright_light_passes(method: str) -> None:
    x = 4.0 * (torch.from_numpy(np.random.default_rng(1).random((2, 3, 16, 16))) > 0.8).double()
    y = one_chip(x, method)
    assert y.min() >= 0
    assert y.max() >= 4.0


@each_method
@pytest.mark.parametrize("size", [(1, 1), (1, 5), (2, 2), (3, 1), (3, 4)])
def test_tiny_pictures_pass(method: str, size: tuple[int, int]) -> None:
    x = torch.full((1, 3, *size), 0.25)
    y = one_chip(x, method)
    assert y.shape == x.shape
    torch.testing.assert_close(y, x)


def test_shares_compose() -> None:
    x, mechanism = example_pictures(1).double(), Demosaic()
    a, b = (DemosaicParams(torch.tensor([share]).double()) for share in (0.3, 0.6))
    assert float(mechanism.compose(a, b).mosaic) == pytest.approx(1 - 0.7 * 0.4)
    twice = mechanism.transform(mechanism.transform(x, a), b)
    torch.testing.assert_close(mechanism.transform(x, mechanism.compose(a, b)), twice, atol=1e-12, rtol=0)


def test_grey_pictures_are_refused() -> None:
    with pytest.raises(ValueError, match="3 channels, not 1"):
        one_chip(torch.zeros(1, 1, 8, 8), "malvar")
    with pytest.raises(ValueError, match=r"Demosaic\(mosaic=…\)"):
        Demosaic(mosaic=1.5)


@pytest.mark.untyped
def test_an_unknown_method_is_refused() -> None:
    with pytest.raises(ValueError, match=r"Demosaic\(method=…\)"):
        Demosaic(method="ahd")  # type: ignore[arg-type]

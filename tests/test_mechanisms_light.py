"""Light and picture: the published sRGB curve, its inverse and its slopes."""

import numpy as np
import pytest
import torch

from mechaug.mechanisms import Exposure, to_light, to_picture

# Linear values of 8-bit sRGB levels, as tabulated in many places; 188 is the grey of half the light of white.
TABLE = {
    0: 0.0,
    1: 0.000303527,
    10: 0.00303527,
    11: 0.00334654,
    55: 0.0382044,
    128: 0.21586050,
    188: 0.50288646,
    255: 1.0,
}


def row(values: list[float] | np.ndarray, dtype: torch.dtype = torch.float64) -> torch.Tensor:
    return torch.as_tensor(values, dtype=dtype).reshape(1, 1, 1, -1)


def test_published_values() -> None:
    light = to_light(row([level / 255 for level in TABLE])).flatten()
    torch.testing.assert_close(light, torch.tensor(list(TABLE.values())).double(), atol=5e-9, rtol=5e-6)
    assert float(to_light(row([0.5]))) == pytest.approx(0.21404114, abs=5e-9)
    # Middle grey, 18 % of the light, and half of it.
    assert to_picture(row([0.18, 0.5])).flatten().tolist() == pytest.approx([0.46135613, 0.73535698], abs=5e-8)


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-6), (torch.float64, 1e-7)])
def test_there_and_back(dtype: torch.dtype, tolerance: float) -> None:
    values = row(np.linspace(0, 1, 4097), dtype)
    for there, back in ((to_light, to_picture), (to_picture, to_light)):
        again = back(there(values))
        assert again.dtype == dtype
        assert (again - values).abs().max() <= tolerance


def test_every_8_bit_level_survives() -> None:
    levels = torch.arange(256.0).reshape(1, 1, 16, 16)
    assert torch.equal((to_picture(to_light(levels / 255)) * 255).round(), levels)


@pytest.mark.parametrize("convert", [to_light, to_picture])
def test_monotone_and_continuous(convert) -> None:
    values = row(np.linspace(0, 1, 100_001))
    steps = convert(values).diff(dim=-1)
    # IEC 61966-2-1 rounds its constants: the two branches of the inverse miss each other by some 1e-8.
    assert steps.min() > -5e-8
    assert steps.max() < 13e-5


@pytest.mark.parametrize("convert", [to_light, to_picture])
def test_ends_are_exact(convert) -> None:
    for dtype, tolerance in ((torch.float32, 2e-7), (torch.float64, 1e-12)):
        ends = convert(row([0.0, 1.0], dtype)).flatten()
        assert 0 <= float(ends[0]) <= tolerance
        assert abs(float(ends[1]) - 1) <= tolerance


@pytest.mark.parametrize("convert", [to_light, to_picture])
def test_the_fast_curves_are_the_exact_ones(convert) -> None:
    """In single precision logarithms stand in for powers, but where gradients are recorded."""
    values = row(np.linspace(-0.1, 1, 100_001) if convert is to_picture else np.linspace(0, 1, 100_001), torch.float32)
    exact = convert(values.double())
    assert 1e-8 < (convert(values) - exact).abs().max() <= 3e-7
    assert (convert(values.clone().requires_grad_()) - exact).abs().max() <= 3e-7
    assert (torch.vmap(convert)(values[None]) - exact).abs().max() <= 3e-7


def test_what_is_out_of_range_is_clipped_to_a_picture() -> None:
    assert to_picture(row([-3.0, -1e-9, 1.5, 1e9])).flatten().tolist() == pytest.approx([0, 0, 1, 1], abs=1e-12)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_slopes_are_finite_and_those_of_the_curve(dtype: torch.dtype) -> None:
    knees = [0.0, 1e-8, 0.0031308, 0.04045, 0.5, 1.0]
    for convert in (to_light, to_picture):
        values = row(knees, dtype).requires_grad_()
        (slope,) = torch.autograd.grad(convert(values).sum(), values)
        assert torch.isfinite(slope).all()
        assert (slope > 0).all()
    dark = row([0.0], dtype).requires_grad_()
    assert float(torch.autograd.grad(to_light(dark).sum(), dark)[0]) == pytest.approx(1 / 12.92)
    assert float(torch.autograd.grad(to_picture(dark).sum(), dark)[0]) == pytest.approx(12.92)


def test_slopes_agree_with_differences() -> None:
    values = row([0.001, 0.02, 0.2, 0.6, 0.99]).requires_grad_()
    assert torch.autograd.gradcheck(to_light, values)
    assert torch.autograd.gradcheck(to_picture, values)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_blocks_and_given_memory_change_nothing(dtype: torch.dtype) -> None:
    # More values than two blocks hold, and from −0.25 to 1.25, so that both ends are clipped.
    values = torch.linspace(-0.25, 1.25, 300_000, dtype=dtype).reshape(2, 3, 250, 200)
    curve = to_picture(values.double())
    given = torch.full_like(values, torch.nan)
    assert to_picture(values, out=given) is given
    for picture in (given, to_picture(values), to_picture(values.mT.contiguous().mT)):
        assert (picture - curve).abs().max() < 1e-6
        assert picture.min() == 0
        assert float(picture.max()) == pytest.approx(1, abs=1e-12)
    for light in (to_light(curve.to(dtype)), to_light(curve.to(dtype).contiguous(memory_format=torch.channels_last))):
        assert (light - values.clamp(0, 1)).abs().max() < 1e-6


def test_the_layout_in_memory_is_kept() -> None:
    pictures = torch.rand(5, 3, 8, 9).contiguous(memory_format=torch.channels_last)
    for made in (to_light(pictures), to_picture(pictures), Exposure().apply(pictures, Exposure().neutral(5))):
        assert made.is_contiguous(memory_format=torch.channels_last)

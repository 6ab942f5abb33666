"""Tone: the group of exponents, and a curve that keeps black, white and order."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor

from mechaug.mechanisms.tone import Gamma, GammaParams, ToneCurve, ToneCurveParams


def ramp(count: int = 1025) -> Tensor:
    """All values from black to white, as a picture of one row."""
    return torch.linspace(0, 1, count).double()[None, None, None]


def power(x: Tensor, gamma: float) -> Tensor:
    return Gamma().transform(x, GammaParams(torch.tensor([gamma]).to(x.dtype)))


def curve(x: Tensor, shadows: float, highlights: float) -> Tensor:
    values = {"shadows": shadows, "highlights": highlights}
    return ToneCurve().transform(x, ToneCurveParams(**{k: torch.tensor([v]).to(x.dtype) for k, v in values.items()}))


# Gamma ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("gamma", [0.5, 0.7, 1.0, 1.4, 2.4])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_values_are_raised_to_the_power(gamma: float, dtype: torch.dtype) -> None:
    x = ramp().to(dtype)
    np.testing.assert_allclose(power(x, gamma).numpy(), x.numpy() ** gamma, atol=1e-6)


def test_exponents_multiply_and_cancel() -> None:
    x = ramp()
    torch.testing.assert_close(power(power(x, 0.7), 1.3), power(x, 0.91), atol=1e-7, rtol=0)
    torch.testing.assert_close(power(power(x, 0.7), 1 / 0.7), x, atol=1e-7, rtol=0)


@pytest.mark.parametrize("gamma", [0.3, 0.7, 1.0, 3.0])
def test_no_slope_is_infinite_at_black(gamma: float) -> None:
    x = torch.zeros(1, 1, 1, 4, dtype=torch.float64, requires_grad=True)
    exponent = torch.tensor([gamma], dtype=torch.float64, requires_grad=True)
    y = Gamma().transform(x, GammaParams(exponent))
    assert torch.equal(y, torch.zeros_like(y)), "black stays black"
    slope, _ = torch.autograd.grad(y.sum(), (x, exponent))
    assert (slope <= 1e-4 ** (gamma - 1) * 1.001).all()
    assert torch.isfinite(slope).all()


# Tone curve -----------------------------------------------------------------------------------------------------------


def test_the_smoothstep_is_one_of_the_curves() -> None:
    x = ramp()
    torch.testing.assert_close(curve(x, -1.0, 1.0), 3 * x**2 - 2 * x**3, atol=1e-12, rtol=0)


@pytest.mark.parametrize("shadows", [-1.0, -0.4, 0.0, 0.5, 1.0])
@pytest.mark.parametrize("highlights", [-1.0, -0.3, 0.0, 0.6, 1.0])
def test_curves_keep_black_white_and_order(shadows: float, highlights: float) -> None:
    x = ramp()
    y = curve(x, shadows, highlights)[0, 0, 0].numpy()
    assert y[0] == 0
    assert y[-1] == pytest.approx(1.0, abs=1e-15)
    assert (np.diff(y) >= 0).all()
    step = 1 / 1024
    assert y[1] / step == pytest.approx(1 + shadows, abs=0.01)
    assert (1 - y[-2]) / step == pytest.approx(1 - highlights, abs=0.01)


def test_lifted_ends_brighten_and_opposite_ends_bend() -> None:
    x = torch.tensor([0.25, 0.5, 0.75]).double()[None, None, None]
    assert (curve(x, 0.5, 0.5) > x).all()
    assert (curve(x, -0.5, -0.5) < x).all()
    steep = curve(x, -0.5, 0.5)[0, 0, 0]
    assert steep[0] < 0.25
    assert float(steep[1]) == pytest.approx(0.5)
    assert steep[2] > 0.75


@pytest.mark.parametrize(
    "make", [lambda: Gamma(gamma=0.0), lambda: ToneCurve(shadows=-1.5), lambda: ToneCurve(highlights=2.0)]
)
def test_what_does_not_exist_is_refused(make: Callable[[], object]) -> None:
    with pytest.raises(ValueError, match=r"(Gamma|ToneCurve)\(.*=…\)"):
        make()

"""Light and picture: linear scene-referred RGB, and the sRGB values that are stored and shown (IEC 61966-2-1).

A power costs ten times what a product does, and every chain converts twice. Where nothing is traced or differentiated,
both curves are therefore polynomials in a root of their argument, which makes them nearly straight: within 10⁻⁶ of the
exact curves, far below any grey level, in half of the time.
"""

from collections.abc import Callable, Sequence
from typing import Final

import numpy as np
import torch
from torch import Tensor

from mechaug.mechanisms.eager import needs_gradient, values_known
from mechaug.types import Image

# Below its knee each curve is a straight line.
_PICTURE_KNEE: Final = 0.04045
_LIGHT_KNEE: Final = 0.0031308
_SLOPE: Final = 12.92


def to_light(picture: Image) -> Image:
    """Linear light of an sRGB picture.

    Args:
        picture: sRGB values in [0, 1].

    Returns:
        Linear RGB, white = 1.0.
    """
    if _is_plain(picture):
        root = picture.clamp(min=_PICTURE_KNEE).add_(0.055).sqrt_()
        return _polynomial(root, _TO_LIGHT).add_(picture.clamp(max=_PICTURE_KNEE), alpha=1 / _SLOPE)
    # The power's argument is kept away from 0 where the straight branch is taken, so that no gradient is NaN.
    curved = ((picture.clamp(min=_PICTURE_KNEE) + 0.055) / 1.055) ** 2.4
    return torch.where(picture <= _PICTURE_KNEE, picture / _SLOPE, curved)


def to_picture(light: Image) -> Image:
    """The sRGB picture of linear light; what is darker than black or brighter than white is clipped.

    Args:
        light: linear RGB, white = 1.0; any values.

    Returns:
        sRGB values in [0, 1].
    """
    if _is_plain(light):
        root = light.clamp(_LIGHT_KNEE, 1.0).sqrt_().sqrt_()
        straight = torch.clamp(light, 0.0, _LIGHT_KNEE)
        return _polynomial(root, _TO_PICTURE).add_(straight, alpha=_SLOPE).clamp_(0.0, 1.0)
    clipped = light.clamp(0.0, 1.0)
    curved = 1.055 * clipped.clamp(min=_LIGHT_KNEE) ** (1 / 2.4) - 0.055
    return torch.where(clipped <= _LIGHT_KNEE, _SLOPE * clipped, curved)


def _is_plain(x: Tensor) -> bool:
    """Whether the polynomials serve: single precision on a CPU, eager, no gradient. Elsewhere kernels are fused."""
    return x.dtype == torch.float32 and x.device.type == "cpu" and values_known() and not needs_gradient(x)


def _fit(curve: Callable[[np.ndarray], np.ndarray], low: float, degree: int, line: float) -> tuple[Tensor, ...]:
    """Coefficients, constant first, of the curve on low..1 by Chebyshev interpolation, less the line's part at low."""
    series = np.polynomial.Chebyshev.interpolate(curve, degree, domain=[low, 1.0])
    constant, *others = series.convert(kind=np.polynomial.Polynomial).coef.tolist()
    return tuple(torch.tensor(value, dtype=torch.float32) for value in (constant - line, *others))


def _polynomial(x: Tensor, coefficients: Sequence[Tensor]) -> Tensor:
    """Horner's rule, one pass over memory per degree."""
    *lower, second, first = coefficients
    y = torch.addcmul(second, x, first)
    for coefficient in reversed(lower):
        torch.addcmul(coefficient, y, x, out=y)
    return y


# In the square root of picture + 0.055, and in the fourth root of light. Each curve's straight part is added to it.
_ROOT_OF_WHITE: Final = 1.055**0.5
_TO_LIGHT: Final = tuple(
    coefficient / _ROOT_OF_WHITE**power
    for power, coefficient in enumerate(
        _fit(lambda s: s**4.8, ((_PICTURE_KNEE + 0.055) / 1.055) ** 0.5, degree=6, line=_PICTURE_KNEE / _SLOPE)
    )
)
_TO_PICTURE: Final = _fit(
    lambda s: 1.055 * s ** (5 / 3) - 0.055, _LIGHT_KNEE**0.25, degree=8, line=_LIGHT_KNEE * _SLOPE
)

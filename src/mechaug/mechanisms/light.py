"""Light and picture: linear scene-referred RGB, and the sRGB values that are stored and shown (IEC 61966-2-1).

Every chain converts twice, and a power is the slowest of elementwise operations. Where nothing is traced or
differentiated, both curves are therefore exp2(γ·log2(x)) in place, which takes half of the time, and the straight parts
below their knees are added instead of chosen.
"""

import math
from typing import Final

import torch
from torch import Tensor

from mechaug.mechanisms.eager import needs_gradient, values_known
from mechaug.types import Image

# Below its knee each curve is a straight line of this slope.
_PICTURE_KNEE: Final = 0.04045
_LIGHT_KNEE: Final = 0.0031308
_SLOPE: Final = 12.92
_GAMMA: Final = 2.4

# Factors, as what is added to a logarithm.
_DOWN: Final = torch.tensor(-_GAMMA * math.log2(1.055))
_UP: Final = torch.tensor(math.log2(1.055))


def to_light(picture: Image) -> Image:
    """Linear light of an sRGB picture.

    Args:
        picture: sRGB values in [0, 1].

    Returns:
        Linear RGB, white = 1.0.
    """
    if _is_plain(picture):
        power = picture.clamp(min=_PICTURE_KNEE).add_(0.055).log2_()
        curved = torch.add(_DOWN, power, alpha=_GAMMA, out=power).exp2_()
        return curved.add_(picture.clamp(max=_PICTURE_KNEE), alpha=1 / _SLOPE).sub_(_PICTURE_KNEE / _SLOPE)
    # The power's argument is kept away from 0 where the straight branch is taken, so that no gradient is NaN.
    curved = ((picture.clamp(min=_PICTURE_KNEE) + 0.055) / 1.055) ** _GAMMA
    return torch.where(picture <= _PICTURE_KNEE, picture / _SLOPE, curved)


def to_picture(light: Image) -> Image:
    """The sRGB picture of linear light; what is darker than black or brighter than white is clipped.

    Args:
        light: linear RGB, white = 1.0; any values.

    Returns:
        sRGB values in [0, 1].
    """
    if _is_plain(light):
        power = light.clamp(_LIGHT_KNEE, 1.0).log2_()
        curved = torch.add(_UP, power, alpha=1 / _GAMMA, out=power).exp2_()
        straight = light.clamp(0.0, _LIGHT_KNEE)
        return curved.add_(straight, alpha=_SLOPE).sub_(0.055 + _SLOPE * _LIGHT_KNEE).clamp_(0.0, 1.0)
    clipped = light.clamp(0.0, 1.0)
    curved = 1.055 * clipped.clamp(min=_LIGHT_KNEE) ** (1 / _GAMMA) - 0.055
    return torch.where(clipped <= _LIGHT_KNEE, _SLOPE * clipped, curved)


def _is_plain(x: Tensor) -> bool:
    """Whether the short cut serves: single precision on a CPU, eager, no gradient. Elsewhere kernels are fused."""
    return x.dtype == torch.float32 and x.device.type == "cpu" and values_known() and not needs_gradient(x)

"""Light and picture: linear scene-referred RGB, and the sRGB values that are stored and shown (IEC 61966-2-1).

Every chain converts twice, and a power is the slowest of elementwise operations. Where nothing is traced or
differentiated, both curves are therefore 2^(γ·log₂(x)) in place; what their argument lost when it was kept above the
knee is the argument of the straight part, which is added instead of chosen; and all steps are done for as many pictures
as the caches of the processor's cores hold before the next.
"""

import math
from collections.abc import Callable
from typing import Final

import torch
from torch import Tensor

from mechaug.mechanisms.eager import needs_gradient, values_known
from mechaug.memory import block_rows, blocks
from mechaug.types import Image

# Below its knee each curve is a straight line of this slope.
_PICTURE_KNEE: Final = 0.04045
_LIGHT_KNEE: Final = 0.0031308
_SLOPE: Final = 12.92
_GAMMA: Final = 2.4

# Light less 1 would lose the last places of what is dark, and four times the light does not.
_TIMES: Final = 4.0
_LESS: Final = torch.tensor(-1.0)

# Factors, as what is added to a binary logarithm; and a binary logarithm in natural ones.
_DOWN: Final = torch.tensor(-_GAMMA * math.log2(1.055))
_UP: Final = torch.tensor(math.log2(1.055) - math.log2(_TIMES) / _GAMMA)
_BITS: Final = 1 / math.log(2)


def to_light(picture: Image) -> Image:
    """Linear light of an sRGB picture.

    Args:
        picture: sRGB values in [0, 1].

    Returns:
        Linear RGB, white = 1.0.
    """
    if _is_plain(picture):
        return _in_blocks(_block_to_light, picture)
    # The power's argument is kept away from 0 where the straight branch is taken, so that no gradient is NaN.
    curved = ((picture.clamp(min=_PICTURE_KNEE) + 0.055) / 1.055) ** _GAMMA
    return torch.where(picture <= _PICTURE_KNEE, picture / _SLOPE, curved)


def to_picture(light: Image, out: Image | None = None) -> Image:
    """The sRGB picture of linear light; what is darker than black or brighter than white is clipped.

    Args:
        light: linear RGB, white = 1.0; any values.
        out: where the picture goes, like the light; None for new memory.

    Returns:
        sRGB values in [0, 1].
    """
    if _is_plain(light):
        return _in_blocks(_block_to_picture, light, out)
    clipped = light.clamp(0.0, 1.0)
    curved = 1.055 * clipped.clamp(min=_LIGHT_KNEE) ** (1 / _GAMMA) - 0.055
    picture = torch.where(clipped <= _LIGHT_KNEE, _SLOPE * clipped, curved)
    return picture if out is None else out.copy_(picture)


def _block_to_light(picture: Tensor, out: Tensor, curved: Tensor) -> None:
    torch.clamp(picture, min=_PICTURE_KNEE, out=curved)
    torch.sub(picture, curved, out=out)
    # log(x + 0.055): two processors' libraries agree on the speed of log1p and of powers of two, not of log and exp.
    torch.add(_DOWN, curved.sub_(1 - 0.055).log1p_(), alpha=_GAMMA * _BITS, out=curved).exp2_()
    torch.add(curved, out, alpha=1 / _SLOPE, out=out)


def _block_to_picture(light: Tensor, out: Tensor, curved: Tensor) -> None:
    torch.clamp(light, _LIGHT_KNEE, 1.0, out=curved)
    # What is lost, and the knee, which is taken away with the rest in the end: to clip is cheaper than to subtract.
    torch.clamp(light, max=_LIGHT_KNEE, out=out)
    torch.add(_LESS, curved, alpha=_TIMES, out=curved)
    torch.add(_UP, curved.log1p_(), alpha=_BITS / _GAMMA, out=curved).exp2_()
    torch.add(curved, out, alpha=_SLOPE, out=out).sub_(0.055 + _SLOPE * _LIGHT_KNEE).clamp_(0.0, 1.0)


def _in_blocks(convert: Callable[[Tensor, Tensor, Tensor], None], x: Image, out: Image | None = None) -> Image:
    """A curve block by block: `convert` gets the values, where they go, and room for as many."""
    out = torch.empty_like(x) if out is None else out
    numbers = x.shape[1:].numel()
    room = torch.empty_like(x[: block_rows(numbers)])
    for part in blocks(len(x), numbers):
        convert(x[part], out[part], room[: part.stop - part.start])
    return out


def _is_plain(x: Tensor) -> bool:
    """Whether the short cut serves: single precision on a CPU, eager, no gradient. Elsewhere kernels are fused."""
    return x.dtype == torch.float32 and x.device.type == "cpu" and values_known() and not needs_gradient(x)

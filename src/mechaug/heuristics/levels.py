"""The 256 grey levels of stored pictures, on which the operations of published policies work."""

from typing import TypeAlias

import torch
from jaxtyping import UInt8
from torch import Tensor

from mechaug.types import Image

Levels: TypeAlias = UInt8[Tensor, "b c h w"]
"""Grey levels, 0 to 255. A byte each, because chains of operations mostly move them about in memory."""


def to_levels(x: Image) -> Levels:
    """The grey levels of pictures in [0, 1], in new memory and without a gradient."""
    return x.detach().float().mul(255.0).round_().clamp_(0.0, 255.0).to(torch.uint8)


def to_picture(levels: Levels | Image, like: Tensor) -> Image:
    """Pictures in [0, 1] from grey levels, or from parts of levels, in the number format of another picture."""
    return levels.to(torch.float32, copy=True).div_(255.0).to(like.dtype)

"""Pictures of one size: the shorter side resized, the middle kept."""

from typing import Final

import numpy as np
import torch
from jaxtyping import Int64, UInt8
from torch import Tensor
from torch.nn.functional import interpolate

from mechaug.errors import UserError
from mechaug.types import Bytes

_CHUNK: Final = 512


def fitted(height: int, width: int, image_size: int) -> tuple[int, int]:
    """Height and width after the shorter side has become `image_size`; neither is below it."""
    shorter = min(height, width)
    return max(round(height * image_size / shorter), image_size), max(round(width * image_size / shorter), image_size)


def read_array(
    pixels: UInt8[np.ndarray, "n c height width"], rows: Int64[Tensor, " rows"], image_size: int | None
) -> Bytes:
    """Some rows of an array in memory or on disk, as squares of a given side (bicubic, antialiased) or as they are."""
    _, channels, height, width = pixels.shape
    if image_size is None or (height, width) == (image_size, image_size):
        return torch.from_numpy(np.ascontiguousarray(pixels[rows.numpy()]))
    size = fitted(height, width, image_size)
    top, left = (size[0] - image_size) // 2, (size[1] - image_size) // 2
    out = allocate(len(rows), channels, image_size, image_size)
    for start in range(0, len(rows), _CHUNK):
        part = torch.from_numpy(np.ascontiguousarray(pixels[rows[start : start + _CHUNK].numpy()])).float()
        part = interpolate(part, size=size, mode="bicubic", antialias=True)
        part = part[:, :, top : top + image_size, left : left + image_size]
        out[start : start + _CHUNK] = part.round().clamp(0, 255).to(torch.uint8)
    return out


def allocate(count: int, channels: int, height: int, width: int) -> Bytes:
    """Memory for some pictures.

    Raises:
        UserError: there is not enough.
    """
    try:
        return torch.empty((count, channels, height, width), dtype=torch.uint8)
    except RuntimeError:
        gigabytes = count * channels * height * width / 1e9
        raise UserError(
            f"{count} pictures of {height} by {width} need {gigabytes:,.0f} GB of memory: ask for fewer with "
            "--train-size and --test-size, or for smaller ones with --image-size"
        ) from None

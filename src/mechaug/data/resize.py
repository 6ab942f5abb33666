"""Pictures of one size: the shorter side resized, the middle kept."""

import contextlib
import math
import os
import tempfile
from typing import Final

import numpy as np
import torch
from jaxtyping import Int64, UInt8
from torch import Tensor
from torch.nn.functional import interpolate

from mechaug.errors import UserError
from mechaug.types import Bytes

_CHUNK: Final = 512
_LARGE: Final = 2**30  # bytes


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
        out = allocate(len(rows), channels, height, width)
        for start in range(0, len(rows), _CHUNK):
            out.numpy()[start : start + _CHUNK] = pixels[rows[start : start + _CHUNK].numpy()]
        return out
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
    """Room for some pictures: memory, or for more than a gigabyte a file that is deleted when it is no longer used.

    The system keeps of a file what fits into memory, so a set may be larger than that.

    Raises:
        UserError: there is not enough of either.
    """
    shape = (count, channels, height, width)
    if math.prod(shape) > _LARGE:
        with contextlib.suppress(OSError):
            return torch.from_numpy(_map(shape))
    try:
        return torch.empty(shape, dtype=torch.uint8)
    except RuntimeError:
        gigabytes = math.prod(shape) / 1e9
        raise UserError(
            f"{count} pictures of {height} by {width} need {gigabytes:,.0f} GB of memory or of disk in "
            f"{tempfile.gettempdir()}: ask for fewer with --train-size and --test-size, or for smaller ones with "
            "--image-size"
        ) from None


def _map(shape: tuple[int, ...]) -> UInt8[np.ndarray, "..."]:
    """A temporary file as an array. Its blocks are claimed at once: a disk that fills up later would kill the process.

    Raises:
        OSError: the disk lacks the room, or the system cannot claim it.
    """
    if not hasattr(os, "posix_fallocate"):
        raise OSError("this system cannot claim the blocks of a file")
    with tempfile.TemporaryFile() as file:
        os.posix_fallocate(file.fileno(), 0, math.prod(shape))
        return np.memmap(file, dtype=np.uint8, mode="r+", shape=shape)

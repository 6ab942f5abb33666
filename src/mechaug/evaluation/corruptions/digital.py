"""What processing does: contrast, fewer pixels, a codec.

Hendrycks and Dietterich, "Benchmarking neural network robustness to common corruptions and perturbations", ICLR 2019.
"""

import io

import torch
from jaxtyping import Int64, UInt8
from torch import Tensor

from mechaug.evaluation.corruptions.stored import Levels, unit
from mechaug.mechanisms.codec import Jpeg, JpegParams
from mechaug.types import Bytes


def contrast(pictures: Bytes, factor: float) -> Levels:
    """Values drawn towards the mean m of their channel: (x − m) · factor + m.

    Args:
        pictures: stored pictures.
        factor: of the contrast that is left, 0..1.
    """
    total = pictures.sum(dim=(2, 3), keepdim=True, dtype=torch.int64)
    mean = total.double() / (255 * pictures.shape[2] * pictures.shape[3])
    return unit(pictures, torch.float64).sub_(mean).mul_(factor).add_(mean).mul_(255)


def pixelate(pictures: Bytes, scale: float) -> Bytes:
    """Reduced to floor(side · scale) pixels by averaging, enlarged again by repeating; 8 bits after every step.

    Args:
        pictures: stored pictures.
        scale: of the reduced picture's sides, 0..1.
    """
    height, width = pictures.shape[-2:]
    narrow = _reduced(pictures, max(1, int(width * scale)))
    small = _reduced(narrow.mT, max(1, int(height * scale))).mT
    rows = _nearest(small.shape[2], height).to(pictures.device)
    columns = _nearest(small.shape[3], width).to(pictures.device)
    return small.index_select(2, rows).index_select(3, columns)


def _reduced(pictures: Bytes, size: int) -> UInt8[Tensor, "b c h {size}"]:
    """The last axis reduced to `size`: each new pixel is the mean of the pixels whose centres fall into it."""
    length = pictures.shape[-1]
    # New pixel i covers (i·s, (i + 1)·s], s = length/size, so it starts at floor(i·s − ½) + 1; kept in integers.
    bounds = (2 * length * torch.arange(size + 1) - size) // (2 * size) + 1
    sums = torch.nn.functional.pad(pictures.cumsum(-1, dtype=torch.int32), (1, 0))
    bounds = bounds.to(pictures.device)
    counts = bounds.diff().int()
    totals = sums.index_select(-1, bounds).diff()
    return ((2 * totals + counts) // (2 * counts)).to(torch.uint8)


def _nearest(size: int, length: int) -> Int64[Tensor, "{length}"]:
    """For each of `length` pixels, which of `size` equal parts its centre lies in."""
    return (2 * torch.arange(length) + 1) * size // (2 * length)


def jpeg_compression(pictures: Bytes, quality: int) -> Bytes:
    """Through a codec and back: baseline JPEG, chroma at half the resolution (4:2:0).

    On the CPU by Pillow, in memory. On an accelerator by `mechaug.mechanisms.Jpeg`, whose bytes are the same but
    for one pixel in a million or two, where pictures are at least 5 pixels wide: they stay on their device.

    Args:
        pictures: stored pictures of one or three channels.
        quality: 1..95, on the scale of the Independent JPEG Group.

    Raises:
        ValueError: pictures have neither one nor three channels.
    """
    if pictures.shape[1] not in (1, 3):
        raise ValueError(f"JPEG stores pictures of 1 or 3 channels, not {pictures.shape[1]}")
    if pictures.device.type == "cpu" or pictures.shape[-1] < 5:
        return _by_pillow(pictures.cpu(), quality).to(pictures.device)
    return _by_tensors(pictures, quality)


def _by_pillow(pictures: Bytes, quality: int) -> Bytes:
    import numpy as np
    from PIL import Image as Pillow

    decoded = torch.empty(pictures.shape, dtype=torch.uint8)
    for target, picture in zip(decoded, pictures, strict=True):
        file = io.BytesIO()
        image = Pillow.fromarray(np.ascontiguousarray(picture.permute(1, 2, 0).squeeze(-1).numpy()))
        image.save(file, "JPEG", quality=quality, subsampling="4:2:0")
        with Pillow.open(file) as stored:
            pixels = torch.from_numpy(np.array(stored))
        target.copy_(pixels.reshape(*picture.shape[1:], picture.shape[0]).permute(2, 0, 1))
    return decoded


def _by_tensors(pictures: Bytes, quality: int) -> Bytes:
    params = JpegParams(torch.full((len(pictures),), float(quality), device=pictures.device))
    with torch.no_grad():
        return Jpeg().apply(unit(pictures, torch.float32), params).mul_(255).round_().to(torch.uint8)

"""Photographs: what the estimators look at, from a file or from pixels."""

import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from mechaug.errors import UserError
from mechaug.scenes.estimators.exif import Exif, read_exif
from mechaug.scenes.estimators.jpeg import JpegTables, jpeg_tables

DETAIL: Final = 1024
"""Side of the middle part of a large picture whose noise and edges are looked at, pixels; whole blocks of JPEG."""

OVERVIEW: Final = 512
"""How many pixels of the longer side are looked at for light and colour, at equal distances."""

_SMALLEST: Final = 16

_OVERSHOOT: Final = 0.05


@dataclass(frozen=True)
class Photograph:
    """One picture at the pixels of its file.

    Attributes:
        name: of the file, or what it is called.
        pixels: sRGB 0..255, as stored: not turned, so that the codec's blocks stay where they were.
        width: as it is shown, pixels.
        height: as it is shown, pixels.
        jpeg: how it was compressed; None if it is no JPEG file.
        exif: what its camera wrote; None where there is no file.
    """

    name: str
    pixels: UInt8[Tensor, "3 h w"]
    width: int
    height: int
    jpeg: JpegTables | None
    exif: Exif | None

    def detail(self) -> Float[Tensor, "3 h w"]:
        """The middle of the picture, sRGB in [0, 1], at full resolution; it begins with a block of the codec."""
        top, left = (max(0, (length - DETAIL) // 2) // 16 * 16 for length in self.pixels.shape[1:])
        return self.pixels[:, top : top + DETAIL, left : left + DETAIL].float() / 255

    def overview(self) -> Float[Tensor, "3 h w"]:
        """Pixels from all over the picture, sRGB in [0, 1]."""
        step = max(1, -(-max(self.pixels.shape[1:]) // OVERVIEW))
        return self.pixels[:, step // 2 :: step, step // 2 :: step].float() / 255


def photograph_of(picture: Float[Tensor, "b 3 h w"] | Float[Tensor, "3 h w"], name: str = "picture") -> Photograph:
    """A photograph of pixels alone, sRGB in [0, 1], rounded to 8 bits.

    Raises:
        ValueError: it is not one picture of 3 channels and at least 16 pixels a side, or its values are not in [0, 1].
    """
    if picture.ndim == 4 and len(picture) == 1:
        picture = picture[0]
    if picture.ndim != 3 or picture.shape[0] != 3 or min(picture.shape[1:]) < _SMALLEST:
        raise ValueError(
            f"one picture of shape (3, height, width), at least {_SMALLEST} pixels a side, is needed, "
            f"not {tuple(picture.shape)}"
        )
    if not picture.is_floating_point():
        raise ValueError(f"pictures are floating point in [0, 1], not {picture.dtype}: convert with x.float() / 255")
    least, most = (end.item() for end in picture.aminmax())
    # Rounding, and filters that overshoot, are no other range.
    if not (least >= -_OVERSHOOT and most <= 1 + _OVERSHOOT):
        raise ValueError(
            f"a picture's values are in [0, 1], not {least:.3g} to {most:.3g}: undo what was done to them, such as "
            "a net's normalisation or 0 to 255"
        )
    pixels = (picture.clamp(0.0, 1.0) * 255).round().to(torch.uint8)
    return Photograph(name, pixels, picture.shape[2], picture.shape[1], None, None)


def read_photograph(path: Path) -> Photograph:
    """A photograph from a file.

    Raises:
        UserError: it cannot be read, is no picture, has more than 8 bits a channel, or is tiny; it says which.
    """
    import numpy as np
    import PIL.Image

    try:
        with warnings.catch_warnings():
            # Pillow warns of large pictures, and of metadata that is not as it should be.
            warnings.simplefilter("ignore")
            with PIL.Image.open(path) as file:
                jpeg, exif = jpeg_tables(file), read_exif(file)
                if file.mode.startswith(("I", "F")):
                    raise UserError(f"{path} holds more than 8 bits per value (mode {file.mode})")
                turned = file.getexif().get(0x0112) in (5, 6, 7, 8)
                layer = file.convert("RGBA") if file.has_transparency_data else None
                if layer is not None:
                    white = PIL.Image.new("RGBA", layer.size, "white")
                    photo = PIL.Image.alpha_composite(white, layer).convert("RGB")
                else:
                    photo = file.convert("RGB")
    except UserError:
        raise
    except Exception as error:  # decoders raise what they like
        raise UserError(f"{path} cannot be read as a picture ({error})") from error
    if min(photo.size) < _SMALLEST:
        raise UserError(f"{path} is {photo.width}×{photo.height} pixels: at least {_SMALLEST}×{_SMALLEST} are needed")
    pixels = torch.from_numpy(np.array(photo)).permute(2, 0, 1)
    width, height = (photo.height, photo.width) if turned else photo.size
    return Photograph(str(path), pixels, width, height, jpeg, exif)

"""A photograph from a file, as a picture to look at."""

import warnings
from pathlib import Path
from typing import Final

import torch

from mechaug.errors import UserError
from mechaug.types import Image

LARGEST: Final = 224
"""The side to which photographs are reduced where no size is given, pixels."""

_SMALLEST: Final = 16  # pixels: below this there is nothing to see


def load_photo(path: Path, size: int | None) -> Image:
    """A photograph as a batch of one picture.

    The camera's orientation is applied, transparency laid on white, the middle cut out as a square.

    Args:
        path: any file that Pillow reads.
        size: side of the square in pixels; None keeps the photograph's shorter side, up to 224.

    Returns:
        sRGB in [0, 1], shape (1, 3, size, size).

    Raises:
        UserError: the file is missing, damaged, no picture, deeper than 8 bits, too large, or too small.
    """
    import numpy as np
    import PIL.Image
    from PIL import ImageOps, UnidentifiedImageError

    if size is not None and size < _SMALLEST:
        raise UserError(f"a size of {size} is too small to see anything: give at least {_SMALLEST} pixels")
    if path.is_dir():
        raise UserError(f"{path} is a folder: name one picture file in it")
    try:
        with warnings.catch_warnings():
            # Pillow warns of pictures above 89 million pixels; cameras make them.
            warnings.simplefilter("ignore", PIL.Image.DecompressionBombWarning)
            with PIL.Image.open(path) as file:
                photo = ImageOps.exif_transpose(file)
                photo.load()
    except FileNotFoundError:
        raise UserError(f"{path} does not exist: name a picture file") from None
    except UnidentifiedImageError:
        raise UserError(f"{path} is not a picture that Pillow can read: name a JPEG, PNG or WebP file") from None
    except PIL.Image.DecompressionBombError:
        raise UserError(f"{path} has more pixels than a photograph: reduce it first") from None
    except (OSError, SyntaxError, ValueError) as error:
        raise UserError(f"{path} cannot be read, it may be damaged: {error}") from error
    if photo.mode.startswith(("I", "F")):
        raise UserError(f"{path} holds more than 8 bits per value (mode {photo.mode}): convert it to 8 bits first")
    if min(photo.size) < _SMALLEST:
        width, height = photo.size
        raise UserError(f"{path} is {width}×{height} pixels: at least {_SMALLEST}×{_SMALLEST} are needed")

    if photo.has_transparency_data:
        layer = photo.convert("RGBA")
        photo = PIL.Image.alpha_composite(PIL.Image.new("RGBA", layer.size, "white"), layer)
    side = size or min(*photo.size, LARGEST)
    square = ImageOps.fit(photo.convert("RGB"), (side, side), PIL.Image.Resampling.LANCZOS)
    return torch.from_numpy(np.array(square)).permute(2, 0, 1)[None].float() / 255.0

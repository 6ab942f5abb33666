"""Frost: the picture behind a pane with ice on it.

Hendrycks and Dietterich, "Benchmarking neural network robustness to common corruptions and perturbations", ICLR 2019.
The benchmark's photographs of frost are its authors' and are not part of mechaug: `load_frost` reads them from a
folder. Without them textures are drawn here that have their brightness, contrast, colour and sharpness in the mean;
figures from these are not comparable to published ones, and say so.
"""

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import torch
from jaxtyping import Float, Int64, UInt8
from torch import Tensor

from mechaug.errors import UserError
from mechaug.evaluation.corruptions.stored import Levels, store
from mechaug.keys import Key
from mechaug.types import Bytes

Texture = UInt8[Tensor, "3 height width"]

OFFICIAL: Final = ("frost1.png", "frost2.png", "frost3.png", "frost4.jpg", "frost5.jpg")
"""The benchmark's files that it draws from, of which the second and the third are alike."""

SIXTH: Final = "frost6.jpg"
"""A file that the benchmark has and, by an upper bound that is left out, never draws."""

_REDUCED_BELOW: Final = 100  # pixels: pictures as small as CIFAR's see every fifth pixel of a texture


@dataclass(frozen=True)
class Frost:
    """Textures, and where they are from.

    Attributes:
        textures: one of which is drawn for each picture, all with the same chance.
        official: whether these are the benchmark's own.
    """

    textures: tuple[Texture, ...]
    official: bool


def load_frost(folder: Path, *, sixth: bool = False) -> Frost:
    """The benchmark's photographs from a folder.

    Args:
        folder: with frost1.png to frost5.jpg.
        sixth: draw from frost6.jpg as well, which the published code does not.

    Raises:
        UserError: one of them is missing or cannot be read.
    """
    import numpy as np
    from PIL import Image, UnidentifiedImageError

    textures = []
    names = (*OFFICIAL, SIXTH) if sixth else OFFICIAL
    for name in names:
        try:
            with Image.open(folder / name) as picture:
                textures.append(torch.from_numpy(np.array(picture.convert("RGB"))).permute(2, 0, 1))
        except FileNotFoundError:
            raise UserError(f"{folder} lacks {name}: frost needs {', '.join(names)} of the benchmark") from None
        except (UnidentifiedImageError, OSError) as error:
            raise UserError(f"{folder / name} cannot be read as a picture: {error}") from error
    return Frost(tuple(textures), official=True)


@functools.cache
def drawn_frost() -> Frost:
    """Textures of our own: the four in effect, the second twice as in the benchmark."""
    one, two, four, five = (_texture(number, look) for number, look in enumerate(_LOOKS))
    return Frost((one, two, two, four, five), official=False)


@dataclass(frozen=True)
class _Look:
    """What is known of one photograph: its mean colour, its contrast, and how far its structures reach.

    Attributes:
        mean: of R, G and B, grey levels.
        std: of the luminance, grey levels.
        fine: share of the variance in structures of a pixel or two.
        slope: of the power spectrum of the rest, in powers of the frequency.
    """

    mean: tuple[float, float, float]
    std: float
    fine: float
    slope: float


_LOOKS: Final = (
    _Look((78, 149, 166), 18.0, 0.16, -1.9),
    _Look((201, 205, 215), 21.0, 0.16, -1.8),
    _Look((138, 153, 165), 28.0, 0.25, -1.5),
    _Look((112, 123, 135), 38.0, 0.18, -1.8),
)


def _texture(number: int, look: _Look) -> Texture:
    height, width = 420, 640
    noise = Key(0).fold("frost").fold(number).field(2, height, width).double()
    down = torch.fft.fftfreq(height, dtype=torch.float64)[:, None]
    across = torch.fft.rfftfreq(width, dtype=torch.float64)
    frequency = torch.hypot(down, across).clamp(min=1 / width)
    coarse = _standard(torch.fft.irfft2(torch.fft.rfft2(noise[0]) * frequency ** (look.slope / 2), s=(height, width)))
    # Crystals: fine detail is strong where a second coarse field is high, so that it comes in patches.
    patches = torch.exp(0.7 * coarse.roll((height // 2, width // 3), (0, 1)))
    fine = _standard(noise[1] * patches)
    luminance = math.sqrt(1 - look.fine) * coarse + math.sqrt(look.fine) * fine
    colour = torch.tensor(look.mean, dtype=torch.float64)[:, None, None]
    return store(colour + look.std * luminance)


def _standard(field: Float[Tensor, "h w"]) -> Float[Tensor, "h w"]:
    return (field - field.mean()) / field.std()


def frost(
    pictures: Bytes,
    which: Int64[Tensor, "b"],
    corner: Float[Tensor, "b 2"],
    textures: Sequence[Texture],
    kept: float,
    ice: float,
) -> Levels:
    """Kept · picture + ice · a part of a texture, cut out at random.

    Args:
        pictures: stored pictures of three channels, or of one, which sees the texture's mean.
        which: the texture of each picture.
        corner: uniform numbers in (0, 1): where the part lies, down and across.
        textures: those to choose from.
        kept: share of the picture.
        ice: share of the texture.

    Raises:
        ValueError: the pictures are larger than the textures.
    """
    height, width = pictures.shape[-2:]
    reduced = min(height, width) < _REDUCED_BELOW
    used = [(texture[:, 2::5, 2::5] if reduced else texture).to(pictures.device) for texture in textures]
    for texture in used:
        if texture.shape[1] <= height or texture.shape[2] <= width:
            raise ValueError(f"frost has no texture as large as pictures of {height}×{width}: corrupt smaller ones")
    parts = []
    for number, place in zip(which.tolist(), corner.double().tolist(), strict=True):
        texture = used[number]
        top = int(place[0] * (texture.shape[1] - height))
        left = int(place[1] * (texture.shape[2] - width))
        parts.append(texture[:, top : top + height, left : left + width])
    panes = torch.stack(parts).float()
    if pictures.shape[1] == 1:
        panes = panes.mean(1, keepdim=True)
    return kept * pictures.float() + ice * panes

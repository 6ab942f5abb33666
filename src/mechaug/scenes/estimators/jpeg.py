"""JPEG: what a file's own quantiser tables say about how it was compressed. Nothing is estimated here."""

import functools
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal

import torch
from jaxtyping import Int64
from torch import Tensor

from mechaug.mechanisms.codec import quantiser_steps

if TYPE_CHECKING:
    from PIL.Image import Image as PillowImage

Subsampling = Literal["4:4:4", "4:2:2", "4:2:0", "other"]

NEAR: Final = 0.1
"""How far the logarithms of steps may lie from those of a quality, root mean square, for it to be called near."""


@dataclass(frozen=True)
class JpegTables:
    """How a file was compressed.

    Attributes:
        steps: of luma; rows are vertical frequencies.
        quality: on the scale of the Independent JPEG Group, the nearest.
        exact: whether the tables are that quality's own.
        distance: root mean square of the logarithms of all luma steps over that quality's.
        subsampling: how colour is stored.
    """

    steps: Int64[Tensor, "8 8"]
    quality: int
    exact: bool
    distance: float
    subsampling: Subsampling


def jpeg_tables(file: "PillowImage") -> JpegTables | None:
    """The tables of an opened file, or None where it is no JPEG file with tables of 8 bits."""
    from PIL import JpegImagePlugin

    stored: Any = getattr(file, "quantization", None)
    if not stored or not isinstance(file, JpegImagePlugin.JpegImageFile):
        return None
    tables = [torch.tensor(list(stored[number])).reshape(8, 8) for number in sorted(stored)]
    quality, exact, distance = nearest_quality(tables[0], tables[1] if len(tables) > 1 else None)
    kinds: dict[int, Subsampling] = {0: "4:4:4", 1: "4:2:2", 2: "4:2:0"}
    subsampling = kinds.get(JpegImagePlugin.get_sampling(file), "other")
    return JpegTables(tables[0], quality, exact, distance, subsampling)


def nearest_quality(luma: Int64[Tensor, "8 8"], chroma: Int64[Tensor, "8 8"] | None) -> tuple[int, bool, float]:
    """The quality whose tables are these, or the nearest by the logarithms of the luma steps.

    Returns:
        The quality, whether both tables are its own, and the distance.
    """
    standard = _standard_tables()
    same = (standard[:, 0] == luma).all((1, 2))
    if chroma is not None:
        same &= (standard[:, 1] == chroma).all((1, 2))
    if bool(same.any()):
        return int(same.nonzero()[-1]) + 1, True, 0.0
    apart = (standard[:, 0].clamp(min=1).log() - luma.clamp(min=1).log()).square().mean((1, 2)).sqrt()
    best = int(apart.argmin())
    return best + 1, False, float(apart[best])


@functools.cache
def _standard_tables() -> Int64[Tensor, "100 2 8 8"]:
    """Annex K of ITU-T T.81, scaled by the Independent JPEG Group's rule, for the qualities 1 to 100."""
    return quantiser_steps(torch.arange(1.0, 101.0), hard=True).long()


def quality_text(tables: JpegTables) -> str:
    """What can be said about a file's quality, in words."""
    if tables.exact:
        return f"quality {tables.quality}, {tables.subsampling}"
    word = "near" if tables.distance <= NEAR else "far from"
    return f"tables of its maker's own, {word} quality {tables.quality} ({math.expm1(tables.distance):.0%} off)"

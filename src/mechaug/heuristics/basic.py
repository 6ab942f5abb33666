"""The augmentation that nearly every published training has: mirror at random, shift by a few pixels."""

from dataclasses import dataclass
from typing import ClassVar, final

import torch
from jaxtyping import Int64
from torch import Tensor

from mechaug.heuristics.base import About, Citation, Heuristic
from mechaug.keys import Key
from mechaug.mechanisms.base import Parameters, parameters
from mechaug.types import Image


@parameters
class FlipCropParameters(Parameters):
    """One row per image.

    Attributes:
        flip: 1 where the picture is mirrored left to right, first; else 0.
        shift_x_px: how far it then moves to the left, in pixels.
        shift_y_px: how far it moves up.
    """

    flip: Int64[Tensor, "b"]
    shift_x_px: Int64[Tensor, "b"]
    shift_y_px: Int64[Tensor, "b"]


@final
@dataclass(frozen=True)
class FlipCrop(Heuristic[FlipCropParameters]):
    """Mirror every second picture, pad with black on all sides, and crop to the old size at random.

    Exact: pixels move by whole numbers and none is interpolated; the gradient reaches the picture.

    Args:
        padding: in pixels; usually an eighth of the side, see `for_side` (He et al., "Deep residual learning for image
            recognition", CVPR 2016).
        flip: whether to mirror. Not where a mirror image means something else: arrows, text, traffic signs.

    Raises:
        ValueError: the padding is negative.
    """

    padding: int = 4
    flip: bool = True

    about: ClassVar[About] = About(
        name="Flip and crop",
        family="baseline",
        principle="Mirrors half of the pictures and moves all of them by up to an eighth of the side.",
        assumption="A mirror image and a shifted image mean the same; what leaves the frame is not needed.",
        needs="nothing",
        breaks="What a mirror image changes: text, arrows, traffic signs, left and right hands.",
        labels="kept by hope",
        cost="One look-up per pixel.",
        citation=Citation(
            "krizhevsky2012imagenet",
            ("Krizhevsky, Alex", "Sutskever, Ilya", "Hinton, Geoffrey E."),
            "ImageNet Classification with Deep Convolutional Neural Networks",
            "NeurIPS",
            2012,
        ),
    )

    def __post_init__(self) -> None:
        if self.padding < 0:
            raise ValueError(f"FlipCrop(padding=…) is a number of pixels from 0, not {self.padding}")

    @classmethod
    def for_side(cls, side: int, *, flip: bool = True) -> "FlipCrop":
        """With a padding of an eighth of the side: 4 pixels at 32."""
        return cls(padding=side // 8, flip=flip)

    def sample(self, key: Key) -> FlipCropParameters:
        """Draw flips with probability ½ and shifts from −padding to padding."""
        own = key.fold("FlipCrop")
        flip = own.fold("flip").integers(0, 2)
        return FlipCropParameters(
            flip=flip if self.flip else torch.zeros_like(flip),
            shift_x_px=own.fold("shift_x_px").integers(-self.padding, self.padding + 1),
            shift_y_px=own.fold("shift_y_px").integers(-self.padding, self.padding + 1),
        )

    def neutral(self, batch: int) -> FlipCropParameters:
        """No flip and no shift."""
        zero = torch.zeros(batch, dtype=torch.int64)
        return FlipCropParameters(flip=zero, shift_x_px=zero, shift_y_px=zero)

    def transform(self, x: Image, params: FlipCropParameters) -> Image:
        """Look up each pixel of the result."""
        channels, height, width = x.shape[1:]
        row = torch.arange(height, device=x.device) + params.shift_y_px[:, None]
        column = torch.arange(width, device=x.device) + params.shift_x_px[:, None]
        inside = ((row >= 0) & (row < height))[:, :, None] & ((column >= 0) & (column < width))[:, None, :]
        column = torch.where(params.flip[:, None] == 1, width - 1 - column, column)
        place = row.clamp(0, height - 1)[:, :, None] * width + column.clamp(0, width - 1)[:, None, :]
        moved = x.flatten(2).gather(2, place.flatten(1)[:, None].expand(-1, channels, -1)).view_as(x)
        return moved * inside[:, None]

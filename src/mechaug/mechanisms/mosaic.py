"""Mosaic: each pixel of a sensor sees one colour, and the camera guesses the other two."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal, final

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import conv2d, pad, pixel_shuffle

from mechaug.keys import Key
from mechaug.laws import Law, quantity
from mechaug.mechanisms.base import (
    Parameters,
    Semigroup,
    check_laws,
    draw_quantities,
    neutral_quantities,
    parameters,
    per_image,
)
from mechaug.mechanisms.eager import constant
from mechaug.types import Image, PerImage


@parameters
class DemosaicParams(Parameters):
    """`mosaic`: share of each picture that went through a Bayer mosaic of its own resolution, 0 to 1."""

    mosaic: PerImage


@final
@dataclass(frozen=True)
class Demosaic(Semigroup[DemosaicParams]):
    """A Bayer mosaic and its interpolation: x becomes x + mosaic·(P x − x).

    The mosaic keeps red at even rows and columns, blue at odd ones and green elsewhere (RGGB, Bayer's US patent
    3,971,065). The camera fills in the two colours that are missing at each pixel: "bilinear" by the mean of the
    nearest, "malvar" by adding what the other colours' Laplacians say of the detail (Malvar, He and Cutler,
    "High-quality linear interpolation for demosaicing of Bayer-patterned color images", ICASSP 2004, figure 2).
    Zippers along edges, false colours in fine texture and grains of noise that span pixels are what it leaves.

    Whatever is filled in, what was measured is kept. So P is a projection, also with its clipping at black, and shares
    compose: m₁ then m₂ is 1 − (1 − m₁)(1 − m₂), a semigroup.

    Args:
        mosaic: law of the share. 1 is a picture at the resolution of a one-chip sensor, 0 one that was scaled down
            many times from it, or taken with three chips. Between them the picture is a mixture, as light is between
            what was sampled and what was averaged.
        method: how the missing colours are filled in.

    Default prior: every share alike, for pictures of unknown scale. Malvar's is the better interpolation, so bilinear
    is the stronger intervention.

    Raises:
        ValueError: a law is outside 0 to 1, the method is unknown, or (in `transform`) an image has not three colours.
    """

    mosaic: Law = quantity((0.0, 1.0), "", neutral=0.0, low=0.0, high=1.0, sweep=(0.25, 1.0))
    method: Literal["bilinear", "malvar"] = "malvar"

    domain = "light"
    structure = "semigroup"
    overlaps = ("pixelate",)

    def __post_init__(self) -> None:
        check_laws(self)
        if self.method not in _WEIGHTS:
            raise ValueError(f'Demosaic(method=…) is "bilinear" or "malvar", not {self.method!r}')

    def sample(self, key: Key) -> DemosaicParams:
        return DemosaicParams(**draw_quantities(self, key))

    def neutral(self, batch: int) -> DemosaicParams:
        return DemosaicParams(**neutral_quantities(self, batch))

    def transform(self, x: Image, params: DemosaicParams) -> Image:
        if x.shape[1] != 3:
            raise ValueError(f"a mosaic is made of red, green and blue: pictures have 3 channels, not {x.shape[1]}")
        return torch.lerp(x, _filled_in(x, _WEIGHTS[self.method]), per_image(params.mosaic).to(x.dtype))

    def compose(self, first: DemosaicParams, second: DemosaicParams) -> DemosaicParams:
        return DemosaicParams(mosaic=1 - (1 - first.mosaic) * (1 - second.mosaic))


def _filled_in(x: Image, weights: Float[Tensor, "12 4 3 3"]) -> Image:
    """What is left of a picture after the mosaic, filled in."""
    height, width = x.shape[-2:]
    # Two pixels around, mirrored at the outermost pixel so that the mosaic goes on; whole cells of 2 × 2.
    below, right = 2 + height % 2, 2 + width % 2
    # Too small a picture cannot be mirrored: its outermost pixel is repeated.
    mode = "reflect" if height > below and width > right else "replicate"
    wide = pad(x, (2, right, 2, below), mode=mode)
    cells = torch.stack(
        (wide[:, 0, ::2, ::2], wide[:, 1, ::2, 1::2], wide[:, 1, 1::2, ::2], wide[:, 2, 1::2, 1::2]), dim=1
    )
    filled = pixel_shuffle(conv2d(cells, constant(weights, cells)), 2)
    return filled[..., :height, :width].clamp(min=0.0)


# The filters of figure 2 in Malvar's paper, in eighths: rows of the 5 × 5 pixels around the one that is filled in.
_Filter = Sequence[Sequence[float]]
_KEEP: Final[_Filter] = ((8,),)
_CROSS: Final[_Filter] = ((0, 0, -1, 0, 0), (0, 0, 2, 0, 0), (-1, 2, 4, 2, -1), (0, 0, 2, 0, 0), (0, 0, -1, 0, 0))
_ALONG: Final[_Filter] = ((0, 0, 0.5, 0, 0), (0, -1, 0, -1, 0), (-1, 4, 5, 4, -1), (0, -1, 0, -1, 0), (0, 0, 0.5, 0, 0))
_ACROSS: Final[_Filter] = tuple(zip(*_ALONG, strict=True))
_CORNERS: Final[_Filter] = (
    (0, 0, -1.5, 0, 0), (0, 2, 0, 2, 0), (-1.5, 0, 6, 0, -1.5), (0, 2, 0, 2, 0), (0, 0, -1.5, 0, 0)
)  # fmt: skip

# Their bilinear parts: the means of two or four neighbours.
_MEAN_CROSS: Final[_Filter] = ((0, 2, 0), (2, 0, 2), (0, 2, 0))
_MEAN_ALONG: Final[_Filter] = ((4, 0, 4),)
_MEAN_ACROSS: Final[_Filter] = ((4,), (0,), (4,))
_MEAN_CORNERS: Final[_Filter] = ((2, 0, 2), (0, 0, 0), (2, 0, 2))


def _weights(cross: _Filter, along: _Filter, across: _Filter, corners: _Filter) -> Float[Tensor, "12 4 3 3"]:
    """The convolution from cells to cells: for each colour and place in the cell, its filter.

    Args:
        cross: green at red and at blue.
        along: red (blue) at green between two reds (blues) of the same row.
        across: the same in the same column.
        corners: red at blue, blue at red.
    """
    # Places in the cell are (0, 0) red, (0, 1) and (1, 0) green, (1, 1) blue.
    filters = (
        (_KEEP, along, across, corners),
        (cross, _KEEP, _KEEP, cross),
        (corners, across, along, _KEEP),
    )
    weights = torch.zeros(3, 4, 4, 3, 3)
    for colour in range(3):
        for place in range(4):
            rows = filters[colour][place]
            for i, row in enumerate(rows):
                for j, eighths in enumerate(row):
                    # The pixel that is weighed, counted from the corner of the cell of the one that is filled in.
                    down = place // 2 + i - len(rows) // 2
                    right = place % 2 + j - len(row) // 2
                    weights[colour, place, 2 * (down % 2) + right % 2, down // 2 + 1, right // 2 + 1] = eighths / 8
    return weights.reshape(12, 4, 3, 3)


_WEIGHTS: Final[Mapping[str, Tensor]] = {
    "bilinear": _weights(_MEAN_CROSS, _MEAN_ALONG, _MEAN_ACROSS, _MEAN_CORNERS),
    "malvar": _weights(_CROSS, _ALONG, _ACROSS, _CORNERS),
}

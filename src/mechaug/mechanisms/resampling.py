"""Resampling: what software does to stored values, between the camera and the codec."""

import math
from dataclasses import dataclass
from typing import Literal, final

import torch
from jaxtyping import Float
from torch import Tensor

from mechaug.keys import Key
from mechaug.laws import Law, quantity
from mechaug.mechanisms.base import (
    Mechanism,
    Parameters,
    check_laws,
    draw_quantities,
    neutral_quantities,
    parameters,
    per_image,
)
from mechaug.mechanisms.eager import values_known
from mechaug.mechanisms.scale_space import along_lines
from mechaug.types import Image, PerImage


@parameters
class RescaleParams(Parameters):
    """How small the picture was stored.

    Attributes:
        factor: the width of one stored pixel in pixels of this picture, at least 1.
    """

    factor: PerImage


@final
@dataclass(frozen=True)
class Rescale(Mechanism[RescaleParams]):
    """The picture was stored smaller, and is shown enlarged.

    Stored pixels are squares `factor` pixels wide, counted from the upper left corner; the last ones reach over the
    edge, where the picture is mirrored. Each holds the mean of what it covers, as thumbnails are made and binning
    sensors count. Where a whole number of them fits, this is a software's "box" reduction and its "bilinear" or
    "nearest" enlargement; in between it changes smoothly with the factor.

    It acts on the picture and not on light, because that is what software does: it averages stored values.

    Args:
        factor: law of the width of a stored pixel, at least 1; at most one stored pixel covers the whole picture.
        up: how the small picture is enlarged. "bilinear" joins the stored pixels' centres by straight lines; "nearest"
            shows them as squares, whose edges, where they cut a pixel, share it by area.

    Default prior: up to half of the size on a logarithmic scale: one step of a set of thumbnails.
    """

    factor: Law = quantity((1.0, 2.0), "", neutral=1.0, scale="log", low=1.0, sweep=(1.5, 6.0))
    up: Literal["bilinear", "nearest"] = "bilinear"

    domain = "picture"
    structure = "none"
    overlaps = ("pixelate", "gaussian_blur", "defocus_blur", "zoom_blur", "glass_blur")

    def __post_init__(self) -> None:
        check_laws(self)
        if self.up not in ("bilinear", "nearest"):
            raise ValueError(f'Rescale(up=…) is "bilinear" or "nearest", not {self.up!r}')

    def sample(self, key: Key) -> RescaleParams:
        return RescaleParams(**draw_quantities(self, key))

    def neutral(self, batch: int) -> RescaleParams:
        return RescaleParams(**neutral_quantities(self, batch))

    def transform(self, x: Image, params: RescaleParams) -> Image:
        lines = {length: _Line(params.factor, length, self.up, x.dtype) for length in x.shape[-2:]}
        down, across = (lines[length] for length in x.shape[-2:])
        stored = along_lines(along_lines(x, down.reduce, -2, down.covered), across.reduce, -1, across.covered)
        return along_lines(along_lines(stored, down.enlarge, -2, down.joined), across.enlarge, -1, across.joined)


class _Line:
    """A line of pixels and its stored ones.

    Attributes:
        reduce: what each stored pixel takes from each pixel of the line.
        enlarge: what each pixel takes from each stored one.
    """

    reduce: Float[Tensor, "b stored n"]
    enlarge: Float[Tensor, "b n stored"]

    def __init__(self, factor: PerImage, length: int, up: Literal["bilinear", "nearest"], dtype: torch.dtype) -> None:
        # At least one pixel is stored. Those that are used then reach no farther than the line's mirror image.
        factor = factor.double().clamp(1.0, length)
        self.length, self.least, self.most = length, 1.0, float(length)
        if factor.numel() and values_known(factor):
            self.least = max(self.least, float(factor.detach().min()))
            self.most = min(self.most, float(factor.detach().max()))
        # One more than fit, for what lies beyond the last one's centre.
        self.count = min(length, math.ceil(length / self.least) + 1)
        pixel = torch.arange(length, dtype=dtype, device=factor.device)
        stored = torch.arange(self.count + 1, dtype=dtype, device=factor.device)
        edge = stored.double() * factor[:, None]
        passed = _passed(edge, pixel)
        # Edges beyond the line pass its pixels again on their way back.
        again = _passed(edge - length, pixel).flip(2)
        self.reduce = (passed + again).diff(dim=1) / factor.to(dtype)[:, None, None]
        if up == "nearest":
            self.enlarge = passed.diff(dim=1).mT
        else:
            place = ((pixel.double() + 0.5) / factor[:, None] - 0.5).clamp(min=0.0).to(dtype)
            self.enlarge = (1 - (place[:, :, None] - stored[:-1]).abs()).clamp(min=0.0)

    def covered(self, start: int, stop: int) -> tuple[int, int]:
        """From and up to which pixels some stored ones are computed."""
        end = math.ceil(stop * self.most) + 1
        first = min(math.floor(start * self.least) - 1, 2 * self.length - end)
        return max(0, first), min(self.length, end)

    def joined(self, start: int, stop: int) -> tuple[int, int]:
        """From and up to which stored pixels some pixels are computed."""
        return max(0, math.floor(start / self.most) - 1), min(self.count, math.ceil(stop / self.least) + 1)


def _passed(edge: Float[Tensor, "b edges"], pixel: Float[Tensor, "n"]) -> Float[Tensor, "b edges n"]:
    """How much of each pixel lies before each edge, from 0 to 1, in the pixels' dtype."""
    # Whole pixels apart from the rest of them, which single precision would cut short.
    whole = edge.detach().floor()
    rest = (edge - whole).to(pixel.dtype)
    return (whole.to(pixel.dtype)[:, :, None] - pixel).add_(rest[:, :, None]).clamp(0.0, 1.0)


@parameters
class BitDepthParams(Parameters):
    """How finely values are stored.

    Attributes:
        bits: bits per value, at least 1; above 16 the picture is not rounded.
    """

    bits: PerImage


@final
@dataclass(frozen=True)
class BitDepth(Mechanism[BitDepthParams]):
    """Stored values rounded to the nearest of 2^bits equally spaced levels from black to white.

    Args:
        bits: law of the bits per value, at least 1; infinity does not round. Fractions give the whole number of levels
            nearest to 2^bits.
        rounding: "hard" is what storage does; its gradient is that of the picture without rounding, and bits have that
            of the rounding error as it scales with the levels' distance. "soft" rounds by the smooth surrogate
            x ↦ ⌊x⌉ + (x − ⌊x⌉)³ (Shin & Song, NeurIPS workshop 2017) and allows any number of levels, so that value
            and gradient belong to one function.

    Default prior: 4 to 8 bits, from a palette picture's shades to what nearly every file holds.
    """

    bits: Law = quantity((4.0, 8.0), "bits", neutral=math.inf, low=1.0, sweep=(6.0, 1.0))
    rounding: Literal["hard", "soft"] = "hard"

    domain = "picture"
    structure = "idempotent"
    overlaps = ()

    def __post_init__(self) -> None:
        check_laws(self)
        if self.rounding not in ("hard", "soft"):
            raise ValueError(f'BitDepth(rounding=…) is "hard" or "soft", not {self.rounding!r}')

    def sample(self, key: Key) -> BitDepthParams:
        return BitDepthParams(**draw_quantities(self, key))

    def neutral(self, batch: int) -> BitDepthParams:
        return BitDepthParams(**neutral_quantities(self, batch))

    def transform(self, x: Image, params: BitDepthParams) -> Image:
        steps = 2.0 ** params.bits.to(x.dtype).clamp(1.0, 16.0) - 1.0
        if self.rounding == "hard":
            steps = steps + (steps.round() - steps).detach()
        rounded = _rounded(x, per_image(steps), self.rounding)
        if values_known(params.bits) and not bool((params.bits > 16.0).any()):
            return rounded
        # A weight of 0 or 1 makes lerp exact, and it is faster than where.
        return torch.lerp(rounded, x, per_image((params.bits > 16.0).to(x.dtype)))


def _rounded(x: Image, steps: Float[Tensor, "b 1 1 1"], rounding: Literal["hard", "soft"]) -> Image:
    """`x` at the nearest multiple of 1/steps, or at what is smoothly near it."""
    scaled = x * steps
    if rounding == "hard" and not torch.is_grad_enabled():
        # The same values in no new memory, which is what takes time here.
        return scaled.round_().div_(steps)
    whole = scaled.detach().round()
    beyond = scaled - whole
    return (scaled - beyond.detach() if rounding == "hard" else whole + beyond**3) / steps

"""Erasing: a rectangle of each picture is covered, so that no single part of an object may be relied on.

DeVries & Taylor, "Improved regularization of convolutional neural networks with cutout", arXiv 1708.04552, 2017; Zhong
et al., "Random erasing data augmentation", AAAI 2020.
"""

import math
from dataclasses import dataclass
from typing import ClassVar, Final, final

import torch
from jaxtyping import Bool
from torch import Tensor

from mechaug.fields import noise_field
from mechaug.heuristics.base import About, Citation, Heuristic
from mechaug.keys import Key
from mechaug.mechanisms.base import Parameters, parameters
from mechaug.types import Image, PerImage, Seeds


@parameters
class CutoutParameters(Parameters):
    """One row per image.

    Attributes:
        side: of the square, in shares of the shorter side of the picture; 0 covers nothing.
        across: where its middle lies, 0 (left) to 1.
        down: the same, 0 (top) to 1.
    """

    side: PerImage
    across: PerImage
    down: PerImage


@final
@dataclass(frozen=True)
class Cutout(Heuristic[CutoutParameters]):
    """A grey square whose middle lies anywhere in the picture, so that at the edge less of it is seen.

    The gradient reaches the pixels that stay.

    Args:
        side: of the square, in shares of the shorter side: ½ for CIFAR-10 and ¼ for CIFAR-100 in the paper.
        fill: its value; the paper covers with the mean of the data, which ½ is near.

    Raises:
        ValueError: an argument is outside 0 to 1.
    """

    side: float = 0.5
    fill: float = 0.5

    overlaps = ("checkerboard_cutout",)
    about: ClassVar[About] = About(
        name="Cutout",
        family="erasing",
        principle="Covers a square at a random place with grey.",
        assumption="What is left of the object is enough to know it by.",
        needs="nothing",
        breaks="Small objects, which it covers whole; it does not help against noise or blur.",
        labels="kept by hope",
        cost="One pass over the picture.",
        citation=Citation(
            "devries2017cutout",
            ("DeVries, Terrance", "Taylor, Graham W."),
            "Improved Regularization of Convolutional Neural Networks with Cutout",
            "arXiv:1708.04552",
            2017,
            "misc",
        ),
    )

    def __post_init__(self) -> None:
        for name in ("side", "fill"):
            if not 0.0 <= getattr(self, name) <= 1.0:
                raise ValueError(f"Cutout({name}=…) is 0 to 1, not {getattr(self, name)}")

    def sample(self, key: Key) -> CutoutParameters:
        """Draw the middle of the square, uniformly."""
        own = key.fold("Cutout")
        across, down = own.fold("across").uniform(), own.fold("down").uniform()
        return CutoutParameters(torch.full_like(across, self.side), across, down)

    def neutral(self, batch: int) -> CutoutParameters:
        """Nothing is covered."""
        return CutoutParameters(torch.zeros(batch), torch.full((batch,), 0.5), torch.full((batch,), 0.5))

    def transform(self, x: Image, params: CutoutParameters) -> Image:
        height, width = x.shape[2:]
        half = (params.side * min(height, width)).round().div(2, rounding_mode="floor")
        rows, columns = (
            stretch((place * size).floor() - half, (place * size).floor() + half, size)
            for place, size in ((params.down, height), (params.across, width))
        )
        return torch.where(rectangle(rows, columns), self.fill, x)


@parameters
class RandomErasingParameters(Parameters):
    """One row per image.

    Attributes:
        height: of the rectangle, in shares of the picture's; 0 covers nothing.
        width: the same across.
        down: where it lies in the room that it has, 0 (at the top) to 1 (at the bottom).
        across: the same, 0 (at the left) to 1.
        seed: of the values that it is filled with.
    """

    height: PerImage
    width: PerImage
    down: PerImage
    across: PerImage
    seed: Seeds


_TRIES: Final = 10


@final
@dataclass(frozen=True)
class RandomErasing(Heuristic[RandomErasingParameters]):
    """A rectangle of random area and shape, whole inside the picture, with a random value in each pixel.

    Area and shape are drawn until the rectangle fits, at most ten times; with the published ranges one draw in twenty
    does not.

    Args:
        probability: that a picture is changed at all.
        area: the smallest and the largest share of the picture.
        aspect: the most oblong shape, as height over width, 0 to 1: shapes are uniform from this to its inverse. It is
            that of the rectangle in a square picture, and stretched with the picture in others.

    Raises:
        ValueError: an argument is outside its range.
    """

    probability: float = 0.5
    area: tuple[float, float] = (0.02, 0.4)
    aspect: float = 0.3

    overlaps = ("checkerboard_cutout", "impulse_noise")
    about: ClassVar[About] = About(
        name="Random Erasing",
        family="erasing",
        principle="Covers a rectangle of random place, area and shape with random values, in every second picture.",
        assumption="What is left of the object is enough to know it by.",
        needs="nothing",
        breaks="Small objects, which it covers whole.",
        labels="kept by hope",
        cost="One pass over the picture, and noise for half of them.",
        citation=Citation(
            "zhong2020random",
            ("Zhong, Zhun", "Zheng, Liang", "Kang, Guoliang", "Li, Shaozi", "Yang, Yi"),
            "Random Erasing Data Augmentation",
            "AAAI",
            2020,
        ),
    )

    def __post_init__(self) -> None:
        low, high = self.area
        if not 0.0 <= self.probability <= 1.0:
            raise ValueError(f"RandomErasing(probability=…) is 0 to 1, not {self.probability}")
        if not 0.0 < low <= high < 1.0:
            raise ValueError(f"RandomErasing(area=…) is two shares between 0 and 1, the smaller first, not {self.area}")
        if not 0.0 < self.aspect <= 1.0:
            raise ValueError(f"RandomErasing(aspect=…) is above 0 and at most 1, not {self.aspect}")

    def sample(self, key: Key) -> RandomErasingParameters:
        """Draw whether to erase, then areas and shapes of which the first that fits is taken."""
        own = key.fold("RandomErasing")
        area = own.fold("area").uniform(*self.area, _TRIES)
        aspect = own.fold("aspect").uniform(self.aspect, 1.0 / self.aspect, _TRIES)
        height, width = (area * aspect).sqrt(), (area / aspect).sqrt()
        fits = (height < 1.0) & (width < 1.0)
        first = fits.long().argmax(-1, keepdim=True)
        erased = (own.fold("taken").unit() < self.probability) & fits.any(-1)

        def kept(value: Tensor) -> Tensor:
            return value.masked_fill(~erased, 0.0)

        return RandomErasingParameters(
            height=kept(height.gather(-1, first).squeeze(-1)),
            width=kept(width.gather(-1, first).squeeze(-1)),
            down=kept(own.fold("down").uniform()),
            across=kept(own.fold("across").uniform()),
            seed=own.fold("values").seed(),
        )

    def neutral(self, batch: int) -> RandomErasingParameters:
        """Nothing is covered."""
        none = torch.zeros(batch)
        return RandomErasingParameters(none, none, none, none, torch.zeros(batch, dtype=torch.int64))

    def transform(self, x: Image, params: RandomErasingParameters) -> Image:
        rows, columns = (
            _inside(length, place, size)
            for length, place, size in (
                (params.height, params.down, x.shape[2]),
                (params.width, params.across, x.shape[3]),
            )
        )
        # Uniform values: the distribution function of normal ones.
        values = noise_field(params.seed, list(x.shape[1:])).mul_(math.sqrt(0.5)).erf_().add_(1.0).mul_(0.5)
        return torch.where(rectangle(rows, columns), values.to(x.dtype), x)


def _inside(length: PerImage, place: PerImage, size: int) -> Bool[Tensor, "b {size}"]:
    """Which pixels of a line belong to a stretch, of a length in shares of the line, at a place in the room it has."""
    pixels = (length * size).round().clamp(max=size - 1.0)
    first = (place * (size - pixels + 1.0)).floor().clamp(max=size - pixels)
    return stretch(first, first + pixels, size)


def stretch(first: PerImage, end: PerImage, size: int) -> Bool[Tensor, "b {size}"]:
    """Which pixels of a line are not before `first`, and before `end`."""
    pixel = torch.arange(size, device=first.device)
    return (pixel >= first[:, None]) & (pixel < end[:, None])


def rectangle(rows: Bool[Tensor, "b h"], columns: Bool[Tensor, "b w"]) -> Bool[Tensor, "b 1 h w"]:
    """Which pixels lie in the given rows and in the given columns."""
    return rows[:, None, :, None] & columns[:, None, None, :]

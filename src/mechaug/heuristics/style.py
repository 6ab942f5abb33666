"""Style from another picture of the batch: its means and spreads, of linear light or of the net's features."""

from dataclasses import dataclass
from typing import ClassVar, final

import torch
from jaxtyping import Float
from torch import Tensor, nn

from mechaug.heuristics.base import About, Citation
from mechaug.heuristics.views import Batch, Inside, Mixing, View, ViewMaker, in_turn, partner_rows, stages
from mechaug.keys import Key
from mechaug.mechanisms.base import Parameters, parameters
from mechaug.mechanisms.light import to_light, to_picture
from mechaug.types import Image, Labels, PerImage

_SMALLEST = 1e-6
"""Variance that is added to each, as published, so that a flat channel has a spread."""


@parameters
class StyleParameters(Parameters):
    """One row per image.

    Attributes:
        partner: a draw in [0, 1] that `partner_rows` turns into a row of the batch.
        share: of the picture's own statistics in those that it gets, 0 to 1.
    """

    partner: PerImage
    share: PerImage


def restyle(features: Float[Tensor, "b c h w"], params: StyleParameters) -> Float[Tensor, "b c h w"]:
    """The features with means and standard deviations, per channel, between their own and their partner's.

    No gradient runs through the statistics, as published. Where a picture's share is 1 its features stay bit for bit.
    """
    x = features.float()
    mean = x.mean((2, 3), keepdim=True).detach()
    spread = (x.var((2, 3), keepdim=True, unbiased=False) + _SMALLEST).sqrt().detach()
    rows, share = partner_rows(params.partner), params.share[:, None, None, None]
    new_mean = torch.lerp(mean.index_select(0, rows), mean, share)
    new_spread = torch.lerp(spread.index_select(0, rows), spread, share)
    changed = (x - mean) / spread * new_spread + new_mean
    return torch.where(share == 1.0, features, changed.to(features.dtype))


@final
@dataclass(frozen=True)
class StyleSwap(Mixing[StyleParameters]):
    """Adaptive instance normalisation of pictures: the tone and colour of one, the structure of the other.

    It happens in linear light, where a change of mean and spread is one of exposure, haze and colour of the light; the
    published form does the same to features of a pretrained net and needs a decoder.

    Args:
        low: the least share of a picture's own statistics; uniform from here to 1.

    Raises:
        ValueError: it is no share.
    """

    low: int | float = 0.0

    overlaps = ("brightness", "contrast", "saturate")
    about: ClassVar[About] = About(
        name="AdaIN style swap",
        family="style",
        principle="Gives a picture, in linear light, the mean and spread of each channel of another.",
        assumption="The class does not rest on overall colour, brightness and contrast.",
        needs="a batch",
        breaks="Classes that colour tells apart: fruit, traffic lights, birds.",
        labels="kept by hope",
        cost="Two conversions of colour space and two statistics per picture.",
        citation=Citation(
            "huang2017adain",
            ("Huang, Xun", "Belongie, Serge"),
            "Arbitrary Style Transfer in Real-Time with Adaptive Instance Normalization",
            "ICCV",
            2017,
        ),
    )

    def __post_init__(self) -> None:
        if not 0 <= self.low <= 1:
            raise ValueError(f"StyleSwap(low=…) is a share from 0 to 1, not {self.low}")

    def sample(self, key: Key) -> StyleParameters:
        own = key.fold("StyleSwap")
        return StyleParameters(own.fold("partner").uniform(), own.fold("share").uniform(self.low, 1.0))

    def neutral(self, batch: int) -> StyleParameters:
        return StyleParameters(torch.linspace(0.0, 1.0, batch), torch.ones(batch))

    def mix(self, x: Image, params: StyleParameters) -> Image:
        changed = to_picture(restyle(to_light(x), params).clamp(min=0.0)).to(x.dtype)
        return torch.where(params.share[:, None, None, None] == 1.0, x, changed)

    def targets(self, labels: Labels, classes: int, params: StyleParameters) -> Labels:
        del classes, params
        return labels


@final
@dataclass(frozen=True)
class MixStyle(ViewMaker):
    """Means and spreads of features after early stages of the net, mixed with those of another picture of the batch.

    Args:
        alpha: of the Beta(alpha, alpha) law of the share.
        probability: of a picture's features to be changed at a layer (published: of a batch's).
        layers: names of modules of the net; empty for all but the last of the stages that the net names itself, as
            published for pictures of objects.

    Raises:
        ValueError: an argument is outside its range.
    """

    alpha: int | float = 0.1
    probability: int | float = 0.5
    layers: tuple[str, ...] = ()

    overlaps = ("brightness", "contrast", "saturate")
    about: ClassVar[About] = About(
        name="MixStyle",
        family="style",
        principle="Mixes the means and spreads of a picture's early features with those of another picture.",
        assumption="Early means and spreads are the style of a picture, and the class is in the rest.",
        needs="a batch, and the names of layers of the net",
        breaks="Classes that differ by overall colour or texture; it hurts when done in late layers.",
        labels="kept by hope",
        cost="Two statistics per picture and layer.",
        citation=Citation(
            "zhou2021mixstyle",
            ("Zhou, Kaiyang", "Yang, Yongxin", "Qiao, Yu", "Xiang, Tao"),
            "Domain Generalization with MixStyle",
            "ICLR",
            2021,
        ),
    )

    def __post_init__(self) -> None:
        if not self.alpha > 0:
            raise ValueError(f"MixStyle(alpha=…) is positive, not {self.alpha}")
        if not 0 <= self.probability <= 1:
            raise ValueError(f"MixStyle(probability=…) is a share from 0 to 1, not {self.probability}")

    def sample(self, key: Key) -> StyleParameters:
        """Draw one row of parameters per key, for one layer."""
        own = key.fold("MixStyle")
        happens = own.fold("happens").unit() < self.probability
        share = torch.where(happens, own.fold("share").beta(self.alpha, self.alpha), 1.0)
        return StyleParameters(own.fold("partner").uniform(), share.float())

    def neutral(self, batch: int) -> StyleParameters:
        """Parameters that change nothing."""
        return StyleParameters(torch.linspace(0.0, 1.0, batch), torch.ones(batch))

    def views(self, model: nn.Module, batch: Batch, *, clean: bool, count: int) -> tuple[View, ...]:
        layers = self.layers or stages(model)[:-1]

        def inside(layer: str, key: Key) -> Inside:
            params = self.sample(key.fold(layer)).to(batch.pictures.device)
            return Inside(layer, lambda features: restyle(features, params))

        def make(key: Key) -> View:
            return View(batch.pictures, batch.labels, tuple(inside(layer, key) for layer in layers))

        return in_turn(batch, make, clean=clean, count=count)

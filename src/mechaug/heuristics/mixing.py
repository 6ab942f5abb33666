"""Mixing of pictures and labels: Mixup, CutMix and RegMixup, with a share of its own for every picture of a batch."""

from dataclasses import dataclass
from typing import ClassVar, Final, final

import torch
from jaxtyping import Float
from torch import Tensor

from mechaug.heuristics.base import About, Citation
from mechaug.heuristics.views import Mixing, partner_rows, shared_targets
from mechaug.keys import Key
from mechaug.mechanisms.base import Parameters, parameters
from mechaug.types import Image, Labels, PerImage, Targets


@parameters
class MixupParameters(Parameters):
    """One row per image.

    Attributes:
        partner: a draw in [0, 1] that `partner_rows` turns into a row of the batch.
        share: of the picture itself and of its label in the mixture, 0 to 1.
    """

    partner: PerImage
    share: PerImage


def draw_mixup(own: Key, alpha: float) -> MixupParameters:
    """A partner, and a share from Beta(alpha, alpha)."""
    return MixupParameters(partner=own.fold("partner").uniform(), share=own.fold("share").beta(alpha, alpha))


def unmixed(batch: int) -> MixupParameters:
    """Everyone keeps to themselves."""
    # Ascending draws, so that the partner of each row is itself.
    return MixupParameters(partner=torch.linspace(0.0, 1.0, batch), share=torch.ones(batch))


def blend(features: Float[Tensor, "b ..."], params: MixupParameters) -> Float[Tensor, "b ..."]:
    """Its share of each picture, and the rest of its partner: for pictures or features."""
    other = features.index_select(0, partner_rows(params.partner))
    share = params.share.to(features.dtype).reshape(-1, *(1,) * (features.ndim - 1))
    return torch.lerp(other, features, share)


def blend_targets(labels: Labels, classes: int, params: MixupParameters) -> Targets:
    """The labels in the same shares."""
    return shared_targets(labels, partner_rows(params.partner), params.share, classes)


@final
@dataclass(frozen=True)
class Mixup(Mixing[MixupParameters]):
    """Convex combinations of two pictures and of their labels.

    Args:
        alpha: of the Beta(alpha, alpha) law of the share: 1 on CIFAR-10, 0.2 on ImageNet.

    Raises:
        ValueError: it is not positive.
    """

    alpha: int | float = 1.0

    about: ClassVar[About] = About(
        name="Mixup",
        family="mixing",
        principle="Shows the average of two pictures, in random shares, and asks for the average of their labels.",
        assumption="Between two pictures of the training set the class changes as linearly as the pixels do.",
        needs="a batch",
        breaks="Confidence on clean pictures, which it lowers; no picture that a camera takes looks like its own.",
        labels="mixed",
        cost="One look at a second picture per picture.",
        citation=Citation(
            "zhang2018mixup",
            ("Zhang, Hongyi", "Cisse, Moustapha", "Dauphin, Yann N.", "Lopez-Paz, David"),
            "mixup: Beyond Empirical Risk Minimization",
            "ICLR",
            2018,
        ),
    )

    def __post_init__(self) -> None:
        if not self.alpha > 0:
            raise ValueError(f"Mixup(alpha=…) is positive, not {self.alpha}")

    def sample(self, key: Key) -> MixupParameters:
        return draw_mixup(key.fold("Mixup"), self.alpha)

    def neutral(self, batch: int) -> MixupParameters:
        return unmixed(batch)

    def mix(self, x: Image, params: MixupParameters) -> Image:
        return blend(x, params)

    def targets(self, labels: Labels, classes: int, params: MixupParameters) -> Targets:
        return blend_targets(labels, classes, params)


@final
@dataclass(frozen=True)
class RegMixup(Mixing[MixupParameters]):
    """Mixup with shares near a half, beside the clean pictures and not instead of them.

    With `CrossEntropy("clean") + CrossEntropy("augmented")`, whose views have targets of their own, it is the whole
    method.

    Args:
        alpha: of the Beta(alpha, alpha) law of the share: 20 on CIFAR-10, 10 on CIFAR-100 and ImageNet.

    Raises:
        ValueError: it is not positive.
    """

    alpha: int | float = 20.0

    about: ClassVar[About] = About(
        name="RegMixup",
        family="mixing",
        principle="Adds to the loss on clean pictures that of Mixup with shares near a half, as a regulariser.",
        assumption="Halfway between two classes a net should be unsure; on clean pictures it need not be.",
        needs="a batch, and the clean pictures in the loss",
        breaks="Little on clean pictures; its mixtures are further from any photograph than those of Mixup.",
        labels="mixed",
        cost="A second forward and backward pass.",
        citation=Citation(
            "pinto2022regmixup",
            ("Pinto, Francesco", "Yang, Harry", "Lim, Ser-Nam", "Torr, Philip H. S.", "Dokania, Puneet K."),
            "Using Mixup as a Regularizer Can Surprisingly Improve Accuracy & Out-of-Distribution Robustness",
            "NeurIPS",
            2022,
        ),
    )

    def __post_init__(self) -> None:
        if not self.alpha > 0:
            raise ValueError(f"RegMixup(alpha=…) is positive, not {self.alpha}")

    def sample(self, key: Key) -> MixupParameters:
        return draw_mixup(key.fold("RegMixup"), self.alpha)

    def neutral(self, batch: int) -> MixupParameters:
        return unmixed(batch)

    def mix(self, x: Image, params: MixupParameters) -> Image:
        return blend(x, params)

    def targets(self, labels: Labels, classes: int, params: MixupParameters) -> Targets:
        return blend_targets(labels, classes, params)


@parameters
class CutMixParameters(Parameters):
    """One row per image.

    Attributes:
        partner: a draw in [0, 1] that `partner_rows` turns into a row of the batch.
        box: its left, top, right and bottom border, in shares of the side.
        share: of the picture's own label: of the area outside the box.
    """

    partner: PerImage
    box: Float[Tensor, "b 4"]
    share: PerImage


GRID: Final = 32
"""The side of CIFAR's pictures, on whose pixels the published boxes lie."""


@final
@dataclass(frozen=True)
class CutMix(Mixing[CutMixParameters]):
    """A box of another picture, pasted in; the labels are mixed by area.

    The area of the box is a share from Beta(alpha, alpha), its centre is uniform, and what leaves the picture is cut
    off, which is when the share of the label grows. Its borders lie on a grid, so that the parameters do not depend on
    the size of the pictures and the share is that of the area, exactly: where a border lies between two pixels of the
    grid's size it is hard, and where it falls within a pixel, that pixel is mixed.

    Args:
        alpha: of the Beta law.
        probability: of a picture to get a box: 0.5 on CIFAR, 1 on ImageNet.
        grid: cells per side; 32 suits pictures of 32, 64, 96 … pixels.

    Raises:
        ValueError: an argument is outside its range.
    """

    alpha: int | float = 1.0
    probability: int | float = 0.5
    grid: int = GRID

    overlaps = ()
    about: ClassVar[About] = About(
        name="CutMix",
        family="mixing",
        principle="Pastes a box of one picture into another and mixes the labels by area.",
        assumption="Every part of a picture tells as much of its class as its area says.",
        needs="a batch",
        breaks="Small objects, which the box hides while their label stays; on corrupted pictures it helps little.",
        labels="mixed",
        cost="One look at a second picture per picture.",
        citation=Citation(
            "yun2019cutmix",
            (
                "Yun, Sangdoo",
                "Han, Dongyoon",
                "Oh, Seong Joon",
                "Chun, Sanghyuk",
                "Choe, Junsuk",
                "Yoo, Youngjoon",
            ),
            "CutMix: Regularization Strategy to Train Strong Classifiers with Localizable Features",
            "ICCV",
            2019,
        ),
    )

    def __post_init__(self) -> None:
        if not self.alpha > 0:
            raise ValueError(f"CutMix(alpha=…) is positive, not {self.alpha}")
        if not 0 <= self.probability <= 1:
            raise ValueError(f"CutMix(probability=…) is a share from 0 to 1, not {self.probability}")
        if self.grid < 1:
            raise ValueError(f"CutMix(grid=…) is a number of cells, at least 1, not {self.grid}")

    def sample(self, key: Key) -> CutMixParameters:
        """Draw area and centre; half the side of the box is a whole number of cells, as published."""
        own = key.fold("CutMix")
        area = 1.0 - own.fold("area").beta(self.alpha, self.alpha).double()
        half = (0.5 * self.grid * area.sqrt()).trunc()
        half = torch.where(own.fold("happens").unit() < self.probability, half, 0.0)
        centre = own.fold("centre").integers(0, self.grid, 2).double()
        low = (centre - half[..., None]).clamp(min=0.0) / self.grid
        high = (centre + half[..., None]).clamp(max=self.grid) / self.grid
        return CutMixParameters(
            partner=own.fold("partner").uniform(),
            box=torch.cat((low, high), dim=-1).float(),
            share=(1.0 - (high - low).prod(-1)).float(),
        )

    def neutral(self, batch: int) -> CutMixParameters:
        """A box without area."""
        return CutMixParameters(torch.linspace(0.0, 1.0, batch), torch.zeros(batch, 4), torch.ones(batch))

    def mix(self, x: Image, params: CutMixParameters) -> Image:
        """Paste the box of the partner; a pixel that a border crosses is mixed by what lies on each side."""
        left, top, right, bottom = params.box.unbind(1)
        covered = _covered(top, bottom, x.shape[2])[:, None, :, None] * _covered(left, right, x.shape[3])[:, None, None]
        return torch.lerp(x, x.index_select(0, partner_rows(params.partner)), covered.to(x.dtype))

    def targets(self, labels: Labels, classes: int, params: CutMixParameters) -> Targets:
        return shared_targets(labels, partner_rows(params.partner), params.share, classes)


def _covered(low: PerImage, high: PerImage, side: int) -> Float[Tensor, "b {side}"]:
    """What part of each of `side` pixels in a row lies between two places in [0, 1]."""
    first = torch.arange(side, device=low.device, dtype=low.dtype)
    return (torch.minimum(high[:, None] * side, first + 1) - torch.maximum(low[:, None] * side, first)).clamp(0.0, 1.0)

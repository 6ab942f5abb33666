"""Mixing of features inside the net: Manifold Mixup, and NoisyMix, which adds noise and AugMix."""

import functools
from dataclasses import dataclass, field
from typing import ClassVar, final

import torch
from jaxtyping import Float
from torch import Tensor, nn

from mechaug.fields import noise_field
from mechaug.heuristics.augmix import AugMix
from mechaug.heuristics.base import About, Citation
from mechaug.heuristics.mixing import MixupParameters, blend, blend_targets, draw_mixup, unmixed
from mechaug.heuristics.views import Batch, Inside, View, ViewMaker, in_turn, stages
from mechaug.keys import Key
from mechaug.mechanisms.base import Parameters, parameters
from mechaug.types import PerImage, Seeds


@parameters
class ManifoldMixupParameters(Parameters):
    """One row per image.

    Attributes:
        mixup: partner and share.
        depth: a draw in [0, 1] that says where to mix; that of the first picture holds for the whole batch.
    """

    mixup: MixupParameters
    depth: PerImage


@final
@dataclass(frozen=True)
class ManifoldMixup(ViewMaker):
    """Mixup of the pictures, or of what the net makes of them after one of its first stages.

    A batch is mixed at one place: at the pictures or after one of the layers, each with equal probability.

    Args:
        alpha: of the Beta(alpha, alpha) law of the share.
        layers: names of modules of the net; empty for the first two of the stages that the net names itself, as
            published.

    Raises:
        ValueError: alpha is not positive.
    """

    alpha: int | float = 2.0
    layers: tuple[str, ...] = ()

    about: ClassVar[About] = About(
        name="Manifold Mixup",
        family="mixing",
        principle="Mixes two pictures or what the net makes of them at a random depth, and mixes their labels.",
        assumption="In the net's features, too, the class changes linearly between two pictures.",
        needs="a batch, and the names of layers of the net",
        breaks="Confidence on clean pictures, as Mixup does; it says nothing of what a camera does.",
        labels="mixed",
        cost="One look at a second picture's features per picture.",
        citation=Citation(
            "verma2019manifold",
            (
                "Verma, Vikas",
                "Lamb, Alex",
                "Beckham, Christopher",
                "Najafi, Amir",
                "Mitliagkas, Ioannis",
                "Lopez-Paz, David",
                "Bengio, Yoshua",
            ),
            "Manifold Mixup: Better Representations by Interpolating Hidden States",
            "ICML",
            2019,
        ),
    )

    def __post_init__(self) -> None:
        if not self.alpha > 0:
            raise ValueError(f"ManifoldMixup(alpha=…) is positive, not {self.alpha}")

    def sample(self, key: Key) -> ManifoldMixupParameters:
        """Draw one row of parameters per key."""
        own = key.fold("ManifoldMixup")
        return ManifoldMixupParameters(draw_mixup(own, self.alpha), own.fold("depth").uniform())

    def neutral(self, batch: int) -> ManifoldMixupParameters:
        """Parameters that mix nothing."""
        return ManifoldMixupParameters(unmixed(batch), torch.zeros(batch))

    def views(self, model: nn.Module, batch: Batch, *, clean: bool, count: int) -> tuple[View, ...]:
        layers = ("", *(self.layers or stages(model)[:2]))

        def make(key: Key) -> View:
            params = self.sample(key).to(batch.pictures.device)
            layer = _choose(layers, params.depth)
            targets = blend_targets(batch.labels, batch.classes, params.mixup)
            if layer == "":
                return View(blend(batch.pictures, params.mixup), targets)
            return View(batch.pictures, targets, (Inside(layer, lambda features: blend(features, params.mixup)),))

        return in_turn(batch, make, clean=clean, count=count)


def _choose(layers: tuple[str, ...], depth: PerImage) -> str:
    """The layer for a batch: what its first picture drew. Which one it is decides what runs, so it is waited for."""
    return layers[min(int(depth[0] * len(layers)), len(layers) - 1)]


@parameters
class NoisyMixParameters(Parameters):
    """One row per image.

    Attributes:
        mixup: partner and share.
        depth: a draw in [0, 1] that says where to mix; that of the first picture holds for the whole batch.
        added: standard deviation of the noise that is added to features.
        multiplied: half the range of the noise around 1 that they are multiplied by.
        seed: of the noise.
    """

    mixup: MixupParameters
    depth: PerImage
    added: PerImage
    multiplied: PerImage
    seed: Seeds


@final
@dataclass(frozen=True)
class NoisyMix(ViewMaker):
    """Noisy features of mixed pictures, in the clean view and in two of AugMix.

    All views are mixed in the same shares, with the same partners and at the same depth; each then gets noise of its
    own. With `CrossEntropy("clean") + 12 * JSD(views=2)` it is the whole method: its clean view has mixed targets. The
    published code draws one share and one level of noise a batch; here each picture has its own.

    Args:
        alpha: of the Beta(alpha, alpha) law of the share.
        added: the most noise that is added; its level is this times a draw from Beta(2, 5).
        multiplied: the same for the noise that multiplies.
        augmix: what makes the further views.
        layers: names of modules of the net; empty for the first two of the stages that the net names itself.

    Raises:
        ValueError: alpha is not positive, or a level of noise is negative.
    """

    alpha: int | float = 1.0
    added: int | float = 0.5
    multiplied: int | float = 0.5
    augmix: AugMix = field(default_factory=AugMix)
    layers: tuple[str, ...] = ()

    overlaps = ("brightness", "contrast", "gaussian_noise", "speckle_noise")
    about: ClassVar[About] = About(
        name="NoisyMix",
        family="mixing",
        principle="Mixes clean pictures and AugMix views of them at a random depth, adds noise, and asks for equal "
        "answers.",
        assumption="What holds for AugMix and for Manifold Mixup; and small noise in the features keeps the class.",
        needs="a batch, names of layers of the net, and three views",
        breaks="Half its gain is noise, so corruptions that are noise are no surprise to it.",
        labels="mixed",
        cost="Two further forward and backward passes, and noise for every feature of one layer.",
        citation=Citation(
            "erichson2024noisymix",
            (
                "Erichson, N. Benjamin",
                "Lim, Soon Hoe",
                "Xu, Winnie",
                "Utrera, Francisco",
                "Cao, Ziang",
                "Mahoney, Michael W.",
            ),
            "NoisyMix: Boosting Model Robustness to Common Corruptions",
            "AISTATS",
            2024,
        ),
    )

    def __post_init__(self) -> None:
        if not self.alpha > 0:
            raise ValueError(f"NoisyMix(alpha=…) is positive, not {self.alpha}")
        if self.added < 0 or self.multiplied < 0:
            raise ValueError(f"NoisyMix: noise has levels from 0, not {self.added} and {self.multiplied}")

    def sample(self, key: Key) -> NoisyMixParameters:
        """Draw one row of parameters per key."""
        own = key.fold("NoisyMix")
        return NoisyMixParameters(
            mixup=draw_mixup(own, self.alpha),
            depth=own.fold("depth").uniform(),
            added=self.added * own.fold("added").beta(2.0, 5.0),
            multiplied=self.multiplied * own.fold("multiplied").beta(2.0, 5.0),
            seed=own.fold("noise").seed(),
        )

    def neutral(self, batch: int) -> NoisyMixParameters:
        """Parameters that mix nothing and add nothing."""
        zero = torch.zeros(batch)
        return NoisyMixParameters(unmixed(batch), zero, zero, zero, torch.zeros(batch, dtype=torch.int64))

    def views(self, model: nn.Module, batch: Batch, *, clean: bool, count: int) -> tuple[View, ...]:
        params = self.sample(batch.key).to(batch.pictures.device)
        layer = _choose(("", *(self.layers or stages(model)[:2])), params.depth)
        targets = blend_targets(batch.labels, batch.classes, params.mixup)
        seen = [("clean", batch.pictures)] if clean else []
        for number in range(count):
            seen.append((f"view {number}", self.augmix(batch.pictures, batch.key.fold(f"view {number}"))))
        made = []
        for name, pictures in seen:
            own = params.replace(seed=batch.key.fold(name).fold("noise").seed().to(pictures.device))
            if layer == "":
                # The published noise is for pictures in [−1, 1].
                made.append(View((noisy_blend(2.0 * pictures - 1.0, own) + 1.0) / 2.0, targets))
            else:
                made.append(View(pictures, targets, (Inside(layer, functools.partial(noisy_blend, params=own)),)))
        return tuple(made)


def noisy_blend(features: Float[Tensor, "b ..."], params: NoisyMixParameters) -> Float[Tensor, "b ..."]:
    """The mixture of each picture's features with its partner's, times noise around 1, plus noise around 0."""
    shape = list(features.shape[1:])
    # One field of normal numbers serves both: its distribution function makes uniform numbers of the second half.
    field = noise_field(params.seed, [2, *shape]).to(features.dtype)
    level = (-1, *(1,) * len(shape))
    uniform = torch.erf(field[:, 1] * 0.5**0.5)
    mixed = blend(features, params.mixup)
    factor = 1.0 + params.multiplied.to(features.dtype).view(level) * uniform
    return mixed * factor + params.added.to(features.dtype).view(level) * field[:, 0]

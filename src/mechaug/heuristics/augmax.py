"""AugMax: AugMix whose mixing weights climb the loss of the net that is trained.

Wang et al., "AugMax: adversarial composition of random augmentations for robust training", NeurIPS 2021.
"""

from dataclasses import dataclass, field
from typing import ClassVar, final

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from mechaug.heuristics.augmix import AugMix
from mechaug.heuristics.base import About, Citation
from mechaug.heuristics.views import Batch, View, ViewMaker, at_rest
from mechaug.keys import Key
from mechaug.mechanisms.base import per_image
from mechaug.types import Image, Labels, PerImage


@final
@dataclass(frozen=True)
class AugMax(ViewMaker):
    """The first augmented view mixes AugMix's chains as the net likes it least; the others are AugMix.

    The mix starts uniform in [0, 1] and the weights from a softmax of numbers that are; both then climb the
    cross-entropy by signs of its gradient, the net at rest. In the published default a picture climbs no further once
    the net has been wrong about it `patience` times. With `CrossEntropy("clean") + 10 * JSD(views=2)` it is the whole
    method but for its normalisation: the published DuBIN is a second batch norm for these pictures, which the method
    `augmax-dual` of a study has, and an instance norm, which none has.

    Args:
        steps: of the ascent: 5 by default in the published code, 10 in its examples on CIFAR.
        step_size: of the mix and of the softmax's numbers, a step.
        patience: how often the net may be wrong before a picture stops; 0 never stops it.
        augmix: what makes the chains.

    Raises:
        ValueError: an argument is outside its range.
    """

    steps: int = 5
    step_size: int | float = 0.1
    patience: int = 1
    augmix: AugMix = field(default_factory=AugMix)

    overlaps = AugMix.overlaps
    about: ClassVar[About] = About(
        name="AugMax",
        family="policy",
        principle="Mixes AugMix's chains in the shares that the net under training likes least.",
        assumption="As AugMix; and the hardest mixture of harmless operations is still harmless.",
        needs="the net, the labels, and two further views with the Jensen–Shannon loss",
        breaks="Training time; without its own normalisation layers, some clean accuracy.",
        labels="kept by hope",
        cost="Five forward and backward passes to find the shares, then three to train.",
        citation=Citation(
            "wang2021augmax",
            (
                "Wang, Haotao",
                "Xiao, Chaowei",
                "Kossaifi, Jean",
                "Yu, Zhiding",
                "Anandkumar, Anima",
                "Wang, Zhangyang",
            ),
            "AugMax: Adversarial Composition of Random Augmentations for Robust Training",
            "NeurIPS",
            2021,
        ),
    )

    def __post_init__(self) -> None:
        if self.steps < 1:
            raise ValueError(f"AugMax(steps=…) is at least 1, not {self.steps}")
        if not self.step_size > 0:
            raise ValueError(f"AugMax(step_size=…) is positive, not {self.step_size}")
        if self.patience < 0:
            raise ValueError(f"AugMax(patience=…) is a count from 0, not {self.patience}")

    def views(self, model: nn.Module, batch: Batch, *, clean: bool, count: int) -> tuple[View, ...]:
        seen = [batch.pictures] if clean else []
        if count:
            seen.append(self.hardest(model, batch.pictures, batch.labels, batch.key))
        seen += [self.augmix(batch.pictures, batch.key.fold(f"view {number}")) for number in range(1, count)]
        return tuple(View(pictures, batch.labels) for pictures in seen)

    def hardest(self, model: nn.Module, pictures: Image, labels: Labels, key: Key) -> Image:
        """The pictures with their chains in the shares that the ascent found."""
        own, width = key.fold("AugMax"), self.augmix.width
        with torch.no_grad():
            chains = self.augmix.chains(pictures, self.augmix.sample(own).to(pictures.device))
        mix = own.fold("mix").uniform().to(pictures.device)
        weights = own.fold("weights").uniform(0.0, 1.0, width).to(pictures.device)
        wrong = torch.zeros_like(labels)
        with at_rest(model):
            for _ in range(self.steps):
                mix.requires_grad_()
                weights.requires_grad_()
                logits = model(mixture(pictures, chains, mix, weights))
                loss = functional.cross_entropy(logits.float(), labels, reduction="sum")
                up_mix, up_weights = torch.autograd.grad(loss, (mix, weights))
                wrong = wrong + (logits.detach().argmax(1) != labels)
                climbs = (wrong < self.patience) if self.patience else torch.ones_like(wrong, dtype=torch.bool)
                step = self.step_size * climbs.to(mix.dtype)
                mix = (mix.detach() + step * up_mix.sign()).clamp(0.0, 1.0)
                weights = weights.detach() + step[:, None] * up_weights.sign()
        with torch.no_grad():
            return mixture(pictures, chains, mix, weights).clamp(0.0, 1.0)


def mixture(
    pictures: Image, chains: Float[Tensor, "b chains c h w"], mix: PerImage, weights: Float[Tensor, "b chains"]
) -> Image:
    """(1 − mix) · picture + mix · Σ softmax(weights) · chain."""
    shares = weights.softmax(1)[:, :, None, None, None]
    return torch.lerp(pictures, (shares * chains).sum(1), per_image(mix))

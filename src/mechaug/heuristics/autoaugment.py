"""AutoAugment: pairs of operations that a search found best for a data set, with their probabilities and magnitudes.

Cubuk et al., "AutoAugment: learning augmentation strategies from data", CVPR 2019: the final policies for CIFAR-10 and
for ImageNet, of 25 pairs each.
"""

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Final, Literal, TypeAlias, final

import torch
from torch import Tensor

from mechaug.heuristics import policy
from mechaug.heuristics.base import About, Citation, Heuristic
from mechaug.heuristics.chains import NOTHING
from mechaug.heuristics.policy import PolicyParameters
from mechaug.keys import Key
from mechaug.types import Image

Pair: TypeAlias = tuple[tuple[str, float, int], tuple[str, float, int]]
"""Two steps: an operation, its probability, and its level, 0 to 9."""

# What the search called 0 … 9 runs from nothing to these (the paper's appendix). Where an operation has no strength,
# the level says nothing and is written as 0.
TOPS: Final[Mapping[str, float]] = {
    "shear_x": 0.3, "shear_y": 0.3, "translate_x": 150 / 331, "translate_y": 150 / 331, "rotate": 30.0,
    "brightness": 0.9, "colour": 0.9, "contrast": 0.9, "sharpness": 0.9, "posterize": 4.0, "solarize": 255.0,
}  # fmt: skip
"""The magnitude at the last level. A translation of 150 pixels was meant for pictures of 331."""

LEVELS: Final = 10

CIFAR10: Final[tuple[Pair, ...]] = (
    (("invert", 0.1, 0), ("contrast", 0.2, 6)),
    (("rotate", 0.7, 2), ("translate_x", 0.3, 9)),
    (("sharpness", 0.8, 1), ("sharpness", 0.9, 3)),
    (("shear_y", 0.5, 8), ("translate_y", 0.7, 9)),
    (("autocontrast", 0.5, 0), ("equalize", 0.9, 0)),
    (("shear_y", 0.2, 7), ("posterize", 0.3, 7)),
    (("colour", 0.4, 3), ("brightness", 0.6, 7)),
    (("sharpness", 0.3, 9), ("brightness", 0.7, 9)),
    (("equalize", 0.6, 0), ("equalize", 0.5, 0)),
    (("contrast", 0.6, 7), ("sharpness", 0.6, 5)),
    (("colour", 0.7, 7), ("translate_x", 0.5, 8)),
    (("equalize", 0.3, 0), ("autocontrast", 0.4, 0)),
    (("translate_y", 0.4, 3), ("sharpness", 0.2, 6)),
    (("brightness", 0.9, 6), ("colour", 0.2, 8)),
    (("solarize", 0.5, 2), ("invert", 0.0, 0)),
    (("equalize", 0.2, 0), ("autocontrast", 0.6, 0)),
    (("equalize", 0.2, 0), ("equalize", 0.6, 0)),
    (("colour", 0.9, 9), ("equalize", 0.6, 0)),
    (("autocontrast", 0.8, 0), ("solarize", 0.2, 8)),
    (("brightness", 0.1, 3), ("colour", 0.7, 0)),
    (("solarize", 0.4, 5), ("autocontrast", 0.9, 0)),
    (("translate_y", 0.9, 9), ("translate_y", 0.7, 9)),
    (("autocontrast", 0.9, 0), ("solarize", 0.8, 3)),
    (("equalize", 0.8, 0), ("invert", 0.1, 0)),
    (("translate_y", 0.7, 9), ("autocontrast", 0.9, 0)),
)
"""Found on reduced CIFAR-10; the paper uses it for CIFAR-100, too."""

IMAGENET: Final[tuple[Pair, ...]] = (
    (("posterize", 0.4, 8), ("rotate", 0.6, 9)),
    (("solarize", 0.6, 5), ("autocontrast", 0.6, 0)),
    (("equalize", 0.8, 0), ("equalize", 0.6, 0)),
    (("posterize", 0.6, 7), ("posterize", 0.6, 6)),
    (("equalize", 0.4, 0), ("solarize", 0.2, 4)),
    (("equalize", 0.4, 0), ("rotate", 0.8, 8)),
    (("solarize", 0.6, 3), ("equalize", 0.6, 0)),
    (("posterize", 0.8, 5), ("equalize", 1.0, 0)),
    (("rotate", 0.2, 3), ("solarize", 0.6, 8)),
    (("equalize", 0.6, 0), ("posterize", 0.4, 6)),
    (("rotate", 0.8, 8), ("colour", 0.4, 0)),
    (("rotate", 0.4, 9), ("equalize", 0.6, 0)),
    (("equalize", 0.0, 0), ("equalize", 0.8, 0)),
    (("invert", 0.6, 0), ("equalize", 1.0, 0)),
    (("colour", 0.6, 4), ("contrast", 1.0, 8)),
    (("rotate", 0.8, 8), ("colour", 1.0, 2)),
    (("colour", 0.8, 8), ("solarize", 0.8, 7)),
    (("sharpness", 0.4, 7), ("invert", 0.6, 0)),
    (("shear_x", 0.6, 5), ("equalize", 1.0, 0)),
    (("colour", 0.4, 0), ("equalize", 0.6, 0)),
    (("equalize", 0.4, 0), ("solarize", 0.2, 4)),
    (("solarize", 0.6, 5), ("autocontrast", 0.6, 0)),
    (("invert", 0.6, 0), ("equalize", 1.0, 0)),
    (("colour", 0.6, 4), ("contrast", 1.0, 8)),
    (("equalize", 0.8, 0), ("equalize", 0.6, 0)),
)
"""Found on reduced ImageNet; five pairs occur twice."""

_POLICIES: Final = {"cifar10": CIFAR10, "imagenet": IMAGENET}


@final
@dataclass(frozen=True)
class AutoAugment(Heuristic[PolicyParameters]):
    """One of 25 pairs of operations per picture, each taken with its own probability.

    Levels are read as nearly all users read them: a higher one is stronger, from 0 (no change) to 9 (the far end of the
    paper's range), either way where there are two. Pictures come out with 256 grey levels.

    Args:
        policy: "cifar10" or "imagenet".

    Raises:
        ValueError: there is no such policy.
    """

    policy: Literal["cifar10", "imagenet"] = "cifar10"

    overlaps = ("brightness", "contrast", "saturate")
    about: ClassVar[About] = About(
        name="AutoAugment",
        family="policy",
        principle="Applies a random one of 25 pairs of tonal and geometric operations, found by searching for the "
        "accuracy of a small net on held-out pictures.",
        assumption="What helped a small net on a part of the data helps the whole, and each pair keeps the label.",
        needs="nothing; a policy for another kind of data needs a search",
        breaks="Labels that rest on colour, tone or orientation, of which inverting and equalizing leave little.",
        labels="kept by hope",
        cost="About one operation per picture; thousands of GPU hours for the search, once.",
        citation=Citation(
            "cubuk2019autoaugment",
            ("Cubuk, Ekin D.", "Zoph, Barret", "Mané, Dandelion", "Vasudevan, Vijay", "Le, Quoc V."),
            "AutoAugment: Learning Augmentation Strategies From Data",
            "CVPR",
            2019,
        ),
    )

    def __post_init__(self) -> None:
        if self.policy not in _POLICIES:
            raise ValueError(f'AutoAugment(policy=…) is "cifar10" or "imagenet", not {self.policy!r}')

    def sample(self, key: Key) -> PolicyParameters:
        """Draw a pair, whether to take its operations, and their directions."""
        own = key.fold("AutoAugment")
        operation, probability, magnitude, signed = (part.to(key.device) for part in _tables(self.policy))
        pair = own.fold("pair").integers(0, len(operation))
        taken = own.fold("taken").unit(2) < probability[pair]
        sign = 1.0 - 2.0 * own.fold("sign").integers(0, 2, 2).float()
        drawn = torch.where(signed[pair], sign, 1.0) * magnitude[pair]
        return PolicyParameters(operation[pair].masked_fill(~taken, NOTHING), drawn.masked_fill(~taken, 0.0))

    def neutral(self, batch: int) -> PolicyParameters:
        return policy.unchanged(batch, 2)

    def transform(self, x: Image, params: PolicyParameters) -> Image:
        return policy.follow(x, params)


@functools.cache
def _tables(name: str) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Operation, probability, magnitude, and whether it goes either way, of shape (pairs, 2) each."""
    steps = [step for pair in _POLICIES[name] for step in pair]
    magnitudes = [policy.scale(operation, LEVELS, TOPS)[level] for operation, _, level in steps]
    return (
        policy.codes([operation for operation, _, _ in steps]).view(-1, 2),
        torch.tensor([probability for _, probability, _ in steps], dtype=torch.float64).view(-1, 2),
        torch.stack(magnitudes).view(-1, 2),
        torch.tensor([operation in policy.SIGNED for operation, _, _ in steps]).view(-1, 2),
    )

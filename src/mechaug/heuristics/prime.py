"""PRIME: chains of three random primitives, mixed with each other and with the clean picture.

Modas et al., "PRIME: a few primitives can boost robustness to common corruptions", ECCV 2022. Only the primitive that a
step chose is computed, and everything is drawn anew for every picture, chain and step.
"""

import math
from dataclasses import dataclass
from typing import ClassVar, Final, final

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from mechaug.heuristics.base import About, Citation, Heuristic
from mechaug.heuristics.chains import NOTHING, run
from mechaug.heuristics.prime_primitives import deformed, filtered, recoloured
from mechaug.keys import Key
from mechaug.mechanisms.base import Parameters, parameters, per_image
from mechaug.types import Image, PerImage

PRIMITIVES: Final = ("spectral", "spatial", "colour")
"""What a step may be, with equal probability."""

_DEEPEST: Final = 3


@parameters
class PrimeParameters(Parameters):
    """One row per image.

    Attributes:
        weights: of the chains, non-negative, their sum is 1.
        mix: the share of the chains in the result, 0 to 1.
        primitive: of each step of each chain, an index into `PRIMITIVES`, or `NOTHING`.
        strength: of a filter the standard deviation of its numbers, of a deformation the place of its temperature in
            its range, 0 to 1, of a change of colours the variance of its waves.
        lowest: the first wave of a change of colours; 0 for others.
        highest: the last wave of a change of colours or of a deformation; 0 for others.
        seed: of the numbers.
    """

    weights: Float[Tensor, "b chains"]
    mix: PerImage
    primitive: Int64[Tensor, "b chains steps"]
    strength: Float[Tensor, "b chains steps"]
    lowest: Int64[Tensor, "b chains steps"]
    highest: Int64[Tensor, "b chains steps"]
    seed: Int64[Tensor, "b chains steps"]


@final
@dataclass(frozen=True)
class Prime(Heuristic[PrimeParameters]):
    """Spectral, spatial and colour primitives of maximal entropy, in three chains of one to three steps.

    The gradient reaches the picture and all strengths. The defaults are those of the published training on CIFAR;
    `for_photographs` gives those on ImageNet.

    Args:
        filter_sigma: the largest standard deviation of a filter's numbers.
        deform_cut: the highest mode of a deformation, in half-waves per side.
        colour_cut: the highest wave of a change of colours, in half-waves from black to white.
        colour_temperature: the largest variance of a wave.
        colour_waves: how many neighbouring waves a change of colours has at most; None for all up to its own highest.
        width: the number of chains.

    Raises:
        ValueError: an argument is outside its range.
    """

    filter_sigma: float = 4.0
    deform_cut: int = 100
    colour_cut: int = 100
    colour_temperature: float = 0.01
    colour_waves: int | None = None
    width: int = 3

    overlaps = (
        "glass_blur", "defocus_blur", "gaussian_blur", "brightness", "contrast", "saturate", "elastic_transform",
        "ripple", "pinch_and_twirl", "caustic_refraction",
    )  # fmt: skip
    # Deformed pictures take so much memory that more at once leave the cache.
    shares = 1
    about: ClassVar[About] = About(
        name="PRIME",
        family="operators",
        principle="Mixes a picture with chains of random filters, smooth deformations and smooth changes of colour.",
        assumption="Corruptions are near to what three simple transformations of maximal entropy make, and these keep "
        "the label.",
        needs="nothing; for its full effect two further views and the Jensen–Shannon loss",
        breaks="Accuracy on clean pictures, by one to two points on CIFAR-10; labels that rest on colour.",
        labels="kept by hope",
        cost="Six primitives per picture and view on average; two further forward passes with the Jensen–Shannon loss.",
        citation=Citation(
            "modas2022prime",
            (
                "Modas, Apostolos",
                "Rade, Rahul",
                "Ortiz-Jiménez, Guillermo",
                "Moosavi-Dezfooli, Seyed-Mohsen",
                "Frossard, Pascal",
            ),
            "PRIME: A Few Primitives Can Boost Robustness to Common Corruptions",
            "ECCV",
            2022,
        ),
    )

    def __post_init__(self) -> None:
        for name, low in (("deform_cut", 3), ("colour_cut", 1), ("width", 1)):
            if getattr(self, name) < low:
                raise ValueError(f"Prime({name}=…) is at least {low}, not {getattr(self, name)}")
        for name in ("filter_sigma", "colour_temperature"):
            if not 0.0 < getattr(self, name) < math.inf:
                raise ValueError(f"Prime({name}=…) is positive, not {getattr(self, name)}")
        if self.colour_waves is not None and self.colour_waves < 1:
            raise ValueError(f"Prime(colour_waves=…) is at least 1, or None for all, not {self.colour_waves}")

    @classmethod
    def for_photographs(cls) -> "Prime":
        """As in the published training on ImageNet, at 224 × 224."""
        return cls(deform_cut=500, colour_cut=500, colour_temperature=0.05, colour_waves=20)

    def sample(self, key: Key) -> PrimeParameters:
        """Draw weights, mix, and for every step its primitive and all that this needs."""
        own, shape = key.fold("Prime"), (self.width, _DEEPEST)
        primitive = own.fold("primitive").integers(0, len(PRIMITIVES), *shape)
        depth = own.fold("depth").integers(1, _DEEPEST + 1, self.width)
        beyond = torch.arange(_DEEPEST, device=key.device) >= depth[..., None]
        unit = own.fold("strength").unit(*shape)
        # Of a deformation, temperature and cut have the law Beta(½, ½): the squared sine of a uniform angle.
        spatial_cut = _up_to(3, self.deform_cut, own.fold("deform_cut").unit(*shape))
        arc = (own.fold("deform_mode").unit(*shape) * (math.pi / 2)).sin().square()
        spatial_cut = (2 + (arc * (spatial_cut - 1)).long()).minimum(spatial_cut)
        colour_cut = _up_to(1, self.colour_cut, own.fold("colour_cut").unit(*shape))
        lowest, highest = torch.ones_like(colour_cut), colour_cut
        if self.colour_waves is not None:
            lowest = 1 + (own.fold("colour_mode").unit(*shape) * colour_cut).long()
            highest = colour_cut.minimum(lowest + self.colour_waves - 1)
        zero = torch.zeros_like(primitive)
        strength = _by(
            primitive,
            self.filter_sigma * unit,
            (unit * (math.pi / 2)).sin().square(),
            self.colour_temperature * unit,
        )
        return PrimeParameters(
            weights=own.fold("weights").dirichlet(1.0, self.width),
            mix=own.fold("mix").beta(1.0, 1.0),
            primitive=primitive.masked_fill(beyond, NOTHING),
            strength=strength.float().masked_fill(beyond, 0.0),
            lowest=_by(primitive, zero, zero, lowest).masked_fill(beyond, 0),
            highest=_by(primitive, zero, spatial_cut, highest).masked_fill(beyond, 0),
            seed=_seeds(own.fold("numbers"), *shape),
        )

    def neutral(self, batch: int) -> PrimeParameters:
        """No share for the chains, and nothing in them."""
        shape = (batch, self.width, _DEEPEST)
        none = torch.zeros(shape, dtype=torch.int64)
        return PrimeParameters(
            weights=torch.full(shape[:2], 1.0 / self.width),
            mix=torch.zeros(batch),
            primitive=torch.full(shape, NOTHING),
            strength=torch.zeros(shape),
            lowest=none,
            highest=none,
            seed=none,
        )

    def transform(self, x: Image, params: PrimeParameters) -> Image:
        """(1 − mix) · x + mix · Σ weight · chain(x)."""
        primitive, strength, lowest, highest, seed = (
            part.flatten(0, 1)
            for part in (params.primitive, params.strength, params.lowest, params.highest, params.seed)
        )

        def act(code: int, some: Image, rows: Tensor, step: int) -> Image:
            amount, seeds = strength[rows, step], seed[rows, step]
            if PRIMITIVES[code] == "spectral":
                return filtered(some, amount, seeds)
            if PRIMITIVES[code] == "spatial":
                return deformed(some, amount, highest[rows, step], seeds, self.deform_cut)
            return recoloured(some, amount, lowest[rows, step], highest[rows, step], seeds, self.colour_cut)

        chains = x.repeat_interleave(self.width, dim=0)
        run(chains, primitive, len(PRIMITIVES), act)
        chains = chains.view(len(x), self.width, x.shape[1:].numel())
        mixed = torch.bmm(params.weights.to(x.dtype)[:, None], chains).view_as(x)
        return torch.lerp(x, mixed, per_image(params.mix.to(x.dtype)))


def _up_to(low: int, high: int, unit: Tensor) -> Tensor:
    """Whole numbers, uniform from `low` to `high`."""
    return low + (unit * (high - low + 1)).long()


def _by(primitive: Tensor, spectral: Tensor, spatial: Tensor, colour: Tensor) -> Tensor:
    """The value that belongs to each step's primitive."""
    return torch.where(primitive == 0, spectral, torch.where(primitive == 1, spatial, colour))


def _seeds(key: Key, *shape: int) -> Int64[Tensor, "..."]:
    """One 63-bit seed per step."""
    count = math.prod(shape)
    first, second = key.words(2 * count).unflatten(-1, (count, 2)).unbind(-1)
    return (((first & 0x7FFFFFFF) << 32) | second).unflatten(-1, shape)

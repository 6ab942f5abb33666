"""Noise as augmentation: of one strength, in a patch, and from balls of several norms.

Rusak et al., "A simple way to make neural networks robust against diverse image corruptions", ECCV 2020; Lopes et al.,
"Improving robustness without sacrificing accuracy with Patch Gaussian augmentation", arXiv 1906.02611, 2019; Siedel et
al., "Investigating the corruption robustness of image classifiers with random p-norm corruptions", VISAPP 2024.
"""

import math
from dataclasses import dataclass
from typing import ClassVar, Final, final

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from mechaug.fields import noise_field
from mechaug.heuristics.base import About, Citation, Heuristic
from mechaug.heuristics.erasing import rectangle, stretch
from mechaug.keys import Key
from mechaug.mechanisms.base import Parameters, parameters, per_image
from mechaug.types import Image, PerImage, Seeds


@parameters
class GaussianNoiseParameters(Parameters):
    """One row per image.

    Attributes:
        sigma: standard deviation, in shares of white.
        seed: of the noise.
    """

    sigma: PerImage
    seed: Seeds


@final
@dataclass(frozen=True)
class GaussianNoise(Heuristic[GaussianNoiseParameters]):
    """Independent normal noise of one strength in a share of the pictures.

    Args:
        sigma: standard deviation, in shares of white; the paper has 0.5 on ImageNet, and small pictures bear less.
        share: of the pictures that get noise.

    Raises:
        ValueError: an argument is outside its range.
    """

    sigma: float = 0.1
    share: float = 0.5

    overlaps = ("gaussian_noise", "shot_noise", "impulse_noise", "speckle_noise")
    about: ClassVar[About] = About(
        name="Gaussian noise",
        family="noise",
        principle="Adds independent normal noise to half of the pictures.",
        assumption="What survives noise in training survives what hides details in the world.",
        needs="nothing",
        breaks="Accuracy on clean pictures, when strong; little is gained against fog and loss of contrast.",
        labels="kept by hope",
        cost="One field of noise per picture.",
        citation=Citation(
            "rusak2020simple",
            (
                "Rusak, Evgenia",
                "Schott, Lukas",
                "Zimmermann, Roland S.",
                "Bitterwolf, Julian",
                "Bringmann, Oliver",
                "Bethge, Matthias",
                "Brendel, Wieland",
            ),
            "A Simple Way to Make Neural Networks Robust Against Diverse Image Corruptions",
            "ECCV",
            2020,
        ),
    )

    def __post_init__(self) -> None:
        if not 0.0 < self.sigma <= 1.0:
            raise ValueError(f"GaussianNoise(sigma=…) is above 0 and at most 1, not {self.sigma}")
        if not 0.0 <= self.share <= 1.0:
            raise ValueError(f"GaussianNoise(share=…) is 0 to 1, not {self.share}")

    def sample(self, key: Key) -> GaussianNoiseParameters:
        """Draw which pictures get noise, and its seed."""
        own = key.fold("GaussianNoise")
        sigma = self.sigma * (own.fold("taken").unit() < self.share).float()
        return GaussianNoiseParameters(sigma, own.fold("noise").seed())

    def neutral(self, batch: int) -> GaussianNoiseParameters:
        """No noise."""
        return GaussianNoiseParameters(torch.zeros(batch), torch.zeros(batch, dtype=torch.int64))

    def transform(self, x: Image, params: GaussianNoiseParameters) -> Image:
        noise = noise_field(params.seed, list(x.shape[1:])).to(x.dtype)
        return x + per_image(params.sigma.to(x.dtype)) * noise


@parameters
class PatchGaussianParameters(Parameters):
    """One row per image.

    Attributes:
        sigma: standard deviation, in shares of white.
        side: of the patch, in shares of the shorter side of the picture; 0 is no patch.
        across: where its middle lies, 0 (left) to 1.
        down: the same, 0 (top) to 1.
        seed: of the noise.
    """

    sigma: PerImage
    side: PerImage
    across: PerImage
    down: PerImage
    seed: Seeds


@final
@dataclass(frozen=True)
class PatchGaussian(Heuristic[PatchGaussianParameters]):
    """Normal noise inside a square whose middle lies anywhere in the picture: between cutout and noise.

    Args:
        sigma: the largest standard deviation, in shares of white; each picture's is uniform from 0. In the paper 0.1
            for CIFAR-10, and 1.0 for ImageNet.
        side: of the largest patch, in shares of the shorter side; each picture's is uniform from 0. In the paper 25
            pixels of 32, and 250 of 224.

    Raises:
        ValueError: an argument is outside its range.
    """

    sigma: float = 0.1
    side: float = 25 / 32

    overlaps = ("gaussian_noise", "shot_noise", "impulse_noise", "speckle_noise")
    about: ClassVar[About] = About(
        name="Patch Gaussian",
        family="noise",
        principle="Adds independent normal noise inside a random square.",
        assumption="A net that sees noisy and clean parts side by side uses fine details where they can be trusted.",
        needs="nothing",
        breaks="Much of its gain is lost on corruptions that are unlike noise (Mintun et al. 2021).",
        labels="kept by hope",
        cost="One field of noise per picture.",
        citation=Citation(
            "lopes2019improving",
            ("Lopes, Raphael Gontijo", "Yin, Dong", "Poole, Ben", "Gilmer, Justin", "Cubuk, Ekin D."),
            "Improving Robustness Without Sacrificing Accuracy with Patch Gaussian Augmentation",
            "arXiv:1906.02611",
            2019,
            "misc",
        ),
    )

    def __post_init__(self) -> None:
        if not 0.0 < self.sigma <= 1.0:
            raise ValueError(f"PatchGaussian(sigma=…) is above 0 and at most 1, not {self.sigma}")
        if not 0.0 < self.side <= 2.0:
            raise ValueError(f"PatchGaussian(side=…) is above 0 and at most 2, not {self.side}")

    def sample(self, key: Key) -> PatchGaussianParameters:
        """Draw strength, size and place of the patch, all uniform."""
        own = key.fold("PatchGaussian")
        return PatchGaussianParameters(
            sigma=own.fold("sigma").uniform(0.0, self.sigma),
            side=own.fold("side").uniform(0.0, self.side),
            across=own.fold("across").uniform(),
            down=own.fold("down").uniform(),
            seed=own.fold("noise").seed(),
        )

    def neutral(self, batch: int) -> PatchGaussianParameters:
        """No noise, and no patch."""
        none = torch.zeros(batch)
        return PatchGaussianParameters(none, none, none, none, torch.zeros(batch, dtype=torch.int64))

    def transform(self, x: Image, params: PatchGaussianParameters) -> Image:
        height, width = x.shape[2:]
        side = (params.side * min(height, width)).ceil()
        first_row, first_column = (
            (place * size).floor() - (side / 2).floor()
            for place, size in ((params.down, height), (params.across, width))
        )
        rows = stretch(first_row, first_row + side, height)
        columns = stretch(first_column, first_column + side, width)
        sigma = per_image(params.sigma) * rectangle(rows, columns)
        return x + sigma.to(x.dtype) * noise_field(params.seed, list(x.shape[1:])).to(x.dtype)


NORMS: Final = (0.0, 0.5, 1.0, 2.0, math.inf)
"""The norms that noise is drawn from; 0 counts the values that are replaced by black or white."""

# The largest radius for each, as (mean |change|^p)^(1/p) of a picture's values, so that it fits every size: the radii
# 4·10⁵, 200 and 5 of the published training on pictures of 3072 values, 0.15 as the largest change, and 20 % replaced.
_STRENGTHS: Final = (0.2, 4e5 / 3072**2, 200 / 3072, 5 / math.sqrt(3072), 0.15)


@parameters
class NoiseMixtureParameters(Parameters):
    """One row per image.

    Attributes:
        norm: an index into `NORMS`.
        radius: (mean |change|^p)^(1/p) over the values of a picture; for norm 0 the share of values that are replaced,
            for norm ∞ the largest change.
        seed: of the noise.
    """

    norm: Int64[Tensor, "b"]
    radius: PerImage
    seed: Seeds


@final
@dataclass(frozen=True)
class NoiseMixture(Heuristic[NoiseMixtureParameters]):
    """Noise from the ball of a norm that differs from picture to picture: sparse and strong, or dense and weak.

    One in six pictures gets no noise. Of all others one norm in five is drawn, and a radius uniform from 0 to the
    published one times `strength`. In thousands of dimensions nearly all of a ball lies at its surface, where the noise
    is drawn: independent values of density exp(−|t|^p), scaled to the radius.

    Args:
        strength: times the published radii; at most 5.

    Raises:
        ValueError: the strength is outside its range.
    """

    strength: float = 1.0

    overlaps = ("gaussian_noise", "shot_noise", "impulse_noise", "speckle_noise")
    about: ClassVar[About] = About(
        name="p-norm noise mixture",
        family="noise",
        principle="Adds noise from the ball of a random norm and radius: from few strong values to many weak ones.",
        assumption="A net that withstands noise of all norms withstands the corruptions in between.",
        needs="nothing",
        breaks="Little is gained on corruptions that are unlike noise, such as blur and fog.",
        labels="kept by hope",
        cost="One to four fields of noise per picture.",
        citation=Citation(
            "siedel2024investigating",
            ("Siedel, Georg", "Shao, Weijia", "Vock, Silvia", "Morozov, Andrey"),
            "Investigating the Corruption Robustness of Image Classifiers with Random p-norm Corruptions",
            "VISAPP",
            2024,
        ),
    )

    def __post_init__(self) -> None:
        if not 0.0 < self.strength <= 5.0:
            raise ValueError(f"NoiseMixture(strength=…) is above 0 and at most 5, not {self.strength}")

    def sample(self, key: Key) -> NoiseMixtureParameters:
        """Draw norm, radius and seed."""
        own = key.fold("NoiseMixture")
        norm = own.fold("norm").integers(0, len(NORMS) + 1)
        most = self.strength * torch.tensor([*_STRENGTHS, 0.0], device=key.device)
        radius = own.fold("radius").uniform() * most[norm]
        return NoiseMixtureParameters(norm.clamp(max=len(NORMS) - 1), radius, own.fold("noise").seed())

    def neutral(self, batch: int) -> NoiseMixtureParameters:
        """No noise."""
        none = torch.zeros(batch, dtype=torch.int64)
        return NoiseMixtureParameters(none, torch.zeros(batch), none)

    def transform(self, x: Image, params: NoiseMixtureParameters) -> Image:
        out, (chosen, sizes) = x.clone(), _groups(params.norm)
        for p, rows in zip(NORMS, chosen.split(sizes), strict=True):
            if len(rows):
                some, radius = x.index_select(0, rows), per_image(params.radius[rows].to(x.dtype))
                out = out.index_copy(0, rows, _noisy(some, p, radius, params.seed[rows]))
        return out


def _groups(norm: Int64[Tensor, "b"]) -> tuple[Int64[Tensor, "b"], list[int]]:
    """The rows in the order of their norm, and how many there are of each."""
    counts: list[int] = torch.bincount(norm, minlength=len(NORMS)).tolist()
    return norm.argsort(), counts


def _noisy(x: Image, p: float, radius: Float[Tensor, "b 1 1 1"], seed: Seeds) -> Image:
    fields = 4 if p == 0.5 else 2 if p in (0.0, 1.0) else 1
    normal = noise_field(seed, [fields, *x.shape[1:]]).unbind(1)
    if p == 0.0:
        # Values below a quantile of the share; which of black and white, by another's sign.
        replaced = _uniform(normal[0]) < radius
        return torch.where(replaced, (normal[1] > 0).to(x.dtype), x)
    if p == math.inf:
        return x + radius * (2.0 * _uniform(normal[0]) - 1.0).to(x.dtype)
    # |t|^p has a gamma law of shape 1/p: half a squared normal number for ½, hence their sums for 1 and 2.
    power = torch.stack([part.square() for part in normal]).sum(0) / 2
    size = normal[0].abs() if p == 2.0 else power.pow(1.0 / p)
    sign = normal[0].sign()
    mean = (size**p).mean((1, 2, 3), keepdim=True)
    return x + radius * (sign * size / mean.pow(1.0 / p)).to(x.dtype)


def _uniform(normal: Tensor) -> Tensor:
    """Uniform numbers, 0 to 1, from standard normal ones, by their distribution function."""
    return normal.mul(math.sqrt(0.5)).erf_().add_(1.0).mul_(0.5)

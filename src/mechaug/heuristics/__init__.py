"""Heuristics: published augmentations that are not derived from a mechanism, behind the same two verbs."""

from collections.abc import Mapping

from mechaug.heuristics.augmix import AugMix, AugMixParameters
from mechaug.heuristics.autoaugment import AutoAugment
from mechaug.heuristics.base import About, Citation, Heuristic
from mechaug.heuristics.basic import FlipCrop, FlipCropParameters
from mechaug.heuristics.erasing import Cutout, CutoutParameters, RandomErasing, RandomErasingParameters
from mechaug.heuristics.fast_autoaugment import FastAutoAugment, FastAutoAugmentParameters
from mechaug.heuristics.noise import (
    GaussianNoise,
    GaussianNoiseParameters,
    NoiseMixture,
    NoiseMixtureParameters,
    PatchGaussian,
    PatchGaussianParameters,
)
from mechaug.heuristics.policy import PolicyParameters
from mechaug.heuristics.prime import Prime, PrimeParameters
from mechaug.heuristics.randaugment import RandAugment, TrivialAugmentWide
from mechaug.heuristics.randconv import RandConv, RandConvParameters

TYPES: Mapping[str, type] = {
    cls.__name__: cls
    for cls in (
        FlipCrop, FlipCropParameters,
        Cutout, CutoutParameters,
        RandomErasing, RandomErasingParameters,
        GaussianNoise, GaussianNoiseParameters,
        PatchGaussian, PatchGaussianParameters,
        NoiseMixture, NoiseMixtureParameters,
        AutoAugment, FastAutoAugment, FastAutoAugmentParameters, RandAugment, TrivialAugmentWide, PolicyParameters,
        AugMix, AugMixParameters,
        Prime, PrimeParameters,
        RandConv, RandConvParameters,
    )
}  # fmt: skip
"""What may occur in a stored heuristic or in stored parameters, by name."""

__all__ = [*TYPES, "TYPES", "About", "Citation", "Heuristic"]  # pyright: ignore[reportUnsupportedDunderAll]

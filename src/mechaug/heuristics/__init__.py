"""Heuristics: published augmentations that are not derived from a mechanism, behind the same two verbs."""

from collections.abc import Mapping

from mechaug.heuristics.apr import APRBoth, APRPair, APRPairParameters, APRSingle, APRSingleParameters
from mechaug.heuristics.augmax import AugMax
from mechaug.heuristics.augmix import AugMix, AugMixParameters
from mechaug.heuristics.autoaugment import AutoAugment
from mechaug.heuristics.base import About, Citation, Heuristic
from mechaug.heuristics.basic import FlipCrop, FlipCropParameters
from mechaug.heuristics.erasing import Cutout, CutoutParameters, RandomErasing, RandomErasingParameters
from mechaug.heuristics.fast_autoaugment import FastAutoAugment, FastAutoAugmentParameters
from mechaug.heuristics.fourier import BandDropout, BandDropoutParameters, FourierBasis, FourierBasisParameters
from mechaug.heuristics.ipmix import IPMix, IPMixParameters
from mechaug.heuristics.manifold import ManifoldMixup, ManifoldMixupParameters, NoisyMix, NoisyMixParameters
from mechaug.heuristics.mixing import CutMix, CutMixParameters, Mixup, MixupParameters, RegMixup
from mechaug.heuristics.mixing_set import MixingSet
from mechaug.heuristics.noise import (
    GaussianNoise,
    GaussianNoiseParameters,
    NoiseMixture,
    NoiseMixtureParameters,
    PatchGaussian,
    PatchGaussianParameters,
)
from mechaug.heuristics.pixmix import PixMix, PixMixParameters
from mechaug.heuristics.policy import PolicyParameters
from mechaug.heuristics.prime import Prime, PrimeParameters
from mechaug.heuristics.randaugment import RandAugment, TrivialAugmentWide
from mechaug.heuristics.randconv import RandConv, RandConvParameters
from mechaug.heuristics.style import MixStyle, StyleParameters, StyleSwap
from mechaug.heuristics.views import Augmentation, Batch, Inside, Mixing, View, ViewMaker

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
        Mixup, MixupParameters, RegMixup, CutMix, CutMixParameters,
        ManifoldMixup, ManifoldMixupParameters, NoisyMix, NoisyMixParameters,
        MixingSet, PixMix, PixMixParameters, IPMix, IPMixParameters,
        AugMax,
        APRPair, APRPairParameters, APRSingle, APRSingleParameters, APRBoth,
        FourierBasis, FourierBasisParameters, BandDropout, BandDropoutParameters,
        StyleSwap, MixStyle, StyleParameters,
    )
}  # fmt: skip
"""What may occur in a stored heuristic or in stored parameters, by name."""

__all__ = [
    *TYPES, "TYPES", "About", "Augmentation", "Batch", "Citation", "Heuristic", "Inside", "Mixing", "View", "ViewMaker",
]  # fmt: skip  # pyright: ignore[reportUnsupportedDunderAll]

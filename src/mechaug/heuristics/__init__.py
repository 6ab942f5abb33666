"""Heuristics: published augmentations that are not derived from a mechanism, behind the same two verbs."""

from collections.abc import Mapping

from mechaug.heuristics.augmix import AugMix, AugMixParameters
from mechaug.heuristics.base import About, Citation, Heuristic
from mechaug.heuristics.basic import FlipCrop, FlipCropParameters

TYPES: Mapping[str, type] = {cls.__name__: cls for cls in (AugMix, AugMixParameters, FlipCrop, FlipCropParameters)}
"""What may occur in a stored heuristic or in stored parameters, by name."""

__all__ = ["TYPES", "About", "AugMix", "AugMixParameters", "Citation", "FlipCrop", "FlipCropParameters", "Heuristic"]

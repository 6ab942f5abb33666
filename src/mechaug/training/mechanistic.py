"""The mechanistic recipe: what is seen of a small object, as chains of mechanisms that are mixed as light is.

AugMix mixes chains of operations because mixtures stay near the picture (Hendrycks et al., ICLR 2020). Light is what
adds up: here the chains are exposures of one film, mixed in linear light. What was tried on the way to this, and what
it gave, is what `benchmarks/experiments.py` runs.
"""

from typing import Any, Final, TypeAlias

from mechaug import mechanisms as m
from mechaug.mechanisms.base import Mechanism
from mechaug.mechanisms.compose import overlapping
from mechaug.mechanisms.relatives import COMMON_CORRUPTIONS

Mechanisms: TypeAlias = tuple[Mechanism[Any], ...]

OBJECT: Final = m.VIEWS["object"]

# Each strong enough to be seen on an object of 32 pixels and weak enough to keep the label.
GEOMETRY: Final[Mechanisms] = (m.Viewpoint(), m.LensDistortion(view=OBJECT))
LIGHT: Final[Mechanisms] = (m.Exposure(exposure_ev=(-2.5, 1.5)), m.Illuminant(), m.Shadow(), m.Falloff())
AIR: Final[Mechanisms] = (
    m.Haze(visibility_m=(30.0, 500.0), distance_m=(10.0, 30.0), view=OBJECT), m.Snow(view=OBJECT),
)  # fmt: skip
LENS: Final[Mechanisms] = (
    m.Defocus(view=OBJECT), m.GaussianScale(scale_permille=(0.0, 40.0)), m.MotionBlur(view=OBJECT),
    m.LateralChromatic(), m.Glare(view=OBJECT),
)  # fmt: skip
SENSOR: Final[Mechanisms] = (m.Sensor(iso=(400.0, 25600.0)), m.Demosaic())
PROCESS: Final[Mechanisms] = (m.ToneCurve(), m.ColourMatrix(), m.WhiteBalance(), m.Sharpen())
CODEC: Final[Mechanisms] = (m.Jpeg(), m.Rescale(), m.BitDepth())

GROUPS: Final[tuple[Mechanisms, ...]] = (GEOMETRY, LIGHT, AIR, LENS, SENSOR, PROCESS, CODEC)
"""Mechanisms by the stage of image formation."""

ALL: Final[Mechanisms] = tuple(mechanism for group in GROUPS for mechanism in group)

UNRELATED: Final[Mechanisms] = tuple(part for part in ALL if not set(overlapping(part)) & set(COMMON_CORRUPTIONS))
"""What has no relative in C."""

RELATED: Final[Mechanisms] = tuple(part for part in ALL if part not in UNRELATED)


def steps(*options: Mechanism[Any]) -> m.Chain:
    """One to three of the options, one after another; each number of them as often as the others."""
    one = m.OneOf(*options)
    return m.Chain(one, m.Maybe[Any](m.Chain(one, m.Maybe[Any](one, 1 / 2)), 2 / 3))


def mixture(*options: Mechanism[Any], branches: int = 1) -> m.Mix:
    """Such chains as exposures of one film, and the picture itself."""
    return m.Mix(*(steps(*options) for _ in range(branches)))


NOISE: Final = m.Sensor(iso=(1600.0, 25600.0))
"""The noise of a sensor in little light."""

RECIPE_WEIGHT: Final = 4.0
"""What the recipe weighs the Jensen–Shannon divergence by, beside cross-entropy on the clean picture and the views."""


def recipe(*, related: float = 0.2, reflected: float = 0.2, noisy: float = 0.2) -> m.Chain:
    """The recipe: a mixture of chains of mechanisms, most of them without a relative among the common corruptions.

    Noise, blur and loss of light at full strength in every picture cost accuracy everywhere; in a small share of the
    pictures they do not. Noise comes last because a mixture would average it away, as a film would not: it arises where
    light is read out.

    Args:
        related: the share of steps that are mechanisms with relatives in C.
        reflected: the share of steps that are reflections.
        noisy: the share of the pictures that get a sensor's noise.
    """
    one = m.OneOf(
        m.OneOf(*UNRELATED), m.OneOf(*RELATED), m.Reflection(), weights=(1 - related - reflected, related, reflected)
    )
    return m.Chain(mixture(one), m.Maybe[Any](NOISE, noisy))


def exposures(noisy: float = 0.35) -> m.Chain:
    """The recipe before that: a mixture of all mechanisms, each as often as the others, and noise on more pictures.

    Args:
        noisy: the share of the pictures.
    """
    return m.Chain(mixture(*ALL), m.Maybe[Any](NOISE, noisy))

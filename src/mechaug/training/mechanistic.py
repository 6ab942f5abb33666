"""The mechanistic recipe: what is seen of a small object, as chains of mechanisms that are mixed as light is.

AugMix mixes chains of operations because mixtures stay near the picture (Hendrycks et al., ICLR 2020). Light is what
adds up: here the chains are exposures of one film, mixed in linear light. What was tried on the way to this, and what
it gave, is what `benchmarks/experiments.py` runs.
"""

from typing import Any, Final, TypeAlias

from mechaug import mechanisms as m
from mechaug.mechanisms.base import Mechanism
from mechaug.mechanisms.parts import overlapping
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


DENSE: Final = m.Haze(visibility_m=(20.0, 300.0), distance_m=(10.0, 30.0), airlight=(0.05, 1.0), view=OBJECT)
"""Fog by day and by night, down to a hundredth of the contrast."""

FRINGES: Final = m.LateralChromatic(red_percent=(-1.5, 1.5), blue_percent=(-1.5, 1.5), view=OBJECT)
"""A cheap lens far from its axis, where red and blue part by up to two pixels."""

NEON: Final = m.Reflection(brighter_ev=(1.0, 3.5), contrast=(0.4, 1.3), blur_permille=(5.0, 25.0), colour=(1.0, 10.0))
"""Coloured lights of a street at night in a pane."""

STAGE: Final = m.MixedLight(contrast=(0.2, 1.0), colour=(0.5, 5.0))
"""Lamps of many colours."""


def lean(changed: float = 0.6) -> m.Maybe[Any]:
    """The recipe where time is what counts: one cause for a picture, cheap ones more often, and many pictures none.

    In a training of half a minute a second view costs more steps than it gives. Each picture is shown once: as it is,
    with a mixture of chains of all mechanisms, in mixed light or with coloured lights in a pane before it, in dense
    fog or with a cheap lens's fringes, or with a sensor's noise. Fog, mixed light and fringes have their share because
    corruptions like them were the worst on pictures held out.

    Args:
        changed: the share of the pictures that get one of these.
    """
    usual = tuple({m.Haze: DENSE, m.LateralChromatic: FRINGES}.get(type(part), part) for part in ALL)
    return m.Maybe[Any](
        m.OneOf(
            mixture(*usual), m.OneOf(STAGE, NEON, m.Chain(STAGE, NEON)), m.OneOf(DENSE, FRINGES), NOISE,
            weights=(5, 4, 2, 1),
        ),
        changed,
    )  # fmt: skip

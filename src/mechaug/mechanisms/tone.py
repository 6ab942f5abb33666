"""Tone: how bright a stored value is shown, or was meant to be."""

from dataclasses import dataclass
from typing import Final, final

from mechaug.keys import Key
from mechaug.laws import Law, quantity
from mechaug.mechanisms.base import (
    Group,
    Mechanism,
    Parameters,
    check_laws,
    draw_quantities,
    neutral_quantities,
    parameters,
    per_image,
)
from mechaug.types import Image, PerImage

_DARKEST: Final = 1e-4
"""Below it, a fortieth of a grey level, a power law is replaced by a straight line: no slope is infinite at black."""


@parameters
class GammaParams(Parameters):
    """`gamma`: exponent of each picture's values."""

    gamma: PerImage


@final
@dataclass(frozen=True)
class Gamma(Group[GammaParams]):
    """A power law on the picture: y becomes y^gamma, as on a display of another gamma than the picture was made for.

    Exponents multiply: the group of positive numbers. Below 10⁻⁴ of white the curve is a straight line to black, where
    composition holds to 10⁻³ only.

    Args:
        gamma: law of the exponent; below 1 brightens.

    Default prior: 0.7 to 1.4, uniform in the logarithm: between displays of gamma 1.6 and 3.1 for pictures made for
    2.2.
    """

    gamma: Law = quantity((0.7, 1.4), "", neutral=1.0, scale="log", low=0.05, high=20.0, sweep=(1.2, 2.4))

    domain = "picture"
    structure = "group"
    overlaps = ("brightness", "contrast")

    def __post_init__(self) -> None:
        check_laws(self)

    def sample(self, key: Key) -> GammaParams:
        return GammaParams(**draw_quantities(self, key))

    def neutral(self, batch: int) -> GammaParams:
        return GammaParams(**neutral_quantities(self, batch))

    def transform(self, x: Image, params: GammaParams) -> Image:
        seen = x.clamp(min=_DARKEST)
        # The quotient is 1 where the power law holds. Powers of two are several times faster than `pow`.
        return (seen.log2() * per_image(params.gamma).to(x.dtype)).exp2() * (x / seen)

    def compose(self, first: GammaParams, second: GammaParams) -> GammaParams:
        return GammaParams(gamma=first.gamma * second.gamma)

    def inverse(self, params: GammaParams) -> GammaParams:
        return GammaParams(gamma=1 / params.gamma)


@parameters
class ToneCurveParams(Parameters):
    """The tone curve of each picture.

    Attributes:
        shadows: slope at black, less 1.
        highlights: slope at white, 1 less it.
    """

    shadows: PerImage
    highlights: PerImage


@final
@dataclass(frozen=True)
class ToneCurve(Mechanism[ToneCurveParams]):
    """The curve by which a camera or a raw converter renders tones: the cubic with given slopes at black and white.

        y + y(1 − y)·((1 − y)·shadows + y·highlights)

    keeps black and white, has the slope 1 + shadows at black and 1 − highlights at white, and never falls for values
    within ±1. Equal and opposite ones are S-curves: (−1, 1) is the smoothstep 3y² − 2y³ that Brooks et al.
    ("Unprocessing images for learned raw denoising", CVPR 2019) take for the mean of cameras' tone curves; (1, −1)
    flattens contrast. Two positive ones brighten and two negative ones darken the middle. Cubics of cubics are no
    cubics: no composition law.

    Args:
        shadows: law of the slope at black, less 1: positive lifts shadows.
        highlights: law of 1 less the slope at white: positive lifts highlights.

    Default prior: half of what exists, either way: curves of common picture styles.
    """

    shadows: Law = quantity((-0.5, 0.5), "", neutral=0.0, low=-1.0, high=1.0, sweep=(-0.25, -1.0))
    highlights: Law = quantity((-0.5, 0.5), "", neutral=0.0, low=-1.0, high=1.0, sweep=(0.25, 1.0))

    domain = "picture"
    structure = "none"
    overlaps = ("brightness", "contrast")

    def __post_init__(self) -> None:
        check_laws(self)

    def sample(self, key: Key) -> ToneCurveParams:
        return ToneCurveParams(**draw_quantities(self, key))

    def neutral(self, batch: int) -> ToneCurveParams:
        return ToneCurveParams(**neutral_quantities(self, batch))

    def transform(self, x: Image, params: ToneCurveParams) -> Image:
        shadows = per_image(params.shadows).to(x.dtype)
        more = per_image(params.highlights).to(x.dtype) - shadows
        # x + (x − x²)·(shadows + more·x) by Horner's rule: memory for one more picture, and no step that meets three
        # tensors, which would be done number by number.
        return (x * -more).add_(more - shadows).mul_(x).add_(shadows + 1.0).mul_(x)

"""Haze: the light that lies over a picture's darkest places.

Koschmieder's air adds A·(1 − t) everywhere, and scenes of some size hold something that is nearly black in one channel
(He, Sun & Tang, "Single image haze removal using dark channel prior", CVPR 2009). Their ratio to the brightest light,
which stands for the airlight A, is 1 − t if the air before everything is alike. Flare, a low-contrast tone curve and a
scene without anything dark read the same: only pictures that are more veiled than those of a reference count as hazy.
"""

from typing import Final

from jaxtyping import Float
from torch import Tensor

from mechaug.mechanisms.light import to_light

_DARKEST: Final = 0.01
_BRIGHTEST: Final = 0.99


def veil(picture: Float[Tensor, "3 h w"]) -> float:
    """1 − t for the transmittance t of a picture's air, sRGB in [0, 1]; 0 is clear, 1 hides all.

    The darkest channel's quantile of 1 %, over the lightest channel's of 99 %.
    """
    light = to_light(picture[None])[0]
    dark, bright = light.amin(0).flatten(), light.amax(0).flatten()
    top = float(bright.quantile(_BRIGHTEST))
    return min(float(dark.quantile(_DARKEST)) / max(top, 1e-4), 1.0)

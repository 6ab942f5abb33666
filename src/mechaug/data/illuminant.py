"""The colour of daylight: what light of a colour temperature does to the three channels."""

from typing import Final

import torch
from jaxtyping import Float
from torch import Tensor

from mechaug.mechanisms.colour import planckian_xy
from mechaug.types import PerImage

NEUTRAL_MIRED: Final = 1e6 / 6504
"""The colour temperature of D65, the white of sRGB, for which a camera's white is balanced."""

# CIE XYZ to linear sRGB (IEC 61966-2-1), and the luminance of linear sRGB.
_SRGB: Final = ((3.2406, -1.5372, -0.4986), (-0.9689, 1.8758, 0.0415), (0.0557, -0.2040, 1.0570))
_LUMINANCE: Final = (0.2126, 0.7152, 0.0722)


def illuminant_gains(mired: PerImage, *, adaptation: float = 0.0) -> Float[Tensor, "b 3"]:
    """Per-channel gains (von Kries) of linear sRGB under a black body's light, at luminance 1.

    Args:
        mired: 10⁶ / colour temperature in kelvin, 100 to 400: small is blue, large is orange.
        adaptation: how much of the cast the camera's white balance takes out, on a log scale: 0 none, 1 all.

    Returns:
        Gains that are 1 at `NEUTRAL_MIRED` and of which white keeps luminance 1.
    """
    # In float64, because the neutral illuminant is divided out.
    both = torch.cat((mired.double(), mired.new_full((1,), NEUTRAL_MIRED, dtype=torch.float64)))
    x, y = planckian_xy(1e6 / both)
    xyz = torch.stack((x / y, torch.ones_like(x), (1 - x - y) / y), -1)
    rgb = (xyz @ torch.tensor(_SRGB, dtype=torch.float64, device=mired.device).T).clamp(min=1e-4)
    gains = (rgb[:-1] / rgb[-1]) ** (1 - adaptation)
    luminance = gains @ torch.tensor(_LUMINANCE, dtype=torch.float64, device=mired.device)
    return (gains / luminance[:, None]).to(mired.dtype)

"""Colour: where lights lie in the chromaticity diagram, and what another light does to linear RGB.

The loci are CIE 1931 chromaticities (x, y) as functions of the temperature in kelvin; 10⁶/kelvin is in mired, of which
equal steps look about equal. Few numbers per image, so that all of it is in float64.
"""

from typing import Final, Literal, TypeAlias

import torch
from jaxtyping import Float
from torch import Tensor

from mechaug.mechanisms.eager import constant
from mechaug.types import PerImage

Numbers = Float[Tensor, "*n"]
"""Any shape; all arguments of a function have the same."""

BALANCED_MIRED: Final = 153.75
"""The colour temperature of D65, 6504 K, for which a picture's white is balanced; a whole number of quarters."""

Locus: TypeAlias = Literal["planckian", "daylight"]
"""Black bodies, or the phases of daylight."""

_D65: Final = (0.3127, 0.3290)
"""The white of sRGB (IEC 61966-2-1)."""

_PRIMARIES: Final = ((0.640, 0.330), (0.300, 0.600), (0.150, 0.060))
"""Red, green and blue of sRGB: those of ITU-R BT.709."""

# Cone-like responses to XYZ (Lam, "Metamerism and colour constancy", 1985; as in ICC.1, annex E).
_BRADFORD: Final = torch.tensor(
    [[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]], dtype=torch.float64
)


def _xyz(x: Tensor, y: Tensor) -> Float[Tensor, "... 3"]:
    """Tristimulus values of a chromaticity at luminance 1."""
    return torch.stack((x / y, torch.ones_like(x), (1 - x - y) / y), dim=-1)


def _rgb_to_xyz() -> Float[Tensor, "3 3"]:
    """The matrix that takes (1, 1, 1) to the white point, and each unit vector to its primary."""
    primaries = _xyz(*torch.tensor(_PRIMARIES, dtype=torch.float64).unbind(-1)).mT
    white = _xyz(*torch.tensor(_D65, dtype=torch.float64).unbind(-1))
    return primaries * torch.linalg.solve(primaries, white)


# From the definition, in full precision, so that both are each other's inverse; the standard prints four digits.
XYZ_FROM_RGB: Final[Float[Tensor, "3 3"]] = _rgb_to_xyz()
"""Linear sRGB to CIE XYZ."""

LUMINANCE: Final[Float[Tensor, "3"]] = XYZ_FROM_RGB[1]
"""What each channel of linear sRGB adds to the luminance."""

RGB_FROM_XYZ: Final[Float[Tensor, "3 3"]] = torch.linalg.inv(XYZ_FROM_RGB)
"""CIE XYZ to linear sRGB."""

_CONES_FROM_UV: Final = _BRADFORD @ torch.tensor(
    [[3.0, 0.0, 0.0], [0.0, 2.0, 0.0], [-1.0, -10.0, 4.0]], dtype=torch.float64
)
_CONES_FROM_RGB: Final = _BRADFORD @ XYZ_FROM_RGB
_RGB_FROM_CONES: Final = torch.linalg.inv(_CONES_FROM_RGB)


def planckian_xy(kelvin: Numbers) -> tuple[Numbers, Numbers]:
    """Chromaticity of a black body (Kang et al., J. Korean Physical Society 41, 2002).

    Args:
        kelvin: its temperature, 1667 to 25,000 K.

    Returns:
        x and y. The pieces of the formula meet at 2222 K and 4000 K to within 10⁻⁴, as far as a sixth of a mired.
    """
    warm = ((-0.2661239e9 / kelvin - 0.2343589e6) / kelvin + 0.8776956e3) / kelvin + 0.179910
    cold = ((-3.0258469e9 / kelvin + 2.1070379e6) / kelvin + 0.2226347e3) / kelvin + 0.240390
    x = torch.where(kelvin <= 4000, warm, cold)
    warmest = ((-1.1063814 * x - 1.34811020) * x + 2.18555832) * x - 0.20219683
    warm = ((-0.9549476 * x - 1.37418593) * x + 2.09137015) * x - 0.16748867
    cold = ((3.0817580 * x - 5.87338670) * x + 3.75112997) * x - 0.37001483
    y = torch.where(kelvin <= 2222, warmest, torch.where(kelvin <= 4000, warm, cold))
    return x, y


def daylight_xy(kelvin: Numbers) -> tuple[Numbers, Numbers]:
    """Chromaticity of the phases of daylight, CIE illuminants D (CIE 015:2004, 3.1).

    Args:
        kelvin: correlated colour temperature, 4000 to 25,000 K. That of D65 is 6504 K, since the constant c₂ of
            Planck's law was revised after the illuminant had got its name.

    Returns:
        x and y.
    """
    warm = ((-4.6070e9 / kelvin + 2.9678e6) / kelvin + 0.09911e3) / kelvin + 0.244063
    cold = ((-2.0064e9 / kelvin + 1.9018e6) / kelvin + 0.24748e3) / kelvin + 0.237040
    x = torch.where(kelvin <= 7000, warm, cold)
    return x, (-3.0 * x + 2.870) * x - 0.275


def light_uv(mired: PerImage, duv: PerImage, locus: Locus) -> tuple[PerImage, PerImage]:
    """CIE 1960 chromaticity of a light on or beside a locus, continuous and differentiable.

    Args:
        mired: 10⁶ / correlated colour temperature in kelvin, 40 to 600.
        duv: how far it lies beside the locus, across that of black bodies, so that the correlated colour temperature
            stays: positive is greenish, negative pinkish (the sign of ANSI C78.377).
        locus: "planckian" for black bodies. "daylight" for what lamps are judged against: daylight from 5000 K on, a
            black body up to 4000 K, below which there is no daylight, and a mixture in proportion to the temperature
            in between (the reference illuminant of ANSI/IES TM-30-18).

    Returns:
        u and v, to 10⁻⁶ of the formulas but where their pieces do not meet.
    """
    table = constant(_LOCI[locus], mired.double())
    low = mired.detach().floor().clamp(_MIREDS[0], _MIREDS[1] - 1)
    row = low.long() - _MIREDS[0]
    u, v, across_u, across_v = torch.lerp(table[row], table[row + 1], (mired - low)[:, None].to(table)).unbind(-1)
    return u + duv * across_u, v + duv * across_v


def uv_of(x: Numbers, y: Numbers) -> tuple[Numbers, Numbers]:
    """CIE 1960 chromaticity (u, v) of a CIE 1931 one (x, y)."""
    over = 1 / (12 * y - 2 * x + 3)
    return 4 * x * over, 6 * y * over


def illuminant_matrix(mired: PerImage, duv: PerImage, locus: Locus) -> Float[Tensor, "b 3 3"]:
    """What light of another colour does to linear sRGB whose white stays balanced for `BALANCED_MIRED`.

    The reference is the locus's own light of that temperature: D65 itself for "daylight"; a black body lies 0.003 Duv
    below it and takes its place, so that only the difference counts.

    Args:
        mired: as for `light_uv`.
        duv: as for `light_uv`.
        locus: as for `light_uv`.

    Returns:
        One matrix per image, float64; the identity for the reference.
    """
    mired = mired.double()
    u, v = _BALANCED_UV[locus]
    return adaptation((torch.full_like(mired, u), torch.full_like(mired, v)), light_uv(mired, duv.double(), locus))


def adaptation(here: tuple[PerImage, PerImage], there: tuple[PerImage, PerImage]) -> Float[Tensor, "b 3 3"]:
    """What a change of light does to linear sRGB: von Kries' rule in Bradford's cone space.

    Each cone response is multiplied by that to the new light over that to the old one. The result is scaled so that
    white, (1, 1, 1), keeps its luminance.

    Args:
        here: CIE 1960 chromaticity u and v of the light before the change, float64.
        there: of the light after it.

    Returns:
        One matrix per image, float64.
    """
    gains = _cones(*there) / _cones(*here)
    matrix = (constant(_RGB_FROM_CONES, gains) * gains[:, None, :]) @ constant(_CONES_FROM_RGB, gains)
    white = matrix.sum(-1) @ constant(LUMINANCE, gains)
    return matrix / white[:, None, None]


def _cones(u: PerImage, v: PerImage) -> Float[Tensor, "b 3"]:
    """Bradford's cone responses to a light, but for a factor that all three share."""
    # X : Y : Z = 3u : 2v : 4 − u − 10v.
    return torch.stack((u, v, torch.ones_like(u)), dim=-1) @ constant(_CONES_FROM_UV, u).mT


def _locus(locus: Locus) -> Float[Tensor, "mireds 4"]:
    """At every whole mired, where the locus is and the unit vector across that of black bodies: (u, v, ∂u, ∂v)."""
    mired = torch.arange(_MIREDS[0], _MIREDS[1] + 1, dtype=torch.float64)
    kelvin = 1e6 / mired
    u, v = uv_of(*planckian_xy(kelvin))
    # The direction of the locus is that of a chord: wide enough not to see where the pieces of its formula meet.
    u0, v0 = uv_of(*planckian_xy(1e6 / (mired - 5)))
    u1, v1 = uv_of(*planckian_xy(1e6 / (mired + 5)))
    # Toward warmer light u grows, so that a quarter turn to the left leads above the locus.
    across = torch.nn.functional.normalize(torch.stack((v0 - v1, u1 - u0), dim=-1), dim=-1)
    if locus == "daylight":
        share = ((kelvin - 4000) / 1000).clamp(0.0, 1.0)
        daylight_u, daylight_v = uv_of(*daylight_xy(kelvin))
        # Lights of equal luminance mix in proportion to 1/v.
        share = share * v / torch.lerp(daylight_v, v, share)
        u, v = torch.lerp(u, daylight_u, share), torch.lerp(v, daylight_v, share)
    return torch.cat((torch.stack((u, v), dim=-1), across), dim=-1)


# Twenty operations on a handful of numbers instead of eighty: at one picture at a time, these are what takes time.
_MIREDS: Final = (40, 600)
_LOCI: Final = {"planckian": _locus("planckian"), "daylight": _locus("daylight")}


def _balanced_uv(locus: Locus) -> tuple[float, float]:
    u, v = light_uv(torch.tensor([BALANCED_MIRED]).double(), torch.zeros(1).double(), locus)
    return float(u), float(v)


_BALANCED_UV: Final = {"planckian": _balanced_uv("planckian"), "daylight": _balanced_uv("daylight")}

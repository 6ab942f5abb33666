"""Shadows: what stands between the scene and the sun."""

import math
from dataclasses import dataclass
from typing import Final, final

import torch
from jaxtyping import Float
from torch import Tensor

from mechaug.keys import Key
from mechaug.laws import Law, quantity
from mechaug.mechanisms.base import (
    Mechanism,
    Parameters,
    check_laws,
    draw_quantities,
    neutral_quantities,
    parameters,
)
from mechaug.mechanisms.colour import BALANCED_MIRED, LUMINANCE, illuminant_matrix
from mechaug.mechanisms.eager import constant
from mechaug.mechanisms.warp import pixel_places
from mechaug.types import Image, PerImage

WAVES: Final = 12
"""Waves that an outline is made of."""

FREQUENCIES: Final = (1.0, 10.0)
"""Their lowest and highest frequency, cycles per picture width; each is as high as it is long, as in tree crowns."""

# With amplitudes in proportion to 1/frequency, uniform in the logarithm of the frequency: the mean square of 1/f.
_MEAN_SQUARE: Final = (FREQUENCIES[0] ** -2 - FREQUENCIES[1] ** -2) / (2 * math.log(FREQUENCIES[1] / FREQUENCIES[0]))

# The root mean square of the slope of an outline of roughness 1.
_SLOPE: Final = 2 * math.pi / math.sqrt(_MEAN_SQUARE)


@parameters
class ShadowParams(Parameters):
    """The shadow on each picture; lengths are in widths of the picture.

    Attributes:
        depth_ev: how much less light there is in the shade, EV.
        sky_mired: 10⁶ / colour temperature of the light in the shade, where the picture is balanced for 153.75.
        penumbra: width of the soft edge.
        direction_deg: from the edge into the shade: 0 is right, 90 is up.
        offset: from the picture's centre to the edge, in that direction.
        breadth: from this edge to the opposite one; infinity is a shadow without end.
        roughness: standard deviation of the outline from a straight edge.
        waves: what it deviates by: across and down frequency, cycles per width, and amplitudes of cosine and sine.
    """

    depth_ev: PerImage
    sky_mired: PerImage
    penumbra: PerImage
    direction_deg: PerImage
    offset: PerImage
    breadth: PerImage
    roughness: PerImage
    waves: Float[Tensor, "b n 4"]


@final
@dataclass(frozen=True)
class Shadow(Mechanism[ShadowParams]):
    """A shadow with straight edges, as of a wall or a pole, or rough ones, as of a tree, cast on what is seen.

    In the sun the scene is lit by sun and sky, in the shade by the sky alone, 2^−depth_ev of both together; between
    them by the sky and what is visible of the sun. That share follows from an edge that moves over the sun's disc,
    which is darker towards its limb: ½ + ¾·t − ¼·t³ at t half penumbras from the edge, exact for a limb that is dark,
    and within 0.02 for the sun's. Both edges of a shadow hide what they hide of the sun independently, so that a
    shadow narrower than its penumbra is faint. The sky's light is blue; sun and sky together are white.

    Args:
        depth_ev: law of the depth, EV.
        sky_mired: law of the sky's colour, mired.
        penumbra: law of the penumbra's width, widths of the picture. The sun is 0.53° wide, so that an object throws a
            penumbra of 0.0093 of its distance.
        direction_deg: law of the direction into the shade, degrees.
        offset: law of the edge's distance from the picture's centre, widths of the picture.
        breadth: law of the shadow's breadth, widths of the picture.
        roughness: law of the outline's deviation, widths of the picture.

    Default prior: 1 EV (thin cloud) to 3.3 EV (a clear sky gives a tenth of the light at noon); skylight of 20,000 to
    8000 K; penumbras from those of a car on its road to those of a tree's crown in a picture a few metres wide.
    """

    depth_ev: Law = quantity((1.0, 3.3), "EV", neutral=0.0, low=0.0, sweep=(0.5, 4.0))
    sky_mired: Law = quantity((50.0, 125.0), "mired", neutral=BALANCED_MIRED, low=40.0, high=599.0, held=90.0)
    penumbra: Law = quantity((0.003, 0.1), "of the width", neutral=0.0, scale="log", low=0.0, held=0.02)
    direction_deg: Law = quantity((0.0, 360.0), "°", neutral=0.0, held=30.0)
    offset: Law = quantity((-0.4, 0.4), "of the width", neutral=0.0, held=0.0)
    breadth: Law = quantity((0.2, 4.0), "widths", neutral=math.inf, scale="log", low=0.0, held=0.6)
    roughness: Law = quantity((0.0, 0.1), "of the width", neutral=0.0, low=0.0, held=0.03)

    domain = "light"
    structure = "none"
    overlaps = ("brightness",)

    def __post_init__(self) -> None:
        check_laws(self)

    def sample(self, key: Key) -> ShadowParams:
        drawn = key.fold("Shadow").fold("waves").unit(WAVES, 4)
        low, high = FREQUENCIES
        frequency = low * torch.exp(math.log(high / low) * drawn[..., 0])
        turn = 2 * math.pi * drawn[..., 1]
        normal = torch.special.ndtri(drawn[..., 2:]) / (frequency * math.sqrt(WAVES * _MEAN_SQUARE))[..., None]
        # All waves together deviate by 1.
        waves = torch.stack((frequency * turn.cos(), frequency * turn.sin(), *normal.unbind(-1)), dim=-1)
        return ShadowParams(**draw_quantities(self, key), waves=waves.float())

    def neutral(self, batch: int) -> ShadowParams:
        return ShadowParams(**neutral_quantities(self, batch), waves=torch.zeros(batch, WAVES, 4))

    def transform(self, x: Image, params: ShadowParams) -> Image:
        shade = self._shade(params).to(x.dtype)
        if x.shape[1] != 3:
            shade = shade @ constant(LUMINANCE, x)[:, None]
        return torch.lerp(x, x * shade[:, :, None, None], self._hidden(x, params)[:, None])

    def _shade(self, params: ShadowParams) -> Float[Tensor, "b 3"]:
        """The light in the shade over that in the sun, per channel; its luminance is 2^−depth_ev."""
        gains = illuminant_matrix(params.sky_mired, torch.zeros_like(params.sky_mired), "daylight").sum(-1)
        depth = torch.exp2(-params.depth_ev.double())[:, None]
        # The picture is balanced for sun and sky together: the smaller the sun's part, the less blue is the sky's.
        gains = gains / (1 + depth * (gains - 1))
        return depth * gains / (gains @ constant(LUMINANCE, gains))[:, None]

    def _hidden(self, x: Image, params: ShadowParams) -> Float[Tensor, "b h w"]:
        """How much of the sun is hidden, 0 to 1."""
        height, width = x.shape[-2:]
        right, down = pixel_places(height, width, x)
        params = params.map(lambda leaf: leaf.to(x.dtype))
        direction = torch.deg2rad(params.direction_deg)[:, None]
        roughness = params.roughness[:, None, None]
        # The distance into the shade is a product of two matrices: a plane is one of rank 2, and each wave, by
        # cos(p + q) = cos p cos q − sin p sin q, as well.
        across, along, cosine, sine = params.waves.unbind(-1)
        p, q = (2 * math.pi * frequency[..., None] * place for frequency, place in ((across, right), (along, down)))
        cos, sin = roughness * q.cos(), roughness * q.sin()
        cosine, sine = cosine[..., None], sine[..., None]
        one = torch.ones_like(params.offset)[:, None]
        of_rows = torch.cat(
            (
                cosine * cos + sine * sin,
                sine * cos - cosine * sin,
                (-torch.sin(direction) * down - params.offset[:, None])[:, None],
                one[..., None].expand(-1, -1, height),
            ),
            dim=1,
        )
        of_columns = torch.cat(
            (p.cos(), p.sin(), one[..., None].expand(-1, -1, width), (torch.cos(direction) * right)[:, None]), dim=1
        )
        # Where the outline is steep, equal distances on the scene are more of it. No edge is sharper than a pixel.
        steepness = torch.sqrt(1 + (_SLOPE * params.roughness).square())
        edge = torch.hypot(params.penumbra, torch.full_like(params.penumbra, 1 / width)) * steepness
        into = (of_rows / edge[:, None, None]).mT @ of_columns
        # Many widths are as good as infinitely many, and keep the slopes finite.
        breadth = (params.breadth.clamp(max=100.0) / edge)[:, None, None]
        return _passed(into + 0.5) - _passed(into + (0.5 - breadth))


def _passed(place: Float[Tensor, "b h w"]) -> Float[Tensor, "b h w"]:
    """The share of the sun behind an edge that has moved over `place` of its width, 0 to 1."""
    place = place.clamp(0.0, 1.0)
    return place.square() * (3 - 2 * place)

"""Balance: the light's colour is read from the picture and taken out, so that another can be set.

An intervention sets a cause whatever it was before. `Illuminant` moves the colour of a picture's light from D65 to
another; in pictures whose light is already coloured, and tied to what they show, it would only shift it. With
`Balance` in front, what the light was no longer matters.
"""

from dataclasses import dataclass
from typing import Final, final

import torch
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
from mechaug.mechanisms.colour import BALANCED_MIRED, illuminant_matrix
from mechaug.types import Image, PerImage

# Beyond the warmest of these, white paper has nearly no blue left.
_MIREDS: Final = torch.arange(40.0, 451.0, dtype=torch.float64)


def _redness() -> Tensor:
    """The logarithm of red over blue of white paper under each light of the table; it rises with the mired."""
    white = illuminant_matrix(_MIREDS, torch.zeros_like(_MIREDS), "daylight").sum(-1)
    return (white[:, 0] / white[:, 2]).log()


_REDNESS: Final = _redness()
_DARK: Final = 1e-3
"""Light that is taken for no darker, white = 1: it tells no colour."""


@parameters
class BalanceParams(Parameters):
    """`strength`: the part of the light's colour that is taken out, 0 to 1."""

    strength: PerImage


@final
@dataclass(frozen=True)
class Balance(Mechanism[BalanceParams]):
    """White balance along the daylight locus, by shades of grey.

    The light is taken to be that under which the Minkowski mean (mean of xᵖ)^(1/p) of what is seen would be grey
    between red and blue (Finlayson and Trezzi, "Shades of gray and colour constancy", CIC 2004, whose p = 6 is the
    default), on the locus from 40 to 450 mired; its matrix is undone. p = 1 is the grey world, and a large p trusts the
    brightest light.

    With strength 1, the colour that the light had leaves no trace but where channels were clipped. What the picture
    shows is not grey in that mean, so that the light it is left with is D65 plus an error that depends on the picture
    alone.

    Args:
        strength: law of the part of the colour, in mired from D65, that is taken out.
        norm: p, from 1 to 20.

    Default prior: all of it.

    Raises:
        ValueError: `norm` is outside its range; `transform` is given images that have not 3 channels.
    """

    strength: Law = quantity(1.0, "", neutral=0.0, low=0.0, high=1.0, sweep=(0.3, 1.0))
    norm: float = 6.0

    domain = "light"
    structure = "none"

    def __post_init__(self) -> None:
        check_laws(self)
        if not 1 <= self.norm <= 20:
            raise ValueError(f"Balance(norm=…) is the order of a mean, from 1 to 20, not {self.norm!r}")

    def sample(self, key: Key) -> BalanceParams:
        """Draw the strength."""
        return BalanceParams(**draw_quantities(self, key))

    def neutral(self, batch: int) -> BalanceParams:
        """Nothing is taken out."""
        return BalanceParams(**neutral_quantities(self, batch))

    def transform(self, x: Image, params: BalanceParams) -> Image:
        """Undo the light's matrix."""
        light = BALANCED_MIRED + params.strength * (seen_mired(x, self.norm) - BALANCED_MIRED)
        undo = torch.linalg.inv(illuminant_matrix(light, torch.zeros_like(light), "daylight")).to(x.dtype)
        return torch.bmm(undo, x.flatten(2)).clamp(min=0.0).unflatten(2, x.shape[2:])


def seen_mired(x: Image, norm: float) -> PerImage:
    """The light on the daylight locus under which the Minkowski mean of what is seen would be grey from red to blue.

    Args:
        x: light, 3 channels.
        norm: the order of the mean.

    Returns:
        40 to 450 mired, in the images' dtype; differentiable.

    Raises:
        ValueError: the images have not 3 channels.
    """
    if x.shape[1] != 3:
        raise ValueError(f"the colour of light is read from pictures of 3 channels, not {x.shape[1]}: grey tells none")
    # Light is kept off black, whose root has no slope.
    light = x[:, ::2].to(torch.promote_types(x.dtype, torch.float32))
    mean = light.clamp(min=_DARK).pow(norm).mean((2, 3)).double()
    table, mireds = _REDNESS.to(x.device), _MIREDS.to(x.device)
    redness = ((mean[:, 0] / mean[:, 1]).log() / norm).clamp(float(_REDNESS[0]), float(_REDNESS[-1]))
    left = torch.bucketize(redness.detach(), table[1:-1])
    share = (redness - table[left]) / (table[left + 1] - table[left])
    return torch.lerp(mireds[left], mireds[left + 1], share).to(x.dtype)

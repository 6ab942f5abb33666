"""Laws: where one parameter comes from, and quantities: what a parameter means.

A law is a number, a range `(low, high)`, a `torch.distributions` object with an inverse distribution function, or the
name of a scene's variable. A quantity says what a mechanism's field is measured in, which values exist, on which scale
a range is uniform, which value does nothing and which values are mild and strong.
"""

import dataclasses
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeAlias, get_args

import torch
from jaxtyping import Float
from torch import Tensor
from torch.distributions import Distribution

from mechaug.keys import Key

Law: TypeAlias = int | float | tuple[int | float, int | float] | Distribution | str
"""A number, a range (low, high), a distribution, or the name of a variable of the scene that holds the mechanism."""

Scale: TypeAlias = Literal["linear", "log"]
"""On which scale a range is uniform: ratios (visibility, exposure time, ISO) are uniform in their logarithm."""

_METADATA_KEY: Final = "mechaug.quantity"

_NEARLY_ALL: Final = (0.001, 0.999)
"""Quantiles between which a distribution's values are looked at: only its tails may lie outside what exists."""


@dataclass(frozen=True)
class Quantity:
    """What one parameter of a mechanism means.

    Attributes:
        unit: its unit as written under a picture, such as "m" or "e⁻"; empty for a pure number.
        neutral: the value at which it does nothing, or any value where it alone cannot undo the mechanism.
        scale: on which scale a range `(low, high)` is uniform.
        low: the smallest value that exists.
        high: the largest value that exists.
        sweep: (mild, strong): what a contact sheet shows; None for a parameter that is held while others sweep.
        held: its value while others sweep.
    """

    unit: str
    neutral: float
    scale: Scale = "linear"
    low: float = -math.inf
    high: float = math.inf
    sweep: tuple[float, float] | None = None
    held: float | None = None

    def between(self, fraction: float) -> float:
        """The value at `fraction` of the way from mild (0) to strong (1), on this quantity's scale."""
        if self.sweep is None:
            return self.neutral if self.held is None else self.held
        mild, strong = self.sweep
        if self.scale == "log":
            return math.exp(math.log(mild) + fraction * (math.log(strong) - math.log(mild)))
        return mild + fraction * (strong - mild)


def quantity(
    default: Law,
    unit: str,
    *,
    neutral: float,
    scale: Scale = "linear",
    low: float = -math.inf,
    high: float = math.inf,
    sweep: tuple[float, float] | None = None,
    held: float | None = None,
) -> Any:  # noqa: ANN401  (a dataclass field has the type of its value)
    """A dataclass field that holds a law and says what it means; the arguments are `Quantity`'s."""
    meaning = Quantity(unit, neutral, scale, low, high, sweep, held)
    return dataclasses.field(default=default, metadata={_METADATA_KEY: meaning})


def quantities(mechanism: Any) -> Iterator[tuple[str, Quantity]]:  # noqa: ANN401  (any dataclass, or its class)
    """The names and meanings of a mechanism's laws, in the order of its fields."""
    for field in dataclasses.fields(mechanism):
        if _METADATA_KEY in field.metadata:
            yield field.name, field.metadata[_METADATA_KEY]


def check_law(owner: str, name: str, law: Law, meaning: Quantity) -> None:
    """Refuse a law that cannot be drawn from, or that reaches outside the values that exist.

    Raises:
        TypeError: the law is neither a number, a range nor a distribution.
        ValueError: it is outside the quantity's support, reversed, not positive on a log scale, or a distribution
            without an inverse distribution function or with nothing but its tails in the support.
    """
    where = f"{owner}({name}=…)"
    if isinstance(law, str) and law.isidentifier():
        # Which variables there are, and whether their units fit, the scene knows that will hold the mechanism.
        return
    if isinstance(law, Distribution):
        if law.batch_shape or law.event_shape:
            raise ValueError(f"{where} takes a distribution of single numbers, not one of shape {law.batch_shape}")
        try:
            least, most = law.icdf(torch.tensor(_NEARLY_ALL)).tolist()
        except NotImplementedError:
            raise ValueError(
                f"{where}: {type(law).__name__} has no inverse distribution function, so no key can draw from it; "
                "use Normal, LogNormal, Uniform, Exponential or a range (low, high)"
            ) from None
        if most < meaning.low or least > meaning.high:
            raise ValueError(
                f"{where}: {type(law).__name__} gives {least:.4g} to {most:.4g}, all outside {existing(meaning)}"
            )
        return
    if isinstance(law, tuple):
        if len(law) != 2 or not all(isinstance(end, int | float) and not isinstance(end, bool) for end in law):
            raise TypeError(f"{where} takes a range of two numbers (low, high), not {law!r}")
        low, high = law
        if low > high:
            raise ValueError(f"{where}: the range {law!r} is reversed; write ({high!r}, {low!r})")
        if low < high and not (math.isfinite(low) and math.isfinite(high)):
            raise ValueError(
                f"{where}: nothing is uniform on a range without an end; both ends of {law!r} must be finite"
            )
        if meaning.scale == "log" and low < high and low <= 0:
            raise ValueError(
                f"{where}: a range is uniform in the logarithm here: both ends of {law!r} must be positive"
            )
    elif isinstance(law, int | float) and not isinstance(law, bool):
        low = high = law
    else:
        raise TypeError(
            f"{where} takes a number, a range (low, high), a torch.distributions object or a scene variable's name, "
            f"not {type(law).__name__}"
        )
    if math.isnan(low) or math.isnan(high) or low < meaning.low or high > meaning.high:
        raise ValueError(f"{where}: {law!r} is outside {existing(meaning)}")


def existing(meaning: Quantity) -> str:
    """The values that exist, for a sentence."""
    unit = f" {meaning.unit}" if meaning.unit else ""
    return f"{meaning.low:g} to {meaning.high:g}{unit}, the values that exist"


def check_scale(owner: str, name: str, scale: str) -> None:
    """Refuse what is no scale, such as one that is misspelt: nothing would be uniform on it.

    Raises:
        ValueError: it is neither "linear" nor "log".
    """
    if scale not in get_args(Scale):
        raise ValueError(f'{owner}({name}=…) is "linear" or "log", not {scale!r}')


def draw_law(law: Law, key: Key, meaning: Quantity) -> Float[Tensor, "..."]:
    """One float32 value per key.

    Args:
        law: as accepted by `check_law`.
        key: one key per image.
        meaning: gives the scale on which a range is uniform; draws are clamped to its support.
    """
    if isinstance(law, int | float):
        return torch.full(key.shape, float(law), device=key.device)
    return at_quantile(law, key.unit(), meaning)


def at_quantile(
    law: tuple[int | float, int | float] | Distribution | str, unit: Float[Tensor, "..."], meaning: Quantity
) -> Float[Tensor, "..."]:
    """The float32 values of a range or a distribution at given quantiles, strictly between 0 and 1, in float64.

    Raises:
        ValueError: the law names a scene's variable, which has a value in that scene alone.
    """
    if isinstance(law, str):
        raise ValueError(
            f"a law reads the variable {law!r} of a scene: draw from the Scene that holds the mechanism, "
            "or give it a number, a range or a distribution"
        )
    if isinstance(law, tuple):
        low, high = law
        if meaning.scale == "log" and low < high:
            drawn = torch.exp(math.log(low) + (math.log(high) - math.log(low)) * unit)
        else:
            drawn = low + (high - low) * unit
    else:
        # Distributions hold CPU numbers; their quantiles are computed there and moved.
        drawn = law.icdf(unit.cpu()).to(unit.device)
    return drawn.clamp(meaning.low, meaning.high).float()

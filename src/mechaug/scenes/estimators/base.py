"""What an estimator says: a value with its error, or why there is none."""

import math
from dataclasses import dataclass
from typing import final

from mechaug.laws import Scale


@final
@dataclass(frozen=True)
class Estimate:
    """One quantity of one picture, as far as the picture determines it.

    Attributes:
        name: of the quantity, its unit at the end.
        unit: as written under a picture.
        value: the estimate, or None where the picture does not determine it.
        error: its standard error: in the unit, or on a log scale of its natural logarithm. Not a number where there is
            no value.
        scale: on which scale the error is symmetric.
        valid: the range of values for which the estimator was tried against known truth.
        within: where there is no value: what can be said all the same, as the ends of a 95 % interval.
        assumption: what must hold for the value to mean what it says; empty if nothing is assumed.
        reason: why there is no value; empty where there is one.
        unread: where there is no value because what would have been read lies beyond a fixed limit: the ends between
            which it lies. A law is fitted through these, since `within` depends on the picture itself, which would
            bias it. None where they are the same.
    """

    name: str
    unit: str
    value: float | None
    error: float
    scale: Scale
    valid: tuple[float, float]
    within: tuple[float, float] = (-math.inf, math.inf)
    assumption: str = ""
    reason: str = ""
    unread: tuple[float, float] | None = None

    def __post_init__(self) -> None:
        if (self.value is None) != bool(self.reason):
            raise ValueError(f"Estimate {self.name}: it has either a value or a reason why not")

    @property
    def identified(self) -> bool:
        """Whether there is a value."""
        return self.value is not None

    @property
    def interval(self) -> tuple[float, float]:
        """A 95 % interval; where there is no value, `within`."""
        if self.value is None:
            return self.within
        if self.scale == "log":
            wide = math.exp(1.96 * self.error)
            return self.value / wide, self.value * wide
        return self.value - 1.96 * self.error, self.value + 1.96 * self.error

    def __str__(self) -> str:
        low, high = self.interval
        if self.value is None:
            word, end = ("at most", high) if math.isfinite(high) else ("at least", low)
            bound = f"{word} {end:.3g} {self.unit}".rstrip() + "; " if math.isfinite(end) else ""
            return f"{self.name}: not identified: {bound}{self.reason}"
        text = f"{self.name}: {self.value:.4g} {self.unit}".rstrip()
        return text + (f" (95 %: {low:.3g} to {high:.3g})" if self.error else " (exact)")


def known(
    name: str, unit: str, value: float, error: float, scale: Scale, valid: tuple[float, float], assumption: str = ""
) -> Estimate:
    """An estimate, or none where it lies outside the range in which the estimator was tried."""
    low, high = valid
    if low <= value <= high:
        return Estimate(name, unit, value, error, scale, valid, assumption=assumption)
    end, beyond = (low, "below") if value < low else (high, "above")
    return missing(
        name, unit, scale, valid,
        f"{value:.3g} {unit} was read, and the estimator was not tried {beyond} {end:g}".replace("  ", " "),
        within=(-math.inf, low) if value < low else (high, math.inf), assumption=assumption,
    )  # fmt: skip


def missing(
    name: str, unit: str, scale: Scale, valid: tuple[float, float], reason: str, *,
    within: tuple[float, float] = (-math.inf, math.inf), assumption: str = "",
    unread: tuple[float, float] | None = None,
) -> Estimate:  # fmt: skip
    """A quantity without a value, and why."""
    return Estimate(name, unit, None, math.nan, scale, valid, within, assumption, reason, unread)

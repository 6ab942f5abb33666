"""One variable's law from what many pictures say about it, or the reason why they do not determine it."""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal, TypeAlias, final

import numpy as np
import torch
from torch.distributions import Distribution, LogNormal, Normal

from mechaug.laws import Scale
from mechaug.scenes.estimators.base import Estimate
from mechaug.scenes.estimators.noise import READS, NoiseTable
from mechaug.scenes.fit_law import CHI2_95, NormalFit, Reading, fit_normal, with_doubt, without_errors
from mechaug.scenes.fit_reference import FEWEST
from mechaug.scenes.roots import Quantiles, Sometimes
from mechaug.scenes.variable import Variable, VariableLaw

Status: TypeAlias = Literal["fitted", "bounded", "not identified"]
"""Fitted; of known mean and with a bound for the spread, which is taken; or left at its prior."""

LEAST_SHARE: Final = 0.5
"""Of all pictures, those that must have a value."""

_POINTS: Final = 33
"""Quantiles that a distribution is stored as which is not normal."""

_CHANCE: Final = 0.05
"""The share of clear pictures that are as veiled as the reference's most veiled twentieth."""


@final
@dataclass(frozen=True)
class Fitted:
    """A variable, and what the pictures say about it.

    Attributes:
        variable: with the fitted law, or with its prior.
        status: which of them.
        estimates: of every picture, with a value or without.
        normal: the normal law behind the values (behind their logarithms, where `scale` is "log"); None if none is.
        scale: of the estimates and of `normal`.
        text: what was found, or why nothing was, in a sentence.
    """

    variable: Variable
    status: Status
    estimates: tuple[Estimate, ...]
    normal: NormalFit | None
    scale: Scale
    text: str

    @property
    def values(self) -> tuple[float, ...]:
        """What was read, of the pictures that have a value."""
        return tuple(estimate.value for estimate in self.estimates if estimate.value is not None)

    @property
    def assumption(self) -> str:
        """What must hold for the values to mean what they say; empty if nothing is assumed."""
        return next((e.assumption for e in self.estimates if e.assumption), "")


def fit_measured(
    prior: Variable, estimates: Sequence[Estimate], *, reference_error: float = 0.0, doubt: float = 0.0
) -> Fitted:
    """A normal law, or on a log scale a log-normal one, behind values with errors.

    Where the values plus their errors are no normal distribution, and all have a value, the law is their own shape,
    drawn together until it spreads as much as the law does.

    Args:
        prior: the variable and its law where the pictures do not determine it.
        estimates: one per picture.
        reference_error: of the mean, from the reference, on the estimates' scale.
        doubt: how well the estimates' errors are known, as a share of them.
    """
    scale = estimates[0].scale if estimates else "linear"
    few = _too_few(estimates)
    if few:
        return Fitted(prior, "not identified", tuple(estimates), None, scale, few)
    readings = [_reading(estimate) for estimate in estimates]
    fit = with_doubt(readings, doubt)
    fit = replace(fit, mean_error=math.hypot(fit.mean_error, reference_error))
    typical = float(np.median([reading.error for reading in readings if reading.is_value]))
    if fit.spread_low > 0:
        law = _law(fit, readings, scale)
        return Fitted(replace(prior, law=law), "fitted", tuple(estimates), fit, scale, _told(prior, fit, scale))
    if fit.spread_high < _spread_of(prior, scale):
        law = _normal(fit.mean, fit.spread_high, scale)
        return Fitted(
            replace(prior, law=law), "bounded", tuple(estimates), fit, scale,
            f"{_told(prior, fit, scale)} That is less than can be told from the error of a single picture, "
            f"{_amount(typical, prior, scale)}; so the upper end is taken.",
        )  # fmt: skip
    return Fitted(
        prior, "not identified", tuple(estimates), None, scale,
        f"The spread between pictures is smaller than the error of a single one, {_amount(typical, prior, scale)}, and "
        "these are too few to bound it.",
    )  # fmt: skip


def fit_exact(prior: Variable, estimates: Sequence[Estimate]) -> Fitted:
    """The distribution of values without errors: one number, a log-normal law where it is one, or as it is."""
    scale = prior.scale
    few = _too_few(estimates)
    if few:
        return Fitted(prior, "not identified", tuple(estimates), None, scale, few)
    values = np.array([estimate.value for estimate in estimates if estimate.value is not None])
    note = f" {len(estimates) - len(values)} pictures do not say." if len(values) < len(estimates) else ""
    stated = [estimate.assumption for estimate in estimates if estimate.value is not None and estimate.assumption]
    if stated:
        note += f" {len(stated)} are the nearest only: {stated[0]}."
    if values.min() == values.max():
        law: VariableLaw = float(values[0])
        text = f"All {len(values)} say {values[0]:g} {prior.unit}".rstrip() + f".{note}"
        return Fitted(replace(prior, law=law), "fitted", tuple(estimates), None, scale, text)
    normal = None
    if scale == "log":
        fit = fit_normal([_reading(estimate) for estimate in estimates if estimate.value is not None])
        normal = fit if fit.expected else None
    law = _quantiles(values, scale) if normal is None else _normal(normal.mean, normal.spread, scale)
    low, middle, high = np.quantile(values, (0.1, 0.5, 0.9))
    text = f"{low:.3g} to {high:.3g} {prior.unit}".rstrip() + f" in four pictures of five, median {middle:.3g}.{note}"
    return Fitted(replace(prior, law=law), "fitted", tuple(estimates), normal, scale, text)


def fit_haze(prior: Variable, estimates: Sequence[Estimate], name: str) -> Fitted:
    """How often there is haze, and how dense: in more pictures than in the reference's most veiled twentieth.

    Args:
        prior: as in `fit_measured`.
        estimates: a visibility for those that are more veiled than that.
        name: of the reference.
    """
    values = np.array([estimate.value for estimate in estimates if estimate.value is not None])
    count, hazy = len(estimates), len(values)

    def refused(text: str) -> Fitted:
        return Fitted(prior, "not identified", tuple(estimates), None, "log", text)

    if count < FEWEST:
        return refused(_pictures(count))
    chance = _CHANCE * count + 1.645 * math.sqrt(_CHANCE * (1 - _CHANCE) * count)
    if hazy < max(chance, FEWEST / 2):
        return refused(f"{hazy} of {count} pictures are veiled, no more than may be by chance among those of {name}.")
    share = (hazy / count - _CHANCE) / (1 - _CHANCE)
    low, high = (float(value) for value in np.quantile(values, (0.1, 0.9)))
    law = Sometimes(share, (low, high), math.inf, "log")
    return Fitted(
        replace(prior, law=law), "fitted", tuple(estimates), None, "log",
        f"{hazy} of {count} pictures are veiled, a share of {share:.0%} beyond chance, like air of a visibility of "
        f"{low:.0f} to {high:.0f} m.",
    )  # fmt: skip


def fit_read_noise(prior: Variable, tables: Sequence[NoiseTable]) -> Fitted:
    """The read noise that one camera has in all pictures, whatever each one's electrons at white.

    Dark and light places of one picture must tell it from shot noise, so that it takes many pictures.
    """
    usable = [table.likelihood for table in tables if table.likelihood is not None and not table.reason]

    def refused(text: str) -> Fitted:
        return Fitted(prior, "not identified", (), None, "linear", text)

    if len(usable) < FEWEST:
        return refused(f"The noise of {len(usable)} pictures can be read, and {FEWEST} are needed.")
    profile = torch.stack([likelihood.amax(0) for likelihood in usable]).sum(0)
    # Pictures are alike in what the model leaves out, so that they say less than their number: as much as their
    # profiles differ from one another.
    best = int(profile.argmax())
    differences = torch.stack([likelihood.amax(0) - likelihood[:, best].max() for likelihood in usable])
    noise = differences.std(0) * math.sqrt(len(usable))
    likely = READS[(profile[best] - profile < CHI2_95 / 2) | (profile[best] - profile < 1.96 * noise)]
    low, high = float(likely.min()), float(likely.max())
    if best in (0, len(READS) - 1) or low == 0.0:
        return refused(
            f"It cannot be told from shot noise: anything from {low:g} to {high:g} e⁻ explains the pictures."
        )
    return Fitted(
        replace(prior, law=float(READS[best])), "fitted", (), None, "linear",
        f"{float(READS[best]):g} e⁻, 95 %: {low:g} to {high:g} e⁻, one for all {len(usable)} pictures.",
    )  # fmt: skip


def law_text(law: VariableLaw, unit: str) -> str:
    """A law in words."""
    if isinstance(law, int | float):
        text = f"{law:g}"
    elif isinstance(law, tuple):
        text = f"{law[0]:g} to {law[1]:g}"
    elif isinstance(law, LogNormal):
        text = f"{float(law.loc.exp()):.4g} ×/÷ {float(law.scale.exp()):.3g}"
    elif isinstance(law, Normal):
        text = f"{float(law.loc):.3g} ± {float(law.scale):.2g}"
    elif isinstance(law, Quantiles):
        values = law.values
        text = f"{values[0]:.3g} to {values[-1]:.3g}, median {values[len(values) // 2]:.3g}, as measured"
    elif isinstance(law, Sometimes):
        return f"{law_text(law.law, unit)} in {law.share:.0%} of pictures, else none"
    else:
        text = type(law).__name__
    return f"{text} {unit}".rstrip()


def _too_few(estimates: Sequence[Estimate]) -> str:
    """Why there are too few values, in a sentence; empty if there are enough."""
    known = sum(estimate.identified for estimate in estimates)
    if len(estimates) < FEWEST:
        return _pictures(len(estimates))
    if known >= max(FEWEST, LEAST_SHARE * len(estimates)):
        return ""
    # Reasons differ in their figures.
    reasons = Counter(_without_figures(e.reason) for e in estimates if not e.identified)
    common = reasons.most_common(1)[0][0]
    if known == 0 and len(reasons) == 1 and len({e.reason for e in estimates}) == 1:
        return f"None of {len(estimates)} pictures has a value: {estimates[0].reason}."
    example = next(e.reason for e in estimates if not e.identified and _without_figures(e.reason) == common)
    return (
        f"{known} of {len(estimates)} pictures have a value. Of the others, {reasons[common]} for this reason, here "
        f"for one of them: {example}."
    )


def _pictures(count: int) -> str:
    return f"{count} pictures are too few to tell a law from: {FEWEST} are needed."


def _without_figures(text: str) -> str:
    return "".join(letter for letter in text if not (letter.isdigit() or letter in ".%"))


def _reading(estimate: Estimate) -> Reading:
    low, high = estimate.within if estimate.unread is None else estimate.unread
    if estimate.scale == "log":
        low, high = (math.log(end) if end > 0 else -math.inf for end in (low, high))
    if estimate.value is None:
        return Reading(math.nan, math.nan, low, high)
    return Reading(math.log(estimate.value) if estimate.scale == "log" else estimate.value, estimate.error)


def _normal(mean: float, spread: float, scale: Scale) -> Distribution:
    return LogNormal(mean, spread) if scale == "log" else Normal(mean, spread)


def _law(fit: NormalFit, readings: Sequence[Reading], scale: Scale) -> VariableLaw:
    if fit.expected or not all(reading.is_value for reading in readings):
        return _normal(fit.mean, fit.spread, scale)
    values = without_errors(readings, fit)
    return _quantiles(np.exp(values) if scale == "log" else values, scale)


def _quantiles(values: np.ndarray, scale: Scale) -> Quantiles:
    levels = np.linspace(0.0, 1.0, _POINTS)
    return Quantiles(tuple(np.quantile(values, levels, method="nearest").tolist()), scale)


def _spread_of(prior: Variable, scale: Scale) -> float:
    """The standard deviation of a prior, on a scale."""
    noise = (torch.arange(999, dtype=torch.float64) + 1) / 1000
    values = prior.value([], noise).double()
    return float((values.log() if scale == "log" else values).std())


def _told(prior: Variable, fit: NormalFit, scale: Scale) -> str:
    """The mean and the spread with their intervals, in a sentence."""
    ends = (fit.mean - 1.96 * fit.mean_error, fit.mean, fit.mean + 1.96 * fit.mean_error)
    low, middle, high = (math.exp(end) for end in ends) if scale == "log" else ends
    unit = f" {prior.unit}" if prior.unit else ""
    word = "median" if scale == "log" else "mean"
    spread = f"spread {_amount(fit.spread, prior, scale)}"
    interval = f"95 %: {_amount(fit.spread_low, prior, scale)} to {_amount(fit.spread_high, prior, scale)}"
    return f"{word.capitalize()} {middle:.3g}{unit} (95 %: {low:.3g} to {high:.3g}), {spread} ({interval})."


def _amount(spread: float, prior: Variable, scale: Scale) -> str:
    if scale == "log":
        return f"×/÷ {math.exp(spread):.2f}"
    return f"{spread:.2g} {prior.unit}".rstrip()

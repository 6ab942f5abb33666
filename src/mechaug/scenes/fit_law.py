"""Laws from measurements: what is left of a spread when the measurements' own errors are taken out of it.

Measurements are y = x + e, with e normal of a known standard deviation, and x the law that is sought. Some say no more
than that x lies beyond a bound. The mean and the spread of x are found by maximum likelihood, and the spread's interval
from its profile, so that a spread which the errors alone explain is found to be none (Carroll et al., "Measurement
error in nonlinear models", 2006; bounds as in Tobin, Econometrica 26, 1958).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from jaxtyping import Float

CHI2_95: Final = 3.841
"""The 95 % quantile of χ² with one degree of freedom."""

KOLMOGOROV_99: Final = 1.628
"""√n times the largest distance of distribution functions that chance leaves in 99 of 100 cases."""

_SPREADS: Final = 160

_TAIL: Final = 2.0
"""Half-widths from the median at which values are held: beyond, scenes are odd rather than nuisances strong."""


_LEFT: Final = 0.96
"""Of a normal distribution's standard deviation, what is left when its values are held."""


@dataclass(frozen=True)
class Reading:
    """One measurement of one picture.

    Attributes:
        value: measured; not a number where there is only a bound.
        error: its standard deviation.
        low: what it is at least, where there is no value.
        high: what it is at most, where there is no value.
    """

    value: float
    error: float
    low: float = -math.inf
    high: float = math.inf

    @property
    def is_value(self) -> bool:
        """Whether there is a value, not only a bound."""
        return not math.isnan(self.value)


@dataclass(frozen=True)
class NormalFit:
    """A normal law behind measurements.

    Attributes:
        mean: of the law.
        mean_error: its standard error.
        spread: the law's standard deviation.
        spread_low: the lower end of its 95 % interval; 0 where the errors alone may explain all of it.
        spread_high: the upper end.
        distance: the largest distance of the measured values' distribution function from the expected one.
        expected: whether that distance may be chance (99 %).
    """

    mean: float
    mean_error: float
    spread: float
    spread_low: float
    spread_high: float
    distance: float
    expected: bool


def held(values: Float[np.ndarray, "n"]) -> Float[np.ndarray, "n"]:
    """Values, the farthest moved to two half-widths from the median: the distance of the quantiles of 16 and 84 %.

    A few night shots among a hundred photographs would double their spread, and another hundred have others. Done to a
    reference and to what is compared with it alike, it leaves of a normal distribution's spread 96 %.
    """
    low, middle, high = np.quantile(values, (0.16, 0.5, 0.84))
    reach = _TAIL * (high - low) / 2
    return values.clip(middle - reach, middle + reach)


def fit_normal(readings: Sequence[Reading]) -> NormalFit:
    """The normal law behind some measurements.

    Raises:
        ValueError: there are fewer than two values.
    """
    known = [reading for reading in readings if reading.is_value]
    if len(known) < 2:
        raise ValueError(f"a law needs two values or more, not {len(known)}")
    data = _Data(
        np.array([reading.value for reading in known]),
        np.array([reading.error for reading in known]),
        np.array([[r.low, r.high] for r in readings if not r.is_value]).reshape(-1, 2),
        float(np.median([reading.error for reading in known])),
    )
    width = float(data.values.std()) + 1e-9 * (1 + abs(float(data.values.mean())))
    spreads = np.concatenate(([0.0], width * np.geomspace(0.01, 4.0, _SPREADS - 1)))
    if float(data.errors.min()) < 1e-3 * width:
        # Without errors no spread at all is no law: the likelihood would be infinite or nothing.
        spreads = spreads[1:]
    means = np.array([_best_mean(data, spread) for spread in spreads])
    profile = np.array([_log_likelihood(data, m, s) for m, s in zip(means, spreads, strict=True)])
    best = int(profile.argmax())
    likely = spreads[profile > profile[best] - CHI2_95 / 2]
    mean, spread = float(means[best]), float(spreads[best])
    distance = _distance(data, mean, spread)
    return NormalFit(
        mean=mean,
        mean_error=_mean_error(data, mean, spread, width),
        spread=spread,
        spread_low=float(likely[0]),
        spread_high=float(likely[-1]),
        distance=distance,
        expected=distance * math.sqrt(len(known)) < KOLMOGOROV_99,
    )


def with_doubt(readings: Sequence[Reading], doubt: float) -> NormalFit:
    """`fit_normal` where the errors themselves are known to a share only; the spread's interval says so.

    Args:
        readings: the measurements; values far out are `held`.
        doubt: standard error of the errors, as a share of them; they are all wrong by the same.
    """
    known = [reading for reading in readings if reading.is_value]
    values = iter(held(np.array([reading.value for reading in known])).tolist())
    kept = [replace(reading, value=next(values)) if reading.is_value else reading for reading in readings]
    fit = _between(kept, fit_normal(kept))
    # What holding takes from a normal law's spread, and from errors that were found of a reference which was held too;
    # but of values that are cut off by a bound it may take nothing.
    fit = replace(fit, spread=fit.spread / _LEFT, spread_high=fit.spread_high / _LEFT)
    if doubt == 0:
        return fit
    # Both causes of doubt are independent, so that each need not go to its own end.
    most, least = 1 + math.sqrt(2) * doubt, max(1 - math.sqrt(2) * doubt, 0.0)
    low = fit_normal([replace(reading, error=reading.error * most) for reading in kept]).spread_low
    high = fit_normal([replace(reading, error=reading.error * least) for reading in kept]).spread_high
    return replace(fit, spread_low=min(low, fit.spread_low), spread_high=max(high / _LEFT, fit.spread_high))


def _between(readings: Sequence[Reading], beyond: NormalFit) -> NormalFit:
    """The law where some readings are half-open bounds that the pictures' own values may well lie at.

    `fit_normal` takes them to lie beyond as far as the law goes. That is right for a limit that was fixed beforehand;
    but such a bound is often what a picture reads with something added, and then may be the value itself. The truth is
    between both, and so is what is taken; the intervals hold those of both.

    Args:
        readings: the measurements.
        beyond: their `fit_normal`.
    """
    open_ends = [r for r in readings if not r.is_value and math.isfinite(r.low) != math.isfinite(r.high)]
    if not open_ends:
        return beyond
    typical = float(np.median([reading.error for reading in readings if reading.is_value]))

    def at_its_end(r: Reading) -> Reading:
        return Reading(r.low if math.isfinite(r.low) else r.high, typical) if r in open_ends else r

    at = fit_normal([at_its_end(reading) for reading in readings])
    return replace(
        beyond,
        mean=(at.mean + beyond.mean) / 2,
        mean_error=max(at.mean_error, beyond.mean_error) + abs(at.mean - beyond.mean) / 2 / 1.96,
        spread=(at.spread + beyond.spread) / 2,
        spread_low=min(at.spread_low, beyond.spread_low),
        spread_high=max(at.spread_high, beyond.spread_high),
    )


def without_errors(readings: Sequence[Reading], fit: NormalFit) -> Float[np.ndarray, "n"]:
    """The measured values drawn together until they spread as the law does: its shape, where it is not normal."""
    values = np.array([reading.value for reading in readings if reading.is_value])
    width = float(values.std())
    return fit.mean + (values - values.mean()) * (fit.spread / width if width > 0 else 0.0)


@dataclass(frozen=True)
class _Data:
    values: Float[np.ndarray, "n"]
    errors: Float[np.ndarray, "n"]
    bounds: Float[np.ndarray, "m 2"]
    bound_error: float


def _log_likelihood(data: _Data, mean: float, spread: float) -> float:
    from scipy.special import ndtr

    variance = data.errors**2 + spread**2
    total = -0.5 * float((np.log(variance) + (data.values - mean) ** 2 / variance).sum())
    if len(data.bounds):
        # A bound holds for what would have been measured, so that it has an error as well.
        deviation = math.hypot(spread, data.bound_error) + 1e-12
        low, high = ndtr((data.bounds - mean) / deviation).T
        total += float(np.log(np.maximum(high - low, 1e-12)).sum())
    return total


def _best_mean(data: _Data, spread: float) -> float:
    weights = 1 / (data.errors**2 + spread**2 + 1e-300)
    mean = float((weights * data.values).sum() / weights.sum())
    if not len(data.bounds):
        return mean
    from scipy.optimize import minimize_scalar

    width = 6 * (float(data.values.std()) + data.bound_error + spread) + 1e-9
    found = minimize_scalar(
        lambda at: -_log_likelihood(data, at, spread), bounds=(mean - width, mean + width), method="bounded"
    )
    return float(found.x)  # type: ignore[attr-defined]


def _mean_error(data: _Data, mean: float, spread: float, width: float) -> float:
    """From the curvature of the likelihood."""
    step = 0.05 * width
    curved = (
        _log_likelihood(data, mean + step, spread)
        - 2 * _log_likelihood(data, mean, spread)
        + _log_likelihood(data, mean - step, spread)
    ) / step**2
    return math.sqrt(-1 / curved) if curved < 0 else math.inf


def _distance(data: _Data, mean: float, spread: float) -> float:
    """Kolmogorov's distance between the measured values and what law and errors together let expect.

    Bounds are left out on both sides: it is the shape of what has a value that is judged.
    """
    from scipy.special import ndtr

    values = np.sort(data.values)
    deviation = np.sqrt(data.errors**2 + spread**2) + 1e-12
    expected = ndtr((values[:, None] - mean) / deviation).mean(1)
    steps = np.arange(len(values) + 1) / len(values)
    return float(max(np.abs(expected - steps[1:]).max(), np.abs(expected - steps[:-1]).max()))

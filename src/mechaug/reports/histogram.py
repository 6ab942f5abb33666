"""Measured against fitted, as SVG text: bars for what pictures read, lines for the laws.

All heights are shares of pictures in a window of one bar's width, so that bars and lines can be laid over each other.
Colours are the page's, as in `figures.py`: a shape carries a class.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Final

import numpy as np
from jaxtyping import Float

from mechaug.laws import Scale

BARS: Final = 27
"""Bars along the axis: enough to see two peaks in 200 pictures, and few enough that chance is not drawn; an odd number,
so that a single value stands in the middle of one."""

_WIDTH, _HEIGHT = 520.0, 190.0
_LEFT, _RIGHT, _TOP, _BOTTOM = 54.0, 510.0, 10.0, 150.0
_POINTS: Final = 4 * BARS + 1
_CROWDED: Final = 6
"""Most ticks whose labels stay apart on the axis."""


@dataclass(frozen=True)
class Curve:
    """A law on a plot.

    Attributes:
        kind: the class of its line, which is its look: "law", "expected" or "prior".
        label: what it is called.
        points: its values at equally spaced quantiles; a single value is drawn as an upright line.
        share: of the pictures that it is a law of.
        errors: standard deviations that its values are read with, on the axis's scale; empty for none.
    """

    kind: str
    label: str
    points: Float[np.ndarray, "n"]
    share: float = 1.0
    errors: tuple[float, ...] = ()

    @property
    def single(self) -> bool:
        """Whether it is one value, read without error."""
        return not self.errors and float(self.points.min()) == float(self.points.max())


@dataclass(frozen=True)
class Span:
    """The stretch of an axis, in the values' unit, and its scale."""

    low: float
    high: float
    scale: Scale

    def place(self, value: Float[np.ndarray, "n"]) -> Float[np.ndarray, "n"]:
        """Where values lie, 0 at the low end and 1 at the high one."""
        low, high = self._on(np.array([self.low, self.high]))
        return (self._on(value) - low) / (high - low)

    def length(self, deviation: float) -> float:
        """How long a deviation on the axis's scale is, as a share of the axis."""
        low, high = self._on(np.array([self.low, self.high]))
        return float(deviation / (high - low))

    def _on(self, value: Float[np.ndarray, "n"]) -> Float[np.ndarray, "n"]:
        return np.log(np.maximum(value, 1e-300)) if self.scale == "log" else np.asarray(value, dtype=float)


def span_of(values: Sequence[float], curves: Sequence[Curve], scale: Scale) -> Span:
    """An axis that holds the values and the curves but for their outermost hundredth.

    Raises:
        ValueError: there is neither a value nor a curve.
    """
    parts = [np.asarray(values, dtype=float)] if len(values) else []
    parts += [curve.points for curve in curves]
    if not parts:
        raise ValueError("an axis needs a value or a law")
    ends = [np.quantile(part, (0.005, 0.995)) for part in parts]
    low, high = min(float(end[0]) for end in ends), max(float(end[1]) for end in ends)
    if scale == "log":
        wide = max(math.log(high / low), 0.2)
        middle = math.sqrt(low * high)
        return Span(middle / math.exp(0.56 * wide), middle * math.exp(0.56 * wide), scale)
    # A single number stands in the middle of some room.
    wide = max(high - low, 0.1 * abs(high), 1e-6)
    middle = (low + high) / 2
    return Span(middle - 0.56 * wide, middle + 0.56 * wide, scale)


def ticks(span: Span) -> tuple[float, ...]:
    """Round numbers along an axis, six at most."""
    if span.scale == "log":
        for steps in ((1.0, 2.0, 5.0), (1.0, 3.0), (1.0,)):
            decades = range(math.floor(math.log10(span.low)), math.ceil(math.log10(span.high)) + 1)
            found = [step * 10.0**decade for decade in decades for step in steps]
            found = [value for value in found if span.low <= value <= span.high]
            if 2 <= len(found) <= _CROWDED:
                return tuple(found)
        if len(found) > _CROWDED:
            return tuple(found[:: -(-len(found) // _CROWDED)])
    rough = (span.high - span.low) / (_CROWDED - 1)
    unit = 10.0 ** math.floor(math.log10(rough))
    step = next(unit * part for part in (1.0, 2.0, 2.5, 5.0, 10.0) if unit * part >= rough)
    first = math.ceil(span.low / step - 1e-9)
    return tuple(round(step * n, 12) for n in range(first, math.floor(span.high / step + 1e-9) + 1))


def histogram(title: str, unit: str, values: Sequence[float], curves: Sequence[Curve], scale: Scale, total: int) -> str:
    """What was measured, as bars, and laws, as lines.

    Args:
        title: what was measured.
        unit: written at the end of the axis; empty for a pure number.
        values: one per picture that has a value.
        curves: drawn in their order, the last one in front.
        scale: of the axis.
        total: pictures that were looked at; bars and lines are shares of these.

    Returns:
        An `<svg>` element, 520 × 190 px.

    Raises:
        ValueError: there is neither a value nor a curve.
    """
    span = span_of(values, curves, scale)
    edges = np.linspace(0.0, 1.0, BARS + 1)
    places = span.place(np.asarray(values, dtype=float))
    bars = np.histogram(places.clip(0.0, 1.0), edges)[0] / max(total, 1)
    centres = np.linspace(0.0, 1.0, _POINTS)
    lines = [(curve, None if curve.single else _shares(curve, span, centres)) for curve in curves]
    tallest = max([float(bars.max()), *(float(line.max()) for _, line in lines if line is not None)])
    step = next(s for s in (0.01, 0.02, 0.05, 0.1, 0.2, 0.25, 0.5) if tallest <= 3.001 * s or s == 0.5)
    top = max(tallest * 1.05, step)

    def across(place: float) -> float:
        return _LEFT + place * (_RIGHT - _LEFT)

    def up(share: float) -> float:
        return _BOTTOM - share / top * (_BOTTOM - _TOP)

    body: list[str] = []
    for count in range(int(top / step + 1e-9) + 1):
        y = up(count * step)
        body.append(f'<path class="grid" d="M{_LEFT} {y:.1f}H{_RIGHT}"/>')
        label = f"{100 * count * step:g} %"
        body.append(f'<text class="muted" x="{_LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{label}</text>')
    for value in ticks(span):
        x = across(float(span.place(np.array([value]))[0]))
        body.append(f'<path class="grid" d="M{x:.1f} {_BOTTOM}v5"/>')
        body.append(f'<text class="muted" x="{x:.1f}" y="{_BOTTOM + 18}" text-anchor="middle">{_number(value)}</text>')
    body.append(
        f'<text class="muted" x="{_RIGHT}" y="{_HEIGHT - 4}" text-anchor="end">{escape(_axis(unit, scale))}</text>'
    )
    width = (_RIGHT - _LEFT) / BARS
    for number, share in enumerate(bars):
        if share > 0:
            x, y = across(edges[number]), up(float(share))
            shape = f'x="{x + 0.5:.1f}" y="{y:.1f}" width="{width - 1:.1f}" height="{_BOTTOM - y:.1f}"'
            body.append(f'<rect class="bars" {shape}/>')
    for curve, line in lines:
        if line is None:
            x = across(float(span.place(curve.points[:1])[0].clip(0.0, 1.0)))
            path = f"M{x:.1f} {_BOTTOM}V{_TOP}"
        else:
            path = "M" + "L".join(f"{across(c):.1f} {up(float(s)):.1f}" for c, s in zip(centres, line, strict=True))
        body.append(f'<path class="{curve.kind}" d="{path}"><title>{escape(curve.label)}</title></path>')
    seen = f"{len(values)} of {total} pictures have a value"
    if len(values):
        low, middle, high = np.quantile(np.asarray(values, dtype=float), (0.1, 0.5, 0.9))
        seen += f": median {_text(middle, unit)}, four of five from {low:.3g} to {_text(high, unit)}"
    text = "; ".join(
        [seen, *(f"{curve.label}: median {_text(float(np.median(curve.points)), unit)}" for curve in curves)]
    )
    return (
        f'<svg class="histogram" role="img" viewBox="0 0 {_WIDTH:g} {_HEIGHT:g}" width="{_WIDTH:g}" '
        f'height="{_HEIGHT:g}" aria-label="{escape(title)}: {escape(text)}">'
        f"<title>{escape(title)}</title><desc>{escape(text)}</desc>{''.join(body)}</svg>"
    )


def _shares(curve: Curve, span: Span, centres: Float[np.ndarray, "n"]) -> Float[np.ndarray, "n"]:
    """The share of a law in a window of one bar's width about each place."""
    from scipy.special import ndtr

    places = np.sort(span.place(curve.points))
    half = 0.5 / BARS
    if not curve.errors:
        inside = np.searchsorted(places, centres + half, "right") - np.searchsorted(places, centres - half, "left")
        return curve.share * inside / len(places)
    # A mixture over the law's quantiles and over quantiles of the errors.
    deviations = np.array([span.length(error) for error in np.quantile(curve.errors, np.linspace(0.02, 0.98, 25))])
    deviations = np.maximum(deviations, 1e-4)[:, None, None]
    thinned = places[:: max(1, len(places) // 200)]
    share = ndtr((centres[:, None] + half - thinned) / deviations) - ndtr(
        (centres[:, None] - half - thinned) / deviations
    )
    return curve.share * share.mean((0, 2))


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1e4 else f"{value:.4g}".replace("-", "−")


def _text(value: float, unit: str) -> str:
    return f"{value:.3g} {unit}".rstrip()


def _axis(unit: str, scale: Scale) -> str:
    return ", ".join(text for text in (unit, "logarithmic" if scale == "log" else "") if text)

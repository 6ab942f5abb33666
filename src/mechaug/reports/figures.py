"""Figures as SVG text: pure functions from measurements to markup.

The geometry is here and the colours are the page's: a shape carries a class (`k0` … `k8` for a method, `ink`, `muted`,
`grid`, `band`), so one figure serves a light and a dark page. Every method has a colour, a marker and a dash of its
own, so that no figure rests on colour alone.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape
from typing import Final

from mechaug.evaluation.result import Measurement

COLOURS: Final = 7
"""How many methods have a colour of their own: styles 0 to 6."""

BASELINE: Final = 7
"""The style of the baseline: neutral ink, a ring, dashed."""

OTHER: Final = 8
"""The style of methods beyond the colours: thin and grey."""

# Paths around (0, 0), about 7 px wide: circle, square, triangle, diamond, triangle down, plus, cross, ring, dot.
_MARKERS: Final = (
    "M-3.4 0a3.4 3.4 0 1 0 6.8 0a3.4 3.4 0 1 0-6.8 0z",
    "M-3-3h6v6h-6z",
    "M0-4L3.8 3h-7.6z",
    "M0-4.3L4.3 0L0 4.3L-4.3 0z",
    "M0 4L3.8-3h-7.6z",
    "M-1.3-4h2.6v2.7h2.7v2.6h-2.7v2.7h-2.6v-2.7h-2.7v-2.6h2.7z",
    "M-3.6-2.2L-2.2-3.6L0-1.4L2.2-3.6L3.6-2.2L1.4 0L3.6 2.2L2.2 3.6L0 1.4L-2.2 3.6L-3.6 2.2L-1.4 0z",
    "M-3.2 0a3.2 3.2 0 1 0 6.4 0a3.2 3.2 0 1 0-6.4 0z",
    "M-2 0a2 2 0 1 0 4 0a2 2 0 1 0-4 0z",
)
_DASHES: Final = ("", "7 3", "2 2", "8 2 2 2", "11 3", "4 2", "5 2 1 2 1 2", "3 3", "")

# Pale to deep on a light page, deep to pale on a dark one: the further from the page, the more accurate.
HEAT_LIGHT: Final = ((243, 246, 251), (160, 198, 234), (62, 132, 198), (10, 56, 110))
_HEAT_DARK: Final = ((24, 32, 43), (29, 72, 113), (61, 139, 208), (196, 226, 255))


@dataclass(frozen=True)
class Axis:
    """The stretch of fractions that a figure shows, and where its ticks stand (the ends included)."""

    low: float
    high: float
    ticks: tuple[float, ...]

    def position(self, value: float, start: float, end: float) -> float:
        """Where `value` lies between `start` and `end` in pixels; values beyond the axis stop at its ends."""
        part = (min(max(value, self.low), self.high) - self.low) / (self.high - self.low)
        return start + part * (end - start)

    def label(self, value: float) -> str:
        """A tick's text, in per cent without the sign."""
        return f"{100 * value:.4g}"


@dataclass(frozen=True)
class Row:
    """One method in a dot-and-whisker figure."""

    label: str
    style: int
    measurement: Measurement


@dataclass(frozen=True)
class Series:
    """One method in a panel of lines: its measurements by severity."""

    label: str
    style: int
    points: tuple[tuple[int, Measurement], ...]


@dataclass(frozen=True)
class Heat:
    """A table cell's colours, as "#rrggbb": background and text, on a light and on a dark page."""

    light: str
    light_ink: str
    dark: str
    dark_ink: str


def percent(measurement: Measurement) -> str:
    """A figure with its interval in per cent, such as "84.2 % [82.9, 85.4]"."""
    return f"{share(measurement.value)} [{100 * measurement.low:.1f}, {100 * measurement.high:.1f}]"


def share(value: float) -> str:
    """A fraction in per cent, such as "84.2 %", with a space that does not break."""
    return f"{100 * value:.1f}\u00a0%"


def nice_axis(measurements: Iterable[Measurement]) -> Axis:
    """An axis with round ends and at most eight ticks that holds every interval, within [0, 1].

    Raises:
        ValueError: there is no measurement.
    """
    ends = [(m.low, m.high) for m in measurements]
    if not ends:
        raise ValueError("an axis needs at least one measurement")
    low = min(max(min(end[0] for end in ends), 0.0), 0.98)
    high = max(min(max(end[1] for end in ends), 1.0), low + 0.02)
    step = next(step for step in (0.005, 0.01, 0.02, 0.05, 0.1, 0.2) if high - low <= 6 * step + 1e-9)
    # Rounded first: 0.7 / 0.1 is a little less than 7.
    first, last = math.floor(round(low / step, 6)), math.ceil(round(high / step, 6))
    ticks = tuple(round(index * step, 6) for index in range(first, last + 1))
    return Axis(ticks[0], ticks[-1], ticks)


def dot_whisker(title: str, rows: Sequence[Row], axis: Axis, band: Measurement | None) -> str:
    """A dot and a whisker per method, one under the other.

    Args:
        title: what is measured.
        rows: the methods, in order from the top.
        axis: shared by all rows.
        band: whose interval is shaded through all rows, so that overlap with it is seen; None shades nothing.

    Returns:
        An `<svg>` element, 360 px wide and 36 px per row high.
    """
    left, right, pitch = 10.0, 350.0, 36.0
    bottom = pitch * len(rows) + 6
    body: list[str] = []
    if band is not None:
        start, end = (axis.position(value, left, right) for value in (band.low, band.high))
        body.append(f'<rect class="band" x="{start:.1f}" y="0" width="{max(end - start, 1):.1f}" height="{bottom}"/>')
    for tick in axis.ticks:
        x = axis.position(tick, left, right)
        lanes = "".join(f"M{x:.1f} {pitch * index + 22}v8" for index in range(len(rows)))
        body.append(f'<path class="grid" d="{lanes}"/>')
        body.append(f'<text class="muted" x="{x:.1f}" y="{bottom + 13}" text-anchor="middle">{axis.label(tick)}</text>')
    for index, row in enumerate(rows):
        y = pitch * index + 14
        body.append(f'<text class="ink" x="{left}" y="{y}">{escape(_shorten(row.label, 33))}</text>')
        body.append(
            f'<text class="ink" x="{right}" y="{y}" text-anchor="end">{escape(percent(row.measurement))}</text>'
        )
        body.append(f'<path class="grid" d="M{left} {y + 12}H{right}"/>')
        body.append(_whisker(row.measurement, axis, row.style, left, right, y + 12))
    text = "; ".join(f"{row.label} {percent(row.measurement)}" for row in rows)
    return _svg("dots", title, f"95 % intervals: {text}", 360.0, bottom + 18, "".join(body))


def whisker(title: str, measurement: Measurement, axis: Axis, style: int) -> str:
    """A dot and a whisker small enough for a table cell: 116 × 14 px."""
    track = '<path class="grid" d="M4 7H112M4 4V10M112 4V10"/>'
    body = track + _whisker(measurement, axis, style, 4.0, 112.0, 7.0)
    return _svg("cell", title, percent(measurement), 116.0, 14.0, body)


def line_panel(title: str, series: Sequence[Series], axis: Axis, chance: float | None) -> str:
    """Accuracy by severity, one line per method, with a whisker at each point.

    Args:
        title: the corruption.
        series: the methods; grey ones are drawn first, the rest in order from the back to the front.
        axis: of accuracy, shared by all panels.
        chance: the accuracy of guessing, drawn as a dotted line where the axis reaches it.

    Returns:
        An `<svg>` element of 210 × 150 px.
    """
    left, right, top, bottom = 26.0, 204.0, 6.0, 132.0
    severities = sorted({severity for line in series for severity, _ in line.points})
    columns = {
        severity: left + 14 + (right - left - 28) * (index / max(len(severities) - 1, 1))
        for index, severity in enumerate(severities)
    }
    body: list[str] = []
    for tick in axis.ticks:
        y = axis.position(tick, bottom, top)
        body.append(f'<path class="grid" d="M{left} {y:.1f}H{right}"/>')
        body.append(f'<text class="muted" x="{left - 5}" y="{y + 3.5:.1f}" text-anchor="end">{axis.label(tick)}</text>')
    for severity, x in columns.items():
        body.append(f'<text class="muted" x="{x:.1f}" y="{bottom + 14}" text-anchor="middle">{severity}</text>')
    if chance is not None and axis.low <= chance <= axis.high:
        y = axis.position(chance, bottom, top)
        body.append(f'<path class="chance" d="M{left} {y:.1f}H{right}"/>')
    # Side by side by a pixel or two, so that the whiskers of methods that score alike stay apart.
    apart = min(2.4, 14 / max(len(series), 1))
    lines = [(line, apart * (index - (len(series) - 1) / 2)) for index, line in enumerate(series)]
    for line, shift in sorted(lines, key=lambda item: item[0].style != OTHER):
        places = [(columns[s] + shift, axis.position(m.value, bottom, top), m) for s, m in line.points]
        route = "L".join(f"{x:.1f} {y:.1f}" for x, y, _ in places)
        body.append(f'<g class="k{line.style}"><title>{escape(line.label)}</title>')
        body.append(f'<path class="line" stroke-dasharray="{_DASHES[line.style] or "none"}" d="M{route}"/>')
        for x, y, m in places:
            ends = f"M{x:.1f} {axis.position(m.low, bottom, top):.1f}V{axis.position(m.high, bottom, top):.1f}"
            body.append(f'<path class="thin" d="{ends}"/>{_marker(line.style, x, y, 0.72)}')
        body.append("</g>")
    text = "; ".join(
        f"{line.label}: " + ", ".join(f"severity {s} {share(m.value)}" for s, m in line.points) for line in series
    )
    return _svg("panel", title, text, 210.0, 150.0, "".join(body))


def swatch(style: int) -> str:
    """A method's line and marker, for a legend: 30 × 12 px, hidden from screen readers (the name stands beside it)."""
    dash = _DASHES[style] or "none"
    line = f'<path class="line" stroke-dasharray="{dash}" d="M1 6H29"/>'
    return (
        f'<svg class="swatch k{style}" viewBox="0 0 30 12" width="30" height="12" aria-hidden="true">'
        f"{line}{_marker(style, 15.0, 6.0, 1.0)}</svg>"
    )


def heat(value: float, axis: Axis) -> Heat:
    """The colours of a cell that holds `value`; text and background differ by a contrast of 4.5 or more (WCAG AA)."""
    place = axis.position(value, 0.0, 1.0)
    light, dark = blend(HEAT_LIGHT, place), blend(_HEAT_DARK, place)
    return Heat(_hex(light), _ink(light), _hex(dark), _ink(dark))


def _svg(kind: str, title: str, text: str, width: float, height: float, body: str) -> str:
    return (
        f'<svg class="{kind}" role="img" viewBox="0 0 {width:g} {height:g}" width="{width:g}" height="{height:g}" '
        f'aria-label="{escape(title)}: {escape(text)}">'
        f"<title>{escape(title)}</title><desc>{escape(text)}</desc>{body}</svg>"
    )


def _whisker(m: Measurement, axis: Axis, style: int, start: float, end: float, y: float) -> str:
    low, middle, high = (axis.position(value, start, end) for value in (m.low, m.value, m.high))
    ends = f"M{low:.1f} {y}H{high:.1f}M{low:.1f} {y - 3}v6M{high:.1f} {y - 3}v6"
    return f'<g class="k{style}"><path class="bar" d="{ends}"/>{_marker(style, middle, y, 1.0)}</g>'


def _marker(style: int, x: float, y: float, scale: float) -> str:
    return f'<path class="mark" transform="translate({x:.1f} {y:.1f}) scale({scale:g})" d="{_MARKERS[style]}"/>'


def _shorten(text: str, limit: int) -> str:
    return text if len(text) <= limit else text[: limit - 1] + "…"


def blend(stops: Sequence[tuple[int, int, int]], place: float) -> tuple[int, int, int]:
    """The colour at a place between 0 and 1 along a ramp."""
    index = min(int(place * (len(stops) - 1)), len(stops) - 2)
    part = place * (len(stops) - 1) - index
    red, green, blue = (round(a + part * (b - a)) for a, b in zip(stops[index], stops[index + 1], strict=True))
    return red, green, blue


def _hex(colour: tuple[int, int, int]) -> str:
    return "#{:02x}{:02x}{:02x}".format(*colour)


def _ink(colour: tuple[int, int, int]) -> str:
    # Black and white are equally far, by a contrast of 4.58, from a luminance of 0.179 (WCAG 2.2, relative luminance).
    linear = [c / 255 / 12.92 if c <= 10 else ((c / 255 + 0.055) / 1.055) ** 2.4 for c in colour]
    return "#000000" if 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2] > 0.179 else "#ffffff"

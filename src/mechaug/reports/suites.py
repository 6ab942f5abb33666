"""What the page shows of each suite beyond the first figures: tables of figures, pictures of numbers, overlaps."""

import base64
import io
import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch

from mechaug.evaluation.result import Figure, Grid, Measurement, MethodResult, Result
from mechaug.reports.figures import HEAT_LIGHT, blend


@dataclass(frozen=True)
class FigureRow:
    """One figure for every method; `best` is the better end of the row, NaN where neither end is."""

    name: str
    unit: str
    better: str
    values: tuple[Measurement | None, ...]
    best: float


@dataclass(frozen=True)
class FigureGroup:
    """Figures under one heading."""

    heading: str
    rows: tuple[FigureRow, ...]


@dataclass(frozen=True)
class GridPicture:
    """A grid of one method as a data address; the colours of all grids of one title span the same stretch."""

    title: str
    method: str
    style: int
    note: str
    address: str
    low: str
    high: str


@dataclass(frozen=True)
class SuiteTable:
    """Everything that one suite adds; `pictures` is the most that one of its figures rests on, 0 without figures."""

    name: str
    title: str
    origin: str
    description: str
    groups: tuple[FigureGroup, ...]
    grids: tuple[GridPicture, ...]
    pictures: int


@dataclass(frozen=True)
class OverlapCell:
    """How near a method's training comes to a corruption: the names of its relatives, and distances as text."""

    by: str
    distances: str
    nearness: float | None


@dataclass(frozen=True)
class OverlapRow:
    """One corruption for every method."""

    corruption: str
    cells: tuple[OverlapCell, ...]


def suite_tables(result: Result, methods: Sequence[MethodResult], styles: Sequence[int]) -> tuple[SuiteTable, ...]:
    """The suites that have figures or grids of their own, in the order of the result."""
    tables = []
    for suite in result.suites:
        groups = _groups(suite.name, methods)
        grids = _grids(suite.name, methods, styles)
        if groups or grids:
            counts = [value.count for group in groups for row in group.rows for value in row.values if value]
            tables.append(
                SuiteTable(
                    suite.name, suite.title, suite.origin, suite.description, groups, grids, max(counts, default=0)
                )
            )
    return tuple(tables)


def overlap_rows(result: Result, methods: Sequence[MethodResult]) -> tuple[OverlapRow, ...]:
    """The overlap matrix; empty where nothing overlaps and nothing was measured."""
    if not any(one.declared or one.distance is not None for one in result.overlaps):
        return ()
    found = {(one.method, one.corruption): one for one in result.overlaps}
    known = [one.distance for one in result.overlaps if one.distance is not None]
    rows = []
    for corruption in dict.fromkeys(one.corruption for one in result.overlaps):
        cells = []
        for method in methods:
            one = found.get((method.name, corruption))
            text, nearness = "", None
            if one is not None and one.distance is not None and one.mean_distance is not None:
                text = f"{one.distance:.3g} · {one.mean_distance:.3g}"
                nearness = 1 - one.distance / max(known) if max(known) > 0 else 1.0
            cells.append(OverlapCell(", ".join(one.by) if one else "", text, nearness))
        rows.append(OverlapRow(corruption, tuple(cells)))
    return tuple(rows)


def shown(measurement: Measurement, unit: str) -> str:
    """A figure as text: a fraction in per cent, anything else with its unit."""
    if unit == "%":
        return f"{100 * measurement.value:.1f}\u00a0%"
    return f"{measurement.value:.3g}" + (f"\u00a0{unit}" if unit else "")


def interval(measurement: Measurement, unit: str) -> str:
    """A figure's interval as text; empty where it has none."""
    if not (math.isfinite(measurement.low) and math.isfinite(measurement.high)):
        return ""
    if unit == "%":
        return f"[{100 * measurement.low:.1f}, {100 * measurement.high:.1f}]"
    return f"[{measurement.low:.3g}, {measurement.high:.3g}]"


def _groups(suite: str, methods: Sequence[MethodResult]) -> tuple[FigureGroup, ...]:
    tables = [{(f.group, f.name): f for f in m.evaluation.figures if f.suite == suite} for m in methods]
    places = dict.fromkeys(place for table in tables for place in table)
    groups = []
    for heading in dict.fromkeys(group for group, _ in places):
        names = [name for group, name in places if group == heading]
        rows = [_row(name, [table.get((heading, name)) for table in tables]) for name in names]
        groups.append(FigureGroup(heading, tuple(rows)))
    return tuple(groups)


def _row(name: str, figures: Sequence[Figure | None]) -> FigureRow:
    first = next(figure for figure in figures if figure)
    known = [figure.measurement.value for figure in figures if figure]
    best = {"higher": max(known), "lower": min(known)}.get(first.better, math.nan)
    return FigureRow(
        name, first.unit, first.better, tuple(figure.measurement if figure else None for figure in figures), best
    )


def _grids(suite: str, methods: Sequence[MethodResult], styles: Sequence[int]) -> tuple[GridPicture, ...]:
    found = [
        (grid, method, style)
        for method, style in zip(methods, styles, strict=True)
        for grid in method.evaluation.grids
        if grid.suite == suite
    ]
    pictures = []
    for title in dict.fromkeys(grid.title for grid, _, _ in found):
        same = [entry for entry in found if entry[0].title == title]
        low = min(min(map(min, grid.values)) for grid, _, _ in same)
        high = max(max(map(max, grid.values)) for grid, _, _ in same)
        for grid, method, style in same:
            ends = [shown(Measurement(end, end, end, 0), grid.unit) for end in (low, high)]
            pictures.append(GridPicture(title, method.title, style, grid.note, _picture(grid, low, high), *ends))
    return tuple(pictures)


def _picture(grid: Grid, low: float, high: float) -> str:
    from PIL import Image

    ramp = torch.tensor([blend(HEAT_LIGHT, step / 255) for step in range(256)], dtype=torch.uint8)
    values = torch.tensor(grid.values, dtype=torch.float64)
    places = ((values - low) / max(high - low, 1e-12) * 255).round().clamp(0, 255).long()
    file = io.BytesIO()
    Image.fromarray(ramp[places].numpy()).save(file, format="PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(file.getvalue()).decode("ascii")

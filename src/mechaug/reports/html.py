"""The report: one HTML file made from results alone, which needs no network and no script.

What the page claims is decided in `findings.py`, how it looks in `page.html.j2`.
"""

import base64
import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from mechaug.errors import UserError
from mechaug.evaluation.result import Measurement, MethodResult, Picture, Result, read_result
from mechaug.files import write_text
from mechaug.reports import figures
from mechaug.reports.contrasts import ContrastTable, contrast_tables, points, spoken_verdict
from mechaug.reports.figures import Axis, percent, share
from mechaug.reports.findings import (
    Figure,
    Finding,
    average,
    by_corruption,
    duration,
    find_baseline,
    findings,
    finite,
    mean,
    ranked,
    spoken,
    unknown,
)  # fmt: skip
from mechaug.reports.suites import OverlapRow, SuiteTable, interval, overlap_rows, shown, suite_tables


@dataclass(frozen=True)
class Column:
    """One measure: a figure per method (None where not measured), on one axis.

    `best` is the highest figure, or for an error the lowest; `tabled` says whether it is in the ranking too.
    """

    title: str
    note: str
    tabled: bool
    values: tuple[Measurement | None, ...]
    axis: Axis
    best: Measurement


@dataclass(frozen=True)
class HeatRow:
    """Accuracy by method under one corruption or in the mean over some; `seen`: a relative was in the training."""

    title: str
    kind: str
    values: tuple[Measurement | None, ...]
    seen: tuple[bool, ...]

    @property
    def best(self) -> float:
        """The highest figure of the row."""
        return max((m.value for m in self.values if m), default=math.nan)


@dataclass(frozen=True)
class Embedded:
    """A picture of the gallery as a data address, with its size on the page in px; empty where its file is gone."""

    picture: Picture
    address: str
    width: int
    height: int


@dataclass(frozen=True)
class Section:
    """Everything that the page says about one result; sequences run parallel to `methods`, the best first."""

    anchor: str
    result: Result
    methods: tuple[MethodResult, ...]
    styles: tuple[int, ...]
    findings: tuple[Finding, ...]
    columns: tuple[Column, ...]
    heat: tuple[HeatRow, ...]
    heat_axis: Axis | None
    panels: tuple[tuple[str, str], ...]
    suites: tuple[SuiteTable, ...]
    overlaps: tuple[OverlapRow, ...]
    cautions: tuple[str, ...]
    gallery: tuple[Embedded, ...]
    contrasts: tuple[ContrastTable, ...]

    @property
    def unit_axis(self) -> Axis:
        """From 0 to 1."""
        return Axis(0.0, 1.0, (0.0, 1.0))


def write(paths: Sequence[Path], path: Path) -> None:
    """Write one page about results.

    Args:
        paths: `result.json` files; the pictures of their galleries are read from beside them and embedded.
        path: the HTML file to write.

    Raises:
        mechaug.errors.UserError: no result is given, one cannot be read, or a gallery names something other than a PNG
            file in the result's folder. Gallery files that are gone are named on the page instead.
    """
    if not paths:
        raise UserError("a report needs at least one result: give the result.json that a study or an evaluation wrote")
    sources: list[tuple[Result, Path]] = []
    for source in paths:
        try:
            sources.append((read_result(source), source.parent))
        except (OSError, ValueError) as error:
            raise UserError(f"cannot read the result {source}: {error}") from error
    write_text(path, render(sources))


def render(sources: Sequence[tuple[Result, Path]]) -> str:
    """The page as text.

    Args:
        sources: each result with the folder that holds its gallery.

    Raises:
        mechaug.errors.UserError: as `write`.
    """
    import jinja2
    from markupsafe import Markup

    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("mechaug", "reports"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(percent=percent, share=share, duration=duration, spoken=spoken, average=average)
    environment.globals.update(shown=shown, interval=interval, points=points, spoken_verdict=spoken_verdict)
    environment.globals.update(
        swatch=lambda style: Markup(figures.swatch(style)),
        whisker=lambda *arguments: Markup(figures.whisker(*arguments)),
        dots=lambda column, section: Markup(_dots(column, section)),
        heat=figures.heat,
    )
    sections = [_section(f"r{number}", result, folder) for number, (result, folder) in enumerate(sources, 1)]
    return environment.get_template("page.html.j2").render(sections=sections)


def _section(anchor: str, result: Result, folder: Path) -> Section:
    methods = ranked(result.methods)
    styles = _styles(methods)
    tables = [by_corruption(method) for method in methods]
    values = [value for table in tables for value in table.values()]
    axis = figures.nice_axis(values) if values else None
    names = tuple(dict.fromkeys(name for table in tables for name in table))
    return Section(
        anchor=anchor,
        result=result,
        methods=methods,
        styles=styles,
        findings=findings(result),
        columns=_columns(methods),
        heat=tuple(_heat(result, methods, tables)),
        heat_axis=axis,
        panels=_panels(methods, styles, names, result.data.outputs or len(result.data.classes)),
        suites=suite_tables(result, methods, styles),
        overlaps=overlap_rows(result, methods),
        cautions=_cautions(methods),
        gallery=tuple(_embed(picture, folder, result.data.height) for picture in result.gallery),
        contrasts=contrast_tables(result),
    )


def _cautions(methods: Sequence[MethodResult]) -> tuple[str, ...]:
    several = len(methods) > 1
    told = (
        f"{method.title}: {caution}" if several else caution
        for method in methods
        for caution in method.evaluation.cautions
    )
    return tuple(dict.fromkeys(told))


def _columns(methods: Sequence[MethodResult]) -> tuple[Column, ...]:
    measures: tuple[tuple[str, str, bool, Figure], ...] = (
        ("Under corruption", "mean over corruptions and severities", True, lambda e: e.corrupted),
        ("Clean", "pictures as they are", True, lambda e: e.clean),
        ("Under attack", "the attack is described below", True, lambda e: e.attacked),
        ("Worst class", "clean accuracy of the class with the lowest", True, lambda e: e.worst_class),
        ("Worst class, corrupted", "the same under all corruptions", False, lambda e: e.worst_class_corrupted),
        ("Calibration error", "lower is better", True, lambda e: e.calibration_error),
    )
    columns: list[Column] = []
    for title, note, tabled, figure in measures:
        values = tuple(finite(figure(method.evaluation)) for method in methods)
        known = [value for value in values if value]
        if known:
            sign = 1 if title == "Calibration error" else -1
            best = min(known, key=lambda m: sign * m.value)
            columns.append(Column(title, note, tabled, values, figures.nice_axis(known), best))
    return tuple(columns)


def _dots(column: Column, section: Section) -> str:
    rows = [
        figures.Row(method.title, style, value)
        for method, style, value in zip(section.methods, section.styles, column.values, strict=True)
        if value
    ]
    return figures.dot_whisker(column.title, rows, column.axis, column.best if len(rows) > 1 else None)


def _heat(
    result: Result, methods: Sequence[MethodResult], tables: Sequence[dict[str, Measurement]]
) -> Iterator[HeatRow]:
    """Set by set: every corruption, then the means over them."""
    cells = [cell for method in methods for cell in method.evaluation.cells]
    sets = dict.fromkeys(cell.suite for cell in cells)
    titles = {suite.name: suite.title for suite in result.suites}
    nowhere = (False,) * len(methods)
    for suite in sets:
        names = tuple(dict.fromkeys(cell.corruption for cell in cells if cell.suite == suite))
        if len(sets) > 1:
            yield HeatRow(titles.get(suite, suite), "set", (None,) * len(methods), nowhere)
        for name in names:
            seen = tuple(name in method.sees for method in methods)
            yield HeatRow(spoken(name), "corruption", tuple(table.get(name) for table in tables), seen)
        yield from _mean_rows(methods, tables, names, suite)


def _mean_rows(
    methods: Sequence[MethodResult], tables: Sequence[dict[str, Measurement]], names: Sequence[str], suite: str
) -> Iterator[HeatRow]:
    """Means over corruptions: all of them, those that no method's training knew, and each method's own split."""
    fresh = [name for name in names if not any(name in method.sees for method in methods)]
    everywhere = [names for _ in methods]
    splits: list[tuple[str, Sequence[Sequence[str]]]] = []
    if len(fresh) < len(names):
        if fresh and len(methods) > 1:
            splits.append((f"mean over the {len(fresh)} unseen by all", [fresh for _ in methods]))
        unseen = [() if unknown(m) else [name for name in names if name not in m.sees] for m in methods]
        splits.append(("mean over its own unseen", unseen))
        splits.append(("mean over its own seen †", [method.sees for method in methods]))
    nowhere = (False,) * len(methods)

    def means(chosen: Sequence[Sequence[str]]) -> tuple[Measurement | None, ...]:
        known = [
            [table[name] for name in wanted if name in names and name in table]
            for table, wanted in zip(tables, chosen, strict=True)
        ]
        return tuple(mean(one) if one else None for one in known)

    # The mean over all of C has an interval of its own, which is narrower than the mean of the ends.
    pooled = tuple(method.evaluation.corrupted for method in methods) if suite == "c" else means(everywhere)
    yield HeatRow("mean over all", "mean", pooled, nowhere)
    for title, chosen in splits:
        yield HeatRow(title, "mean", means(chosen), nowhere)


def _panels(
    methods: Sequence[MethodResult], styles: Sequence[int], names: Sequence[str], classes: int
) -> tuple[tuple[str, str], ...]:
    """A chart of accuracy by severity for the mean over corruptions, and one for each, on one axis."""

    def points(method: MethodResult, chosen: Sequence[str]) -> tuple[tuple[int, Measurement], ...]:
        cells = [cell for cell in method.evaluation.cells if cell.corruption in chosen]
        severities = sorted({cell.severity for cell in cells})
        return tuple((s, mean([cell.accuracy for cell in cells if cell.severity == s])) for s in severities)

    charts = [("mean over all", names)] if len(names) > 1 else []
    charts += [(spoken(name), (name,)) for name in names]
    lines = [
        (
            title,
            [
                figures.Series(method.title, style, line)
                for method, style in zip(methods, styles, strict=True)
                if (line := points(method, chosen))
            ],
        )
        for title, chosen in charts
    ]
    if not lines:
        return ()
    axis = figures.nice_axis(m for _, series in lines for line in series for _, m in line.points)
    chance = 1 / classes if classes else None
    return tuple((title, figures.line_panel(title, series, axis, chance)) for title, series in lines)


def _styles(methods: Sequence[MethodResult]) -> tuple[int, ...]:
    baseline = find_baseline(methods)
    colours = itertools.chain(range(figures.COLOURS), itertools.repeat(figures.OTHER))
    return tuple(figures.BASELINE if method is baseline else next(colours) for method in methods)


def _embed(picture: Picture, folder: Path, pixels: int) -> Embedded:
    file = folder / picture.file
    if not file.resolve().is_relative_to(folder.resolve()):
        raise UserError(f"the gallery names {picture.file!r}, which is outside the result's folder: measure again")
    try:
        content = file.read_bytes()
    except OSError:
        return Embedded(picture, "", 0, 0)
    if content[:8] != b"\x89PNG\r\n\x1a\n" or len(content) < 24:
        raise UserError(f"{file} is not a PNG file: remove it, or measure again to make it anew")
    width, height = (int.from_bytes(content[start : start + 4], "big") for start in (16, 20))
    # Whole steps, so that every pixel of a small picture is a square: 64 px a picture, as far as the page is wide.
    scale = max(1, min(64 // max(pixels, 1), 900 // max(width, 1)))
    address = "data:image/png;base64," + base64.b64encode(content).decode("ascii")
    return Embedded(picture, address, width * scale, height * scale)

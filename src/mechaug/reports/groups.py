"""Fairness by group on the terminal: each group clean and under corruption, beside the page's own tables."""

from typing import TYPE_CHECKING

from mechaug.evaluation.fairness import BY_GROUP, WORST_GROUP
from mechaug.evaluation.result import Measurement, MethodResult, Result
from mechaug.reports.findings import ranked

if TYPE_CHECKING:
    from rich.table import Table


def group_tables(result: Result) -> "tuple[Table, ...]":
    """One table for each method that was judged by groups, in the order of the ranking; none where none was."""
    titles = {suite.name: suite.title for suite in result.suites}
    tables = (_table(entry, titles) for entry in ranked(result.methods))
    return tuple(table for table in tables if table is not None)


def _table(entry: MethodResult, titles: dict[str, str]) -> "Table | None":
    from rich.table import Table

    figures = [figure for figure in entry.evaluation.figures if figure.group == BY_GROUP]
    if not figures:
        return None
    suites = tuple(dict.fromkeys(figure.suite for figure in figures))
    rows: dict[str, dict[str, Measurement]] = {}
    worst = []
    for figure in figures:
        if figure.name.startswith(WORST_GROUP):
            worst.append(f"{titles[figure.suite]}: {figure.name}, {_text(figure.measurement)}")
        else:
            rows.setdefault(figure.name, {})[figure.suite] = figure.measurement
    table = Table(title=f"{entry.title} by group (accuracy in %)", title_justify="left", caption_justify="left")
    table.add_column("group")
    table.add_column("pictures", justify="right")
    for suite in suites:
        table.add_column(titles[suite], justify="right")
    # The gap comes first in a result, and below what it is the gap of in a table.
    for name in sorted(rows, key=lambda name: figures[0].name == name):
        own = rows[name]
        count = max(measurement.count for measurement in own.values())
        cells = (_text(own[suite]) if suite in own else "–" for suite in suites)
        table.add_row(name, f"{count:,}", *cells)
    table.caption = "\n".join(worst)
    return table


def _text(measurement: Measurement) -> str:
    return f"{100 * measurement.value:.1f} [{100 * measurement.low:.1f}, {100 * measurement.high:.1f}]"

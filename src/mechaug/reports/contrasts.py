"""What a protocol's comparisons show: one table for each question, on the page and on the terminal."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from mechaug.evaluation.result import Contrast, Result

if TYPE_CHECKING:
    from rich.table import Table


@dataclass(frozen=True)
class ContrastTable:
    """One question.

    Attributes:
        question: as the protocol puts it.
        first: title of the method that it is about.
        measures: the columns.
        rows: for each rival its title and, for each measure, the comparison; None where there is none.
        summary: how many comparisons show what, as a sentence.
    """

    question: str
    first: str
    measures: tuple[str, ...]
    rows: tuple[tuple[str, tuple[Contrast | None, ...]], ...]
    summary: str


def contrast_tables(result: Result) -> tuple[ContrastTable, ...]:
    """The questions of a result, in its order; none where no protocol was followed."""
    found = []
    for question in dict.fromkeys(one.question for one in result.contrasts):
        own = [one for one in result.contrasts if one.question == question]
        measures = tuple(dict.fromkeys(one.measured for one in own))
        cells = {(one.second, one.measured): one for one in own}
        rows = tuple(
            (rival, tuple(cells.get((rival, name)) for name in measures))
            for rival in dict.fromkeys(one.second for one in own)
        )
        found.append(ContrastTable(question, own[0].first, measures, rows, _summary(own)))
    return tuple(found)


def points(contrast: Contrast) -> str:
    """The difference in points, with its interval, such as "+2.1 [+0.4, +3.8]"."""
    d = contrast.difference
    return f"{100 * d.value:+.1f} [{100 * d.low:+.1f}, {100 * d.high:+.1f}]"


def spoken_verdict(contrast: Contrast) -> str:
    """Who is better, or that no difference is shown."""
    return {"first is better": "better", "second is better": "worse"}.get(contrast.verdict, "no difference shown")


def table_of(table: ContrastTable) -> "Table":
    """A question for the terminal: differences in points, with a mark where one is shown."""
    from rich.table import Table

    made = Table(title=f"{table.question}: {table.first} minus its rivals, points", title_justify="left")
    made.add_column("rival")
    for name in table.measures:
        made.add_column(name, justify="right")
    for rival, cells in table.rows:
        made.add_row(rival, *(_cell(cell) for cell in cells))
    made.caption, made.caption_justify = table.summary, "left"
    return made


def _cell(contrast: Contrast | None) -> str:
    if contrast is None:
        return "–"
    mark = {"first is better": " ↑", "second is better": " ↓"}.get(contrast.verdict, "")
    return f"{100 * contrast.difference.value:+.1f}{mark}"


def _summary(own: list[Contrast]) -> str:
    better = sum(one.verdict == "first is better" for one in own)
    worse = sum(one.verdict == "second is better" for one in own)
    outside = sum(one.excludes_zero for one in own)
    return (
        f"Of {len(own)} comparisons, {better} show it better, {worse} show it worse and {len(own) - better - worse} "
        f"show no difference; {outside} intervals exclude zero before the correction for their number."
    )

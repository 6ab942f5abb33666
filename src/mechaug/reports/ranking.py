"""The ranking as a table on the terminal: the same order and figures as the page."""

from rich.table import Table

from mechaug.evaluation.result import Measurement, Result
from mechaug.reports.findings import duration, ranked


def ranking(result: Result) -> Table:
    """Methods by accuracy under corruption (clean where that was not measured), best first."""
    table = Table(title=f"{result.title} (accuracy in %, ± half of the 95 % interval)", title_justify="left")
    table.add_column("method")
    for heading in ("corrupted", "clean", "attacked", "training"):
        table.add_column(heading, justify="right", no_wrap=True)
    for entry in ranked(result.methods):
        scores = entry.evaluation
        seconds = sum(run.train_seconds for run in entry.runs) / len(entry.runs) if entry.runs else None
        table.add_row(
            entry.title,
            *map(_figure, (scores.corrupted, scores.clean, scores.attacked)),
            "–" if seconds is None else duration(seconds),
        )
    return table


def _figure(measured: Measurement | None) -> str:
    if measured is None:
        return "–"
    return f"{100 * measured.value:.1f} ± {50 * (measured.high - measured.low):.1f}"

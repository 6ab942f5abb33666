"""The review of heuristics, as a table on the terminal and as one HTML page; with measured figures beside the claims.

The page needs no network and no script. What each method claims is its card; what was measured comes from results.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mechaug.errors import UserError
from mechaug.evaluation.result import Measurement, MethodResult, Result, read_result
from mechaug.files import write_text
from mechaug.heuristics.base import Family
from mechaug.heuristics.review import FAMILIES, LEFT_OUT, Entry, catalogue
from mechaug.reports.figures import percent, share
from mechaug.reports.findings import average, by_corruption, duration, find_baseline, mean, separate, spoken
from mechaug.training.methods import METHODS

if TYPE_CHECKING:
    from rich.table import Table


@dataclass(frozen=True)
class Measured:
    """What a result says of one method.

    Attributes:
        method: its entry in the result.
        where: the data set.
        seen: mean accuracy under the corruptions of which it is a relative; None where none was measured.
        unseen: the same under all others.
        clean_gain: clean accuracy above the baseline's, as a fraction; None without a baseline, or for it.
        corrupted_gain: the same under corruption.
        shown: whether the interval under corruption lies apart from the baseline's.
        seconds: wall time of a training; None where it was brought along.
        cost: that as a multiple of the baseline's.
    """

    method: MethodResult
    where: str
    seen: Measurement | None
    unseen: Measurement | None
    clean_gain: float | None
    corrupted_gain: float | None
    shown: bool
    seconds: float | None
    cost: float | None


@dataclass(frozen=True)
class Card:
    """One heuristic on the page: its entry, the names it has in a study, and what was measured of it."""

    entry: Entry
    names: tuple[str, ...]
    measured: tuple[Measured, ...]


def cards(results: Sequence[Result] = ()) -> tuple[Card, ...]:
    """Every heuristic, with what results say of the methods that train by it."""
    made = []
    for entry in catalogue():
        names = tuple(m.name for m in METHODS if type(m.augmentation) is entry.kind)
        if entry.about.family == "baseline":
            names = tuple(m.name for m in METHODS if m.family == "baseline" and m.crops)
        found = [_measured(result, name) for result in results for name in names]
        made.append(Card(entry, names, tuple(one for one in found if one)))
    return tuple(made)


def read_results(paths: Sequence[Path]) -> tuple[Result, ...]:
    """Results by their files or by the folders that hold them.

    Raises:
        mechaug.errors.UserError: one is not there, or is none.
    """
    read = []
    for given in paths:
        path = given / "result.json" if given.is_dir() else given
        try:
            read.append(read_result(path))
        except (OSError, ValueError) as error:
            raise UserError(f"cannot read the result {path}: {error}") from error
    return tuple(read)


def write_review(path: Path, results: Sequence[Result] = ()) -> None:
    """Write the page."""
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("mechaug", "reports"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(percent=percent, share=share, duration=duration, spoken=spoken, points=_points)
    made = cards(results)
    families = [(name, text, [c for c in made if c.entry.about.family == name]) for name, text in FAMILIES.items()]
    sources = [(result, find_baseline(result.methods)) for result in results]
    measured = [(name, [one for card in found for one in card.measured]) for name, _, found in families]
    # Those that are no heuristic stand beside them, for comparison.
    told = {one.method.name for _, group in measured for one in group}
    rest = {method.name: None for result in results for method in result.methods if method.name not in told}
    others = [_measured(result, name) for name in rest for result in results]
    measured.append(("for comparison", [one for one in others if one]))
    page = environment.get_template("review.html.j2").render(
        families=families, count=len(made), left_out=LEFT_OUT, sources=sources, measured=measured
    )
    write_text(path, page)


def review_table(results: Sequence[Result] = ()) -> "Table":
    """The catalogue for the terminal."""
    from rich.table import Table

    table = Table(title="Heuristic augmentation: what people use, and what it rests on", title_justify="left")
    table.add_column("family, method, (name in a study)", ratio=5, overflow="fold")
    table.add_column("principle; assumption", ratio=8)
    table.add_column("labels; relatives in C and C̄; cost", ratio=7)
    if results:
        table.add_column("measured", ratio=5)
    previous: Family | None = None
    for card in cards(results):
        about = card.entry.about
        if about.family != previous:
            table.add_section()
            table.add_row(f"[bold cyan]{about.family}[/]", FAMILIES[about.family])
        relatives = ", ".join(spoken(name) for name in (*card.entry.common, *card.entry.bar)) or "none"
        cells = [
            f"[bold]{about.name}[/] ({', '.join(card.names) or 'not a method of its own'})\n{about.citation.short}",
            f"{about.principle}\n[dim]{about.assumption}[/]",
            f"{about.labels[0].upper()}{about.labels[1:]}; {relatives}.\n[dim]{about.cost}[/]",
        ]
        table.add_row(*cells, *(["\n".join(_said(one) for one in card.measured) or "–"] if results else []))
        previous = about.family
    return table


def _said(one: Measured) -> str:
    scores = one.method.evaluation
    corrupted = "not measured" if scores.corrupted is None else share(scores.corrupted.value)
    gain = "" if one.corrupted_gain is None else f" ({_points(one.corrupted_gain)})"
    return f"{one.where}, {one.method.name}: corrupted {corrupted}{gain}, clean {share(scores.clean.value)}"


def _points(gain: float) -> str:
    """A difference of fractions in percentage points, with its sign."""
    return f"{100 * gain:+.1f}".replace("-", "−")


def _measured(result: Result, name: str) -> Measured | None:
    method = next((one for one in result.methods if one.name == name), None)
    if method is None:
        return None
    base = find_baseline(result.methods)
    table = by_corruption(method)
    seen, unseen = ([m for n, m in table.items() if (n in method.sees) is known] for known in (True, False))
    ours, seconds = method.evaluation, _seconds(method)
    clean_gain = corrupted_gain = cost = None
    shown = False
    if base is not None and base is not method:
        theirs, base_seconds = base.evaluation, _seconds(base)
        clean_gain = ours.clean.value - theirs.clean.value
        if ours.corrupted and theirs.corrupted:
            corrupted_gain = ours.corrupted.value - theirs.corrupted.value
            shown = separate(ours.corrupted, theirs.corrupted)
        cost = seconds / base_seconds if seconds and base_seconds else None
    return Measured(
        method, result.data.name, mean(seen) if seen else None, mean(unseen) if unseen else None, clean_gain,
        corrupted_gain, shown, seconds, cost,
    )  # fmt: skip


def _seconds(method: MethodResult) -> float | None:
    return average([run.train_seconds for run in method.runs]) if method.runs else None

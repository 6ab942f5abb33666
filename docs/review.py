"""Write docs/review.md from the cards and the committed studies: `python docs/review.py`.

A test compares the page with the code and with the results.
"""

from pathlib import Path

from mechaug.evaluation.result import Measurement, MethodResult, Result, read_result
from mechaug.files import write_bytes
from mechaug.heuristics.review import FAMILIES, LEFT_OUT
from mechaug.reports.review import Card, cards

PAGE = Path(__file__).resolve().parent / "review.md"
STUDIES = sorted(PAGE.parents[1].glob("benchmarks/results/0.1.0/review-*/result.json"))

INTRODUCTION = """# Heuristics, reviewed

What people use, by family. `mechaug study --methods NAME …` trains by them, `mechaug review --out review.html` writes
this with all that the cards say, `--results runs/study` puts measured figures beside the claims, and `--cite NAME`
prints BibTeX. What a heuristic is a relative of among the common corruptions C and C̄ is no surprise to a net that was
trained with it.
"""

HEADING = """| heuristic | principle | assumes | breaks | labels | relatives in C and C̄ |
|---|---|---|---|---|---|
"""


def page() -> str:
    """The review in Markdown."""
    parts = [INTRODUCTION]
    for family, sentence in FAMILIES.items():
        rows = [card for card in cards() if card.entry.about.family == family]
        parts.append(f"\n## {family.capitalize()}\n\n{sentence}\n\n")
        parts.append(HEADING)
        parts += [_row(card) for card in rows]
    parts.append("\n## Left out\n\n")
    parts += [f"**{one.name}** ({one.citation.line}). {one.reason}\n" for one in LEFT_OUT]
    parts += [measured(read_result(path)) for path in STUDIES]
    return "".join(parts)


def measured(result: Result) -> str:
    """One study's figures, the best under C first."""
    data, runs = result.data, len(result.seeds)
    pictures = max(cell.accuracy.count for cell in result.methods[0].evaluation.cells)
    lines = [
        f"\n## Measured: {data.name}\n",
        f"The net `{result.net}`, {data.train_size:,} training pictures of {data.width}×{data.height}, "
        f"{result.epochs} epochs, {runs} seeds, on {result.environment.device}; {data.test_size:,} test pictures, "
        f"{pictures:,} of them under corruption. Accuracy in %, with 95 % intervals over pictures and seeds under C. "
        "So short a training says little about a long one, in which regularisation pays more; what is close here is "
        "not told apart. Trainings ran beside one another, so that their seconds are rough. Made by "
        f"`{result.command}`.\n",
        "| trained with | C | C̄ | clean | attacked | training, s |",
        "|---|--:|--:|--:|--:|--:|",
    ]
    for entry in sorted(result.methods, key=lambda entry: -_of(entry.evaluation.corrupted)):
        scores = entry.evaluation
        corrupted = scores.corrupted
        interval = "" if corrupted is None else f" [{100 * corrupted.low:.1f}, {100 * corrupted.high:.1f}]"
        seconds = sum(run.train_seconds for run in entry.runs) / len(entry.runs)
        lines.append(
            f"| {entry.title} | {100 * _of(corrupted):.1f}{interval} | {100 * (1 - _error(entry, 'c-bar')):.1f} | "
            f"{100 * scores.clean.value:.1f} | {100 * _of(scores.attacked):.1f} | {seconds:.1f} |"
        )
    return "\n".join(lines) + "\n"


def _of(measurement: Measurement | None) -> float:
    return measurement.value if measurement is not None else float("nan")


def _error(entry: MethodResult, suite: str) -> float:
    """The mean error of a suite of corruptions."""
    return next(
        one.measurement.value
        for one in entry.evaluation.figures
        if one.suite == suite and one.name.startswith("mean error")
    )


def _row(card: Card) -> str:
    about = card.entry.about
    names = ", ".join(f"`{name}`" for name in card.names)
    cells = [
        f"**{about.name}** {names}<br>{about.citation.line}",
        about.principle,
        about.assumption,
        about.breaks,
        about.labels,
        ", ".join((*card.entry.common, *card.entry.bar)) or "none",
    ]
    escaped = [cell.replace("|", "\\|") for cell in cells]
    return f"| {' | '.join(escaped)} |\n"


if __name__ == "__main__":
    write_bytes(PAGE, page().encode("utf-8"))
    print(PAGE)

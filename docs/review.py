"""Write docs/review.md from the cards: `python docs/review.py`. A test compares the page with the code."""

from pathlib import Path

from mechaug.files import write_bytes
from mechaug.heuristics.review import FAMILIES, LEFT_OUT
from mechaug.reports.review import Card, cards

PAGE = Path(__file__).resolve().parent / "review.md"

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
    return "".join(parts)


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

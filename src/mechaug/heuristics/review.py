"""The review of heuristics: every card, by family, and what was left out and why."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, get_args

from mechaug.errors import UserError
from mechaug.heuristics import TYPES
from mechaug.heuristics.base import About, Citation, Family
from mechaug.mechanisms.relatives import BAR_CORRUPTIONS, COMMON_CORRUPTIONS

FAMILIES: Final[Mapping[Family, str]] = {
    "baseline": "What nearly every published training has.",
    "erasing": "A part of the picture is hidden.",
    "noise": "Random values are added.",
    "mixing": "A picture is mixed with others, of the batch or of a set without classes.",
    "policy": "Everyday operations of image editing, one after another or side by side.",
    "operators": "Operators that are drawn at random instead of chosen from a list.",
    "frequency": "The spectrum of the picture is changed.",
    "style": "Tone, colour and contrast are taken from another picture.",
}
"""The families in the order of the review, each in one sentence."""


@dataclass(frozen=True)
class Entry:
    """One heuristic of the review.

    Attributes:
        kind: its class.
        about: its card.
        common: the corruptions of C of which it is a relative.
        bar: those of C̄.
    """

    kind: type
    about: About
    common: tuple[str, ...]
    bar: tuple[str, ...]


@dataclass(frozen=True)
class LeftOut:
    """A published heuristic that is not here.

    Attributes:
        name: as in the literature.
        reason: why not.
        citation: where it was published.
    """

    name: str
    reason: str
    citation: Citation


LEFT_OUT: Final = (
    LeftOut(
        "DeepAugment",
        "It passes pictures through the disturbed weights of two pretrained image-to-image nets, and without those "
        "weights nothing of it is left. RandConv and PRIME draw their operators instead, and need no weights.",
        Citation(
            "hendrycks2021many",
            (
                "Hendrycks, Dan",
                "Basart, Steven",
                "Mu, Norman",
                "Kadavath, Saurav",
                "Wang, Frank",
                "Dorundo, Evan",
                "Desai, Rahul",
                "Zhu, Tyler",
                "Parajuli, Samyak",
                "Guo, Mike",
                "Song, Dawn",
                "Steinhardt, Jacob",
                "Gilmer, Justin",
            ),
            "The Many Faces of Robustness: A Critical Analysis of Out-of-Distribution Generalization",
            "ICCV",
            2021,
        ),
    ),
)


def catalogue() -> tuple[Entry, ...]:
    """Every heuristic that has a card, by family."""
    found = [_entry(kind) for kind in TYPES.values() if hasattr(kind, "about")]
    return tuple(sorted(found, key=lambda entry: get_args(Family).index(entry.about.family)))


def _entry(kind: type) -> Entry:
    overlaps: tuple[str, ...] = kind.overlaps  # type: ignore[attr-defined]
    common, bar = (tuple(n for n in names if n in overlaps) for names in (COMMON_CORRUPTIONS, BAR_CORRUPTIONS))
    return Entry(kind, kind.about, common, bar)  # type: ignore[attr-defined]


def cited(name: str) -> Citation:
    """Where a heuristic was published, by its name, its class or the key of its entry; letters of either case.

    Raises:
        mechaug.errors.UserError: there is none of this name; the message lists the nearest.
    """
    known: dict[str, Citation] = {}
    for entry in catalogue():
        for word in (entry.about.name, entry.kind.__name__, entry.about.citation.key):
            known[_plain(word)] = entry.about.citation
    for one in LEFT_OUT:
        known |= {_plain(one.name): one.citation, one.citation.key: one.citation}
    if _plain(name) in known:
        return known[_plain(name)]
    import difflib

    titles = {_plain(entry.about.name): entry.about.name for entry in catalogue()}
    near = [titles[word] for word in difflib.get_close_matches(_plain(name), titles, n=3)]
    hint = f"did you mean {' or '.join(near)}?" if near else "`mechaug review` lists them"
    raise UserError(f"there is no heuristic {name!r}: {hint}")


def _plain(name: str) -> str:
    return "".join(letter for letter in name.lower() if letter.isalnum())

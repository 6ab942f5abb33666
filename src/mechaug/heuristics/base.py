"""What a heuristic is: an augmentation with the verbs of a mechanism, and a card that says what it assumes.

A heuristic is not derived from how pictures are formed; it works on the stored sRGB values. It has the same contract
as a mechanism (`sample` apart from `apply`), so that the two can be compared by one command. What needs more than one
picture at a time, or the net, is in `views`.
"""

from dataclasses import dataclass
from typing import ClassVar, Literal, TypeAlias

from mechaug.mechanisms.base import Mechanism, P

Family: TypeAlias = Literal["baseline", "erasing", "noise", "mixing", "policy", "operators", "frequency", "style"]
"""The kinds of heuristic, by what they do to a picture."""

LabelRule: TypeAlias = Literal["kept by construction", "kept by hope", "mixed"]
"""Whether a label survives: because nothing that it rests on is touched, because one hopes so, or as a share."""


@dataclass(frozen=True)
class Citation:
    """Where a method was published.

    Attributes:
        key: of its BibTeX entry, such as "hendrycks2020augmix".
        authors: each as "Family, Given"; all of them.
        title: as printed.
        venue: conference, journal or archive, such as "ICLR" or "arXiv:1708.04552".
        year: of the publication.
        kind: of its BibTeX entry.
    """

    key: str
    authors: tuple[str, ...]
    title: str
    venue: str
    year: int
    kind: Literal["inproceedings", "article", "misc"] = "inproceedings"

    @property
    def line(self) -> str:
        """In one line, as a table shows it: `Hendrycks et al., "AugMix: …", ICLR 2020`."""
        return f'{self._who}, "{self.title}", {self.venue} {self.year}'

    @property
    def short(self) -> str:
        """As in running text: `Hendrycks et al., ICLR 2020`."""
        return f"{self._who}, {self.venue} {self.year}"

    @property
    def _who(self) -> str:
        families = [author.partition(",")[0] for author in self.authors]
        return f"{families[0]} et al." if len(families) > 2 else " and ".join(families)

    @property
    def bibtex(self) -> str:
        """As a BibTeX entry; the title keeps its capitals."""
        place = {"inproceedings": "booktitle", "article": "journal", "misc": "howpublished"}[self.kind]
        values = {
            "author": " and ".join(self.authors),
            "title": f"{{{self.title}}}",
            place: self.venue,
            "year": str(self.year),
        }
        fields = ",\n".join(f"  {name} = {{{value}}}" for name, value in values.items())
        return f"@{self.kind}{{{self.key},\n{fields}\n}}"


@dataclass(frozen=True)
class About:
    """One row of the review of heuristics.

    Attributes:
        name: as in the literature, such as "AugMix".
        family: what kind it is.
        principle: what it does, in one sentence.
        assumption: what must hold of the data for it to help.
        needs: what it needs beside the picture itself, such as "a folder of pictures" or "the net"; "nothing".
        breaks: what it is known to break, or where it fails.
        labels: whether the label of a picture survives.
        cost: what it adds to a training step.
        citation: where it was published.
    """

    name: str
    family: Family
    principle: str
    assumption: str
    needs: str
    breaks: str
    labels: LabelRule
    cost: str
    citation: Citation


class Heuristic(Mechanism[P]):
    """A published augmentation of stored pictures; a subclass is a frozen dataclass, and final."""

    domain = "picture"
    structure = "none"
    shares = 2
    about: ClassVar[About]

"""What a heuristic is: an augmentation with the verbs of a mechanism, and a card that says what it assumes.

A heuristic is not derived from how pictures are formed; it works on the stored sRGB values. It has the same contract
as a mechanism (`sample` apart from `apply`), so that the two can be compared by one command.
"""

from dataclasses import dataclass
from typing import ClassVar

from mechaug.mechanisms.base import Mechanism, P


@dataclass(frozen=True)
class About:
    """One row of the review of heuristics.

    Attributes:
        name: as in the literature, such as "AugMix".
        principle: what it does, in one sentence.
        assumption: what must hold of the data for it to help.
        preserves_labels: whether the label of a picture stays as it is when the assumption holds; false for those
            that mix labels.
        cost: what it adds to a training step.
        citation: authors, title, venue and year.
    """

    name: str
    principle: str
    assumption: str
    preserves_labels: bool
    cost: str
    citation: str


class Heuristic(Mechanism[P]):
    """A published augmentation of stored pictures; a subclass is a frozen dataclass, and final."""

    domain = "picture"
    structure = "none"
    about: ClassVar[About]

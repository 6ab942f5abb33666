"""One figure with its interval, and the difference of two with its verdict: what every other record is made of."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Measurement:
    """One figure, the ends of its 95 % interval, and how many pictures it rests on, each counted once."""

    value: float
    low: float
    high: float
    count: int


@dataclass(frozen=True)
class Contrast:
    """One method beside another on one measure, picture by picture.

    Attributes:
        question: which question of its protocol it answers, such as "all mechanisms".
        first: title of the method that the question is about; of several arms together, what they are.
        second: title of the other one.
        measured: on what, such as "c" or "left out: blur".
        difference: how much more often the first is right, in [−1, 1], with its 95 % interval.
        p_value: two-sided, of this comparison alone.
        corrected_p_value: after Holm's correction over all comparisons of its question.
        verdict: "first is better", "second is better" or "no difference shown", by the corrected value.
    """

    question: str
    first: str
    second: str
    measured: str
    difference: Measurement
    p_value: float
    corrected_p_value: float
    verdict: str

    @property
    def excludes_zero(self) -> bool:
        """Whether the interval, which knows of no other comparison, lies on one side of zero."""
        return self.difference.low > 0 or self.difference.high < 0

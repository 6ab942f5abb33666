"""Stability along slow changes: how often the answer flips."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import torch

from mechaug.evaluation import metrics
from mechaug.evaluation.result import Figure
from mechaug.evaluation.stability import FRAMES, SEQUENCES, find_sequence, stability
from mechaug.evaluation.suites.base import Advance, Outcome, Scores, Subject, Suite, Target, Tensors, some, stack
from mechaug.keys import Key


@final
@dataclass(frozen=True)
class Stable(Suite):
    """Flip probabilities on sequences in the style of ImageNet-P and CIFAR-10-P.

    Attributes:
        pictures: how many sequences of each kind, at most.
    """

    pictures: int = 200

    @property
    def name(self) -> str:
        return "stability"

    @property
    def title(self) -> str:
        return "Stability"

    @property
    def origin(self) -> str:
        return "regenerated"

    def describe(self) -> str:
        return (
            f"how often the answer differs from the frame before, along {len(SEQUENCES)} slow changes of {FRAMES} "
            "frames (for noise: from the first frame), and how far the five likeliest classes move (Hendrycks & "
            "Dietterich, ICLR 2019), on sequences made here: not the published files. The mean is not "
            "normalised: the mean flip rate (mFR) against another model on the same pictures is what `mechaug compare` "
            "gives"
        )

    def parts(self) -> tuple[str, ...]:
        """One for each kind of sequence."""
        return tuple(sequence.name for sequence in SEQUENCES)

    def passes(self, part: str, target: Target) -> float:  # noqa: ARG002
        """One for each frame."""
        return FRAMES * len(some(target.pictures, self.pictures))

    def measure(self, part: str, subject: Subject, target: Target, advance: Advance) -> Tensors:
        """Flips and distances of each picture, on the pictures that `some` chooses."""
        chosen = target.pictures.rows(some(target.pictures, self.pictures))
        flips, top5 = [], []
        for rows in torch.arange(len(chosen)).split(subject.batch_size):
            found = stability(
                subject.model, chosen.pixels[rows], chosen.index[rows], Key(0), find_sequence(part),
                device=subject.device, batch_size=subject.batch_size,
            )  # fmt: skip
            flips.append(found.flips)
            top5.append(found.top5)
            advance(FRAMES * len(rows), f"stability: {part}")
        return {"flips": torch.cat(flips), "top5": torch.cat(top5)}

    def score(self, outcomes: Sequence[Outcome], target: Target, key: Key) -> Scores:  # noqa: ARG002
        """The mean flip probability, and each sequence's."""
        flips = torch.stack([stack(outcomes, part, "flips") for part in self.parts()])
        top5 = torch.stack([stack(outcomes, part, "top5") for part in self.parts()])
        headline = metrics.mean(flips.mean(0), key.fold("flips"))
        moved = metrics.mean(top5.mean(0), key.fold("top5"), highest=15.0)
        figures = [
            Figure("stability", "", "mean flip probability", headline, better="lower"),
            Figure("stability", "", "mean top-5 distance (0 to 15)", moved, "", "lower"),
        ]
        figures += [
            Figure(
                "stability", "Flip probability by sequence", f"{sequence.title}: {sequence.description}",
                metrics.mean(flips[place], key.fold(sequence.name)), better="lower",
            )
            for place, sequence in enumerate(SEQUENCES)
        ]  # fmt: skip
        return Scores(figures=tuple(figures), headline=headline)

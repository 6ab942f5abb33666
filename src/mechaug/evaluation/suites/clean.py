"""The test pictures as they are: accuracy, the worst class, and how far confidence can be trusted."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import torch

from mechaug.evaluation import metrics
from mechaug.evaluation.calibration import brier_scores, log_losses
from mechaug.evaluation.fairness import by_group, group_figures
from mechaug.evaluation.ood import strangeness
from mechaug.evaluation.predict import ask
from mechaug.evaluation.result import Figure, Measurement
from mechaug.evaluation.suites.base import Advance, Outcome, Scores, Subject, Suite, Target, Tensors, on_device, stack
from mechaug.keys import Key

_SHOWN = 20  # more classes than this are not a table that anybody reads


@final
@dataclass(frozen=True)
class Clean(Suite):
    """Accuracy on clean pictures; every evaluation has it."""

    @property
    def name(self) -> str:
        return "clean"

    @property
    def title(self) -> str:
        return "Clean"

    def describe(self) -> str:
        return (
            "accuracy on the test pictures as they are; the accuracy of the class with the lowest; the expected "
            "calibration error over 15 bins of equal width (Guo et al., ICML 2017)"
        )

    def parts(self) -> tuple[str, ...]:
        """One."""
        return ("all",)

    def passes(self, part: str, target: Target) -> float:  # noqa: ARG002
        """One a picture."""
        return len(target.pictures)

    @torch.inference_mode()
    def measure(self, part: str, subject: Subject, target: Target, advance: Advance) -> Tensors:  # noqa: ARG002
        """For each picture: right or not, the confidence, two scores, and how strange the picture seems."""
        found: dict[str, list[torch.Tensor]] = {}
        pictures = target.pictures
        for rows in torch.arange(len(pictures)).split(subject.batch_size):
            labels = pictures.labels[rows]
            logits = ask(subject.model, on_device(pictures.pixels[rows], subject), classes=len(target.outputs)).cpu()
            probability, guess = logits.softmax(1).max(1)
            values = {
                "right": guess == labels,
                "guess": guess.int(),
                "confidence": probability.float(),
                "brier": brier_scores(logits, labels).float(),
                "log_loss": log_losses(logits, labels).float(),
                "softmax_strangeness": strangeness(logits, "max softmax"),
                "energy_strangeness": strangeness(logits, "energy"),
            }
            for name, value in values.items():
                found.setdefault(name, []).append(value)
            advance(len(rows), "clean")
        return {name: torch.cat(value) for name, value in found.items()}

    def score(self, outcomes: Sequence[Outcome], target: Target, key: Key) -> Scores:
        """Every class where there are few, and every group."""
        right = stack(outcomes, "all", "right")
        figures: list[Figure] = []
        fairness = by_group(right, target.pictures.labels, target.outputs, key.fold("classes"))
        figures.append(Figure("clean", "By class", "gap between best and worst class", fairness.gap, better="lower"))
        if len(fairness.groups) <= _SHOWN:
            figures += [Figure("clean", "By class", group.name, group.accuracy) for group in fairness.groups]
        if target.groups is not None:
            fairness = by_group(right, target.groups, target.group_names, key.fold("groups"))
            figures += group_figures("clean", fairness)
        return Scores(figures=tuple(figures), headline=metrics.accuracy(right, key.fold("clean")))


@final
@dataclass(frozen=True)
class Calibration(Suite):
    """How far confidence can be trusted; it costs no pass of its own."""

    @property
    def name(self) -> str:
        return "calibration"

    @property
    def title(self) -> str:
        return "Calibration"

    def describe(self) -> str:
        return (
            "on clean pictures: the adaptive RMS calibration error, bins of 100 pictures (Hendrycks et al., ICLR "
            "2019), with all bins and as the published tool has it, without the most confident one; the Brier score "
            "and the negative log-likelihood"
        )

    def parts(self) -> tuple[str, ...]:
        """One, which holds nothing: all is read from what `Clean` left."""
        return ("all",)

    def passes(self, part: str, target: Target) -> float:  # noqa: ARG002
        """None."""
        return 0

    def measure(self, part: str, subject: Subject, target: Target, advance: Advance) -> Tensors:  # noqa: ARG002
        """Nothing."""
        return {}

    def score(self, outcomes: Sequence[Outcome], target: Target, key: Key) -> Scores:  # noqa: ARG002
        """From the outcomes of `Clean`, which the caller gives as part "clean"."""
        right, confidence = stack(outcomes, "clean", "right"), stack(outcomes, "clean", "confidence")
        rms = metrics.rms_calibration(confidence, right, key.fold("rms"))
        published = metrics.rms_calibration(confidence, right, key.fold("rms"), drop_last_bin=True)
        figures = (
            _lower("adaptive RMS calibration error", rms),
            _lower("the same as the published tool has it, without its most confident bin", published),
            _lower("Brier score", metrics.mean(stack(outcomes, "clean", "brier"), key.fold("brier"), highest=2.0), ""),
            _lower(
                "negative log-likelihood",
                metrics.mean(stack(outcomes, "clean", "log_loss"), key.fold("log loss"), highest=math.inf),
                "nats",
            ),
        )  # fmt: skip
        return Scores(figures=figures)


def _lower(name: str, measurement: Measurement, unit: str = "%") -> Figure:
    return Figure("calibration", "", name, measurement, unit, "lower")

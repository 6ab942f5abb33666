"""The honest protocol: whether mechanisms win where they saw a corruption's relatives, and where they did not.

One study at equal epochs, and from its times a second one at equal wall time: every method gets as many steps as it can
take in the seconds that the method of mechanisms took. Both are studies like any other, in folders of their own, and
go on like any other where they were stopped.
"""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from mechaug.config import StudyConfig
from mechaug.errors import UserError
from mechaug.evaluation.contrasts import contrasts
from mechaug.evaluation.measurement import Contrast
from mechaug.evaluation.result import Result
from mechaug.study import Spreading, run_study
from mechaug.training.arms import FAMILIES, left_out
from mechaug.watch import Watch

RIVALS: Final = (
    "none", "flip-crop", "trivialaugment", "augmix-jsd", "prime-jsd", "pixmix", "mixup", "cutmix",
)  # fmt: skip
"""Whom the method of mechanisms is compared with, unless others are named."""

SEEDS: Final = (0, 1, 2)

SUITES: Final = ("clean", "c", "c-bar", "pgd", "calibration")
"""What is measured, besides shifted sets where some are given."""


@dataclass(frozen=True)
class Honest:
    """Who takes part.

    Attributes:
        mechanism: the method that the questions are about.
        rivals: the methods that it is compared with.

    Raises:
        UserError: the method is its own rival, or there is no rival.
    """

    mechanism: str
    rivals: tuple[str, ...] = RIVALS

    def __post_init__(self) -> None:
        if not self.rivals:
            raise UserError("the honest protocol compares with at least one method: name some by --methods")
        if self.mechanism in self.rivals:
            raise UserError(f"{self.mechanism} is compared with itself: name others by --methods")

    @property
    def methods(self) -> tuple[str, ...]:
        """Everyone who is trained, each once: the whole method, its arms, and the rivals."""
        arms = (self.mechanism, self.unseen, *left_out(self.mechanism).values())
        return tuple(dict.fromkeys((*arms, *self.rivals)))

    @property
    def unseen(self) -> str:
        """The arm of the second question."""
        return f"{self.mechanism}:unseen"

    def judge(self, result: Result, folder: Path) -> tuple[Contrast, ...]:
        """The comparisons of one study of these methods."""
        return contrasts(
            result, folder, whole=self.mechanism, unseen=self.unseen, left_out=left_out(self.mechanism),
            families=FAMILIES, rivals=self.rivals,
        )  # fmt: skip


def run_honest(
    config: StudyConfig,
    honest: Honest,
    folder: Path,
    *,
    command: str,
    watch: Watch | None = None,
    checkpoint_seconds: float = 30.0,
    spread: Spreading | None = None,
) -> tuple[Result, Result]:
    """Run both studies of the protocol, or what is left of them, into the folders `epochs` and `time`.

    Args:
        config: of the study at equal epochs; its methods are `honest.methods`.
        honest: who takes part.
        folder: of both studies.
        command: as in `run_study`.
        watch: likewise.
        checkpoint_seconds: likewise.
        spread: likewise; trainings that run at once share a machine's time, and so does what equal time means.

    Returns:
        The result at equal epochs, and that at equal wall time.

    Raises:
        As `run_study`.
    """

    def run(config: StudyConfig, name: str, title: str) -> Result:
        own = folder / name
        return run_study(
            config, own, command=command, watch=watch, checkpoint_seconds=checkpoint_seconds,
            title=f"{config.data_name or config.data.partition(':')[0]}, the net “{config.recipe.net}”: {title}",
            judge=lambda result: honest.judge(result, own), spread=spread,
        )  # fmt: skip

    by_epochs = run(config, "epochs", "the honest protocol at equal epochs")
    equal = replace(config, budgets=budgets(by_epochs, honest.mechanism))
    return by_epochs, run(equal, "time", "the honest protocol at equal wall time of training")


def budgets(result: Result, reference: str) -> tuple[int, ...]:
    """How many steps each method of a result takes in the time that one of them took, by the means over its runs.

    The one itself keeps its steps, so that its net is the same in both studies.
    """
    seconds = {entry.name: sum(run.train_seconds for run in entry.runs) / len(entry.runs) for entry in result.methods}
    steps = {entry.name: entry.runs[0].steps for entry in result.methods}
    given = seconds[reference]
    return tuple(
        steps[name] if name == reference else max(1, round(steps[name] * given / max(seconds[name], 1e-9)))
        for name in (entry.name for entry in result.methods)
    )

"""The honest protocol: whether mechanisms win where they saw a corruption's relatives, and where they did not.

One study at equal epochs, and a second one at equal wall time: every method gets as many steps as it can take in the
seconds that the method of mechanisms takes for its epochs, by times that are measured side by side. Both are studies
like any other, in folders of their own, and go on like any other where they were stopped.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from mechaug.config import StudyConfig
from mechaug.errors import UserError
from mechaug.evaluation.contrasts import contrasts
from mechaug.evaluation.measurement import Contrast
from mechaug.evaluation.result import MethodResult, Result
from mechaug.job import load_data
from mechaug.pace import kept_step_seconds
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


UNEVEN: Final = 1.25
"""Trainings whose times differ by more than this factor are no longer called equal without a caution."""


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

    def doubt(self, result: Result) -> Result:
        """The result of the study at equal time, with a caution at every method whose time turned out otherwise."""
        seconds = {entry.name: _mean_seconds(entry) for entry in result.methods}
        meant = seconds[self.mechanism]

        def checked(entry: MethodResult) -> MethodResult:
            share = seconds[entry.name] / max(meant, 1e-9)
            if 1 / UNEVEN <= share <= UNEVEN:
                return entry
            caution = (
                f"its trainings took {share:.2g} times as long as those of the method in question, though their steps "
                "were shared out for equal time: the machine was not quiet, or the trainings are too short to tell"
            )
            evaluation = replace(entry.evaluation, cautions=(*entry.evaluation.cautions, caution))
            return replace(entry, evaluation=evaluation)

        return replace(result, methods=tuple(map(checked, result.methods)))


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

        def judge(result: Result) -> Result:
            result = honest.doubt(result) if config.budgets else result
            return replace(result, contrasts=honest.judge(result, own))

        return run_study(
            config, own, command=command, watch=watch, checkpoint_seconds=checkpoint_seconds, judge=judge,
            title=f"{config.data_name or config.data.partition(':')[0]}, the net “{config.recipe.net}”: {title}",
            spread=spread,
        )  # fmt: skip

    by_epochs = run(config, "epochs", "the honest protocol at equal epochs")
    data = load_data(config)
    seconds = kept_step_seconds(config, data, folder / "pace.json", watch=watch)
    equal = replace(config, budgets=budgets(seconds, honest.mechanism, config.recipe.total_steps(len(data.train))))
    return by_epochs, run(equal, "time", "the honest protocol at equal wall time of training")


def budgets(seconds: Mapping[str, float], reference: str, steps: int) -> tuple[int, ...]:
    """How many steps each method takes in the time in which one of them takes so many.

    Args:
        seconds: per step of each method, as `pace.step_seconds` measures them.
        reference: the one, which keeps its steps, so that its net is the same in both studies.
        steps: how many it takes.
    """
    given = seconds[reference] * steps
    return tuple(steps if name == reference else max(1, round(given / max(own, 1e-9))) for name, own in seconds.items())


def _mean_seconds(entry: MethodResult) -> float:
    return sum(run.train_seconds for run in entry.runs) / len(entry.runs)

"""Common corruptions: accuracy by corruption and severity, the published scores, and who suffers most."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Literal, TypeAlias, final

import torch
from jaxtyping import Float, Int64

from mechaug.evaluation import metrics, scores
from mechaug.evaluation.corruptions import (
    EXTRA_NAMES,
    NAMES,
    SEVERITIES,
    bar_names,
    load_frost,
    profile_of,
)  # fmt: skip
from mechaug.evaluation.fairness import BY_GROUP, NO_GROUP, WORST_GROUP, by_group, group_figures, worst_cell
from mechaug.evaluation.result import Cell, Figure
from mechaug.evaluation.suites.base import (
    Advance,
    Outcome,
    Scores,
    Subject,
    Suite,
    Target,
    Tensors,
    predictions,
    some,
    stack,
)  # fmt: skip
from mechaug.evaluation.supply import Supply
from mechaug.keys import Key
from mechaug.types import Bytes

Family: TypeAlias = Literal["c", "c-extra", "c-bar"]

_TITLES: dict[str, tuple[str, str]] = {
    "c": ("Common corruptions (C)", "common corruptions (Hendrycks & Dietterich, ICLR 2019)"),
    "c-extra": (
        "Held-out corruptions of C",
        "corruptions that C holds out for validation (Hendrycks & Dietterich, ICLR 2019)",
    ),
    "c-bar": ("Corruptions unlike C (C̄)", "corruptions chosen to be unlike C (Mintun et al., NeurIPS 2021)"),
}
_AT_ONCE = 500  # pictures corrupted together


@cache
def _supply(files: str | None, frost: str | None) -> Supply:
    """Where the pictures come from; textures are read once."""
    folder = None if files is None else Path(files).expanduser()
    return Supply(folder, None if frost is None else load_frost(Path(frost).expanduser()))


@final
@dataclass(frozen=True)
class Corrupted(Suite):
    """Accuracy under a set of corruptions.

    Attributes:
        family: c, c-extra or c-bar.
        corruptions: their names; empty until the size of the pictures is known, see `for_size`.
        severities: of each.
        pictures: how many of the test pictures are corrupted, at most.
        files: folder of corrupted pictures, published or written by `mechaug corrupt`, which are preferred to those
            made here; None for none.
        frost: folder of the benchmark's frost textures; None for drawn ones.
    """

    family: Family
    corruptions: tuple[str, ...] = ()
    severities: tuple[int, ...] = SEVERITIES
    pictures: int = 10_000
    files: str | None = None
    frost: str | None = None

    @property
    def name(self) -> str:
        return self.family

    @property
    def title(self) -> str:
        return _TITLES[self.family][0]

    def for_size(self, height: int, width: int) -> "Corrupted":
        """With the corruptions of the benchmark that has pictures of such a size, unless some are given."""
        if self.corruptions:
            return self
        profile = profile_of(height, width)
        names = {"c": NAMES, "c-extra": EXTRA_NAMES, "c-bar": bar_names(profile)}[self.family]
        return replace(self, corruptions=names)

    @property
    def origin(self) -> str:
        origins = {self._supply.origin(name) for name in self.corruptions}
        return "partly official" if len(origins) > 1 else next(iter(origins), "")

    def describe(self) -> str:
        return (
            f"mean accuracy over {len(self.corruptions)} {_TITLES[self.family][1]} "
            f"({', '.join(self.corruptions)}) at severities {', '.join(map(str, self.severities))}; "
            f"{self._supply.note(self.corruptions)}"
        )

    @property
    def _supply(self) -> Supply:
        return _supply(self.files, self.frost)

    def parts(self) -> tuple[str, ...]:
        """One for each corruption."""
        return self.corruptions

    def passes(self, part: str, target: Target) -> float:  # noqa: ARG002
        """One for each picture and severity."""
        return len(self.severities) * len(some(target.pictures, self.pictures))

    def measure(self, part: str, subject: Subject, target: Target, advance: Advance) -> Tensors:
        """Whether each picture was right, severities × pictures, on the pictures that `some` chooses."""
        chosen = target.pictures.rows(some(target.pictures, self.pictures))
        total, classes, supply = target.total or len(target.pictures), target.classes or None, self._supply
        right = []
        for severity in self.severities:
            guesses = []
            for rows in torch.arange(len(chosen)).split(_AT_ONCE):

                def make(rows: torch.Tensor = rows, severity: int = severity) -> Bytes:
                    return supply.get(
                        chosen.rows(rows), part, severity, total=total, classes=classes, device=subject.device
                    )

                pixels = target.kept.get((self, part, severity, int(rows[0])), make)
                guesses.append(predictions(subject, pixels, len(target.outputs), advance, f"{part} {severity}"))
            right.append(torch.cat(guesses) == chosen.labels)
        return {"right": torch.stack(right)}

    def score(self, outcomes: Sequence[Outcome], target: Target, key: Key) -> Scores:
        """Every cell, the mean error, the published scores where they are defined, and the worst class anywhere."""
        under = torch.stack([stack(outcomes, name, "right") for name in self.corruptions], dim=1)
        rows = some(target.pictures, self.pictures)
        labels = target.pictures.labels[rows]
        per_picture = under.float().mean(dim=(1, 2))
        key = key if self.family == "c" else key.fold(self.family)
        cells = tuple(
            Cell(
                name, severity, metrics.accuracy(under[:, row, column], key.fold(name).fold(severity)), self.family
            )
            for row, name in enumerate(self.corruptions)
            for column, severity in enumerate(self.severities)
        )  # fmt: skip
        error = scores.mean_error(under, key.fold("corrupted"))
        figures = [Figure(self.family, "Scores", f"mean error ({self.origin})", error, better="lower")]
        if self._normalised(target):
            clean = stack(outcomes, "clean", "right")[:, rows]
            figures += self._normalised_figures(under, clean, key.fold("mCE"))
        of_corruptions = under.float().mean(2)
        worst = worst_cell(of_corruptions, labels, target.outputs, self.corruptions, key.fold("worst cell"))
        name = f"worst class and corruption: {worst.group} under {worst.condition.replace('_', ' ')}"
        figures.append(Figure(self.family, "Fairness", name, worst.accuracy))
        if target.groups is not None:
            groups = target.groups[rows]
            figures += self._by_group(per_picture, of_corruptions, groups, target.group_names, key.fold("groups"))
        headline = metrics.accuracy(per_picture, key.fold("corrupted"))
        return Scores(cells=cells, figures=tuple(figures), headline=headline)

    def _by_group(
        self,
        per_picture: Float[torch.Tensor, "s n"],
        of_corruptions: Float[torch.Tensor, "s c n"],
        groups: Int64[torch.Tensor, "n"],
        names: tuple[str, ...],
        key: Key,
    ) -> list[Figure]:
        """Accuracies of the groups under all corruptions, their gap, and the worst group and corruption."""
        if not bool((groups != NO_GROUP).any()):
            return []
        worst = worst_cell(of_corruptions, groups, names, self.corruptions, key.fold("worst cell"))
        name = f"{WORST_GROUP} and corruption: {worst.group} under {worst.condition.replace('_', ' ')}"
        return [
            *group_figures(self.family, by_group(per_picture, groups, names, key)),
            Figure(self.family, BY_GROUP, name, worst.accuracy),
        ]

    def _normalised(self, target: Target) -> bool:
        profile = profile_of(*target.pictures.pixels.shape[-2:])
        return profile == "imagenet" and scores.can_be_normalised(self.corruptions, self.severities)

    def _normalised_figures(self, under: torch.Tensor, clean: torch.Tensor, key: Key) -> list[Figure]:
        names, origin = self.corruptions, self.origin
        found = {
            f"mCE ({origin}; 100 % is AlexNet's)": scores.mce(under, names, key),
            f"relative mCE ({origin}; 100 % is AlexNet's)": scores.relative_mce(under, clean, names, key),
        }
        figures = [Figure(self.family, "Scores", name, value, better="lower") for name, value in found.items()]
        each = scores.corruption_errors(under, names, key)
        figures += [
            Figure(self.family, "Error over AlexNet's, by corruption", name.replace("_", " "), value, better="lower")
            for name, value in each.items()
        ]
        return figures

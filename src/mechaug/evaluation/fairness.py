"""Fairness of robustness: what an average hides, class by class and group by group."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from mechaug.errors import UserError
from mechaug.evaluation.bootstrap import Outcomes, checked_outcomes, group_means, interval, resample
from mechaug.evaluation.metrics import accuracy
from mechaug.evaluation.result import Figure, Measurement
from mechaug.keys import Key

NO_GROUP = -1
"""The group of a picture that belongs to none."""

BY_GROUP: Final = "By group"
"""The heading of a result's figures for groups of a column."""

WORST_GROUP: Final = "worst group"
"""How the name of a figure begins that is not of one group by itself."""


@dataclass(frozen=True)
class Group:
    """The accuracy on the pictures of one class, or of one group of a column."""

    name: str
    accuracy: Measurement


@dataclass(frozen=True)
class Fairness:
    """Accuracies side by side.

    Attributes:
        groups: those that have pictures, in the order of their names as given.
        best: name of the one with the highest accuracy.
        worst: name of the one with the lowest.
        gap: the highest minus the lowest. Of several noisy figures it is on average too high, the more groups and the
            fewer pictures; its interval does not mend that, see `bootstrap`.
    """

    groups: tuple[Group, ...]
    best: str
    worst: str
    gap: Measurement


@dataclass(frozen=True)
class WorstCell:
    """The group and the condition in which the accuracy is lowest, such as cats in fog."""

    group: str
    condition: str
    accuracy: Measurement


def by_group(correct: Outcomes, groups: Int64[Tensor, "n"], names: Sequence[str], key: Key) -> Fairness:
    """Accuracy by group, the best, the worst and their gap.

    Args:
        correct: outcomes of runs × pictures.
        groups: of each picture, 0..len(names)−1, or `NO_GROUP`: such pictures are left out.
        names: of the groups.
        key: a single key, for the resamples.

    Raises:
        ValueError: no picture has a group, a group has no name, outcomes are not in [0, 1], or the key is one per
            picture.
    """
    checked_outcomes(correct)
    correct, groups = correct.cpu(), _checked_groups(groups, names)
    present = groups[groups != NO_GROUP].unique()
    found = tuple(
        Group(names[int(place)], accuracy(correct[:, groups == place], key.fold("group").fold(int(place))))
        for place in present
    )
    kept = groups != NO_GROUP
    places = torch.searchsorted(present, groups[kept])
    outcomes = checked_outcomes(correct[:, kept])
    means, per_group = group_means(outcomes, places, len(present))
    samples = resample(key.fold("gap"), len(outcomes), len(places), per_group)
    gap = interval(float(means.max() - means.min()), samples.amax(0) - samples.amin(0), len(places), centred=True)
    return Fairness(found, found[int(means.argmax())].name, found[int(means.argmin())].name, gap)


def group_figures(suite: str, found: Fairness) -> list[Figure]:
    """What a suite shows of the groups of a column: the gap between them, then each."""
    return [
        Figure(suite, BY_GROUP, "gap between groups", found.gap, better="lower"),
        *(Figure(suite, BY_GROUP, group.name, group.accuracy) for group in found.groups),
    ]


def worst_cell(
    correct: Bool[Tensor, "s c n"] | Float[Tensor, "s c n"],
    groups: Int64[Tensor, "n"],
    names: Sequence[str],
    conditions: Sequence[str],
    key: Key,
) -> WorstCell:
    """The group and condition with the lowest accuracy.

    The lowest of many noisy figures is on average lower than the lowest of the true ones; see `bootstrap`.

    Args:
        correct: outcomes of runs × conditions × pictures, such as one condition per corruption.
        groups: as in `by_group`.
        names: of the groups.
        conditions: names of the conditions.
        key: a single key, for the resamples.

    Returns:
        Its `accuracy.count` is the number of pictures of that group.

    Raises:
        ValueError: as `by_group`, or the conditions do not have one name each.
    """
    if correct.ndim != 3 or correct.shape[1] != len(conditions):
        raise ValueError(
            f"outcomes have shape (runs, conditions, pictures) with {len(conditions)} conditions, "
            f"not {tuple(correct.shape)}"
        )
    groups = _checked_groups(groups, names)
    kept = groups != NO_GROUP
    present = groups[kept].unique()
    places = torch.searchsorted(present, groups[kept])
    cells = [
        group_means(checked_outcomes(correct[:, c].cpu()[:, kept]), places, len(present))
        for c in range(len(conditions))
    ]
    means = torch.stack([plain for plain, _ in cells])

    def lowest(weights: Tensor, run_weights: Tensor) -> Tensor:
        return torch.stack([cell(weights, run_weights).amin(0) for _, cell in cells]).amin(0)

    samples = resample(key, correct.shape[0], len(places), lowest)
    condition, group = divmod(int(means.argmin()), len(present))
    count = int((places == group).sum())
    value = float(means[condition, group])
    return WorstCell(names[int(present[group])], conditions[condition], interval(value, samples, count, centred=True))


def groups_of(column: Sequence[str | None]) -> tuple[Int64[Tensor, "n"], tuple[str, ...]]:
    """A column of a table as groups and their names, in alphabetical order.

    Args:
        column: one entry per picture; empty or None where a picture belongs to no group.
    """
    names = tuple(sorted({entry for entry in column if entry}))
    places = {name: place for place, name in enumerate(names)}
    return torch.tensor([places[entry] if entry else NO_GROUP for entry in column], dtype=torch.int64), names


def groups_at(
    column: Sequence[str | None], index: Int64[Tensor, "n"], total: int
) -> tuple[Int64[Tensor, "n"], tuple[str, ...]]:
    """The groups of some test pictures, and their names, from a column for the whole test split.

    Args:
        column: as in `groups_of`, in the order of the split.
        index: of the pictures, places in the column.
        total: how many pictures the split has; 0 if nobody knows.

    Raises:
        UserError: the column is not one of this split, or gives none of these pictures a group.
    """
    groups, names = groups_of(column)
    if len(groups) != total if total else len(groups) <= int(index.max()):
        raise UserError(
            f"there are {len(groups):,} groups, and the test split has {f'{total:,}' if total else 'more'} pictures: "
            "give one line for each, in their order, which may be empty"
        )
    groups = groups[index]
    if not bool((groups != NO_GROUP).any()):
        raise UserError("none of the pictures that are measured has a group: name some, or leave --groups out")
    return groups, names


def _checked_groups(groups: Int64[Tensor, "n"], names: Sequence[str]) -> Int64[Tensor, "n"]:
    groups = groups.cpu()
    if not bool((groups != NO_GROUP).any()):
        raise ValueError("no picture belongs to a group: there is nothing to compare")
    if int(groups.min()) < NO_GROUP or int(groups.max()) >= len(names):
        raise ValueError(
            f"groups reach from {int(groups.min())} to {int(groups.max())}, and there are {len(names)} names"
        )
    return groups

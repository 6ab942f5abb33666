"""Two measurements on the same pictures, suite by suite and corruption by corruption, as pairs of outcomes."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from mechaug import spec
from mechaug.errors import UserError
from mechaug.evaluation.corruptions import SEVERITIES
from mechaug.evaluation.kept import read_outcomes
from mechaug.evaluation.result import MethodResult, Result, read_result
from mechaug.evaluation.stability import mean_flip_rate
from mechaug.evaluation.statistics import Comparison, compare_all
from mechaug.evaluation.suites import Suite
from mechaug.evaluation.suites.attacked import PIXEL_ATTACKS
from mechaug.evaluation.suites.corrupted import Corrupted
from mechaug.keys import Key


@dataclass(frozen=True)
class Side:
    """One side of a comparison.

    Attributes:
        title: what it is called.
        suites: what was measured, by name.
        runs: for each run, suite and part, what happened to each picture.
        pictures: text that identifies the pictures.
        stopped: names of suites that were not wholly measured with one setting, in every run alike.
    """

    title: str
    suites: Mapping[str, Suite]
    runs: Sequence[Mapping[str, Mapping[str, Mapping[str, Tensor]]]]
    pictures: str
    stopped: tuple[str, ...] = ()


def read_side(text: str) -> Side:
    """One side by what the user calls it.

    Args:
        text: a result.json or its folder; with several methods, followed by a colon and the name of one.

    Raises:
        UserError: there is no such result or method, or its outcomes do not lie beside it.
    """
    path, chosen = Path(text), None
    # A name of a method may hold a colon, and so may a path.
    for place in (place for place, letter in enumerate(text) if letter == ":" and not path.exists()):
        if Path(text[:place]).exists():
            path, chosen = Path(text[:place]), text[place + 1 :]
    path = path / "result.json" if path.is_dir() else path
    if not path.is_file():
        raise UserError(f"there is no result {text}: give a result.json, or its folder")
    try:
        result = read_result(path)
    except (OSError, spec.SpecError) as error:
        raise UserError(f"cannot read the result {path}: {error}") from error
    return side_of(_method(result, chosen, path), path.parent)


def side_of(method: MethodResult, folder: Path) -> Side:
    """One method of a result as a side.

    Args:
        method: its entry.
        folder: in which the result lies.

    Raises:
        UserError: its outcomes do not lie there.
    """
    if not method.outcomes:
        raise UserError(
            f"the result in {folder} has no outcomes of {method.title}, by which results are compared: measure again"
        )
    runs, suites, pictures = [], [], ""
    for place in method.outcomes:
        own = folder / place
        if not own.resolve().is_relative_to(folder.resolve()):
            raise UserError(f"the result in {folder} names outcomes outside its folder ({place}): measure again")
        measured, outcomes, pictures = read_outcomes(own)
        suites.append(measured)
        runs.append(outcomes)
    names = dict.fromkeys(name for measured in suites for name in measured)
    whole = {
        name: suite
        for name in names
        if (suite := suites[0].get(name)) is not None and all(measured.get(name) == suite for measured in suites)
    }
    return Side(method.title, whole, runs, pictures, tuple(name for name in names if name not in whole))


def compare_sides(first: Side, second: Side, *, paired_runs: bool = False, seed: int = 0) -> dict[str, Comparison]:
    """Both sides on everything that both measured alike: suites first, then corruptions. For the rest see `left_out`.

    Holm's correction is over the suites, and once more over the corruptions, which are a question of their own.

    Raises:
        UserError: they were measured on different pictures, or on nothing alike.
    """
    if first.pictures != second.pictures:
        raise UserError(
            f"{first.title} and {second.title} were measured on different pictures: measure both on the same data"
        )
    found: dict[str, Comparison] = {}
    same = {name for name in first.suites if _same(name, first, second)}
    for ours, theirs in zip(*(outcomes_of(side, same) for side in (first, second)), strict=True):
        alike = {name: (ours[name], theirs[name]) for name in ours if name in theirs}
        try:
            found |= compare_all(alike, Key(seed).fold("compare"), paired_runs=paired_runs) if alike else {}
        except ValueError as error:
            raise UserError(str(error)) from error
    if not found:
        apart = "; ".join(left_out(first, second))
        raise UserError(f"nothing that {first.title} and {second.title} were measured on is alike: {apart}")
    return found


def left_out(first: Side, second: Side) -> tuple[str, ...]:
    """What cannot be compared, and why.

    Suites of one side alone, suites that one side did not measure to their end, suites with other settings or on other
    pictures, and those that do not judge picture by picture.
    """
    return tuple(
        f"{name} ({reason})"
        for name in dict.fromkeys((*first.suites, *first.stopped, *second.suites, *second.stopped))
        if (reason := _reason(name, first, second))
    )


def _reason(name: str, first: Side, second: Side) -> str:
    """Why a suite is not compared; empty if it is."""
    for side in (first, second):
        if name in side.stopped:
            return f"of {side.title} not wholly measured with one setting: give the command of its result again"
    ours, theirs = first.suites.get(name), second.suites.get(name)
    if ours is None or theirs is None:
        return f"of {(second if ours is None else first).title} alone"
    if ours != theirs:
        settings = vars(ours), vars(theirs)
        apart = [
            f"{field.replace('_', ' ')} {value} and {settings[1].get(field)}"
            for field, value in settings[0].items()
            if value != settings[1].get(field)
        ]
        return ", ".join(apart) or "another measurement"
    if not _same(name, first, second):
        return "other pictures lie there now"
    return "" if any(outcomes_of(first, (name,))) else "it does not judge picture by picture"


def _same(name: str, first: Side, second: Side) -> bool:
    """Whether both sides measured a suite alike: with one setting, and on the same pictures where it has its own."""
    suite = first.suites[name]
    if suite != second.suites.get(name):
        return False
    ours, theirs = (side.runs[0].get(name, {}) for side in (first, second))
    return name != "shift" or all(
        torch.equal(ours[part]["labels"], theirs[part]["labels"])
        # Earlier versions did not keep what the pictures were.
        and (
            "digest" not in ours[part]
            or "digest" not in theirs[part]
            or torch.equal(ours[part]["digest"], theirs[part]["digest"])
        )
        for part in suite.parts()
    )


def flip_rate(first: Side, second: Side) -> float | None:
    """The first's mean flip rate with the second as the baseline; None where not both measured stability alike.

    Raises:
        UserError: the second never flips along some sequence.
    """
    found = [_flips(side) for side in (first, second)]
    if not found[0] or not found[1] or first.suites["stability"] != second.suites["stability"]:
        return None
    try:
        return mean_flip_rate(found[0], found[1])
    except ValueError as error:
        raise UserError(f"the mean flip rate is not defined: {error}") from error


def _flips(side: Side) -> dict[str, float]:
    """The flip probability of each sequence, in the mean over pictures and runs."""
    suite = side.suites.get("stability")
    parts = suite.parts() if suite else ()
    if not all(part in run.get("stability", {}) for run in side.runs for part in parts):
        return {}
    return {
        part: torch.stack([run["stability"][part]["flips"].double().mean() for run in side.runs]).mean().item()
        for part in parts
    }


def outcomes_of(side: Side, names: Collection[str] | None = None) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Outcomes of runs × pictures by what was measured, such as "c", and by corruption, such as "c: fog".

    Args:
        side: of whom.
        names: of the suites; all of them if None.
    """
    found: dict[str, Tensor] = {}
    single: dict[str, Tensor] = {}
    for name, suite in side.suites.items():
        parts = suite.parts()
        if names is not None and name not in names:
            continue
        if not all(part in run.get(name, {}) for run in side.runs for part in parts):
            continue
        if isinstance(suite, Corrupted):
            stacked = {part: torch.stack([run[name][part]["right"] for run in side.runs]) for part in parts}
            setting = f" (severities {', '.join(map(str, suite.severities))})" if suite.severities != SEVERITIES else ""
            found[f"{name}{setting}"] = torch.stack([s.float().mean(1) for s in stacked.values()]).mean(0)
            single |= {f"{name}: {part}{setting}": value.float().mean(1) for part, value in stacked.items()}
        elif name == "clean":
            found[name] = torch.stack([run[name]["all"]["right"] for run in side.runs])
        elif name in PIXEL_ATTACKS:
            epsilon = getattr(suite, "epsilon_levels", 8.0)
            broken_by = torch.stack([run[name]["all"]["broken_by"] for run in side.runs])
            found[f"{name} ({epsilon:g}/255)"] = broken_by == -1
        elif name == "shift":
            for part in parts:
                title = bytes(side.runs[0][name][part]["title"].tolist()).decode()
                found[f"{name}: {title}"] = torch.stack([run[name][part]["right"] for run in side.runs])
        elif name == "mechanism":
            right = [torch.stack([run[name][part]["all"] for part in parts]).float().mean(0) for run in side.runs]
            found[name] = torch.stack(right)
        elif name == "stability":
            still = [1 - torch.stack([run[name][part]["flips"] for part in parts]).mean(0) for run in side.runs]
            found[f"{name} (share of frames that stay)"] = torch.stack(still)
    return found, single


def _method(result: Result, chosen: str | None, path: Path) -> MethodResult:
    names = [method.name for method in result.methods]
    if chosen is None and len(names) == 1:
        return result.methods[0]
    if chosen not in names:
        raise UserError(
            f"{path} holds {', '.join(names) or 'no method'}: choose one, as {path}:{(names or ['NAME'])[0]}"
        )
    return result.methods[names.index(chosen)]

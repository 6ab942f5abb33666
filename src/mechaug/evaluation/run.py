"""Measure one model by suites, each part kept on disk as it ends; then pool what several runs of a method left."""

import hashlib
import platform
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

import torch

from mechaug.data.pictures import Pictures
from mechaug.errors import UserError
from mechaug.evaluation import metrics
from mechaug.evaluation.kept import Place, read_part, write_part
from mechaug.evaluation.result import Environment, Evaluation, Measurement, SuiteRecord
from mechaug.evaluation.suites import Outcome, Scores, Subject, Suite, Target, some
from mechaug.evaluation.suites.base import Tensors, stack
from mechaug.keys import Key
from mechaug.memory import keep_memory
from mechaug.version import VERSION
from mechaug.watch import Silent, Watch

Outcomes: TypeAlias = Mapping[str, Outcome]
"""What happened to each picture in one run, by suite and part."""

_LOOKED_AT = 256


@dataclass(frozen=True)
class Share:
    """Which parts of a measurement are this process's, where several measure one model into one folder.

    Attributes:
        number: of this process, from 0.
        of: how many there are; parts are dealt out in turn.
        wait: returns when every process has called it.
    """

    number: int
    of: int
    wait: Callable[[], None]


ALL_OF_IT: Final = Share(0, 1, lambda: None)


def measure(
    suites: Sequence[Suite], subject: Subject, target: Target, place: Place, *, watch: Watch | None = None,
    share: Share = ALL_OF_IT,
) -> Outcomes:  # fmt: skip
    """Measure one model, or what is left of it: finished parts are read, and every part is written as it ends.

    A part's outcomes depend on nothing but the part, so that those of several processes, each with its share, are to
    the bit those of one.

    Args:
        suites: what to measure; `Clean` among them.
        subject: the model.
        target: the pictures.
        place: where outcomes are kept.
        watch: listens to the progress, in passes of one picture through the model.
        share: of this process; all of them get the outcomes of all.

    Raises:
        UserError: there are no pictures, the model's output cannot be used, or another process left a part out.
        OSError: the folder cannot be written.
    """
    keep_memory()
    watch = watch or Silent()
    if not len(target.pictures):
        raise UserError("there are no test pictures to measure on: ask for some with --test-size")
    found: dict[str, dict[str, Tensors]] = {}
    left: list[tuple[Suite, str]] = []
    for suite in suites:
        for part in suite.parts():
            kept = read_part(place, suite, part)
            if kept is None:
                left.append((suite, part))
            else:
                found.setdefault(suite.name, {})[part] = kept
    if found and left:
        watch.say(f"{sum(map(len, found.values()))} parts were measured before and are kept; {len(left)} are left")
    # What is left is the same for all: nobody writes before everybody has looked.
    share.wait()
    others = [one for number, one in enumerate(left) if number % share.of != share.number]
    left = left[share.number :: share.of]
    watch.begin("measuring", round(sum(suite.passes(part, target) for suite, part in left)), "passes")
    count = _Whole(watch)
    subject.model.eval()
    for suite, part in left:
        started = time.perf_counter()
        count.start(suite.passes(part, target))
        try:
            tensors = suite.measure(part, subject, target, count.advance)
        except ValueError as error:
            raise UserError(f"{suite.title}: {error}") from error
        count.finish()
        write_part(place, suite, part, tensors, time.perf_counter() - started)
        found.setdefault(suite.name, {})[part] = tensors
    share.wait()
    for suite, part in others:
        kept = read_part(place, suite, part)
        if kept is None:
            raise UserError(f"another process was to measure {part} of {suite.title}, and did not: start all again")
        found.setdefault(suite.name, {})[part] = kept
    return found


class _Whole:
    """Passes as a watch counts them, in whole numbers; a part counts what it said it would cost, however it ended."""

    def __init__(self, watch: Watch) -> None:
        self._watch = watch
        self._expected = self._done = self._told = 0.0

    def start(self, expected: float) -> None:
        self._expected, self._done, self._told = expected, 0.0, 0.0

    def advance(self, passes: float, note: str) -> None:
        self._done = min(self._done + passes, self._expected)
        if (whole := int(self._done - self._told)) > 0:
            self._watch.advance(whole, note)
            self._told += whole

    def finish(self) -> None:
        rest = round(self._expected - self._told)
        if rest > 0:
            self._watch.advance(rest)


def digest(pictures: Pictures) -> str:
    """A text that tells sets of pictures apart: of all labels and places, and of some of the pictures."""
    made = hashlib.blake2b(digest_size=12)
    step = max(1, len(pictures) // _LOOKED_AT)
    for tensor in (pictures.labels, pictures.index, pictures.pixels[::step]):
        made.update(str(tuple(tensor.shape)).encode())
        made.update(tensor.contiguous().numpy().tobytes())
    return made.hexdigest()


def describe(suites: Sequence[Suite]) -> tuple[SuiteRecord, ...]:
    """What was measured, for a reader of the result."""
    return tuple(SuiteRecord(suite.name, suite.title, suite.describe(), suite.origin) for suite in suites)


def pool(suites: Sequence[Suite], outcomes: Sequence[Outcomes], target: Target, *, seed: int = 0) -> Evaluation:
    """The figures of one method from the outcomes of its runs (one per seed), with intervals over pictures and seeds.

    Args:
        suites: what was measured.
        outcomes: one per run, on the same pictures.
        target: the pictures.
        seed: of the bootstrap.
    """
    key = Key(seed).fold("bootstrap")
    clean = [one["clean"]["all"] for one in outcomes]
    right = stack([{"clean": one} for one in clean], "clean", "right")
    confidence = stack([{"clean": one} for one in clean], "clean", "confidence")
    labels = target.pictures.labels
    worst, which = metrics.worst_class(right.float(), labels, target.outputs, key.fold("worst class"))
    scored: dict[str, Scores] = {}
    for suite in suites:
        own = [{"clean": base, **one[suite.name]} for base, one in zip(clean, outcomes, strict=True)]
        scored[suite.name] = suite.score(own, target, key)
    # Each is a bound from above, so the lowest counts; AutoAttack's versions go before PGD, which they contain.
    auto = [scored[name].headline for name in ("autoattack", "autoattack-rand") if name in scored]
    attacked = min((one for one in auto if one), key=lambda one: one.value, default=None)
    if attacked is None and "pgd" in scored:
        attacked = scored["pgd"].headline
    return Evaluation(
        clean=metrics.accuracy(right, key.fold("clean")),
        corrupted=scored["c"].headline if "c" in scored else None,
        attacked=attacked,
        calibration_error=metrics.calibration(confidence, right, key.fold("calibration")),
        worst_class=worst,
        worst_class_name=target.outputs[which],
        worst_class_corrupted=_worst_corrupted(outcomes, target, key) if "c" in scored else None,
        cells=tuple(cell for scores in scored.values() for cell in scores.cells),
        figures=tuple(figure for scores in scored.values() for figure in scores.figures),
        grids=tuple(grid for scores in scored.values() for grid in scores.grids),
        cautions=tuple(caution for scores in scored.values() for caution in scores.cautions),
    )


def _worst_corrupted(outcomes: Sequence[Outcomes], target: Target, key: Key) -> Measurement:
    per_picture = corrupted_shares(outcomes)
    rows = some(target.pictures, per_picture.shape[1])
    labels = target.pictures.labels[rows]
    return metrics.worst_class(per_picture, labels, target.outputs, key.fold("worst class corrupted"))[0]


def corrupted_shares(outcomes: Sequence[Outcomes]) -> torch.Tensor:
    """In which share of the corruptions of C and severities each picture was right, runs × pictures."""
    return torch.stack([
        torch.stack([part["right"].float().mean(0) for part in one["c"].values()]).mean(0) for one in outcomes
    ])  # fmt: skip


def mean(outcomes: Outcomes, suite: str) -> float | None:
    """The accuracy of one run in a suite; None where it was not measured."""
    parts = outcomes.get(suite)
    if not parts:
        return None
    if "broken_by" in parts.get("all", {}):
        return (parts["all"]["broken_by"] == -1).double().mean().item()
    return torch.stack([part["right"].double().mean() for part in parts.values()]).mean().item()


def environment(device: torch.device | str) -> Environment:
    """Where this process runs."""
    device = torch.device(device)
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else device.type
    return Environment(
        mechaug=VERSION,
        python=".".join(map(str, sys.version_info[:3])),
        torch=torch.__version__,
        platform=f"{platform.system()} {platform.machine()}",
        device=name,
        threads=torch.get_num_threads(),
    )

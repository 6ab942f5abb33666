"""Results are data: one typed record per measurement, written as JSON, read by every report.

A `Result` holds what was measured on one data set for one or more methods: `mechaug evaluate` writes one with one
method, `mechaug study` one with several. Figures are fractions in [0, 1] with 95 % intervals.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from mechaug import spec
from mechaug.files import write_text

SCHEMA_VERSION = 1


@dataclass(frozen=True)
class Measurement:
    """One figure and its 95 % interval.

    Attributes:
        value: the figure, a fraction in [0, 1].
        low: the lower end of its interval.
        high: the upper end of its interval.
        count: how many pictures it rests on (each counted once, however many seeds or severities).
    """

    value: float
    low: float
    high: float
    count: int


@dataclass(frozen=True)
class Cell:
    """Accuracy under one corruption at one severity."""

    corruption: str
    severity: int
    accuracy: Measurement


@dataclass(frozen=True)
class Evaluation:
    """What one method scored, pooled over its seeds.

    Attributes:
        clean: accuracy on the test pictures as they are.
        corrupted: accuracy, mean over all corruptions and severities; None where the suite was not run.
        attacked: accuracy under the attack named in `Result.suites`; None where it was not run.
        calibration_error: expected calibration error on clean pictures, 15 bins.
        worst_class: clean accuracy of the class that has the lowest.
        worst_class_name: which class that is.
        worst_class_corrupted: accuracy over all corruptions of the class that has the lowest; None as above.
        cells: one entry per corruption and severity.
    """

    clean: Measurement
    corrupted: Measurement | None
    attacked: Measurement | None
    calibration_error: Measurement
    worst_class: Measurement
    worst_class_name: str
    worst_class_corrupted: Measurement | None
    cells: tuple[Cell, ...]


@dataclass(frozen=True)
class Run:
    """One training of one method.

    Attributes:
        seed: its seed.
        steps: optimiser steps.
        train_seconds: wall time of training.
        images_per_second: training pictures per second, each picture counted once, however many views it has.
        evaluate_seconds: wall time of the measurements.
        clean: clean accuracy of this run alone, a fraction.
        corrupted: mean accuracy over corruptions of this run alone; None where not run.
        attacked: accuracy under attack of this run alone; None where not run.
    """

    seed: int
    steps: int
    train_seconds: float
    images_per_second: float
    evaluate_seconds: float
    clean: float
    corrupted: float | None
    attacked: float | None


@dataclass(frozen=True)
class MethodResult:
    """One method: an augmentation with its loss, or a model that was brought along.

    Attributes:
        name: as on the command line, such as "augmix".
        title: as in a table, such as "AugMix + JSD".
        family: "mechanism", "heuristic", "baseline" or "external".
        description: one sentence that says what it does.
        evaluation: its figures, pooled over seeds.
        runs: one entry per seed; empty for a model that was brought along.
        sees: corruptions of the suite of which a relative is in this method's training (never a surprise to it).
    """

    name: str
    title: str
    family: str
    description: str
    evaluation: Evaluation
    runs: tuple[Run, ...]
    sees: tuple[str, ...]


@dataclass(frozen=True)
class DataRecord:
    """What was trained and measured on: `train_size` and `test_size` are numbers of pictures."""

    name: str
    source: str
    classes: tuple[str, ...]
    train_size: int
    test_size: int
    height: int
    width: int
    note: str


@dataclass(frozen=True)
class Suite:
    """One thing that was measured: `name` as in the code, and a sentence that says how."""

    name: str
    title: str
    description: str


@dataclass(frozen=True)
class Picture:
    """One strip of the gallery: a PNG file beside the result, with what it shows.

    Attributes:
        group: "clean", "corruption" or "augmentation".
        title: what is shown, such as "fog, severity 3".
        file: path of the PNG, relative to the result file.
        alt: what a person who cannot see it should know.
    """

    group: str
    title: str
    file: str
    alt: str


@dataclass(frozen=True)
class Environment:
    """Where it ran: versions, device and threads, and the versions of what the figures depend on."""

    mechaug: str
    python: str
    torch: str
    platform: str
    device: str
    threads: int


@dataclass(frozen=True)
class Result:
    """A record of measurements; see the module's text.

    Attributes:
        schema_version: of this layout; a reader refuses one that it does not know.
        title: a heading.
        command: the command that makes this again.
        created: UTC time, ISO 8601.
        wall_seconds: of everything, as far as it ran in the last process.
        data: what was measured on.
        net: the architecture's name.
        seeds: of the runs.
        epochs: of training.
        suites: what was measured, and how.
        methods: who was measured.
        gallery: pictures beside this file.
        environment: where it ran.
    """

    schema_version: int
    title: str
    command: str
    created: str
    wall_seconds: float
    data: DataRecord
    net: str
    seeds: tuple[int, ...]
    epochs: int
    suites: tuple[Suite, ...]
    methods: tuple[MethodResult, ...]
    gallery: tuple[Picture, ...]
    environment: Environment


TYPES: Mapping[str, type] = {
    cls.__name__: cls
    for cls in (
        Measurement, Cell, Evaluation, Run, MethodResult, DataRecord, Suite, Picture, Environment, Result,
    )
}  # fmt: skip


def write_result(result: Result, path: Path) -> None:
    """Write a result as JSON: whole or not at all."""
    write_text(path, spec.dumps(result, indent=1) + "\n")


def read_result(path: Path | os.PathLike[str]) -> Result:
    """Read a result.

    Raises:
        FileNotFoundError: there is no such file.
        mechaug.spec.SpecError: it is not a result, or one of another schema version.
    """
    path = Path(path)
    result = spec.loads(path.read_text(encoding="utf-8"), TYPES)
    if not isinstance(result, Result):
        raise spec.SpecError(f"{path} holds no result: give the result.json that a study or an evaluation wrote")
    if result.schema_version != SCHEMA_VERSION:
        raise spec.SpecError(
            f"{path} has schema version {result.schema_version}, and this mechaug reads {SCHEMA_VERSION}: "
            "measure again, or read it with the version that wrote it"
        )
    return result

"""Results are data: one typed record per measurement, written as JSON, read by every report.

A `Result` holds what was measured on one data set for one or more methods: `mechaug evaluate` writes one with one
method, `mechaug study` one with several. Figures carry 95 % intervals and are fractions in [0, 1] where nothing else is
said. What happened to each picture lies beside the result, in the folders that `MethodResult.outcomes` names.
"""

import contextlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from mechaug import spec
from mechaug.evaluation.measurement import Contrast as Contrast
from mechaug.evaluation.measurement import Measurement as Measurement
from mechaug.files import write_text

SCHEMA_VERSION = 2
"""Version 2 added the figures beyond the first ones, grids, what was measured by whom, and outcomes; 1 is read too."""


@dataclass(frozen=True)
class Cell:
    """Accuracy under one corruption at one severity; `suite` is the set that it belongs to, such as "c-bar"."""

    corruption: str
    severity: int
    accuracy: Measurement
    suite: str = "c"


@dataclass(frozen=True)
class Figure:
    """One figure of a suite, beyond those that every evaluation has.

    Attributes:
        suite: whose it is, such as "autoattack".
        group: the heading under which it stands among the suite's figures; empty for none.
        name: what it is, such as "accuracy after APGD-CE".
        measurement: the figure and its interval.
        unit: "%" for a fraction, which is shown in per cent, else what stands behind the number, which may be nothing.
        better: "higher", "lower", or empty where neither is.
    """

    suite: str
    group: str
    name: str
    measurement: Measurement
    unit: str = "%"
    better: str = "higher"


@dataclass(frozen=True)
class Grid:
    """A picture of numbers, such as an error by frequency: rows from the top, each from the left.

    Attributes:
        suite: whose it is.
        title: what is shown.
        note: how to read it, with the meaning of both directions.
        values: the numbers, all rows of one length.
        unit: as in `Figure`.
    """

    suite: str
    title: str
    note: str
    values: tuple[tuple[float, ...], ...]
    unit: str = "%"


@dataclass(frozen=True)
class Evaluation:
    """What one method scored, pooled over its seeds.

    Attributes:
        clean: accuracy on the test pictures as they are.
        corrupted: accuracy, mean over the corruptions of C and severities; None where the suite was not run.
        attacked: accuracy under the strongest attack that was run; None where none was.
        calibration_error: expected calibration error on clean pictures, 15 bins.
        worst_class: clean accuracy of the class that has the lowest.
        worst_class_name: which class that is.
        worst_class_corrupted: accuracy over all corruptions of the class that has the lowest; None as above.
        cells: one entry per corruption and severity, of every set of corruptions.
        figures: everything else that the suites give.
        grids: pictures of numbers.
        cautions: what a reader should doubt, such as a gradient that is masked.
    """

    clean: Measurement
    corrupted: Measurement | None
    attacked: Measurement | None
    calibration_error: Measurement
    worst_class: Measurement
    worst_class_name: str
    worst_class_corrupted: Measurement | None
    cells: tuple[Cell, ...]
    figures: tuple[Figure, ...] = ()
    grids: tuple[Grid, ...] = ()
    cautions: tuple[str, ...] = ()


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
        family: "mechanism", "heuristic", "baseline", "adversarial" or "external".
        description: one sentence that says what it does.
        evaluation: its figures, pooled over seeds.
        runs: one entry per seed; empty for a model that was brought along.
        sees: corruptions of the suites of which a relative is in this method's training (never a surprise to it).
        outcomes: folders beside the result with what happened to each picture, one per run; see `evaluation.kept`.
        sees_known: whether `sees` follows from the training; False where nobody knows what was in it.
    """

    name: str
    title: str
    family: str
    description: str
    evaluation: Evaluation
    runs: tuple[Run, ...]
    sees: tuple[str, ...]
    outcomes: tuple[str, ...] = ()
    sees_known: bool = True


@dataclass(frozen=True)
class DataRecord:
    """What was trained and measured on.

    Attributes:
        name: of the data set.
        source: as the user wrote it.
        classes: those that occur, in the order of their numbers.
        train_size: number of pictures to train on.
        test_size: number of pictures to measure on.
        height: of the pictures.
        width: of the pictures.
        note: what a reader must know about the set.
        outputs: how many classes the models tell apart, where these are more than occur; else 0.
        digest: of the test pictures and labels, by which two results are known to be on the same; empty if unknown.
    """

    name: str
    source: str
    classes: tuple[str, ...]
    train_size: int
    test_size: int
    height: int
    width: int
    note: str
    outputs: int = 0
    digest: str = ""


@dataclass(frozen=True)
class SuiteRecord:
    """One thing that was measured.

    Attributes:
        name: as on the command line.
        title: as in a table.
        description: a sentence that says how.
        origin: "official" where published files were read, "regenerated" where they were made anew, else empty.
    """

    name: str
    title: str
    description: str
    origin: str = ""


@dataclass(frozen=True)
class Overlap:
    """How near a method's training comes to a corruption.

    Attributes:
        method: its name.
        corruption: its name.
        declared: whether a mechanism or an operation in the training is declared its relative.
        by: the names of those.
        distance: the minimal sample distance in the features of `Result.overlap_note`; None where not measured.
        mean_distance: the distance of the means in the same features; None likewise.
    """

    method: str
    corruption: str
    declared: bool
    by: tuple[str, ...]
    distance: float | None = None
    mean_distance: float | None = None


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
        overlaps: the declared overlap of each method's training with each corruption, and measured distances.
        overlap_note: how the distances were measured; empty where they were not.
        contrasts: the comparisons that a protocol asks for; empty where none was followed.
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
    suites: tuple[SuiteRecord, ...]
    methods: tuple[MethodResult, ...]
    gallery: tuple[Picture, ...]
    environment: Environment
    overlaps: tuple[Overlap, ...] = ()
    overlap_note: str = ""
    contrasts: tuple[Contrast, ...] = ()


TYPES: Mapping[str, type] = {
    cls.__name__: cls
    for cls in (
        Measurement, Cell, Figure, Grid, Evaluation, Run, MethodResult, DataRecord, SuiteRecord, Overlap, Picture,
        Environment, Contrast, Result,
    )
}  # fmt: skip


def write_result(result: Result, path: Path) -> None:
    """Write a result as JSON: whole or not at all."""
    write_text(path, spec.dumps(result, indent=1) + "\n")


def read_result(path: Path | os.PathLike[str]) -> Result:
    """Read a result of this schema version or of an earlier one.

    Raises:
        FileNotFoundError: there is no such file.
        mechaug.spec.SpecError: it is not a result, or one of a later schema version.
    """
    path, raw = Path(path), None
    text = path.read_text(encoding="utf-8")
    with contextlib.suppress(ValueError, RecursionError):  # `spec.loads` says what is wrong
        raw = json.loads(text)
    version = raw.get("schema_version") if isinstance(raw, dict) and raw.get("type") == "Result" else None
    if isinstance(raw, dict) and version == 1:
        text = json.dumps(_upgraded(raw))
    elif isinstance(version, int) and version > SCHEMA_VERSION:
        raise spec.SpecError(
            f"{path} has schema version {version}, and this mechaug reads {SCHEMA_VERSION} and earlier: "
            "read it with the version that wrote it"
        )
    result = spec.loads(text, TYPES)
    if not isinstance(result, Result):
        raise spec.SpecError(f"{path} holds no result: give the result.json that a study or an evaluation wrote")
    return result


def _upgraded(raw: dict[str, spec.Json]) -> dict[str, spec.Json]:
    """A record of version 1 as one of version 2: one name changed, and what was added later is empty."""
    suites = [{**suite, "type": "SuiteRecord"} for suite in raw.get("suites", [])]
    methods = [
        # There, a model that was brought along with nothing declared was one of which nothing was known.
        {**method, "sees_known": method.get("family") != "external" or bool(method.get("sees"))}
        for method in raw.get("methods", [])
    ]
    return {**raw, "schema_version": SCHEMA_VERSION, "suites": suites, "methods": methods}

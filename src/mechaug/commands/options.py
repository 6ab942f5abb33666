"""What several commands can be given, and how what is given becomes what the rooms take."""

import dataclasses
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro

from mechaug.errors import UserError

if TYPE_CHECKING:
    from mechaug.evaluation.result import Result
    from mechaug.evaluation.suites import Limits

Count = Annotated[int | None, tyro.conf.arg(metavar="INT")]
Number = Annotated[float | None, tyro.conf.arg(metavar="FLOAT")]
Names = Annotated[tuple[str, ...] | None, tyro.conf.arg(metavar="[STR [STR ...]]")]
Counts = Annotated[tuple[int, ...] | None, tyro.conf.arg(metavar="[INT [INT ...]]")]
Net = Literal["auto", "small", "resnet18", "wrn-40-2", "wrn-28-4"]


@dataclass(frozen=True)
class Training:
    """How to train, and on how much; what is not given is what suits the data."""

    net: Net = "auto"
    """Architecture; auto is what suits the data, or that of --start."""
    recipe: Literal["auto", "signs", "cifar10", "imagenette64", "folder", "finetune"] = "auto"
    """How long and how fast; auto is what suits the data, and finetune with --start."""
    start: Path | None = None
    """A model that `mechaug train` or a study wrote, whose weights training starts from; where its classes have other
    names, its classifier starts anew."""
    epochs: Count = None
    """Passes over the training pictures."""
    steps: Count = None
    """End training after so many steps, if that is sooner."""
    batch_size: Count = None
    """Pictures per step."""
    learning_rate: Number = None
    """The peak of the schedule."""
    train_size: Count = None
    """Use only so many training pictures."""
    image_size: Count = None
    """Side of the pictures, for folders of larger ones."""
    flips: Literal["auto", "yes", "no"] = "auto"
    """Whether a mirrored picture keeps its label; auto is no for signs and yes for all else."""
    mixing_set: str = ""
    """A folder of pictures that pixmix and ipmix mix in; by default fractals that are drawn for it."""
    skip_bad: bool = False
    """Leave out pictures that cannot be read, and say how many, instead of stopping."""
    device: str = "auto"
    """cpu, cuda, or auto for cuda where there is one."""
    checkpoint_seconds: float = 30.0
    """At most so long between checkpoints: what is done again after a kill."""


@dataclass(frozen=True)
class SuiteSizes:
    """On how much each suite measures."""

    corrupt_size: int = 10_000
    """Pictures under corruptions, at most."""
    attack_size: int = 500
    """Pictures under attack; 0 leaves attacks out."""
    probe_size: int = 200
    """Pictures for stability and mechanism; half as many for fourier."""
    other_size: int = 10_000
    """Pictures of each set of --shift and --ood, at most."""
    severities: tuple[int, ...] = (1, 2, 3, 4, 5)
    """Of corruptions; published scores need all five."""
    epsilon: Number = None
    """Radius of the attacks' L∞ ball in levels of 255; by default 8."""
    corrupted_from: Path | None = None
    """Folder of corrupted pictures, published or by `mechaug corrupt`: they are preferred to those made here."""
    frost: Path | None = None
    """Folder of the benchmark's own frost textures; without it they are drawn, and the page says so."""


def limits_of(
    sizes: SuiteSizes, *, shift: tuple[str, ...] = (), elsewhere: tuple[str, ...] = (), skip_bad: bool = False
) -> "Limits":
    """The sizes, and the other sets, as the suites take them.

    Raises:
        UserError: a size is not positive, or a severity does not exist.
    """
    from mechaug.evaluation.suites import Limits

    for name in ("corrupt_size", "probe_size", "other_size"):
        if getattr(sizes, name) < 1:
            raise UserError(f"--{name.replace('_', '-')} {getattr(sizes, name)}: at least one picture is needed")
    if sizes.attack_size < 0 or (sizes.epsilon is not None and not sizes.epsilon > 0):
        raise UserError(f"--attack-size {sizes.attack_size} and --epsilon {sizes.epsilon} should not be negative")
    if not sizes.severities or not set(sizes.severities) <= {1, 2, 3, 4, 5}:
        raise UserError("--severities are some of 1 2 3 4 5")
    return Limits(
        corrupted=sizes.corrupt_size,
        attacked=sizes.attack_size,
        probed=sizes.probe_size,
        severities=tuple(sorted(set(sizes.severities))),
        epsilon_levels=8.0 if sizes.epsilon is None else sizes.epsilon,
        other=sizes.other_size,
        files=None if sizes.corrupted_from is None else str(sizes.corrupted_from),
        frost=None if sizes.frost is None else str(sizes.frost),
        shift=shift,
        elsewhere=elsewhere,
        skip_bad=skip_bad,
    )


def device_of(name: str) -> str:
    """The device of a name, "auto" for CUDA where there is one.

    Raises:
        UserError: there is no such device here.
    """
    import torch

    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        torch.zeros(1, device=name)
    except (RuntimeError, AssertionError) as error:
        raise UserError(f"there is no device {name!r} here: use --device cpu or auto") from error
    return name


def command_line(name: str, options: object) -> str:
    """The command line that means these options, without those that are the default."""
    return shlex.join(["mechaug", name, *_words(options)])


def _words(options: object) -> Iterator[str]:
    for field in dataclasses.fields(options):  # type: ignore[arg-type]
        value = getattr(options, field.name)
        if dataclasses.is_dataclass(value):
            yield from _words(value)
        elif value != field.default and value is not None:
            values = value if isinstance(value, tuple) else (value,)
            yield from ("--" + field.name.replace("_", "-"), *(() if value is True else map(str, values)))


def say(text: str) -> None:
    """Print a sentence for the user."""
    print(text)  # noqa: T201


def print_ranking(result: "Result") -> None:
    """Print who won, as a table; one for each method with groups, and one for each question of a protocol."""
    from rich.console import Console

    from mechaug.reports.contrasts import contrast_tables, table_of
    from mechaug.reports.groups import group_tables
    from mechaug.reports.ranking import ranking

    Console().print(ranking(result))
    for table in group_tables(result):
        Console().print(table)
    for table in contrast_tables(result):
        Console().print(table_of(table))

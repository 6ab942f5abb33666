"""What several commands can be given, and how what is given becomes what the rooms take."""

import dataclasses
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal

import tyro

from mechaug.errors import UserError

if TYPE_CHECKING:
    from mechaug.evaluation.result import Result

Count = Annotated[int | None, tyro.conf.arg(metavar="INT")]
Number = Annotated[float | None, tyro.conf.arg(metavar="FLOAT")]
Net = Literal["auto", "small", "resnet18", "wrn-40-2", "wrn-28-4"]


@dataclass(frozen=True)
class Training:
    """How to train, and on how much; what is not given is what suits the data."""

    net: Net = "auto"
    """Architecture; auto is what suits the data."""
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
        elif value != field.default:
            values = value if isinstance(value, tuple) else (value,)
            yield from ("--" + field.name.replace("_", "-"), *(() if value is True else map(str, values)))


def say(text: str) -> None:
    """Print a sentence for the user."""
    print(text)  # noqa: T201


def print_ranking(result: "Result") -> None:
    """Print who won, as a table."""
    from rich.console import Console

    from mechaug.reports.ranking import ranking

    Console().print(ranking(result))

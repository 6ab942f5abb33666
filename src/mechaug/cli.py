"""The command line: `mechaug study | train | evaluate | show | report`.

Only the standard library is imported at the top, so that help is quick and a mistyped option costs nothing.
"""

import dataclasses
import errno
import shlex
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro

from mechaug.errors import UserError
from mechaug.version import VERSION

if TYPE_CHECKING:
    from mechaug.config import StudyConfig
    from mechaug.evaluation.result import Result

BAD_INPUT, INTERRUPTED = 2, 130

Count = Annotated[int | None, tyro.conf.arg(metavar="INT")]
Number = Annotated[float | None, tyro.conf.arg(metavar="FLOAT")]
Net = Literal["auto", "small", "resnet18", "wrn-40-2", "wrn-28-4"]
View = Literal["auto", "photograph", "object", "phone", "dash", "surveillance", "drone"]


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
    skip_bad: bool = False
    """Leave out pictures that cannot be read, and say how many, instead of stopping."""
    device: str = "auto"
    """cpu, cuda, or auto for cuda where there is one."""
    checkpoint_seconds: float = 30.0
    """At most so long between checkpoints: what is done again after a kill."""


@dataclass(frozen=True)
class Study:
    """Train one net by several augmentations, measure each, and write one page that shows who wins where."""

    data: str = "signs"
    """Pictures: signs (embedded), signs:RHO (tied to its illuminant by RHO), cifar10:PATH, folder:PATH, npz:FILE or
    npy:FOLDER."""
    out: Path = Path("runs/study")
    """Folder of the study; started again with the same options, it goes on where it stopped."""
    methods: tuple[str, ...] = ("flip-crop", "augmix-jsd", "camera")
    """Who is compared: none, flip-crop, augmix, augmix-jsd, camera, camera-jsd."""
    seeds: tuple[int, ...] = (0,)
    """One training per method and seed; three or more say how much figures vary between trainings."""
    test_size: Count = None
    """Measure only on so many test pictures."""
    attack_size: int = 500
    """Attack only so many of them; 0 leaves the attack out."""
    training: Training = Training()


@dataclass(frozen=True)
class Train:
    """Train one net by one augmentation and keep its model: what a study does for each method and seed."""

    data: str = "signs"
    """What to train on, as in `mechaug study`."""
    out: Path = Path("runs/train")
    """Folder of the model; started again with the same options, it goes on where it stopped."""
    method: str = "camera"
    """none, flip-crop, augmix, augmix-jsd, camera or camera-jsd."""
    seed: int = 0
    """Of the weights, the order and the augmentation."""
    training: Training = Training()


@dataclass(frozen=True)
class Evaluate:
    """Measure a trained model on clean, corrupted and attacked pictures, and write result.json and report.html."""

    model: str
    """A model.safetensors that mechaug wrote, or package.module:function that returns a net on [0, 1] pictures."""
    data: str = "signs"
    """What to measure on, as in `mechaug study`; its test split is used."""
    out: Path = Path("runs/evaluate")
    """Folder of the result."""
    test_size: Count = None
    """Measure only on so many test pictures."""
    attack_size: int = 500
    """Attack only so many of them; 0 leaves the attack out."""
    image_size: Count = None
    """Side of the pictures, for folders of larger ones."""
    skip_bad: bool = False
    """Leave out pictures that cannot be read."""
    device: str = "auto"
    """cpu, cuda, or auto for cuda where there is one."""


@dataclass(frozen=True)
class Show:
    """Draw a contact sheet of every mechanism on a photograph, from neutral to strong, with units."""

    photo: Annotated[Path, tyro.conf.Positional]
    """The photograph."""
    out: Path = Path("sheet.png")
    """The picture to write, .png or .jpg."""
    only: tuple[str, ...] = ()
    """Mechanisms by name, such as Haze Rain; by default all, in the order that light travels."""
    size: Count = None
    """Side to which the photograph is cut; by default its own, at most 224."""
    view: View = "auto"
    """What the picture was taken with; auto is a whole photograph, or one object cut out of it below 65 pixels."""
    seed: int = 0
    """Of the noise."""


@dataclass(frozen=True)
class Report:
    """Write one HTML page from results that are already there."""

    results: Annotated[tuple[Path, ...], tyro.conf.Positional]
    """result.json files, or folders that hold one."""
    out: Path = Path("report.html")
    """The page to write."""


Command = (
    Annotated[Study, tyro.conf.subcommand("study")]
    | Annotated[Train, tyro.conf.subcommand("train")]
    | Annotated[Evaluate, tyro.conf.subcommand("evaluate")]
    | Annotated[Show, tyro.conf.subcommand("show")]
    | Annotated[Report, tyro.conf.subcommand("report")]
)

DESCRIPTION = f"""mechaug {VERSION}: which augmentation makes an image classifier robust, and to what?

Start with `mechaug study`: it needs no data and no options, and takes a few minutes on two CPU cores."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a command and exit: 0 done, 2 something given cannot be used, 130 interrupted."""
    arguments = sys.argv[1:] if arguments is None else list(arguments)
    if list(arguments) == ["--version"]:
        print(VERSION)  # noqa: T201
        sys.exit(0)
    command = tyro.cli(
        Command, prog="mechaug", description=DESCRIPTION, args=list(arguments), config=(tyro.conf.OmitArgPrefixes,)
    )  # type: ignore[call-overload]
    sys.exit(_guarded(command))


def _guarded(command: "Study | Train | Evaluate | Show | Report") -> int:
    """Run a command; what the user can mend becomes one sentence on standard error."""
    from mechaug.training.engine import StoppedError

    try:
        run = {Study: _study, Train: _train, Evaluate: _evaluate, Show: _show, Report: _report}[type(command)]
        run(command)  # type: ignore[arg-type]
    except UserError as error:
        return _complain(str(error))
    except StoppedError as stopped:
        print(f"mechaug: {stopped}; the same command goes on from here", file=sys.stderr)  # noqa: T201
        return INTERRUPTED
    except KeyboardInterrupt:
        print("mechaug: interrupted; the same command goes on from the last checkpoint", file=sys.stderr)  # noqa: T201
        return INTERRUPTED
    except OSError as error:
        return _complain(_explain(error))
    return 0


def _complain(sentence: str) -> int:
    print(f"mechaug: {sentence}", file=sys.stderr)  # noqa: T201
    return BAD_INPUT


def _explain(error: OSError) -> str:
    place = error.filename or ""
    if error.errno == errno.ENOSPC or "No space left" in str(error):
        return f"the disk is full{f' at {place}' if place else ''}: free some space; the same command goes on from here"
    if error.errno in (errno.EACCES, errno.EROFS, errno.EPERM, errno.ENOTDIR, errno.EEXIST, errno.EISDIR):
        return f"cannot write {place} ({error.strerror}): choose another --out"
    return f"{error.strerror or error}{f': {place}' if place else ''}"


def _study(options: Study) -> None:
    from mechaug.progress import Line
    from mechaug.reports.html import write
    from mechaug.study import run_study

    config = _config(options, options.methods, options.seeds)
    with Line() as line:
        result = run_study(
            config, options.out, command=_command("study", options), watch=line,
            checkpoint_seconds=options.training.checkpoint_seconds,
        )  # fmt: skip
    page = options.out / "report.html"
    write([options.out / "result.json"], page)
    _print_ranking(result)
    print(f"\nreport: {page}")  # noqa: T201


def _train(options: Train) -> None:
    from mechaug.job import claim, load_data, train_method
    from mechaug.progress import Line
    from mechaug.training.methods import method

    config = _config(options, (options.method,), (options.seed,))
    with claim(config, options.out), Line() as line:
        fitted = train_method(
            config, load_data(config), method(options.method), options.seed, options.out, line,
            checkpoint_seconds=options.training.checkpoint_seconds,
        )  # fmt: skip
    print(  # noqa: T201
        f"trained {fitted.steps} steps in {fitted.seconds:.0f} s ({fitted.images_per_second:,.0f} pictures/s)\n"
        f"model: {options.out / 'model.safetensors'}"
    )


def _evaluate(options: Evaluate) -> None:
    from mechaug.data.sources import load
    from mechaug.evaluation.run import Suites
    from mechaug.job import evaluate_model
    from mechaug.progress import Line
    from mechaug.reports.html import write

    data = load(
        options.data,
        image_size=options.image_size,
        train_size=0,
        test_size=options.test_size,
        skip_bad=options.skip_bad,
    )
    with Line() as line:
        result = evaluate_model(
            options.model, data, Suites(attacked_pictures=options.attack_size), options.out,
            device=_device(options.device), command=_command("evaluate", options), watch=line,
        )  # fmt: skip
    write([options.out / "result.json"], options.out / "report.html")
    _print_ranking(result)
    print(f"\nreport: {options.out / 'report.html'}")  # noqa: T201


def _show(options: Show) -> None:
    from mechaug.reports.show import show

    show(options.photo, options.out, only=options.only, view=options.view, size=options.size, seed=options.seed)
    print(f"contact sheet: {options.out}")  # noqa: T201


def _report(options: Report) -> None:
    from mechaug.reports.html import write
    from mechaug.spec import SpecError

    if not options.results:
        raise UserError("give at least one result.json, or a folder that holds one")
    paths = [path / "result.json" if path.is_dir() else path for path in options.results]
    for path in paths:
        if not path.is_file():
            raise UserError(f"there is no result {path}: give the result.json that a study or an evaluation wrote")
    try:
        write(paths, options.out)
    except SpecError as error:
        raise UserError(str(error)) from error
    print(f"report: {options.out}")  # noqa: T201


def _config(options: Study | Train, methods: tuple[str, ...], seeds: tuple[int, ...]) -> "StudyConfig":
    from mechaug.config import StudyConfig, default_recipe
    from mechaug.evaluation.run import Suites
    from mechaug.training.engine import resolve_precision

    given = options.training
    recipe = default_recipe(options.data, None if given.net == "auto" else given.net)
    changes = {name: getattr(given, name) for name in ("epochs", "steps", "batch_size", "learning_rate")}
    device = _device(given.device)
    try:
        recipe = recipe.replace(
            # What auto means here is written down, so that a study that moves to another kind of machine is told so.
            precision=resolve_precision(recipe.precision, device),
            **{name: value for name, value in changes.items() if value is not None},
        )
    except ValueError as error:
        raise UserError(str(error)) from error
    study = isinstance(options, Study)
    return StudyConfig(
        data=options.data, methods=methods, seeds=seeds, recipe=recipe,
        suites=Suites(attacked_pictures=options.attack_size) if study else Suites(),
        train_size=given.train_size, test_size=options.test_size if study else 0, image_size=given.image_size,
        skip_bad=given.skip_bad, device=device,
        flips=given.flips == "yes" or (given.flips == "auto" and not options.data.startswith("signs")),
    )  # fmt: skip


def _device(name: str) -> str:
    import torch

    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        torch.zeros(1, device=name)
    except (RuntimeError, AssertionError) as error:
        raise UserError(f"there is no device {name!r} here: use --device cpu or auto") from error
    return name


def _command(name: str, options: object) -> str:
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


def _print_ranking(result: "Result") -> None:
    from rich.console import Console

    from mechaug.reports.ranking import ranking

    Console().print(ranking(result))


if __name__ == "__main__":
    main()

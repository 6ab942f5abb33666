"""The jobs that a study is made of, each a command of its own: train one method, measure one model."""

import contextlib
import importlib
import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from torch import nn

from mechaug import spec
from mechaug.config import StudyConfig
from mechaug.data.pictures import DataSet
from mechaug.data.sources import load
from mechaug.errors import UserError
from mechaug.evaluation.result import SCHEMA_VERSION, DataRecord, MethodResult, Picture, Result, write_result
from mechaug.evaluation.run import CorruptedPictures, Suites, environment, measure, pool
from mechaug.files import write_text
from mechaug.heuristics.basic import FlipCrop
from mechaug.keys import Key
from mechaug.reports.gallery import write_gallery
from mechaug.training import nets
from mechaug.training.checkpoint import ModelCard, load_model, save_model
from mechaug.training.engine import Fitted, fit
from mechaug.training.methods import Method
from mechaug.training.team import ALONE, Team
from mechaug.watch import Silent, Watch


def train_method(
    config: StudyConfig, data: DataSet, chosen: Method, seed: int, folder: Path, watch: Watch,
    *, checkpoint_seconds: float = 30.0, device: str | None = None, team: Team = ALONE,
) -> Fitted:  # fmt: skip
    """Train one method with one seed, or go on with it.

    Writes model.safetensors, metrics.jsonl and, when all is done, training.json into `folder`. Of a team of processes
    each calls this, with a device of its own if it is not the configuration's.

    Raises:
        As `mechaug.training.engine.fit`.
    """
    recipe = replace(config.recipe, base=flip_crop(config, data) if chosen.crops else None)
    net = nets.build(recipe.net, len(data.classes), key=Key(seed).fold("net"))
    # What a checkpoint must agree with: everything but what is measured afterwards and whom it is compared with.
    alone = replace(config, recipe=recipe, methods=(chosen.name,), seeds=(seed,), suites=Suites(), test_size=None)
    fitted = fit(
        net, data.train, chosen.augmentation, chosen.objective, recipe,
        seed=seed, device=device or config.device, folder=folder, config=spec.dumps(alone),
        checkpoint_seconds=checkpoint_seconds, watch=watch, team=team,
    )  # fmt: skip
    if not team.leads:
        return fitted
    card = ModelCard(recipe.net, data.classes, tuple(net.mean.flatten().tolist()), tuple(net.std.flatten().tolist()))
    save_model(folder / "model.safetensors", fitted.state, card)
    times = {"steps": fitted.steps, "seconds": fitted.seconds, "images_per_second": fitted.images_per_second}
    write_text(folder / "training.json", json.dumps(times, indent=1) + "\n")
    return fitted


def flip_crop(config: StudyConfig, data: DataSet) -> FlipCrop:
    """What comes before every augmentation: crops of the padded picture, mirrored where that keeps the meaning."""
    return FlipCrop.for_side(min(data.train.pixels.shape[-2:]), flip=config.flips)


def restore_net(path: Path) -> tuple[nn.Module, ModelCard]:
    """The net of a model that `train_method` wrote.

    Raises:
        UserError: there is no such model.
    """
    state, card = load_model(path)
    net = nets.build(card.net, len(card.classes), key=Key(0), mean=card.channels_mean, std=card.channels_std)
    net.load_state_dict(state)
    return net, card


def find_model(name: str, data: DataSet) -> nn.Module:
    """A model by what the user calls it.

    Args:
        name: the path of a model.safetensors or of a folder that holds one, or "package.module:function", whose
            function takes nothing and returns a module that maps pictures in [0, 1] to logits.
        data: what it will be measured on.

    Raises:
        UserError: there is no such model, or it was trained for other classes.
    """
    path = Path(name)
    if path.is_dir():
        path = path / "model.safetensors"
    if path.suffix == ".safetensors":
        net, card = restore_net(path)
        if card.classes != data.classes:
            raise UserError(
                f"{path} was trained for {len(card.classes)} classes ({_few(card.classes)}), and {data.source} has "
                f"{len(data.classes)} ({_few(data.classes)}): measure a model on the classes it was trained for"
            )
        return net
    module, colon, function = name.partition(":")
    if not (colon and module and function):
        raise UserError(f"there is no model {name}: give a model.safetensors, its folder, or package.module:function")
    try:
        made = getattr(importlib.import_module(module), function)()
    except (ImportError, AttributeError) as error:
        raise UserError(f"cannot make a model from {name}: {error}") from error
    if not isinstance(made, nn.Module):
        raise UserError(f"{name} returned a {type(made).__name__}, not a torch.nn.Module")
    return made


def evaluate_model(
    name: str,
    data: DataSet,
    suites: Suites,
    folder: Path,
    *,
    device: str,
    command: str,
    watch: Watch | None = None,
) -> Result:
    """Measure one model and write result.json into `folder`.

    Args:
        name: as in `find_model`.
        data: whose test split is measured.
        suites: what to measure.
        folder: where the result and its gallery go.
        device: where to measure.
        command: what to write into the result as the way to make it again.
        watch: listens to the progress.

    Raises:
        UserError: the model cannot be used, or does not fit the data.
        OSError: the folder cannot be written.
    """
    watch, started = watch or Silent(), time.perf_counter()
    model = find_model(name, data)
    corrupted = CorruptedPictures(data.test, suites.corrupted_pictures)
    outcomes = measure(model, data.test, corrupted, suites, classes=data.classes, device=device, watch=watch)
    entry = MethodResult(
        "model", name, "external", "A model that was brought along.",
        pool([outcomes], data.test, data.classes, suites), (), (),
    )  # fmt: skip
    gallery = write_gallery(data, (), suites.corruptions, folder, base=None, seed=0)
    result = make_result(
        f"{name} on {data.name}", command, started, data, suites, (entry,), gallery, net=name, seeds=(), epochs=0,
        device=device,
    )  # fmt: skip
    write_result(result, folder / "result.json")
    return result


def make_result(
    title: str, command: str, started: float, data: DataSet, suites: Suites, methods: Sequence[MethodResult],
    gallery: Sequence[Picture], *, net: str, seeds: tuple[int, ...], epochs: int, device: str,
) -> Result:  # fmt: skip
    """A result of now: `started` is the `time.perf_counter()` at which this process began the work."""
    _, _, height, width = data.test.pixels.shape
    record = DataRecord(data.name, data.source, data.classes, len(data.train), len(data.test), height, width, data.note)
    return Result(
        schema_version=SCHEMA_VERSION,
        title=title,
        command=command,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        wall_seconds=time.perf_counter() - started,
        data=record,
        net=net,
        seeds=seeds,
        epochs=epochs,
        suites=suites.describe(),
        methods=tuple(methods),
        gallery=tuple(gallery),
        environment=environment(device),
    )


def load_data(config: StudyConfig) -> DataSet:
    """The pictures of a configuration."""
    return load(
        config.data, image_size=config.image_size, train_size=config.train_size, test_size=config.test_size,
        skip_bad=config.skip_bad,
    )  # fmt: skip


@contextlib.contextmanager
def claim(config: StudyConfig, folder: Path) -> Iterator[None]:
    """Hold a folder for one configuration, alone: for as long as the block runs.

    Raises:
        UserError: another process is at work in it, or it holds something of another configuration.
        OSError: the folder cannot be made or written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with _locked(folder):
        path, text = folder / "config.json", spec.dumps(config, indent=1)
        if path.exists():
            before = path.read_text(encoding="utf-8").strip()
            if before != text:
                changed = ", ".join(_differences(json.loads(before), json.loads(text)))
                raise UserError(
                    f"{folder} holds another run (it differs in {changed}): choose another --out, or delete it"
                )
        else:
            write_text(path, text + "\n")
        yield


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[None]:
    try:
        import fcntl
    except ImportError:  # this system has no such locks
        yield
        return
    with (folder / ".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UserError(f"another process is at work in {folder}: wait for it, or choose another --out") from None
        yield


def _differences(old: dict[str, object], new: dict[str, object]) -> list[str]:
    return sorted(name for name in old.keys() | new.keys() if old.get(name) != new.get(name))


def _few(names: Sequence[str]) -> str:
    return ", ".join(names[:3]) + (", …" if len(names) > 3 else "")

"""The jobs that a study is made of, each a command of its own: train one method, measure one model."""

import contextlib
import json
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from mechaug import spec
from mechaug.config import EvaluationConfig, Measured, StudyConfig
from mechaug.data.pictures import DataSet
from mechaug.data.sources import load
from mechaug.errors import UserError
from mechaug.evaluation.classes import matching, output_names, relabel
from mechaug.evaluation.fairness import groups_at
from mechaug.evaluation.kept import Place, kept_suites
from mechaug.evaluation.merging import check_answers, merged, merged_command
from mechaug.evaluation.models import Loaded, check_shape, fingerprint, is_torchscript, load_model, load_weights, look
from mechaug.evaluation.predict import batch_size_for
from mechaug.evaluation.result import SCHEMA_VERSION, DataRecord, MethodResult, Overlap, Picture, Result, write_result
from mechaug.evaluation.run import Share, describe, digest, environment, measure, pool
from mechaug.evaluation.suites import Subject, Suite, Target
from mechaug.evaluation.suites.corrupted import Corrupted
from mechaug.files import write_text
from mechaug.heuristics.basic import FlipCrop
from mechaug.keys import Key
from mechaug.reports.gallery import write_gallery
from mechaug.training import nets
from mechaug.training.checkpoint import ModelCard, save_model, start_from
from mechaug.training.checkpoint import load_model as load_trained
from mechaug.training.engine import Fitted, fit
from mechaug.training.method import Method
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
    own = config.recipe_of(chosen.name, len(data.train))
    recipe = replace(own, base=flip_crop(config, data) if chosen.crops else None)
    net = nets.build(recipe.net, len(data.classes), key=Key(seed).fold("net"))
    if config.start:
        start_from(net, Path(config.start).expanduser(), ModelCard(recipe.net, data.classes, (), ()))
    # What a checkpoint must agree with: everything but what is measured afterwards and whom it is compared with.
    alone = replace(
        config, recipe=recipe, methods=(chosen.name,), seeds=(seed,), suites=(), test_size=None, overlap_draws=0,
        budgets=(),
    )  # fmt: skip
    fitted = fit(
        net, data.train, chosen.augmentation, chosen.objective, recipe,
        seed=seed, device=device or config.device, folder=folder, config=spec.dumps(alone),
        checkpoint_seconds=checkpoint_seconds, watch=watch, team=team, extras=chosen.extras,
    )  # fmt: skip
    if not team.leads:
        return fitted
    card = ModelCard(recipe.net, data.classes, tuple(net.mean.flatten().tolist()), tuple(net.std.flatten().tolist()))
    save_model(folder / "model.safetensors", fitted.state, card)
    record = {
        "steps": fitted.steps, "seconds": fitted.seconds, "images_per_second": fitted.images_per_second,
        "method": chosen.name, "sees": list(chosen.sees), "note": fitted.note,
    }  # fmt: skip
    write_text(folder / "training.json", json.dumps(record, indent=1) + "\n")
    return fitted


def flip_crop(config: StudyConfig, data: DataSet) -> FlipCrop:
    """What comes before every augmentation: crops of the padded picture, mirrored where that keeps the meaning."""
    return FlipCrop.for_side(min(data.train.pixels.shape[-2:]), flip=config.flips)


def restore_net(path: Path) -> tuple[nets.Net, ModelCard]:
    """The net of a model that `train_method` wrote.

    Raises:
        UserError: there is no such model.
    """
    state, card = load_trained(path)
    net = nets.build(card.net, len(card.classes), key=Key(0), mean=card.channels_mean, std=card.channels_std)
    net.load_state_dict(state)
    return net, card


def find_model(name: str, *, net: str | None = None, trust: bool = False) -> Loaded:
    """A model by what the user calls it.

    Args:
        name: a folder with model.safetensors, a file, "timm:NAME", or "package.module:function".
        net: architecture (one of `mechaug.training.nets.NETS`) of a file that holds weights alone.
        trust: whether files that can run code are opened.

    Raises:
        UserError: there is no such model, it cannot be opened, or it is not trusted.
    """
    path = Path(name).expanduser()
    if path.is_dir():
        path = path / "model.safetensors"
    if path.suffix == ".safetensors" and net is None:
        try:
            made, card = restore_net(path)
        except UserError as error:
            raise UserError(f"{error}; for weights from elsewhere, name their architecture by --net") from error
        return Loaded(made, classes=card.classes)
    if net is None or not path.is_file() or is_torchscript(path):
        return load_model(name, trust=trust)
    state = load_weights(path)
    last = state.get("head.weight")
    if last is None or last.ndim != 2:
        raise UserError(f"{path} holds no weights of the net {net!r}: it lacks head.weight")
    made = nets.build(net, len(last), key=Key(0))
    try:
        made.load_state_dict(state)
    except RuntimeError as error:
        first = str(error).splitlines()[1].strip() if "\n" in str(error) else str(error)
        raise UserError(f"{path} holds no weights of the net {net!r}: {first[:200]}") from error
    return Loaded(made)


def known_to_be_seen(model: str) -> tuple[str, ...] | None:
    """The corruptions of which a relative was in the training of a model of mechaug's; None for any other model."""
    path = Path(model).expanduser()
    record = (path if path.is_dir() else path.parent) / "training.json"
    if not record.is_file() or (path.suffix != ".safetensors" and not path.is_dir()):
        return None
    try:
        sees = json.loads(record.read_text(encoding="utf-8")).get("sees")
    except (ValueError, AttributeError):
        return None
    return tuple(sees) if isinstance(sees, list) and all(isinstance(name, str) for name in sees) else None


def evaluate_model(
    config: EvaluationConfig,
    folder: Path,
    *,
    command: Callable[[tuple[str, ...]], str],
    watch: Watch | None = None,
    team: Team = ALONE,
) -> Result:
    """Measure one model, or what is left of it, and write result.json into `folder`.

    What lies there already of the same model on the same pictures is kept and merged: other suites are added, and the
    same suite with other settings takes the place of the one before.

    Args:
        config: what to measure.
        folder: where the result, its gallery and its outcomes go.
        command: from the names of suites to the command that measures them.
        watch: listens to the progress.
        team: the processes that measure it together; each calls this with a device of its own, and one writes the
            result.

    Raises:
        UserError: the model cannot be used, or does not fit the data, or the folder holds those of another.
        OSError: the folder cannot be written.
    """
    watch, started = watch or Silent(), time.perf_counter()
    loaded = find_model(config.model, net=config.net, trust=config.trust)
    blind = [suite.name for suite in config.suites if suite.gradients and not loaded.gradients]
    if blind:
        raise UserError(
            f"{config.model} has no gradients, and {', '.join(blind)} need them: leave them out of --suites"
        )
    data = load(
        config.data, image_size=config.image_size or loaded.image_size, train_size=0, test_size=config.test_size,
        skip_bad=config.skip_bad,
    )  # fmt: skip
    if data.note:
        watch.say(f"{data.name}: {data.note}")
    check_shape(loaded, data.test.pixels, config.model)
    outputs = look(loaded.model, data.test.pixels, config.device)
    given = config.classes or loaded.classes
    names = output_names(outputs, data.classes, given)
    if how := matching(names, data.classes, given):
        watch.say(how)
    groups, group_names = None, ()
    if config.groups is not None:
        groups, group_names = groups_at(config.groups, data.test.index, data.test_total)
    pictures = relabel(data, names)
    target = Target(pictures, names, data.classes, data.test_total, groups=groups, group_names=group_names)
    measured = Measured(
        config.model, data.source, len(pictures), (pictures.pixels.shape[-2], pictures.pixels.shape[-1]),
        fingerprint(loaded, config.model), digest(pictures),
    )  # fmt: skip
    with claim(measured, folder) if team.leads else contextlib.nullcontext():
        team.wait()
        place = Place(folder / "outcomes", measured.model_digest, measured.pictures_digest)
        asked = [suite.for_size(*measured.image_size) for suite in config.suites]
        suites = merged(kept_suites(place), asked)
        at_once = config.batch_size or batch_size_for(*measured.image_size, config.device)
        subject = Subject(loaded.model, config.device, at_once)
        check_answers(place, subject, target)
        share = Share(team.rank, team.size, team.wait)
        outcomes = measure(suites, subject, target, place, watch=watch, share=share)
        sees = known_to_be_seen(config.model) if config.sees is None else config.sees
        wanted = corruptions_of(suites)
        entry = MethodResult(
            "model", config.model, "external", "A model that was brought along.", pool(suites, [outcomes], target),
            (), tuple(name for name in sees or () if name in wanted), ("outcomes",), sees is not None,
        )  # fmt: skip
        gallery = write_gallery(data, (), wanted, folder, base=None, seed=0) if team.leads else ()
        result = make_result(
            f"{config.model} on {data.name}", merged_command(folder / "result.json", asked, suites, command), started,
            data, suites, (entry,), gallery, net=config.model,
            seeds=(), epochs=0, device=config.device, outputs=outputs, pictures_digest=measured.pictures_digest,
        )  # fmt: skip
        if team.leads:
            write_result(result, folder / "result.json")
    return result


def corruptions_of(suites: Sequence[Suite]) -> tuple[str, ...]:
    """The corruptions that suites measure."""
    return tuple(name for suite in suites if isinstance(suite, Corrupted) for name in suite.corruptions)


def make_result(
    title: str, command: str, started: float, data: DataSet, suites: Sequence[Suite],
    methods: Sequence[MethodResult], gallery: Sequence[Picture], *, net: str, seeds: tuple[int, ...], epochs: int,
    device: str, pictures_digest: str, outputs: int = 0, overlaps: Sequence[Overlap] = (), overlap_note: str = "",
) -> Result:  # fmt: skip
    """A result of now: `started` is the `time.perf_counter()` at which this process began the work."""
    _, _, height, width = data.test.pixels.shape
    record = DataRecord(
        data.name, data.source, data.classes, len(data.train), len(data.test), height, width, data.note,
        outputs if outputs != len(data.classes) else 0, pictures_digest,
    )  # fmt: skip
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
        suites=describe(suites),
        methods=tuple(methods),
        gallery=tuple(gallery),
        environment=environment(device),
        overlaps=tuple(overlaps),
        overlap_note=overlap_note,
    )


def load_data(config: StudyConfig) -> DataSet:
    """The pictures of a configuration, under the name that it gives them."""
    data = load(
        config.data, image_size=config.image_size, train_size=config.train_size, test_size=config.test_size,
        skip_bad=config.skip_bad,
    )  # fmt: skip
    return replace(data, name=config.data_name) if config.data_name else data


@contextlib.contextmanager
def claim(config: StudyConfig | Measured, folder: Path) -> Iterator[None]:
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

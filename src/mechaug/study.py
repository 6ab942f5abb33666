"""The main job: the same net, several augmentations, one page that shows who wins where.

A study is a folder. Every finished piece in it is whole, every unfinished one continues: started again with the same
configuration it does only what is missing, and ends with the same figures.
"""

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeAlias

from mechaug.config import OVERLAP_METHOD, StudyConfig
from mechaug.data.pictures import DataSet
from mechaug.errors import UserError
from mechaug.evaluation import overlap
from mechaug.evaluation.kept import Place, seconds_of
from mechaug.evaluation.models import Loaded, fingerprint, look
from mechaug.evaluation.result import MethodResult, Overlap, Result, Run, write_result
from mechaug.evaluation.run import Outcomes, digest, mean, measure, pool
from mechaug.evaluation.suites import Subject, Suite, Target
from mechaug.evaluation.suites.base import Kept
from mechaug.files import write_text
from mechaug.heuristics.basic import FlipCrop
from mechaug.heuristics.views import Mixing, ViewMaker
from mechaug.job import claim, corruptions_of, flip_crop, load_data, make_result, restore_net, train_method
from mechaug.keys import Key
from mechaug.reports.gallery import write_gallery
from mechaug.training.methods import Method
from mechaug.types import Bytes, Image
from mechaug.watch import Silent, Watch

_KEPT_BYTES = 2_000_000_000


@dataclass(frozen=True)
class _Bench:
    """What all methods of a study share."""

    config: StudyConfig
    data: DataSet
    suites: tuple[Suite, ...]
    target: Target
    pictures: str
    folder: Path
    watch: Watch
    checkpoint_seconds: float

    def own(self, name: str, seed: int) -> Path:
        """Where one training of a method is kept."""
        return self.folder / "runs" / folder_of(name) / f"seed-{seed}"


Spreading: TypeAlias = Callable[[StudyConfig, Path, Sequence[tuple[str, int]], Watch], None]
"""Does pieces of a study (a method and a seed each) elsewhere, into the study's folder."""


def folder_of(name: str) -> str:
    """The folder of a method or an arm: a colon is no part of a file's name on every system."""
    return name.replace(":", "--")


def run_study(
    config: StudyConfig, folder: Path, *, command: str, watch: Watch | None = None, checkpoint_seconds: float = 30.0,
    title: str = "", judge: Callable[[Result], Result] | None = None, spread: Spreading | None = None,
) -> Result:  # fmt: skip
    """Run a study, or what is left of it.

    Args:
        config: what to compare.
        folder: where everything is kept: config.json, runs/, gallery/ and result.json.
        command: what to write into the result as the way to make it again.
        watch: listens to the progress.
        checkpoint_seconds: at most so long between a training's checkpoints.
        title: of the result; by default what was trained on what.
        judge: adds to the result what a protocol says of it, such as its comparisons; None for nothing.
        spread: does the trainings and their measurements elsewhere, at once; None for here, one after another.

    Raises:
        UserError: the folder holds another study, or something that was given cannot be used.
        mechaug.training.engine.StoppedError: the user pressed Ctrl-C; the same call continues.
        OSError: the folder cannot be written.
    """
    watch, started = watch or Silent(), time.perf_counter()
    with claim(config, folder):
        data = load_data(config)
        if not len(data.test):
            raise UserError("a study measures what it trains: ask for test pictures with --test-size")
        if data.note:
            watch.say(f"{data.name}: {data.note}")
        methods, bench = config.chosen, _bench(config, data, folder, watch, checkpoint_seconds)
        suites = bench.suites
        if spread is not None:
            pieces = [(name, seed) for name in config.methods for seed in config.seeds]
            spread(config, folder, [piece for piece in pieces if not _finished(bench, *piece)], watch)
        entries = []
        for number, chosen in enumerate(methods, start=1):
            runs = []
            for seed in config.seeds:
                watch.say(f"{chosen.title} ({number} of {len(methods)}), seed {seed}")
                runs.append(_run(bench, chosen, seed))
            entries.append(_entry(bench, chosen, runs))
        base = flip_crop(config, data)
        overlaps, overlap_note = _overlaps(bench, methods, base)
        ways = f"{len(methods)} ways" if len(methods) > 1 else "one way"
        gallery = write_gallery(data, methods, corruptions_of(suites), folder, base=base, seed=0)
        result = make_result(
            title or f"{data.name}: {ways} to train the net “{config.recipe.net}”", command, started, data, suites,
            entries, gallery,
            net=config.recipe.net, seeds=config.seeds, epochs=config.recipe.epochs, device=config.device,
            pictures_digest=bench.pictures, overlaps=overlaps, overlap_note=overlap_note,
        )  # fmt: skip
        if judge is not None:
            result = judge(result)
        write_result(result, folder / "result.json")
    return result


def run_piece(
    config: StudyConfig, folder: Path, name: str, seed: int, *, checkpoint_seconds: float = 30.0
) -> None:  # fmt: skip
    """One training of a study and its measurement, into the study's folder, for a study that another process holds.

    Args:
        config: of the study.
        folder: of the study.
        name: of one of its methods.
        seed: one of its seeds.
        checkpoint_seconds: as in `run_study`.

    Raises:
        UserError: as `run_study`.
    """
    bench = _bench(config, load_data(config), folder, Silent(), checkpoint_seconds)
    _run(bench, next(one for one in config.chosen if one.name == name), seed)


def _bench(
    config: StudyConfig, data: DataSet, folder: Path, watch: Watch, checkpoint_seconds: float
) -> _Bench:  # fmt: skip
    several = len(config.methods) * len(config.seeds) > 1
    target = Target(data.test, data.classes, total=data.test_total, kept=Kept(_KEPT_BYTES if several else 0))
    suites = tuple(suite.for_size(*data.test.pixels.shape[-2:]) for suite in config.suites)
    return _Bench(config, data, suites, target, digest(data.test), folder, watch, checkpoint_seconds)


def _finished(bench: _Bench, name: str, seed: int) -> bool:
    """Whether every file of a piece is there; what is in them is looked at when they are read."""
    own = bench.own(name, seed)
    parts = (own / "outcomes" / suite.name / f"{part}.safetensors" for suite in bench.suites for part in suite.parts())
    return (own / "training.json").exists() and all(part.exists() for part in parts)


def _run(bench: _Bench, chosen: Method, seed: int) -> tuple[Run, Outcomes]:
    """One training and its measurement, as far as they are not there yet."""
    config, own = bench.config, bench.own(chosen.name, seed)
    if not (own / "training.json").exists():
        train_method(
            config, bench.data, chosen, seed, own, bench.watch, checkpoint_seconds=bench.checkpoint_seconds
        )  # fmt: skip
    net, _ = restore_net(own / "model.safetensors")
    look(net, bench.data.test.pixels, config.device)
    # Named by its place in the study, which stays when the study's folder is moved.
    place = Place(own / "outcomes", fingerprint(Loaded(net), f"{chosen.name} {seed}"), bench.pictures)
    subject = Subject(net, config.device, config.batch_size, seed)
    outcomes = measure(bench.suites, subject, bench.target, place, watch=bench.watch)
    # The model stays; the checkpoint has served its purpose.
    (own / "checkpoint.safetensors").unlink(missing_ok=True)
    times = json.loads((own / "training.json").read_text(encoding="utf-8"))
    clean = mean(outcomes, "clean")
    assert clean is not None, "every evaluation has it"
    # Each is a bound from above, so the lowest counts; AutoAttack's versions go before PGD, which they contain.
    auto = [share for name in ("autoattack", "autoattack-rand") if (share := mean(outcomes, name)) is not None]
    run = Run(
        seed, times["steps"], times["seconds"], times["images_per_second"], seconds_of(place, bench.suites), clean,
        mean(outcomes, "c"), min(auto) if auto else mean(outcomes, "pgd"),
    )  # fmt: skip
    return run, outcomes


def _entry(bench: _Bench, chosen: Method, runs: Sequence[tuple[Run, Outcomes]]) -> MethodResult:
    """One method's entry of the result."""
    suites = bench.suites
    evaluation = pool(suites, [one for _, one in runs], bench.target)
    evaluation = replace(evaluation, cautions=(*evaluation.cautions, *_notes(bench, chosen)))
    measured = corruptions_of(suites)
    sees = tuple(name for name in chosen.sees if name in measured)
    folders = tuple(f"runs/{folder_of(chosen.name)}/seed-{run.seed}/outcomes" for run, _ in runs)
    records = tuple(run for run, _ in runs)
    return MethodResult(
        chosen.name, chosen.title, chosen.family, chosen.description, evaluation, records, sees, folders
    )  # fmt: skip


def _notes(bench: _Bench, chosen: Method) -> list[str]:
    """What the trainings of a method say of themselves, such as why one ended before its time."""
    records = {seed: bench.own(chosen.name, seed) / "training.json" for seed in bench.config.seeds}
    notes = {seed: json.loads(path.read_text(encoding="utf-8")).get("note") for seed, path in records.items()}
    return [f"seed {seed}: {note}" for seed, note in notes.items() if note]


def _overlaps(bench: _Bench, methods: Sequence[Method], base: FlipCrop) -> tuple[tuple[Overlap, ...], str]:
    """What is declared of each method and corruption, with distances where they were asked for, and how those came."""
    config, corruptions = bench.config, corruptions_of(bench.suites)
    measured: dict[str, dict[str, list[float]]] = {}
    note = ""
    if config.overlap_draws and corruptions:
        file = bench.folder / "overlap.json"
        if not file.exists():
            write_text(file, json.dumps(_distances(bench, methods, base, corruptions), indent=1) + "\n")
        measured = json.loads(file.read_text(encoding="utf-8"))
        note = (
            f"minimal sample distance and distance of means (Mintun et al., NeurIPS 2021) in the features of the net "
            f"trained with {OVERLAP_METHOD}, seed {config.seeds[0]}: {config.overlap_draws} draws of each augmentation "
            f"and {overlap.CORRUPTION_DRAWS} of each corruption at severity 3, each draw for all of "
            f"{overlap.PICTURES} training pictures; the minimum falls with the number of draws"
        )
    found = []
    for chosen in methods:
        by = overlap.declared(chosen.augmentation)
        for name in corruptions:
            minimal, of_means = measured.get(chosen.name, {}).get(name, (None, None))
            found.append(Overlap(chosen.name, name, name in by, by.get(name, ()), minimal, of_means))
    return tuple(found), note


def _distances(
    bench: _Bench, methods: Sequence[Method], base: FlipCrop, corruptions: tuple[str, ...]
) -> dict[str, dict[str, tuple[float, float]]]:
    """The measured distances by method and corruption."""
    config = bench.config
    net, _ = restore_net(bench.own(OVERLAP_METHOD, config.seeds[0]) / "model.safetensors")
    net.to(config.device).eval()

    def transform(chosen: Method) -> overlap.Transform:
        augmentation = chosen.augmentation
        assert not isinstance(augmentation, ViewMaker) or isinstance(augmentation, Mixing)

        def apply(stored: Bytes, keys: Key) -> Image:
            pictures = stored.float() / 255
            if chosen.crops:
                pictures = base(pictures, keys.fold("base"))
            return pictures if augmentation is None else augmentation(pictures, keys)

        return apply

    # What looks at the net or changes its features has no distance of its own in the features of another.
    methods = [
        one for one in methods if not isinstance(one.augmentation, ViewMaker) or isinstance(one.augmentation, Mixing)
    ]
    total = config.overlap_draws * len(methods) + overlap.CORRUPTION_DRAWS * len(corruptions)
    bench.watch.begin("overlap", total, "draws")
    found = overlap.distances(
        net.embed, bench.data.train, {chosen.name: transform(chosen) for chosen in methods}, corruptions,
        Key(0).fold("overlap"), draws=config.overlap_draws, device=config.device, advance=bench.watch.advance,
    )  # fmt: skip
    table: dict[str, dict[str, tuple[float, float]]] = {}
    for (name, corruption), distance in found.items():
        table.setdefault(name, {})[corruption] = (distance.minimal, distance.of_means)
    return table

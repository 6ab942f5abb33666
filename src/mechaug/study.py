"""The main job: the same net, several augmentations, one page that shows who wins where.

A study is a folder. Every finished piece in it is whole, every unfinished one continues: started again with the same
configuration it does only what is missing, and ends with the same figures.
"""

import json
import time
from collections.abc import Sequence
from pathlib import Path

from mechaug.config import StudyConfig
from mechaug.data.pictures import DataSet
from mechaug.errors import UserError
from mechaug.evaluation.result import MethodResult, Result, Run, write_result
from mechaug.evaluation.run import CorruptedPictures, Outcomes, load_outcomes, mean, measure, pool, save_outcomes
from mechaug.job import claim, flip_crop, load_data, make_result, restore_net, train_method
from mechaug.reports.gallery import write_gallery
from mechaug.training.methods import Method
from mechaug.watch import Silent, Watch


def run_study(
    config: StudyConfig, folder: Path, *, command: str, watch: Watch | None = None, checkpoint_seconds: float = 30.0
) -> Result:
    """Run a study, or what is left of it.

    Args:
        config: what to compare.
        folder: where everything is kept: config.json, runs/, gallery/ and result.json.
        command: what to write into the result as the way to make it again.
        watch: listens to the progress.
        checkpoint_seconds: at most so long between a training's checkpoints.

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
        methods = config.chosen
        corrupted = CorruptedPictures(data.test, config.suites.corrupted_pictures)
        entries = []
        for number, chosen in enumerate(methods, start=1):
            runs = []
            for seed in config.seeds:
                watch.say(f"{chosen.title} ({number} of {len(methods)}), seed {seed}")
                runs.append(_run(config, data, corrupted, chosen, seed, folder, watch, checkpoint_seconds))
            entries.append(_entry(config, data, chosen, runs))
        base = flip_crop(config, data)
        ways = f"{len(methods)} ways" if len(methods) > 1 else "one way"
        gallery = write_gallery(data, methods, config.suites.corruptions, folder, base=base, seed=0)
        result = make_result(
            f"{data.name}: {ways} to train the net “{config.recipe.net}”", command, started, data, config.suites,
            entries, gallery,
            net=config.recipe.net, seeds=config.seeds, epochs=config.recipe.epochs, device=config.device,
        )  # fmt: skip
        write_result(result, folder / "result.json")
    return result


def _run(
    config: StudyConfig, data: DataSet, corrupted: CorruptedPictures, chosen: Method, seed: int, folder: Path,
    watch: Watch, checkpoint_seconds: float,
) -> tuple[Run, Outcomes]:  # fmt: skip
    """One training and its measurement, as far as they are not there yet."""
    own = folder / "runs" / chosen.name / f"seed-{seed}"
    if not (own / "training.json").exists():
        train_method(config, data, chosen, seed, own, watch, checkpoint_seconds=checkpoint_seconds)
    if not (own / "outcomes.safetensors").exists():
        net, _ = restore_net(own / "model.safetensors")
        outcomes = measure(
            net, data.test, corrupted, config.suites,
            classes=data.classes, seed=seed, device=config.device, watch=watch,
        )  # fmt: skip
        save_outcomes(own / "outcomes.safetensors", outcomes)
    # The model stays; the checkpoint has served its purpose.
    (own / "checkpoint.safetensors").unlink(missing_ok=True)
    outcomes = load_outcomes(own / "outcomes.safetensors")
    times = json.loads((own / "training.json").read_text(encoding="utf-8"))
    clean = mean(outcomes.clean)
    assert clean is not None, "a test split is never empty"
    run = Run(
        seed, times["steps"], times["seconds"], times["images_per_second"], outcomes.seconds.item(), clean,
        mean(outcomes.corrupted), mean(outcomes.attacked),
    )  # fmt: skip
    return run, outcomes


def _entry(config: StudyConfig, data: DataSet, chosen: Method, runs: Sequence[tuple[Run, Outcomes]]) -> MethodResult:
    """One method's entry of the result."""
    evaluation = pool([one for _, one in runs], data.test, data.classes, config.suites)
    sees = tuple(name for name in chosen.sees if name in config.suites.corruptions)
    records = tuple(run for run, _ in runs)
    return MethodResult(chosen.name, chosen.title, chosen.family, chosen.description, evaluation, records, sees)

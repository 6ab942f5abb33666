"""How long a step of each method takes, measured side by side.

Whole trainings run hours apart, and whatever else a machine did meanwhile is in their times. Here the methods take
turns of a few steps, and the quickest turn of each counts: what slowed the others down is no part of the method.
"""

import json
from dataclasses import replace
from pathlib import Path
from typing import Final

from mechaug.config import StudyConfig
from mechaug.data.pictures import DataSet
from mechaug.files import write_text
from mechaug.job import flip_crop
from mechaug.keys import Key
from mechaug.training import nets
from mechaug.training.engine import fit
from mechaug.watch import Silent, Watch

STEPS: Final = 32
ROUNDS: Final = 3


def step_seconds(config: StudyConfig, data: DataSet, *, watch: Watch | None = None) -> dict[str, float]:
    """Seconds per step of every method of a study, each with its own views and loss, on the study's device.

    Args:
        config: of the study.
        data: its pictures.
        watch: listens to the progress.

    Raises:
        UserError: as `mechaug.training.engine.fit`.
    """
    watch, best = watch or Silent(), dict.fromkeys(config.methods, float("inf"))
    steps = min(STEPS, config.recipe.total_steps(len(data.train)))
    watch.begin("timing", ROUNDS * len(best), "turns")
    for _ in range(ROUNDS):
        for chosen in config.chosen:
            recipe = config.recipe.replace(steps=steps, base=flip_crop(config, data) if chosen.crops else None)
            net = nets.build(recipe.net, len(data.classes), key=Key(0).fold("net"))
            fitted = fit(
                net, data.train, chosen.augmentation, chosen.objective, recipe, device=config.device,
                # A look at the end of an epoch is no part of a step.
                extras=replace(chosen.extras, guard=None),
            )  # fmt: skip
            best[chosen.name] = min(best[chosen.name], fitted.seconds / steps)
            watch.advance(1, chosen.title)
    return best


def kept_step_seconds(
    config: StudyConfig, data: DataSet, file: Path, *, watch: Watch | None = None
) -> dict[str, float]:
    """The same from a file, or measured and written there: a study that goes on has the budgets that it began with."""
    if file.exists():
        kept = json.loads(file.read_text(encoding="utf-8"))
        if list(kept) == list(config.methods):
            return kept
    found = step_seconds(config, data, watch=watch)
    write_text(file, json.dumps(found, indent=1) + "\n")
    return found

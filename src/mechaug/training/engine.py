"""The training loop: one function, on one device, that can be killed at any moment and continued bitwise on a CPU.

Everything a step does follows from (seed, step): the order of the pictures, their augmentation, the learning rate. So
a checkpoint holds only weights, their moving average, momentum and the number of steps done.
"""

import math
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from mechaug.data.pictures import Pictures
from mechaug.errors import UserError
from mechaug.heuristics.views import Augmentation, Remembering, ViewMaker
from mechaug.training.batches import Batches
from mechaug.training.checkpoint import Progress, load_checkpoint, load_good, save_checkpoint, save_good
from mechaug.training.dual_norm import dual, ordinary_state, single
from mechaug.training.objectives import Objective
from mechaug.training.recipes import Precision, Recipe
from mechaug.training.steps import NOTHING, Extras, descend
from mechaug.training.team import ALONE, Team
from mechaug.training.tracking import read_metrics, write_metrics
from mechaug.training.views import in_precision
from mechaug.watch import Silent, Watch

GOOD = "good.safetensors"
CHECK_EVERY = 20
"""Steps between looks at the loss: each look waits for the device."""


class DivergedError(UserError):
    """The loss or the net is no longer finite; the last checkpoint holds the last good state."""


class StoppedError(Exception):
    """The user asked to stop (Ctrl-C); a checkpoint holds the state."""


@dataclass(frozen=True)
class Fitted:
    """What a training ended with.

    Attributes:
        state: the weights to keep: their moving average, or the last ones where there is none.
        steps: optimiser steps in all.
        seconds: wall time of training, over all processes that took part.
        images_per_second: training pictures per second, each counted once however many views it has.
        note: why it ended before its time; empty where it did not.
    """

    state: dict[str, Tensor]
    steps: int
    seconds: float
    images_per_second: float
    note: str = ""


def fit(
    model: nn.Module,
    data: Pictures,
    augmentation: Augmentation | None,
    objective: Objective,
    recipe: Recipe,
    *,
    seed: int = 0,
    device: torch.device | str = "cpu",
    folder: Path | None = None,
    config: str = "",
    checkpoint_seconds: float = 30.0,
    watch: Watch | None = None,
    team: Team = ALONE,
    extras: Extras = NOTHING,
) -> Fitted:
    """Train a model, from its checkpoint if there is one.

    Args:
        model: maps pictures (b, c, h, w) in [0, 1] to logits (b, k); changed in place, and left on `device`.
        data: the training pictures.
        augmentation: makes each view of a picture beyond the clean one: a mechanism, or a maker of views that sees the
            batch and the net; None where the objective needs no view.
        objective: the loss; it says which views it needs.
        recipe: how long and how fast.
        seed: of the order and the augmentation; the model's own initialisation is the caller's.
        device: where to train.
        folder: where checkpoint.safetensors and metrics.jsonl are kept; None keeps nothing.
        config: text that identifies this training; a checkpoint of another is refused.
        checkpoint_seconds: at most so long between checkpoints, to the next step.
        watch: listens to the progress.
        team: the processes that train it together; each calls this with the same arguments, and one writes files.
        extras: what there is beside the augmentation and the loss.

    Returns:
        The weights to keep, and what they cost; where a guard ended the training, those of the last good epoch.

    Raises:
        DivergedError: the loss or a weight is no longer finite.
        StoppedError: the user pressed Ctrl-C; the checkpoint was written.
        UserError: the pictures do not fill a batch, the model's output does not fit the classes, or the folder's
            checkpoint belongs to another training.
    """
    watch = watch or Silent()
    device = torch.device(device)
    if augmentation is None and objective.inputs.views:
        raise ValueError("this objective needs augmented views: give fit an augmentation")
    replays = augmentation.replays if isinstance(augmentation, ViewMaker) else 1
    if replays > 1 and recipe.accumulate > 1:
        raise UserError("free adversarial training replays whole batches: it cannot take them in parts")
    data, held = extras.guard.split(data) if extras.guard else (data, data)
    try:
        total = recipe.total_steps(len(data))
    except ValueError as error:
        raise UserError(str(error)) from error
    team.share(torch.arange(recipe.batch_size))
    if team.size > 1 and isinstance(augmentation, Remembering):
        raise UserError("a game is played by one process: train it without torchrun")
    model.to(device)
    classes = _count_outputs(model, data, device)
    if extras.two_norms:
        dual(model)
    optimiser = _optimiser(model, recipe)
    if isinstance(augmentation, Remembering):
        augmentation = augmentation.fresh()
    average = {name: value.detach().clone() for name, value in model.state_dict().items()}
    done, records = Progress(0, 0.0, 0.0, config), []
    if folder is not None and (folder / "checkpoint.safetensors").exists():
        place = folder / "checkpoint.safetensors"
        done, memory = load_checkpoint(place, model, average, optimiser, config)
        if isinstance(augmentation, Remembering):
            augmentation.remember(memory)
        records = read_metrics(folder / "metrics.jsonl", up_to_step=done.step)
    good, note = (load_good(folder / GOOD, config) if folder is not None and extras.guard else None), ""

    batches = Batches(
        data, classes, augmentation, objective.inputs.views, recipe, seed=seed, device=device, team=team
    )  # fmt: skip
    loss_sum = torch.tensor(done.epoch_loss, dtype=torch.float64, device=device)
    started, saved = time.perf_counter() - done.seconds, time.perf_counter()
    watch.begin("training", total * recipe.batch_size, "pictures")
    watch.advance(done.step * recipe.batch_size)

    def save(step: int) -> None:
        nonlocal saved
        _check_finite("loss", loss_sum, step, folder)
        # A step may have a finite loss and a gradient that is not: what it leaves is not the last good state.
        _check_finite("net", _total(model), step, folder)
        if folder is not None and team.leads:
            seconds = time.perf_counter() - started
            progress = Progress(step, loss_sum.item(), seconds, config)
            memory = augmentation.memory() if isinstance(augmentation, Remembering) else {}
            save_checkpoint(folder / "checkpoint.safetensors", model, average, optimiser, progress, memory)
        team.wait()
        saved = time.perf_counter()

    model.train()
    precision = "bfloat16" if resolve_precision(recipe.precision, device) == "bfloat16" else "float32"
    with _stop_requests() as stop, in_precision(model, precision, device):
        for step in range(done.step, total):
            epoch, place = divmod(step, batches.per_epoch)
            for group in optimiser.param_groups:
                group["lr"] = recipe.rate_at(step, total)
            optimiser.zero_grad(set_to_none=True)
            loss = descend(model, objective, batches.at(step), augmentation, parts=recipe.accumulate, extras=extras)
            loss, stopped, late = team.average(
                model, loss, torch.tensor(float(stop.is_set())), torch.tensor(time.perf_counter() - saved)
            )
            optimiser.step()
            _update_average(average, model, recipe.ema, step)
            loss_sum += loss
            done_steps = step + 1
            ends = place + 1 == batches.per_epoch or done_steps == total
            if done_steps % CHECK_EVERY == 0 or ends:
                _check_finite("loss", loss_sum, done_steps, folder)
            watch.advance(recipe.batch_size, f"loss {loss_sum.item() / (place + 1):.3f}" if place % 5 == 0 else "")
            if ends:
                seen = extras.guard.look(model, held, device) if extras.guard else {}
                records.append(_record(epoch, done_steps, loss_sum, place + 1, recipe, total, started) | seen)
                if extras.guard:
                    note = extras.guard.verdict(records)
                    if not note:
                        good = {n: v.clone() for n, v in _kept(model, average, recipe).items()}, done_steps
                if folder is not None and team.leads:
                    write_metrics(folder / "metrics.jsonl", records)
                    if extras.guard and good is not None:
                        save_good(folder / GOOD, *good, config)
                loss_sum.zero_()
            if note:
                watch.say(note)
                break
            if stopped > 0 and done_steps < total:
                save(done_steps)
                raise StoppedError(f"stopped after step {done_steps} of {total}")
            if late >= checkpoint_seconds or done_steps == total:
                save(done_steps)
    model.eval()
    seconds = time.perf_counter() - started if total > done.step else done.seconds
    state, steps = _kept(model, average, recipe), total
    if note and good is not None:
        state, steps = good
    if extras.two_norms:
        state = ordinary_state(model, state)
        single(model)
    return Fitted(state, steps, seconds, steps * recipe.batch_size / max(seconds, 1e-9), note)


def _kept(model: nn.Module, average: dict[str, Tensor], recipe: Recipe) -> dict[str, Tensor]:
    """The weights to keep at this moment."""
    return average if recipe.ema else {name: value.detach().clone() for name, value in model.state_dict().items()}


def resolve_precision(precision: Precision, device: torch.device | str) -> Precision:
    """What "auto" means on a device: bfloat16 where it computes in it (CUDA, CPUs with AVX-512 BF16), else float32."""
    if precision != "auto":
        return precision
    device = torch.device(device)
    native = device.type == "cuda" or (device.type == "cpu" and torch.cpu._is_avx512_bf16_supported())
    return "bfloat16" if native else "float32"


def _optimiser(model: nn.Module, recipe: Recipe) -> torch.optim.SGD:
    decayed = [p for p in model.parameters() if p.ndim >= 2]
    plain = [p for p in model.parameters() if p.ndim < 2]
    groups = [{"params": decayed, "weight_decay": recipe.weight_decay}, {"params": plain, "weight_decay": 0.0}]
    return torch.optim.SGD(groups, lr=recipe.learning_rate, momentum=recipe.momentum, nesterov=recipe.momentum > 0)


@torch.no_grad()
def _update_average(average: dict[str, Tensor], model: nn.Module, decay: float, step: int) -> None:
    """Exponential moving average of weights and batch statistics; short at first, so that it forgets the start."""
    weight = 1 - min(decay, (1 + step) / (10 + step))
    state = model.state_dict()
    real = [name for name, value in state.items() if value.is_floating_point()]
    # In one call: on an accelerator a call for each weight takes longer than the step's arithmetic.
    lerp = torch._foreach_lerp_  # pyright: ignore[reportPrivateImportUsage]
    lerp([average[name] for name in real], [state[name] for name in real], weight)
    for name in state.keys() - set(real):
        average[name].copy_(state[name])


@torch.no_grad()
def _count_outputs(model: nn.Module, data: Pictures, device: torch.device) -> int:
    """How many classes a net tells apart; one whose output does not fit the data's classes is refused."""
    model.eval()
    try:
        shape = tuple(model(data.image(torch.arange(2)).to(device)).shape)
    except RuntimeError as error:
        size = "×".join(str(side) for side in data.pixels.shape[1:])
        raise UserError(f"the net cannot take pictures of {size}: {str(error).splitlines()[0]}") from error
    needed = int(data.labels.max()) + 1
    if len(shape) != 2 or shape[0] != 2 or shape[1] < needed:
        raise UserError(
            f"the net's output has shape {shape} for 2 pictures, and the labels need (2, {needed}) at least: "
            f"build the net with {needed} outputs"
        )
    return shape[1]


@torch.no_grad()
def _total(model: nn.Module) -> Tensor:
    """A number that is finite where every weight and every running statistic is."""
    values = [value for value in model.state_dict().values() if value.is_floating_point()]
    # 0 · x is 0 for every finite x; one number for all of them, so that the device is waited for once.
    return torch.stack([(0.0 * value).sum() for value in values]).sum()


def _check_finite(what: str, value: Tensor, step: int, folder: Path | None) -> None:
    if math.isfinite(value.item()):
        return
    kept = folder is not None and (folder / "checkpoint.safetensors").exists()
    where = f"the last good state is in {folder}/checkpoint.safetensors" if kept else "no checkpoint had been made yet"
    raise DivergedError(f"the {what} is not a number any more at step {step}; {where}: lower --learning-rate")


def _record(
    epoch: int, step: int, loss_sum: Tensor, steps: int, recipe: Recipe, total: int, started: float
) -> dict[str, float | int]:
    return {
        "epoch": epoch,
        "step": step,
        "loss": loss_sum.item() / steps,
        "learning_rate": recipe.rate_at(step - 1, total),
        "seconds": round(time.perf_counter() - started, 3),
    }


@contextmanager
def _stop_requests() -> Iterator[threading.Event]:
    """Turn the first Ctrl-C (or SIGTERM) into a request that is heard between steps; the second one breaks off."""
    stop = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return

    def hear(number: int, frame: object) -> None:  # noqa: ARG001
        if stop.is_set():
            raise KeyboardInterrupt
        stop.set()

    before = {number: signal.signal(number, hear) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)

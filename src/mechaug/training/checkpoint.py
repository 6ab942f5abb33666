"""Checkpoints: everything that a training needs to go on as if nothing had happened, in one safetensors file."""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from mechaug.errors import UserError
from mechaug.files import write_tensors

FORMAT = "mechaug checkpoint 1"
MODEL_FORMAT = "mechaug model 1"


@dataclass(frozen=True)
class Progress:
    """How far a training has come.

    Attributes:
        step: optimiser steps done.
        epoch_loss: sum of the losses of the current epoch's steps.
        seconds: wall time of training so far, over all processes.
        config: what is trained, as text: a checkpoint continues only what it began.
    """

    step: int
    epoch_loss: float
    seconds: float
    config: str


def save_checkpoint(
    path: Path, model: nn.Module, average: Mapping[str, Tensor], optimiser: torch.optim.SGD, progress: Progress,
    memory: Mapping[str, Tensor],
) -> None:  # fmt: skip
    """Write a checkpoint: whole or not at all; `memory` is what an augmentation remembers."""
    tensors = {f"model.{name}": value for name, value in model.state_dict().items()}
    tensors |= {f"average.{name}": value for name, value in average.items()}
    tensors |= {f"memory.{name}": value for name, value in memory.items()}
    for number, parameter in enumerate(_optimised(optimiser)):
        momentum = optimiser.state[parameter].get("momentum_buffer")
        if momentum is not None:
            tensors[f"momentum.{number}"] = momentum
    header = {
        "format": FORMAT,
        "step": str(progress.step),
        "epoch_loss": progress.epoch_loss.hex(),
        "seconds": repr(progress.seconds),
        "config": progress.config,
    }
    write_tensors(path, tensors, header)


def load_checkpoint(
    path: Path, model: nn.Module, average: dict[str, Tensor], optimiser: torch.optim.SGD, config: str
) -> tuple[Progress, dict[str, Tensor]]:
    """Put a checkpoint's state into a model, its moving average and its optimiser.

    Returns:
        How far it was, and what the augmentation remembered.

    Raises:
        UserError: the file is not a checkpoint, or one of something else.
    """
    tensors, header = _load(path)
    if header.get("format") != FORMAT:
        raise UserError(f"{path} is not a checkpoint of this version: delete it to train anew")
    if header["config"] != config:
        raise UserError(f"{path} belongs to another training: choose another output folder, or delete it")
    with torch.no_grad():
        model.load_state_dict(
            {name.removeprefix("model."): t for name, t in tensors.items() if name.startswith("model.")}
        )
        for name, value in average.items():
            value.copy_(tensors[f"average.{name}"])
        for number, parameter in enumerate(_optimised(optimiser)):
            momentum = tensors.get(f"momentum.{number}")
            if momentum is not None:
                # The optimiser's buffers follow its parameters' memory layout, and so must these.
                optimiser.state[parameter]["momentum_buffer"] = torch.empty_like(parameter).copy_(momentum)
    memory = {name.removeprefix("memory."): t for name, t in tensors.items() if name.startswith("memory.")}
    done = Progress(int(header["step"]), float.fromhex(header["epoch_loss"]), float(header["seconds"]), config)
    return done, memory


def save_good(path: Path, state: Mapping[str, Tensor], step: int, config: str) -> None:
    """Write the last state that a guard found good: whole or not at all."""
    write_tensors(path, state, {"format": FORMAT, "step": str(step), "config": config})


def load_good(path: Path, config: str) -> tuple[dict[str, Tensor], int] | None:
    """That state and its step; None where there is none of this training."""
    if not path.is_file():
        return None
    tensors, header = _load(path)
    if header.get("format") != FORMAT or header["config"] != config:
        return None
    return tensors, int(header["step"])


@dataclass(frozen=True)
class ModelCard:
    """What a stored model is: enough to build its net again."""

    net: str
    classes: tuple[str, ...]
    channels_mean: tuple[float, ...]
    channels_std: tuple[float, ...]


def save_model(path: Path, state: Mapping[str, Tensor], card: ModelCard) -> None:
    """Write a trained model and its card: whole or not at all."""
    header = {
        "format": MODEL_FORMAT,
        "net": card.net,
        "classes": json.dumps(card.classes),
        "mean": json.dumps(card.channels_mean),
        "std": json.dumps(card.channels_std),
    }
    write_tensors(path, state, header)


def load_model(path: Path) -> tuple[dict[str, Tensor], ModelCard]:
    """Read what `save_model` wrote.

    Raises:
        UserError: there is no such file, or it is no model of mechaug's.
    """
    tensors, header = _load(path)
    if header.get("format") != MODEL_FORMAT:
        raise UserError(f"{path} is no model that mechaug trained: give the model.safetensors of a run")
    mean, std = (tuple(json.loads(header[name])) for name in ("mean", "std"))
    return tensors, ModelCard(header["net"], tuple(json.loads(header["classes"])), mean, std)


def weights_in(place: Path) -> Path:
    """The model's file, of a folder that holds one or of itself."""
    return place / "model.safetensors" if place.is_dir() else place


def start_from(net: nn.Module, place: Path, card: ModelCard) -> None:
    """Give a net the weights of a model that was trained before, in place.

    Args:
        net: what is to be trained, of the architecture in `card`, with a classifier called `head`.
        place: the model's file or folder.
        card: of the net; where its classes are not the model's, the classifier keeps its fresh weights.

    Raises:
        UserError: there is no such model, or it is of another architecture.
    """
    state, own = load_model(weights_in(place))
    if own.net != card.net:
        raise UserError(
            f"{place} is a net of the kind {own.net}, and {card.net} is to be trained: give --net {own.net}"
        )
    if own.classes != card.classes:
        state |= {name: value for name, value in net.state_dict().items() if name.startswith("head.")}
    net.load_state_dict(state)


def _optimised(optimiser: torch.optim.SGD) -> list[Tensor]:
    return [parameter for group in optimiser.param_groups for parameter in group["params"]]


def _load(path: Path | os.PathLike[str]) -> tuple[dict[str, Tensor], dict[str, str]]:
    from safetensors import SafetensorError, safe_open

    if not Path(path).is_file():
        raise UserError(f"there is no file {path}")
    try:
        with safe_open(str(path), framework="pt") as file:
            return {name: file.get_tensor(name) for name in file.keys()}, file.metadata() or {}  # noqa: SIM118
    except SafetensorError as error:
        raise UserError(f"{path} is not a whole safetensors file ({error}): delete it, or give another") from error

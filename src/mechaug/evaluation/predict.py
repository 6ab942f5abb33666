"""What a model says about pictures: the one door through which every measurement asks, and what it refuses."""

import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import torch
from jaxtyping import Float
from torch import Tensor, nn

from mechaug.errors import ModelError
from mechaug.types import Bytes, Image, Labels, Logits

_INTERPRETER: Final = "The following operation failed in the TorchScript interpreter"

AT_ONCE: Final = 256
"""Pictures through a model at once where nobody says how many."""


def batch_size_for(height: int, width: int, device: torch.device | str) -> int:
    """How many pictures suit one pass: `AT_ONCE`, and on a CPU as many as 256 of 32×32 have pixels.

    There a layer's output should stay below the 32 MiB above which the C library fetches memory anew for every pass:
    EfficientNet-Lite0 at 224×224 sees 1.7 times as many pictures a second 4 at a time as 50 at a time.
    """
    if torch.device(device).type != "cpu":
        return AT_ONCE
    return max(1, min(AT_ONCE, AT_ONCE * 32 * 32 // (height * width)))


def ask(model: nn.Module, pictures: Image, *, classes: int | None = None) -> Logits:
    """The model's logits for pictures; gradients, mode and device are the caller's.

    Args:
        model: pictures in [0, 1] to logits, so it holds its own normalisation.
        pictures: sRGB in [0, 1], on the model's device.
        classes: how many the data has; not checked if None.

    Returns:
        float32, or float64 where the model gives that.

    Raises:
        ValueError: the output is not one row of logits per picture, has another number of classes, or is not finite.
        ModelError: the model raised an error.
    """
    try:
        logits = model(pictures)
    except Exception as error:  # it is the user's program, which may raise anything
        raise ModelError(_failure(error, pictures)) from error
    if not isinstance(logits, Tensor) or logits.ndim != 2 or len(logits) != len(pictures):
        shape = f"shape {tuple(logits.shape)}" if isinstance(logits, Tensor) else f"type {type(logits).__name__}"
        raise ValueError(
            f"the model's output has {shape}, and {len(pictures)} pictures need {len(pictures)} rows of logits: "
            "wrap the model so that it returns one tensor of shape (pictures, classes)"
        )
    if classes is not None and logits.shape[1] != classes:
        raise ValueError(
            f"the model tells {logits.shape[1]} classes apart, and the data has {classes}: "
            "measure a model on the classes it was trained for"
        )
    if not bool(torch.isfinite(logits).all()):
        broken = int((~torch.isfinite(logits)).any(1).sum())
        raise ValueError(
            f"the model's output is not finite (NaN or infinity) for {broken} of {len(pictures)} pictures: look for an "
            "overflow, a logarithm or a division by zero in it, or for weights that are NaN"
        )
    return logits if logits.dtype == torch.float64 else logits.float()


def _failure(error: Exception, pictures: Image) -> str:
    """What a model died of, and where in its own code."""
    shape = "×".join(str(side) for side in pictures.shape[1:])
    if isinstance(error, torch.OutOfMemoryError):
        return f"{len(pictures)} pictures of {shape} at once do not fit into memory: give a smaller --batch-size"
    libraries = tuple(str(folder) for folder in (Path(torch.__file__).parent, Path(__file__).parents[1]))
    # Generated code has no file, and its name is in angle brackets.
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if not frame.filename.startswith("<")]
    own = [frame for frame in frames if not frame.filename.startswith(libraries)]
    place = f", {Path(own[-1].filename).name} line {own[-1].lineno}" if own else ""
    count = "a picture" if len(pictures) == 1 else f"{len(pictures)} pictures"
    return (
        f"the model failed on {count} of {shape} ({type(error).__name__}: {told(error)}{place}): mend it, or give it "
        "other pictures by --image-size and --batch-size"
    )


def told(error: BaseException) -> str:
    """What an error says, in one line."""
    lines = [line for line in map(str.strip, str(error).splitlines()) if line]
    if not lines:
        return type(error).__name__
    # There the first line names the interpreter, a traceback follows, and the error itself comes last.
    return lines[-1] if lines[0].startswith(_INTERPRETER) else lines[0]


def logits_of(
    model: nn.Module,
    pictures: Bytes,
    *,
    device: torch.device | str = "cpu",
    batch_size: int = AT_ONCE,
    classes: int | None = None,
    change: Callable[[Image, Tensor], Image] | None = None,
) -> Float[Tensor, "n k"]:
    """The logits for stored pictures, batch by batch, in evaluation mode and without gradients.

    Args:
        model: as in `ask`; left in the mode that it was in.
        pictures: stored pictures, on any device; batches are moved to the model's.
        device: where the model is.
        batch_size: pictures per pass; the result does not depend on it but for rounding.
        classes: as in `ask`.
        change: what happens to the pictures before the model sees them: from a batch in [0, 1] on the device and its
            rows (on the CPU) to a batch of the same shape.

    Returns:
        One row per picture, on the CPU.

    Raises:
        ValueError: as `ask`, there are no pictures, or the batch size is not positive.
    """
    check_batch_size(batch_size)
    if not len(pictures):
        raise ValueError("there are no pictures to measure on")
    said = []
    with evaluating(model), torch.no_grad():
        for rows in torch.arange(len(pictures)).split(batch_size):
            batch = stored_rows(pictures, rows, device)
            said.append(ask(model, batch if change is None else change(batch, rows), classes=classes).cpu())
    return torch.cat(said)


def stored_rows(pictures: Bytes, rows: Tensor, device: torch.device | str) -> Float[Tensor, "rows c h w"]:
    """Some stored pictures as float32 in [0, 1] on a device."""
    return pictures[rows.to(pictures.device)].to(device).float() / 255


def are_probabilities(logits: Logits) -> bool:
    """Whether rows look like the output of a softmax: between 0 and 1, with sum 1.

    To attacks a softmax hides the gradient, and a second softmax on top of it makes every confidence wrong.
    """
    return bool(
        logits.numel() > 0
        and logits.min() >= 0
        and logits.max() <= 1 + 1e-5
        and ((logits.sum(1) - 1).abs() <= 1e-3).all()
    )


def refuse_probabilities(logits: Logits) -> None:
    """Refuse a softmax's output where logits are needed.

    Raises:
        ValueError: every row lies in [0, 1] and has the sum 1.
    """
    if are_probabilities(logits):
        raise ValueError(
            "the model returns probabilities, and confidences and attacks need logits: leave its last softmax out"
        )


def check_labels(labels: Labels, classes: int) -> None:
    """Refuse labels that no output of the model stands for.

    Raises:
        ValueError: a label is negative or not below the number of classes.
    """
    if len(labels) and not (int(labels.min()) >= 0 and int(labels.max()) < classes):
        raise ValueError(
            f"labels reach from {int(labels.min())} to {int(labels.max())}, and the model tells {classes} classes "
            "apart: measure a model on the classes it was trained for"
        )


def check_batch_size(batch_size: int) -> None:
    """Refuse a batch without pictures.

    Raises:
        ValueError: the size is not positive.
    """
    if batch_size < 1:
        raise ValueError(f"a batch holds at least one picture, not {batch_size}")


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """The model in evaluation mode; afterwards every module is in the mode that it was in."""
    modes = {module: module.training for module in model.modules()}
    model.eval()
    try:
        yield
    finally:
        for module, training in modes.items():
            module.training = training

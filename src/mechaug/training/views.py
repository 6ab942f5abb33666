"""What a step shows to the net, and what the net says about it."""

import functools
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Literal

import torch
from torch import Tensor, nn

from mechaug.errors import UserError
from mechaug.heuristics.views import Augmentation, Batch, Inside, View, ViewMaker, hooked, in_turn
from mechaug.training.objectives import Inputs, Outputs


def make_views(model: nn.Module, batch: Batch, augmentation: Augmentation | None, needed: Inputs) -> tuple[View, ...]:
    """The views of a step: the clean pictures if the objective uses them, then its augmented views.

    All share the batch's pictures (the same crop); each view draws its augmentation anew.
    """
    if isinstance(augmentation, ViewMaker):
        return augmentation.views(model, batch, clean=needed.clean, count=needed.views)
    if batch.ready:
        plain = (View(batch.pictures, batch.labels),) if needed.clean else ()
        return plain + tuple(View(pictures, batch.labels) for pictures in batch.ready)
    if augmentation is None:
        return in_turn(batch, lambda _: View(batch.pictures, batch.labels), clean=needed.clean, count=0)
    mechanism = augmentation
    return in_turn(
        batch, lambda key: View(mechanism(batch.pictures, key), batch.labels), clean=needed.clean, count=needed.views
    )


def show(model: nn.Module, views: Sequence[View], needed: Inputs) -> Outputs:
    """What the net says about each view: all go through it together, so that they share its batch statistics."""
    with ExitStack() as changes:
        start = 0
        for view in views:
            rows = slice(start, start + len(view.pictures))
            for inside in view.inside:
                changes.enter_context(hooked(model, inside.layer, functools.partial(_change_rows, inside, rows)))
            start = rows.stop
        features = changes.enter_context(_features(model)) if needed.features else []
        logits = model(torch.cat([view.pictures for view in views]))
    return needed.split(logits, [view.targets for view in views], features[0] if features else None)


@contextmanager
def _features(model: nn.Module) -> Iterator[list[Tensor]]:
    """Within the block, what the net's classifier is given by each pass."""
    head = getattr(model, "head", None)
    if not isinstance(head, nn.Module):
        raise UserError(
            f"{type(model).__name__} has no module `head` whose input would be its features: name its classifier so"
        )
    found: list[Tensor] = []

    def keep(_module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        found.append(inputs[0])

    handle = head.register_forward_pre_hook(keep)
    try:
        yield found
    finally:
        handle.remove()


def _change_rows(inside: Inside, rows: slice, features: Tensor) -> Tensor:
    changed = inside.change(features[rows])
    if len(changed) == len(features):
        return changed
    return torch.cat((features[: rows.start], changed, features[rows.stop :]))


@contextmanager
def in_precision(
    model: nn.Module, precision: Literal["float32", "bfloat16"], device: torch.device
) -> Iterator[None]:  # fmt: skip
    """Within the block, whoever calls the net, a step or an adversary, gets float32 logits computed in a precision."""
    running: list[torch.autocast] = []

    def enter(_module: nn.Module, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        if precision == "bfloat16":
            running.append(torch.autocast(device.type, dtype=torch.bfloat16))
            running[-1].__enter__()
        if device.type == "cuda":
            return tuple(one.contiguous(memory_format=torch.channels_last) for one in inputs)
        return inputs

    def leave(_module: nn.Module, _inputs: tuple[Tensor, ...], output: Tensor | None) -> Tensor | None:
        if running:
            running.pop().__exit__(None, None, None)
        return None if output is None else output.float()

    before = model.register_forward_pre_hook(enter)
    # Also where the net raises, so that a precision never outlives its call.
    after = model.register_forward_hook(leave, always_call=True)
    try:
        yield
    finally:
        before.remove()
        after.remove()

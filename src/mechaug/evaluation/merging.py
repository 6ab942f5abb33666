"""Several measurements of one model in one folder: their suites, and the commands that make them again."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import torch

from mechaug.errors import UserError
from mechaug.evaluation.calibration import log_losses
from mechaug.evaluation.kept import Place, read_part
from mechaug.evaluation.predict import ask
from mechaug.evaluation.result import read_result
from mechaug.evaluation.suites import KNOWN, Subject, Suite, Target
from mechaug.evaluation.suites.base import on_device
from mechaug.evaluation.suites.clean import Clean

_AND: Final = " && "

_SAME: Final = 0.01
"""Losses that differ by no more, as a share of one plus the loss, differ by rounding: of another device or batch."""


def merged(before: Sequence[Suite], now: Sequence[Suite]) -> tuple[Suite, ...]:
    """The suites of before and of now, each once and with the settings of now, in the order in which suites run."""
    chosen = {suite.name: suite for suite in (*before, *now)}
    return tuple(chosen[name] for name in KNOWN if name in chosen)


def merged_command(
    path: Path, asked: Sequence[Suite], suites: Sequence[Suite], command: Callable[[tuple[str, ...]], str]
) -> str:
    """The command that makes a whole result, behind those of before where their suites are kept.

    They had options of their own, such as severities and shifted sets, which the command of now knows nothing of.

    Args:
        path: of the result of before, if there is one.
        asked: what is asked for now.
        suites: what the result holds.
        command: from the names of suites to the command that measures them.
    """
    own, everything = (tuple(suite.name for suite in some) for some in (merged((), asked), suites))
    if own == everything:
        return command(own)
    try:
        before = read_result(path).command.split(_AND)
    except (OSError, ValueError):  # the run of before was killed
        return command(everything)
    return _AND.join((*(one for one in before if one != command(own)), command(own)))


@torch.inference_mode()
def check_answers(place: Place, subject: Subject, target: Target) -> None:
    """Refuse to add to what was kept of a model that answers otherwise now: a name and weights do not tell its code.

    Raises:
        UserError: on the first batch of clean pictures its losses are not those that are kept; of a model whose answers
            change by themselves nothing can be said.
    """
    kept = read_part(place, Clean(), "all")
    if kept is None:
        return
    pictures = target.pictures.rows(torch.arange(min(subject.batch_size, len(target.pictures))))
    try:
        now, again = (
            log_losses(ask(subject.model, on_device(pictures.pixels, subject)).cpu(), pictures.labels) for _ in range(2)
        )
    except ValueError as error:
        raise UserError(str(error)) from error
    before = kept["log_loss"][: len(pictures)].to(now)
    if torch.equal(now, again) and bool(((now - before).abs() > _SAME * (1 + before)).any()):
        raise UserError(
            f"{place.folder.parent} holds what a model of this name and with these weights answered, and it answers "
            "otherwise now, so its code was changed: choose another --out, or delete the folder"
        )

"""Several measurements of one model in one folder: their suites, and the commands that make them again."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from mechaug.evaluation.result import read_result
from mechaug.evaluation.suites import KNOWN, Suite

_AND: Final = " && "


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

"""The comparisons of the honest protocol: a method of mechanisms, and what is left of it, beside its rivals.

Three questions, each a family of comparisons of its own, corrected by Holm's method over rivals and measures:

1. all mechanisms: on corruptions of which the training held relatives, a gain is coverage;
2. only mechanisms without a relative in C: a gain on C is transfer from causes of another kind;
3. one family left out: for each family of C, the arm that was trained without it, measured on that family alone, and
   all families together, each by the arm that has not seen it. The rival keeps everything that it has.

Pictures are paired; runs of the two sides are resampled apart, which is the more careful choice.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Final

import torch
from torch import Tensor

from mechaug.errors import UserError
from mechaug.evaluation.measurement import Contrast
from mechaug.evaluation.pairs import Side, outcomes_of, side_of
from mechaug.evaluation.result import MethodResult, Result
from mechaug.evaluation.statistics import compare_all
from mechaug.keys import Key

ALL: Final = "all mechanisms"
UNSEEN: Final = "only mechanisms without a relative in C"
LEFT_OUT: Final = "one family of mechanisms left out"

TOGETHER: Final = "all left out, each by its own arm"

_MEASURES: Final = ("clean", "c", "c-bar", "pgd", "autoattack", "shift")


def contrasts(
    result: Result,
    folder: Path,
    *,
    whole: str,
    rivals: Sequence[str],
    unseen: str | None = None,
    left_out: Mapping[str, str] = MappingProxyType({}),
    families: Mapping[str, Sequence[str]] = MappingProxyType({}),
    seed: int = 0,
) -> tuple[Contrast, ...]:
    """Every comparison that the protocol asks for.

    Args:
        result: in which all of these were measured.
        folder: in which it lies, with its outcomes.
        whole: name of the method with all its mechanisms.
        rivals: names of the methods that it is compared with.
        unseen: of its arm without relatives in C; None leaves the second question out.
        left_out: for each family the arm that has not seen it; none leave the third question out.
        families: the corruptions of each family; those that were not measured are passed over.
        seed: of the bootstrap.

    Raises:
        UserError: the result lacks a method or its outcomes.
    """
    entries = {entry.name: entry for entry in result.methods}
    arms = {ALL: whole} if unseen is None else {ALL: whole, UNSEEN: unseen}
    missing = sorted({*arms.values(), *left_out.values(), *rivals} - entries.keys())
    if missing:
        raise UserError(f"the protocol needs {', '.join(missing)}, and the result does not have them: run it anew")
    measured = {name: outcomes_of(_side(result, name, folder)) for name in entries}
    key, found = Key(seed).fold("contrasts"), []
    for question, arm in arms.items():
        ours = _headlines(measured[arm][0])
        pairs = {(rival, name): (ours[name], measured[rival][0][name]) for rival in rivals for name in ours}
        found += compared(question, entries[arm].title, pairs, entries, key)
    if not left_out:
        return tuple(found)
    # Of a family the arm without it, and of a rival always the same net.
    unknown = {family: measured[arm][1] for family, arm in left_out.items()}
    ours = _by_family(unknown, families)
    pairs = {}
    for rival in rivals:
        theirs = _by_family(dict.fromkeys(left_out, measured[rival][1]), families)
        pairs |= {(rival, name): (ours[name], theirs[name]) for name in ours}
    found += compared(LEFT_OUT, f"{entries[whole].title}, without the family", pairs, entries, key)
    return tuple(found)


def _side(result: Result, name: str, folder: Path) -> Side:
    return side_of(next(entry for entry in result.methods if entry.name == name), folder)


def _headlines(outcomes: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name: value for name, value in outcomes.items() if name.partition(":")[0].partition(" ")[0] in _MEASURES}


def _by_family(
    outcomes: Mapping[str, Mapping[str, Tensor]], families: Mapping[str, Sequence[str]]
) -> dict[str, Tensor]:
    """In which share of a family's corruptions each picture was right, by family; then over all corruptions."""
    found: dict[str, Tensor] = {}
    everything: list[Tensor] = []
    for family, single in outcomes.items():
        # A setting may follow the corruption's name.
        own = [value for name, value in single.items() if _corruption(name) in families[family]]
        if own:
            found[f"left out: {family}"] = torch.stack(own).mean(0)
            everything += own
    if len(found) > 1:
        found[TOGETHER] = torch.stack(everything).mean(0)
    return found


def _corruption(name: str) -> str:
    suite, _, rest = name.partition(": ")
    return rest.partition(" ")[0] if suite == "c" else ""


def compared(
    question: str,
    first: str,
    pairs: Mapping[tuple[str, str], tuple[Tensor, Tensor]],
    entries: Mapping[str, MethodResult],
    key: Key,
) -> list[Contrast]:
    """The comparisons of one question, with Holm's correction over all of them.

    Args:
        question: which.
        first: title of the method that it is about.
        pairs: by rival and measure, what happened to the same pictures on either side.
        entries: of the rivals.
        key: of the bootstrap.
    """
    compared = compare_all({f"{rival}|{name}": pair for (rival, name), pair in pairs.items()}, key.fold(question))
    return [
        Contrast(
            question, first, entries[rival].title, name, one.difference, one.p_value,
            one.corrected_p_value, one.verdict,
        )
        for (rival, name), one in zip(pairs, compared.values(), strict=True)
    ]  # fmt: skip

"""Is one result better than another? A paired comparison with a verdict that may be "no difference shown".

The same pictures on both sides; a picture's weight in a resample is the same on both, which takes the difficulty of the
pictures out of the comparison. Where each side is a single run of yes or no, McNemar's exact test ("Note on the
sampling error of the difference between correlated proportions", Psychometrika 1947) speaks too, and both must agree.
Whoever compares many things finds differences by chance: `compare_all` corrects for it as Holm did ("A simple
sequentially rejective multiple test procedure", Scandinavian Journal of Statistics 1979).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal, TypeAlias

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from mechaug.evaluation.bootstrap import Outcomes, checked_outcomes, interval, mean_of, resample
from mechaug.evaluation.result import Measurement
from mechaug.keys import Key

Verdict: TypeAlias = Literal["first is better", "second is better", "no difference shown"]

LEVEL: Final = 0.05
"""The share of comparisons without a difference that may be called one."""


@dataclass(frozen=True)
class Comparison:
    """Two methods on the same pictures.

    Attributes:
        difference: how much more often the first is right than the second, in [−1, 1], with its 95 % interval.
        p_value: how often a difference as large would be seen without one, two-sided: by the normal law with the
            bootstrap's standard error, or McNemar's where that applies and is larger.
        only_first: pictures that the first alone got right; None unless both are single runs of yes or no.
        only_second: likewise.
        corrected_p_value: after Holm's correction for all comparisons made together; `p_value` for a single one.
        verdict: which one is better at the level of 5 %, by the corrected value.
    """

    difference: Measurement
    p_value: float
    only_first: int | None
    only_second: int | None
    corrected_p_value: float
    verdict: Verdict


def compare(
    first: Outcomes, second: Bool[Tensor, "t n"] | Float[Tensor, "t n"], key: Key, *, paired_runs: bool = False
) -> Comparison:
    """Compare two methods on the same pictures.

    Args:
        first: outcomes of one method, runs × pictures.
        second: those of the other, on the same pictures in the same order; as many runs or not.
        key: a single key, for the resamples.
        paired_runs: whether run i of one side belongs to run i of the other (the same seed); if not, the runs of each
            side are resampled apart, which is the more careful choice.

    Raises:
        ValueError: the pictures differ in number, runs are paired and differ in number, outcomes are not in [0, 1], or
            the key is one per picture.
    """
    a, b = checked_outcomes(first), checked_outcomes(second)
    if a.shape[1] != b.shape[1]:
        raise ValueError(
            f"a paired comparison needs the same pictures on both sides, not {a.shape[1]} and {b.shape[1]}: "
            "measure both on the same data"
        )
    if paired_runs and len(a) != len(b):
        raise ValueError(f"paired runs are as many on both sides, not {len(a)} and {len(b)}")
    pictures, value = a.shape[1], float(a.double().mean() - b.double().mean())
    if paired_runs:
        samples = resample(key, len(a), pictures, mean_of(a - b))
    else:
        # The same key, so the same weights of pictures; the other side's runs have draws of their own.
        samples = resample(key, len(a), pictures, mean_of(a))
        samples = samples - resample(key, len(b), pictures, mean_of(b), runs_of="other runs")
    difference = interval(value, samples, pictures, lowest=-1.0)
    p_value, only_first, only_second = _normal_p_value(value, samples, pictures), None, None
    if len(a) == len(b) == 1 and first.dtype == second.dtype == torch.bool:
        only_first, only_second = int((a > b).sum()), int((b > a).sum())
        p_value = max(p_value, mcnemar(only_first, only_second))
    return Comparison(difference, p_value, only_first, only_second, p_value, _verdict(difference, p_value))


def compare_all(
    pairs: Mapping[str, tuple[Outcomes, Outcomes]], key: Key, *, paired_runs: bool = False
) -> dict[str, Comparison]:
    """Several comparisons at once, such as one for each corruption, with Holm's correction over all of them.

    Args:
        pairs: the two sides of each, by name.
        key: a single key.
        paired_runs: as in `compare`.

    Raises:
        ValueError: as `compare`.
    """
    alone = {name: compare(*pair, key.fold(name), paired_runs=paired_runs) for name, pair in pairs.items()}
    corrected = holm([comparison.p_value for comparison in alone.values()])
    return {
        name: replace(one, corrected_p_value=p_value, verdict=_verdict(one.difference, p_value))
        for (name, one), p_value in zip(alone.items(), corrected, strict=True)
    }


def mcnemar(only_first: int, only_second: int) -> float:
    """The two-sided p-value of McNemar's exact test: of the pictures that one alone got right, half fall to each.

    Args:
        only_first: how many the first alone got right.
        only_second: how many the second alone got right.

    Returns:
        1 where they never differ.
    """
    from scipy.stats import binomtest

    if only_first + only_second == 0:
        return 1.0
    return float(binomtest(only_first, only_first + only_second).pvalue)


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's corrected p-values: the smallest of m counts m times, the next m − 1 times, and so on, never falling."""
    corrected, largest = [0.0] * len(p_values), 0.0
    for rank, place in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[place]))
        corrected[place] = largest
    return corrected


def _normal_p_value(value: float, samples: Tensor, pictures: int) -> float:
    error = float(samples.double().std())
    if error < 1e-9:
        # Every picture says the same, in so far as it says anything: as many tosses of a coin on one side.
        return 1.0 if abs(value) < 1e-9 else min(1.0, 2 * 0.5**pictures)
    return 2 * float(torch.special.ndtr(torch.tensor(-abs(value) / error, dtype=torch.float64)))


def _verdict(difference: Measurement, p_value: float) -> Verdict:
    if p_value > LEVEL or difference.low <= 0 <= difference.high:
        return "no difference shown"
    return "first is better" if difference.value > 0 else "second is better"

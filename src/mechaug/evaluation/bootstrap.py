"""The bootstrap over pictures and runs, from which intervals are made.

Outcomes come as a matrix: one row per run (a training with its own seed), one column per picture, the same pictures in
every row.

How an interval is made:

- One run and outcomes of yes or no: the score interval of Wilson ("Probable inference", JASA 1927).
- Otherwise the percentiles of 2,000 bootstrap resamples of the pictures and, independently, of the runs (Owen, "The
  pigeonhole bootstrap", Annals of Applied Statistics 2007). A picture's weight is a Poisson number of mean 1, the same
  in all runs, because the runs saw the same pictures. With the two to five runs that are usual, what differs between
  runs is known poorly, and resampling them understates it by the factor √((s − 1)/s).
- Where the resamples are all the same, for instance because every picture was right, the figure plus and minus
  Wilson's upper bound for no event in n pictures: what was never seen may still be that frequent.

Errors of calibration, and the lowest, highest or widest of several figures, are biased, the more so the fewer pictures
there are, and a resample repeats the bias. Their percentiles are therefore shifted until the resamples' mean lies on
the figure: such an interval says how far the figure would vary with other pictures and other runs, and not where it
would be with infinitely many.
"""

from collections.abc import Callable, Iterator
from typing import Final, TypeAlias

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from mechaug.evaluation.result import Measurement
from mechaug.keys import Key

RESAMPLES: Final = 2_000

Outcomes: TypeAlias = Bool[Tensor, "s n"] | Float[Tensor, "s n"]
"""s runs × n pictures: whether each was right, or in which share of the conditions, 0..1."""

Statistic: TypeAlias = Callable[[Tensor, Tensor], Tensor]
"""From the weights of pictures (n, r) and of runs (s, r) to one number per resample (r,), or several (k, r)."""

_WEIGHTS_AT_ONCE: Final = 2**20
_LARGEST_WEIGHT: Final = 10  # a Poisson number of mean 1 is larger once in 10⁸ draws


def mean_of(outcomes: Float[Tensor, "s n"]) -> Statistic:
    """The mean over runs and pictures."""

    def mean(weights: Tensor, run_weights: Tensor) -> Tensor:
        return ((outcomes @ weights) * run_weights).sum(0) / weights.sum(0)

    return mean


def group_means(
    outcomes: Float[Tensor, "s n"], groups: Int64[Tensor, "n"], count: int
) -> tuple[Float[Tensor, "k"], Statistic]:
    """The mean of each of `count` groups of pictures, and the statistic that gives them for resamples, shape (k, r).

    A group without pictures has the mean infinity. One of a few pictures may go without weight in a resample: there
    its plain mean stands.
    """
    sizes = groups.bincount(minlength=count)
    sums = torch.zeros(count, dtype=torch.float64).index_add_(0, groups, outcomes.double().mean(0))
    means = torch.where(sizes > 0, sums / sizes, torch.inf)

    def per_group(weights: Tensor, run_weights: Tensor) -> Tensor:
        totals = torch.zeros(2, count, weights.shape[1])
        totals[0].index_add_(0, groups, weights * (outcomes.T @ run_weights))
        totals[1].index_add_(0, groups, weights)
        return torch.where(totals[1] > 0, totals[0] / totals[1], means.float()[:, None])

    return means, per_group


def resample(
    key: Key, runs: int, pictures: int, statistic: Statistic, *, runs_of: str = "runs"
) -> Float[Tensor, "*k r"]:
    """The statistic of `RESAMPLES` resamples.

    Args:
        key: a single key: the same key, the same weights of the pictures.
        runs: how many there are.
        pictures: likewise.
        statistic: what to compute.
        runs_of: a name for these runs: another name, other draws of runs with the same weights of pictures.

    Raises:
        ValueError: the key is one per picture.
    """
    if key.shape != ():
        raise ValueError(f"an interval takes a single key, such as Key(seed), not one of shape {tuple(key.shape)}")
    key = key.to("cpu")
    drawn = key.fold(runs_of).integers(0, runs, RESAMPLES, runs)
    run_weights = torch.nn.functional.one_hot(drawn, runs).float().mean(1).T
    parts = zip(picture_weights(key, pictures), run_weights.split(_at_once(pictures), dim=1), strict=True)
    return torch.cat([statistic(weights, share) for weights, share in parts], dim=-1)


def picture_weights(key: Key, pictures: int, at_once: int | None = None) -> Iterator[Float[Tensor, "n r"]]:
    """How often each picture occurs in each resample: Poisson numbers of mean 1, some resamples at a time.

    Args:
        key: a single key.
        pictures: how many there are.
        at_once: how many resamples at a time; as many as a few megabytes hold if None.
    """
    at_once = at_once or _at_once(pictures)
    counts = torch.arange(1, _LARGEST_WEIGHT + 1, dtype=torch.float64)
    scores = torch.special.ndtri(torch.special.gammaincc(counts, torch.ones_like(counts))).tolist()  # of P(weight < k)
    for first in range(0, RESAMPLES, at_once):
        size = min(at_once, RESAMPLES - first)
        normal = key.fold("pictures").fold(first).field(pictures, size)
        drawn = torch.zeros(normal.shape, dtype=torch.uint8)
        for score in scores:
            drawn += normal > score
        # A resample of no picture at all, possible with a handful of them, is taken as all of them.
        yield torch.where(drawn.amax(0) > 0, drawn, 1).float()


def _at_once(pictures: int) -> int:
    return max(1, min(RESAMPLES, _WEIGHTS_AT_ONCE // pictures))


def interval(
    value: float,
    samples: Float[Tensor, "r"],
    pictures: int,
    *,
    lowest: float = 0.0,
    highest: float = 1.0,
    centred: bool = False,
) -> Measurement:
    """A figure with the samples' central 95 %; see the module's text.

    Args:
        value: the figure.
        samples: the same of each resample.
        pictures: how many it rests on.
        lowest: the lowest value that exists.
        highest: the highest one.
        centred: for a figure that is biased: the samples are shifted until their mean is the figure.
    """
    samples = samples.double()
    if centred:
        samples = samples + (value - samples.mean())
    low, high = torch.quantile(samples, torch.tensor([0.025, 0.975], dtype=torch.float64)).tolist()
    if high - low < 1e-6:
        slack = wilson(0, pictures)[1]
        low, high = value - slack, value + slack
    # Rounding may put an end beyond the figure itself.
    return Measurement(value, max(min(low, value), lowest), min(max(high, value), highest), pictures)


def wilson(right: int, pictures: int) -> tuple[float, float]:
    """The 95 % score interval of a share."""
    from scipy.stats import binomtest

    ends = binomtest(right, pictures).proportion_ci(confidence_level=0.95, method="wilson")
    return float(ends.low), float(ends.high)


def checked_outcomes(outcomes: Tensor) -> Float[Tensor, "s n"]:
    """Outcomes as float32 on the CPU.

    Raises:
        ValueError: there are none, or they are not in [0, 1].
    """
    if outcomes.ndim != 2 or outcomes.numel() == 0:
        raise ValueError(f"outcomes have shape (runs, pictures) with at least one of each, not {tuple(outcomes.shape)}")
    outcomes = outcomes.detach().cpu().float()
    if not bool(((outcomes >= 0) & (outcomes <= 1 + 1e-6)).all()):
        raise ValueError("outcomes are yes or no, or shares in [0, 1]")
    return outcomes.clamp(max=1.0)

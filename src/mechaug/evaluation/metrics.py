"""Figures with 95 % intervals from outcomes per picture.

Outcomes come as a matrix: one row per run (a training with its own seed), one column per picture, the same pictures in
every row. Rows hold yes or no, or for a figure over several conditions the share of them in which the picture was
right.

How an interval is made:

- One run and outcomes of yes or no: the score interval of Wilson ("Probable inference", JASA 1927).
- Otherwise the percentiles of 2,000 bootstrap resamples of the pictures and, independently, of the runs (Owen, "The
  pigeonhole bootstrap", Annals of Applied Statistics 2007). A picture's weight is a Poisson number of mean 1, the same
  in all runs, because the runs saw the same pictures. With the two to five runs that are usual, what differs between
  runs is known poorly, and resampling them understates it by the factor √((s − 1)/s).
- Where the resamples are all the same, for instance because every picture was right, the figure plus and minus
  Wilson's upper bound for no event in n pictures: what was never seen may still be that frequent.

The calibration error and the minimum over classes are biased: the first too high, the second too low, the more so the
fewer pictures there are, and a resample repeats the bias. Their percentiles are therefore shifted until the resamples'
mean lies on the figure: such an interval says how far the figure would vary with other pictures and other runs, and
not where it would be with infinitely many.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Final, TypeAlias

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from mechaug.evaluation.calibration import confidence_bin, expected_calibration_error
from mechaug.evaluation.result import Measurement
from mechaug.keys import Key

RESAMPLES: Final = 2_000
BINS: Final = 15

Outcomes: TypeAlias = Bool[Tensor, "s n"] | Float[Tensor, "s n"]
"""s runs × n pictures: whether each was right, or in which share of the conditions, 0..1."""

Statistic: TypeAlias = Callable[[Tensor, Tensor], Tensor]
"""From the weights of pictures (n, r) and of runs (s, r) to one number per resample (r,)."""

_WEIGHTS_AT_ONCE: Final = 2**20
_LARGEST_WEIGHT: Final = 10  # a Poisson number of mean 1 is larger once in 10⁸ draws


def accuracy(correct: Outcomes, key: Key) -> Measurement:
    """The share of right outcomes over runs and pictures, and its interval; see the module's text.

    Args:
        correct: the outcomes.
        key: a single key, for the resamples: the same key, the same interval.

    Raises:
        ValueError: there are no outcomes, they are not in [0, 1], or the key is one per picture.
    """
    outcomes = _checked(correct)
    runs, pictures = outcomes.shape
    value = float(outcomes.double().mean())
    if runs == 1 and correct.dtype == torch.bool:
        low, high = _wilson(int(correct.sum()), pictures)
        return Measurement(value, low, high, pictures)
    return _interval(value, _bootstrap(key, runs, pictures, _mean_of(outcomes)), pictures)


def difference(first: Outcomes, second: Outcomes, key: Key) -> Measurement:
    """How much more often the first is right than the second, by pairs, and its interval.

    The same pictures and as many runs on both sides; a picture keeps its weight on both, which takes the difficulty
    of the pictures out of the interval.

    Args:
        first: the outcomes of one method.
        second: those of the other, of the same shape.
        key: as in `accuracy`.

    Returns:
        A figure in [−1, 1], unlike every other.

    Raises:
        ValueError: the shapes differ, or as `accuracy`.
    """
    if first.shape != second.shape:
        raise ValueError(
            f"a paired difference needs as many runs on the same pictures on both sides, "
            f"not {tuple(first.shape)} and {tuple(second.shape)}"
        )
    gain = _checked(first) - _checked(second)
    samples = _bootstrap(key, gain.shape[0], gain.shape[1], _mean_of(gain))
    return _interval(float(gain.double().mean()), samples, gain.shape[1], lowest=-1.0)


def calibration(confidence: Float[Tensor, "s n"], correct: Bool[Tensor, "s n"], key: Key) -> Measurement:
    """The expected calibration error (15 bins of equal width), mean over runs, and its interval.

    Args:
        confidence: the probability of the predicted class, 0..1.
        correct: whether the prediction is right.
        key: as in `accuracy`.

    Raises:
        ValueError: as `accuracy`.
    """
    outcomes, confidence = _checked(correct), confidence.detach().cpu()
    runs, pictures = outcomes.shape
    errors = [expected_calibration_error(c, o.bool(), BINS) for c, o in zip(confidence, outcomes, strict=True)]
    gaps = torch.zeros(runs, BINS, pictures)
    gaps.scatter_(1, confidence_bin(confidence, BINS)[:, None], (confidence.float() - outcomes)[:, None])

    def error(weights: Tensor, run_weights: Tensor) -> Tensor:
        return ((gaps @ weights).abs().sum(1) * run_weights).sum(0) / weights.sum(0)

    samples = _bootstrap(key, runs, pictures, error)
    return _interval(sum(errors) / runs, samples, pictures, centred=True)


def worst_class(
    correct: Outcomes, labels: Int64[Tensor, "n"], classes: Sequence[str], key: Key
) -> tuple[Measurement, int]:
    """The accuracy of the class that has the lowest, its interval, and which class it is.

    The lowest of several noisy figures is on average lower than the lowest of the true ones. The interval does not
    mend that: see the module's text. In a resample another class may be the lowest.

    Args:
        correct: the outcomes.
        labels: the pictures' classes, 0..len(classes)−1; a class without pictures is left out.
        classes: their names.
        key: as in `accuracy`.

    Returns:
        The figure, whose `count` is the number of pictures of that class, and the class.

    Raises:
        ValueError: a label has no name, or as `accuracy`.
    """
    outcomes, labels = _checked(correct), labels.cpu()
    runs, pictures = outcomes.shape
    if int(labels.min()) < 0 or int(labels.max()) >= len(classes):
        raise ValueError(
            f"labels reach from {int(labels.min())} to {int(labels.max())}, and there are {len(classes)} classes"
        )
    counts = labels.bincount(minlength=len(classes))
    sums = torch.zeros(len(classes), dtype=torch.float64).index_add_(0, labels, outcomes.double().mean(0))
    means = torch.where(counts > 0, sums / counts, torch.inf)
    which = int(means.argmin())

    def lowest(weights: Tensor, run_weights: Tensor) -> Tensor:
        per_class = torch.zeros(2, len(classes), weights.shape[1])
        per_class[0].index_add_(0, labels, weights * (outcomes.T @ run_weights))
        per_class[1].index_add_(0, labels, weights)
        # A class of a few pictures may go without weight: there its plain mean stands.
        return torch.where(per_class[1] > 0, per_class[0] / per_class[1], means.float()[:, None]).amin(0)

    samples = _bootstrap(key, runs, pictures, lowest)
    return _interval(float(means[which]), samples, int(counts[which]), centred=True), which


def _mean_of(outcomes: Float[Tensor, "s n"]) -> Statistic:
    def mean(weights: Tensor, run_weights: Tensor) -> Tensor:
        return ((outcomes @ weights) * run_weights).sum(0) / weights.sum(0)

    return mean


def _bootstrap(key: Key, runs: int, pictures: int, statistic: Statistic) -> Float[Tensor, "r"]:
    """The statistic of `RESAMPLES` resamples."""
    if key.shape != ():
        raise ValueError(f"an interval takes a single key, such as Key(seed), not one of shape {tuple(key.shape)}")
    key = key.to("cpu")
    drawn = key.fold("runs").integers(0, runs, RESAMPLES, runs)
    run_weights = torch.nn.functional.one_hot(drawn, runs).float().mean(1).T
    parts = zip(_weights(key, pictures), run_weights.split(_at_once(pictures), dim=1), strict=True)
    return torch.cat([statistic(weights, share) for weights, share in parts])


def _weights(key: Key, pictures: int) -> Iterator[Float[Tensor, "n r"]]:
    """How often each picture occurs in each resample: Poisson numbers of mean 1, some resamples at a time."""
    counts = torch.arange(1, _LARGEST_WEIGHT + 1, dtype=torch.float64)
    scores = torch.special.ndtri(torch.special.gammaincc(counts, torch.ones_like(counts))).tolist()  # of P(weight < k)
    for first in range(0, RESAMPLES, _at_once(pictures)):
        size = min(_at_once(pictures), RESAMPLES - first)
        normal = key.fold("pictures").fold(first).field(pictures, size)
        drawn = torch.zeros(normal.shape, dtype=torch.uint8)
        for score in scores:
            drawn += normal > score
        # A resample of no picture at all, possible with a handful of them, is taken as all of them.
        yield torch.where(drawn.amax(0) > 0, drawn, 1).float()


def _at_once(pictures: int) -> int:
    return max(1, min(RESAMPLES, _WEIGHTS_AT_ONCE // pictures))


def _interval(
    value: float, samples: Float[Tensor, "r"], pictures: int, *, lowest: float = 0.0, centred: bool = False
) -> Measurement:
    """The samples' central 95 %, between `lowest` and 1."""
    samples = samples.double()
    if centred:
        samples = samples + (value - samples.mean())
    low, high = torch.quantile(samples, torch.tensor([0.025, 0.975], dtype=torch.float64)).tolist()
    if high - low < 1e-6:
        slack = _wilson(0, pictures)[1]
        low, high = value - slack, value + slack
    # Rounding may put an end beyond the figure itself.
    return Measurement(value, max(min(low, value), lowest), min(max(high, value), 1.0), pictures)


def _wilson(right: int, pictures: int) -> tuple[float, float]:
    from scipy.stats import binomtest

    interval = binomtest(right, pictures).proportion_ci(confidence_level=0.95, method="wilson")
    return float(interval.low), float(interval.high)


def _checked(outcomes: Tensor) -> Float[Tensor, "s n"]:
    if outcomes.ndim != 2 or outcomes.numel() == 0:
        raise ValueError(f"outcomes have shape (runs, pictures) with at least one of each, not {tuple(outcomes.shape)}")
    outcomes = outcomes.detach().cpu().float()
    if not bool(((outcomes >= 0) & (outcomes <= 1 + 1e-6)).all()):
        raise ValueError("outcomes are yes or no, or shares in [0, 1]")
    return outcomes.clamp(max=1.0)

"""Figures with 95 % intervals from outcomes per picture; how an interval is made says `bootstrap`."""

from collections.abc import Sequence
from typing import Final

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from mechaug.evaluation.bootstrap import Outcomes, checked_outcomes, group_means, interval, mean_of, resample, wilson
from mechaug.evaluation.calibration import (
    BIN_SIZE,
    confidence_bin,
    expected_calibration_error,
    rms_bins,
    rms_calibration_error,
)
from mechaug.evaluation.result import Measurement
from mechaug.keys import Key

BINS: Final = 15


def accuracy(correct: Outcomes, key: Key) -> Measurement:
    """The share of right outcomes over runs and pictures, and its interval.

    Args:
        correct: the outcomes.
        key: a single key, for the resamples: the same key, the same interval.

    Raises:
        ValueError: there are no outcomes, they are not in [0, 1], or the key is one per picture.
    """
    outcomes = checked_outcomes(correct)
    runs, pictures = outcomes.shape
    value = float(outcomes.double().mean())
    if runs == 1 and correct.dtype == torch.bool:
        low, high = wilson(int(correct.sum()), pictures)
        return Measurement(value, low, high, pictures)
    return interval(value, resample(key, runs, pictures, mean_of(outcomes)), pictures)


def mean(values: Float[Tensor, "s n"], key: Key, *, lowest: float = 0.0, highest: float = 1.0) -> Measurement:
    """The mean over runs and pictures of any figure per picture, and its interval.

    Args:
        values: the figures, such as shares of flipped frames, Brier scores or negative log-likelihoods.
        key: as in `accuracy`.
        lowest: the lowest value that exists.
        highest: the highest one; `math.inf` where there is none.

    Raises:
        ValueError: there are no values, one is not finite or does not exist, or the key is one per picture.
    """
    if values.ndim != 2 or values.numel() == 0:
        raise ValueError(f"values have shape (runs, pictures) with at least one of each, not {tuple(values.shape)}")
    values = values.detach().cpu().float()
    if not bool((torch.isfinite(values) & (values >= lowest - 1e-6) & (values <= highest + 1e-6)).all()):
        raise ValueError(f"values are finite numbers from {lowest:g} to {highest:g}")
    runs, pictures = values.shape
    samples = resample(key, runs, pictures, mean_of(values))
    return interval(float(values.double().mean()), samples, pictures, lowest=lowest, highest=highest)


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
    gain = checked_outcomes(first) - checked_outcomes(second)
    samples = resample(key, gain.shape[0], gain.shape[1], mean_of(gain))
    return interval(float(gain.double().mean()), samples, gain.shape[1], lowest=-1.0)


def calibration(confidence: Float[Tensor, "s n"], correct: Bool[Tensor, "s n"], key: Key) -> Measurement:
    """The expected calibration error (15 bins of equal width), mean over runs, and its interval.

    Args:
        confidence: the probability of the predicted class, 0..1.
        correct: whether the prediction is right.
        key: as in `accuracy`.

    Raises:
        ValueError: as `accuracy`.
    """
    outcomes, confidence = checked_outcomes(correct), confidence.detach().cpu()
    runs, pictures = outcomes.shape
    errors = [expected_calibration_error(c, o.bool(), BINS) for c, o in zip(confidence, outcomes, strict=True)]
    gaps = torch.zeros(runs, BINS, pictures)
    gaps.scatter_(1, confidence_bin(confidence, BINS)[:, None], (confidence.float() - outcomes)[:, None])

    def error(weights: Tensor, run_weights: Tensor) -> Tensor:
        return ((gaps @ weights).abs().sum(1) * run_weights).sum(0) / weights.sum(0)

    samples = resample(key, runs, pictures, error)
    return interval(sum(errors) / runs, samples, pictures, centred=True)


def rms_calibration(
    confidence: Float[Tensor, "s n"], correct: Bool[Tensor, "s n"], key: Key, *, drop_last_bin: bool = False
) -> Measurement:
    """The adaptive RMS calibration error (bins of 100 pictures), mean over runs, and its interval.

    Resamples keep the bins of the pictures themselves.

    Args:
        confidence: the probability of the predicted class, 0..1.
        correct: whether the prediction is right.
        key: as in `accuracy`.
        drop_last_bin: as in `rms_calibration_error`.

    Raises:
        ValueError: as `accuracy`.
    """
    outcomes, confidence = checked_outcomes(correct), confidence.detach().cpu()
    runs, pictures = outcomes.shape
    pairs = zip(confidence, outcomes, strict=True)
    errors = [rms_calibration_error(c, o.bool(), drop_last_bin=drop_last_bin) for c, o in pairs]
    bins = torch.stack([rms_bins(one, BIN_SIZE) for one in confidence])
    gaps = confidence.float() - outcomes

    def error(weights: Tensor, run_weights: Tensor) -> Tensor:
        per_run = []
        for gap, place in zip(gaps, bins, strict=True):
            totals = torch.zeros(2, int(bins.max()) + 1, weights.shape[1])
            totals[0].index_add_(0, place, weights * gap[:, None])
            totals[1].index_add_(0, place, weights)
            shares = totals[0].square() / totals[1].clamp(min=1)
            per_run.append((shares[:-1] if drop_last_bin else shares).sum(0))
        return ((torch.stack(per_run) / weights.sum(0)).sqrt() * run_weights).sum(0)

    samples = resample(key, runs, pictures, error)
    return interval(sum(errors) / runs, samples, pictures, centred=True)


def worst_class(
    correct: Outcomes, labels: Int64[Tensor, "n"], classes: Sequence[str], key: Key
) -> tuple[Measurement, int]:
    """The accuracy of the class that has the lowest, its interval, and which class it is.

    The lowest of several noisy figures is on average lower than the lowest of the true ones. The interval does not
    mend that: see `bootstrap`. In a resample another class may be the lowest.

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
    outcomes, labels = checked_outcomes(correct), labels.cpu()
    runs, pictures = outcomes.shape
    if int(labels.min()) < 0 or int(labels.max()) >= len(classes):
        raise ValueError(
            f"labels reach from {int(labels.min())} to {int(labels.max())}, and there are {len(classes)} classes"
        )
    means, per_class = group_means(outcomes, labels, len(classes))
    which = int(means.argmin())
    samples = resample(key, runs, pictures, per_class).amin(0)
    return interval(float(means[which]), samples, int((labels == which).sum()), centred=True), which

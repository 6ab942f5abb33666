"""Calibration: whether a model that says 80 % is right 80 % of the time, and scores that ask for more.

Guo, Pleiss, Sun and Weinberger, "On calibration of modern neural networks", ICML 2017, section 2; Hendrycks, Mazeika
and Dietterich, "Deep anomaly detection with outlier exposure", ICLR 2019, section 5, for the adaptive error; Gneiting
and Raftery, "Strictly proper scoring rules, prediction, and estimation", JASA 2007, for the two scores.
"""

from typing import Final

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor
from torch.nn.functional import cross_entropy, one_hot

from mechaug.evaluation.predict import check_labels, refuse_probabilities
from mechaug.types import Labels, Logits, PerImage

BIN_SIZE: Final = 100
"""Pictures in a bin of the adaptive error."""


def expected_calibration_error(confidence: Float[Tensor, "n"], correct: Bool[Tensor, "n"], bins: int = 15) -> float:
    """The expected calibration error: the mean gap between confidence and accuracy, over bins of equal width.

    Σ_m |B_m|/n · |accuracy(B_m) − confidence(B_m)| with B_m = ((m − 1)/M, m/M], equation 3 of Guo et al. (2017). The
    last bin holds the confidence 1, which saturated networks give often, with its neighbours; torchmetrics 1.x puts
    it into a bin of its own, and agrees everywhere else but on the bins' edges.

    Args:
        confidence: the probability of the predicted class, 0..1.
        correct: whether the prediction is right.
        bins: how many bins.

    Returns:
        A number in [0, 1].

    Raises:
        ValueError: there are no predictions, or as `confidence_bin`.
    """
    if len(confidence) == 0:
        raise ValueError("a calibration error needs at least one prediction")
    gaps = confidence.double() - correct.double()
    per_bin = torch.zeros(bins, dtype=torch.float64, device=gaps.device)
    per_bin.index_add_(0, confidence_bin(confidence, bins), gaps)
    return float(per_bin.abs().sum()) / len(confidence)


def confidence_bin(confidence: Float[Tensor, "..."], bins: int) -> Int64[Tensor, "..."]:
    """Which of the bins (0, 1/M], …, ((M − 1)/M, 1] a confidence lies in, 0..M−1; the confidence 0 is in the first.

    Raises:
        ValueError: a confidence is not in [0, 1], or there is no bin.
    """
    if bins < 1:
        raise ValueError(f"a calibration error needs at least one bin, not {bins}")
    check_confidence(confidence)
    # Edges in the confidence's own precision, so that 0.2 in float32 lies on the edge 3/15 in float32.
    edges = (torch.arange(1, bins, dtype=torch.float64, device=confidence.device) / bins).to(confidence.dtype)
    return torch.bucketize(confidence, edges)


def check_confidence(confidence: Float[Tensor, "..."]) -> None:
    """Refuse what is no probability.

    Raises:
        ValueError: a confidence is not in [0, 1].
    """
    # A softmax in float32 may round to a little more than 1.
    if not bool(((confidence >= 0) & (confidence <= 1 + 1e-6)).all()):
        raise ValueError("a confidence is a probability in [0, 1]: give the softmax's largest entry, not the logit")


def rms_calibration_error(
    confidence: Float[Tensor, "n"],
    correct: Bool[Tensor, "n"],
    *,
    bin_size: int = BIN_SIZE,
    drop_last_bin: bool = False,
) -> float:
    """The adaptive RMS calibration error: bins of equally many predictions in the order of their confidence.

    √(Σ_b n_b/n · (confidence_b − accuracy_b)²). The tool from which published figures come (AugMix, PixMix) leaves the
    last bin out of the sum, the most confident one, and still divides by all n: its figures are too low.

    Args:
        confidence: the probability of the predicted class, 0..1.
        correct: whether the prediction is right.
        bin_size: predictions in a bin; the last one takes what is left over too.
        drop_last_bin: as the published tool, only to compare with figures that come from it.

    Returns:
        A number in [0, 1].

    Raises:
        ValueError: there are no predictions, a bin is empty, or a confidence is not in [0, 1].
    """
    if len(confidence) == 0:
        raise ValueError("a calibration error needs at least one prediction")
    check_confidence(confidence)
    place = rms_bins(confidence, bin_size)
    count = int(place.max()) + 1
    totals = torch.zeros(2, count, dtype=torch.float64, device=confidence.device)
    totals[0].index_add_(0, place, confidence.double() - correct.double())
    totals[1].index_add_(0, place, torch.ones_like(confidence, dtype=torch.float64))
    shares = totals[0].square() / totals[1] / len(confidence)
    return float(shares[: count - 1 if drop_last_bin else count].sum()) ** 0.5


def rms_bins(confidence: Float[Tensor, "n"], bin_size: int) -> Int64[Tensor, "n"]:
    """Which bin of the adaptive error each prediction lies in; equal confidences keep their order.

    Raises:
        ValueError: a bin is empty.
    """
    if bin_size < 1:
        raise ValueError(f"a bin holds at least one prediction, not {bin_size}")
    order = confidence.argsort(stable=True)
    last = max(len(confidence) // bin_size, 1) - 1
    ranks = torch.arange(len(confidence), device=confidence.device)
    return torch.empty_like(order).index_copy_(0, order, (ranks // bin_size).clamp(max=last))


def brier_scores(logits: Logits, labels: Labels) -> PerImage:
    """The Brier score of each prediction: Σ_k (p_k − [k = label])², from 0 (certain and right) to 2.

    Args:
        logits: of each picture.
        labels: their classes.

    Raises:
        ValueError: the logits are probabilities already, or a label is none of the classes.
    """
    refuse_probabilities(logits)
    check_labels(labels, logits.shape[1])
    return (logits.softmax(1) - one_hot(labels, logits.shape[1])).square().sum(1)


def log_losses(logits: Logits, labels: Labels) -> PerImage:
    """The negative log-likelihood of each label, −log p_label, in nats, 0 or more.

    Args:
        logits: of each picture.
        labels: their classes.

    Raises:
        ValueError: as `brier_scores`.
    """
    refuse_probabilities(logits)
    check_labels(labels, logits.shape[1])
    return cross_entropy(logits, labels, reduction="none")

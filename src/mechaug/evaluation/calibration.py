"""Calibration: whether a model that says 80 % is right 80 % of the time.

Guo, Pleiss, Sun and Weinberger, "On calibration of modern neural networks", ICML 2017, section 2.
"""

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor


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
    # A softmax in float32 may round to a little more than 1.
    if not bool(((confidence >= 0) & (confidence <= 1 + 1e-6)).all()):
        raise ValueError("a confidence is a probability in [0, 1]: give the softmax's largest entry, not the logit")
    # Edges in the confidence's own precision, so that 0.2 in float32 lies on the edge 3/15 in float32.
    edges = (torch.arange(1, bins, dtype=torch.float64, device=confidence.device) / bins).to(confidence.dtype)
    return torch.bucketize(confidence, edges)

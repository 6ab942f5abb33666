"""The scores of ImageNet-C: mean error, and mCE and relative mCE, which divide by AlexNet's errors.

Hendrycks and Dietterich, "Benchmarking neural network robustness to common corruptions and perturbations", ICLR 2019,
section 4: CE_c = Σ_s E_{c,s} / Σ_s E^{AlexNet}_{c,s}, mCE its mean over the fifteen corruptions; relative CE_c has
E_{c,s} − E_clean above and E^{AlexNet}_{c,s} − E^{AlexNet}_clean below. On CIFAR nothing is divided: the score there is
the mean error, which some papers call mCE all the same.

Both are means over pictures of a weighted sum of errors, so their intervals come from the same bootstrap as others.
"""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Final

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from mechaug.evaluation import metrics
from mechaug.evaluation.result import Measurement
from mechaug.keys import Key

ALEXNET_ERRORS: Final[Mapping[str, float]] = MappingProxyType({
    "gaussian_noise": 0.886428, "shot_noise": 0.894468, "impulse_noise": 0.922640,
    "defocus_blur": 0.819880, "glass_blur": 0.826268, "motion_blur": 0.785948, "zoom_blur": 0.798360,
    "snow": 0.866816, "frost": 0.826572, "fog": 0.819324, "brightness": 0.564592,
    "contrast": 0.853204, "elastic_transform": 0.646056, "pixelate": 0.717840, "jpeg_compression": 0.606500,
})  # fmt: skip
"""AlexNet's error on ImageNet-C, the mean over five severities of the 50,000 validation pictures, as published."""

ALEXNET_CLEAN_ERROR: Final = 0.4348
"""AlexNet's error on the clean validation pictures (top-1 accuracy 56.52 %, the same weights)."""

SEVERITIES: Final = (1, 2, 3, 4, 5)


def can_be_normalised(names: Sequence[str], severities: Sequence[int]) -> bool:
    """Whether mCE is defined: for all fifteen corruptions, in any order, at all five severities."""
    return set(names) == set(ALEXNET_ERRORS) and tuple(severities) == SEVERITIES


def mean_error(right: Bool[Tensor, "s c v n"], key: Key) -> Measurement:
    """The error, mean over corruptions, severities, runs and pictures; by `1 − accuracy`.

    Args:
        right: whether a run was right, by run, corruption, severity and picture.
        key: a single key, for the resamples.
    """
    return metrics.accuracy((~right).float().mean(dim=(1, 2)), key)


def corruption_errors(right: Bool[Tensor, "s c v n"], names: Sequence[str], key: Key) -> dict[str, Measurement]:
    """CE of each corruption: its error over AlexNet's.

    Args:
        right: as in `mean_error`.
        names: of the corruptions, each one of `ALEXNET_ERRORS`.
        key: a single key.
    """
    return {
        name: _scaled(
            metrics.accuracy((~right[:, row]).float().mean(1), key.fold(name)), 1 / ALEXNET_ERRORS[name]
        )
        for row, name in enumerate(names)
    }  # fmt: skip


def mce(right: Bool[Tensor, "s c v n"], names: Sequence[str], key: Key) -> Measurement:
    """The mean corruption error; 1 is AlexNet's.

    Args:
        right: as in `mean_error`, for all fifteen corruptions at five severities.
        names: of the corruptions, in their order.
        key: a single key.

    Raises:
        ValueError: a corruption or a severity is missing.
    """
    weights = _weights(right, names, 0.0)
    errors = (~right).float().mean(2)
    return metrics.mean(torch.einsum("scn,c->sn", errors, weights), key, highest=float(weights.sum()))


def relative_mce(
    right: Bool[Tensor, "s c v n"], clean: Bool[Tensor, "s n"], names: Sequence[str], key: Key
) -> Measurement:
    """The relative mean corruption error: what corruption takes away, in units of what it takes away from AlexNet.

    Args:
        right: as in `mce`.
        clean: whether a run was right on the same pictures when clean.
        names: as in `mce`.
        key: a single key.

    Raises:
        ValueError: as `mce`.
    """
    weights = _weights(right, names, ALEXNET_CLEAN_ERROR)
    lost = (~right).float().mean(2) - (~clean).float()[:, None]
    bound = float(weights.sum())
    return metrics.mean(torch.einsum("scn,c->sn", lost, weights), key, lowest=-bound, highest=bound)


def _weights(right: Tensor, names: Sequence[str], clean_error: float) -> Float[Tensor, "c"]:
    if not can_be_normalised(names, range(1, right.shape[2] + 1)) or right.shape[1] != len(names):
        raise ValueError("mCE is the mean over fifteen corruptions at five severities: measure all of them")
    return torch.tensor([1 / (ALEXNET_ERRORS[name] - clean_error) for name in names]) / len(names)


def _scaled(measurement: Measurement, factor: float) -> Measurement:
    return Measurement(
        measurement.value * factor, measurement.low * factor, measurement.high * factor, measurement.count
    )

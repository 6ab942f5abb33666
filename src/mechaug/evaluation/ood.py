"""Out-of-distribution detection: whether a model's answers tell pictures of its classes from other pictures.

A score says how strange a picture is; a picture from elsewhere is the positive case, as in Hendrycks and Gimpel, "A
baseline for detecting misclassified and out-of-distribution examples in neural networks", ICLR 2017 (largest softmax),
and in Liu, Wang, Owens and Li, "Energy-based out-of-distribution detection", NeurIPS 2020 (energy), who call it the
negative one: there AUROC is the same, and FPR95 is another figure.
"""

from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

import torch
from jaxtyping import Float
from torch import Tensor

from mechaug.evaluation.bootstrap import interval, picture_weights
from mechaug.evaluation.predict import refuse_probabilities
from mechaug.evaluation.result import Measurement
from mechaug.keys import Key
from mechaug.types import Logits, PerImage

Score: TypeAlias = Literal["max softmax", "energy"]

_WEIGHTS_AT_ONCE: Final = 2**20


@dataclass(frozen=True)
class Detection:
    """How well one score tells the two kinds of pictures apart.

    Attributes:
        score: which one.
        auroc: the chance that a picture from elsewhere is stranger than one of the data; ½ by guessing.
        aupr: the average precision in finding pictures from elsewhere; their share of all by guessing.
        fpr95: the share of the data's pictures that are called strange when 95 % of those from elsewhere are.
        elsewhere: how many of all pictures are from elsewhere, a share; `aupr` depends on it.
    """

    score: Score
    auroc: Measurement
    aupr: Measurement
    fpr95: Measurement
    elsewhere: float


def strangeness(logits: Logits, score: Score) -> PerImage:
    """How strange each picture is to the model.

    Minus the largest probability (equation 1 of Hendrycks and Gimpel, 2017), or the energy −log Σ exp(logit) at
    temperature 1 (equation 3 of Liu et al., 2020).

    Raises:
        ValueError: the logits are probabilities already, or there is no such score.
    """
    refuse_probabilities(logits)
    if score == "max softmax":
        return -logits.double().softmax(1).amax(1)
    if score == "energy":
        return -logits.double().logsumexp(1)
    raise ValueError(f"there is no score {score!r}: use 'max softmax' or 'energy'")


def detection(inside: Float[Tensor, "a k"], elsewhere: Float[Tensor, "e k"], score: Score, key: Key) -> Detection:
    """How well a score tells pictures from elsewhere from those of the data, with intervals over both.

    Args:
        inside: logits for pictures of the data.
        elsewhere: logits of the same model for other pictures.
        score: which one.
        key: a single key, for the resamples.

    Raises:
        ValueError: one side has no pictures, or as `strangeness`.
    """
    return detection_of(strangeness(inside, score), strangeness(elsewhere, score), score, key)


def detection_of(inside: Float[Tensor, "a"], elsewhere: Float[Tensor, "e"], score: Score, key: Key) -> Detection:
    """`detection` from what `strangeness` says of each picture, which takes less room than logits.

    Raises:
        ValueError: one side has no pictures.
    """
    if not len(inside) or not len(elsewhere):
        raise ValueError("a detection needs pictures of the data and pictures from elsewhere")
    strange = torch.cat((inside, elsewhere)).cpu()
    count, others = len(inside), len(elsewhere)
    figures = _Curve(strange)
    plain = figures(torch.ones(count, 1), torch.ones(others, 1))[:, 0].tolist()
    at_once = max(1, _WEIGHTS_AT_ONCE // len(strange))
    weights = (
        picture_weights(key.fold(side), pictures, at_once)
        for side, pictures in (("inside", count), ("elsewhere", others))
    )
    samples = torch.cat([figures(a, b) for a, b in zip(*weights, strict=True)], dim=1)
    auroc, aupr, fpr95 = (
        interval(value, sample, min(count, others)) for value, sample in zip(plain, samples, strict=True)
    )
    return Detection(score, auroc, aupr, fpr95, others / (count + others))


class _Curve:
    """AUROC, AUPR and FPR95 of weighted pictures, from one sorting."""

    def __init__(self, strange: Float[Tensor, "n"]) -> None:
        self._order = strange.argsort(descending=True, stable=True)
        ordered = strange[self._order]
        # Pictures of one score are told apart by nothing: a curve has points only after the last of them.
        self._ends = torch.cat((ordered[1:] != ordered[:-1], torch.ones(1, dtype=torch.bool))).nonzero().squeeze(1)

    def __call__(self, inside: Float[Tensor, "a r"], elsewhere: Float[Tensor, "b r"]) -> Float[Tensor, "3 r"]:
        # Sums of weights are whole numbers, and exact in float32 up to 16 million.
        positive = torch.cat((torch.zeros_like(inside), elsewhere))[self._order].cumsum(0)[self._ends]
        negative = torch.cat((inside, torch.zeros_like(elsewhere)))[self._order].cumsum(0)[self._ends]
        recall, alarms = positive / positive[-1], negative / negative[-1]
        gained = recall.diff(dim=0, prepend=torch.zeros_like(recall[:1]))
        before = torch.cat((torch.zeros_like(alarms[:1]), alarms[:-1]))
        # A picture from elsewhere beats the data's pictures that are less strange, and half of those as strange.
        auroc = (gained * (1 - (before + alarms) / 2)).sum(0, dtype=torch.float64)
        precision = positive / (positive + negative).clamp(min=1e-6)
        first = (recall >= 0.95 - 1e-6).int().argmax(0, keepdim=True)
        aupr = (gained * precision).sum(0, dtype=torch.float64)
        return torch.stack((auroc, aupr, alarms.gather(0, first).squeeze(0).double()))

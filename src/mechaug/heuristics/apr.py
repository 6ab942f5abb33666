"""Amplitude–phase recombination: a picture is what its phase says, whatever its amplitude.

Chen et al., "Amplitude-phase recombination: rethinking robustness of convolutional neural networks in frequency
domain", ICCV 2021. The published spectra are over rows, columns and channels together, and so are these. What leaves
[0, 1] is cut off (the published code for single pictures lets its bytes wrap around).
"""

from dataclasses import dataclass, field
from typing import ClassVar, Final, final

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from mechaug.heuristics.augmix import OPERATIONS, apply_everyday
from mechaug.heuristics.base import About, Citation, Heuristic
from mechaug.heuristics.chains import NOTHING
from mechaug.heuristics.levels import to_levels, to_picture
from mechaug.heuristics.views import Batch, Mixing, View, ViewMaker, in_turn, partner_rows
from mechaug.keys import Key
from mechaug.mechanisms.base import Parameters, parameters, per_image
from mechaug.mechanisms.eager import put_back
from mechaug.types import Image, Labels, PerImage

CITATION: Final = Citation(
    "chen2021apr",
    (
        "Chen, Guangyao",
        "Peng, Peixi",
        "Ma, Li",
        "Li, Jia",
        "Du, Lin",
        "Tian, Yonghong",
    ),
    "Amplitude-Phase Recombination: Rethinking Robustness of Convolutional Neural Networks in Frequency Domain",
    "ICCV",
    2021,
)

_NAMES: Final = tuple(OPERATIONS)
_WEAKEST: Final = 0.1
_BREAKS: Final = "Classes that differ by contrast, colour or texture, which live in the amplitude."
_ASSUMPTION: Final = "The class is in the phase of a picture's spectrum and not in its amplitude."


def recombine(amplitude: Image, phase: Image) -> Image:
    """The picture with the amplitude spectrum of one and the phase spectrum of another; not cut to [0, 1]."""
    if not len(phase):
        return phase
    axes = (1, 2, 3)
    # The last axis is halved, and so is the work.
    strength = torch.fft.rfftn(amplitude.float(), dim=axes).abs()
    spectrum = torch.fft.rfftn(phase.float(), dim=axes)
    size = spectrum.abs()
    # Where a picture has no wave its phase is 0, as an angle's is.
    turn = torch.where(size > 0, spectrum / size.clamp(min=torch.finfo(size.dtype).tiny), 1.0)
    return torch.fft.irfftn(strength * turn, s=phase.shape[1:], dim=axes).to(phase.dtype)


@parameters
class APRPairParameters(Parameters):
    """One row per image.

    Attributes:
        partner: a draw in [0, 1] that `partner_rows` turns into a row of the batch.
        strength: 1 where the amplitude becomes the partner's, 0 where the picture stays.
    """

    partner: PerImage
    strength: PerImage


@final
@dataclass(frozen=True)
class APRPair(Mixing[APRPairParameters]):
    """APR-P: each picture with the amplitudes of another of the batch; it keeps its own label.

    The published loss is on clean and recombined pictures alike: `CrossEntropy("clean") + CrossEntropy("augmented")`.

    Args:
        probability: of a picture to be recombined (published: of a batch).

    Raises:
        ValueError: it is no probability.
    """

    probability: int | float = 0.6

    overlaps = ("brightness", "contrast", "saturate")
    about: ClassVar[About] = About(
        name="APR-P",
        family="frequency",
        principle="Gives a picture the amplitude spectrum of another and keeps its phase and its label.",
        assumption=_ASSUMPTION,
        needs="a batch",
        breaks=_BREAKS,
        labels="kept by hope",
        cost="Three Fourier transforms per picture, and a second forward and backward pass.",
        citation=CITATION,
    )

    def __post_init__(self) -> None:
        if not 0 <= self.probability <= 1:
            raise ValueError(f"APRPair(probability=…) is a share from 0 to 1, not {self.probability}")

    def sample(self, key: Key) -> APRPairParameters:
        own = key.fold("APRPair")
        happens = own.fold("happens").unit() < self.probability
        return APRPairParameters(partner=own.fold("partner").uniform(), strength=happens.float())

    def neutral(self, batch: int) -> APRPairParameters:
        return APRPairParameters(torch.linspace(0.0, 1.0, batch), torch.zeros(batch))

    def mix(self, x: Image, params: APRPairParameters) -> Image:
        mixed = recombine(x.index_select(0, partner_rows(params.partner)), x)
        return torch.where(per_image(params.strength) > 0.5, mixed, x)

    def targets(self, labels: Labels, classes: int, params: APRPairParameters) -> Labels:
        del classes, params
        return labels


@parameters
class APRSingleParameters(Parameters):
    """One row per image.

    Attributes:
        operation: one for the picture and one for the copy made from the result, indices into AugMix's operations, or
            `NOTHING`.
        level: how strong each is, 0 to 10.
        sign: +1 or −1, its direction.
        phase: whose phase and whose amplitude: 0 for the picture alone, 1 for its phase with the copy's amplitude, 2
            for its amplitude with the copy's phase.
    """

    operation: Int64[Tensor, "b 2"]
    level: Float[Tensor, "b 2"]
    sign: Float[Tensor, "b 2"]
    phase: Int64[Tensor, "b"]


@final
@dataclass(frozen=True)
class APRSingle(Heuristic[APRSingleParameters]):
    """APR-S: the amplitude and the phase of two differently augmented copies of one picture.

    The picture goes through one of AugMix's operations. Half of the pictures are then recombined with a copy that went
    through a further one, either of the two giving the phase.

    Args:
        severity: of the operations: levels are uniform in 0.1 to this.

    Raises:
        ValueError: it is outside its range.
    """

    severity: int | float = 3.0

    overlaps = ("brightness", "contrast")
    about: ClassVar[About] = About(
        name="APR-S",
        family="frequency",
        principle="Joins the amplitude spectrum of one augmented copy of a picture with the phase of another.",
        assumption=_ASSUMPTION,
        needs="nothing",
        breaks=_BREAKS,
        labels="kept by hope",
        cost="An operation and a half per picture, and three Fourier transforms for half of them.",
        citation=CITATION,
    )

    def __post_init__(self) -> None:
        if not _WEAKEST < self.severity <= 10:
            raise ValueError(f"APRSingle(severity=…) is above {_WEAKEST} and at most 10, not {self.severity}")

    def sample(self, key: Key) -> APRSingleParameters:
        own = key.fold("APRSingle")
        recombined = own.fold("recombined").integers(0, 2)
        phase = recombined * (1 + own.fold("phase").integers(0, 2))
        operation = own.fold("operation").integers(0, len(_NAMES), 2)
        unused = torch.stack((torch.zeros_like(phase), phase == 0), dim=-1).bool()
        return APRSingleParameters(
            operation=operation.masked_fill(unused, NOTHING),
            level=own.fold("level").uniform(_WEAKEST, self.severity, 2),
            sign=1.0 - 2.0 * own.fold("sign").integers(0, 2, 2).float(),
            phase=phase,
        )

    def neutral(self, batch: int) -> APRSingleParameters:
        zeros = torch.zeros(batch, 2)
        whole = torch.zeros(batch, dtype=torch.int64)
        return APRSingleParameters(torch.full((batch, 2), NOTHING), zeros, zeros + 1.0, whole)

    def transform(self, x: Image, params: APRSingleParameters) -> Image:
        first = to_levels(x)
        steps = (params.operation, params.level, params.sign)
        apply_everyday(first, _NAMES, *(part[:, :1] for part in steps))
        rows = (params.phase > 0).nonzero().squeeze(1)
        second = first.index_select(0, rows)
        apply_everyday(second, _NAMES, *(part[rows, 1:] for part in steps))
        first, second = first.float(), second.float()
        own = first.index_select(0, rows)
        whose = per_image(params.phase[rows] == 1)
        recombined = recombine(torch.where(whose, second, own), torch.where(whose, own, second))
        put_back(first, rows, recombined.clamp(0.0, 255.0))
        kept = per_image((params.operation[:, 0] == NOTHING) & (params.phase == 0))
        return torch.where(kept, x, to_picture(first, x))


@final
@dataclass(frozen=True)
class APRBoth(ViewMaker):
    """APR-SP: every picture goes through APR-S, and the augmented views through APR-P as well.

    Args:
        single: what happens to all pictures, the clean view among them.
        pair: what happens to the further views.
    """

    single: APRSingle = field(default_factory=APRSingle)
    pair: APRPair = field(default_factory=APRPair)

    overlaps = ("brightness", "contrast", "saturate")
    about: ClassVar[About] = About(
        name="APR-SP",
        family="frequency",
        principle="APR-S for every picture, and in a second view APR-P of the result.",
        assumption=_ASSUMPTION,
        needs="a batch",
        breaks=_BREAKS,
        labels="kept by hope",
        cost="Those of APR-S and APR-P.",
        citation=CITATION,
    )

    def __call__(self, picture: Image, key: Key) -> Image:
        """What an augmented view shows."""
        return self.pair(self.single(picture, key), key)

    def views(self, model: nn.Module, batch: Batch, *, clean: bool, count: int) -> tuple[View, ...]:
        del model
        first = self.single(batch.pictures, batch.key)
        plain = (View(first, batch.labels),) if clean else ()
        return plain + in_turn(batch, lambda key: View(self.pair(first, key), batch.labels), clean=False, count=count)

"""Fast AutoAugment: several hundred pairs of operations, found by matching the densities of data and augmented data.

Lim et al., "Fast AutoAugment", NeurIPS 2019. The policy for CIFAR-10 is beside this file as data, as its authors
published it: 493 pairs, each step with its probability and its level from 0 to 1.
"""

import csv
import functools
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Final, final

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from mechaug.heuristics import policy
from mechaug.heuristics.base import About, Citation, Heuristic
from mechaug.heuristics.chains import NOTHING
from mechaug.heuristics.geometry import moved
from mechaug.heuristics.levels import Levels
from mechaug.heuristics.policy import Step
from mechaug.keys import Key
from mechaug.mechanisms.base import Parameters, parameters
from mechaug.types import Image, PerImage

_FILE: Final = Path(__file__).with_name("fast_autoaugment_cifar10.csv")

RANGES: Final[Mapping[str, tuple[float, float]]] = {
    "shear_x": (-0.3, 0.3), "shear_y": (-0.3, 0.3), "translate_x": (-0.45, 0.45), "translate_y": (-0.45, 0.45),
    "rotate": (-30.0, 30.0), "solarize": (0.0, 256.0), "posterize": (4.0, 8.0), "contrast": (0.1, 1.9),
    "colour": (0.1, 1.9), "brightness": (0.1, 1.9), "sharpness": (0.1, 1.9), "cutout": (0.0, 0.2),
    "autocontrast": (0.0, 1.0), "invert": (0.0, 1.0), "equalize": (0.0, 1.0),
}  # fmt: skip
"""What the levels 0 and 1 mean: Pillow's own arguments, translations and the side of a cutout in shares of the side."""

_NAMES: Final = tuple(RANGES)
_MIRRORED: Final = frozenset({"shear_x", "shear_y", "translate_x", "translate_y", "rotate"})
_CUTOUT: Final = _NAMES.index("cutout")
_COLOUR: Final = (125.0, 123.0, 114.0)  # of a cutout, grey levels

_STEPS: Final[Mapping[str, Step]] = {
    **policy.OPERATIONS,
    # Here a translation is not cut to whole pixels before it is looked up.
    "translate_x": lambda x, share: moved(x, share.double() * x.shape[3], 0, 2, "nearest"),
    "translate_y": lambda x, share: moved(x, share.double() * x.shape[2], 1, 2, "nearest"),
}


@parameters
class FastAutoAugmentParameters(Parameters):
    """One row per image.

    Attributes:
        operation: of each step, an index into `RANGES`, or `NOTHING`.
        magnitude: how far it goes, as in `mechaug.heuristics.policy`; of a cutout its side, in shares of the width.
        across: where the middle of a cutout lies, in shares of the width; 0 for all other operations.
        down: the same in shares of the height.
    """

    operation: Int64[Tensor, "b steps"]
    magnitude: Float[Tensor, "b steps"]
    across: Float[Tensor, "b steps"]
    down: Float[Tensor, "b steps"]


@final
@dataclass(frozen=True)
class FastAutoAugment(Heuristic[FastAutoAugmentParameters]):
    """One of 493 pairs of operations per picture, each taken with its own probability.

    The pairs were found with these ranges and directions, so levels mean here what they meant there: a posterization to
    4 bits at level 0, a solarization of everything at level 0, no change of colours at ½. Pictures come out with 256
    grey levels.
    """

    overlaps = ("brightness", "contrast", "saturate")
    about: ClassVar[About] = About(
        name="Fast AutoAugment",
        family="policy",
        principle="Applies a random one of 493 pairs of operations, found by searching for augmented pictures that a "
        "net trained without them still classifies well.",
        assumption="What a net of one half of the data classifies well belongs to the density of the data.",
        needs="nothing; a policy for another kind of data needs a search",
        breaks="Labels that rest on colour, tone or orientation; low levels posterize and solarize the most.",
        labels="kept by hope",
        cost="One operation per picture on average; a search of hours on one GPU, once.",
        citation=Citation(
            "lim2019fastautoaugment",
            ("Lim, Sungbin", "Kim, Ildoo", "Kim, Taesup", "Kim, Chiheon", "Kim, Sungwoong"),
            "Fast AutoAugment",
            "NeurIPS",
            2019,
        ),
    )

    def sample(self, key: Key) -> FastAutoAugmentParameters:
        """Draw a pair, whether to take its operations, their directions, and where cutouts lie."""
        own = key.fold("FastAutoAugment")
        operation, probability, magnitude, mirrored = (part.to(key.device) for part in _tables())
        pair = own.fold("pair").integers(0, len(operation))
        idle = own.fold("taken").unit(2) >= probability[pair]
        sign = 1.0 - 2.0 * own.fold("sign").integers(0, 2, 2).float()
        drawn = torch.where(mirrored[pair], sign, 1.0) * magnitude[pair]
        nowhere = idle | (operation[pair] != _CUTOUT)
        return FastAutoAugmentParameters(
            operation=operation[pair].masked_fill(idle, NOTHING),
            magnitude=drawn.masked_fill(idle, 0.0),
            across=own.fold("across").uniform(0.0, 1.0, 2).masked_fill(nowhere, 0.0),
            down=own.fold("down").uniform(0.0, 1.0, 2).masked_fill(nowhere, 0.0),
        )

    def neutral(self, batch: int) -> FastAutoAugmentParameters:
        none = torch.zeros(batch, 2)
        return FastAutoAugmentParameters(torch.full((batch, 2), NOTHING), none, none, none)

    def transform(self, x: Image, params: FastAutoAugmentParameters) -> Image:
        def act(code: int, some: Levels, rows: Tensor, step: int) -> Levels:
            magnitude = params.magnitude[rows, step]
            if code == _CUTOUT:
                return _cutout(some, magnitude, params.across[rows, step], params.down[rows, step])
            return _STEPS[_NAMES[code]](some, magnitude)

        return policy.in_levels(x, params.operation.masked_fill(params.magnitude == 0, NOTHING), len(_NAMES), act)


def _cutout(levels: Levels, side: PerImage, across: PerImage, down: PerImage) -> Levels:
    """A square of one colour, as Pillow draws it: both borders included, and cut off at the picture's edge."""
    height, width = levels.shape[2:]
    length = (side * width)[:, None]
    masks: list[Tensor] = []
    for place, size in ((down, height), (across, width)):
        first = (place[:, None] * size - length / 2).clamp(min=0.0).floor()
        pixel = torch.arange(size, device=levels.device)
        masks.append((pixel >= first) & (pixel <= first + length))
    colour = levels.new_tensor(_COLOUR if levels.shape[1] == 3 else _COLOUR[1:2])
    return torch.where(masks[0][:, None, :, None] & masks[1][:, None, None, :], colour[:, None, None], levels)


def magnitude(name: str, level: float) -> float:
    """How far an operation goes at a level, 0 to 1, in the unit of `mechaug.heuristics.policy`."""
    low, high = RANGES[name]
    value = low + (high - low) * level
    match name:
        case "autocontrast" | "invert" | "equalize":
            return 1.0
        case "posterize":
            return 8.0 - int(value)
        case "solarize":
            return 256.0 - value
        case "brightness" | "colour" | "contrast" | "sharpness":
            return value - 1.0
        case _:
            return value


@functools.cache
def pairs() -> tuple[tuple[tuple[str, float, float], tuple[str, float, float]], ...]:
    """The published policy: two steps each, an operation with its probability and its level."""
    with _FILE.open(encoding="ascii", newline="") as file:
        _, *rows = csv.reader(file)
    return tuple(((a, float(p), float(m)), (b, float(q), float(n))) for a, p, m, b, q, n in rows)


@functools.cache
def _tables() -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Operation, probability, magnitude, and whether it goes either way, of shape (pairs, 2) each."""
    steps = [step for pair in pairs() for step in pair]
    return (
        torch.tensor([_NAMES.index(name) for name, _, _ in steps]).view(-1, 2),
        torch.tensor([probability for _, probability, _ in steps], dtype=torch.float64).view(-1, 2),
        torch.tensor([magnitude(name, level) for name, _, level in steps]).view(-1, 2),
        torch.tensor([name in _MIRRORED for name, _, _ in steps]).view(-1, 2),
    )

"""AugMix: three short chains of everyday operations, mixed with each other and with the clean picture.

Hendrycks et al., "AugMix: a simple data processing method to improve robustness and uncertainty", ICLR 2020. The
operations, ranges and draws are those of the published experiments on CIFAR; with the objective
`CrossEntropy() + 12 * JSD(views=2)` it is the whole method.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Final, NamedTuple, final

import torch
from jaxtyping import Float, Int64, UInt8
from torch import Tensor

from mechaug.heuristics import ops
from mechaug.heuristics.base import About, Citation, Heuristic
from mechaug.heuristics.chains import NOTHING, run
from mechaug.heuristics.levels import Levels, to_levels, to_picture
from mechaug.keys import Key
from mechaug.mechanisms.base import Parameters, parameters, per_image
from mechaug.mechanisms.eager import constant
from mechaug.types import Image, PerImage

OPERATIONS: Final[Mapping[str, ops.Operation]] = {
    "autocontrast": ops.autocontrast,
    "equalize": ops.equalize,
    "posterize": ops.posterize,
    "rotate": ops.rotate,
    "solarize": ops.solarize,
    "shear_x": ops.shear_x,
    "shear_y": ops.shear_y,
    # By whole pixels, between which nothing is to be interpolated.
    "translate_x": ops.shift_x,
    "translate_y": ops.shift_y,
}
"""The nine operations of the published method; its authors left out those that the corruption benchmarks contain."""

_NAMES: Final = tuple(OPERATIONS)
_STEPS: Final[Mapping[str, Callable[[Levels, PerImage], Levels]]] = {
    **{name: operation.on_levels for name, operation in OPERATIONS.items()},
    "mirror": lambda levels, _: levels.flip(3),
    "invert": ops.invert.on_levels,
}
_MAY_DO_NOTHING: Final = ("rotate", "translate_x", "translate_y")
_DEEPEST: Final = 3
_WEAKEST: Final = 0.1


@parameters
class AugMixParameters(Parameters):
    """One row per image.

    Attributes:
        weights: of the chains, non-negative, their sum is 1.
        mix: the share of the chains in the result, 0 to 1.
        operation: of each step of each chain, an index into `OPERATIONS`, or `NOTHING`.
        level: how strong it is, 0 to 10.
        sign: +1 or −1, its direction, where it has one.
    """

    weights: Float[Tensor, "b chains"]
    mix: PerImage
    operation: Int64[Tensor, "b chains steps"]
    level: Float[Tensor, "b chains steps"]
    sign: Float[Tensor, "b chains steps"]


@final
@dataclass(frozen=True)
class AugMix(Heuristic[AugMixParameters]):
    """Augment and mix.

    The gradient reaches the picture through its clean share only, since the operations give whole grey levels; it
    reaches `weights` and `mix` in full.

    Args:
        severity: levels are uniform in 0.1 to this; above 0.1 and at most 10.
        width: the number of chains.
        depth: operations per chain, or −1 for one to three, drawn per chain.
        alpha: concentration of the Dirichlet law of the weights and of the Beta law of the mix.
        operations: names from `OPERATIONS`, drawn with equal probability and with replacement.

    Raises:
        ValueError: an argument is outside its range, or an operation is unknown.
    """

    severity: int | float = 3.0
    width: int = 3
    depth: int = -1
    alpha: int | float = 1.0
    operations: tuple[str, ...] = _NAMES

    # Its authors left out the operations that are in the benchmark; equalising and stretching tones stayed in, and are
    # relatives of these two.
    overlaps = ("brightness", "contrast")
    about: ClassVar[About] = About(
        name="AugMix",
        family="policy",
        principle="Mixes a picture with convex combinations of short random chains of geometric and tonal operations.",
        assumption="Small shifts, turns, shears and tone curves, and averages of their results, keep the label.",
        needs="nothing; for its full effect two further views and the Jensen–Shannon loss",
        breaks="Labels that rest on orientation or on absolute tone; averages of shifted copies show ghost edges.",
        labels="kept by hope",
        cost="Six operations per picture and view on average; two further forward passes with the Jensen–Shannon loss.",
        citation=Citation(
            "hendrycks2020augmix",
            (
                "Hendrycks, Dan",
                "Mu, Norman",
                "Cubuk, Ekin Dogus",
                "Zoph, Barret",
                "Gilmer, Justin",
                "Lakshminarayanan, Balaji",
            ),
            "AugMix: A Simple Data Processing Method to Improve Robustness and Uncertainty",
            "ICLR",
            2020,
        ),
    )

    def __post_init__(self) -> None:
        if not _WEAKEST < self.severity <= 10:
            raise ValueError(f"AugMix(severity=…) is above {_WEAKEST} and at most 10, not {self.severity}")
        if self.width < 1:
            raise ValueError(f"AugMix(width=…) is the number of chains, at least 1, not {self.width}")
        if self.depth != -1 and self.depth < 1:
            raise ValueError(f"AugMix(depth=…) is at least 1, or -1 for one to three, not {self.depth}")
        if not self.alpha > 0:
            raise ValueError(f"AugMix(alpha=…) is positive, not {self.alpha}")
        unknown = [name for name in self.operations if name not in OPERATIONS]
        if unknown or not self.operations:
            raise ValueError(f"AugMix(operations=…) is one or more of {', '.join(_NAMES)}, not {self.operations!r}")

    def sample(self, key: Key) -> AugMixParameters:
        """Draw weights, mix, operations, levels and directions; depths are hidden in the operations as `NOTHING`."""
        steps = _DEEPEST if self.depth == -1 else self.depth
        width, count = self.width, self.width * steps
        own = key.fold("AugMix").ahead(operation=count, depth=width, weights=width, mix=1, level=count, sign=count)
        codes = torch.tensor([_NAMES.index(name) for name in self.operations], device=key.device)
        operation = codes[own.fold("operation").integers(0, len(codes), self.width, steps)]
        if self.depth == -1:
            depth = own.fold("depth").integers(1, _DEEPEST + 1, self.width)
            beyond = torch.arange(steps, device=key.device) >= depth[..., None]
            operation = operation.masked_fill(beyond, NOTHING)
        return AugMixParameters(
            weights=own.fold("weights").dirichlet(self.alpha, self.width),
            mix=own.fold("mix").beta(self.alpha, self.alpha),
            operation=operation,
            level=own.fold("level").uniform(_WEAKEST, self.severity, self.width, steps),
            sign=1.0 - 2.0 * own.fold("sign").integers(0, 2, self.width, steps).float(),
        )

    def neutral(self, batch: int) -> AugMixParameters:
        """No share for the chains, and nothing in them."""
        shape = (batch, self.width, _DEEPEST if self.depth == -1 else self.depth)
        return AugMixParameters(
            weights=torch.full(shape[:2], 1.0 / self.width),
            mix=torch.zeros(batch),
            operation=torch.full(shape, NOTHING),
            level=torch.zeros(shape),
            sign=torch.ones(shape),
        )

    def transform(self, x: Image, params: AugMixParameters) -> Image:
        """(1 − mix) · x + mix · Σ weight · chain(x)."""
        width = params.weights.shape[1]
        chains = _chains(x, params)
        weights = (params.weights / 255.0).float()
        mixed = torch.bmm(weights[:, None], chains.float().view(len(x), width, x.shape[1:].numel())).view_as(x)
        return mixed.to(x.dtype).lerp_(x, per_image(1.0 - params.mix.to(x.dtype)))

    def chains(self, x: Image, params: AugMixParameters) -> Float[Tensor, "b chains c h w"]:
        """What the chains make of each picture, before they are mixed; no gradient reaches the pictures."""
        return to_picture(_chains(x, params), x).view(len(x), self.width, *x.shape[1:])


def _chains(x: Image, params: AugMixParameters) -> UInt8[Tensor, "chains c h w"]:
    """One row per chain, those of a picture one after another."""
    levels = to_levels(x).repeat_interleave(params.weights.shape[1], dim=0)
    apply_everyday(levels, _NAMES, *(part.flatten(0, 1) for part in (params.operation, params.level, params.sign)))
    return levels


def apply_everyday(
    levels: Levels,
    names: Sequence[str],
    operation: Int64[Tensor, "b steps"],
    level: Float[Tensor, "b steps"],
    sign: Float[Tensor, "b steps"],
) -> None:
    """Take each picture through its own steps, in place.

    Args:
        levels: grey levels; overwritten.
        names: from `OPERATIONS`, and "mirror" and "invert".
        operation: of each step, an index into the names, or `NOTHING`.
        level: how strong it is, 0 to 10.
        sign: +1 or −1, its direction, where it has one.
    """
    height, width = levels.shape[2:]

    magnitude = _magnitude(names, operation, level, sign, height, width)
    # Shifts of no pixel and turns of no degree are common at the usual severity.
    may_do_nothing = constant(tuple(name in _MAY_DO_NOTHING for name in names), magnitude)[operation] == 1
    operation = operation.masked_fill(may_do_nothing & (magnitude == 0), NOTHING)

    def act(code: int, some: Levels, rows: Int64[Tensor, "n"], step: int) -> Levels:
        return _STEPS[names[code]](some, magnitude[rows, step])

    run(levels, operation, len(names), act)


def _magnitude(
    names: Sequence[str],
    operation: Int64[Tensor, "*b"],
    level: Float[Tensor, "*b"],
    sign: Float[Tensor, "*b"],
    height: int,
    width: int,
) -> Float[Tensor, "*b"]:
    """What each operation is given for its level, in float64; where the published code makes it whole, so does this."""
    level = level.double()
    scales = constant(tuple(_scale(name, height, width) for name in names), level)
    start, full, most, whole, signed = scales[operation].unbind(-1)
    amount = level * full / 10
    amount = torch.where(whole == 1, amount.trunc(), amount).minimum(most)
    return start + amount * torch.where(signed == 1, sign.double(), -1.0)


class _Scale(NamedTuple):
    """How an operation's magnitude depends on its level: a start, and an amount from there.

    Attributes:
        start: the magnitude at level 0.
        full: the amount at level 10.
        most: the most that there is of it.
        whole: whether the amount is cut to a whole number.
        signed: whether it goes either way, as the sign says, or always down.
    """

    start: float = 0.0
    full: float = 0.0
    most: float = math.inf
    whole: bool = False
    signed: bool = False


def _scale(name: str, height: int, width: int) -> _Scale:
    match name:
        case "posterize":
            return _Scale(start=4, full=4, most=3, whole=True)
        case "rotate":
            return _Scale(full=30, whole=True, signed=True)
        case "solarize":
            return _Scale(start=256, full=256, whole=True)
        case "shear_x" | "shear_y":
            return _Scale(full=0.3, signed=True)
        case "translate_x":
            return _Scale(full=width / 3, whole=True, signed=True)
        case "translate_y":
            return _Scale(full=height / 3, whole=True, signed=True)
        case _:
            return _Scale()

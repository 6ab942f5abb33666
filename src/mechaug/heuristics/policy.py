"""What policies are made of: named operations whose magnitude 0 changes nothing, and sequences of them per picture.

Published magnitudes run in all directions: fewer bits, lower thresholds and factors away from 1 are stronger. Here an
operation's magnitude says how far it goes, in its own unit, so that 0 is always the picture itself and more is always
stronger. Which pixel is nearest is what the published policies look up when they turn, shear and shift, on black.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Final, TypeAlias

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from mechaug.heuristics import enhance, ops
from mechaug.heuristics.chains import NOTHING, run
from mechaug.heuristics.geometry import moved, turned
from mechaug.heuristics.levels import Levels, to_levels, to_picture
from mechaug.mechanisms.base import Parameters, parameters, per_image
from mechaug.types import Image, PerImage

Step: TypeAlias = Callable[[Levels, PerImage], Levels]
"""Grey levels and one magnitude per image to grey levels; what an operation of a policy is."""

OPERATIONS: Final[Mapping[str, Step]] = {
    "shear_x": lambda x, slope: moved(x, slope, 0, 1, "nearest"),
    "shear_y": lambda x, slope: moved(x, slope, 1, 0, "nearest"),
    # In shares of the side, cut to whole pixels.
    "translate_x": lambda x, share: moved(x, _pixels(share, x.shape[3]), 0, 2, "nearest"),
    "translate_y": lambda x, share: moved(x, _pixels(share, x.shape[2]), 1, 2, "nearest"),
    "translate_x_px": lambda x, pixels: moved(x, pixels.trunc(), 0, 2, "nearest"),
    "translate_y_px": lambda x, pixels: moved(x, pixels.trunc(), 1, 2, "nearest"),
    "rotate": lambda x, degrees: turned(x, degrees, "nearest"),
    # How far the factor is from 1.
    "brightness": lambda x, change: enhance.brightness.on_levels(x, 1.0 + change),
    "colour": lambda x, change: enhance.colour.on_levels(x, 1.0 + change),
    "contrast": lambda x, change: enhance.contrast.on_levels(x, 1.0 + change),
    "sharpness": lambda x, change: enhance.sharpness.on_levels(x, 1.0 + change),
    # How many bits are lost, and how many of the lightest levels are inverted.
    "posterize": lambda x, lost: ops.posterize.on_levels(x, 8 - lost),
    "solarize": lambda x, depth: ops.solarize.on_levels(x, 256 - depth),
    # With a magnitude other than 0, whole.
    "autocontrast": ops.autocontrast.on_levels,
    "equalize": ops.equalize.on_levels,
    "invert": ops.invert.on_levels,
}
"""The operations by name. Those without a strength have the magnitude 1."""

SIGNED: Final = frozenset(
    {"shear_x", "shear_y", "translate_x", "translate_y", "translate_x_px", "translate_y_px", "rotate",
     "brightness", "colour", "contrast", "sharpness"}
)  # fmt: skip
"""The operations that go either way, with equal probability."""

NAMES: Final = tuple(OPERATIONS)


@parameters
class PolicyParameters(Parameters):
    """One row per image.

    Attributes:
        operation: of each step, an index into `OPERATIONS`, or `NOTHING`.
        magnitude: how far it goes, in the operation's unit; 0 changes nothing.
    """

    operation: Int64[Tensor, "b steps"]
    magnitude: Float[Tensor, "b steps"]


def unchanged(batch: int, steps: int) -> PolicyParameters:
    """The parameters of policies that do nothing."""
    return PolicyParameters(torch.full((batch, steps), NOTHING), torch.zeros(batch, steps))


def follow(x: Image, params: PolicyParameters) -> Image:
    """Pictures after the steps that were drawn for each."""
    steps = list(OPERATIONS.values())

    def act(code: int, some: Levels, rows: Tensor, step: int) -> Levels:
        return steps[code](some, params.magnitude[rows, step])

    return in_levels(x, params.operation.masked_fill(params.magnitude == 0, NOTHING), len(steps), act)


def in_levels(
    x: Image,
    operation: Int64[Tensor, "b steps"],
    count: int,
    act: Callable[[int, Levels, Int64[Tensor, "n"], int], Levels],
) -> Image:
    """`run` on the grey levels of pictures; those without a step come back as they are, with their gradient."""
    levels = to_levels(x)
    run(levels, operation, count, act)
    found = to_picture(levels, x)
    idle = (operation == NOTHING).all(1)
    return torch.where(per_image(idle), x, found) if bool(idle.any()) else found


def _pixels(share: PerImage, side: int) -> PerImage:
    # A whole number of pixels may come out smaller, by what float32 loses of the share.
    return (share.double() * (side * (1.0 + 2.0**-20))).trunc()


def scale(name: str, levels: int, tops: Mapping[str, float]) -> Float[Tensor, "{levels}"]:
    """The magnitudes of an operation at levels 0, 1, … of a published scale, from weakest to strongest.

    Args:
        name: of the operation.
        levels: how many there are, evenly spaced.
        tops: the magnitude at the last level, by operation; one that is missing has no strength and is 1 at all levels.
    """
    if name not in tops:
        return torch.ones(levels)
    grid = tops[name] * torch.linspace(0.0, 1.0, levels, dtype=torch.float64)
    if name == "posterize":
        grid = grid.round()
    elif name == "solarize":
        # The published scales begin at a threshold of 255, which inverts white.
        grid = grid + 1.0
    return grid.float()


def table(names: Sequence[str], levels: int, tops: Mapping[str, float]) -> Float[Tensor, "n {levels}"]:
    """The scales of several operations, in rows."""
    return torch.stack([scale(name, levels, tops) for name in names])


def codes(names: Sequence[str]) -> Int64[Tensor, "n"]:
    """Indices into `OPERATIONS`; "identity" is `NOTHING`."""
    return torch.tensor([NOTHING if name == "identity" else NAMES.index(name) for name in names])

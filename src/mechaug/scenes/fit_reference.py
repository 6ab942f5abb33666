"""References: what pictures of the same world read when nothing is wrong with them.

Light and its colour multiply what is in the world, and blur adds to its edges, so that of a picture alone only both
together are known. Against a reference the difference is: training pictures, which augmentation is to turn into those
of another place, are the best one.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, final

import numpy as np

from mechaug.errors import UserError
from mechaug.scenes.estimators.illuminant import Rgb, mired_of
from mechaug.scenes.estimators.measures import Measures

FEWEST: Final = 20
"""Pictures that a law, or a reference, is made from at least."""


@final
@dataclass(frozen=True)
class Reference:
    """What the pictures that one starts from read.

    Attributes:
        name: what they are, for a sentence such as "against NAME".
        pictures: how many.
        log2_luminance: mean of the logarithm of the median luminance, and its standard deviation between pictures.
        rgb: mean colour at luminance 1.
        mired: mean and standard deviation of the light that grey-world would have them under.
        edge_px2: median variance of the edges, and half the distance of the quantiles of 16 and 84 %.
        veil: median, and quantile of 95 %.
    """

    name: str
    pictures: int
    log2_luminance: tuple[float, float]
    rgb: Rgb
    mired: tuple[float, float]
    edge_px2: tuple[float, float]
    veil: tuple[float, float]

    @property
    def assumption(self) -> str:
        """What is assumed of the pictures that are compared with it."""
        return f"scenes that are on average as light, as grey and as sharp as those of {self.name}"


PHOTOGRAPHS: Final = Reference(
    name="ordinary photographs",
    pictures=1000,
    log2_luminance=(-2.5, 1.06),
    rgb=(1.106, 0.967, 0.760),
    mired=(152.1, 64.1),
    edge_px2=(0.444, 0.25),
    veil=(0.0018, 0.019),
)
"""PLACEHOLDER"""


def reference_of(measures: Sequence[Measures], name: str) -> Reference:
    """The reference that some pictures are.

    Raises:
        UserError: too few of them can be read.
    """
    levels = [m.level.log2_luminance for m in measures if not m.level.reason]
    colours = [m.colour.rgb for m in measures if m.colour.rgb is not None]
    edges = [m.edges.variance_px2 for m in measures if not m.edges.reason and m.edges.halvings == 0]
    for values, what in ((levels, "light"), (colours, "colour"), (edges, "edges")):
        if len(values) < FEWEST:
            raise UserError(
                f"{name} cannot be a reference: the {what} of {len(values)} pictures can be read, and {FEWEST} are needed"
            )
    red, green, blue = np.exp(np.log(np.maximum(np.array(colours), 1e-4)).mean(0)).tolist()
    mired = [mired_of(colour, (red, green, blue)) for colour in colours]
    low, middle, high = np.quantile(edges, (0.16, 0.5, 0.84)).tolist()
    veils = np.quantile([m.veil for m in measures], (0.5, 0.95)).tolist()
    return Reference(
        name=name,
        pictures=len(measures),
        log2_luminance=(float(np.mean(levels)), float(np.std(levels))),
        rgb=(red, green, blue),
        mired=(float(np.mean(mired)), float(np.std(mired))),
        edge_px2=(middle, (high - low) / 2),
        veil=(veils[0], veils[1]),
    )


def error_of_mean(spread: float, reference: Reference) -> float:
    """How well a mean of the reference is known, from its spread."""
    return spread / math.sqrt(reference.pictures)

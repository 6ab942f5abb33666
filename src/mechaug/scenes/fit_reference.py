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
from mechaug.scenes.fit_law import held

FEWEST: Final = 20
"""Pictures that a law, or a reference, is made from at least."""


@final
@dataclass(frozen=True)
class Reference:
    """What the pictures that one starts from read.

    Attributes:
        name: what they are, for a sentence such as "against NAME".
        pictures: how many.
        log2_luminance: mean and standard deviation of `Level.log2_luminance`, values far out `held`.
        rgb: mean colour at luminance 1.
        mired: mean and standard deviation of the light that a grey world would have them under, `held` likewise.
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
    def doubt(self) -> float:
        """How well its spreads are known, as a share of them."""
        return 1 / math.sqrt(2 * self.pictures)

    @property
    def assumption(self) -> str:
        """What is assumed of the pictures that are compared with it."""
        return f"scenes that are on average as light, as grey and as sharp as those of {self.name}"


PHOTOGRAPHS: Final = Reference(
    name="ordinary photographs",
    pictures=1000,
    log2_luminance=(-1.564, 0.718),
    rgb=(1.156, 0.944, 0.734),
    mired=(149.7, 53.9),
    edge_px2=(0.446, 0.407),
    veil=(0.0016, 0.0199),
)
"""What `reference_of` gives for 1,000 photographs of ImageNet (Russakovsky et al., IJCV 115, 2015), one of each class,
reduced to 256×256 pixels: pictures from the web, with all the faults that these have on average."""


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
                f"{name} cannot be a reference: the {what} of {len(values)} pictures can be read, and {FEWEST} are "
                "needed"
            )
    red, green, blue = np.exp(np.log(np.maximum(np.array(colours), 1e-4)).mean(0)).tolist()
    mired = [mired_of(colour, (red, green, blue)) for colour in colours]
    low, middle, high = np.quantile(edges, (0.16, 0.5, 0.84)).tolist()
    veils = np.quantile([m.veil for m in measures], (0.5, 0.95)).tolist()
    return Reference(
        name=name,
        pictures=len(measures),
        log2_luminance=_mean_and_spread(levels),
        rgb=(red, green, blue),
        mired=_mean_and_spread(mired),
        edge_px2=(middle, (high - low) / 2),
        veil=(veils[0], veils[1]),
    )


def _mean_and_spread(values: Sequence[float]) -> tuple[float, float]:
    kept = held(np.array(values, dtype=float))
    return float(kept.mean()), float(kept.std())


def error_of_mean(spread: float, reference: Reference) -> float:
    """How well a mean of the reference is known, from its spread."""
    return spread / math.sqrt(reference.pictures)

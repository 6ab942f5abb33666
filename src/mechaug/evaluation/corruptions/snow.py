"""Snow: flakes blown across the picture, which turns pale.

Hendrycks and Dietterich, "Benchmarking neural network robustness to common corruptions and perturbations", ICLR 2019.
"""

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from mechaug.evaluation.corruptions.blur import motion_blur
from mechaug.evaluation.corruptions.stored import Levels, store, unit
from mechaug.evaluation.corruptions.zoom import zoomed
from mechaug.types import Bytes


class Snowfall(NamedTuple):
    """The parameters of one severity.

    Attributes:
        mean: of the field of flakes, in units of white.
        std: of the field of flakes.
        zoom: how much the field is enlarged.
        threshold: below which there is no flake.
        radius: half the length of a flake's streak, in pixels.
        sigma: standard deviation of the streak's weights, in pixels.
        kept: share of the picture's own colours.
    """

    mean: float
    std: float
    zoom: float
    threshold: float
    radius: float
    sigma: float
    kept: float


def snow(
    pictures: Bytes, normal: Float[Tensor, "b h w"], angle_deg: Float[Tensor, "b"], fall: Snowfall, *,
    centred: bool = False,
) -> Levels:  # fmt: skip
    """Streaks of flakes, and the same turned by 180 degrees, over a picture that is drawn towards white.

    Args:
        pictures: stored pictures of three channels, or of one.
        normal: standard normal numbers, one per pixel.
        angle_deg: direction of the streaks per picture, clockwise from the right; the benchmark draws −135 to −45.
        fall: the severity.
        centred: flakes streak both ways, as in `motion_blur`.
    """
    flakes = zoomed((fall.mean + fall.std * normal)[:, None], fall.zoom)
    flakes = store(flakes.where(flakes >= fall.threshold, 0.0) * 255)
    streaks = motion_blur(flakes, angle_deg, int(fall.radius), fall.sigma, centred=centred)
    streaks = unit(store(streaks), torch.float32)
    x = unit(pictures, torch.float32)
    grey = x
    if x.shape[1] == 3:
        grey = torch.einsum("bchw,c->bhw", x, x.new_tensor([0.299, 0.587, 0.114]))[:, None]
    pale = torch.maximum(x, 1.5 * grey + 0.5)
    return (torch.lerp(pale, x, fall.kept) + streaks + streaks.flip(-2, -1)) * 255

"""Image signal processor: the camera's own decisions about colour, noise and sharpness, and their errors."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, final

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.distributions import Normal
from torch.nn.functional import pad

from mechaug.keys import Key
from mechaug.laws import Law, quantity
from mechaug.mechanisms.base import (
    Group,
    Mechanism,
    Parameters,
    check_laws,
    draw_quantities,
    neutral_quantities,
    parameters,
    per_image,
)
from mechaug.mechanisms.eager import constant, values_known
from mechaug.types import Image, PerImage


@parameters
class WhiteBalanceParams(Parameters):
    """`red_ev`, `blue_ev`: gains of red and of blue against green, exposure values (each one twice the light)."""

    red_ev: PerImage
    blue_ev: PerImage


@final
@dataclass(frozen=True)
class WhiteBalance(Group[WhiteBalanceParams]):
    """The error of an automatic white balance: red times 2^red_ev, blue times 2^blue_ev, green as it is.

    Gains multiply, so errors in EV add: a group.

    Args:
        red_ev: law of the error of the red gain, EV.
        blue_ev: law of the error of the blue gain, EV.

    Default prior: gains log-normal with a standard deviation of 5 %, which is 0.07 EV.

    Raises:
        ValueError: in `transform`, an image has not three colours.
    """

    red_ev: Law = quantity(Normal(0.0, 0.07), "EV", neutral=0.0, sweep=(0.1, 0.8))
    blue_ev: Law = quantity(Normal(0.0, 0.07), "EV", neutral=0.0, sweep=(0.1, 0.8))

    domain = "light"
    structure = "group"

    def __post_init__(self) -> None:
        check_laws(self)

    def sample(self, key: Key) -> WhiteBalanceParams:
        return WhiteBalanceParams(**draw_quantities(self, key))

    def neutral(self, batch: int) -> WhiteBalanceParams:
        return WhiteBalanceParams(**neutral_quantities(self, batch))

    def transform(self, x: Image, params: WhiteBalanceParams) -> Image:
        _check_colour(x)
        gains = torch.stack((params.red_ev, torch.zeros_like(params.red_ev), params.blue_ev), dim=1).exp2()
        return x * gains[:, :, None, None].to(x.dtype)

    def compose(self, first: WhiteBalanceParams, second: WhiteBalanceParams) -> WhiteBalanceParams:
        return WhiteBalanceParams(red_ev=first.red_ev + second.red_ev, blue_ev=first.blue_ev + second.blue_ev)

    def inverse(self, params: WhiteBalanceParams) -> WhiteBalanceParams:
        return WhiteBalanceParams(red_ev=-params.red_ev, blue_ev=-params.blue_ev)


@parameters
class ColourMatrixParams(Parameters):
    """How far the colours of each picture were corrected.

    Attributes:
        correction: colour corrections too many: 1 is the camera's matrix applied once more, −1 not at all.
        cameras: share of each camera of `COLOUR_MATRICES` in that matrix; they sum to 1.
    """

    correction: PerImage
    cameras: Float[Tensor, "b 5"]


@final
@dataclass(frozen=True)
class ColourMatrix(Mechanism[ColourMatrixParams]):
    """A camera's colour correction, applied too little or too much.

    A sensor's colours overlap, and a matrix M, whose rows sum to 1 so that grey stays grey, takes them apart. Its
    power M^correction is what the picture has too much of it: exp(correction·Σ wₖ log Mₖ) with the cameras' shares wₖ.
    Under-corrected colours are pale, over-corrected ones garish, and each camera turns hues its own way. What falls
    outside of sRGB is clipped at black; but for that, corrections of the same cameras would add and be a group.

    Args:
        correction: law of the corrections too many.

    Default prior: between the colours of half a correction less and a quarter more, as picture styles of one camera
    differ, by a camera between five real ones (uniform shares).

    Raises:
        ValueError: in `transform`, an image has not three colours.
    """

    correction: Law = quantity((-0.5, 0.25), "", neutral=0.0, low=-2.0, high=2.0, sweep=(-0.25, -1.0))

    domain = "light"
    structure = "none"
    overlaps = ("saturate",)

    def __post_init__(self) -> None:
        check_laws(self)

    def sample(self, key: Key) -> ColourMatrixParams:
        # Exponential numbers divided by their sum are uniform shares.
        parts = -key.fold("ColourMatrix").fold("cameras").unit(len(COLOUR_MATRICES)).log()
        cameras = (parts / parts.sum(-1, keepdim=True)).float()
        return ColourMatrixParams(**draw_quantities(self, key), cameras=cameras)

    def neutral(self, batch: int) -> ColourMatrixParams:
        count = len(COLOUR_MATRICES)
        return ColourMatrixParams(**neutral_quantities(self, batch), cameras=torch.full((batch, count), 1 / count))

    def transform(self, x: Image, params: ColourMatrixParams) -> Image:
        _check_colour(x)
        logarithms = constant(_LOGARITHMS, params.cameras.double())
        generator = (params.cameras.double() @ logarithms.reshape(len(logarithms), 9)).reshape(-1, 3, 3)
        matrix = _exponential(params.correction[:, None, None].double() * generator).to(x.dtype)
        return (matrix @ x.flatten(2)).reshape(x.shape).clamp(min=0.0)


def _exponential(matrix: Float[Tensor, "b 3 3"]) -> Float[Tensor, "b 3 3"]:
    """Matrix exponentials, to 10⁻⁹ of what a correction of ±2 makes: a 32nd by its series, squared five times.

    `torch.linalg.matrix_exp` looks at the values, for which an accelerator's queue is waited for.
    """
    part, one = matrix / 32, torch.eye(3, dtype=matrix.dtype, device=matrix.device)
    power = one + part / 6
    for order in range(5, 0, -1):
        power = torch.baddbmm(one, part, power, alpha=1 / order)
    for _ in range(5):
        power = power @ power
    return power


# From XYZ to the raw colours of four cameras, as their makers calibrated them: the Adobe DNG matrices that Brooks et
# al., "Unprocessing images for learned raw denoising" (CVPR 2019), draw from.
_XYZ_TO_CAMERA: Final = (
    ((1.0234, -0.2969, -0.2266), (-0.5625, 1.6328, -0.0469), (-0.0703, 0.2188, 0.6406)),
    ((0.4913, -0.0541, -0.0202), (-0.6130, 1.3513, 0.2906), (-0.1564, 0.2151, 0.7183)),
    ((0.8380, -0.2630, -0.0639), (-0.2887, 1.0725, 0.2496), (-0.0627, 0.1427, 0.5438)),
    ((0.6596, -0.2079, -0.0562), (-0.4782, 1.3016, 0.1933), (-0.0970, 0.1581, 0.5181)),
)
# From the balanced raw colours of a Canon R6 in light D50 to sRGB.
_CANON_R6: Final = ((2.12, -1.24, 0.12), (-0.21, 1.70, -0.49), (0.05, -0.65, 1.61))
# IEC 61966-2-1.
_SRGB_TO_XYZ: Final = (
    (0.4124564, 0.3575761, 0.1804375),
    (0.2126729, 0.7151522, 0.0721750),
    (0.0193339, 0.1191920, 0.9503041),
)


def _matrices() -> np.ndarray:
    """From each camera's raw colours, with grey balanced, to sRGB: (5, 3, 3), rows that sum to 1."""

    def balanced(matrix: np.ndarray) -> np.ndarray:
        return matrix / matrix.sum(1, keepdims=True)

    to_camera = [np.array(matrix) @ np.array(_SRGB_TO_XYZ) for matrix in _XYZ_TO_CAMERA]
    return np.stack([*(np.linalg.inv(balanced(matrix)) for matrix in to_camera), balanced(np.array(_CANON_R6))])


def _logarithm(matrix: np.ndarray) -> np.ndarray:
    """The matrix's real logarithm: its eigenvalues are positive and distinct, as of all colour corrections here."""
    values, vectors = np.linalg.eig(matrix)
    return ((vectors * np.log(values)) @ np.linalg.inv(vectors)).real


COLOUR_MATRICES: Final[Float[Tensor, "5 3 3"]] = torch.from_numpy(_matrices())
"""From the cameras' balanced raw colours to sRGB, linear; rows sum to 1."""

_LOGARITHMS: Final = torch.from_numpy(np.stack([_logarithm(matrix) for matrix in COLOUR_MATRICES.numpy()]))


@parameters
class DenoiseParams(Parameters):
    """`noise_percent`: standard deviation of what the camera takes for noise, per cent of white in the picture."""

    noise_percent: PerImage


@final
@dataclass(frozen=True)
class Denoise(Mechanism[DenoiseParams]):
    """A camera's noise reduction: the guided filter, with the picture as its own guide.

    In each window the best linear predictor of the clean picture from a noisy one is a·y + (1 − a)·mean with
    a = v/(v + σ²), v the window's variance; each pixel gets the mean of its windows' predictors (He, Sun and Tang,
    "Guided image filtering", ECCV 2010, equations 5 to 8). What varies much more than σ is kept, what varies less is
    smeared. The colours share one a, from the mean of their variances, so that an edge in any of them is an edge.

    Args:
        noise_percent: law of the standard deviation σ that is taken for noise, per cent of white.
        radius_px: windows have 2·radius_px + 1 pixels along each side.

    Default prior: from none to 4 %, what a small sensor has at ISO 1600 to 3200.

    Raises:
        ValueError: a law is outside the values that exist, or the radius is less than 1.
    """

    noise_percent: Law = quantity((0.0, 4.0), "%", neutral=0.0, low=0.0, sweep=(1.0, 10.0))
    radius_px: int = 2

    domain = "picture"
    structure = "none"
    overlaps = ("gaussian_blur",)

    def __post_init__(self) -> None:
        check_laws(self)
        if self.radius_px < 1:
            raise ValueError(f"Denoise(radius_px=…) is a whole number of pixels from 1, not {self.radius_px!r}")

    def sample(self, key: Key) -> DenoiseParams:
        return DenoiseParams(**draw_quantities(self, key))

    def neutral(self, batch: int) -> DenoiseParams:
        return DenoiseParams(**neutral_quantities(self, batch))

    def transform(self, x: Image, params: DenoiseParams) -> Image:
        noise = per_image((params.noise_percent / 100).square()).to(x.dtype)
        window = [x.new_full((), 1 / (2 * self.radius_px + 1))] * (self.radius_px + 1)
        mean = weighted(x, window)
        power = weighted(x.square().mean(1, keepdim=True), window)
        # A ten-thousandth of white is no detail: it keeps flat pictures as they are.
        variance = (power - mean.square().mean(1, keepdim=True)).clamp(min=0.0) + 1e-8
        kept = variance / (variance + noise)
        return weighted(kept, window) * x + weighted((1 - kept) * mean, window)


@parameters
class SharpenParams(Parameters):
    """How each picture was sharpened.

    Attributes:
        amount: what is added of the difference to the blurred picture; 0 adds nothing.
        radius_px: standard deviation of the blur, pixels of the picture.
    """

    amount: PerImage
    radius_px: PerImage


@final
@dataclass(frozen=True)
class Sharpen(Mechanism[SharpenParams]):
    """Unsharp masking: the picture y becomes y + amount·(y − G y), with G a Gaussian blur, clipped to [0, 1].

    Sharpening is the last thing that is done to a picture, at its own resolution; so the radius counts its own pixels,
    whatever the view.

    Args:
        amount: law of the amount.
        radius_px: law of the blur's standard deviation, pixels; at most 3.

    Default prior: amounts to 1 at radii of 0.5 to 1.5 pixels, the usual settings of cameras and raw converters.
    """

    amount: Law = quantity((0.0, 1.0), "", neutral=0.0, low=0.0, sweep=(0.5, 3.0))
    radius_px: Law = quantity((0.5, 1.5), "px", neutral=1.0, low=0.3, high=3.0, held=1.0)

    domain = "picture"
    structure = "none"

    def __post_init__(self) -> None:
        check_laws(self)

    def sample(self, key: Key) -> SharpenParams:
        return SharpenParams(**draw_quantities(self, key))

    def neutral(self, batch: int) -> SharpenParams:
        return SharpenParams(**neutral_quantities(self, batch))

    def transform(self, x: Image, params: SharpenParams) -> Image:
        # Weights from five standard deviations on are below 4·10⁻⁶ of the middle's.
        widest = float(params.radius_px.detach().max()) if values_known(params.radius_px) else 3.0
        away = torch.arange(math.ceil(5 * widest) + 1, device=x.device)
        bell = torch.exp(-0.5 * (away / params.radius_px[:, None]).square())
        bell = bell / (2 * bell.sum(1, keepdim=True) - 1)
        blurred = weighted(x, [per_image(weight).to(x.dtype) for weight in bell.unbind(1)])
        return (x + per_image(params.amount).to(x.dtype) * (x - blurred)).clamp(0.0, 1.0)


def weighted(x: Image, weights: Sequence[Tensor]) -> Image:
    """Sums of neighbours along rows and along columns; the outermost pixels are repeated.

    Args:
        x: images.
        weights: of the pixel itself, then of the two that are 1, 2, … pixels away; each meets images.
    """
    reach = len(weights) - 1
    for axis, sides in ((-1, (reach, reach, 0, 0)), (-2, (0, 0, reach, reach))):
        wide, length = pad(x, sides, mode="replicate"), x.shape[axis]
        x = x * weights[0]
        for away in range(1, reach + 1):
            pair = wide.narrow(axis, reach - away, length) + wide.narrow(axis, reach + away, length)
            x = torch.addcmul(x, pair, weights[away])
    return x


def _check_colour(x: Image) -> None:
    if x.shape[1] != 3:
        raise ValueError(f"colours are mixed from red, green and blue: pictures have 3 channels, not {x.shape[1]}")

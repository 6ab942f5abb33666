"""Noise: how many electrons white holds, from one picture and, if it is a JPEG file, its quantiser steps.

In the cosine transform of a block of 8×8 pixels, white noise has the same variance in every coefficient, and the
picture has little at high frequencies where it has little at low ones. So blocks are chosen by their low frequencies,
which say nothing about the noise of the high ones, and the noise is read from those. What a JPEG file holds of them is
whole numbers of known steps: the likelihood of a normal variable that was rounded to them needs no decompression, loses
no small noise to the quantiser, and says itself when all has been rounded away.

The variance of light x is x/W + (r/W)² with W electrons at white and a read noise of r electrons (EMVA 1288), each
channel on its own; luma sees it through the slope of sRGB. Block noise levels from quiet blocks: Ponomarenko et al.,
"An automatic approach to lossy compression of AVIRIS images" (IGARSS 2007).
"""

import functools
import math
from dataclasses import dataclass
from typing import Final

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from mechaug.mechanisms.light import to_light, to_picture
from mechaug.mechanisms.spectrum import cosines
from mechaug.scenes.estimators.base import Estimate, known, missing

WHITES: Final = torch.logspace(1.0, 6.0, 121, dtype=torch.float64)
"""Electrons at white for which likelihoods are tabled."""

READS: Final = torch.tensor([0.0, 1.0, 2.0, 3.0, 4.0, 6.0, 8.0, 12.0, 16.0, 24.0, 32.0, 48.0], dtype=torch.float64)
"""Read noises in electrons for which likelihoods are tabled."""

VALID: Final = (30.0, 2e4)
"""Electrons at white: noise of 0.3 to 8 % of white at 18 % grey."""

USUAL_READ_E: Final = 3.0
"""The read noise that is assumed where one picture must tell its own noise; as `Sensor` does."""

# Luma of JFIF, in grey levels.
_LUMA: Final = torch.tensor([0.299, 0.587, 0.114], dtype=torch.float64)

# What rounding three channels to whole levels, and their luma once more, leaves: (Σw² + 1)/12 square levels.
_ROUNDING: Final = (float(_LUMA.square().sum()) + 1) / 12

_QUIET: Final = 0.25
"""The share of the blocks of one brightness that is taken: the quietest."""

_GROUPS: Final = 6
_FEWEST_BLOCKS: Final = 16
_SIGMAS: Final = torch.logspace(-1.0, 2.0, 121, dtype=torch.float64)
"""Standard deviations of a coefficient, grey levels, for which group likelihoods are tabled."""

# Bounds of the classes of rounded coefficients, in steps: one by one where they are small, then coarser.
_BOUNDS: Final = torch.tensor([0.5, 1.5, 2.5, 3.5, 5.5, 7.5, 11.5, 15.5, 23.5, 31.5, 47.5, 63.5, 95.5, 127.5])

_STRAY: Final = 0.005
"""The share of coefficients that are taken to belong to something else, five times as strong."""

_STRAY_WIDTH: Final = 5.0

_WAVE: Final = torch.arange(8)[:, None] + torch.arange(8)
_LOW: Final = (_WAVE >= 1) & (_WAVE <= 4)
_MIDDLE: Final = (_WAVE >= 6) & (_WAVE <= 8)
_HIGH: Final = _WAVE >= 9

_COLOURED: Final = 1.35
"""How much stronger the middle frequencies may be than the high ones before what is seen is called texture."""


_UNEVEN: Final = 1.6
"""How much more the number of coefficients that are left may vary between blocks than by chance."""

_FEWEST_LEFT: Final = 0.04
"""The least share of fine coefficients that rounding has left over."""

_LARGEST_ERROR: Final = 0.25
"""Of the logarithm of electrons at white; an eighth of the noise."""


@dataclass(frozen=True)
class NoiseTable:
    """The likelihood of a picture's high frequencies, and what speaks against it.

    Attributes:
        likelihood: natural logarithm, up to a constant, for every pair of `WHITES` and `READS`; None if there is none.
        reason: why what is there is not, or not only, a sensor's noise; empty if it may be.
    """

    likelihood: Float[Tensor, "whites reads"] | None
    reason: str = ""


def noise_table(picture: Float[Tensor, "3 h w"], steps: Int64[Tensor, "8 8"] | None) -> NoiseTable:
    """Tabulate how well every noise explains a picture.

    Args:
        picture: sRGB in [0, 1], at the pixels of its file.
        steps: the quantiser steps of luma, rows are vertical frequencies, if the picture comes from a JPEG file.
    """
    blocks = _blocks(picture.double())
    if blocks.shape[0] * _QUIET < _FEWEST_BLOCKS:
        return NoiseTable(None, f"the picture has {blocks.shape[0]} blocks of 8×8 pixels that are not clipped, too few")
    steps = torch.ones(8, 8, dtype=torch.int64) if steps is None else steps
    basis = cosines(8, blocks)
    coefficients = basis @ (255.0 * torch.einsum("c,bchw->bhw", _LUMA, blocks)) @ basis.mT
    light = to_light(blocks.mean((2, 3))[..., None, None])[..., 0, 0]
    groups = _quiet_blocks(coefficients, light @ _LUMA)

    middle = torch.stack([_group_likelihood(coefficients[rows], steps, _MIDDLE) for rows in groups])
    high = torch.stack([_group_likelihood(coefficients[rows], steps, _HIGH) for rows in groups])
    reason = _falling(middle.sum(0), high.sum(0)) or _few_or_uneven([coefficients[rows] for rows in groups], steps)
    total = torch.zeros(len(WHITES), len(READS), dtype=torch.float64)
    for rows, likelihood in zip(groups, middle + high, strict=True):
        total += _at(likelihood, _luma_deviation(light[rows]))
    return NoiseTable(total - total.max(), reason)


def white_e(table: NoiseTable, read_noise_e: float | None = None) -> Estimate:
    """Electrons at white.

    Args:
        table: of a picture.
        read_noise_e: where it is known; else `USUAL_READ_E` is assumed.

    Returns:
        The mean of the logarithm under the likelihood. Whatever looks like noise and is none makes it too small, so
        that pictures without a value have a lower end all the same.
    """
    read = USUAL_READ_E if read_noise_e is None else read_noise_e
    assumption = f"noise that is alike at all frequencies, as a sensor's is, and a read noise of {read:.2g} e⁻"
    if table.likelihood is None:
        return missing("white_e", "e⁻", "log", VALID, table.reason, assumption=assumption)
    profile = table.likelihood[:, int((READS - read).abs().argmin())]
    weight = torch.exp(profile - profile.max())
    weight = weight / weight.sum()
    logarithm = WHITES.log()
    mean = float((weight * logarithm).sum())
    step = float(logarithm[1] - logarithm[0])
    error = max(float((weight * (logarithm - mean).square()).sum()) ** 0.5, step / math.sqrt(12))
    least = float(WHITES[int((weight.cumsum(0) > 0.025).int().argmax())])
    reason = table.reason
    if not reason and error > _LARGEST_ERROR:
        reason = "there is less noise than the file's rounding leaves to be seen"
    if reason:
        return missing("white_e", "e⁻", "log", VALID, reason, within=(least, math.inf), assumption=assumption)
    return known("white_e", "e⁻", math.exp(mean), error, "log", VALID, assumption)


def _blocks(picture: Float[Tensor, "3 h w"]) -> Float[Tensor, "b 3 8 8"]:
    """The file's blocks of 8×8 pixels, without those in which a value is clipped or nearly so."""
    height, width = (length // 8 * 8 for length in picture.shape[1:])
    tiles = picture[:, :height, :width].unflatten(2, (-1, 8)).unflatten(1, (-1, 8))
    blocks = tiles.permute(1, 3, 0, 2, 4).flatten(0, 1)
    lowest, highest = blocks.amin((1, 2, 3)), blocks.amax((1, 2, 3))
    return blocks[(lowest > 2.5 / 255) & (highest < 252.5 / 255)]


def _quiet_blocks(coefficients: Float[Tensor, "b 8 8"], light: Float[Tensor, "b"]) -> list[Int64[Tensor, "_"]]:
    """The blocks of least low-frequency contrast, in groups of like brightness."""
    energy = coefficients[:, _LOW].square().sum(1)
    groups = max(1, min(_GROUPS, int(len(light) * _QUIET) // 12))
    parts = light.argsort().tensor_split(groups)
    return [part[energy[part].argsort()[: max(4, int(_QUIET * len(part)))]] for part in parts]


def _group_likelihood(
    coefficients: Float[Tensor, "b 8 8"], steps: Int64[Tensor, "8 8"], chosen: Tensor
) -> Float[Tensor, "sigmas"]:
    """Log likelihood of some coefficients for every standard deviation in `_SIGMAS`."""
    table = _class_table(tuple(steps[chosen].tolist()))
    rounded = (coefficients[:, chosen].abs() / steps[chosen]).round()
    classes = torch.bucketize(rounded.float(), _BOUNDS)
    counts = torch.nn.functional.one_hot(classes, len(_BOUNDS) + 1).sum(0)
    return torch.einsum("fk,fks->s", counts.double(), table)


@functools.lru_cache(maxsize=64)
def _class_table(steps: tuple[int, ...]) -> Float[Tensor, "frequencies classes sigmas"]:
    """Logarithms of the probabilities that a rounded coefficient falls into each class."""
    bounds = torch.cat((torch.zeros(1), _BOUNDS, torch.tensor([math.inf]))).double()
    edges = torch.tensor(steps, dtype=torch.float64)[:, None, None] * bounds[:, None]

    def within(width: float) -> Tensor:
        # The noise that rounding adds beforehand is in every coefficient.
        deviation = (_SIGMAS.square() * width**2 + _ROUNDING).sqrt()
        return torch.erf(edges / deviation / math.sqrt(2)).diff(dim=1)

    return ((1 - _STRAY) * within(1.0) + _STRAY * within(_STRAY_WIDTH)).clamp(min=1e-12).log()


def _falling(middle: Float[Tensor, "sigmas"], high: Float[Tensor, "sigmas"]) -> str:
    """Whether fine contrast falls with frequency, in words; empty if not."""
    best = [float(_SIGMAS[int(part.argmax())]) for part in (middle, high)]
    # A ratio counts where the high frequencies alone contradict what the middle ones say.
    doubt = float(high.max() - high[int(middle.argmax())])
    if best[0] > _COLOURED * best[1] and doubt > 4.0:
        return (
            f"what fine contrast there is falls with frequency ({best[0]:.2g} grey levels in the middle, "
            f"{best[1]:.2g} at the highest): texture, or noise that was smoothed or resized"
        )
    return ""


def _few_or_uneven(groups: list[Float[Tensor, "_ 8 8"]], steps: Int64[Tensor, "8 8"]) -> str:
    """Whether too few coefficients are left of the rounding, or some blocks have many more, in words; else empty.

    Noise leaves in each block of like brightness as many as chance says; texture leaves most to a few.
    """
    fine = _MIDDLE | _HIGH
    square = freedom = seen = count = 0.0
    for blocks in groups:
        left = (blocks[:, fine].abs() > steps[fine] / 2).double()
        share = left.mean(0)
        chance = float((share * (1 - share)).sum())
        square += float((left.sum(1) - share.sum()).square().sum()) / max(chance, 0.05)
        freedom += len(blocks) - 1
        seen += float(left.sum())
        count += left.numel()
    if seen < _FEWEST_LEFT * count:
        return f"the file's rounding leaves {seen / count:.1%} of the fine coefficients, too few to tell noise by"
    if square > _UNEVEN * freedom:
        return "what fine contrast there is lies in a few places: texture rather than noise"
    return ""


def _luma_deviation(light: Float[Tensor, "b 3"]) -> Float[Tensor, "whites reads"]:
    """Standard deviation of luma in grey levels, root mean square over some blocks, for all `WHITES` and `READS`."""
    small = 1e-3
    slope = (to_picture((light + small)[..., None, None]) - to_picture((light - small).clamp(min=0)[..., None, None]))[
        ..., 0, 0
    ] / (light + small - (light - small).clamp(min=0))
    weight = (255.0 * slope * _LUMA).square()
    shot, read = (weight * light).sum(1).mean(), weight.sum(1).mean()
    return (shot / WHITES[:, None] + read * (READS / WHITES[:, None]).square()).sqrt()


def _at(likelihood: Float[Tensor, "sigmas"], deviation: Float[Tensor, "whites reads"]) -> Float[Tensor, "whites reads"]:
    """A tabled likelihood between its points."""
    logarithm = _SIGMAS.log()
    place = ((deviation.log() - logarithm[0]) / (logarithm[1] - logarithm[0])).clamp(0, len(_SIGMAS) - 1.001)
    left = place.long()
    return torch.lerp(likelihood[left], likelihood[left + 1], place - left)

"""Scale space: what is left of a picture that is seen more coarsely (Lindeberg, "Scale-space theory", 1994)."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal, final

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import pad

from mechaug.keys import Key
from mechaug.laws import Law, quantity
from mechaug.mechanisms.base import (
    Mechanism,
    Parameters,
    Semigroup,
    check_laws,
    draw_quantities,
    neutral_quantities,
    parameters,
)
from mechaug.mechanisms.eager import needs_gradient, values_known
from mechaug.mechanisms.spectrum import filtered
from mechaug.types import Image, PerImage


@parameters
class GaussianScaleParams(Parameters):
    """How coarsely the picture is seen.

    Attributes:
        scale_permille: standard deviation of the blur, thousandths of the picture's width.
    """

    scale_permille: PerImage


@final
@dataclass(frozen=True)
class GaussianScale(Semigroup[GaussianScaleParams]):
    """The scene at a coarser scale: a Gaussian blur of linear light, as wide in the field of view at every resolution.

    It stands for what blurs by many small causes at once, whose variances add: optics, a little motion, scaling.
    Sampled Gaussians do not compose; this is Lindeberg's discrete one, `heat_flow`, a semigroup exactly.

    Args:
        scale_permille: law of the standard deviation, thousandths of the picture's width, not negative.

    Default prior: up to 20 ‰, where half of the contrast is left at 9 cycles per picture. Faces are recognised by 8 to
    13 cycles per face (Näsänen, Vision Research 1999), scenes in 32 pixels (Torralba, Visual Neuroscience 2009).
    """

    scale_permille: Law = quantity((0.0, 20.0), "permille", neutral=0.0, low=0.0, sweep=(4.0, 40.0))

    domain = "light"
    structure = "semigroup"
    overlaps = ("gaussian_blur", "defocus_blur", "glass_blur", "zoom_blur", "pixelate")

    def __post_init__(self) -> None:
        check_laws(self)

    def sample(self, key: Key) -> GaussianScaleParams:
        return GaussianScaleParams(**draw_quantities(self, key))

    def neutral(self, batch: int) -> GaussianScaleParams:
        return GaussianScaleParams(**neutral_quantities(self, batch))

    def transform(self, x: Image, params: GaussianScaleParams) -> Image:
        deviation_px = params.scale_permille * (1e-3 * x.shape[-1])
        return heat_flow(x, deviation_px**2)

    def compose(self, first: GaussianScaleParams, second: GaussianScaleParams) -> GaussianScaleParams:
        return GaussianScaleParams(torch.hypot(first.scale_permille, second.scale_permille))


@parameters
class BandDropoutParams(Parameters):
    """Which octaves are weakened, and how much is left of them.

    Attributes:
        gain: what is left of a dropped band, 0 to 1.
        dropped: 1 for every band that is dropped and 0 for every other, finest first; shares in between are allowed.
    """

    gain: PerImage
    dropped: Float[Tensor, "b bands"]


@final
@dataclass(frozen=True)
class BandDropout(Mechanism[BandDropoutParams]):
    """Octaves of detail taken out of the picture, so that no label can hang on one scale alone.

    The picture is the sum of its octave bands: what a Gaussian of 1 pixel takes away, what one of 2 pixels takes from
    the rest, and so on, and the coarse remainder, which is always kept (Burt & Adelson, "The Laplacian pyramid", 1983;
    here without subsampling, by differences of `heat_flow`). Dropped bands are multiplied by `gain`. Neighbouring bands
    overlap in frequency, so that this is no projection.

    It acts on the picture and not on light: there contrast is nearly as it is seen, so that a band holds the detail of
    shadows and highlights alike; in light, it would hold that of highlights, and taking it away would leave less than
    black beside them.

    Args:
        gain: law of what is left of a dropped band, 0 to 1.
        drop_probability: of each band, on its own.
        bands: how many octaves may be dropped, from the finest; the remainder is blurred by 2^(bands − 1) pixels.

    Default prior: every second of four bands, gone altogether. All four go, or none, in one picture of 16 each.

    Raises:
        ValueError: drop_probability is outside of 0 to 1, or bands of 1 to 10.
    """

    gain: Law = quantity(0.0, "", neutral=1.0, low=0.0, high=1.0, sweep=(0.8, 0.0))
    drop_probability: float = 0.5
    bands: int = 4

    domain = "picture"
    structure = "none"
    overlaps = ("gaussian_blur", "defocus_blur", "glass_blur", "zoom_blur", "pixelate")

    def __post_init__(self) -> None:
        check_laws(self)
        if not 0 <= self.drop_probability <= 1:
            raise ValueError(f"BandDropout(drop_probability=…) is a share from 0 to 1, not {self.drop_probability!r}")
        if not 1 <= self.bands <= 10:
            raise ValueError(f"BandDropout(bands=…) is a number of octaves from 1 to 10, not {self.bands!r}")

    def sample(self, key: Key) -> BandDropoutParams:
        unit = key.fold("BandDropout").fold("dropped").unit(self.bands)
        return BandDropoutParams(**draw_quantities(self, key), dropped=(unit < self.drop_probability).float())

    def neutral(self, batch: int) -> BandDropoutParams:
        return BandDropoutParams(**neutral_quantities(self, batch), dropped=torch.zeros(batch, self.bands))

    def transform(self, x: Image, params: BandDropoutParams) -> Image:
        height, width = x.shape[-2:]
        variance = 4.0 ** torch.arange(self.bands, dtype=torch.float64, device=x.device)
        down, across = (torch.exp(-variance[:, None] * _roughness(length, x.device)) for length in (height, width))
        passed = (down[:, :, None] * across[:, None, :]).to(x.dtype)
        # Band k is what blur k − 1 passes and blur k does not; blur −1 passes everything.
        finer = torch.cat((torch.ones_like(passed[:1]), passed[:-1]))
        lost = params.dropped.to(x.dtype) * (1 - params.gain.to(x.dtype))[:, None]
        return filtered(x, 1 - torch.einsum("bk,khw->bhw", lost, finer - passed))


def _roughness(length: int, device: torch.device) -> Float[Tensor, "{length}"]:
    """1 − cos ω at the frequencies of `filtered`, in float64: a blur of variance v leaves exp(−v·(1 − cos ω))."""
    return 1 - torch.cos(torch.arange(length, device=device).double() * (torch.pi / length))


_NEGLIGIBLE: Final = 1e-7
"""The share of the light that may fall beyond a kernel's reach."""


def heat_flow(x: Image, variance: PerImage) -> Image:
    """Gaussian blur of a given variance per image: the heat flow on the pixel lattice, mirrored at the borders.

    Its kernel is the discrete Gaussian exp(−v)·I_k(v), with modified Bessel functions I (Lindeberg, "Scale-space for
    discrete signals", PAMI 1990): a semigroup at every width, and nowhere negative but for rounding.

    Args:
        x: images, shape (b, c, h, w).
        variance: squared standard deviation in pixels, shape (b,), not negative.

    Returns:
        Images of the same shape and dtype; blurring twice adds the variances. Where values can be looked at, what is
        left of a kernel beyond its reach, 10⁻⁷ at most, is left out.
    """
    height, width = x.shape[-2:]
    reach = max(height, width)
    if variance.numel() and values_known(variance):
        reach = _reach(float(variance.detach().max()), reach)
    down = _kernel(variance, height, reach, x.dtype)
    across = down if width == height else _kernel(variance, width, reach, x.dtype)

    def near(length: int) -> Callable[[int, int], tuple[int, int]]:
        return lambda start, stop: (max(0, start - reach), min(length, stop + reach))

    return along_lines(along_lines(x, down, -2, near(height)), across, -1, near(width))


def _kernel(variance: PerImage, length: int, reach: int, dtype: torch.dtype) -> Float[Tensor, "b {length} {length}"]:
    """What each pixel of a line receives from each, when nothing goes farther than `reach` pixels."""
    # A line with mirrored ends is half of a circle. Where less than the line is reached, a circle just larger than the
    # reach will do as well: what goes around it is negligible.
    half = reach + 1 if _pays(_BLOCK + 2 * reach, length) else length
    taps = pad(_on_circle(variance, half).to(dtype), (0, length - half))
    # Pixel i receives from pixel j, and from its mirror image, which is i + j + 1 pixels away around the circle.
    direct = torch.cat((taps.flip(1)[:, 1:], taps[:, 1:length]), 1).unfold(1, length, 1).flip(1)
    return direct + torch.cat((taps[:, 1:], taps.flip(1)[:, 1:length]), 1).unfold(1, length, 1)


def _on_circle(variance: PerImage, half: int) -> Float[Tensor, "b {half}+1"]:
    """What of one pixel's light arrives at the distances 0 to `half`, in float64, on a circle of `2·half`.

    There the flow is a product in frequency: the eigenvalue at angular frequency ω is exp(−variance·(1 − cos ω)).
    """
    step = torch.arange(half + 1, device=variance.device)
    cosines = torch.cos(torch.arange(2 * half, device=variance.device).double() * (torch.pi / half))
    # In float64, so that no blur is no change: the sums cancel to 0 and 1 in the last bit of float32.
    decay = torch.exp(-variance.double()[:, None] * (1 - cosines[: half + 1]))
    # The inverse transform of an even spectrum, as a matrix product: its ends count once, all else twice.
    count = torch.where((step == 0) | (step == half), 0.5, 1.0).double() / half
    return (decay * count) @ cosines[step[:, None] * step % (2 * half)]


def _reach(variance: float, limit: int) -> int:
    """The distance in pixels from which on next to nothing arrives, or `limit` where that is farther.

    The discrete Gaussian is the difference of two Poisson numbers of mean v/2, of which Chernoff's bound leaves no more
    than 2·exp(−r·asinh(r/v) + √(r² + v²) − v) at r and beyond.
    """
    for r in range(1, limit):
        if r * math.asinh(r / max(variance, 1e-30)) - math.hypot(r, variance) + variance > math.log(2 / _NEGLIGIBLE):
            return r
    return limit


_BLOCK: Final = 32
"""Pixels of a line that are computed in one product."""


def along_lines(
    x: Image,
    matrix: Float[Tensor, "b new old"],
    dim: Literal[-2, -1],
    needed: Callable[[int, int], tuple[int, int]],
) -> Float[Tensor, "b c new_h new_w"]:
    """Each image's matrix times every line of it, leaving out most of the products with zeros.

    Args:
        x: images, shape (b, c, h, w).
        matrix: what each new pixel of a line takes from each old one.
        dim: −2 for lines that run down, −1 for lines that run across.
        needed: the old pixels, from and up to, outside of which the new ones from and up to its arguments take nothing.
    """
    count, length = matrix.shape[1:]
    spans = [(start, min(start + _BLOCK, count)) for start in range(0, count, _BLOCK)]
    sources = [needed(*span) for span in spans]
    if not _pays(max(high - low for low, high in sources), length):
        spans, sources = [(0, count)], [(0, length)]
    if dim == -2:
        parts = (matrix[:, None, slice(*span), low:high] @ x[..., low:high, :]
                 for span, (low, high) in zip(spans, sources, strict=True))  # fmt: skip
    else:
        # All lines of an image are one matrix: one product is six times as fast as one per channel.
        lines = x.flatten(1, 2)
        parts = ((lines[..., low:high] @ matrix[:, slice(*span), low:high].mT).unflatten(1, x.shape[1:3])
                 for span, (low, high) in zip(spans, sources, strict=True))  # fmt: skip
    if len(spans) == 1:
        return next(parts)
    if not values_known(x) or needs_gradient(x, matrix):
        return torch.cat(list(parts), dim)
    # Each part is put where it goes while it is near, and on all cores: `cat` takes three times as long.
    shape = list(x.shape)
    shape[dim] = count
    out = x.new_empty(shape)
    for span, part in zip(spans, parts, strict=True):
        out.narrow(dim, span[0], span[1] - span[0]).copy_(part)
    return out


def _pays(needed: int, length: int) -> bool:
    """Whether products with the needed pixels of a line, block by block, cost less than one with the line."""
    return 2 * needed <= length

"""Waves that are added to a picture, and bands of frequencies that are taken from it."""

import math
from dataclasses import dataclass
from typing import ClassVar, final

import torch
from jaxtyping import Float
from torch import Tensor

from mechaug.heuristics.base import About, Citation, Heuristic
from mechaug.keys import Key
from mechaug.mechanisms.base import Parameters, parameters, per_image
from mechaug.types import Image, PerImage

_CHANNELS = 3
_REFERENCE = 32
"""The side for which the published strength is meant: a wave of norm 1 has an RMS of 1 / 32 there."""


@parameters
class FourierBasisParameters(Parameters):
    """One row per image, with a wave of its own for each channel.

    Attributes:
        frequency: of the wave, in cycles per pixel, 0 to 1; rounded up to whole cycles per picture.
        direction_rad: towards which it runs, from the rows, 0 to π.
        rms: root mean square of what is added, in values of [0, 1].
    """

    frequency: Float[Tensor, "b 3"]
    direction_rad: Float[Tensor, "b 3"]
    rms: Float[Tensor, "b 3"]


@final
@dataclass(frozen=True)
class FourierBasis(Heuristic[FourierBasisParameters]):
    """AFA: a plane wave of random frequency, direction and strength is added to each channel.

    Frequencies are uniform among the whole cycles per picture, up to one cycle per pixel, and the strength is
    exponential. The published loss is the mean of those on clean and on augmented pictures (`CrossEntropy("all")`), the
    latter through normalisation layers of their own, which nets here do not have.

    Args:
        strength: mean of the wave's norm at 32 × 32 pixels: 5 as the published code has it; its example for ImageNet
            has 10. At other sizes it is what gives the same RMS.

    Raises:
        ValueError: it is negative.
    """

    strength: int | float = 5.0

    overlaps = ("single_frequency_greyscale", "cocentric_sine_waves")
    about: ClassVar[About] = About(
        name="AFA",
        family="frequency",
        principle="Adds to each channel a plane wave of random frequency, direction and strength.",
        assumption="A single wave carries no class, and what it covers other frequencies still show.",
        needs="the clean pictures in the loss",
        breaks="Classes that are textures of one frequency; its strongest waves hide small objects.",
        labels="kept by hope",
        cost="A sine per pixel and channel, and a second forward and backward pass.",
        citation=Citation(
            "vaish2024afa",
            ("Vaish, Puru", "Wang, Shunxin", "Strisciuglio, Nicola"),
            "Fourier-basis Functions to Bridge Augmentation Gap: Rethinking Frequency Augmentation in Image "
            "Classification",
            "CVPR",
            2024,
        ),
    )

    def __post_init__(self) -> None:
        if not 0 <= self.strength < math.inf:
            raise ValueError(f"FourierBasis(strength=…) is a norm from 0, not {self.strength}")

    def sample(self, key: Key) -> FourierBasisParameters:
        own = key.fold("FourierBasis")
        norm = -own.fold("strength").unit(_CHANNELS).log() * self.strength
        return FourierBasisParameters(
            frequency=own.fold("frequency").uniform(0.0, 1.0, _CHANNELS),
            direction_rad=own.fold("direction_rad").uniform(0.0, math.pi, _CHANNELS),
            rms=(norm / _REFERENCE).float(),
        )

    def neutral(self, batch: int) -> FourierBasisParameters:
        zero = torch.zeros(batch, _CHANNELS)
        return FourierBasisParameters(zero + 0.5, zero, zero)

    def transform(self, x: Image, params: FourierBasisParameters) -> Image:
        """Add the waves; at the centre of the picture their phase is −π/4, as published."""
        channels, height, width = x.shape[1:]
        side = max(height, width)
        used = torch.arange(channels, device=x.device) % _CHANNELS
        frequency, direction, rms = (
            part.index_select(1, used)[..., None, None] for part in (params.frequency, params.direction_rad, params.rms)
        )
        cycles = (frequency * side).ceil().clamp(min=1.0) / side
        down = torch.linspace(-height / 2, height / 2, height, device=x.device)[:, None]
        across = torch.linspace(-width / 2, width / 2, width, device=x.device)
        wave = torch.sin(2 * math.pi * cycles * (down * direction.cos() + across * direction.sin()) - math.pi / 4)
        power = wave.square().mean((2, 3), keepdim=True).clamp(min=1e-12)
        return x + (rms * wave * power.rsqrt()).to(x.dtype)


@parameters
class BandDropoutParameters(Parameters):
    """One row per image.

    Attributes:
        start: the share of frequencies within the inscribed circle that are lower than the band, 0 to 1.
        share: the share that is in the band.
    """

    start: PerImage
    share: PerImage


@final
@dataclass(frozen=True)
class BandDropout(Heuristic[BandDropoutParameters]):
    """A ring of the spectrum is taken out: all waves of some lengths, whatever their direction.

    After the frequency masking of Doloriel and Cheung, who mask 15 % of the frequencies of a region of the spectrum;
    here they lie side by side, in a ring. The mean stays.

    Args:
        share: of the frequencies below Nyquist's that are dropped, 0 to 1.
        probability: of a picture to lose a band.

    Raises:
        ValueError: an argument is outside its range.
    """

    share: int | float = 0.15
    probability: int | float = 0.5

    about: ClassVar[About] = About(
        name="Band dropout",
        family="frequency",
        principle="Takes a random ring of frequencies out of a picture's spectrum.",
        assumption="No band alone carries the class; what one shows others show too.",
        needs="nothing",
        breaks="Shapes, when the lowest band goes; textures, when a high one does.",
        labels="kept by hope",
        cost="Two Fourier transforms per picture.",
        citation=Citation(
            "doloriel2024frequency",
            ("Doloriel, Chandler Timm", "Cheung, Ngai-Man"),
            "Frequency Masking for Universal Deepfake Detection",
            "ICASSP",
            2024,
        ),
    )

    def __post_init__(self) -> None:
        for name, value in (("share", self.share), ("probability", self.probability)):
            if not 0 <= value <= 1:
                raise ValueError(f"BandDropout({name}=…) is a share from 0 to 1, not {value}")

    def sample(self, key: Key) -> BandDropoutParameters:
        own = key.fold("BandDropout")
        happens = own.fold("happens").unit() < self.probability
        start = own.fold("start").uniform(0.0, 1.0 - self.share)
        return BandDropoutParameters(start * happens, self.share * happens.float())

    def neutral(self, batch: int) -> BandDropoutParameters:
        return BandDropoutParameters(torch.zeros(batch), torch.zeros(batch))

    def transform(self, x: Image, params: BandDropoutParameters) -> Image:
        height, width = x.shape[2:]
        # Squared distance from frequency 0, 1 at Nyquist's: by area, the share of frequencies that are lower.
        down = torch.fft.fftfreq(height, 0.5, device=x.device).square()[:, None]
        across = torch.fft.rfftfreq(width, 0.5, device=x.device).square()
        lower = (down + across)[None]
        start, end = params.start[:, None, None], (params.start + params.share)[:, None, None]
        dropped = (lower > start) & (lower <= end)
        spectrum = torch.fft.rfft2(x.float()).masked_fill(dropped[:, None], 0.0)
        kept = torch.fft.irfft2(spectrum, s=(height, width)).to(x.dtype)
        return torch.where(per_image(params.share) > 0, kept, x)

"""Motion: what moves while the shutter is open, the camera or the subject, is drawn along its path."""

import math
from dataclasses import dataclass
from typing import Final, final

import torch
from jaxtyping import Float
from torch import Tensor

from mechaug.keys import Key
from mechaug.laws import Law, quantity
from mechaug.mechanisms.base import (
    Parameters,
    check_laws,
    draw_quantities,
    neutral_quantities,
    parameters,
)
from mechaug.mechanisms.blur import Blur
from mechaug.mechanisms.psf import largest_reach, needed_reach, normalised, offsets
from mechaug.mechanisms.view import View
from mechaug.types import Image, PerImage

_WAVES: Final = 6
"""Cosines that a trembling path is made of: the fastest beats three times while the shutter is open."""

Path = Float[Tensor, "b n 2"]
"""Where the light goes while the shutter is open: to the right and down, at equally spaced moments."""


@parameters
class MotionBlurParams(Parameters):
    """How the camera turns while the shutter is open.

    Attributes:
        exposure_s: exposure time, seconds.
        angular_speed_deg_s: mean speed at which the camera turns, degrees per second.
        direction_deg: mean direction in which the picture moves: 0 to the right, 90 up.
        tremble_deg: how far the direction wanders about its mean, root mean square over the path, degrees.
        shape: normal numbers that say how: amplitudes of cosines of speed (first row) and direction (second row).
    """

    exposure_s: PerImage
    angular_speed_deg_s: PerImage
    direction_deg: PerImage
    tremble_deg: PerImage
    shape: Float[Tensor, "b 2 6"]


@final
@dataclass(frozen=True)
class MotionBlur(Blur[MotionBlurParams]):
    """The blur of a camera that turns: a swing in one direction, or the tremor of a hand.

    The path on the picture is exactly f_px·ω·t long, with the focal length f_px in pixels, the angular speed ω and the
    exposure time t. Its shape is a random curve: the velocity over time is ω·exp(σ·(a + i·b)) in the complex plane,
    with σ = tremble_deg in radians and two independent smooth random functions a and b of unit variance, of which the
    harmonics fall off as 1/j like those of Brownian motion: the tremor of a hand under inertia. So b turns the
    direction by σ in the root mean square and a changes the speed by as many nepers, rescaled to the mean speed ω.
    The light is spread along the path in proportion to the time spent there, around its mean.

    Paths that reach further than `psf.LARGEST_REACH` of the width from their mean are drawn at that size.

    Args:
        exposure_s: law of the exposure time, seconds.
        angular_speed_deg_s: law of the mean angular speed, degrees per second.
        direction_deg: law of the direction, degrees, counter-clockwise from the right.
        tremble_deg: law of the wander of the direction, degrees; 0 is a straight swing at constant speed.
        view: the lens, and the part of its image that the picture shows.

    Default prior: 1/500 to 1/15 s, uniform in its logarithm, at up to 30 °/s. A held camera turns at 0.5 to 3 °/s; a
    camera that follows a subject or is held by someone who walks, at 10 to 30.
    """

    exposure_s: Law = quantity((1 / 500, 1 / 15), "s", neutral=0.0, scale="log", low=0.0, sweep=(1 / 60, 1 / 4))
    angular_speed_deg_s: Law = quantity((0.0, 30.0), "°/s", neutral=0.0, low=0.0, held=30.0)
    direction_deg: Law = quantity((0.0, 360.0), "°", neutral=0.0, held=20.0)
    tremble_deg: Law = quantity((0.0, 60.0), "°", neutral=0.0, low=0.0, high=180.0, held=30.0)
    view: View = View()

    structure = "none"
    overlaps = ("motion_blur", "glass_blur", "circular_motion_blur")

    def __post_init__(self) -> None:
        check_laws(self)

    def sample(self, key: Key) -> MotionBlurParams:
        shape = key.fold("MotionBlur").fold("shape").normal(0.0, 1.0, 2, _WAVES)
        return MotionBlurParams(**draw_quantities(self, key), shape=shape)

    def neutral(self, batch: int) -> MotionBlurParams:
        return MotionBlurParams(**neutral_quantities(self, batch), shape=torch.zeros(batch, 2, _WAVES))

    def psf(self, x: Image, params: MotionBlurParams) -> Float[Tensor, "b 1 k k"]:
        degrees = params.angular_speed_deg_s * params.exposure_s
        length = degrees * (math.pi / 180 * self.view.focal_px(x.shape[-1]))
        return _swept(x, length, params.direction_deg, _wandering(params, x))


@parameters
class SubjectMotionParams(Parameters):
    """How what is seen moves while the shutter is open.

    Attributes:
        exposure_s: exposure time, seconds.
        speed_m_s: speed across the line of sight, metres per second.
        distance_m: distance from the camera, metres.
        direction_deg: direction of the motion in the picture: 0 to the right, 90 up.
    """

    exposure_s: PerImage
    speed_m_s: PerImage
    distance_m: PerImage
    direction_deg: PerImage


@final
@dataclass(frozen=True)
class SubjectMotion(Blur[SubjectMotionParams]):
    """The blur of a subject that passes at constant speed, here of the whole picture: f_px·v·t/Z pixels long.

    With f_px the focal length in pixels, v the speed, t the exposure time and Z the distance. Longer paths than twice
    `psf.LARGEST_REACH` of the width are drawn at that length.

    Args:
        exposure_s: law of the exposure time, seconds.
        speed_m_s: law of the speed across the line of sight, metres per second.
        distance_m: law of the distance, metres.
        direction_deg: law of the direction, degrees, counter-clockwise from the right.
        view: the lens, and the part of its image that the picture shows.

    Default prior: from someone who walks (1.4 m/s) to a car in town (14 m/s), 5 to 50 m away, at 1/500 to 1/30 s;
    mostly level.
    """

    exposure_s: Law = quantity((1 / 500, 1 / 30), "s", neutral=0.0, scale="log", low=0.0, sweep=(1 / 250, 1 / 15))
    speed_m_s: Law = quantity((1.4, 14.0), "m/s", neutral=0.0, scale="log", low=0.0, held=8.0)
    distance_m: Law = quantity((5.0, 50.0), "m", neutral=10.0, scale="log", low=0.1, held=8.0)
    direction_deg: Law = quantity((-20.0, 20.0), "°", neutral=0.0, held=0.0)
    view: View = View()

    structure = "none"
    overlaps = ("motion_blur", "circular_motion_blur")

    def __post_init__(self) -> None:
        check_laws(self)

    def sample(self, key: Key) -> SubjectMotionParams:
        return SubjectMotionParams(**draw_quantities(self, key))

    def neutral(self, batch: int) -> SubjectMotionParams:
        return SubjectMotionParams(**neutral_quantities(self, batch))

    def psf(self, x: Image, params: SubjectMotionParams) -> Float[Tensor, "b 1 k k"]:
        angle = params.speed_m_s * params.exposure_s / params.distance_m
        length = angle * self.view.focal_px(x.shape[-1])
        moments = _moments(x)
        straight = torch.stack((moments - 0.5, torch.zeros_like(moments)), -1)
        return _swept(x, length, params.direction_deg, straight.expand(len(x), -1, 2))


def _moments(x: Image) -> Float[Tensor, "n"]:
    """Equally spaced moments of an exposure from 0 to 1: two for each pixel of the longest straight path."""
    # Fixed by the picture's size alone, so that a path is drawn the same in every batch.
    count = max(16, 4 * largest_reach(x.shape[-1]))
    return (torch.arange(count, dtype=x.dtype, device=x.device) + 0.5) / count


def _wandering(params: MotionBlurParams, x: Image) -> Path:
    """Random paths of length one about their mean, from left to right in the mean."""
    moments = _moments(x)
    waves = torch.arange(1, _WAVES + 1, dtype=x.dtype, device=x.device)
    amplitudes = params.shape.to(x.dtype) / waves
    # Mean square over the path and over the draws: one half for a cosine.
    size = torch.sqrt(2 / waves.square().reciprocal().sum())
    tremble = (params.tremble_deg * (math.pi / 180)).to(x.dtype)[:, None, None]
    slow = tremble * size * (amplitudes @ torch.cos(math.pi * waves[:, None] * moments))
    speed, turn = torch.softmax(slow[:, 0], -1), slow[:, 1]
    steps = torch.stack((speed * torch.cos(turn), speed * torch.sin(turn)), -1)
    # In the middle of each step, where the light is at that moment.
    path = steps.cumsum(1) - steps / 2
    return path - path.mean(1, keepdim=True)


def _swept(x: Image, length: PerImage, direction_deg: PerImage, path: Path) -> Float[Tensor, "b 1 k k"]:
    """A point of light along paths of a given length, turned into a given direction."""
    largest = largest_reach(x.shape[-1])
    length = _shortened(length).to(x.dtype)
    extent = path.square().sum(-1).amax(-1).sqrt()
    length = torch.minimum(length, largest / extent)
    angle = direction_deg * (math.pi / 180)
    cos, sin = ((length * f(angle).to(x.dtype))[:, None] for f in (torch.cos, torch.sin))
    # Rows grow downward, so a counter-clockwise turn takes (x, y) to (cx + sy, cy − sx).
    right, down = cos * path[..., 0] + sin * path[..., 1], cos * path[..., 1] - sin * path[..., 0]
    reach = needed_reach((length * extent).ceil(), largest)
    return _drawn(right, down, reach)[:, None]


def _drawn(right: Float[Tensor, "b n"], down: Float[Tensor, "b n"], reach: int) -> Float[Tensor, "b k k"]:
    """Equal parts of light at places between pixels, each shared by the four pixels around it."""
    place = offsets(reach, right)
    across = (1 - (right[:, :, None] - place).abs()).clamp(min=0.0)
    along = (1 - (down[:, :, None] - place).abs()).clamp(min=0.0)
    return normalised(along.mT @ across)


def _shortened(length: PerImage) -> PerImage:
    """The length to draw, so that the variance along the path is L²/12 after sharing light among pixels.

    Sharing adds f·(1 − f) at a fraction f between two pixels, 1/6 in the mean. A path of l ≤ 1 along the pixels has
    the variance l/4 then, and a longer one l²/12 + 1/6: the wanted l is L²/3 up to L = √3 and √(L² − 2) above. This is
    one smooth formula for both, which leaves the variance within 5 %, and no path where nothing moves.
    """
    square = length.square()
    return square * torch.rsqrt(square + 2 + 7 / (1 + square.square() / 10))

"""Stability: how often the answer flips while a picture changes slowly.

Hendrycks and Dietterich, "Benchmarking neural network robustness to common corruptions and perturbations", ICLR 2019,
section 4. Sequences of 31 frames in the style of ImageNet-P and CIFAR-10-P, made from test pictures by this library's
own mechanisms, in their units, and stored as 8 bits as the published frames are. They are not the published files, and
flip probabilities on them compare models with one another, not with published tables. The mean over sequences is the
mFP that is reported for CIFAR-10-P. The mFR of ImageNet-P divides by AlexNet's figures on the published frames, which
say nothing about these: `mean_flip_rate` divides by those of a baseline that was measured on the same sequences.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from mechaug.evaluation.corruptions import corrupt
from mechaug.evaluation.predict import AT_ONCE, ask, check_batch_size, evaluating, stored_rows
from mechaug.keys import Key
from mechaug.mechanisms import Exposure, LensDirt, Mechanism, MotionBlur, Perspective, Snow, Viewpoint
from mechaug.types import Bytes, Image, Logits, PerImage

FRAMES: Final = 31

Frame: TypeAlias = Callable[[Image, int, Key], Image]
"""From pictures, the number of the frame (0 to 30) and one key per picture to that frame of each sequence."""


@dataclass(frozen=True)
class Sequence:
    """A slow change, or noise that is new in each frame.

    Attributes:
        name: as in a table of results.
        title: as a heading.
        description: what changes, with units.
        noise: whether the frames are independent draws: they are compared with the first frame, which is the picture
            itself, and not with the one before.
        frame: makes one.
    """

    name: str
    title: str
    description: str
    noise: bool
    frame: Frame


@dataclass(frozen=True)
class Stability:
    """What a model said along one sequence of each picture.

    Attributes:
        flips: the share of frames whose answer differs from that of the frame that it is compared with, 0..1.
        top5: the mean distance of the five likeliest classes, `top5_distance`.
    """

    flips: Float[Tensor, "n"]
    top5: Float[Tensor, "n"]


def _noise(corruption: str) -> Frame:
    def frame(pictures: Image, number: int, key: Key) -> Image:
        if number == 0:
            return pictures
        stored = (pictures * 255).round().to(torch.uint8)
        return corrupt(stored, corruption, 1, key.fold(number)).float() / 255

    return frame


def _sweep(mechanism: Mechanism[Any], quantity: str, low: float, high: float) -> Frame:
    """One parameter from `low` to `high` in equal steps; whatever else is drawn stays, from the picture's own key."""

    def frame(pictures: Image, number: int, key: Key) -> Image:
        params = mechanism.sample(key).to(pictures.device)
        value = low + (high - low) * number / (FRAMES - 1)
        return mechanism.apply(
            pictures, params.replace(**{quantity: torch.full_like(getattr(params, quantity), value)})
        )

    return frame


def _zoom_blur(pictures: Image, number: int, key: Key) -> Image:  # noqa: ARG001
    """The mean of eight enlargements, up to 15 % in the last frame."""
    viewpoint, total = Viewpoint(), torch.zeros_like(pictures)
    neutral = viewpoint.neutral(len(pictures)).to(pictures.device)
    for part in range(8):
        scale = 1 + 0.15 * number / (FRAMES - 1) * part / 7
        total += viewpoint.apply(
            pictures, neutral.replace(log2_scale=torch.full_like(neutral.log2_scale, math.log2(scale)))
        )
    return total / 8


_SHAKE = MotionBlur(exposure_s=1 / 30, angular_speed_deg_s=60.0, tremble_deg=0.0)
_FLAKES = Snow(rate_mm_h=1.0, wind_m_s=0.0)
_MUD = LensDirt(coverage=0.0, opacity=0.9, veil=0.3, smudge_mm=4.0, glass_m=0.1, f_number=16.0)
_STILL = Viewpoint(rotation_deg=0.0, log2_scale=0.0, shift_x=0.0, shift_y=0.0)
_BOARD = Perspective(yaw_deg=0.0, pitch_deg=0.0, distance_widths=1.4)

SEQUENCES: Final[tuple[Sequence, ...]] = (
    Sequence(
        "gaussian_noise", "Gaussian noise", "new noise in each frame, as the corruption at severity 1",
        noise=True, frame=_noise("gaussian_noise"),
    ),
    Sequence(
        "shot_noise", "Shot noise", "new noise in each frame, as the corruption at severity 1",
        noise=True, frame=_noise("shot_noise"),
    ),
    Sequence(
        "motion_blur", "Motion blur", "the direction of a shake of 2° turns by 180°",
        noise=False, frame=_sweep(_SHAKE, "direction_deg", 0.0, 180.0),
    ),
    Sequence(
        "zoom_blur", "Zoom blur", "the mean of eight enlargements, from 0 to 15 %",
        noise=False, frame=_zoom_blur,
    ),
    Sequence(
        "snow", "Snow", "snowfall from 0.2 to 4 mm/h of water",
        noise=False, frame=_sweep(_FLAKES, "rate_mm_h", 0.2, 4.0),
    ),
    Sequence(
        "spatter", "Spatter", "mud on the glass spreads from none to half of the picture",
        noise=False, frame=_sweep(_MUD, "coverage", 0.0, 0.5),
    ),
    Sequence(
        "brightness", "Brightness", "exposure from −0.5 to 0.5 EV",
        noise=False, frame=_sweep(Exposure(exposure_ev=0.0), "exposure_ev", -0.5, 0.5),
    ),
    Sequence(
        "translate", "Translate", "a shift from −7 to 7 % of the width",
        noise=False, frame=_sweep(_STILL, "shift_x", -0.07, 0.07),
    ),
    Sequence(
        "rotate", "Rotate", "a rotation from −15° to 15°",
        noise=False, frame=_sweep(_STILL, "rotation_deg", -15.0, 15.0),
    ),
    Sequence(
        "tilt", "Tilt", "the picture as a board, pitched from −15° to 15°",
        noise=False, frame=_sweep(_BOARD, "pitch_deg", -15.0, 15.0),
    ),
    Sequence(
        "scale", "Scale", "a magnification from 0.87 to 1.15, a factor per frame",
        noise=False, frame=_sweep(_STILL, "log2_scale", -0.2, 0.2),
    ),
)  # fmt: skip
"""The suite."""


def find_sequence(name: str) -> Sequence:
    """The sequence of that name.

    Raises:
        ValueError: there is none.
    """
    for sequence in SEQUENCES:
        if sequence.name == name:
            return sequence
    raise ValueError(f"there is no sequence {name!r}: use one of {', '.join(one.name for one in SEQUENCES)}")


def frame(sequence: Sequence, pictures: Image, number: int, key: Key) -> Image:
    """One frame of each picture's sequence, at 8 bits.

    Args:
        sequence: which one.
        pictures: sRGB in [0, 1].
        number: of the frame, 0 to 30.
        key: one key per picture.

    Raises:
        ValueError: there is no such frame.
    """
    if not 0 <= number < FRAMES:
        raise ValueError(f"a sequence has the frames 0 to {FRAMES - 1}, not {number}")
    made = sequence.frame(pictures, number, key.fold(sequence.name))
    return (made * 255).round() / 255


def stability(
    model: nn.Module,
    pictures: Bytes,
    index: Int64[Tensor, "b"],
    key: Key,
    sequence: Sequence,
    *,
    device: torch.device | str = "cpu",
    batch_size: int = AT_ONCE,
) -> Stability:
    """How often a model changes its answer along one sequence of each picture, right or wrong.

    FP = P(f(x_j) ≠ f(x_{j−1})), and P(f(x_j) ≠ f(x_1)) for noise: section 4.2 of the paper. No labels are needed.

    Args:
        model: pictures in [0, 1] to logits.
        pictures: stored pictures, 0..255.
        index: their data-set indices.
        key: a single key.
        sequence: one of `SEQUENCES`.
        device: where the model is.
        batch_size: pictures per pass.

    Returns:
        One figure per picture, on the CPU: their mean is the flip probability.

    Raises:
        ValueError: there are no pictures, or as `predict.ask`.
    """
    check_batch_size(batch_size)
    if not len(pictures):
        raise ValueError("there are no pictures to measure on")
    keys, flips, distances = key.fold("stability").at(index.to(device)), [], []
    with evaluating(model), torch.no_grad():
        for rows in torch.arange(len(pictures)).split(batch_size):
            batch, own = stored_rows(pictures, rows, device), keys.rows(rows.to(device))
            base = ask(model, frame(sequence, batch, 0, own))
            flipped, moved = torch.zeros(2, len(rows), device=device).unbind()
            for number in range(1, FRAMES):
                logits = ask(model, frame(sequence, batch, number, own))
                flipped += logits.argmax(1) != base.argmax(1)
                moved += top5_distance(base, logits)
                base = base if sequence.noise else logits
            flips.append(flipped.cpu() / (FRAMES - 1))
            distances.append(moved.cpu() / (FRAMES - 1))
    return Stability(torch.cat(flips), torch.cat(distances))


def mean_flip_rate(flips: Mapping[str, float], baseline: Mapping[str, float]) -> float:
    """The flip probabilities of a model over those of a baseline, in the mean over sequences: mFR, section 4.2.

    In the paper the baseline is AlexNet. Without one there is only the mean flip probability.

    Args:
        flips: the model's flip probability, 0..1, by sequence.
        baseline: the baseline's by the same sequences, on the same pictures.

    Returns:
        0 where the model never flips, 1 for the baseline itself.

    Raises:
        ValueError: the sequences differ or are none, or along one of them the baseline never flips.
    """
    if not flips or flips.keys() != baseline.keys():
        raise ValueError(f"a flip rate needs the same sequences of both, not {sorted(flips)} and {sorted(baseline)}")
    still = [name for name, share in baseline.items() if share == 0]
    if still:
        raise ValueError(f"the baseline never flips along {', '.join(still)}, so that nothing can be divided by it")
    return sum(flips[name] / baseline[name] for name in flips) / len(flips)


def top5_distance(first: Logits, second: Logits) -> PerImage:
    """How far the first's five likeliest classes move in the ranking of the second: Σ_i |min(σ(i), 6) − i|, i = 1..5.

    The top-5 distance of section 4.2 of the paper: a class that leaves the five is at rank 6 for it, however far it
    falls. From 0 to 15.

    Args:
        first: logits that give the five classes; with fewer than five classes, all of them.
        second: logits that rank them again.
    """
    count = min(5, first.shape[1])
    order = first.argsort(dim=1, descending=True, stable=True)[:, :count]
    ranks = second.argsort(dim=1, descending=True, stable=True).argsort(dim=1) + 1
    places = torch.arange(1, count + 1, device=first.device)
    return (ranks.gather(1, order).clamp(max=6) - places).abs().sum(1).float()

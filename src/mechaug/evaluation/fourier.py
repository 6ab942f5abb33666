"""Fourier analysis of a classifier: which spatial frequencies it is sensitive to, and which it needs.

Yin, Lopes, Shlens, Cubuk and Gilmer, "A Fourier perspective on model robustness in computer vision", NeurIPS 2019, for
the heat map and the bands; Chen, Peng, Ma, Li, Du and Tian, "Amplitude-phase recombination", ICCV 2021, for the swap.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor, nn

from mechaug.evaluation.predict import AT_ONCE, check_labels, logits_of
from mechaug.keys import Key
from mechaug.types import Bytes, Image
from mechaug.watch import Silent, Watch

Band: TypeAlias = Literal["low", "high", "drop"]

_CIFAR: Final = (31, 4.0)
_IMAGENET: Final = (63, 15.7)
_CIFAR_BELOW: Final = 100


@dataclass(frozen=True)
class HeatMap:
    """Errors under one frequency at a time.

    Attributes:
        error: the share of wrong answers, rows and columns by frequency from −(side − 1)/2 to (side − 1)/2 cycles per
            picture, down and across; the mean colour is in the centre. Symmetric about it.
        norm: the L2 norm of the perturbation in each channel, in units of white.
        pictures: how many the shares rest on.
    """

    error: Float[Tensor, "side side"]
    norm: float
    pictures: int


def wave(row: int, column: int, height: int, width: int) -> Float[Tensor, "{height} {width}"]:
    """U_{ij}: the real wave of L2 norm 1 whose spectrum has only the frequencies (i, j) and (−i, −j).

    Section 2 of Yin et al. (2019); a cosine with its crest at the first pixel, in float64.

    Args:
        row: cycles down the picture.
        column: cycles across it.
        height: of the picture, pixels.
        width: likewise.
    """
    down = torch.arange(height, dtype=torch.float64) * (row / height)
    across = torch.arange(width, dtype=torch.float64) * (column / width)
    cosine = torch.cos(2 * math.pi * (down[:, None] + across))
    return cosine / cosine.norm()


def heat_map_size(height: int, width: int) -> tuple[int, float]:
    """The published side and norm: 31 and 4.0 for pictures of 32 pixels, the central 63 and 15.7 for those of 224.

    Pictures with fewer than 100 pixels take the former, with a side that their frequencies allow.
    """
    side, norm = _CIFAR if min(height, width) < _CIFAR_BELOW else _IMAGENET
    shorter = min(height, width)
    return min(side, shorter - 1 + shorter % 2), norm


def half_plane(side: int) -> tuple[tuple[int, int], ...]:
    """The frequencies of a heat map that differ: (i, j) and (−i, −j) are one wave."""
    reach = range(-(side // 2), side // 2 + 1)
    return tuple((i, j) for i in reach for j in reach if (i, j) >= (0, 0))


def heat_map(
    model: nn.Module,
    pictures: Bytes,
    labels: Int64[Tensor, "b"],
    index: Int64[Tensor, "b"],
    key: Key,
    *,
    side: int | None = None,
    norm: float | None = None,
    device: torch.device | str = "cpu",
    batch_size: int = AT_ONCE,
    watch: Watch | None = None,
) -> HeatMap:
    """The heat map of Yin et al. (2019): errors on clip(x + r · norm · U_{ij}), with r = ±1 for each channel.

    Args:
        model: pictures in [0, 1] to logits.
        pictures: stored pictures, 0..255.
        labels: their classes.
        index: their data-set indices: a picture's signs depend on its index, the frequency and the channel.
        key: a single key.
        side: how many frequencies along each axis, odd; by the pictures' size if None, see `heat_map_size`.
        norm: of the perturbation, in units of white; likewise.
        device: where the model is.
        batch_size: pictures per pass.
        watch: is told of `len(pictures)` pictures for each frequency of `half_plane(side)`.

    Raises:
        ValueError: the side is even or has frequencies that the pictures do not, a label is none of the model's
            classes, or as `logits_of`.
    """
    channels, height, width = pictures.shape[1:]
    usual_side, usual_norm = heat_map_size(height, width)
    side, norm = usual_side if side is None else side, usual_norm if norm is None else norm
    watch = watch or Silent()
    if side % 2 == 0 or side > min(height, width):
        raise ValueError(
            f"a heat map has an odd side of at most the pictures' shorter one, {min(height, width)}, not {side}"
        )
    keys, centre = key.fold("fourier").at(index), side // 2
    error = torch.zeros(side, side)
    for i, j in half_plane(side):
        added = (norm * wave(i, j, height, width)).float().to(device)
        draws = keys.fold(i).fold(j).unit(channels)
        signs = torch.where(draws < 0.5, -1.0, 1.0)[:, :, None, None]

        def perturbed(batch: Image, rows: Tensor, signs: Tensor = signs, added: Tensor = added) -> Image:
            return (batch + signs[rows.to(signs.device)].to(batch) * added).clamp(0, 1)

        logits = logits_of(model, pictures, device=device, batch_size=batch_size, change=perturbed)
        check_labels(labels, logits.shape[1])
        wrong = (logits.argmax(1) != labels.cpu()).float().mean()
        error[centre + i, centre + j] = error[centre - i, centre - j] = wrong
        watch.advance(len(pictures), "Fourier heat map")
    return HeatMap(error, norm, len(pictures))


def filtered(pictures: Image, band: Band, radius: float, width: float = 0.1) -> Image:
    """Pictures with some of their frequencies only, in each channel, clipped to [0, 1].

    Frequencies are measured by their distance from 0 as a share of the Nyquist frequency (half a cycle per pixel), so
    that it is the same in every direction of a picture of any shape: 1 at the ends of the axes, √2 in the corners. The
    mean always stays: without it a picture would be black.

    Args:
        pictures: sRGB in [0, 1].
        band: "low" keeps what is at most at the radius, "high" what is beyond it, "drop" all but a ring about it.
        radius: a share of the Nyquist frequency.
        width: of the ring.

    Raises:
        ValueError: there is no such band, or the radius or width is negative.
    """
    if radius < 0 or width < 0:
        raise ValueError(f"a band has a radius and a width of at least 0, not {radius} and {width}")
    height, columns = pictures.shape[-2:]
    down = torch.fft.fftfreq(height, 0.5, device=pictures.device)
    across = torch.fft.rfftfreq(columns, 0.5, device=pictures.device)
    place = torch.hypot(down[:, None], across)
    match band:
        case "low":
            kept = place <= radius
        case "high":
            kept = place > radius
        case "drop":
            kept = (place - radius).abs() > width / 2
        case _:
            raise ValueError(f"there is no band {band!r}: use 'low', 'high' or 'drop'")
    kept = kept | (place == 0)
    return torch.fft.irfft2(torch.fft.rfft2(pictures) * kept, s=(height, columns)).clamp(0, 1)


def band_curve(
    model: nn.Module,
    pictures: Bytes,
    labels: Int64[Tensor, "b"],
    band: Band,
    radii: Sequence[float],
    *,
    width: float = 0.1,
    device: torch.device | str = "cpu",
    batch_size: int = AT_ONCE,
) -> Bool[Tensor, "radii b"]:
    """Which pictures are right when only a band of their frequencies is left, radius by radius.

    Args:
        model: pictures in [0, 1] to logits.
        pictures: stored pictures, 0..255.
        labels: their classes.
        band: as in `filtered`.
        radii: as in `filtered`.
        width: as in `filtered`.
        device: where the model is.
        batch_size: pictures per pass.

    Returns:
        One row per radius: their means are the curve.

    Raises:
        ValueError: there is no radius, or as `filtered`, `logits_of` or `check_labels`.
    """
    if not radii:
        raise ValueError("a curve needs at least one radius")
    rows = []
    for radius in radii:

        def change(batch: Image, rows: Tensor, radius: float = radius) -> Image:  # noqa: ARG001
            return filtered(batch, band, radius, width)

        logits = logits_of(model, pictures, device=device, batch_size=batch_size, change=change)
        check_labels(labels, logits.shape[1])
        rows.append(logits.argmax(1) == labels.cpu())
    return torch.stack(rows)


def recombined(amplitude: Image, phase: Image) -> Image:
    """Pictures with the amplitudes of one and the phases of another, in each channel, clipped to [0, 1].

    Args:
        amplitude: gives the amplitudes; sRGB in [0, 1].
        phase: gives the phases; of the same shape.
    """
    angles = torch.fft.rfft2(phase)
    # Phases as numbers of absolute value 1; where there is no amplitude, there is no phase.
    turned = torch.where(angles.abs() > 0, angles / angles.abs().clamp(min=1e-20), 1.0)
    return torch.fft.irfft2(torch.fft.rfft2(amplitude).abs() * turned, s=amplitude.shape[-2:]).clamp(0, 1)


@dataclass(frozen=True)
class Swap:
    """What a model sees in pictures with the phases of one class and the amplitudes of another.

    Attributes:
        partner: the row of the picture that gave the amplitudes; always of another class.
        as_phase: whether the answer is the class of the phases.
        as_amplitude: whether it is the class of the amplitudes.
    """

    partner: Int64[Tensor, "n"]
    as_phase: Bool[Tensor, "n"]
    as_amplitude: Bool[Tensor, "n"]


def swap(
    model: nn.Module,
    pictures: Bytes,
    labels: Int64[Tensor, "b"],
    index: Int64[Tensor, "b"],
    key: Key,
    *,
    device: torch.device | str = "cpu",
    batch_size: int = AT_ONCE,
) -> Swap:
    """Each picture's phases with the amplitudes of a picture of another class.

    Args:
        model: pictures in [0, 1] to logits.
        pictures: stored pictures, 0..255.
        labels: their classes.
        index: their data-set indices; partners depend on the whole set of them, and not on their order.
        key: a single key.
        device: where the model is.
        batch_size: pictures per pass.

    Raises:
        ValueError: more than half of the pictures are of one class, or as `logits_of` or `check_labels`.
    """
    labels = labels.cpu()
    most = int(labels.bincount().max()) if len(labels) else 0
    if not 0 < 2 * most <= len(labels):
        raise ValueError(
            f"each picture needs a partner of another class, and {most} of {len(labels)} pictures are of one: "
            "use pictures of several classes"
        )
    # Sorted by class, and at random inside one, every picture's partner is as many places on as the largest class has.
    luck = key.fold("swap").at(index.cpu()).unit()
    order = luck.argsort(stable=True)
    order = order[labels[order].argsort(stable=True)]
    partner = torch.empty_like(order).index_copy_(0, order, order.roll(-most))

    def change(batch: Image, rows: Tensor) -> Image:
        given = pictures[partner[rows].to(pictures.device)].to(batch.device).float() / 255
        return recombined(given, batch)

    logits = logits_of(model, pictures, device=device, batch_size=batch_size, change=change)
    check_labels(labels, logits.shape[1])
    answer = logits.argmax(1)
    return Swap(partner, answer == labels, answer == labels[partner])

"""The three primitives of PRIME: a random filter, a random smooth deformation, a random smooth change of colours.

Modas et al., "PRIME: a few primitives can boost robustness to common corruptions", ECCV 2022; the deformations of
maximal entropy are those of Petrini et al., "Relative stability toward diffeomorphisms indicates performance in deep
nets", NeurIPS 2021. Each picture has its own draw of everything. Values are pictures in [0, 1], in and out.
"""

import functools
import math

import torch
from jaxtyping import Float, Int64
from torch import Tensor
from torch.nn.functional import conv2d, grid_sample

from mechaug.fields import noise_field
from mechaug.mechanisms.base import per_image
from mechaug.types import Image, PerImage, Seeds


def filtered(x: Image, sigma: PerImage, seed: Seeds) -> Image:
    """Spectral: a 3×3 filter for all channels, the identity plus independent normal numbers.

    The identity is the middle of the kernel. (In the published code it is a corner, which shifts pictures by a pixel.)

    Args:
        x: pictures; outside is black.
        sigma: standard deviation of the numbers.
        seed: of the numbers.
    """
    kernel = per_image(sigma) * noise_field(seed, [1, 3, 3])
    kernel[:, :, 1, 1] += 1.0
    # Pictures side by side as channels, so that each meets its own kernel.
    found = conv2d(x.transpose(0, 1), kernel.to(x.dtype), padding=1, groups=len(x))
    return found.transpose(0, 1).clamp(0.0, 1.0)


def deformed(x: Image, share: PerImage, cut: Int64[Tensor, "b"], seed: Seeds, most: int) -> Image:
    """Spatial: each pixel is looked up at a smooth random displacement, which vanishes at the edges.

    Args:
        x: pictures.
        share: where the temperature lies in its range: 0 moves the middle by half a pixel, 1 as far as folds allow.
        cut: the highest mode, in half-waves per side; above 1.
        seed: of the modes.
        most: the largest possible `cut`, on which the draw depends.

    Returns:
        Pictures interpolated between pixels; what lies outside is the nearest pixel of the edge.
    """
    height, width = x.shape[2:]
    side = min(height, width)
    if side < 4:
        return x  # no mode has a place between the edges
    # As in Petrini et al.; the range's far end may lie below its near one, where modes are finer than pixels.
    known = cut.double() + 1e-6
    near = 1.0 / (math.pi * side**2 * known.log())
    far = torch.maximum(near, 4.0 / (math.pi**3 * known.square() * known.log()))
    temperature = near + share.double() * (far - near)
    down, across = _modes(height, most, x.device), _modes(width, most, x.device)
    amplitude = _amplitude(cut, height, width, most) * temperature.sqrt().float()[:, None, None]
    waves = noise_field(seed, [2, *amplitude.shape[1:]]) * amplitude[:, None]
    moves = (down.mT @ waves @ across).to(x.dtype)
    # From shares of the side to the units of `grid_sample`, in which the centres of the outer pixels are at −1 and 1.
    rows, columns = (torch.linspace(-1.0, 1.0, size, dtype=x.dtype, device=x.device) for size in (height, width))
    scale_x, scale_y = 2.0 * width / (width - 1), 2.0 * height / (height - 1)
    grid = torch.stack((columns - scale_x * moves[:, 0], rows[:, None] - scale_y * moves[:, 1]), dim=-1)
    return grid_sample(x, grid, mode="bilinear", padding_mode="border", align_corners=True)


def recoloured(
    x: Image, temperature: PerImage, lowest: Int64[Tensor, "b"], highest: Int64[Tensor, "b"], seed: Seeds, most: int
) -> Image:
    """Colour: to each value v of a channel is added Σ cₖ sin(πkv), with normal cₖ of its own; black and white stay.

    Args:
        x: pictures.
        temperature: variance of the cₖ.
        lowest: the first k.
        highest: the last k.
        seed: of the cₖ.
        most: the largest possible `highest`, on which the draw depends.
    """
    order = torch.arange(1, most + 1, device=x.device)
    kept = (order >= lowest[:, None]) & (order <= highest[:, None])
    weights = noise_field(seed, [x.shape[1], most]) * (temperature.sqrt()[:, None] * kept)[:, None]
    # The sum is tabulated: 32 places to the shortest half-wave, between which it is straight to 0.12 % of its height.
    table = (weights @ _waves(most, x.device)).to(x.dtype)
    place = x.flatten(2).clamp(0.0, 1.0) * (table.shape[2] - 1)
    index = place.detach().long().clamp_(max=table.shape[2] - 2)
    before, after = table.gather(2, index), table.gather(2, index + 1)
    return (x + torch.lerp(before, after, place - index).view_as(x)).clamp(0.0, 1.0)


# Kept for calls with gradients, too, which what is made in inference mode cannot meet.
@functools.lru_cache(maxsize=4)
@torch.inference_mode(False)
def _waves(most: int, device: torch.device) -> Float[Tensor, "{most} points"]:
    """sin(πkv) for k from 1, at evenly spaced v from 0 to 1."""
    points = torch.linspace(0.0, 1.0, 32 * most + 1, dtype=torch.float64, device=device)
    order = torch.arange(1, most + 1, device=device)
    return (math.pi * order[:, None] * points).sin().float()


@functools.lru_cache(maxsize=8)
@torch.inference_mode(False)
def _modes(size: int, most: int, device: torch.device) -> Float[Tensor, "m {size}"]:
    """Half-waves between the edges of a line of pixels: those that differ at its pixels."""
    order = torch.arange(1, min(most, size - 2) + 1, device=device)
    place = torch.linspace(0.0, 1.0, size, dtype=torch.float64, device=device)
    return (math.pi * order[:, None] * place).sin().float()


def _amplitude(cut: Int64[Tensor, "b"], height: int, width: int, most: int) -> Float[Tensor, "b m n"]:
    """The standard deviation of each mode: 1/√(i² + j²) inside the circle of radius `cut` + ½.

    Modes beyond the pixels' own frequency look like lower ones. Their variances are added to those, which draws the
    same displacements from fewer numbers.
    """
    limit = per_image(cut.double() + 0.5)[..., 0].square()
    down, across = (_aliases(size, most, cut.device) for size in (height, width))
    variance = torch.zeros(len(cut), down.shape[1], across.shape[1], device=cut.device)
    for i in down:
        for j in across:
            square = i.double().square()[:, None] + j.double().square()
            # To look is to save work on a CPU, and to wait elsewhere.
            if limit.device.type != "cpu" or bool((square.amin() < limit).any()):
                variance += torch.where(square < limit, 1.0 / square, 0.0).float()
    return variance.sqrt()


def _aliases(size: int, most: int, device: torch.device) -> Int64[Tensor, "aliases m"]:
    """The orders up to `most` that look alike on a line of pixels; the first row are the modes themselves."""
    own = torch.arange(1, min(most, size - 2) + 1, device=device)
    period = 2 * (size - 1)
    rows = [own]
    for turn in range(1, most // period + 2):
        rows += [turn * period - own, turn * period + own]
    return torch.stack([row for row in rows if int(row.min()) <= most])

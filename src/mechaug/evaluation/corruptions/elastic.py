"""Elastic transform: a small affine map, then every pixel is pulled a little, its neighbours alike.

Hendrycks and Dietterich, "Benchmarking neural network robustness to common corruptions and perturbations", ICLR 2019.
"""

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import grid_sample

from mechaug.evaluation.corruptions.stored import Levels, mirrored_blur, unit
from mechaug.types import Bytes, Image


def elastic_transform(
    pictures: Bytes,
    corners: Float[Tensor, "b 3 2"],
    pulls: Float[Tensor, "b 2 h w"],
    pull_px: float,
    smoothing_px: float,
    jitter_px: float,
) -> Levels:
    """An affine map that moves three points, and a smooth random displacement.

    Args:
        pictures: stored pictures.
        corners: uniform numbers in (−1, 1): how far each of the three points moves to the right and down, in units of
            `jitter_px`.
        pulls: uniform numbers in (−1, 1), of the displacement to the right and down, before it is smoothed.
        pull_px: what the smoothed displacement is multiplied by, in pixels.
        smoothing_px: standard deviation of the smoothing.
        jitter_px: how far a point moves at most.
    """
    x = unit(pictures, torch.float32)
    moved = _affine(x, corners.double() * jitter_px)
    height, width = x.shape[-2:]
    right, below = torch.zeros(2, 1, 1, 1, device=x.device).unbind(0)
    if pull_px:
        down, across = (mirrored_blur(side, smoothing_px, 3.0, x) for side in (height, width))
        right, below = (pull_px * (down @ pulls.to(x) @ across.T)).unbind(1)
    column = torch.arange(width, device=x.device, dtype=x.dtype) + right
    row = torch.arange(height, device=x.device, dtype=x.dtype)[:, None] + below
    # Places from edge to edge, as the sampler counts them: −1 is the outer edge of the first pixel.
    across, down = (2 * column + 1) / width - 1, (2 * row + 1) / height - 1
    places = torch.stack((across.expand(len(x), height, width), down.expand(len(x), height, width)), -1)
    # The allowance keeps white at 255 where the interpolation's weights sum to 1 − 1e-7.
    return (grid_sample(moved, places, padding_mode="reflection", align_corners=False) + 1e-6) * 255


def _affine(x: Image, shift: Float[Tensor, "b 3 2"]) -> Image:
    """The affine map that takes three points around the centre to their shifted places; reflection about the border.

    The published code's library looks places up in fixed point, to 1/32 of a pixel, and so does this.
    """
    height, width = x.shape[-2:]
    right, left = width // 2 + min(height, width) // 3, width // 2 - min(height, width) // 3
    low, high = height // 2 + min(height, width) // 3, height // 2 - min(height, width) // 3
    if right == left:  # too small for three points
        return x
    exact = {"dtype": torch.float64, "device": x.device}
    points = torch.tensor([[right, low], [right, high], [left, high]], **exact).expand(len(x), 3, 2)
    # Rows (x, y, 1) of the shifted points times the matrix are the points: from the result's places to the picture's.
    shifted = torch.cat(((points + shift).float().double(), torch.ones(len(x), 3, 1, **exact)), -1)
    matrix = torch.linalg.solve(shifted, points)
    row, column = torch.arange(height, **exact), torch.arange(width, **exact)
    along = (matrix[:, 0, :, None] * column * 1024).round()
    down = ((matrix[:, 1, :, None] * row + matrix[:, 2, :, None]) * 1024).round() + 16
    source = ((along[:, :, None, :] + down[:, :, :, None]) / 32).floor() / 32
    last = torch.tensor([width - 1, height - 1], **exact).clamp(min=1)
    places = 2 * source.movedim(1, -1) / last - 1
    return grid_sample(x, places.to(x.dtype), padding_mode="reflection", align_corners=True)

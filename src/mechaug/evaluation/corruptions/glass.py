"""Glass blur: every pixel shows a neighbour, as through frosted glass.

Hendrycks and Dietterich, "Benchmarking neural network robustness to common corruptions and perturbations", ICLR 2019.
"""

import torch
from jaxtyping import Int64
from torch import Tensor

from mechaug.evaluation.corruptions.stored import levels, smoothed, truncated, unit
from mechaug.types import Bytes


def glass_draws(height: int, width: int, distance: int, passes: int) -> tuple[int, int, int, int]:
    """The shape of the offsets that one picture takes: passes, rows and columns that are visited, and two.

    Pixels nearer to the upper or left border than the distance, or as near, are not visited.
    """
    return passes, max(0, height - 2 * distance), max(0, width - 2 * distance), 2


def glass_blur(
    pictures: Bytes, offsets: Int64[Tensor, "b passes rows columns 2"], sigma: float, distance: int
) -> Bytes:
    """Blurred, shuffled among neighbours, and blurred again.

    The published code visits the pixels from the last to the first and means to swap each with a neighbour. Both sides
    of its assignment are views of one memory, so that the visited pixel takes over the neighbour's colour while the
    neighbour keeps it. A neighbour that comes later in the picture has been visited before, and its new colour is
    taken. This is done here for all pixels at once, to the same result: what a pixel ends with is found by following
    such links.

    Args:
        pictures: stored pictures.
        offsets: (down, right) of the neighbour of each visited pixel and pass, −distance to distance − 1, in the
            shape of `glass_draws`.
        sigma: standard deviation of both blurs, in pixels.
        distance: how far away a neighbour may be, in pixels.
    """
    height, width = pictures.shape[-2:]
    blurred = truncated(smoothed(unit(pictures, torch.float64), sigma) + 1e-11).flatten(2)
    if offsets[0].numel():
        for one in offsets.unbind(1):
            source = _sources(one, height, width, distance)
            blurred = blurred.gather(2, source[:, None].expand(-1, blurred.shape[1], -1))
    again = smoothed(blurred.view_as(pictures).double(), sigma)
    return levels(again + 1e-8)


def _sources(
    offsets: Int64[Tensor, "b rows columns 2"], height: int, width: int, distance: int
) -> Int64[Tensor, "b pixels"]:
    """Where each pixel's colour was before the pass."""
    device = offsets.device
    rows = torch.arange(distance + 1, height - distance + 1, device=device)[:, None]
    columns = torch.arange(distance + 1, width - distance + 1, device=device)
    place = rows * width + columns
    row, column = rows + offsets[..., 0], columns + offsets[..., 1]
    target = row * width + column
    source = torch.arange(height * width, device=device).expand(len(offsets), -1).clone()
    source[:, place.flatten()] = target.flatten(1)
    if distance == 1:
        # Neighbours come earlier in the picture, and are visited later.
        return source
    visited = torch.zeros(height * width, dtype=torch.bool, device=device)
    visited[place.flatten()] = True
    here = torch.arange(height * width, device=device)
    new = (source > here) & visited[source] & visited
    link = torch.where(new, source, here)
    # Links lead onwards in the picture; each round doubles how many are followed.
    for _ in range((height * width).bit_length()):
        further = link.gather(1, link)
        if device.type == "cpu" and torch.equal(further, link):
            break
        link = further
    return source.gather(1, link)

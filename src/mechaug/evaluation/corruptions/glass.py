"""Glass blur: every pixel shows a neighbour, as through frosted glass.

Hendrycks and Dietterich, "Benchmarking neural network robustness to common corruptions and perturbations", ICLR 2019.
"""

import torch
from jaxtyping import Int64
from torch import Tensor

from mechaug.evaluation.corruptions.stored import Levels, smoothed, store, unit
from mechaug.types import Bytes


def glass_draws(height: int, width: int, distance: int, passes: int) -> tuple[int, int, int, int]:
    """The shape of the offsets that one picture takes: passes, rows and columns that are visited, and two.

    Pixels nearer to the upper or left border than the distance, or as near, are not visited.
    """
    return passes, max(0, height - 2 * distance), max(0, width - 2 * distance), 2


def glass_blur(
    pictures: Bytes, offsets: Int64[Tensor, "b passes rows columns 2"], sigma: float, distance: int, *,
    swapped: bool = False,
) -> Levels:  # fmt: skip
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
        swapped: the neighbour takes the visited pixel's colour in exchange, as was meant. This is 5 to 50 times slower.
    """
    height, width = pictures.shape[-2:]
    blurred = store((smoothed(unit(pictures, torch.float64), sigma) + 1e-11) * 255).flatten(2)
    find = _swaps if swapped else _sources
    if offsets[0].numel():
        for one in offsets.unbind(1):
            source = find(one, height, width, distance)
            blurred = blurred.gather(2, source[:, None].expand(-1, blurred.shape[1], -1))
    return smoothed(blurred.view_as(pictures).double(), sigma) + 1e-8


def _sources(
    offsets: Int64[Tensor, "b rows columns 2"], height: int, width: int, distance: int
) -> Int64[Tensor, "b pixels"]:
    """Where each pixel's colour was before the pass."""
    device = offsets.device
    place, target = _places(offsets, height, width, distance)
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


def _swaps(
    offsets: Int64[Tensor, "b rows columns 2"], height: int, width: int, distance: int
) -> Int64[Tensor, "b pixels"]:
    """`_sources` where pixels are swapped, one after another from the last to the first.

    Swaps that are too far apart to touch are made at once: of the rows above a pixel, those that lie to its right by
    twice the distance a row. These come after all that may touch them, and before all that they may touch.
    """
    place, target = _places(offsets, height, width, distance)
    rows, columns = place.shape
    source = torch.arange(height * width, device=offsets.device).expand(len(offsets), -1).clone()
    turn = 2 * distance * torch.arange(rows - 1, -1, -1)[:, None] + torch.arange(columns - 1, -1, -1)
    order = turn.flatten().argsort(stable=True).to(offsets.device)
    place, target = place.flatten()[order], target.flatten(1)[:, order]
    counts = turn.flatten().bincount().tolist()
    for here, there in zip(place.split(counts), target.split(counts, 1), strict=True):
        taken = source.gather(1, there)
        source.scatter_(1, there, source[:, here])
        source[:, here] = taken
    return source


def _places(
    offsets: Int64[Tensor, "b rows columns 2"], height: int, width: int, distance: int
) -> tuple[Int64[Tensor, "rows columns"], Int64[Tensor, "b rows columns"]]:
    """The pixels that are visited, and the neighbour of each."""
    rows = torch.arange(distance + 1, height - distance + 1, device=offsets.device)[:, None]
    columns = torch.arange(distance + 1, width - distance + 1, device=offsets.device)
    return rows * width + columns, (rows + offsets[..., 0]) * width + columns + offsets[..., 1]

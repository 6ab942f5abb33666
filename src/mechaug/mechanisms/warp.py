"""Warps: sampling light at other places of the picture, and the places that a plane's homography gives.

A place is measured across the width and down the height of the picture, from −1 to 1 between its edges. Each pixel of
the result says where its light comes from, so that every map here runs from the result to the source.
"""

from collections.abc import Sequence
from typing import Final

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn.functional import grid_sample

from mechaug.mechanisms.base import per_image
from mechaug.mechanisms.eager import constant, needs_gradient, values_known
from mechaug.mechanisms.view import View
from mechaug.memory import NEAR, blocks
from mechaug.types import Image, PerImage

# What has turned to the camera's side or behind it is taken to lie just ahead: far away in the plane of the picture.
_AHEAD: Final = 1e-3

# Planes of x and y one after the other, instead of pairs, are made by few and long vector operations (a tenth of the
# time of `affine_grid`), and `grid_sample` reads both orders equally fast.
Places = Float[Tensor, "b 2 h w"]
"""Where each pixel's light comes from: across, then down."""


def sample_light(x: Image, places: Float[Tensor, "b 2 rows columns"]) -> Float[Tensor, "b c rows columns"]:
    """The light at the given places: bilinear between pixel centres, mirrored at the picture's edges.

    Args:
        x: the images.
        places: across (−1 is the left edge, 1 the right) and down; one map per image, of any size, for all channels.

    Returns:
        Images of the size of the map. Differentiable in `x` and in `places`.
    """
    if x.numel() < NEAR or not values_known(x) or needs_gradient(x, places):
        return _sample(x, places)
    out = x.new_empty((*x.shape[:2], *places.shape[2:]))
    for part in blocks(len(x), x.shape[1:].numel()):
        # A turned picture is read across its rows, which no processor foresees: to fetch it from afar takes more than
        # twice as long as to sample it, and to copy it here, row by row, a quarter.
        out[part] = _sample(x[part].clone(), places[part])
    return out


def _sample(x: Image, places: Float[Tensor, "b 2 rows columns"]) -> Float[Tensor, "b c rows columns"]:
    grid = places.permute(0, 2, 3, 1)
    return grid_sample(x, grid, mode="bilinear", padding_mode="reflection", align_corners=False)


def sample_channels(x: Image, places: Sequence[Places | None]) -> Image:
    """As `sample_light`, each channel at places of its own; a channel without places is kept as it is.

    Args:
        x: images with as many channels as there are maps.
        places: one map, or None, per channel.

    Raises:
        ValueError: there are more or fewer maps than channels.
    """
    if len(places) != x.shape[1]:
        raise ValueError(f"{x.shape[1]} channels are sampled by as many maps, not {len(places)}")
    # Channel by channel: a third faster than folding channels into the batch, and a channel that stays costs no work.
    planes = [x[:, i : i + 1] if where is None else sample_light(x[:, i : i + 1], where)
              for i, where in enumerate(places)]  # fmt: skip
    return torch.cat(planes, dim=1)


def keep_still(seen: Image, x: Image, moved: Bool[Tensor, "b"]) -> Image:
    """The images as sampled, but the originals where nothing moved.

    Places are rounded to a hundred-thousandth of a pixel, which the picture shows in the dark. Where nothing moves,
    nothing may change; the gradients remain those of sampling.
    """
    if values_known(moved) and moved.all():
        return seen
    return seen + torch.where(per_image(moved), 0.0, x - seen).detach()


def pixel_places(height: int, width: int, like: Tensor) -> tuple[Float[Tensor, "w"], Float[Tensor, "h"]]:
    """Where the centres of columns and rows lie, in picture widths from the picture's centre, right and down.

    Args:
        height: of the picture, pixels.
        width: of the picture, pixels.
        like: gives dtype and device.
    """
    right, down = (width - 1) / (2 * width), (height - 1) / (2 * width)
    return (
        torch.linspace(-right, right, width, dtype=like.dtype, device=like.device),
        torch.linspace(-down, down, height, dtype=like.dtype, device=like.device),
    )


def off_axis(view: View, place_x: PerImage, place_y: PerImage, height: int, width: int) -> tuple[PerImage, PerImage]:
    """How far the picture's centre lies from the optical axis, right and down, in picture widths.

    Args:
        view: gives the room that the picture has in the frame.
        place_x: the share of the room to the right that is taken, −1 to 1.
        place_y: the same downward.
        height: of the picture, pixels.
        width: of the picture, pixels.
    """
    across, down = view.room(height, width)
    return place_x * across, place_y * down


def affine_places(
    matrix: Float[Tensor, "b 2 2"], shift_x: PerImage, shift_y: PerImage, height: int, width: int
) -> Places:
    """The places matrix · (p − shift) of the pixels p of the result.

    Args:
        matrix: takes (right, down) of the result to the source's. Its dtype is that of the places.
        shift_x: to the right, picture widths.
        shift_y: downward, picture widths.
        height: of the picture, pixels.
        width: of the picture, pixels.
    """
    right, down = pixel_places(height, width, matrix)
    edges = matrix * constant(((2.0,), (2 * width / height,)), matrix)
    across = edges[:, :, :1] * (right - shift_x[:, None])[:, None]
    along = edges[:, :, 1:] * (down - shift_y[:, None])[:, None]
    return across[:, :, None, :] + along[:, :, :, None]


def homography_places(matrix: Float[Tensor, "b 3 3"], height: int, width: int) -> Places:
    """The places of a homography.

    Args:
        matrix: takes (right, down, 1) of a pixel of the result to homogeneous coordinates in the source, both in
            picture widths from the centre; the third is positive for what lies ahead of the camera. Its dtype is that
            of the places.
        height: of the picture, pixels.
        width: of the picture, pixels.
    """
    right, down = pixel_places(height, width, matrix)
    edges = matrix * constant(((2.0,), (2 * width / height,), (1.0,)), matrix)
    across = edges[:, :, 0, None] * right
    along = edges[:, :, 1, None] * down + edges[:, :, 2, None]
    return _project(across[:, :, None, :] + along[:, :, :, None])


def row_homography_places(across: Float[Tensor, "b 3 h"], along: Float[Tensor, "b 3 h"], width: int) -> Places:
    """As `homography_places`, with a homography for each row of the result.

    Args:
        across: the first column of each row's matrix: what one picture width to the right adds.
        along: each row's middle: homogeneous coordinates of where the pixel below or above the centre looks.
        width: of the picture, pixels.
    """
    height = across.shape[-1]
    right, _ = pixel_places(height, width, across)
    edges = constant(((2.0,), (2 * width / height,), (1.0,)), across)
    return _project((across * edges)[..., None] * right + (along * edges)[..., None])


def _project(rays: Float[Tensor, "b 3 h w"]) -> Places:
    """Homogeneous coordinates to places."""
    return rays[:, :2] / rays[:, 2:].clamp(min=_AHEAD)


def stack_matrix(rows: Sequence[Sequence[Tensor | float]]) -> Float[Tensor, "*n i j"]:
    """Matrices from their entries, row by row: tensors of one shape, at least one of them, and numbers."""
    like = next(entry for row in rows for entry in row if isinstance(entry, Tensor))
    entries = [entry if isinstance(entry, Tensor) else torch.full_like(like, entry) for row in rows for entry in row]
    return torch.stack(entries, dim=-1).unflatten(-1, (len(rows), len(rows[0])))

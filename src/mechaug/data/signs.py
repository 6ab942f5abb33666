"""The embedded data set: ten road signs, rendered from a causal model of what changes their picture.

Each picture is a function of its class and its nuisances, made in linear light: reflectances (a plate of pigments
before dead leaves) × shadow × illuminant × exposure, then the sensor's noise, then sRGB. Because the model is known,
any nuisance can be set and the same picture rendered as it would have been, which tells what causes an error.
"""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

import torch
from jaxtyping import Float
from torch import Tensor

from mechaug.data import shapes
from mechaug.data.dead_leaves import dead_leaves
from mechaug.data.faces import FACES, Pigment
from mechaug.data.illuminant import illuminant_gains
from mechaug.data.nuisances import Nuisances, draw_nuisances
from mechaug.data.pictures import Pictures
from mechaug.data.shapes import Plane
from mechaug.fields import noise_field
from mechaug.keys import Key
from mechaug.mechanisms.base import per_image
from mechaug.mechanisms.light import to_picture
from mechaug.types import Bytes, Image, Labels, PerImage

CLASSES: Final[tuple[str, ...]] = tuple(FACES)
"""The class names, in the order of the class numbers; turn_left and turn_right differ by a mirror alone."""

ADAPTATION: Final = 0.6
"""How much of the illuminant's cast the camera's white balance takes out."""

READ_NOISE_E: Final = 3.0

# The camera stands this many plate half-heights away: how strongly the far side of a turned plate shrinks.
_CAMERA_DISTANCE: Final = 6.0
_POLE: Final[Pigment] = (0.25, 0.25, 0.24)
_POLE_HALF_WIDTH: Final = 0.07
_LEAF: Final[Pigment] = (0.10, 0.17, 0.035)
_LEAF_RIB: Final[Pigment] = (0.22, 0.30, 0.10)
_LEAF_SLIMNESS: Final = 0.5
_PENUMBRA: Final = 0.06  # width of a shadow's edge, in picture widths
_CHALK: Final[Pigment] = (0.52, 0.48, 0.42)
_FADED: Final = 0.95  # part of a pigment that ageing takes at most

# Points per chunk: what fits a processor's cache is drawn three times as fast.
_CHUNK_POINTS: Final = 1 << 16


@dataclass(frozen=True)
class Signs:
    """The embedded data set and the causes of each of its pictures, row by row."""

    train: Pictures
    test: Pictures
    train_nuisances: Nuisances
    test_nuisances: Nuisances


def signs(
    train_size: int = 6000, test_size: int = 2000, *, size: int = 32, confounding: float = 0.0, seed: int = 0
) -> Signs:
    """Draw both splits; the classes are balanced and in an order of their own.

    Picture i of a split depends on (seed, split, i) alone, so a small set is the beginning of a large one, but
    for one stored value in 50,000, which a last bit of light moves by one level.

    Args:
        train_size: number of training pictures; may be 0.
        test_size: number of test pictures; may be 0.
        size: height and width in picture points.
        confounding: probability that an illuminant is tied to the class, in reverse order in the test split.
        seed: of all draws.

    Raises:
        ValueError: a size is out of range, or `confounding` is no probability.
    """
    train, train_nuisances = _split(Key(seed).fold("train"), train_size, size, confounding, reverse=False)
    test, test_nuisances = _split(Key(seed).fold("test"), test_size, size, confounding, reverse=True)
    return Signs(train, test, train_nuisances, test_nuisances)


def _split(key: Key, count: int, size: int, confounding: float, *, reverse: bool) -> tuple[Pictures, Nuisances]:
    if count < 0:
        raise ValueError(f"a number of pictures is not negative: {count}")
    # Ten at a time, in an order of their own, hold each class once.
    tens = key.fold("label").at(torch.arange(-(-count // len(CLASSES))))
    labels = tens.unit(len(CLASSES)).argsort(-1).flatten()[:count]
    index = torch.arange(count)
    nuisances = draw_nuisances(key.at(index), labels, confounding=confounding, reverse=reverse)
    return Pictures(render_bytes(labels, nuisances, size=size), labels, index), nuisances


def render(labels: Labels, nuisances: Nuisances, *, size: int = 32) -> Image:
    """The pictures of some signs; the same rows give the same pictures, alone or in any batch, to a last bit of light.

    Args:
        labels: class numbers, 0 to 9.
        nuisances: one row per label.
        size: height and width in picture points, at least 8.

    Returns:
        sRGB in [0, 1], shape (b, 3, size, size).

    Raises:
        ValueError: a label or the size is out of range, or the rows are not as many.
    """
    picture = torch.empty((len(labels), 3, size, size), device=labels.device)
    for rows, part in _render_chunks(labels, nuisances, size):
        picture[rows] = part
    return picture


def render_bytes(labels: Labels, nuisances: Nuisances, *, size: int = 32) -> Bytes:
    """`render` as stored pictures, 0..255, in a quarter of the memory."""
    pixels = torch.empty((len(labels), 3, size, size), dtype=torch.uint8, device=labels.device)
    for rows, part in _render_chunks(labels, nuisances, size):
        pixels[rows] = (part * 255).round_().to(torch.uint8)
    return pixels


def _render_chunks(labels: Labels, nuisances: Nuisances, size: int) -> Iterator[tuple[Tensor, Image]]:
    if labels.shape != nuisances.scale.shape:
        raise ValueError(f"render needs one row of nuisances per label: {len(labels)} and {len(nuisances.scale)}")
    if size < 8:
        raise ValueError(f"a sign needs at least 8 picture points a side, not {size}")
    if len(labels) and not 0 <= int(labels.min()) <= int(labels.max()) < len(CLASSES):
        raise ValueError(f"a sign's class is a number from 0 to {len(CLASSES) - 1}")
    parts = [
        (name, rows)
        for number, name in enumerate(CLASSES)
        for rows in (labels == number).nonzero()[:, 0].split(max(1, _CHUNK_POINTS // size**2))
        if len(rows)
    ]
    with _one_thread_each() as threads, ThreadPoolExecutor(threads) as pool:
        pictures = pool.map(lambda part: _render_class(part[0], nuisances.rows(part[1]), size), parts)
        for (_, rows), picture in zip(parts, pictures, strict=True):
            yield rows, picture


@contextmanager
def _one_thread_each() -> Iterator[int]:
    """Lets every thread compute alone, and tells how many of them torch was to use.

    Drawing is many small operations: to share each of them among threads costs more than it saves, and on a busy
    machine it takes twenty times as long. Chunks are shared instead.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield threads
    finally:
        torch.set_num_threads(threads)


def _render_class(name: str, nuisances: Nuisances, size: int) -> Image:
    scene = dead_leaves(nuisances.background_seed, size)
    u, v, point = _plate_plane(nuisances, size)
    pole = shapes.coverage(torch.maximum(u.abs() - _POLE_HALF_WIDTH, v), point)
    scene.lerp_(_pigment(_POLE, scene), pole[:, None])
    colour, cover = _plate(name, nuisances, size)
    scene.mul_(1 - cover).add_(colour)
    leaf, rib = _leaf(nuisances, u, v, point)
    scene.lerp_(torch.lerp(_pigment(_LEAF, scene), _pigment(_LEAF_RIB, scene), rib[:, None]), leaf[:, None])

    gains = illuminant_gains(nuisances.illuminant_mired, adaptation=ADAPTATION)
    level = gains[:, :, None, None] * per_image(torch.exp2(nuisances.exposure_ev))
    return to_picture(_sense(scene.mul_(level) * (1 - _shadow(nuisances, size)), nuisances))


def _plate(
    name: str, nuisances: Nuisances, size: int
) -> tuple[Float[Tensor, "b 3 {size} {size}"], Float[Tensor, "b 1 {size} {size}"]]:
    """The plate alone: its colour times its coverage, and its coverage."""
    # At twice the size, then averaged: at 32×32 some strokes are thinner than a point.
    u, v, point = _plate_plane(nuisances, 2 * size)
    (plate, ground), *layers = FACES[name](u, v)
    colour = _fade(ground, nuisances.fading)[:, :, None, None].repeat(1, 1, *plate.shape[1:])
    for distance, pigment in layers:
        colour.lerp_(_fade(pigment, nuisances.fading)[:, :, None, None], shapes.coverage(distance, point)[:, None])
    cover = shapes.coverage(plate, point)[:, None]
    return _halve(colour.mul_(cover)), _halve(cover)


def _halve(fine: Image) -> Float[Tensor, "b c half_h half_w"]:
    """The mean of each two by two points."""
    rows = fine[:, :, 0::2] + fine[:, :, 1::2]
    return (rows[..., 0::2] + rows[..., 1::2]) / 4


def _plate_plane(nuisances: Nuisances, points: int) -> tuple[Plane, Plane, Float[Tensor, "b 1 1"]]:
    """Where on the plate's plane the picture's points lie, and their size there.

    The inverse of turning the plate, projecting it, rotating and moving it in the picture; on the plane, the plate is
    2 high. The size is that for a plate which is not turned.
    """
    n = nuisances.map(lambda field: field[:, None, None])
    grid = (torch.arange(points, device=n.scale.device) + 0.5) / points - 0.5
    right = (grid - n.shift_x) * (2 / n.scale)
    up = (-grid[:, None] - n.shift_y) * (2 / n.scale)
    cos, sin = torch.cos(torch.deg2rad(n.rotation_deg)), torch.sin(torch.deg2rad(n.rotation_deg))
    x, y = right * cos + up * sin, up * cos - right * sin

    # A plate point (u, v) is pitched, then yawed, to X = u cos ψ + v sin φ sin ψ, Y = v cos φ and
    # Z = v sin φ cos ψ − u sin ψ, and seen at (x, y) = (X, Y) / (1 + Z / D): two linear equations for u and v.
    yaw, pitch = torch.deg2rad(n.yaw_deg), torch.deg2rad(n.pitch_deg)
    x_over, y_over = x / _CAMERA_DISTANCE, y / _CAMERA_DISTANCE
    a = yaw.cos() + x_over * yaw.sin()
    b = pitch.sin() * (yaw.sin() - x_over * yaw.cos())
    c = y_over * yaw.sin()
    d = pitch.cos() - y_over * (pitch.sin() * yaw.cos())
    determinant = a * d - b * c
    return (x * d - b * y) / determinant, (a * y - c * x) / determinant, 2 / (points * n.scale)


def _fade(pigment: Pigment, fading: PerImage) -> Float[Tensor, "b 3"]:
    """A pigment after some ageing: paler, and nearly like every other in the end."""
    fresh = torch.tensor(pigment, device=fading.device)
    chalk = torch.tensor(_CHALK, device=fading.device)
    return fresh + _FADED * fading[:, None] * (chalk - fresh)


def _pigment(pigment: Pigment, like: Tensor) -> Float[Tensor, "3 1 1"]:
    return torch.tensor(pigment, device=like.device)[:, None, None]


def _leaf(nuisances: Nuisances, u: Plane, v: Plane, point: Float[Tensor, "b 1 1"]) -> tuple[Plane, Plane]:
    """Where a leaf lies before the plate, and where its rib."""
    angle = torch.deg2rad(nuisances.leaf_angle_deg)[:, None, None]
    area = 4 * nuisances.leaf_area[:, None, None]
    half_length = (area / shapes.lens_area(_LEAF_SLIMNESS)).sqrt()
    along = u * angle.cos() + v * angle.sin() - 0.6
    across = v * angle.cos() - u * angle.sin()
    leaf = shapes.coverage(shapes.lens(along, across, half_length, _LEAF_SLIMNESS), point)
    rib = shapes.coverage(across.abs() - 0.03 * half_length, point)
    return leaf * (area > 0), rib


def _shadow(nuisances: Nuisances, size: int) -> Float[Tensor, "b 1 {size} {size}"]:
    """The part of the light that a cast shadow with a straight, soft edge takes away."""
    grid = (torch.arange(size, device=nuisances.scale.device) + 0.5) / size - 0.5
    angle = per_image(torch.deg2rad(nuisances.shadow_angle_deg))
    inward = grid * angle.cos() - grid[:, None] * angle.sin() - per_image(nuisances.shadow_offset)
    return per_image(nuisances.shadow_depth) * (0.5 + inward / _PENUMBRA).clamp(0.0, 1.0)


def _sense(light: Image, nuisances: Nuisances) -> Image:
    """Light with the noise of photons and of reading (Gaussian, as for many electrons)."""
    white_e = per_image(nuisances.white_level_e)
    deviation = (light / white_e + (READ_NOISE_E / white_e) ** 2).sqrt()
    return light + deviation * noise_field(nuisances.noise_seed, list(light.shape[1:]))

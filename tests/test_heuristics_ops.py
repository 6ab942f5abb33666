"""The operations against Pillow, on photographs and on pictures made to be awkward."""

import functools
import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image as PillowImage
from PIL import ImageEnhance, ImageOps

from mechaug.heuristics import enhance, geometry, ops
from mechaug.keys import Key
from mechaug.testing import example_pictures

PHOTOGRAPHS = Path(__file__).resolve().parents[2] / "shared" / "data" / "imagenette_val500_224.npz"
BILINEAR = PillowImage.Resampling.BILINEAR
NEAREST = PillowImage.Resampling.NEAREST
AFFINE = PillowImage.Transform.AFFINE

Pillow = Callable[[PillowImage.Image, float], PillowImage.Image]


def _affine(image: PillowImage.Image, *matrix: float) -> PillowImage.Image:
    return image.transform(image.size, AFFINE, matrix, resample=BILINEAR)


def _nearest(image: PillowImage.Image, *matrix: float) -> PillowImage.Image:
    return image.transform(image.size, AFFINE, matrix, resample=NEAREST)


# As policies turn, shear and shift.
turn_nearest = ops.Operation(lambda levels, degrees: geometry.turned(levels, degrees, "nearest"))
shear_x_nearest = ops.Operation(lambda levels, slope: geometry.moved(levels, slope, 0, 1, "nearest"))
shear_y_nearest = ops.Operation(lambda levels, slope: geometry.moved(levels, slope, 1, 0, "nearest"))
translate_x_nearest = ops.Operation(lambda levels, pixels: geometry.moved(levels, pixels, 0, 2, "nearest"))
translate_y_nearest = ops.Operation(lambda levels, pixels: geometry.moved(levels, pixels, 1, 2, "nearest"))
FACTORS = [0.0, 0.1, 0.55, 1.0, 1.45, 1.9, 1.99]
# The ten levels of AutoAugment, the wide ranges of TrivialAugment, and numbers in between.
ANGLES = [10 / 3, -20 / 3, 26.6, 30.0, -135.0, 99.0, 4.5]
SLOPES = [0.1, -0.3, 0.267, 0.99, -0.66, 0.033]
SHIFTS = [3, -14, 32, 0.49, -0.51, 101, 5.3]

# Operation, the same in Pillow, magnitudes, and whether the two must agree to the last bit.
CASES: dict[str, tuple[ops.Operation, Pillow, list[float], bool]] = {
    "autocontrast": (ops.autocontrast, lambda image, _: ImageOps.autocontrast(image), [0.0], True),
    "equalize": (ops.equalize, lambda image, _: ImageOps.equalize(image), [0.0], True),
    "posterize": (ops.posterize, lambda image, bits: ImageOps.posterize(image, int(bits)), [1, 2, 3, 4, 7, 8], True),
    "solarize": (ops.solarize, lambda image, level: ImageOps.solarize(image, int(level)), [0, 1, 100, 255, 256], True),
    "rotate": (ops.rotate, lambda image, angle: image.rotate(angle, resample=BILINEAR), [-27, 0.4, 9, 45, 200], False),
    "right angles": (ops.rotate, lambda image, angle: image.rotate(angle, resample=BILINEAR), [0, 180, -360], True),
    "shear_x": (ops.shear_x, lambda image, s: _affine(image, 1, s, 0, 0, 1, 0), [-0.3, -0.007, 0.09, 0.2], False),
    "shear_y": (ops.shear_y, lambda image, s: _affine(image, 1, 0, 0, s, 1, 0), [-0.3, -0.007, 0.09, 0.2], False),
    "translate_x": (ops.translate_x, lambda image, d: _affine(image, 1, 0, d, 0, 1, 0), [-99, -3, 0, 1, 31], True),
    "translate_y": (ops.translate_y, lambda image, d: _affine(image, 1, 0, 0, 0, 1, d), [-99, -3, 0, 1, 31], True),
    "invert": (ops.invert, lambda image, _: ImageOps.invert(image), [0.0], True),
    "brightness": (enhance.brightness, lambda image, f: ImageEnhance.Brightness(image).enhance(f), FACTORS, True),
    "contrast": (enhance.contrast, lambda image, f: ImageEnhance.Contrast(image).enhance(f), FACTORS, True),
    "colour": (enhance.colour, lambda image, f: ImageEnhance.Color(image).enhance(f), FACTORS, True),
    "sharpness": (enhance.sharpness, lambda image, f: ImageEnhance.Sharpness(image).enhance(f), FACTORS, True),
    "turn, nearest": (turn_nearest, lambda image, angle: image.rotate(angle), ANGLES, True),
    "shear_x, nearest": (shear_x_nearest, lambda image, s: _nearest(image, 1, s, 0, 0, 1, 0), SLOPES, True),
    "shear_y, nearest": (shear_y_nearest, lambda image, s: _nearest(image, 1, 0, 0, s, 1, 0), SLOPES, True),
    "translate_x, nearest": (translate_x_nearest, lambda image, d: _nearest(image, 1, 0, d, 0, 1, 0), SHIFTS, True),
    "translate_y, nearest": (translate_y_nearest, lambda image, d: _nearest(image, 1, 0, 0, 0, 1, d), SHIFTS, True),
    "part of a pixel": (ops.translate_x, lambda image, d: _affine(image, 1, 0, d, 0, 1, 0), [-2.5, 0.3, 0.75], False),
}


def _awkward(height: int, width: int) -> np.ndarray:
    """Noise, one grey, two greys, three neighbouring greys, a ramp, and a channel that is flat where others are not."""
    noise = (Key(1).unit(height, width, 3).numpy() * 256).astype(np.uint8)
    ramp = np.broadcast_to(np.linspace(0, 255, width).astype(np.uint8)[None, :, None], noise.shape)
    one_flat = noise.copy()
    one_flat[..., 1] = 200
    dark = noise // 100
    return np.stack(
        [noise, np.full_like(noise, 77), np.where(noise > 99, np.uint8(255), np.uint8(3)), 100 + dark, ramp, one_flat]
    )


@functools.cache
def _photographs() -> list[PillowImage.Image]:
    """64 photographs of 224 × 224, from JPEG files; where these are not here, JPEGs of smooth colourful noise."""
    if not PHOTOGRAPHS.exists():
        return [_as_jpeg(picture) for picture in (example_pictures(64, height=224, width=224) * 255).byte()]
    with np.load(PHOTOGRAPHS) as pack:
        heads, head_at, body, body_at = (pack[k] for k in ("headers", "header_offsets", "payload", "offsets"))
        files = [
            heads[head_at[h] : head_at[h + 1]].tobytes() + body[body_at[i] : body_at[i + 1]].tobytes()
            for i, h in enumerate(pack["header_id"][:64])
        ]
    return [PillowImage.open(io.BytesIO(file)).convert("RGB") for file in files]


def _as_jpeg(picture: torch.Tensor) -> PillowImage.Image:
    file = io.BytesIO()
    PillowImage.fromarray(picture.permute(1, 2, 0).numpy()).save(file, "JPEG", quality=90)
    return PillowImage.open(file)


def _check(name: str, stored: np.ndarray) -> None:
    operation, pillow, magnitudes, exact = CASES[name]
    images = torch.from_numpy(stored.copy()).permute(0, 3, 1, 2).float() / 255
    # Magnitudes run through the batch, so that each image has its own and each magnitude meets several images.
    chosen = [float(magnitudes[i % len(magnitudes)]) for i in range(len(stored))]
    ours = operation(images, torch.tensor(chosen, dtype=torch.float64))
    theirs = np.stack(
        [np.asarray(pillow(PillowImage.fromarray(image), m)) for image, m in zip(stored, chosen, strict=True)]
    )
    levels = ours * 255
    assert torch.allclose(levels, levels.round(), atol=1e-4)
    difference = np.abs(levels.round().permute(0, 2, 3, 1).numpy() - theirs)
    assert difference.max() <= (0 if exact else 1)
    assert (difference > 0).mean() < 0.02


@pytest.mark.parametrize("name", CASES)
def test_64_photographs_come_out_as_from_pillow(name: str) -> None:
    _check(name, np.stack([np.asarray(image.resize((72, 64))) for image in _photographs()]))


@pytest.mark.parametrize("name", CASES)
def test_large_photographs_come_out_as_from_pillow(name: str) -> None:
    _check(name, np.stack([np.asarray(image) for image in _photographs()[:8]]))


@pytest.mark.parametrize("size", [(32, 32), (28, 45), (7, 3)])
@pytest.mark.parametrize("name", CASES)
def test_awkward_pictures_come_out_as_from_pillow(name: str, size: tuple[int, int]) -> None:
    _check(name, _awkward(*size))


@pytest.mark.parametrize("angle", [90.0, 270.0, -90.0, 450.0])
def test_right_angles_move_the_pixels_of_a_square_exactly(angle: float) -> None:
    x = torch.from_numpy(_awkward(33, 33)).permute(0, 3, 1, 2).float() / 255
    turned = ops.rotate(x, torch.full((len(x),), angle))
    assert torch.allclose(turned, torch.rot90(x, int(angle) // 90, (2, 3)), atol=1e-6)


@pytest.mark.parametrize("name", ["autocontrast", "equalize", "rotate", "solarize"])
def test_a_row_does_not_depend_on_the_batch(name: str) -> None:
    operation, _, magnitudes, _ = CASES[name]
    x = torch.from_numpy(_awkward(16, 16)).permute(0, 3, 1, 2).float() / 255
    magnitude = torch.tensor([magnitudes[i % len(magnitudes)] for i in range(len(x))], dtype=torch.float64)
    together = operation(x, magnitude)
    alone = torch.cat([operation(x[i : i + 1], magnitude[i : i + 1]) for i in range(len(x))])
    assert torch.equal(together, alone)


@pytest.mark.parametrize("name", CASES)
def test_number_format_and_empty_batches_pass_through(name: str) -> None:
    operation, _, magnitudes, _ = CASES[name]
    x = torch.from_numpy(_awkward(8, 8)).permute(0, 3, 1, 2).double() / 255
    magnitude = torch.full((len(x),), float(magnitudes[0]))
    assert operation(x, magnitude).dtype == torch.float64
    assert operation(x.bfloat16(), magnitude).dtype == torch.bfloat16
    assert operation(x[:0].float(), magnitude[:0]).shape == (0, 3, 8, 8)


def test_one_channel_is_enough() -> None:
    x = torch.from_numpy(_awkward(16, 16)).permute(0, 3, 1, 2).float()[:, :1] / 255
    ours = ops.equalize(x, torch.zeros(len(x)))
    theirs = [ImageOps.equalize(PillowImage.fromarray(image)) for image in (x[:, 0] * 255).to(torch.uint8).numpy()]
    assert np.array_equal((ours[:, 0] * 255).round().numpy(), np.stack([np.asarray(image) for image in theirs]))

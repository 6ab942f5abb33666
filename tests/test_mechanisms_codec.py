"""JPEG: the reference codec's own bytes, with gradients."""

import io
import math
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image as Pictures

from mechaug.keys import Key
from mechaug.mechanisms.codec import Jpeg, JpegParams

GOLDEN = Path(__file__).resolve().parents[2] / "shared" / "golden"
SUBSAMPLINGS = ("4:4:4", "4:2:0")


@cache
def golden(size: int, name: str) -> torch.Tensor:
    """Stored pictures 0..255 as (..., c, h, w), uint8."""
    path = GOLDEN / f"corruptions_{size}.npz"
    if not path.exists():
        pytest.skip(f"needs the golden pictures, {path.name}")
    with np.load(path) as archive:
        return torch.from_numpy(archive[name]).movedim(-1, -3)


def synthetic(height: int, width: int) -> torch.Tensor:
    """Eight 8-bit pictures: noise, saturated noise, flat colours and colour ramps."""
    key = Key(7).at(range(8))
    noise = key.fold("noise").integers(0, 256, 3, height, width)
    flat = key.fold("flat").integers(0, 256, 3, 1, 1).expand_as(noise)
    down, across = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    ramp = torch.stack((down * 255 // height, across * 255 // width, 255 - down * 255 // height)).expand_as(noise)
    kinds = torch.stack((noise, (noise > 127) * 255, flat, ramp))
    return kinds[torch.arange(8) % 4, torch.arange(8)].to(torch.uint8)


def textured(size: int, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    """Four pictures of smooth colour with some noise, clear of black and white."""
    key = Key(3).at(range(4))
    waves = torch.linspace(0.0, 5.0, size).sin()
    smooth = 0.5 + 0.2 * waves[:, None] * waves.roll(size // 3)[None, :]
    return (smooth + 0.05 * key.fold("noise").normal(0.0, 1.0, 3, size, size)).clamp(0.05, 0.95).to(dtype)


def by_pillow(pictures: torch.Tensor, quality: int, subsampling: str) -> torch.Tensor:
    decoded = []
    for picture in pictures:
        array = picture.movedim(0, -1).squeeze(-1).numpy()
        file = io.BytesIO()
        Pictures.fromarray(array).save(file, "JPEG", quality=quality, subsampling=subsampling)
        decoded.append(torch.from_numpy(np.array(Pictures.open(file))).reshape(*array.shape[:2], -1).movedim(-1, 0))
    return torch.stack(decoded)


def levels(mechanism: Jpeg, pictures: torch.Tensor, quality: float, dtype: torch.dtype) -> torch.Tensor:
    """Grey levels 0..255 of the compressed pictures, in float64."""
    return 255.0 * mechanism.apply(pictures.to(dtype) / 255.0, at(quality, len(pictures))).double()


def at(quality: float, batch: int) -> JpegParams:
    return JpegParams(torch.full((batch,), float(quality)))


@pytest.mark.parametrize("subsampling", SUBSAMPLINGS)
@pytest.mark.parametrize("shape", [(32, 32), (61, 83), (17, 5), (1, 40)])
def test_synthetic_pictures_come_out_as_the_reference_codecs_bytes(shape, subsampling):
    pictures = synthetic(*shape)
    mechanism = Jpeg(subsampling=subsampling)
    for quality in (1, 10, 30, 50, 75, 95, 100):
        expected = by_pillow(pictures, quality, subsampling).double()
        assert (levels(mechanism, pictures, quality, torch.float64) - expected).abs().max() < 1e-6
        # In float32 a sum may round to the other side of a half, once in a few hundred thousand values.
        assert (levels(mechanism, pictures, quality, torch.float32) - expected).abs().mean() < 1e-3


@pytest.mark.parametrize("subsampling", SUBSAMPLINGS)
@pytest.mark.parametrize("size", [32, 224])
def test_photographs_come_out_as_the_reference_codecs_bytes(size, subsampling):
    pictures = golden(size, "clean")
    for quality in (10, 30, 50, 75, 90, 95):
        expected = by_pillow(pictures, quality, subsampling).double()
        difference = levels(Jpeg(subsampling=subsampling), pictures, quality, torch.float32) - expected
        assert difference.abs().mean() < 1e-3
        assert (difference.abs() > 0.5).double().mean() < 1e-4


def test_the_published_corruption_is_reproduced():
    clean, corrupted = golden(32, "clean"), golden(32, "jpeg_compression")
    for severity, quality in enumerate((80, 65, 58, 50, 40)):
        ours = levels(Jpeg(), clean, quality, torch.float64)
        assert (ours - corrupted[severity].double()).abs().max() < 1e-6


@pytest.mark.parametrize("quality", [10, 75])
def test_a_grey_picture_is_stored_as_luma_alone(quality):
    pictures = synthetic(30, 37)[:, :1]
    expected = by_pillow(pictures, quality, "4:4:4").double()
    assert (levels(Jpeg(), pictures, quality, torch.float64) - expected).abs().max() < 1e-6


def test_values_between_grey_levels_are_rounded_to_8_bits_first():
    pictures = synthetic(24, 24).double()
    shifted = pictures + torch.linspace(-0.4, 0.4, 24, dtype=torch.float64)
    assert torch.equal(
        levels(Jpeg(), shifted.clamp(0, 255), 60.0, torch.float64), levels(Jpeg(), pictures, 60.0, torch.float64)
    )


def test_the_result_is_8_bit_and_the_input_stays_as_it_was():
    x = textured(24)
    kept = x.clone()
    y = Jpeg().apply(x, at(40.0, 4))
    assert torch.equal(x, kept)
    assert torch.equal((255.0 * y).round() / 255.0, y)


def test_values_do_not_depend_on_whether_gradients_are_kept():
    x = Key(5).at(range(4)).uniform(0.0, 1.0, 3, 40, 40)
    params = Jpeg().sample(Key(6).at(range(4)))
    with torch.no_grad():
        y = Jpeg().apply(x, params)
    assert torch.equal(Jpeg().apply(x, params), y)


@pytest.mark.parametrize("rounding", ["hard", "soft"])
def test_infinite_quality_returns_the_input_and_leaves_the_other_rows_alone(rounding):
    x = textured(20)
    mechanism = Jpeg(rounding=rounding)
    assert torch.equal(mechanism.apply(x, mechanism.neutral(4)), x)
    mixed = mechanism.apply(x, JpegParams(torch.tensor([30.0, math.inf, 101.0, 30.0])))
    assert torch.equal(mixed[1:3], x[1:3])
    assert torch.equal(mixed[[0, 3]], mechanism.apply(x[[0, 3]], at(30.0, 2)))


def test_lower_quality_differs_more():
    x = textured(64)
    errors = [(Jpeg().apply(x, at(q, 4)) - x).square().mean().item() for q in (100.0, 90.0, 70.0, 40.0, 15.0, 3.0)]
    assert errors == sorted(errors)
    assert 0 < 2 * errors[0] < errors[-1]


@pytest.mark.parametrize("subsampling", SUBSAMPLINGS)
@pytest.mark.parametrize("rounding", ["hard", "soft"])
@pytest.mark.parametrize("shape", [(5, 3, 32, 32), (4, 3, 21, 38), (4, 1, 17, 33), (3, 3, 1, 1)])
def test_a_picture_does_not_depend_on_its_batch(shape, rounding, subsampling):
    mechanism = Jpeg(subsampling=subsampling, rounding=rounding)
    x = Key(1).at(range(shape[0])).uniform(0.0, 1.0, *shape[1:])
    params = mechanism.sample(Key(2).at(range(shape[0])))
    y = mechanism.apply(x, params)
    alone = torch.cat([mechanism.apply(x[i : i + 1], params.rows(torch.tensor([i]))) for i in range(shape[0])])
    torch.testing.assert_close(y, alone, rtol=0, atol=1e-6)


@pytest.mark.untyped
@pytest.mark.parametrize("subsampling", SUBSAMPLINGS)
@pytest.mark.parametrize("rounding", ["hard", "soft"])
def test_traced_and_mapped_forms_agree_with_the_plain_one(rounding, subsampling):
    mechanism = Jpeg(subsampling=subsampling, rounding=rounding)
    x = textured(20)
    params = JpegParams(torch.tensor([3.0, 50.0, 97.0, math.inf]))
    y = mechanism.apply(x, params)
    traced = torch.compile(mechanism.apply, backend="aot_eager", fullgraph=True)
    torch.testing.assert_close(traced(x, params), y, rtol=0, atol=1e-6)
    mapped = torch.vmap(lambda x, p: mechanism.apply(x[None], p.map(lambda t: t[None]))[0])
    torch.testing.assert_close(mapped(x, params), y, rtol=0, atol=1e-6)


@pytest.mark.parametrize("subsampling", SUBSAMPLINGS)
@pytest.mark.parametrize("channels", [1, 3])
def test_soft_gradients_are_those_of_the_value(channels, subsampling):
    mechanism = Jpeg(subsampling=subsampling, rounding="soft")
    x = textured(12, torch.float64)[:2, :channels, :10].requires_grad_()
    quality = torch.tensor([23.0, 71.3], dtype=torch.float64, requires_grad=True)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)  # the fast mode checks along one random direction
        assert torch.autograd.gradcheck(
            lambda x, q: mechanism.apply(x, JpegParams(q)), (x, quality), eps=1e-7, atol=1e-4, fast_mode=True
        )


def test_hard_and_soft_gradients_agree_where_their_values_nearly_do():
    # At quality 100 every quantiser step is 1, so that both quantise nearly the same coefficients.
    gradients = []
    for rounding in ("hard", "soft"):
        x = (255.0 * textured(32)).round().div(255.0).requires_grad_()
        Jpeg(subsampling="4:4:4", rounding=rounding).apply(x, at(100.0, 4)).square().sum().backward()
        assert x.grad is not None
        gradients.append(x.grad.flatten())
    assert torch.nn.functional.cosine_similarity(gradients[0], gradients[1], dim=0) > 0.5


@pytest.mark.parametrize("rounding", ["hard", "soft"])
@pytest.mark.parametrize("value", [0.0, 0.5, 1.0, None])
@pytest.mark.parametrize("quality", [1.0, 50.0, 100.0, math.inf])
def test_gradients_are_finite_everywhere(quality, value, rounding):
    x = (textured(16) if value is None else torch.full((4, 3, 16, 16), value)).requires_grad_()
    q = torch.full((4,), quality, requires_grad=True)
    Jpeg(rounding=rounding).apply(x, JpegParams(q)).square().sum().backward()
    assert x.grad is not None
    assert q.grad is not None
    assert x.grad.isfinite().all()
    assert q.grad.isfinite().all()


def test_the_gradient_says_that_more_quality_means_less_error():
    x = textured(64)
    q = torch.tensor([12.0, 50.0, 75.0, 90.0], requires_grad=True)
    (Jpeg().apply(x, JpegParams(q)) - x).square().sum().backward()
    assert q.grad is not None
    assert (q.grad < 0).all()


@pytest.mark.parametrize(("subsampling", "tolerance"), [("4:4:4", 0.1), ("4:2:0", 0.7)])
def test_compressing_twice_moves_a_photograph_little_but_is_no_projection(subsampling, tolerance):
    mechanism = Jpeg(subsampling=subsampling)
    assert mechanism.structure == "none"
    x = golden(32, "clean").float() / 255.0
    moved = []
    for quality in (10.0, 50.0, 75.0, 95.0):
        once = mechanism.apply(x, at(quality, 32))
        moved.append(255.0 * (mechanism.apply(once, at(quality, 32)) - once).abs().mean().item())
    assert 0.0 < max(moved) < tolerance


def test_sample_draws_the_law():
    quality = Jpeg(quality=(20.0, 40.0)).sample(Key(0).at(range(200))).quality
    assert quality.shape == (200,)
    assert 20.0 <= quality.min() < 22.0
    assert 38.0 < quality.max() <= 40.0


def test_what_cannot_be_is_refused():
    with pytest.raises(ValueError, match="quality"):
        Jpeg(quality=0.5)
    with pytest.raises(ValueError, match="1 or 3 channels, not 2"):
        Jpeg().apply(torch.zeros(1, 2, 8, 8), at(50.0, 1))


@pytest.mark.untyped  # run without run-time checks, which would refuse these first
def test_unknown_choices_are_refused():
    with pytest.raises(ValueError, match="subsampling"):
        Jpeg(subsampling="4:1:1")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="rounding"):
        Jpeg(rounding="half")  # type: ignore[arg-type]

"""What one picture says about its causes, from a file and from a tensor."""

import math
from pathlib import Path

import pytest
import torch
from PIL import Image as PillowImage

import known_scene
from mechaug import Key
from mechaug import mechanisms as m
from mechaug.errors import UserError
from mechaug.scenes import PHOTOGRAPHS, Estimate, Reference, abduct
from mechaug.scenes.estimators.measures import measure
from mechaug.scenes.estimators.photograph import photograph_of
from mechaug.scenes.fit_reference import reference_of

SIZE = 192
KEY = Key(0).at(torch.arange(1))


@pytest.fixture(scope="module")
def pictures() -> torch.Tensor:
    return known_scene.leaves(40, SIZE)


@pytest.fixture(scope="module")
def reference(pictures: torch.Tensor) -> Reference:
    return reference_of([measure(photograph_of(picture)) for picture in pictures], "dead leaves")


def value(estimate: Estimate) -> float:
    assert estimate.value is not None, estimate.reason
    return estimate.value


def test_light_and_its_colour_move_as_they_were_moved(pictures: torch.Tensor, reference: Reference) -> None:
    """Against itself most of a picture's own content cancels: what is left is the mechanism."""
    moved = []
    for picture in pictures[:8]:
        before = abduct(picture, reference=reference)
        dark = abduct(m.Exposure(exposure_ev=-1.0)(picture[None], KEY)[0], reference=reference)
        assert value(dark["exposure_ev"]) - value(before["exposure_ev"]) == pytest.approx(-1.0, abs=0.05)
        warm = abduct(m.Illuminant(mired=250.0)(picture[None], KEY)[0], reference=reference)
        cool = abduct(m.Illuminant(mired=200.0)(picture[None], KEY)[0], reference=reference)
        moved.append(value(warm["cast_mired"]) - value(cool["cast_mired"]))
    # Vivid colours follow the light less, or more, than grey does: within what a single picture's error states.
    assert moved == pytest.approx([50.0] * 8, abs=reference.mired[1])
    assert sum(moved) / 8 == pytest.approx(50.0, abs=8.0)


def test_intervals_hold_the_truth(pictures: torch.Tensor, reference: Reference) -> None:
    """Twenty pictures one stop darker, in warm light: 95 % intervals miss one or two, not six."""
    inside = {"exposure_ev": 0, "cast_mired": 0}
    for row, picture in enumerate(pictures[:20]):
        lit = m.Chain(m.Illuminant(mired=230.0), m.Exposure(exposure_ev=-1.0))(picture[None], Key(0).at([row]))[0]
        found = abduct(lit, reference=reference)
        for name, truth in (("exposure_ev", -1.0), ("cast_mired", 230.0)):
            low, high = found[name].interval
            inside[name] += low <= truth <= high
    assert min(inside.values()) > 14


@pytest.mark.parametrize("electrons", [200.0, 2000.0])
def test_noise_is_read_to_a_few_per_cent(pictures: torch.Tensor, electrons: float) -> None:
    # Blurred, so that no texture of the leaves is left that could be taken for noise.
    smooth = m.GaussianScale(scale_permille=10.0)(pictures[:10], Key(0).at(torch.arange(10)))
    sensor = m.Sensor(iso=100.0, full_well_e=electrons, read_noise_e=3.0, view=m.View(frame_px=SIZE))
    noisy = sensor(smooth, Key(0).at(torch.arange(10)))
    found = [abduct(picture)["white_e"] for picture in noisy]
    known = [math.sqrt(electrons / value(estimate)) for estimate in found if estimate.identified]
    assert len(known) >= 5
    assert all(ratio == pytest.approx(1, abs=0.15) for ratio in known)
    assert sum(known) / len(known) == pytest.approx(1, abs=0.05)


def test_sharp_pictures_have_a_bound_and_blurred_ones_a_value(pictures: torch.Tensor, reference: Reference) -> None:
    bounded = values = 0
    for row, picture in enumerate(pictures[:10]):
        sharp = abduct(picture, reference=reference)["scale_permille"]
        blurred = m.GaussianScale(scale_permille=8.0)(picture[None], Key(0).at([row]))[0]
        soft = abduct(blurred, reference=reference)["scale_permille"]
        bounded += not sharp.identified and sharp.within[0] == 0.0 and sharp.within[1] < 6.0
        values += soft.identified and abs(value(soft) / 8.0 - 1) < 0.2
    assert bounded >= 8 and values >= 8


def test_wide_blur_has_a_lower_bound(pictures: torch.Tensor, reference: Reference) -> None:
    """It leaves too few edges to read; that it is wide is known all the same."""
    bounded = 0
    for row, picture in enumerate(pictures[:8]):
        for permille in (50.0, 120.0):
            blurred = m.GaussianScale(scale_permille=permille)(picture[None], Key(0).at([row]))[0]
            found = abduct(blurred, reference=reference)["scale_permille"]
            low, high = found.interval
            assert low <= permille
            bounded += not found.identified and low > 5.0 and high == math.inf and "at least" in str(found)
    assert bounded >= 14
    # Nothing is known of a picture without an edge.
    assert abduct(torch.full((3, 64, 64), 0.5))["scale_permille"].within == (-math.inf, math.inf)


@pytest.mark.parametrize("quality", [10, 50, 75, 95, 100])
@pytest.mark.parametrize("subsampling", [0, 2])
def test_a_file_s_own_tables_are_exact(tmp_path: Path, pictures: torch.Tensor, quality: int, subsampling: int) -> None:
    pixels = (pictures[0] * 255).byte().permute(1, 2, 0).numpy()
    file = tmp_path / "picture.jpg"
    PillowImage.fromarray(pixels).save(file, quality=quality, subsampling=subsampling)
    found = abduct(file)["quality"]
    assert found.value == quality and found.error == 0.0 and str(found) == f"quality: {quality} (exact)"


def test_tables_that_no_quality_has_are_called_so(tmp_path: Path, pictures: torch.Tensor) -> None:
    pixels = (pictures[0] * 255).byte().permute(1, 2, 0).numpy()
    PillowImage.fromarray(pixels).save(tmp_path / "own.jpg", qtables=[[7] * 64, [9] * 64])
    found = abduct(tmp_path / "own.jpg")["quality"]
    assert found.value is None and "maker's own" in found.reason


def test_a_tensor_says_less_than_a_file(pictures: torch.Tensor, tmp_path: Path) -> None:
    from_tensor = abduct(pictures[0])
    assert {e.name: e.value for e in from_tensor} == {e.name: e.value for e in abduct(pictures[:1])}
    assert "pixels alone" in from_tensor["quality"].reason and "no file" in from_tensor["iso"].reason
    pixels = (pictures[0] * 255).round().byte().permute(1, 2, 0).numpy()
    PillowImage.fromarray(pixels).save(tmp_path / "a.png")
    from_file = abduct(str(tmp_path / "a.png"))
    assert from_file["exposure_ev"] == from_tensor["exposure_ev"]
    assert "no JPEG file" in from_file["quality"].reason and "EXIF does not say" in from_file["iso"].reason
    # It reads as a list, with what is not known named.
    text = str(from_tensor)
    assert "scale_permille: not identified: at most" in text and "clipped: " in text and "exposure_ev: " in text
    with pytest.raises(KeyError, match="focal_length_mm"):
        from_tensor["focal"]


def test_what_is_clipped_is_a_bound(pictures: torch.Tensor) -> None:
    bright = abduct((8 * pictures[0]).clamp(0, 1))
    assert bright.white_share > 0.25
    low, high = bright["exposure_ev"].interval
    assert not bright["exposure_ev"].identified and math.isfinite(low) and high == math.inf
    white = abduct(torch.ones(3, 64, 64))
    assert white.white_share == 1.0 and not any(estimate.identified for estimate in white)
    dark = abduct(torch.zeros(3, 64, 64))
    assert dark.black_share == 1.0 and dark["exposure_ev"].within[0] == -math.inf
    assert not dark["cast_mired"].identified and not dark["white_e"].identified


def test_what_a_camera_wrote_is_read_and_damage_is_said(tmp_path: Path, pictures: torch.Tensor) -> None:
    exif = PillowImage.Exif()
    exif.get_ifd(0x8769).update({0x829A: 0.02, 0x829D: 2.8, 0x8827: 0})
    pixels = (pictures[0] * 255).byte().permute(1, 2, 0).numpy()
    PillowImage.fromarray(pixels).save(tmp_path / "a.jpg", exif=exif)
    found = abduct(tmp_path / "a.jpg")
    assert found["exposure_s"].value == pytest.approx(0.02) and found["f_number"].value == pytest.approx(2.8)
    assert found["iso"].value is None and found["focal_length_mm"].value is None
    (note,) = found.notes
    assert "iso = 0" in note and "ignored" in note


@pytest.mark.parametrize(("whole", "iso"), [({}, None), ({0x8832: 102400}, 102400.0), ({0x8831: 0}, None)])
def test_an_iso_beyond_its_entry_is_looked_up(
    tmp_path: Path, pictures: torch.Tensor, whole: dict[int, int], iso: float | None
) -> None:
    exif = PillowImage.Exif()
    exif.get_ifd(0x8769).update({0x8827: 65535, **whole})
    pixels = (pictures[0] * 255).byte().permute(1, 2, 0).numpy()
    PillowImage.fromarray(pixels).save(tmp_path / "a.jpg", exif=exif)
    found = abduct(tmp_path / "a.jpg")
    assert found["iso"].value == iso
    assert len(found.notes) == (iso is None) and all("iso = 65535" in note for note in found.notes)


def test_bad_input_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"nothing\.jpg cannot be read"):
        abduct(tmp_path / "nothing.jpg")
    (tmp_path / "text.jpg").write_text("hello")
    with pytest.raises(UserError, match=r"text\.jpg cannot be read as a picture"):
        abduct(tmp_path / "text.jpg")
    PillowImage.new("RGB", (8, 8)).save(tmp_path / "tiny.png")
    with pytest.raises(UserError, match="8×8 pixels"):
        abduct(tmp_path / "tiny.png")
    PillowImage.new("I;16", (32, 32)).save(tmp_path / "deep.png")
    with pytest.raises(UserError, match="more than 8 bits"):
        abduct(tmp_path / "deep.png")
    for wrong in (255 * torch.rand(3, 32, 32), torch.randn(3, 32, 32), torch.full((3, 32, 32), math.nan)):
        with pytest.raises(ValueError, match=r"values are in \[0, 1\], not"):
            abduct(wrong)
    for shape in ((2, 3, 32, 32), (3, 8, 32)):
        with pytest.raises(ValueError, match="one picture of shape"):
            abduct(torch.rand(shape))


def test_the_errors_hold_those_of_the_assumption(pictures: torch.Tensor) -> None:
    found = abduct(pictures[0])
    assert found["exposure_ev"].error == PHOTOGRAPHS.log2_luminance[1]
    assert "ordinary photographs" in found["exposure_ev"].assumption

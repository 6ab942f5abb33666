"""The contact sheet: captions as people write them, pictures as the mechanisms make them, clear refusals."""

import io
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import final

import pytest
import torch
from PIL import Image as Pictures

from mechaug import laws
from mechaug.errors import UserError
from mechaug.fields import noise_field
from mechaug.keys import Key
from mechaug.laws import Law, Quantity, quantity
from mechaug.mechanisms import Chain, Jpeg
from mechaug.mechanisms.base import Mechanism, Parameters, draw_quantities, neutral_quantities, parameters, per_image
from mechaug.reports.photo import load_photo
from mechaug.reports.sheet import caption, sheet, write_sheet
from mechaug.types import Image, PerImage, Seeds


@parameters
class GrainParams(Parameters):
    strength: PerImage
    contrast_ev: PerImage
    offset: PerImage
    noise_seed: Seeds


@final
@dataclass(frozen=True)
class Grain(Mechanism[GrainParams]):
    """Two swept quantities, one held, and a seed."""

    strength: Law = quantity((0.0, 0.2), "", neutral=0.0, low=0.0, sweep=(0.05, 0.2))
    contrast_ev: Law = quantity((-1.0, 1.0), "EV", neutral=0.0, sweep=(-1.0, 1.0))
    offset: Law = quantity((0.0, 0.2), "", neutral=0.0, held=0.1)

    domain = "picture"
    structure = "semigroup"

    def sample(self, key: Key) -> GrainParams:
        return GrainParams(**draw_quantities(self, key), noise_seed=key.fold("noise").seed())

    def neutral(self, batch: int) -> GrainParams:
        return GrainParams(**neutral_quantities(self, batch), noise_seed=torch.zeros(batch, dtype=torch.int64))

    def transform(self, x: Image, params: GrainParams) -> Image:
        noise = noise_field(params.noise_seed, list(x.shape[1:]))
        contrast = per_image(torch.exp2(params.contrast_ev))
        return (x - 0.5) * contrast + 0.5 + per_image(params.offset) + per_image(params.strength) * noise


def photograph(size: int) -> Image:
    """Colour ramps of 8-bit values."""
    ramp = (torch.linspace(25.0, 153.0, size).round() / 255.0).expand(size, size)
    return torch.stack((ramp, ramp.T, ramp.flip(1)))[None]


def saved(folder: Path, picture: Pictures.Image, name: str = "photo.png", **options: object) -> Path:
    path = folder / name
    picture.save(path, **options)
    return path


def cell(drawn: Pictures.Image, row_top: int, column: int, size: int) -> torch.Tensor:
    """The pixels of one picture: columns of `size` lie 8 apart, the last one 20 from the right edge."""
    x = drawn.width - 20 - size - (5 - column) * (size + 8)
    box = drawn.crop((x, row_top, x + size, row_top + size))
    return torch.frombuffer(bytearray(box.tobytes()), dtype=torch.uint8).reshape(size, size, 3).permute(2, 0, 1)


def levels(picture: Image) -> torch.Tensor:
    return (255.0 * picture[0]).round().to(torch.uint8)


@pytest.mark.parametrize(
    ("name", "value", "meaning", "expected"),
    [
        ("visibility_m", 310.0, Quantity("m", math.inf, low=0.0), "visibility 310 m"),
        ("visibility_m", 7.5, Quantity("m", math.inf, low=0.0), "visibility 7.5 m"),
        ("visibility_m", math.inf, Quantity("m", math.inf, low=0.0), "visibility ∞ m"),
        ("exposure_ev", -2.25, Quantity("EV", 0.0), "exposure −2.2 EV"),
        ("exposure_ev", 1.5, Quantity("EV", 0.0), "exposure +1.5 EV"),
        ("exposure_ev", 0.0, Quantity("EV", 0.0), "exposure 0 EV"),
        ("rotation_deg", 12.0, Quantity("°", 0.0), "rotation +12°"),
        ("f_number", 2.8, Quantity("", math.inf, low=0.1), "f/2.8"),
        ("iso", 25600.0, Quantity("ISO", 100.0, low=0.0), "ISO 25600"),
        ("read_noise_e", 3.0, Quantity("e⁻", 0.0, low=0.0), "read noise 3 e⁻"),
        ("log2_scale", -0.25, Quantity("octaves", 0.0), "scale −0.25 octaves"),
        ("quality", 25.0, Quantity("", math.inf, low=1.0), "quality 25"),
    ],
)
def test_captions_read_as_people_write(name, value, meaning, expected):
    assert caption(name, value, meaning) == expected


@pytest.mark.parametrize(("size", "factor"), [(32, 4), (100, 2), (160, 1)])
def test_pictures_are_the_mechanisms_own_enlarged_by_whole_factors(size, factor):
    picture = photograph(size)
    drawn = sheet(picture, [Jpeg()], columns=6, key=Key(0))
    shown = size * factor
    for column, quality in enumerate([math.inf, 90.0, 69.0, 48.0, 26.0, 5.0]):
        params = Jpeg().neutral(1).replace(quality=torch.tensor([quality]))
        expected = levels(Jpeg().apply(picture, params))
        expected = expected.repeat_interleave(factor, 1).repeat_interleave(factor, 2)
        assert torch.equal(cell(drawn, 20, column, shown), expected)


def test_each_swept_quantity_has_a_row_and_noise_is_drawn():
    picture = photograph(130)
    one, two = (sheet(picture, [Grain()] * count, columns=6, key=Key(3)) for count in (1, 2))
    row = (two.height - one.height) // 2
    assert row > 130 + 20
    drawn = Grain().sample(Key(3).at([0]))
    base = Grain().neutral(1).replace(offset=torch.tensor([0.1]), noise_seed=drawn.noise_seed)
    strong = base.replace(strength=torch.tensor([0.2]))
    assert torch.equal(cell(one, 20, 5, 130), levels(Grain().apply(picture, strong)))
    flat = base.replace(contrast_ev=torch.tensor([-1.0]))
    assert torch.equal(cell(one, 20 + row, 1, 130), levels(Grain().apply(picture, flat)))
    for top in (20, 20 + row):
        assert torch.equal(cell(one, top, 0, 130), levels(picture))


def test_the_page_is_white_around_what_is_drawn():
    drawn = sheet(photograph(32), [Jpeg(), Grain()], columns=4, key=Key(0))
    edges = [drawn.crop(box) for box in ((0, 0, drawn.width, 15), (0, 0, 15, drawn.height))]
    edges.append(drawn.crop((drawn.width - 15, 0, drawn.width, drawn.height)))
    assert all(edge.getextrema() == ((255, 255),) * 3 for edge in edges)


def test_captions_stay_below_their_own_picture():
    # A long caption on small pictures is broken into lines instead of running into its neighbour.
    drawn = sheet(photograph(32), [Wordy()], columns=3, key=Key(0))
    gap = drawn.width - 20 - 128 - 8
    beside = drawn.crop((gap + 1, 20, gap + 7, drawn.height - 20))
    assert min(low for low, _ in beside.getextrema()) > 200


@parameters
class WordyParams(Parameters):
    rather_long_winded_quantity: PerImage


@final
@dataclass(frozen=True)
class Wordy(Mechanism[WordyParams]):
    rather_long_winded_quantity: Law = quantity(0.0, "of the whole width", neutral=0.0, sweep=(0.05, 0.25))

    domain = "light"
    structure = "none"

    def sample(self, key: Key) -> WordyParams:
        return WordyParams(**draw_quantities(self, key))

    def neutral(self, batch: int) -> WordyParams:
        return WordyParams(**neutral_quantities(self, batch))

    def transform(self, x: Image, params: WordyParams) -> Image:
        return x


def test_a_mechanism_that_sweeps_nothing_gets_a_row_of_draws():
    picture = photograph(128)
    chain = Chain(Grain(), Jpeg())
    drawn = sheet(picture, [chain], columns=6, key=Key(1))
    expected = levels(chain.apply(picture, chain.sample(Key(1).at([2]))))
    assert torch.equal(cell(drawn, 20, 2, 128), expected)


def test_what_cannot_be_drawn_is_refused():
    with pytest.raises(ValueError, match="2 columns"):
        sheet(photograph(32), [Jpeg()], columns=1, key=Key(0))
    with pytest.raises(ValueError, match="at least one mechanism"):
        sheet(photograph(32), [], key=Key(0))
    with pytest.raises(ValueError, match="one picture"):
        sheet(photograph(32).repeat(2, 1, 1, 1), [Jpeg()], key=Key(0))


def test_every_mechanism_of_the_library_can_be_drawn():
    from mechaug.mechanisms import CHAIN_ORDER

    swept = [meaning for kind in CHAIN_ORDER for _, meaning in laws.quantities(kind()) if meaning.sweep is not None]
    drawn = sheet(photograph(32), [kind() for kind in CHAIN_ORDER], columns=3, key=Key(0))
    assert drawn.height > len(swept) * (128 + 20)


def test_a_photograph_is_cut_square_and_reduced(tmp_path):
    wide = Pictures.new("RGB", (600, 300), "red")
    wide.paste("blue", (150, 0, 450, 300))
    loaded = load_photo(saved(tmp_path, wide), None)
    assert loaded.shape == (1, 3, 224, 224)
    assert loaded.dtype == torch.float32
    assert torch.equal(loaded[0, :, 5, 112], torch.tensor([0.0, 0.0, 1.0]))
    assert load_photo(tmp_path / "photo.png", 48).shape == (1, 3, 48, 48)
    small = saved(tmp_path, Pictures.new("RGB", (40, 60)), "small.png")
    assert load_photo(small, None).shape == (1, 3, 40, 40)


def test_pixels_of_a_square_photograph_stay_as_they_are(tmp_path):
    pixels = Key(0).integers(0, 256, 50, 50, 3).to(torch.uint8)
    loaded = load_photo(saved(tmp_path, Pictures.fromarray(pixels.numpy())), None)
    assert torch.equal(levels(loaded).permute(1, 2, 0), pixels)


def test_orientation_transparency_and_palettes_are_honoured(tmp_path):
    upright = Pictures.new("RGB", (40, 40), "black")
    upright.paste("white", (0, 0, 40, 20))
    exif = Pictures.Exif()
    exif[0x0112] = 6  # the camera was held so that the stored picture must turn by 90° clockwise
    turned = load_photo(saved(tmp_path, upright, "turned.png", exif=exif), None)
    assert turned[0, :, 20, 35].min() == 1.0
    assert turned[0, :, 20, 5].max() == 0.0
    glass = saved(tmp_path, Pictures.new("RGBA", (20, 20), (0, 0, 0, 0)), "glass.png")
    assert load_photo(glass, None).min() == 1.0
    grey = saved(tmp_path, Pictures.new("L", (20, 20), 51), "grey.png")
    torch.testing.assert_close(load_photo(grey, None), torch.full((1, 3, 20, 20), 0.2))


def a_folder(folder: Path) -> Path:
    return folder


def missing(folder: Path) -> Path:
    return folder / "nowhere.png"


def text(folder: Path) -> Path:
    path = folder / "notes.jpg"
    path.write_text("not a picture at all")
    return path


def empty(folder: Path) -> Path:
    path = folder / "empty.png"
    path.touch()
    return path


def truncated(folder: Path) -> Path:
    file = io.BytesIO()
    Pictures.effect_noise((200, 200), 80).convert("RGB").save(file, "JPEG")
    path = folder / "half.jpg"
    path.write_bytes(file.getvalue()[: len(file.getvalue()) // 2])
    return path


def damaged(folder: Path) -> Path:
    file = io.BytesIO()
    Pictures.effect_noise((200, 200), 80).save(file, "PNG")
    content = bytearray(file.getvalue())
    content[len(content) // 2] ^= 0xFF
    path = folder / "damaged.png"
    path.write_bytes(content)
    return path


def tiny(folder: Path) -> Path:
    return saved(folder, Pictures.new("RGB", (300, 9)), "tiny.png")


def deep(folder: Path) -> Path:
    return saved(folder, Pictures.new("I;16", (64, 64)), "deep.png")


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (a_folder, "is a folder"),
        (missing, "does not exist"),
        (text, "not a picture"),
        (empty, "not a picture"),
        (truncated, "damaged"),
        (damaged, "damaged"),
        (tiny, "300×9 pixels"),
        (deep, "more than 8 bits"),
    ],
)
def test_what_is_no_photograph_is_refused(tmp_path: Path, make: Callable[[Path], Path], message: str):
    path = make(tmp_path)
    with pytest.raises(UserError, match=message) as caught:
        load_photo(path, None)
    assert str(path) in str(caught.value)


def test_too_small_a_size_is_refused(tmp_path):
    with pytest.raises(UserError, match="at least 16"):
        load_photo(saved(tmp_path, Pictures.new("RGB", (64, 64))), 4)


@pytest.mark.parametrize(("name", "kind"), [("sheet.png", "PNG"), ("Sheet.JPG", "JPEG")])
def test_the_sheet_is_written_whole(tmp_path, name, kind):
    photo = saved(tmp_path, Pictures.new("RGB", (40, 40), "teal"))
    out = tmp_path / "made" / name
    write_sheet(photo, out, [Jpeg()], size=32, columns=3)
    with Pictures.open(out) as written:
        assert written.format == kind
        assert written.size == sheet(load_photo(photo, 32), [Jpeg()], columns=3, key=Key(0)).size
    assert [path.name for path in out.parent.iterdir()] == [name]


def test_the_same_seed_writes_the_same_bytes_and_another_other_noise(tmp_path):
    photo = saved(tmp_path, Pictures.new("RGB", (40, 40), "teal"))
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        write_sheet(photo, tmp_path / f"{name}.png", [Grain()], columns=2, seed=seed)
    a, b, c = ((tmp_path / f"{name}.png").read_bytes() for name in "abc")
    assert a == b
    assert a != c


def test_other_suffixes_and_the_photograph_itself_are_refused(tmp_path):
    photo = saved(tmp_path, Pictures.new("RGB", (40, 40)))
    before = photo.read_bytes()
    with pytest.raises(UserError, match=r"\.png nor \.jpg"):
        write_sheet(photo, tmp_path / "sheet.pdf", [Jpeg()])
    with pytest.raises(UserError, match="the photograph itself"):
        write_sheet(photo, photo, [Jpeg()])
    assert photo.read_bytes() == before

"""Folders of real picture files, made here."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from mechaug.data.folders import folders_in
from mechaug.data.sources import load
from mechaug.errors import UserError

GREY = {"cat": 60, "dog": 180}


def test_classes_named_by_numbers_are_in_the_order_of_the_numbers(tmp_path: Path) -> None:
    for name in ("10", "2", "0", "1"):
        (tmp_path / "digits" / name).mkdir(parents=True)
    assert folders_in(tmp_path / "digits") == ["0", "1", "2", "10"]
    (tmp_path / "digits" / "x").mkdir()
    assert folders_in(tmp_path / "digits") == ["0", "1", "10", "2", "x"]


def save(path, grey, size=(20, 16), **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, (grey, grey, grey)).save(path, **options)


@pytest.fixture
def split(tmp_path):
    root = tmp_path / "pets"
    for part, count in (("train", 6), ("val", 3)):
        for label, grey in GREY.items():
            for number in range(count):
                save(root / part / label / f"{number}.jpg", grey + number)
    return root


@pytest.fixture
def flat(tmp_path):
    root = tmp_path / "pets"
    for label, grey in GREY.items():
        for number in range(20):
            save(root / label / f"{number}.png", grey + number)
    return root


def grey_values(pictures):
    return pictures.pixels[:, 0, 4, 4].tolist()


@pytest.mark.parametrize("suffix", ["jpg", "JPEG", "png", "webp", "bmp"])
def test_every_format_is_read(tmp_path, suffix):
    for part in ("train", "test"):
        for label, grey in GREY.items():
            save(tmp_path / part / label / f"one.{suffix}", grey)
            (tmp_path / part / label / "notes.txt").write_text("no picture")
            (tmp_path / part / label / f".hidden.{suffix}").write_bytes(b"no picture either")
    data = load(f"folder:{tmp_path}")
    assert data.classes == ("cat", "dog")
    assert data.train.pixels.shape == (2, 3, 16, 20)
    assert grey_values(data.test) == pytest.approx([60, 180], abs=2)
    assert data.note == "measured on test/"


def test_train_and_val(split):
    data = load(f"folder:{split}")
    assert (data.name, data.classes) == ("pets", ("cat", "dog"))
    assert data.train.labels.tolist() == [0] * 6 + [1] * 6
    assert grey_values(data.train) == pytest.approx([60, 61, 62, 63, 64, 65, 180, 181, 182, 183, 184, 185], abs=1)
    assert data.test.index.tolist() == list(range(6))


def test_test_comes_before_val(split):
    for label in GREY:
        save(split / "test" / label / "one.png", 7)
    data = load(f"folder:{split}")
    assert grey_values(data.test) == [7, 7]
    assert "test/" in data.note


def test_a_fifth_of_each_class_is_for_testing_whatever_the_seed(flat):
    data = load(f"folder:{flat}")
    assert data.train.labels.bincount().tolist() == [16, 16]
    assert data.test.labels.bincount().tolist() == [4, 4]
    assert sorted(grey_values(data.train) + grey_values(data.test)) == [*range(60, 80), *range(180, 200)]
    assert grey_values(load(f"folder:{flat}", seed=9).test) == grey_values(data.test)
    assert "20%" in data.note


def test_a_new_picture_moves_hardly_any_other(flat):
    before = set(grey_values(load(f"folder:{flat}").test))
    save(flat / "cat" / "-first.png", 5)
    after = set(grey_values(load(f"folder:{flat}").test)) - {5}
    assert len(before ^ after) <= 1


def test_a_subset_is_that_of_the_whole(flat):
    whole, part = load(f"folder:{flat}"), load(f"folder:{flat}", train_size=8)
    assert part.train.labels.bincount().tolist() == [4, 4]
    assert torch.equal(part.train.pixels, whole.train.pixels[part.train.index])


def test_a_set_to_measure_on(split):
    for file in sorted((split / "train").rglob("*.jpg")):
        file.unlink()
    with pytest.raises(UserError, match=r"there are no pictures in .*train"):
        load(f"folder:{split}")
    for folder in [*(split / "train").iterdir(), split / "train"]:
        folder.rmdir()
    with pytest.raises(UserError, match=r"no training pictures.*--train-size 0"):
        load(f"folder:{split}")
    data = load(f"folder:{split}", train_size=0)
    assert (len(data.train), len(data.test)) == (0, 6)
    assert len(load(f"folder:{split / 'val'}").train) == 4


def test_pictures_of_different_size_need_an_image_size(split):
    save(split / "train" / "dog" / "5.jpg", 185, size=(40, 20))
    with pytest.raises(UserError, match=r"cat/0\.jpg has 16 by 20 points and .*dog/5\.jpg 20 by 40.*--image-size"):
        load(f"folder:{split}")
    data = load(f"folder:{split}", image_size=12)
    assert data.train.pixels.shape == (12, 3, 12, 12)


def test_splits_of_different_size_need_an_image_size(split):
    for file in (split / "val").rglob("*.jpg"):
        save(file, 100, size=(8, 8))
    with pytest.raises(UserError, match=r"training pictures are 16 by 20 and test pictures 8 by 8.*--image-size"):
        load(f"folder:{split}")


def test_resizing_keeps_the_middle_and_filters(tmp_path):
    # A white middle on black, and stripes as fine as a point, which become grey.
    wide = np.zeros((64, 128, 3), dtype=np.uint8)
    wide[:, 32:96] = 255
    stripes = np.zeros((64, 64, 3), dtype=np.uint8)
    stripes[:, ::2] = 255
    for label, array in (("middle", wide), ("stripes", stripes)):
        for part in ("train", "test"):
            (tmp_path / part / label).mkdir(parents=True)
            Image.fromarray(array).save(tmp_path / part / label / "one.png")
    pixels = load(f"folder:{tmp_path}", image_size=16).test.pixels
    assert pixels[0, :, :, 1:-1].min() > 245
    assert pixels[1].float().sub(127.5).abs().max() < 12


def test_orientation_is_applied(tmp_path):
    picture = Image.new("RGB", (20, 16), "black")
    picture.paste("white", (0, 0, 20, 8))
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned: rotate by 90° clockwise to see it upright
    for part in ("train", "test"):
        for label in GREY:
            (tmp_path / part / label).mkdir(parents=True)
            picture.save(tmp_path / part / label / "one.jpg", exif=exif, quality=95)
    pixels = load(f"folder:{tmp_path}").train.pixels
    assert pixels.shape == (2, 3, 20, 16)
    assert pixels[0, 0, :, 9:].min() > 200
    assert pixels[0, 0, :, :7].max() < 50


@pytest.mark.parametrize("mode", ["L", "P", "RGBA", "LA", "1", "CMYK"])
def test_other_modes_become_rgb(tmp_path, mode):
    picture = Image.new("RGB", (9, 9), "white").convert("L" if mode == "LA" else mode).convert(mode)
    suffix = "jpg" if mode == "CMYK" else "png"
    options = {"transparency": b"\x00\x80"} if mode == "P" else {}
    for part in ("train", "test"):
        for label in GREY:
            (tmp_path / part / label).mkdir(parents=True)
            picture.save(tmp_path / part / label / f"one.{suffix}", **options)
    pixels = load(f"folder:{tmp_path}").train.pixels
    assert pixels.shape == (2, 3, 9, 9)
    assert pixels.min() >= 250


def test_sixteen_bits_are_refused_rather_than_clipped(split):
    Image.fromarray(np.full((16, 20), 1000, dtype=np.uint16)).save(split / "train" / "cat" / "deep.png")
    with pytest.raises(UserError, match=r"deep\.png cannot be read.*8 bits"):
        load(f"folder:{split}")


@pytest.mark.parametrize("damage", [lambda whole: whole[: len(whole) // 2], lambda whole: b"no picture", lambda _: b""])
def test_a_corrupt_picture_is_named_or_skipped(split, damage):
    file = split / "train" / "cat" / "3.jpg"
    noise = np.random.default_rng(0).integers(0, 256, (16, 20, 3), dtype=np.uint8)
    Image.fromarray(noise).save(file)
    file.write_bytes(damage(file.read_bytes()))
    with pytest.raises(UserError, match=r"cat/3\.jpg cannot be read as a picture.*--skip-bad"):
        load(f"folder:{split}")
    data = load(f"folder:{split}", skip_bad=True)
    assert data.train.index.tolist() == [0, 1, 2, 4, 5, 6, 7, 8, 9, 10, 11]
    assert data.train.labels.tolist() == [0] * 5 + [1] * 6
    assert data.note == "measured on val/; 1 unreadable picture was skipped"


def test_a_class_with_no_readable_picture_is_named(split):
    for file in (split / "train" / "dog").iterdir():
        file.write_bytes(b"no picture")
    with pytest.raises(UserError, match="no picture of class 'dog' in the train split can be read"):
        load(f"folder:{split}", skip_bad=True)
    for file in (split / "train" / "cat").iterdir():
        file.write_bytes(b"no picture")
    with pytest.raises(UserError, match="none of 12 pictures can be read"):
        load(f"folder:{split}", skip_bad=True)


def test_layouts_that_cannot_be_read_are_explained(tmp_path, split):
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match=r"no class folders in .*empty"):
        load(f"folder:{tmp_path / 'empty'}")
    save(tmp_path / "loose" / "one.png", 5)
    with pytest.raises(UserError, match=r"no class folders in .*loose"):
        load(f"folder:{tmp_path / 'loose'}")
    with pytest.raises(UserError, match="it is a file"):
        load(f"folder:{tmp_path / 'loose' / 'one.png'}")
    for number in range(3):
        save(tmp_path / "single" / "cat" / f"{number}.png", 5)
    with pytest.raises(UserError, match=r"one class only \(cat\)"):
        load(f"folder:{tmp_path / 'single'}")
    save(tmp_path / "single" / "dog" / "one.png", 5)
    with pytest.raises(UserError, match="class 'dog' has one picture only"):
        load(f"folder:{tmp_path / 'single'}")
    (split / "val" / "dog").rename(split / "val" / "wolf")
    with pytest.raises(UserError, match="do not hold the same classes; only one has dog, wolf"):
        load(f"folder:{split}")
    (split / "val").rename(split / "somewhere")
    with pytest.raises(UserError, match="neither test/ nor val/"):
        load(f"folder:{split}")

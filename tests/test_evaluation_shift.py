"""Other sets: classes found by name, whole folders, held-out domains, CIFAR-10.1, pictures from elsewhere."""

import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from mechaug.commands.options import SuiteSizes, limits_of
from mechaug.data.imagenet import wnids
from mechaug.data.pictures import DataSet, Pictures
from mechaug.data.shifted import CIFAR10_CLASSES
from mechaug.data.sources import load
from mechaug.errors import UserError
from mechaug.evaluation.classes import by_number, matching, output_names, place_classes, relabel
from mechaug.evaluation.kept import Place
from mechaug.evaluation.run import digest, measure, pool
from mechaug.evaluation.shift import load_other, load_shifted, sets_of
from mechaug.evaluation.suites import Limits, Subject, Target, choose_suites


def folder(root: Path, levels: dict[str, int], count: int = 3, size: int = 16) -> Path:
    """A folder of grey pictures, one level a class."""
    for name, level in levels.items():
        (root / name).mkdir(parents=True)
        for number in range(count):
            Image.new("RGB", (size, size), (level + number,) * 3).save(root / name / f"{number}.png")
    return root


def like(size: int = 16) -> Pictures:
    return Pictures(torch.zeros(2, 3, size, size, dtype=torch.uint8), torch.arange(2), torch.arange(2))


# Classes by name


def test_wnids_are_a_thousand_sorted_names_with_known_places() -> None:
    names = wnids()
    assert len(names) == len(set(names)) == 1000
    assert list(names) == sorted(names)
    assert all(len(name) == 9 and name[0] == "n" and name[1:].isdigit() for name in names)
    # Places that everybody knows: tench, goldfish, tabby cat, church, toilet tissue.
    known = {"n01440764": 0, "n01443537": 1, "n02123045": 281, "n03028079": 497, "n15075141": 999}
    assert {name: names.index(name) for name in known} == known


def test_outputs_have_the_names_that_fit() -> None:
    assert output_names(1000, wnids()[5:9], None) == wnids()
    assert output_names(3, ("a", "b", "c"), None) == ("a", "b", "c")
    assert output_names(2, ("a",), ("b", "a")) == ("b", "a")
    assert output_names(1000, wnids(), None) == wnids()
    with pytest.raises(UserError, match=r"the model has 7 outputs, and the data has 3 classes \(a, b, c\)"):
        output_names(7, ("a", "b", "c"), None)
    with pytest.raises(UserError, match="2 class names were given, and the model has 3 outputs"):
        output_names(3, ("a",), ("a", "b"))


def test_classes_are_placed_by_name_and_what_is_missing_is_named() -> None:
    assert place_classes(("x", "a", "b"), ("b", "a"), "here") == (2, 1)
    with pytest.raises(UserError, match="here has a class that the model does not know by name: zebra"):
        place_classes(("x", "a"), ("a", "zebra"), "here")


def test_labels_become_numbers_of_outputs() -> None:
    test = Pictures(torch.zeros(3, 3, 8, 8, dtype=torch.uint8), torch.tensor([0, 1, 1]), torch.arange(3))
    data = DataSet("d", "folder:d", ("b", "a"), test.rows(slice(0)), test, "")
    assert relabel(data, ("a", "x", "b")).labels.tolist() == [2, 0, 0]


# Sets


def test_a_whole_labelled_folder_is_a_test_set(tmp_path: Path) -> None:
    root = folder(tmp_path / "shifted", {"bird": 10, "cat": 100})
    data = load(f"set:{root}", train_size=0)
    assert data.name == "shifted" and data.classes == ("bird", "cat")
    assert len(data.test) == 6 and len(data.train) == 0
    found = load_shifted(f"set:{root}", ("dog", "cat", "bird"), like(8), 100)
    assert found.labels.tolist() == [2, 2, 2, 1, 1, 1]
    assert found.pixels.shape == (6, 3, 8, 8)
    assert len(load_shifted(f"set:{root}", ("dog", "cat", "bird"), like(8), 4).labels) == 4
    with pytest.raises(UserError, match="does not know by name: bird"):
        load_shifted(f"set:{root}", ("cat", "dog"), like(8), 100)


def test_one_domain_is_held_out_and_the_others_train(tmp_path: Path) -> None:
    for number, domain in enumerate(("art", "photo", "sketch")):
        folder(tmp_path / domain, {"dog": 10 + 50 * number, "elk": 30 + 50 * number}, count=number + 1)
    data = load(f"domains:{tmp_path}@photo")
    assert data.classes == ("dog", "elk")
    assert len(data.train) == 2 * (1 + 3) and len(data.test) == 2 * 2
    assert sorted(set(data.test.pixels[:, 0, 0, 0].tolist())) == [60, 61, 80, 81]
    assert "trained on art, sketch" in data.note
    assert sets_of((f"domains:{tmp_path}", "signs")) == (
        f"set:{tmp_path}/art", f"set:{tmp_path}/photo", f"set:{tmp_path}/sketch", "signs",
    )  # fmt: skip
    with pytest.raises(UserError, match="there are art, photo, sketch"):
        load(f"domains:{tmp_path}@drawing")
    with pytest.raises(UserError, match="say which domain is held out"):
        load(f"domains:{tmp_path}")
    (tmp_path / "sketch" / "elk").rename(tmp_path / "sketch" / "emu")
    with pytest.raises(UserError, match="do not hold the same classes; apart are elk, emu"):
        load(f"domains:{tmp_path}@photo")


def test_cifar10_1_in_its_published_files(tmp_path: Path) -> None:
    for version, count in (("v4", 21), ("v6", 20)):
        pixels = np.arange(count, dtype=np.uint8)[:, None, None, None] * np.ones((1, 32, 32, 3), np.uint8)
        np.save(tmp_path / f"cifar10.1_{version}_data.npy", pixels)
        np.save(tmp_path / f"cifar10.1_{version}_labels.npy", (np.arange(count) % 10).astype(np.int32))
    data = load(f"cifar10.1:{tmp_path}", train_size=0)
    assert data.classes == CIFAR10_CLASSES and len(data.test) == 20 and data.note == "version 6"
    assert data.test.pixels[7, 1, 3, 4] == 7 and data.test.labels[17] == 7
    (tmp_path / "cifar10.1_v6_data.npy").write_bytes((tmp_path / "cifar10.1_v6_data.npy").read_bytes()[:500])
    with pytest.raises(UserError, match=r"cifar10\.1_v6_data\.npy cannot be read as \.npy .*: fetch it anew"):
        load(f"cifar10.1:{tmp_path}", train_size=0)
    (tmp_path / "cifar10.1_v6_data.npy").unlink()
    assert load(f"cifar10.1:{tmp_path}", train_size=0).note == "version 4"
    np.save(tmp_path / "cifar10.1_v4_labels.npy", np.arange(21) + 3)
    with pytest.raises(UserError, match="should hold 21 class numbers from 0 to 9"):
        load(f"cifar10.1:{tmp_path}", train_size=0)


def test_pictures_from_elsewhere_need_no_labels(tmp_path: Path) -> None:
    folder(tmp_path / "deep", {"x": 5}, count=4)
    Image.new("RGB", (30, 20), (200, 0, 0)).save(tmp_path / "deep" / "loose.png")
    assert load_other(str(tmp_path), like(8), 100).shape == (5, 3, 8, 8)
    assert load_other(f"folder:{tmp_path}", like(8), 2).shape == (2, 3, 8, 8)
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match="there are no pictures in"):
        load_other(str(tmp_path / "empty"), like(8), 10)


def test_pictures_that_cannot_be_read_are_left_out_where_that_is_asked_for(tmp_path: Path) -> None:
    root = folder(tmp_path / "shifted", {"bird": 10, "cat": 100})
    sorted((root / "cat").iterdir())[0].write_bytes(b"no picture")
    with pytest.raises(UserError, match=r"cannot be read as a picture .* leave it out with --skip-bad"):
        load_shifted(f"set:{root}", ("cat", "bird"), like(8), 100)
    with pytest.raises(UserError, match=r"cannot be read as a picture .* leave it out with --skip-bad"):
        load_other(f"set:{root}", like(8), 100)
    found = load_shifted(f"set:{root}", ("cat", "bird"), like(8), 100, skip_bad=True)
    assert found.title == "shifted (1 unreadable skipped)"
    assert found.labels.tolist() == [1, 1, 1, 0, 0]
    assert len(load_other(f"set:{root}", like(8), 100, skip_bad=True)) == 5


def test_the_option_reaches_the_suites() -> None:
    limits = limits_of(SuiteSizes(), shift=("signs",), elsewhere=("photos",), skip_bad=True)
    chosen = {suite.name: suite for suite in choose_suites(("shift", "ood"), limits)}
    assert chosen["shift"].skip_bad and chosen["ood"].skip_bad  # type: ignore[attr-defined]


def test_classes_named_by_numbers_stand_for_the_outputs_of_those_numbers(tmp_path: Path) -> None:
    names = output_names(11, ("3", "07", "10"), None)
    assert names == ("0", "1", "2", "3", "4", "5", "6", "07", "8", "9", "10")
    assert place_classes(names, ("3", "07", "10"), "here") == (3, 7, 10)
    assert "stand for the model's outputs of those numbers" in matching(names, ("3", "07", "10"), None)
    with pytest.raises(UserError, match="has 10 outputs, and the data has 2 classes"):
        output_names(10, ("3", "10"), None)
    root = folder(tmp_path / "shifted", {"1": 10, "0": 100})
    found = load_shifted(f"set:{root}", ("cat", "bird", "dog"), like(8), 100)
    assert found.title == "shifted (classes by number)" and found.labels.tolist() == [0, 0, 0, 1, 1, 1]
    assert not by_number(("1", "0"), ("0", "1")), "their names tell"
    assert not by_number(("1", "0", "2"), ("1", "02")), "their names say otherwise"
    with pytest.raises(UserError, match="does not know by name: 0, 3"):
        load_shifted(f"set:{folder(tmp_path / 'other', {'3': 10, '0': 100})}", ("cat", "bird", "dog"), like(8), 100)


def test_how_classes_found_their_outputs_is_said() -> None:
    assert "taken for the classes in this order: a, b" in matching(("a", "b"), ("a", "b"), None)
    assert matching(("b", "a"), ("a", "b"), ("b", "a")) == ""
    assert "ImageNet's 1,000" in matching(wnids(), wnids()[5:9], None)


# The suites on them


class Levels(nn.Module):
    """The class whose grey level is nearest; sure where it is near."""

    def __init__(self, levels: list[int]) -> None:
        super().__init__()
        self.register_buffer("levels", torch.tensor(levels) / 255)

    def forward(self, x: Tensor) -> Tensor:
        return -300 * (x.mean((1, 2, 3))[:, None] - self.levels).abs()


def test_shift_and_elsewhere_are_scored_by_hand(tmp_path: Path) -> None:
    base = load(f"set:{folder(tmp_path / 'base', {'a': 10, 'b': 100, 'c': 200})}", train_size=0)
    # A class of the set looks like another class of the data: wrong among all, right among its own two.
    shifted = folder(tmp_path / "shifted", {"a": 10, "b": 230})
    strange = folder(tmp_path / "strange", {"any": 55})
    target = Target(base.test, base.classes)
    suites = choose_suites([], Limits(shift=(f"set:{shifted}",), elsewhere=(str(strange),)))
    place = Place(tmp_path / "outcomes", "levels", digest(base.test))
    outcomes = measure(suites, Subject(Levels([10, 100, 200]), "cpu", 4), target, place)
    figures = {(f.suite, f.name): f.measurement for f in pool(suites, [outcomes], target).figures}
    assert figures["shift", "accuracy"].value == pytest.approx(0.5)
    assert figures["shift", "accuracy among its own 2 classes"].value == pytest.approx(1.0)
    assert figures["shift", "clean accuracy on the same classes"].value == pytest.approx(1.0)
    assert figures["shift", "clean accuracy on the same classes"].count == 6
    assert figures["ood", "AUROC"].value == pytest.approx(1.0)
    assert figures["ood", "FPR95"].value == pytest.approx(0.0)


@pytest.mark.skipif(sys.platform == "win32", reason="blocks of files are claimed by a call of POSIX")
def test_large_sets_live_in_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from mechaug.data import resize

    monkeypatch.setattr(resize, "_LARGE", 100)
    held = resize.allocate(4, 3, 8, 8)
    held[2] = 7
    assert held.shape == (4, 3, 8, 8) and held[2].eq(7).all() and held[3].eq(0).all()
    maps = Path("/proc/self/maps")
    if maps.is_file():
        assert any("(deleted)" in line and tempfile.gettempdir() in line for line in maps.read_text().splitlines())
    root = folder(tmp_path / "set", {"a": 1, "b": 50})
    assert load(f"set:{root}", train_size=0).test.pixels[3, 0, 0, 0] == 50
    # A disk without room is memory again.
    monkeypatch.setattr(resize, "_map", lambda shape: (_ for _ in ()).throw(OSError("full")))
    assert resize.allocate(4, 3, 8, 8).shape == (4, 3, 8, 8)

"""Corrupted sets on the disk: the published layouts, whole pieces, shares in any order, and reading them back."""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from mechaug import cli
from mechaug.data.pictures import Pictures
from mechaug.errors import UserError
from mechaug.evaluation.corruptions import NAMES, corrupt
from mechaug.evaluation.export import Manifest, export
from mechaug.evaluation.official import available, is_published, read_corrupted
from mechaug.keys import Key

CLASSES = ("cat", "dog", "hat")


def pictures(count: int = 12, size: int = 16) -> Pictures:
    """Slopes of different grey: what a codec keeps."""
    index = torch.arange(count)
    slope = torch.arange(size) * 10 + index[:, None]
    return Pictures(slope[:, None, None].expand(count, 3, size, size).to(torch.uint8), index % 3, index)


def manifest(layout: str = "npy", **changes: object) -> Manifest:
    return Manifest(**{"data": "npz:x", "pictures": 12, "layout": layout, "profile": "cifar", "seed": 0,
                       "frost": "procedural", **changes})  # fmt: skip


def expected(name: str, severity: int, given: Pictures) -> torch.Tensor:
    key = Key(0).fold("corruptions").at(given.index)
    return corrupt(given.pixels, name, severity, key, profile="cifar")


def test_arrays_hold_five_severities_one_after_another(tmp_path: Path) -> None:
    given = pictures()
    assert export(given, CLASSES, tmp_path, manifest(), ("fog", "contrast")) == 2
    labels, fog = np.load(tmp_path / "labels.npy"), np.load(tmp_path / "fog.npy")
    assert fog.shape == (60, 16, 16, 3) and fog.dtype == np.uint8
    assert labels.tolist() == given.labels.tolist() * 5
    for severity in (1, 5):
        block = torch.from_numpy(fog[(severity - 1) * 12 : severity * 12]).permute(0, 3, 1, 2)
        assert torch.equal(block, expected("fog", severity, given))
    assert export(given, CLASSES, tmp_path, manifest(), ("fog", "contrast")) == 0


def test_shares_in_any_order_make_the_whole(tmp_path: Path) -> None:
    given = pictures()
    export(given, CLASSES, tmp_path / "one", manifest(), NAMES[:5])
    for part in (2, 0, 1):
        export(given, CLASSES, tmp_path / "shares", manifest(), NAMES[:5], shard=(part, 3))
    for name in (*NAMES[:5], "labels"):
        one, shares = (tmp_path / folder / f"{name}.npy" for folder in ("one", "shares"))
        assert one.read_bytes() == shares.read_bytes(), name


def test_folders_are_those_of_the_published_set(tmp_path: Path) -> None:
    given = pictures()
    export(given, CLASSES, tmp_path, manifest("folder"), ("contrast",), (2, 4))
    assert sorted(place.name for place in (tmp_path / "contrast").iterdir()) == ["2", "4"]
    files = sorted((tmp_path / "contrast" / "4" / "dog").iterdir())
    assert [file.name for file in files] == [f"{index:08d}.jpg" for index in (1, 4, 7, 10)]
    with Image.open(files[0]) as stored:
        assert stored.size == (16, 16) and stored.quantization[0][0] == 5  # quality 85
        off = np.abs(np.asarray(stored).astype(int) - expected("contrast", 4, given)[1].permute(1, 2, 0).numpy())
    assert off.mean() < 1


@pytest.mark.parametrize("layout", ["npy", "folder"])
@pytest.mark.parametrize("some", [slice(None), slice(2, 9)])
def test_what_was_written_is_read_back(tmp_path: Path, layout: str, some: slice) -> None:
    given = pictures().rows(some)
    shuffled = given.rows(torch.randperm(len(given), generator=torch.Generator().manual_seed(0)))
    export(shuffled, CLASSES, tmp_path, manifest(layout, pictures=len(given)), ("brightness", "pixelate"))
    assert available(tmp_path, NAMES) == ("brightness", "pixelate")
    assert not is_published(tmp_path)
    rows = torch.tensor([5, 2, 2, 6])
    read = read_corrupted(tmp_path, "brightness", 3, given.rows(rows), total=12)
    wanted = expected("brightness", 3, given)[rows]
    assert read.shape == wanted.shape
    assert (read.int() - wanted.int()).abs().double().mean() < (1e-9 if layout == "npy" else 1)
    assert torch.equal(read[1], read[2])
    if len(given) < 12:
        with pytest.raises(UserError, match="has 7 of the test pictures, and lacks 2 of those to measure on"):
            read_corrupted(tmp_path, "brightness", 3, pictures().rows(torch.tensor([0, 2, 11])), total=12)


def published(root: Path, labels: dict[str, int]) -> None:
    """A folder as the published ones: so many pictures of each class, whose grey level says which they are."""
    level = 0
    for label, count in labels.items():
        (root / label).mkdir(parents=True)
        for number in range(count):
            Image.fromarray(np.full((8, 8, 3), level, np.uint8)).save(root / label / f"ILSVRC_{number}.png")
            level += 1


def test_published_archives_lie_one_folder_down(tmp_path: Path) -> None:
    published(tmp_path / "weather" / "fog" / "1", {"cat": 2, "dog": 1})
    assert available(tmp_path, NAMES) == ("fog",) and is_published(tmp_path)
    index = torch.tensor([2, 0])
    clean = Pictures(torch.zeros(2, 3, 8, 8, dtype=torch.uint8), torch.tensor([1, 0]), index)
    assert read_corrupted(tmp_path, "fog", 1, clean, total=3)[:, 0, 0, 0].tolist() == [2, 0]


def test_published_pictures_of_more_classes_than_are_measured(tmp_path: Path) -> None:
    published(tmp_path / "fog" / "1", {"cat": 2, "cow": 3, "dog": 1})
    clean = Pictures(torch.zeros(3, 3, 8, 8, dtype=torch.uint8), torch.tensor([0, 0, 1]), torch.arange(3))
    read = read_corrupted(tmp_path, "fog", 1, clean, total=3, classes=("cat", "dog"))
    assert read[:, 0, 0, 0].tolist() == [0, 1, 5]
    with pytest.raises(UserError, match="has 6 pictures, and the test split has 3"):
        read_corrupted(tmp_path, "fog", 1, clean, total=3)


def test_what_does_not_fit_is_named(tmp_path: Path) -> None:
    def read(name: str, severity: int = 1, labels: torch.Tensor | None = None) -> None:
        given = pictures().rows(torch.arange(3))
        read_corrupted(tmp_path, name, severity, given if labels is None else replace(given, labels=labels), total=12)

    with pytest.raises(UserError, match="there is no folder"):
        available(tmp_path / "nowhere", NAMES)
    with pytest.raises(UserError, match="holds none of gaussian_noise"):
        available(tmp_path, NAMES)
    (tmp_path / "fog.npy").write_bytes(b"\x93NUMPY\x01\x00garbage")
    with pytest.raises(UserError, match=r"fog\.npy cannot be read .*: fetch or make it again"):
        read("fog")
    np.save(tmp_path / "snow.npy", np.zeros((60, 16, 16, 3)))
    with pytest.raises(UserError, match="float64 numbers of shape"):
        read("snow")
    np.save(tmp_path / "frost.npy", np.zeros((50, 16, 16, 3), np.uint8))
    with pytest.raises(UserError, match="has 50 pictures: five severities of 12 test pictures would be 60"):
        read("frost")
    np.save(tmp_path / "contrast.npy", np.zeros((60, 8, 8, 3), np.uint8))
    with pytest.raises(UserError, match=r"lacks labels\.npy"):
        read("contrast")
    np.save(tmp_path / "labels.npy", np.arange(60))
    with pytest.raises(UserError, match="pictures of 8×8, and the test pictures are 16×16"):
        read("contrast")
    whole = np.zeros((60, 16, 16, 3), np.uint8)
    np.save(tmp_path / "brightness.npy", whole)
    read("brightness")
    for labels in ([0, 0, 1], [1, 1, 1]):
        with pytest.raises(UserError, match="has other pictures than the test split: their labels differ"):
            read("brightness", labels=torch.tensor(labels))
    np.save(tmp_path / "labels.npy", np.arange(12))
    with pytest.raises(UserError, match="60 whole ones are needed"):
        read("brightness")
    file = tmp_path / "brightness.npy"
    file.write_bytes(file.read_bytes()[:5000])
    with pytest.raises(UserError, match=r"brightness\.npy cannot be read .*: fetch or make it again"):
        read("brightness")
    with pytest.raises(UserError, match="no pixelate at severity 2: make it with mechaug corrupt"):
        read("pixelate", 2)


def test_sets_are_not_mixed(tmp_path: Path) -> None:
    export(pictures(), CLASSES, tmp_path, manifest(), ("contrast",))
    with pytest.raises(UserError, match=r"differs in profile, seed"):
        export(pictures(), CLASSES, tmp_path, manifest(seed=1, profile="imagenet"), ("contrast",))
    (tmp_path / "corrupt.json").write_text("{")
    with pytest.raises(UserError, match="is damaged"):
        export(pictures(), CLASSES, tmp_path, manifest(), ("contrast",))
    (tmp_path / "corrupt.json").unlink()
    with pytest.raises(UserError, match="did not make"):
        export(pictures(), CLASSES, tmp_path, manifest(), ("contrast",))
    with pytest.raises(UserError, match="leave --severities out"):
        export(pictures(), CLASSES, tmp_path / "new", manifest(), ("contrast",), (1,))


def run(*arguments: str) -> int:
    with pytest.raises(SystemExit) as stopped:
        cli.main(["corrupt", *arguments])
    return int(stopped.value.code or 0)


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = str(tmp_path / "c")
    assert run("--data", "signs", "--limit", "40", "--out", out, "--names", "frost", "c-extra") == 0
    assert "frost: procedural textures" in capsys.readouterr().out
    assert np.load(tmp_path / "c" / "frost.npy").shape == (200, 32, 32, 3)
    assert json.loads((tmp_path / "c" / "corrupt.json").read_text())["frost"] == "procedural"
    assert len(np.load(tmp_path / "c" / "index.npy")) == 40
    assert run("--data", "signs", "--limit", "40", "--out", out, "--otherwise", "rounded") == 2
    assert "differs in variant" in capsys.readouterr().err
    for wrong, said in (
        (("--names", "snowfall"), "no corruption 'snowfall'"),
        (("--names", "perlin_noise"), "perlin_noise is not in the cifar benchmark"),
        (("--shard", "3/2"), "--shard '3/2' is not a share"),
        (("--frost", str(tmp_path)), "lacks frost1.png"),
    ):
        assert run("--data", "signs", "--limit", "40", "--out", str(tmp_path / "d"), *wrong) == 2
        assert said in capsys.readouterr().err


def test_killed_and_called_again_it_ends_with_the_same_files(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "mechaug.cli", "corrupt", "--data", "signs", "--limit", "300", "--names",
               "fog", "elastic_transform", "jpeg_compression", "snow"]  # fmt: skip
    out = tmp_path / "killed"
    started = subprocess.Popen([*command, "--out", str(out)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 60
    while not (out / "fog.npy").exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    os.kill(started.pid, signal.SIGKILL)
    started.wait()
    before = (out / "fog.npy").stat().st_mtime_ns
    for place in (out, tmp_path / "whole"):
        subprocess.run([*command, "--out", str(place)], check=True, capture_output=True)
    assert (out / "fog.npy").stat().st_mtime_ns == before
    for file in (tmp_path / "whole").glob("*.npy"):
        assert (out / file.name).read_bytes() == file.read_bytes(), file.name

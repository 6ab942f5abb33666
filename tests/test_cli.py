"""Bad input gets one clear sentence and exit status 2; nothing is half-written."""

import errno
import os
import resource
import subprocess
import sys
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
import torch
from PIL import Image as PillowImage

import mechaug
from mechaug import cli, protocol
from mechaug.commands import options, study, train
from mechaug.training.methods import METHODS
from mechaug.training.nets import NETS

TINY = ["--train-size", "100", "--test-size", "50", "--steps", "2", "--batch-size", "20", "--attack-size", "0"]


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as stop:
        cli.main(arguments)
    said = capsys.readouterr()
    code = stop.value.code
    assert isinstance(code, int)
    return code, said.out, said.err


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    code, _, complaint = run(capsys, *arguments)
    last = complaint.strip().splitlines()[-1]
    assert code == 2, complaint
    assert last.startswith("mechaug: ") and "Traceback" not in complaint
    return last


def photographs(root: Path, classes: int = 2, count: int = 12, size: int = 32) -> Path:
    values = np.random.default_rng(0)
    for split in ("train", "val"):
        for label in range(classes):
            folder = root / split / f"class{label}"
            folder.mkdir(parents=True)
            for number in range(count):
                pixels = values.integers(0, 255, (size, size, 3), dtype=np.uint8) // (label + 1)
                PillowImage.fromarray(pixels).save(folder / f"{number}.jpg")
    return root


def test_choices_are_those_that_exist() -> None:
    assert set(get_args(options.Net)) - {"auto"} == set(NETS)
    names = [method.name for method in METHODS]
    assert len(set(names)) == len(names)
    assert {*study.METHODS, *protocol.RIVALS, study.Study().mechanism} <= set(names)
    assert train.Train().method in names


@pytest.mark.parametrize(
    ("source", "named"),
    [
        ("cifar10:/nowhere/at/all", "/nowhere/at/all"),
        ("folder:/nowhere/at/all", "/nowhere/at/all"),
        ("npz:/nowhere/at/all.npz", "/nowhere/at/all.npz"),
        ("npy:/nowhere/at/all", "/nowhere/at/all"),
        ("sings", "sings"),
        ("signs:2", "2"),
    ],
)
def test_missing_or_misspelt_data(capsys: pytest.CaptureFixture[str], tmp_path: Path, source: str, named: str) -> None:
    assert named in refused(capsys, "study", "--data", source, "--out", str(tmp_path / "out"), *TINY)


def test_truncated_array_file(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    file = tmp_path / "set.npz"
    pixels, labels = np.zeros((20, 8, 8, 3), np.uint8), np.arange(20) % 2
    np.savez(file, x_train=pixels, y_train=labels, x_test=pixels, y_test=labels)
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    assert str(file) in refused(capsys, "study", "--data", f"npz:{file}", "--out", str(tmp_path / "out"), *TINY)


def test_corrupt_picture_is_named_and_skipped_only_when_asked(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    root = photographs(tmp_path / "set")
    bad = root / "train" / "class1" / "3.jpg"
    bad.write_bytes(bad.read_bytes()[:300])
    options = ["study", "--data", f"folder:{root}", "--methods", "none", "--out", str(tmp_path / "out")]
    sizes = ["--steps", "1", "--batch-size", "10", "--attack-size", "0"]
    complaint = refused(capsys, *options, *sizes)
    assert str(bad) in complaint and "--skip-bad" in complaint
    code, out, said = run(capsys, *options[:-1], str(tmp_path / "skipped"), *sizes, "--skip-bad")
    assert code == 0, said
    assert "1 " in (tmp_path / "skipped" / "result.json").read_text() and "report:" in out


def test_one_class_only(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    root = photographs(tmp_path / "set", classes=1)
    assert "class" in refused(capsys, "study", "--data", f"folder:{root}", "--out", str(tmp_path / "out"), *TINY)


def test_more_pictures_than_there_are(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    source = f"folder:{photographs(tmp_path / 'set')}"
    assert "99999" in refused(capsys, "study", "--data", source, "--out", str(tmp_path / "o"), "--train-size", "99999")


@pytest.mark.parametrize(
    ("options", "named"),
    [
        (["--methods", "augmx"], "mechaug review"),
        (["--methods"], "method"),
        (["--seeds", "1", "1"], "seed"),
        (["--epochs", "0"], "epochs"),
        (["--learning-rate", "-1"], "learning_rate"),
        (["--train-size", "100", "--batch-size", "5000"], "batch"),
        (["--train-size", "5"], "5"),
        (["--train-size", "100", "--test-size", "0"], "--test-size"),
        (["--device", "quantum"], "quantum"),
    ],
)
def test_bad_options(capsys: pytest.CaptureFixture[str], tmp_path: Path, options: list[str], named: str) -> None:
    assert named in refused(capsys, "study", "--out", str(tmp_path / "out"), *options)


def test_unwritable_output_folder(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    out = tmp_path / "file" / "study"
    complaint = refused(capsys, "study", "--out", str(out), *TINY)
    assert "--out" in complaint and str(tmp_path / "file") in complaint


def test_another_study_in_the_folder(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    options = ["study", "--methods", "none", "--out", str(tmp_path / "out"), *TINY]
    assert run(capsys, *options)[0] == 0
    before = (tmp_path / "out" / "result.json").read_bytes()
    complaint = refused(capsys, *options, "--seeds", "7")
    assert "seeds" in complaint
    assert (tmp_path / "out" / "result.json").read_bytes() == before


def test_nan_loss_stops_and_keeps_the_last_good_state(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    options = ["train", "--method", "none", "--train-size", "400", "--batch-size", "20", "--epochs", "20"]
    out = tmp_path / "out"
    # So high a rate diverges at once; a checkpoint per step shows that none is written after that.
    complaint = refused(capsys, *options, "--learning-rate", "1e30", "--out", str(out), "--checkpoint-seconds", "0")
    assert "not a number" in complaint and "--learning-rate" in complaint
    if "checkpoint.safetensors" in complaint:
        from mechaug.training.checkpoint import _load

        tensors, _ = _load(out / "checkpoint.safetensors")
        assert all(torch.isfinite(t).all() for name, t in tensors.items() if t.is_floating_point())
    assert not (out / "model.safetensors").exists()


def test_evaluate_names_a_model_that_does_not_fit(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert run(capsys, "train", "--method", "none", "--out", str(tmp_path / "model"), *TINY[:2], *TINY[4:8])[0] == 0
    other = photographs(tmp_path / "set")
    complaint = refused(
        capsys,
        "evaluate",
        "--model",
        str(tmp_path / "model"),
        "--data",
        f"folder:{other}",
        "--out",
        str(tmp_path / "o"),
    )
    assert "class0, class1" in complaint and "stop" in complaint
    assert "nothing.safetensors" in refused(capsys, "evaluate", "--model", "nothing.safetensors")
    garbage = tmp_path / "garbage.safetensors"
    garbage.write_bytes(b"\x80\x04not a model")
    assert str(garbage) in refused(capsys, "evaluate", "--model", str(garbage))
    assert "mechaug_no_such:net" in refused(capsys, "evaluate", "--model", "mechaug_no_such:net")


def test_evaluate_measures_a_model_that_was_brought_along(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    sizes = ["--test-size", "50", "--attack-size", "10"]
    out = tmp_path / "out"
    code, said, complaint = run(capsys, "evaluate", "--model", "test_cli:colour_net", "--out", str(out), *sizes)
    assert code == 0, complaint
    assert "report:" in said and (out / "report.html").is_file()


def colour_net() -> torch.nn.Module:
    """Ten classes from three colour means: enough to be measured."""
    net = torch.nn.Sequential(torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten(), torch.nn.Linear(3, 10))
    torch.nn.init.eye_(net[2].weight)
    torch.nn.init.zeros_(net[2].bias)
    return net


@pytest.mark.parametrize("content", ["not json", '{"type": "Result"}', '{"a": 1}', "[]"])
def test_report_of_what_is_no_result(capsys: pytest.CaptureFixture[str], tmp_path: Path, content: str) -> None:
    file = tmp_path / "result.json"
    file.write_text(content)
    refused(capsys, "report", str(file), "--out", str(tmp_path / "page.html"))
    assert not (tmp_path / "page.html").exists()
    assert "nowhere.json" in refused(capsys, "report", "nowhere.json")


def test_show_refuses_what_is_no_photograph(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    file = tmp_path / "photo.jpg"
    file.write_bytes(b"hello")
    assert str(file) in refused(capsys, "show", str(file), "--out", str(tmp_path / "sheet.png"))
    assert not (tmp_path / "sheet.png").exists()


def test_full_disk_is_one_sentence_and_loses_nothing(tmp_path: Path) -> None:
    """A real write that the system refuses: a limit on file sizes, as a full disk breaks off a file in its middle."""
    command = [
        sys.executable,
        "-m",
        "mechaug.cli",
        "train",
        "--method",
        "none",
        "--out",
        str(tmp_path / "out"),
        *TINY[:2],
    ]

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))

    done = subprocess.run(
        [*command, "--steps", "2", "--batch-size", "20"], capture_output=True, text=True, timeout=120, preexec_fn=limit
    )
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr and os.strerror(errno.EFBIG) in done.stderr
    assert not list((tmp_path / "out").glob("*.safetensors"))
    assert not list((tmp_path / "out").glob(".*.tmp"))


def test_full_disk_is_named_as_such(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "/data/out")

    monkeypatch.setattr("mechaug.reports.show.show", full)
    assert "the disk is full at /data/out" in refused(capsys, "show", "photo.jpg")


def test_python_runs_the_package() -> None:
    done = subprocess.run([sys.executable, "-m", "mechaug", "--version"], capture_output=True, text=True, timeout=60)
    assert done.stdout.strip() == mechaug.__version__, done.stderr


def test_help_is_quick_and_says_what_to_do() -> None:
    code = "import sys, mechaug.cli\nassert 'torch' not in sys.modules\nmechaug.cli.main(['--help'])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert "mechaug study" in done.stdout
    named = cli.__doc__.split("`")[1].removeprefix("mechaug ").split(" | ")  # type: ignore[union-attr]
    assert "fit" in named and all(name in done.stdout for name in named)

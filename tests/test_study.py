"""The main job, for real: processes that are killed, continued and compared."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from mechaug.evaluation.result import Result, read_result

SIZES = [
    "--train-size",
    "400",
    "--test-size",
    "100",
    "--attack-size",
    "20",
    "--epochs",
    "3",
    "--batch-size",
    "50",
    "--severities",
    "3",
]
TINY = ["study", "--methods", "flip-crop", "camera-jsd", "--seeds", "0", "1", *SIZES, "--checkpoint-seconds", "0.2"]
TINY += ["--data-name", "Signs, a few"]


def start(out: Path) -> "subprocess.Popen[str]":
    command = [sys.executable, "-m", "mechaug.cli", *TINY, "--out", str(out)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def finish(out: Path) -> Result:
    process = start(out)
    _, complaint = process.communicate(timeout=250)
    assert process.returncode == 0, complaint
    return read_result(out / "result.json")


def figures(result: Result) -> list[object]:
    """Everything measured; wall times are not."""
    runs = [(run.seed, run.steps, run.clean, run.corrupted, run.attacked) for m in result.methods for run in m.runs]
    return [[(entry.name, entry.evaluation) for entry in result.methods], runs]


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Result]:
    out = tmp_path_factory.mktemp("undisturbed") / "study"
    return out, finish(out)


def test_study_leaves_everything_it_promises(undisturbed: tuple[Path, Result]) -> None:
    out, result = undisturbed
    assert [entry.name for entry in result.methods] == ["flip-crop", "camera-jsd"]
    for entry in result.methods:
        scores = entry.evaluation
        assert len(scores.cells) == 15
        assert scores.corrupted is not None and scores.attacked is not None
        for measured in (scores.clean, scores.corrupted, scores.attacked, *(cell.accuracy for cell in scores.cells)):
            assert 0 <= measured.low <= measured.value <= measured.high <= 1
        assert [run.seed for run in entry.runs] == [0, 1]
        for seed in (0, 1):
            run = out / "runs" / entry.name / f"seed-{seed}"
            lines = (run / "metrics.jsonl").read_text().splitlines()
            assert [json.loads(line)["epoch"] for line in lines] == [0, 1, 2]
            assert (run / "model.safetensors").is_file()
            assert not (run / "checkpoint.safetensors").exists()
    assert (out / "config.json").is_file()
    page = (out / "report.html").read_text()
    assert "Camera + JSD" in page
    assert result.data.name == "Signs, a few" and "Signs, a few" in page
    assert "defocus" in page
    assert all((out / picture.file).is_file() for picture in result.gallery)
    assert not list(out.rglob("*.tmp"))


def test_result_names_the_command_that_makes_it_again(undisturbed: tuple[Path, Result]) -> None:
    _, result = undisturbed
    assert result.command.startswith("mechaug study --data-name ")
    for word in ("--methods flip-crop camera-jsd", "--seeds 0 1", "--train-size 400", "--epochs 3"):
        assert word in result.command


def test_killed_study_ends_with_the_same_figures(undisturbed: tuple[Path, Result], tmp_path: Path) -> None:
    _, expected = undisturbed
    out = tmp_path / "study"
    killed = 0
    # From the first import to the last measurement: the moments spread over the whole of the work.
    for seconds in (2.0, 3.0, 4.5, 6.0, 7.5):
        process = start(out)
        time.sleep(seconds)
        if process.poll() is None:
            process.send_signal(signal.SIGKILL)
            killed += 1
        process.communicate(timeout=60)
    assert killed >= 2, "the study was over before it could be killed: this test no longer tests anything"
    assert figures(finish(out)) == figures(expected)


def test_interrupt_leaves_a_checkpoint_and_says_how_to_go_on(tmp_path: Path) -> None:
    out = tmp_path / "train"
    command = [
        sys.executable,
        "-m",
        "mechaug.cli",
        "train",
        "--train-size",
        "2000",
        "--epochs",
        "500",
        "--out",
        str(out),
    ]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 120
    while not (out / "metrics.jsonl").exists() and time.monotonic() < deadline:
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130, said
    assert "goes on from here" in said and "Traceback" not in said
    from mechaug.training.checkpoint import _load

    tensors, header = _load(out / "checkpoint.safetensors")
    assert int(header["step"]) > 0
    assert any(name.startswith("average.") for name in tensors)


def test_second_process_in_the_same_folder_is_refused(tmp_path: Path) -> None:
    out = tmp_path / "study"
    first = start(out)
    deadline = time.monotonic() + 60
    while not (out / "config.json").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    second = start(out)
    _, said = second.communicate(timeout=60)
    first.send_signal(signal.SIGKILL)
    first.communicate(timeout=60)
    assert second.returncode == 2
    assert "another process is at work" in said and "Traceback" not in said


def test_study_runs_without_a_terminal_and_without_home(tmp_path: Path) -> None:
    out = tmp_path / "study"
    tiny = ["study", "--methods", "none", "--train-size", "100", "--test-size", "50", "--attack-size", "0"]
    command = [sys.executable, "-m", "mechaug.cli", *tiny, "--steps", "1", "--batch-size", "50", "--out", str(out)]
    environment = {"PATH": os.environ["PATH"], "LANG": "C"}
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=120, env=environment, stdin=subprocess.DEVNULL
    )
    assert done.returncode == 0, done.stderr
    assert "report:" in done.stdout
    assert read_result(out / "result.json").methods[0].evaluation.attacked is None

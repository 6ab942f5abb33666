"""Style and types are clean: what a reviewer should never have to say."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
FOLDERS = ["src", "tests", "benchmarks", "examples"]


def run(*arguments: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=200)


@pytest.mark.parametrize("arguments", [["check"], ["format", "--check"]], ids=["lint", "format"])
def test_ruff_is_clean(arguments: list[str]) -> None:
    done = run("ruff", *arguments, *FOLDERS)
    assert done.returncode == 0, done.stdout + done.stderr


def test_pyright_is_clean() -> None:
    try:
        done = run("pyright")
    except subprocess.TimeoutExpired:
        pytest.skip("pyright could not fetch its program in time")
    if "informations" not in done.stdout:
        pytest.skip(f"pyright could not start: {(done.stderr or done.stdout).strip()[-200:]}")
    assert done.returncode == 0, done.stdout

"""Files are whole or not there: under failures, full disks, several writers and sudden death."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from mechaug import files

OLD, NEW = b"old content", b"new content, longer than the old"


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_file_is_written_and_replaced(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "er" / "file.bin"
    files.write_bytes(path, NEW)
    assert path.read_bytes() == NEW
    files.write_bytes(path, OLD)
    assert path.read_bytes() == OLD
    assert names(path.parent) == ["file.bin"]


def test_text_is_utf_8_with_its_line_ends(tmp_path: Path) -> None:
    files.write_text(tmp_path / "file.txt", "5 € — ×\r\nend\n")
    assert (tmp_path / "file.txt").read_bytes() == "5 € — ×\r\nend\n".encode()


def test_an_empty_file(tmp_path: Path) -> None:
    files.write_bytes(tmp_path / "empty", b"")
    assert (tmp_path / "empty").read_bytes() == b""


def test_nothing_is_seen_before_it_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(OLD)

    def write(temporary: Path) -> None:
        assert temporary.parent == tmp_path, "another folder may be another disk, where renaming is copying"
        temporary.write_bytes(NEW[:5])
        assert path.read_bytes() == OLD
        temporary.write_bytes(NEW)

    files.write_file(path, write)
    assert path.read_bytes() == NEW


@pytest.mark.parametrize("error", [ValueError, OSError, KeyboardInterrupt, SystemExit])
@pytest.mark.parametrize("existed", [True, False], ids=["replacing", "new"])
def test_a_writer_that_fails_midway_leaves_what_was(tmp_path: Path, error: type[BaseException], existed: bool) -> None:
    path = tmp_path / "file"
    if existed:
        path.write_bytes(OLD)

    def write(temporary: Path) -> None:
        temporary.write_bytes(NEW[:5])
        raise error("midway")

    with pytest.raises(error, match="midway"):
        files.write_file(path, write)
    assert names(tmp_path) == (["file"] if existed else [])
    assert not existed or path.read_bytes() == OLD


def test_a_writer_that_writes_nothing_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(OLD)
    with pytest.raises(FileNotFoundError):
        files.write_file(tmp_path / "file", lambda temporary: None)
    assert (tmp_path / "file").read_bytes() == OLD
    assert names(tmp_path) == ["file"]


def test_the_content_is_on_the_disk_before_it_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, order = tmp_path / "file", []
    fsync, replace = os.fsync, Path.replace

    def watched_fsync(descriptor: int) -> None:
        order.append(("fsync", os.fstat(descriptor).st_size))
        fsync(descriptor)

    def watched_replace(self: Path, target: Path) -> Path:
        order.append(("rename", target))
        return replace(self, target)

    monkeypatch.setattr(os, "fsync", watched_fsync)
    monkeypatch.setattr(Path, "replace", watched_replace)
    files.write_bytes(path, NEW)
    assert order[:2] == [("fsync", len(NEW)), ("rename", path)]


def test_a_folder_that_is_a_file_is_an_os_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(OLD)
    for path in (tmp_path / "file" / "inner", tmp_path / "file" / "deep" / "inner"):
        with pytest.raises(OSError):
            files.write_bytes(path, NEW)
    assert names(tmp_path) == ["file"]
    assert (tmp_path / "file").read_bytes() == OLD


def test_a_target_that_is_a_folder_is_an_os_error(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "kept").write_bytes(OLD)
    with pytest.raises(OSError):
        files.write_bytes(tmp_path / "folder", NEW)
    assert names(tmp_path) == ["folder"]
    assert (tmp_path / "folder" / "kept").read_bytes() == OLD


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may write into a read-only folder")
def test_a_read_only_folder_is_an_os_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(OLD)
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(PermissionError):
            files.write_bytes(tmp_path / "file", NEW)
    finally:
        tmp_path.chmod(0o700)
    assert (tmp_path / "file").read_bytes() == OLD
    assert names(tmp_path) == ["file"]


def test_a_writer_inside_a_writer(tmp_path: Path) -> None:
    """Two writers at once share no temporary file, and the last to finish wins."""
    path = tmp_path / "file"

    def write(temporary: Path) -> None:
        temporary.write_bytes(NEW[:5])
        files.write_bytes(path, OLD)
        assert path.read_bytes() == OLD
        temporary.write_bytes(NEW)

    files.write_file(path, write)
    assert path.read_bytes() == NEW
    assert names(tmp_path) == ["file"]


def test_two_writers_and_a_reader(tmp_path: Path) -> None:
    path = tmp_path / "file"
    contents = [bytes([letter]) * 200_000 for letter in b"ab"]
    files.write_bytes(path, contents[0])
    failures: list[BaseException] = []

    def write(content: bytes) -> None:
        try:
            for _ in range(40):
                files.write_bytes(path, content)
        except BaseException as error:
            failures.append(error)

    writers = [threading.Thread(target=write, args=(content,)) for content in contents]
    for writer in writers:
        writer.start()
    reads = 0
    while any(writer.is_alive() for writer in writers):
        assert path.read_bytes() in contents
        reads += 1
    for writer in writers:
        writer.join()
    assert not failures
    assert reads > 5
    assert names(tmp_path) == ["file"]


# In a process of its own, without the package around it: importing torch would take most of the test's time.
CHILD = """
import importlib.util, sys
from pathlib import Path
spec = importlib.util.spec_from_file_location("files", sys.argv[1])
files = importlib.util.module_from_spec(spec)
spec.loader.exec_module(files)
path = Path(sys.argv[2])
"""

FULL_DISK = """
import resource
resource.setrlimit(resource.RLIMIT_FSIZE, (65536, 65536))
try:
    files.write_bytes(path, b"n" * 1_000_000)
except OSError as error:
    print(type(error).__name__, error.errno)
"""

ENDLESS = """
print("ready", flush=True)
while True:
    for letter in b"abcdefgh":
        files.write_bytes(path, bytes([letter]) * 3_000_000)
"""


def child(code: str, path: Path) -> list[str]:
    return [sys.executable, "-c", CHILD + code, files.__file__, str(path)]


@pytest.mark.skipif(os.name != "posix", reason="needs the system's limit on file sizes")
def test_a_full_disk_leaves_the_old_file(tmp_path: Path) -> None:
    """The system itself refuses the write midway, after 65,536 bytes."""
    path = tmp_path / "file"
    path.write_bytes(OLD)
    told = subprocess.run(child(FULL_DISK, path), capture_output=True, text=True, check=True, timeout=60)
    assert told.stdout.startswith("OSError"), told
    assert path.read_bytes() == OLD
    assert names(tmp_path) == ["file"]


@pytest.mark.skipif(os.name != "posix", reason="needs SIGKILL")
def test_sudden_death_leaves_a_whole_file(tmp_path: Path) -> None:
    path = tmp_path / "file"
    whole = {bytes([letter]) * 3_000_000 for letter in b"abcdefgh"}
    for number in range(8):
        with subprocess.Popen(child(ENDLESS, path), stdout=subprocess.PIPE) as writer:
            assert writer.stdout is not None
            assert writer.stdout.readline() == b"ready\n"
            deadline = time.monotonic() + 30
            while not path.exists() and time.monotonic() < deadline:
                time.sleep(0.001)
            time.sleep(0.0037 * number)
            writer.send_signal(signal.SIGKILL)
        assert path.read_bytes() in whole

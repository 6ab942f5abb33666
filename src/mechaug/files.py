"""Files that are whole or not there: written under a temporary name, flushed to the disk, then renamed."""

import contextlib
import errno
import os
import secrets
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


def write_file(path: Path, write: Callable[[Path], object]) -> None:
    """Let `write` make a file under a temporary name beside `path`, then rename it to `path`.

    Raises:
        OSError: the folder cannot be made or written, or the disk is full; `path` is then as it was before.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    try:
        write(temporary)
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        temporary.replace(path)
        _sync_folder(path.parent)
    except BaseException:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise


def check_place(path: Path) -> None:
    """Find out whether a file can be written, without leaving a trace: before the work that it is to hold.

    Raises:
        OSError: it cannot: its folder is a file or may not be written, or it is a folder itself.
    """
    if path.is_dir():
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    folder = next(parent for parent in path.absolute().parents if parent.exists())
    if not folder.is_dir():
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(folder))
    probe = folder / f".{path.name}.{secrets.token_hex(4)}.tmp"
    probe.touch(exist_ok=False)
    probe.unlink()


def _sync_folder(folder: Path) -> None:
    """Bring a folder's new entry to the disk, where the system can."""
    with contextlib.suppress(OSError):
        place = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(place)
        finally:
            os.close(place)


def write_bytes(path: Path, content: bytes) -> None:
    """`write_file` for bytes."""
    write_file(path, lambda temporary: temporary.write_bytes(content))


def write_tensors(path: Path, tensors: "Mapping[str, Tensor]", header: dict[str, str]) -> None:
    """`write_file` for tensors by name, on any device, as safetensors with a header.

    Raises:
        OSError: as `write_file`.
    """
    from safetensors.torch import save_file

    whole = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    try:
        write_file(path, lambda temporary: save_file(whole, str(temporary), metadata=header))
    except OSError:
        raise
    except Exception as error:
        # safetensors wraps the system's errors (a full disk, a read-only folder) in one of its own.
        raise OSError(f"cannot write {path}: {error}") from error


def write_text(path: Path, content: str) -> None:
    """`write_file` for UTF-8 text."""
    write_bytes(path, content.encode("utf-8"))

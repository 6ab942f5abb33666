"""The photographs of a folder, measured one after another."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, final

from mechaug.errors import UserError
from mechaug.scenes.estimators.measures import Measures, measure
from mechaug.scenes.estimators.photograph import read_photograph
from mechaug.watch import Watch

SUFFIXES: Final = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff")


@final
@dataclass(frozen=True)
class Folder:
    """What was read of a folder.

    Attributes:
        path: of the folder.
        found: pictures that are in it.
        measures: of those that were looked at and can be read.
        skipped: a sentence for each that cannot be read.
        notes: a sentence for each that was read, and in which something was ignored.
    """

    path: str
    found: int
    measures: tuple[Measures, ...]
    skipped: tuple[str, ...]
    notes: tuple[str, ...]


def measure_folder(path: Path, *, limit: int | None, watch: Watch) -> Folder:
    """Measure the pictures of a folder and of the folders in it.

    A picture that cannot be read is named and left out: one damaged file of thousands says nothing about the others.

    Args:
        path: the folder.
        limit: at most so many pictures, at equal distances in the order of their names.
        watch: told of progress.

    Raises:
        UserError: there is no such folder, no picture in it, or none that can be read.
    """
    files = _pictures(path)
    chosen = files if limit is None else _spread(files, limit)
    measures: list[Measures] = []
    skipped: list[str] = []
    watch.begin("measuring", len(chosen), "pictures")
    for file in chosen:
        try:
            measures.append(measure(read_photograph(file)))
        except UserError as error:
            skipped.append(str(error))
            watch.say(f"skipped: {error}")
        watch.advance(1)
    if not measures:
        raise UserError(f"none of the {len(chosen)} pictures in {path} can be read; the first: {skipped[0]}")
    notes = [f"{m.name}: {note}" for m in measures if m.exif is not None for note in m.exif.notes]
    return Folder(str(path), len(files), tuple(measures), tuple(skipped), tuple(notes))


def _pictures(path: Path) -> list[Path]:
    if not path.exists():
        raise UserError(f"there is no folder {path}: give one that holds photographs")
    if not path.is_dir():
        raise UserError(f"{path} is a file: give the folder that holds the photographs")
    files = sorted(file for file in path.rglob("*") if file.suffix.lower() in SUFFIXES and file.is_file())
    files = [file for file in files if not any(part.startswith(".") for part in file.relative_to(path).parts)]
    if not files:
        raise UserError(f"there are no pictures in {path}: they should end with {', '.join(SUFFIXES)}")
    return files


def _spread(files: Sequence[Path], limit: int) -> list[Path]:
    if limit < 1:
        raise UserError(f"a limit of {limit} leaves no picture: give 1 or more")
    if limit >= len(files):
        return list(files)
    return [files[index * len(files) // limit] for index in range(limit)]

"""Outcomes on disk: each part of a suite in a file of its own, which says what it is of."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from mechaug import spec
from mechaug.errors import UserError
from mechaug.evaluation.suites import KNOWN, TYPES, Suite
from mechaug.evaluation.suites.base import Tensors
from mechaug.files import write_tensors
from mechaug.version import VERSION

FORMAT: Final = "mechaug outcomes 1"


@dataclass(frozen=True)
class Place:
    """Where outcomes are kept, and whose they are.

    Attributes:
        folder: holds <suite>/<part>.safetensors.
        model: text that identifies the model, such as a digest of its weights.
        pictures: text that identifies the test pictures, such as `digest`.
    """

    folder: Path
    model: str
    pictures: str


def kept_suites(place: Place) -> tuple[Suite, ...]:
    """The suites of which every part lies in a place, for its model and its pictures, in the order of `KNOWN`."""
    found: dict[str, Suite] = {}
    for file in sorted(place.folder.glob("*/*.safetensors")):
        header = _header(file)
        if not _belongs(header, place):
            continue
        suite = spec.loads(header["suite"], TYPES)
        if all(read_part(place, suite, part) is not None for part in suite.parts()):
            found[suite.name] = suite
    return tuple(found[name] for name in KNOWN if name in found)


def read_outcomes(folder: Path) -> tuple[dict[str, Suite | None], dict[str, dict[str, Tensors]], str]:
    """Everything that lies in a folder of outcomes: its suites, their outcomes and the text that names the pictures.

    A suite is None where its parts are not all there with one setting, such as one that was stopped on its way.

    Raises:
        UserError: there are no outcomes, or another version left what this one does not know.
    """
    from safetensors.torch import load_file

    settings: dict[str, set[str]] = {}
    found: dict[str, dict[str, Tensors]] = {}
    pictures = ""
    for file in sorted(folder.glob("*/*.safetensors")):
        header = _header(file)
        if header.get("format") == FORMAT:
            settings.setdefault(file.parent.name, set()).add(header["suite"])
            found.setdefault(file.parent.name, {})[file.stem] = load_file(str(file))
            pictures = header["pictures"]
    if not found:
        raise UserError(f"there are no outcomes in {folder}: they lie beside the result that was measured with them")
    suites: dict[str, Suite | None] = {}
    for name, texts in settings.items():
        try:
            first, *others = (spec.loads(text, TYPES) for text in sorted(texts))
        except spec.SpecError as error:
            raise UserError(
                f"{folder / name} was measured by another version of mechaug ({error}): measure it again"
            ) from error
        suites[name] = None if others or not _parts(first) <= found[name].keys() else first
    return suites, found, pictures


def _parts(suite: Suite) -> set[str]:
    """The names of a suite's parts; one that nothing is called where the folder that they are found in is gone."""
    try:
        return set(suite.parts())
    except UserError:
        return {""}


def seconds_of(place: Place, suites: Sequence[Suite]) -> float:
    """How long the parts of some suites took together."""
    files = (place.folder / suite.name / f"{part}.safetensors" for suite in suites for part in suite.parts())
    return sum(float(_header(file).get("seconds", "0")) for file in files if file.is_file())


def write_part(place: Place, suite: Suite, part: str, tensors: Tensors, seconds: float) -> None:
    """Keep what a part of a suite left, with the settings, the model and the pictures that it is of."""
    header = {
        "format": FORMAT, "suite": spec.dumps(suite), "model": place.model, "pictures": place.pictures,
        "seconds": repr(seconds), "version": VERSION,
    }  # fmt: skip
    write_tensors(place.folder / suite.name / f"{part}.safetensors", tensors, header)


def read_part(place: Place, suite: Suite, part: str) -> Tensors | None:
    """A part that was kept; None where there is none of this suite with these settings."""
    from safetensors.torch import load_file

    file = place.folder / suite.name / f"{part}.safetensors"
    header = _header(file)
    if not _belongs(header, place) or header["suite"] != spec.dumps(suite):
        return None
    return load_file(str(file))


def _belongs(header: Mapping[str, str], place: Place) -> bool:
    mine = {"format": FORMAT, "model": place.model, "pictures": place.pictures, "version": VERSION}
    return all(header.get(name) == text for name, text in mine.items())


def _header(file: Path) -> dict[str, str]:
    from safetensors import SafetensorError, safe_open

    if not file.is_file():
        return {}
    try:
        with safe_open(str(file), framework="pt") as opened:
            return opened.metadata() or {}
    except SafetensorError:
        return {}  # damaged: measured again

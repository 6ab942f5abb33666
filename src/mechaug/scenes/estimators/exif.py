"""EXIF: what a camera wrote into its file about how it exposed."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NamedTuple

if TYPE_CHECKING:
    from PIL.Image import Image as PillowImage


class Tag(NamedTuple):
    """One entry of EXIF 2.32.

    Attributes:
        number: its tag number.
        unit: as written under a picture.
        low: the smallest value that a camera can mean.
        high: the largest.
    """

    number: int
    unit: str
    low: float
    high: float


TAGS: Final[Mapping[str, Tag]] = {
    "exposure_s": Tag(0x829A, "s", 1e-6, 3600.0),
    "f_number": Tag(0x829D, "", 0.5, 128.0),
    "iso": Tag(0x8827, "ISO", 3.0, 4e6),
    "focal_length_mm": Tag(0x920A, "mm", 0.5, 3000.0),
}
"""What is read, by the names of scene variables."""

_EXIF_IFD: Final = 0x8769

_ISO_BEYOND: Final = 65535
"""What the entry of two bytes says of any higher setting."""

_ISO_WHOLE: Final = (0x8832, 0x8831, 0x8833)
"""Where EXIF 2.3 has it then: recommended exposure index, standard output sensitivity, ISO speed."""


@dataclass(frozen=True)
class Exif:
    """What a file says about its exposure.

    Attributes:
        values: by the names in `TAGS`, those that are there and possible.
        notes: a sentence for each that was there and is impossible.
    """

    values: Mapping[str, float]
    notes: tuple[str, ...] = ()


def read_exif(file: "PillowImage") -> Exif:
    """The entries of an opened file; impossible ones are left out, with a sentence."""
    try:
        found: Mapping[int, Any] = file.getexif().get_ifd(_EXIF_IFD)
    except Exception as error:  # a damaged block makes Pillow raise what it likes
        return Exif({}, (f"its EXIF block is damaged and was ignored ({type(error).__name__})",))
    values: dict[str, float] = {}
    notes: list[str] = []
    for name, tag in TAGS.items():
        if tag.number not in found:
            continue
        value = _number(found[tag.number])
        if name == "iso" and value == _ISO_BEYOND:
            value = max((_number(found[number]) for number in _ISO_WHOLE if number in found), default=math.nan)
            if math.isnan(value):
                notes.append("its EXIF says iso = 65535, which stands for any higher one; it was ignored")
                continue
        if tag.low <= value <= tag.high:
            values[name] = value
        else:
            notes.append(f"its EXIF says {name} = {found[tag.number]}, which no camera can mean; it was ignored")
    return Exif(values, tuple(notes))


def _number(raw: Any) -> float:  # noqa: ANN401  (EXIF holds rationals, whole numbers, lists of them, or damage)
    if isinstance(raw, tuple | list):
        raw = raw[0] if raw else math.nan
    try:
        return float(raw)
    except (TypeError, ValueError, ZeroDivisionError, OverflowError):
        return math.nan

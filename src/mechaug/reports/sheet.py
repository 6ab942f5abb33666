"""The contact sheet: one photograph under every mechanism, from mild to strong, with units.

What a parameter means (unit, neutral value, mild and strong ends) is part of the mechanism's fields, so that a
mechanism which this module has never seen is drawn like any other.
"""

import dataclasses
import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import torch

from mechaug.errors import UserError
from mechaug.files import write_bytes
from mechaug.keys import Key
from mechaug.laws import Quantity, quantities
from mechaug.mechanisms.base import Mechanism, Parameters
from mechaug.reports.photo import load_photo
from mechaug.types import Image

if TYPE_CHECKING:
    import PIL.Image
    import PIL.ImageDraw

_SHOWN: Final = 128  # smaller pictures are enlarged to at least this many pixels

# Pixels, but for colours.
_MARGIN: Final = 20
_GAP: Final = 8
_LABEL_WIDTH: Final = 150
_TITLE, _TEXT, _NOTE = 17, 13, 12
_BLACK, _GREY, _LINE = (25, 25, 25), (120, 120, 120), (225, 225, 225)

# The font that Pillow carries along has no glyphs for these.
_SPELLING: Final = str.maketrans({"−": "-", "⁻": "-", "×": "x", "µ": "u", "∞": "inf"})


def write_sheet(
    photo: Path,
    out: Path,
    mechanisms: Sequence[Mechanism[Any]],
    *,
    size: int | None = None,
    columns: int = 6,
    seed: int = 0,
) -> None:
    """Draw the contact sheet of a photograph and write it.

    Args:
        photo: the photograph's file.
        out: the file to write, .png or .jpg.
        mechanisms: what is shown, in this order.
        size: as in `load_photo`.
        columns: pictures per row, neutral included.
        seed: of the noise.

    Raises:
        UserError: as `load_photo`, or `out` has another suffix or is the photograph itself.
        OSError: the file cannot be written.
    """
    formats = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG"}
    if out.suffix.lower() not in formats:
        raise UserError(f"{out} is neither .png nor .jpg: a contact sheet is written as one of these")
    if out.exists() and photo.exists() and out.samefile(photo):
        raise UserError(f"{out} is the photograph itself: write the contact sheet to another file")
    drawn = sheet(load_photo(photo, size), mechanisms, columns=columns, key=Key(seed))
    file = io.BytesIO()
    drawn.save(file, format=formats[out.suffix.lower()], quality=92)
    write_bytes(out, file.getvalue())


def sheet(
    picture: Image, mechanisms: Sequence[Mechanism[Any]], *, columns: int = 6, key: Key, first_only: bool = False
) -> "PIL.Image.Image":
    """Draw one row per mechanism and swept quantity: neutral, then from mild to strong.

    Quantities that are not swept keep the value at which their mechanism holds them. A mechanism that sweeps nothing,
    such as a chain, gets one row of draws.

    Args:
        picture: one sRGB picture in [0, 1], shape (1, 3, h, w).
        mechanisms: what is shown, in this order.
        columns: pictures per row, at least 2.
        key: a single key, `Key(seed)`: of noise, and of draws.
        first_only: one row per mechanism, of the first quantity that it sweeps.

    Raises:
        ValueError: not one colour picture, fewer than 2 columns, or no mechanism.
    """
    if picture.shape[0] != 1 or picture.shape[1] != 3:
        raise ValueError(f"a contact sheet shows one picture of shape (1, 3, h, w), not {tuple(picture.shape)}")
    if columns < 2:
        raise ValueError(f"a contact sheet has at least 2 columns, neutral and strong, not {columns}")
    if not mechanisms:
        raise ValueError("a contact sheet needs at least one mechanism")
    rows = [row for mechanism in mechanisms for row in _rows(picture, mechanism, columns, key, first_only)]
    return _draw(rows)


def caption(name: str, value: float, meaning: Quantity, *, decimals: int | None = None) -> str:
    """A parameter as a person writes it: "visibility 310 m", "exposure −2.0 EV", "f/2.8", "ISO 400".

    Args:
        name: the field, with its unit as the last word: "visibility_m".
        value: in the field's unit.
        meaning: of the field. Quantities that go both ways from a neutral 0 carry their sign.
        decimals: places after the point; None for as many as the value has, up to two significant digits.
    """
    sign = "−" if value < 0 else "+" if value > 0 and meaning.neutral == 0.0 and meaning.low < 0.0 else ""
    places = _decimals(value) if decimals is None else decimals
    number = "∞" if math.isinf(value) else f"{abs(value):.{places}f}"
    if name == "f_number":
        return f"f/{number}"
    unit = "" if meaning.unit.lower() == name else meaning.unit
    space = "" if unit in ("", "°", "%") else " "
    return f"{_words(name, meaning)} {sign}{number}{space}{unit}"


@dataclass(frozen=True)
class _Row:
    """`notes`: small print below the title. `pictures` and `captions`: one per column."""

    title: str
    subtitle: str
    notes: tuple[str, ...]
    pictures: tuple[Image, ...]
    captions: tuple[str, ...]


def _rows(picture: Image, mechanism: Mechanism[Any], columns: int, key: Key, first_only: bool) -> list[_Row]:
    meanings = dict(quantities(mechanism))
    swept = [name for name, meaning in meanings.items() if meaning.sweep is not None]
    held = {
        name: meaning.held for name, meaning in meanings.items() if meaning.sweep is None and meaning.held is not None
    }
    title = type(mechanism).__name__
    notes = [mechanism.structure] if mechanism.structure != "none" else []
    notes.append("acts on light" if mechanism.domain == "light" else "acts on the picture")
    notes.extend(f"at {caption(name, value, meanings[name])}" for name, value in held.items())
    one = key.at([0])
    neutral = mechanism.neutral(1)

    def show(params: Parameters) -> Image:
        with torch.no_grad():
            return mechanism.apply(picture, params.to(picture.device))

    if not swept:
        drawn = [show(mechanism.sample(key.at([place]))) for place in range(1, columns)]
        captions = ("neutral", *(f"draw {place}" for place in range(1, columns)))
        return [_Row(title, "draws", tuple(notes), (show(neutral), *drawn), captions)]

    # What is no quantity is a seed, and noise is seen only where it is drawn.
    seeds = {field.name for field in dataclasses.fields(neutral)} - meanings.keys()
    sampled = mechanism.sample(one)
    base = neutral.replace(
        **{name: torch.tensor([value]) for name, value in held.items()},
        **{name: getattr(sampled, name) for name in seeds},
    )
    rows = []
    for name in swept[:1] if first_only else swept:
        meaning = meanings[name]
        values = _steps(meaning, columns - 1)
        # Small numbers of a row share their decimals, so that they compare at a glance.
        places = max(map(_decimals, values)) if max(map(abs, values)) < 10.0 else None
        captions = ("neutral", *(caption(name, value, meaning, decimals=places) for value in values))
        steps = [show(base.replace(**{name: torch.tensor([value])})) for value in values]
        subtitle = _words(name, meaning)
        rows.append(_Row(title, subtitle, tuple(notes), (show(neutral), *steps), captions))
    return rows


def _steps(meaning: Quantity, count: int) -> list[float]:
    """Values from mild to strong; those between the ends are rounded, so that the caption is the value."""
    mild, strong = meaning.between(0.0), meaning.between(1.0)
    if count == 1:
        return [strong]
    inner = [meaning.between(place / (count - 1)) for place in range(1, count - 1)]
    if meaning.scale == "log":
        return [mild, *map(_rounded, inner), strong]
    # On a linear scale all steps are rounded alike, to two digits of the largest.
    places = 1 - math.floor(math.log10(max(abs(mild), abs(strong))))
    return [mild, *(round(value, places) for value in inner), strong]


def _rounded(value: float) -> float:
    """The value to two significant digits."""
    return float(f"{value:.1e}")


def _decimals(value: float) -> int:
    """How many decimals the value needs, at two significant digits."""
    text = f"{abs(_rounded(value)):.10f}".rstrip("0") if math.isfinite(value) else ""
    return len(text.partition(".")[2])


def _words(name: str, meaning: Quantity) -> str:
    """A field's name without its unit: "visibility_m" is "visibility", "log2_scale" is "scale", "iso" is "ISO"."""
    if name == meaning.unit.lower():
        return meaning.unit
    spelled = meaning.unit.lower()
    for sign, word in (("°", "deg"), ("µ", "u"), ("⁻", ""), ("%", "percent"), ("‰", "permille"), ("/", "_")):
        spelled = spelled.replace(sign, word)
    return name.removesuffix(f"_{spelled}").removeprefix("log2_").replace("_", " ")


def _draw(rows: Sequence[_Row]) -> "PIL.Image.Image":
    import PIL.Image
    from PIL import ImageDraw

    height, width = rows[0].pictures[0].shape[-2:]
    factor = max(1, math.ceil(_SHOWN / min(height, width)))
    height, width = factor * height, factor * width
    pen = ImageDraw.Draw(PIL.Image.new("RGB", (1, 1)))
    texts = [[_wrap(pen, text, width, _TEXT) for text in row.captions] for row in rows]
    labels = [
        [(row.title, _TITLE, _BLACK), (row.subtitle, _TEXT, _BLACK)]
        + [(line, _NOTE, _GREY) for note in row.notes for line in _wrap(pen, note, _LABEL_WIDTH, _NOTE)]
        for row in rows
    ]
    heights = [
        max(height + 6 + max(map(len, lines)) * _line(_TEXT), sum(_line(size) for _, size, _ in label))
        for lines, label in zip(texts, labels, strict=True)
    ]
    left = _MARGIN + _LABEL_WIDTH + _GAP
    columns = len(rows[0].pictures)
    whole = (
        left + columns * (width + _GAP) - _GAP + _MARGIN,
        2 * _MARGIN + sum(heights) + (len(rows) - 1) * _MARGIN,
    )
    canvas = PIL.Image.new("RGB", whole, "white")
    pen = ImageDraw.Draw(canvas)
    top = _MARGIN
    for row, lines, label, tall in zip(rows, texts, labels, heights, strict=True):
        if top > _MARGIN:
            pen.line((_MARGIN, top - _MARGIN // 2, whole[0] - _MARGIN, top - _MARGIN // 2), fill=_LINE)
        _write(pen, (_MARGIN, top), label)
        for column, picture in enumerate(row.pictures):
            x = left + column * (width + _GAP)
            canvas.paste(_pixels(picture, factor), (x, top))
            pen.rectangle((x - 1, top - 1, x + width, top + height), outline=_LINE)
            colour = _GREY if column == 0 else _BLACK
            _write(pen, (x, top + height + 6), [(text, _TEXT, colour) for text in lines[column]])
        top += tall + _MARGIN
    return canvas


def _pixels(picture: Image, factor: int) -> "PIL.Image.Image":
    import PIL.Image

    values = (picture[0] * 255.0).round().to(torch.uint8).permute(1, 2, 0).cpu().contiguous().numpy()
    return PIL.Image.fromarray(values).resize(
        (factor * values.shape[1], factor * values.shape[0]), PIL.Image.Resampling.NEAREST
    )


def _write(
    pen: "PIL.ImageDraw.ImageDraw", place: tuple[int, int], lines: Sequence[tuple[str, int, tuple[int, int, int]]]
) -> None:
    from PIL import ImageFont

    x, y = place
    for text, size, colour in lines:
        pen.text((x, y), text.translate(_SPELLING), fill=colour, font=ImageFont.load_default(size))
        y += _line(size)


def _wrap(pen: "PIL.ImageDraw.ImageDraw", text: str, width: int, size: int) -> list[str]:
    """The text in lines of at most `width` pixels, broken between words."""
    from PIL import ImageFont

    font = ImageFont.load_default(size)
    lines: list[str] = []
    for word in text.split(" "):
        longer = f"{lines[-1]} {word}" if lines else word
        if lines and pen.textlength(longer.translate(_SPELLING), font=font) <= width:
            lines[-1] = longer
        else:
            lines.append(word)
    return lines


def _line(size: int) -> int:
    """The height of a line of text."""
    return round(1.35 * size)

"""What `mechaug show` shows: mechanisms by name, for the view that a photograph has."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from mechaug.errors import UserError
from mechaug.mechanisms import CHAIN_ORDER, VIEWS, View, with_view
from mechaug.mechanisms.base import Mechanism
from mechaug.reports.photo import load_photo
from mechaug.reports.sheet import write_sheet

_THUMBNAIL: Final = 64  # pixels: what is no larger shows one object rather than a whole photograph


def show(photo: Path, out: Path, *, only: Sequence[str], view: str, size: int | None, seed: int) -> None:
    """Write the contact sheet of a photograph: `choose`, then `write_sheet`.

    Raises:
        UserError: as either of them.
    """
    write_sheet(photo, out, choose(photo, size, only=only, view=view), size=size, seed=seed)


def choose(photo: Path, size: int | None, *, only: Sequence[str], view: str) -> list[Mechanism[Any]]:
    """Mechanisms with their usual laws, in the order that light travels.

    Args:
        photo: the photograph's file.
        size: as in `load_photo`.
        only: names of mechanisms; empty for all.
        view: a name in `VIEWS`, or "auto": "object" for pictures of at most 64 pixels, else "photograph".

    Raises:
        UserError: as `load_photo`, or a name is unknown.
    """
    known = {kind.__name__: kind for kind in CHAIN_ORDER}
    for name in only:
        if name not in known:
            raise UserError(f"there is no mechanism {name!r}: choose from {', '.join(known)}")
    if view == "auto":
        view = "object" if load_photo(photo, size).shape[-1] <= _THUMBNAIL else "photograph"
    if view not in VIEWS:
        raise UserError(f"there is no view {view!r}: choose from {', '.join(VIEWS)}")
    return [seen_by(kind(), VIEWS[view]) for name, kind in known.items() if not only or name in only]


def seen_by(mechanism: Mechanism[Any], view: View) -> Mechanism[Any]:
    """The mechanism for pictures of this view, or as it is where its laws make no sense there.

    Turning a camera by eight degrees leaves nothing of an object that fills four.
    """
    try:
        return with_view(mechanism, view)
    except ValueError:
        return mechanism

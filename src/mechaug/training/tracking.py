"""What a training says of itself: one JSON line per epoch, and a callback that a progress line listens to."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from mechaug.files import write_text


class Watch(Protocol):
    """Listens to a training, a measurement or a study; all methods may be called often."""

    def begin(self, title: str, total: int, unit: str) -> None:
        """A piece of work of `total` units starts; `unit` is what they are called, such as "pictures"."""
        ...

    def advance(self, count: int, note: str = "") -> None:
        """`count` more units are done; `note` is worth showing, such as the loss."""
        ...

    def say(self, text: str) -> None:
        """A sentence that stays on the screen."""
        ...


class Silent:
    """A watch that says nothing."""

    def begin(self, title: str, total: int, unit: str) -> None:
        """Nothing."""

    def advance(self, count: int, note: str = "") -> None:
        """Nothing."""

    def say(self, text: str) -> None:
        """Nothing."""


Record = Mapping[str, float | int | str]


def read_metrics(path: Path, *, up_to_step: int) -> list[Record]:
    """The records of a metrics file that belong to steps that still count; none if there is no file.

    A line that was cut short when the process was killed, and all that follows it, is left out.
    """
    records: list[Record] = []
    if not path.exists():
        return records
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            record = json.loads(line)
        except json.JSONDecodeError:
            break
        if record["step"] > up_to_step:
            break
        records.append(record)
    return records


def write_metrics(path: Path, records: list[Record]) -> None:
    """Write all records, one JSON object a line: whole or not at all."""
    write_text(path, "".join(json.dumps(record) + "\n" for record in records))

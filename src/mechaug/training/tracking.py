"""What a training says of itself: one JSON line per epoch."""

import json
from collections.abc import Mapping
from pathlib import Path

from mechaug.files import write_text

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

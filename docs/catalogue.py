"""Write docs/mechanisms.md from the code: `python docs/catalogue.py`. A test compares the page with the code."""

import inspect
import math
from pathlib import Path

from torch.distributions import Distribution

from mechaug.files import write_bytes
from mechaug.laws import Law, quantities
from mechaug.mechanisms import CHAIN_ORDER, Mechanism

PAGE = Path(__file__).resolve().parent / "mechanisms.md"

INTRODUCTION = """# Mechanisms

In the order that light travels. Every parameter has a unit, a value at which it does nothing, and a default law: a
number, or a range, uniform or (↗) uniform in its logarithm. What a mechanism is a relative of among the common
corruptions C and C̄ is no surprise to a net that was trained with it. `mechaug show photo.jpg` draws all of them;
each class's documentation gives its formulas and sources.

| mechanism | what it is | acts on | structure | parameters: default law (neutral) | relatives in C and C̄ |
|---|---|---|---|---|---|
"""


def page() -> str:
    """The catalogue in Markdown."""
    return INTRODUCTION + "".join(_row(kind()) for kind in CHAIN_ORDER)


def _row(mechanism: Mechanism) -> str:
    parameters = [
        f"`{name}` {_law(getattr(mechanism, name), meaning.scale)}{_unit(meaning.unit)} ({_number(meaning.neutral)})"
        for name, meaning in quantities(mechanism)
    ]
    first = (inspect.getdoc(type(mechanism)) or "").partition("\n\n")[0].replace("\n", " ").rstrip(".")
    cells = [
        f"`{type(mechanism).__name__}`",
        first.replace("|", "\\|"),
        mechanism.domain,
        mechanism.structure,
        "<br>".join(parameters),
        ", ".join(mechanism.overlaps) or "none",
    ]
    return f"| {' | '.join(cells)} |\n"


def _law(law: Law, scale: str) -> str:
    if isinstance(law, tuple):
        return f"{_number(law[0])}…{_number(law[1])}{'↗' if scale == 'log' else ''}"
    if isinstance(law, Distribution):
        return str(law)
    return _number(law)


def _number(value: float) -> str:
    if math.isinf(value):
        return "∞" if value > 0 else "−∞"
    return f"{value:g}".replace("-", "−")


def _unit(unit: str) -> str:
    return "" if not unit else unit if unit in ("°", "%") else f" {unit}"


if __name__ == "__main__":
    write_bytes(PAGE, page().encode())
    print(f"written: {PAGE}")

"""What combinators hold, its parameters in a row, and the keys that it draws from."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import fields
from typing import Any

from mechaug.keys import Key
from mechaug.mechanisms.base import Mechanism, Parameters, parameters
from mechaug.mechanisms.view import View


@parameters
class ChainParams(Parameters):
    """`steps`: one record per mechanism, in order."""

    steps: tuple[Parameters, ...]


def parts(mechanism: Mechanism[Any]) -> list[Mechanism[Any]]:
    """The mechanisms that a combinator holds; empty for a mechanism that is one itself."""
    values = [getattr(mechanism, field.name) for field in fields(mechanism)]  # type: ignore[arg-type]
    held = [part for value in values for part in (value if isinstance(value, tuple) else (value,))]
    return [part for part in held if isinstance(part, Mechanism)]


def label(mechanism: Mechanism[Any]) -> str:
    """What a mechanism is called in keys: its class, with those of the mechanisms that it holds."""
    names = [label(part) for part in parts(mechanism)]
    return f"{type(mechanism).__name__}({','.join(names)})" if names else type(mechanism).__name__


def with_view(mechanism: Mechanism[Any], view: View) -> Mechanism[Any]:
    """The same mechanism, and all that it holds, for pictures of another view."""

    def change(value: Any) -> Any:  # noqa: ANN401  (a field of any mechanism)
        if isinstance(value, View):
            return view
        if isinstance(value, Mechanism):
            return with_view(value, view)
        return tuple(map(change, value)) if isinstance(value, tuple) else value

    changed = {field.name: change(getattr(mechanism, field.name)) for field in fields(mechanism)}  # type: ignore[arg-type]
    make = getattr(type(mechanism), "from_fields", type(mechanism))
    return make(**changed)


def overlapping(mechanism: Mechanism[Any]) -> tuple[str, ...]:
    """The common corruptions of which a relative is in a mechanism or in what it holds, sorted."""
    inner = (name for part in parts(mechanism) for name in overlapping(part))
    return tuple(sorted({*mechanism.overlaps, *inner}))


def keys_for(mechanisms: Sequence[Mechanism[Any]], key: Key) -> list[Key]:
    """One key per mechanism that depends on its kind alone, so that its neighbours never change its draws.

    Only where a kind occurs again, also inside a combinator, the later one gets a key of its own.
    """
    seen: Counter[str] = Counter()
    keys = []
    for mechanism in mechanisms:
        kinds = _kinds(mechanism)
        again = max(seen[kind] for kind in kinds)
        keys.append(key.fold(f"again {again}") if again else key)
        seen.update(kinds)
    return keys


def _kinds(mechanism: Mechanism[Any]) -> set[str]:
    """The classes of a mechanism and of all that it holds."""
    return {type(mechanism).__name__}.union(*(_kinds(part) for part in parts(mechanism))) - _COMBINATORS


_COMBINATORS = {"Chain", "Maybe", "OneOf", "Mix"}


def check_parts(owner: str, held: tuple[object, ...]) -> None:
    """Refuse a combinator that holds nothing, or what is no mechanism.

    Raises:
        ValueError: nothing is held.
        TypeError: something else is.
    """
    if not held:
        raise ValueError(f"{owner} needs at least one mechanism")
    for part in held:
        if not isinstance(part, Mechanism):
            raise TypeError(f"{owner} holds mechanisms, not {type(part).__name__}: write {owner}(Haze(), Defocus())")

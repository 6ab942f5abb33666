"""Variables: the nodes of a scene, and the graph that they are."""

import difflib
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias, final

import torch
from torch.distributions import Distribution

from mechaug.laws import Quantity, Scale, at_quantile, check_law, check_scale, existing
from mechaug.scenes.relations import ANY, Relation, Values
from mechaug.scenes.roots import Sometimes
from mechaug.types import PerImage

VariableLaw: TypeAlias = int | float | tuple[int | float, int | float] | Distribution | Relation
"""Where a variable comes from: a number, a range, a distribution, or a relation to its parents."""


@final
@dataclass(frozen=True)
class Variable:
    """One cause, with its unit, and where it comes from.

    Args:
        name: of letters, digits and underscores, its unit at the end, such as "illuminance_lux".
        unit: as a mechanism writes it, such as "lux", "s" or "°/s"; empty for a pure number.
        law: a number, a range or a distribution where there are no parents; else a relation.
        parents: names of the variables that the relation takes, in its order.
        scale: on which scale a range is uniform.
        low: the smallest value that exists; values are kept at or above it.
        high: the largest value that exists; values are kept at or below it.

    Raises:
        TypeError, ValueError: the name is no name, the law is none or lies outside the values that exist, or the
            relation and the parents do not fit in number or unit.
    """

    name: str
    unit: str
    law: VariableLaw
    parents: tuple[str, ...] = ()
    scale: Scale = "linear"
    low: float = -math.inf
    high: float = math.inf

    def __post_init__(self) -> None:
        if not self.name.isidentifier():
            raise ValueError(f"a variable's name is made of letters, digits and underscores, not {self.name!r}")
        if isinstance(self.parents, str):
            raise TypeError(
                f"Variable {self.name}: parents are a tuple of names: write parents=({self.parents!r},), with the comma"
            )
        check_scale(f"Variable {self.name}", "scale", self.scale)
        if not self.low <= self.high:
            raise ValueError(f"Variable {self.name}: low={self.low!r} is above high={self.high!r}")
        if isinstance(self.law, str):
            raise TypeError(
                f"Variable {self.name}: a law that names another variable is for mechanisms; "
                f"write Linear((1.0,)) with parents=({self.law!r},)"
            )
        if not isinstance(self.law, Relation):
            self.check_within(self.support)
            if self.parents:
                raise ValueError(
                    f"Variable {self.name} has parents ({', '.join(self.parents)}), and its law does not take them: "
                    "use a relation such as Linear or Lookup, or leave the parents out"
                )
            return
        kind, units = type(self.law).__name__, self.law.units()
        if len(units.parents) != len(self.parents):
            raise ValueError(
                f"Variable {self.name}: {kind} takes {len(units.parents)} parents here, not {len(self.parents)}"
            )
        if units.own not in (ANY, self.unit):
            raise ValueError(f"Variable {self.name} is in {_unit(self.unit)}, and {kind} gives {_unit(units.own)}")
        self.check_within(self.support)

    @property
    def support(self) -> Quantity:
        """Which values exist, and on which scale a range is uniform."""
        return Quantity(self.unit, 0.0, self.scale, self.low, self.high)

    def check_within(self, support: Quantity) -> None:
        """Refuse a law without parents that lies outside the values that exist; what follows from parents is clamped.

        Args:
            support: of this variable, or of what reads it.

        Raises:
            TypeError, ValueError: as `mechaug.laws.check_law`.
        """
        if not isinstance(self.law, Relation):
            check_law("Variable", self.name, self.law, support)
        elif isinstance(self.law, Sometimes):
            for law in (self.law.law, self.law.otherwise):
                check_law("Variable", self.name, law, replace(support, scale=self.law.scale))
        elif not self.law.units().parents:
            drawn = self.law.value([], torch.linspace(0.001, 0.999, 999, dtype=torch.float64)).float()
            if not (drawn == drawn.clamp(support.low, support.high)).any():
                raise ValueError(
                    f"Variable({self.name}=…): {type(self.law).__name__} gives {drawn.min():.4g} to "
                    f"{drawn.max():.4g}, all outside {existing(support)}"
                )

    def value(self, parents: Sequence[Values], noise: Values) -> PerImage:
        """The float32 values that follow from the parents' and from a uniform noise, all in float64."""
        if isinstance(self.law, Relation):
            values = self.law.value(parents, noise)
        elif isinstance(self.law, int | float):
            values = torch.full_like(noise, float(self.law))
        else:
            values = at_quantile(self.law, noise, self.support)
        return values.clamp(self.low, self.high).float()


def in_order(variables: Sequence[Variable]) -> tuple[int, ...]:
    """The places of the variables in an order in which parents come first.

    Raises:
        ValueError: two variables have one name, a parent is unknown or in another unit than its child expects, or
            variables cause themselves; the sentence says which.
    """
    names = [variable.name for variable in variables]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ValueError(f"there are two variables named {twice[0]!r}: give each a name of its own")
    by_name = {variable.name: variable for variable in variables}
    for variable in variables:
        for number, parent in enumerate(variable.parents):
            if parent not in by_name:
                raise ValueError(f"variable {variable.name} has an unknown parent: {unknown(parent, by_name)}")
            wanted = variable.law.units().parents[number] if isinstance(variable.law, Relation) else ANY
            if wanted not in (ANY, by_name[parent].unit):
                raise ValueError(
                    f"variable {variable.name}: {type(variable.law).__name__} takes {_unit(wanted)}, and its parent "
                    f"{parent} is in {_unit(by_name[parent].unit)}"
                )
    done: list[str] = []
    path: list[str] = []

    def visit(name: str) -> None:
        if name in done:
            return
        if name in path:
            loop = [*path[path.index(name) :], name]
            raise ValueError(f"variables cause themselves: {' → '.join(loop)}; a scene has no cycles")
        path.append(name)
        for parent in by_name[name].parents:
            visit(parent)
        path.pop()
        done.append(name)

    for name in names:
        visit(name)
    return tuple(names.index(name) for name in done)


def descendants(variables: Sequence[Variable], of: Iterable[str]) -> set[str]:
    """The names of what depends on some variables, these included."""
    found = set(of)
    for place in in_order(variables):
        if found & set(variables[place].parents):
            found.add(variables[place].name)
    return found


def unknown(name: str, known: Iterable[str] | Mapping[str, object]) -> str:
    """A sentence for a name that no variable has, with the one that was perhaps meant."""
    near = difflib.get_close_matches(name, list(known), n=1)
    hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(known) or 'none'}"
    return f"there is no variable {name!r} in this scene; {hint}"


def _unit(unit: str | None) -> str:
    return unit or "a pure number"

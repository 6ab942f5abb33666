"""Interventions: what do(), a shift of a law and decoupling make of a scene's variables.

All work on the variables alone and give new ones; the noises are addressed by the variables' names, so whatever is not
caused by what was changed keeps its values bit for bit (Pearl, "Causality", 2nd ed., 2009, chapters 3 and 7).
"""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Final

import torch

from mechaug.keys import Key
from mechaug.scenes.relations import Changed, Relation, Values
from mechaug.scenes.roots import Quantiles
from mechaug.scenes.variable import Variable, VariableLaw, in_order, unknown
from mechaug.types import PerImage

MARGINAL_DRAWS: Final = 2**14
"""Draws that a marginal distribution is measured from when a scene is decoupled."""

MARGINAL_QUANTILES: Final = 257


def set_to(variables: Sequence[Variable], laws: Mapping[str, VariableLaw]) -> tuple[Variable, ...]:
    """do(): each named variable follows a law of its own, whatever its causes.

    Raises:
        TypeError, ValueError: there is no such variable, or a law is none, takes parents, or is outside its support.
    """
    _check_names(variables, laws)
    for name, law in laws.items():
        if isinstance(law, Relation) and law.units().parents:
            raise ValueError(f"do({name}=…) cuts {name} off from its causes: its law takes no parents")
    return tuple(
        dataclasses.replace(variable, law=laws[variable.name], parents=()) if variable.name in laws else variable
        for variable in variables
    )


def changed(
    variables: Sequence[Variable], shifts: Mapping[str, float], *, multiply: bool = False
) -> tuple[Variable, ...]:
    """A soft intervention: each named variable keeps its causes, and its outcome is moved or multiplied.

    Raises:
        ValueError: there is no such variable, or the change is not finite, or no positive factor.
    """
    _check_names(variables, shifts)

    def change(variable: Variable) -> Variable:
        if variable.name not in shifts:
            return variable
        amount = float(shifts[variable.name])
        before = variable.law if isinstance(variable.law, Changed) else Changed(variable.law, scale=variable.scale)
        if multiply:
            law = dataclasses.replace(before, factor=amount * before.factor, shift=amount * before.shift)
        else:
            law = dataclasses.replace(before, shift=before.shift + amount)
        return dataclasses.replace(variable, law=law)

    return tuple(map(change, variables))


def decoupled(variables: Sequence[Variable]) -> tuple[Variable, ...]:
    """The product of the marginals: every variable as often as before, none with a cause.

    The marginals are measured once, from 16,384 draws of a key of their own, as 257 quantiles.
    """
    drawn = values_of(variables, Key(0).at(torch.arange(MARGINAL_DRAWS)).fold("marginal"))
    levels = torch.linspace(0, 1, MARGINAL_QUANTILES, dtype=torch.float64)

    def alone(variable: Variable, values: PerImage) -> Variable:
        if not variable.parents:
            return variable
        # Measured values, not means of two: infinities and the ends of a range are kept as they are.
        quantiles = values.double().quantile(levels, interpolation="nearest").tolist()
        return dataclasses.replace(variable, law=Quantiles(tuple(quantiles)), parents=())

    return tuple(alone(variable, values) for variable, values in zip(variables, drawn, strict=True))


def values_of(variables: Sequence[Variable], key: Key) -> list[PerImage]:
    """One draw of every variable, in their order, from a key per image."""
    return evaluate(variables, list(units_of(variables, key)))


def units_of(variables: Sequence[Variable], key: Key) -> torch.Tensor:
    """The exogenous noise of every variable, uniform in float64, shape (n, b): one pass of the generator."""
    return key.fold("Scene").units([variable.name for variable in variables])


def evaluate(variables: Sequence[Variable], noise: Sequence[Values]) -> list[PerImage]:
    """What the variables are, given their noises: deterministic, parents first."""
    values: dict[str, PerImage] = {}
    for place in in_order(variables):
        variable = variables[place]
        parents = [values[parent].double() for parent in variable.parents]
        values[variable.name] = variable.value(parents, noise[place])
    return [values[variable.name] for variable in variables]


def _check_names(variables: Sequence[Variable], named: Mapping[str, object]) -> None:
    names = [variable.name for variable in variables]
    for name in named:
        if name not in names:
            raise ValueError(unknown(name, names))

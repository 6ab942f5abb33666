"""Scenes: a structural causal model of the nuisances, with a chain of mechanisms at its end that reads them.

In a real camera little light *causes* a long exposure, which causes motion blur, and a high gain, which causes noise.
A chain alone draws each of them on its own; a scene draws what comes together in the world.
"""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, final

import torch
from jaxtyping import Float
from torch import Tensor

from mechaug.keys import Key
from mechaug.laws import Quantity, quantities
from mechaug.mechanisms.base import Mechanism, Parameters, parameters
from mechaug.mechanisms.compose import Chain
from mechaug.mechanisms.parts import ChainParams, parts
from mechaug.scenes import drawing, interventions
from mechaug.scenes.variable import Variable, VariableLaw, in_order, unknown
from mechaug.types import Image, PerImage


@parameters
class SceneNoise(Parameters):
    """All chance there is in a scene.

    Attributes:
        units: uniform numbers between 0 and 1, one per variable, in the scene's order, float64.
        chain: what the chain drew by itself, such as seeds and directions; what it reads is not looked at.
    """

    units: Float[Tensor, "b n"]
    chain: ChainParams


@parameters
class SceneParams(Parameters):
    """One photograph's causes.

    Attributes:
        units: the noises, as in `SceneNoise`: what a counterfactual keeps.
        values: the variables, in the scene's order; `Scene.table` names them.
        chain: the parameters of the chain, with what it reads in them.
    """

    units: Float[Tensor, "b n"]
    values: Float[Tensor, "b n"]
    chain: ChainParams


class Reading(NamedTuple):
    """A parameter of the chain that a variable gives.

    Attributes:
        step: which mechanism of the chain.
        field: which of its parameters.
        variable: the variable's name.
        meaning: of the parameter.
    """

    step: int
    field: str
    variable: str
    meaning: Quantity


@final
@dataclass(frozen=True)
class Scene(Mechanism[SceneParams]):
    """Variables that cause each other, and the mechanisms that read them.

    A mechanism reads a variable where one of its laws is the variable's name:
    `Sensor(iso="iso", full_well_e=6000.0)`. All its other laws are drawn as without a scene. A scene is itself a
    mechanism: training and evaluation take it where they take a chain.

    Every variable has one noise, addressed by the key and its name; the chain's own draws are addressed as they are in
    any chain. So a change to one law leaves every other draw bitwise the same.

    Args:
        variables: in any order.
        chain: mechanisms in the order that light travels.

    Raises:
        TypeError: these are no variables or no chain.
        ValueError: variables cause themselves or do not fit together, a mechanism reads a variable that does not exist
            or has another unit, or a law lies outside what exists for what reads it; the sentence says which.

    Example:
        >>> scene = Scene(
        ...     (Variable("visibility_m", "m", (50.0, 2000.0), scale="log"),), Chain(Haze(visibility_m="visibility_m"))
        ... )
        >>> foggy = scene.do(visibility_m=60.0)
    """

    variables: tuple[Variable, ...]
    chain: Chain

    structure = "none"

    def __post_init__(self) -> None:
        if not isinstance(self.chain, Chain):
            raise TypeError(f"a scene ends in a Chain of mechanisms, not in {type(self.chain).__name__}")
        listed = isinstance(self.variables, tuple | list) and len(self.variables) > 0
        if not listed or not all(isinstance(variable, Variable) for variable in self.variables):
            raise TypeError("a scene has at least one Variable: write Scene((Variable(…), …), Chain(…))")
        object.__setattr__(self, "domain", self.chain.domain)
        object.__setattr__(self, "shares", self.chain.shares)
        in_order(self.variables)
        readings = _readings(self.chain)
        _check_readings(self.variables, readings)
        object.__setattr__(self, "_readings", readings)
        # What is read need not be drawn: its place is held by a number.
        object.__setattr__(self, "_residual", _without_readings(self.chain, readings))

    @property
    def readings(self) -> tuple[Reading, ...]:
        """Which parameters of the chain the variables give."""
        return self.__dict__["_readings"]

    @property
    def names(self) -> tuple[str, ...]:
        """The variables' names, in order."""
        return tuple(variable.name for variable in self.variables)

    def variable(self, name: str) -> Variable:
        """The variable of a name.

        Raises:
            ValueError: there is none.
        """
        return self.variables[self._place(name)]

    def noise(self, key: Key) -> SceneNoise:
        """All draws for one row per key."""
        units = interventions.units_of(self.variables, key).movedim(0, -1)
        return SceneNoise(units=units, chain=self.__dict__["_residual"].sample(key))

    def evaluate(self, noise: SceneNoise) -> SceneParams:
        """What follows from the noise: the variables by their laws, the chain's parameters by its readings."""
        values = interventions.evaluate(self.variables, noise.units.unbind(-1))
        by_name = dict(zip(self.names, values, strict=True))
        chain = read(noise.chain, self.readings, by_name)
        return SceneParams(units=noise.units, values=torch.stack(values, -1), chain=chain)

    def sample(self, key: Key) -> SceneParams:
        """Observe: draw one row per key."""
        return self.evaluate(self.noise(key))

    def neutral(self, batch: int) -> SceneParams:
        """A chain that does nothing; of the variables, none has a value that does nothing, so they are not a number."""
        return SceneParams(
            units=torch.full((batch, len(self.variables)), 0.5, dtype=torch.float64),
            values=torch.full((batch, len(self.variables)), torch.nan),
            chain=self.chain.neutral(batch),
        )

    def transform(self, x: Image, params: SceneParams) -> Image:
        """The chain."""
        return self.chain.transform(x, params.chain)

    def table(self, params: SceneParams) -> dict[str, PerImage]:
        """The variables' values by name."""
        return dict(zip(self.names, params.values.unbind(-1), strict=True))

    def do(self, **laws: VariableLaw) -> "Scene":
        """The scene in which some variables are set, by a number, a range or a distribution, whatever their causes.

        What they cause follows them; every other draw stays bitwise the same.

        Raises:
            TypeError, ValueError: there is no such variable, or a law is none or outside the values that exist.
        """
        return dataclasses.replace(self, variables=interventions.set_to(self.variables, laws))

    def shift(self, **amounts: float) -> "Scene":
        """The scene in which some variables are larger by an amount in their unit, and keep their causes.

        Raises:
            ValueError: there is no such variable, or the amount is not finite.
        """
        return dataclasses.replace(self, variables=interventions.changed(self.variables, amounts))

    def scale(self, **factors: float) -> "Scene":
        """The scene in which some variables are multiplied by a positive factor, and keep their causes.

        Raises:
            ValueError: there is no such variable, or the factor is not positive and finite.
        """
        return dataclasses.replace(self, variables=interventions.changed(self.variables, factors, multiply=True))

    def decoupled(self) -> "Scene":
        """The product of the marginals: every variable is as often what it was, and none depends on another.

        Coverage for training, where the scene itself is what a camera will meet.
        """
        return dataclasses.replace(self, variables=interventions.decoupled(self.variables))

    def counterfactual(self, observed: SceneParams, do: Mapping[str, VariableLaw]) -> SceneParams:
        """The same photographs, had some variables been otherwise: the same noise, another cause.

        Abduction takes the noise from what was observed, action sets the variables, prediction evaluates what follows.

        Args:
            observed: parameters that this scene drew.
            do: laws by the names of variables.

        Raises:
            TypeError, ValueError: as `do`, or the parameters are those of another scene.
        """
        if observed.units.shape[-1] != len(self.variables):
            raise ValueError(
                f"these parameters are of {observed.units.shape[-1]} variables, and the scene has {len(self.variables)}"
            )
        return self.do(**do).evaluate(SceneNoise(units=observed.units, chain=observed.chain))

    def draw(self) -> str:
        """The graph as SVG text, with units and laws."""
        steps = [
            (type(mechanism).__name__, tuple(reading.variable for reading in self.readings if reading.step == step))
            for step, mechanism in enumerate(self.chain.mechanisms)
        ]
        return drawing.draw(self.variables, steps)

    def _place(self, name: str) -> int:
        if name not in self.names:
            raise ValueError(unknown(name, self.names))
        return self.names.index(name)


def read(chain: ChainParams, readings: tuple[Reading, ...], values: Mapping[str, PerImage]) -> ChainParams:
    """A chain's parameters with the variables' values where it reads them, clamped to what exists there."""
    steps = list(chain.steps)
    by_step: dict[int, dict[str, Any]] = {}
    for step, field, variable, meaning in readings:
        by_step.setdefault(step, {})[field] = values[variable].clamp(meaning.low, meaning.high)
    for step, fields in by_step.items():
        steps[step] = steps[step].replace(**fields)
    return ChainParams(tuple(steps))


def _readings(chain: Chain) -> tuple[Reading, ...]:
    found = []
    for step, mechanism in enumerate(chain.mechanisms):
        for inner in _within(mechanism):
            for name, _ in _named_laws(inner):
                raise ValueError(
                    f"{type(mechanism).__name__}({type(inner).__name__}({name}=…)) reads a variable of the scene: "
                    "what reads one stands in the chain itself. Whether it happens is for the variable to say, such as "
                    "Sometimes(0.1, (50.0, 500.0), otherwise=math.inf)"
                )
        own = dict(quantities(mechanism))
        found += [Reading(step, name, law, own[name]) for name, law in _named_laws(mechanism)]
    return tuple(found)


def _within(mechanism: Mechanism[Any]) -> list[Mechanism[Any]]:
    return [deeper for part in parts(mechanism) for deeper in (part, *_within(part))]


def _named_laws(mechanism: Mechanism[Any]) -> list[tuple[str, str]]:
    laws = ((name, getattr(mechanism, name)) for name, _ in quantities(mechanism))
    return [(name, law) for name, law in laws if isinstance(law, str)]


def _check_readings(variables: tuple[Variable, ...], readings: tuple[Reading, ...]) -> None:
    by_name = {variable.name: variable for variable in variables}
    for _, field, name, meaning in readings:
        if name not in by_name:
            raise ValueError(f"the chain's {field} reads an unknown variable: {unknown(name, by_name)}")
        variable = by_name[name]
        if variable.unit != meaning.unit:
            raise ValueError(
                f"the chain's {field} is in {meaning.unit or 'a pure number'}, and the variable {name} in "
                f"{variable.unit or 'a pure number'}"
            )
        low, high = max(meaning.low, variable.low), min(meaning.high, variable.high)
        variable.check_within(Quantity(variable.unit, 0.0, variable.scale, low, high))


def _without_readings(chain: Chain, readings: tuple[Reading, ...]) -> Chain:
    mechanisms: list[Any] = list(chain.mechanisms)
    for step, field, _, meaning in readings:
        held = min(max(meaning.neutral, meaning.low), meaning.high)
        mechanisms[step] = dataclasses.replace(mechanisms[step], **{field: held})
    return Chain(*mechanisms)

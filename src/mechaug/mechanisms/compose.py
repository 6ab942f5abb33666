"""Combinators: behaviour is adjusted by wrapping mechanisms, never by arguments that every mechanism repeats."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, final

import torch
from jaxtyping import Float
from torch import Tensor

from mechaug.keys import Foreseen, Key
from mechaug.mechanisms.base import (
    Domain,
    Mechanism,
    P,
    Parameters,
    converted,
    parameters,
    per_image,
)
from mechaug.mechanisms.blur import Blurs, runs
from mechaug.mechanisms.busy import Busy
from mechaug.mechanisms.eager import put_back
from mechaug.mechanisms.parts import ChainParams, check_parts, keys_for, label
from mechaug.types import Image, PerImage, Seeds


@final
@dataclass(frozen=True, init=False)
class Chain(Mechanism[ChainParams]):
    """Mechanisms in the order that light travels.

    The picture becomes light before the first mechanism that acts on light, and a picture again where one acts on
    pictures or the chain ends: one conversion per change. A chain that begins and ends on light acts on light, so that
    within another combinator there is none. Chains inside a chain are flattened, and blurs next to one another are one
    (`Blurs`). Where parameters are neutral, no work is done.

    Args:
        *mechanisms: at least one.
    """

    mechanisms: tuple[Mechanism[Any], ...]
    _runs: ClassVar[tuple[tuple[Mechanism[Any], slice], ...]]
    _busy: ClassVar[Busy]
    _foreseen: ClassVar[Foreseen]

    structure = "none"

    def __init__(self, *mechanisms: Mechanism[Any]) -> None:
        check_parts("Chain", mechanisms)
        flat = [inner for part in mechanisms for inner in (part.mechanisms if isinstance(part, Chain) else (part,))]
        object.__setattr__(self, "mechanisms", tuple(flat))
        on_light = flat[0].domain == flat[-1].domain == "light"
        object.__setattr__(self, "domain", "light" if on_light else "picture")
        # Each mechanism makes small calls of its own, which weigh more here than the cache does. Measured with eight
        # stages and with the presets: 5 to 15 % faster than 1, at 32 × 32 and at 224 × 224.
        object.__setattr__(self, "shares", 2 * max(part.shares for part in flat))
        found = tuple(runs(flat, [part.mechanism if isinstance(part, Maybe) else part for part in flat]))
        object.__setattr__(self, "_runs", found)
        object.__setattr__(self, "_busy", Busy(*(part for part, _ in found)))
        object.__setattr__(self, "_foreseen", {})

    @classmethod
    def from_fields(cls, mechanisms: tuple[Mechanism[Any], ...]) -> "Chain":
        """The chain of a stored record."""
        return cls(*mechanisms)

    def sample(self, key: Key) -> ChainParams:
        keys = keys_for(self.mechanisms, key.foreseeing(self._foreseen))
        return ChainParams(tuple(part.sample(own) for part, own in zip(self.mechanisms, keys, strict=True)))

    def neutral(self, batch: int) -> ChainParams:
        return ChainParams(tuple(part.neutral(batch) for part in self.mechanisms))

    def transform(self, x: Image, params: ChainParams) -> Image:
        here: Domain = self.domain
        given = x
        owns = [ChainParams(params.steps[place]) if isinstance(part, Blurs) else params.steps[place.start]
                for part, place in self._runs]  # fmt: skip
        for (part, _), own, rows in zip(self._runs, owns, self._busy.rows(*owns), strict=True):
            if rows is not None and rows.numel() == 0:
                continue
            x, here = converted(x, here, part.domain), part.domain
            if rows is None:
                x = part.transform(x, own)
                continue
            changed = part.transform(x.index_select(0, rows), own.rows(rows))
            # What is already a result of this chain may be overwritten, unless its way back is recorded.
            fresh = not torch.is_grad_enabled() and _memory(x) != _memory(given)
            if fresh:
                put_back(x, rows, changed)
            else:
                x = x.index_copy(0, rows, changed)
        return converted(x, here, self.domain)


def _memory(x: Image) -> int:
    """Where a tensor's numbers lie, also for a view of them."""
    return x.untyped_storage().data_ptr()


@final
@dataclass(frozen=True)
class Maybe(Mechanism[P]):
    """A mechanism that happens to some of the images: the others get its neutral parameters.

    Args:
        mechanism: what may happen.
        probability: to what share of the images, 0 to 1.
    """

    mechanism: Mechanism[P]
    probability: float = 0.5

    structure = "none"

    def __post_init__(self) -> None:
        check_parts("Maybe", (self.mechanism,))
        if not 0 <= self.probability <= 1:
            raise ValueError(f"Maybe(probability=…) is a share from 0 to 1, not {self.probability!r}")
        object.__setattr__(self, "domain", self.mechanism.domain)
        object.__setattr__(self, "shares", self.mechanism.shares)

    def sample(self, key: Key) -> P:
        happens = key.fold(label(self)).fold("happens").unit() < self.probability
        drawn = self.mechanism.sample(key)
        neutral = self.mechanism.neutral(happens.shape[0]).to(key.device)

        others = iter(neutral.leaves())
        return drawn.map(lambda own: torch.where(happens.reshape(-1, *(1,) * (own.ndim - 1)), own, next(others)))

    def neutral(self, batch: int) -> P:
        return self.mechanism.neutral(batch)

    def transform(self, x: Image, params: P) -> Image:
        return self.mechanism.transform(x, params)


@parameters
class OneOfParams(Parameters):
    """Which mechanism each image gets, −1 for none, and the parameters of all of them."""

    choice: Seeds
    options: tuple[Parameters, ...]


@final
@dataclass(frozen=True, init=False)
class OneOf(Mechanism[OneOfParams]):
    """One of several mechanisms per image; it acts on light where most of them do.

    `transform` groups the images by their mechanism and computes only what was chosen; it therefore depends on the
    values of `choice`, and neither traces whole under `torch.compile` nor batches under `torch.vmap`.

    Args:
        *mechanisms: at least one.
        weights: relative frequencies, one per mechanism; equal if None.
    """

    mechanisms: tuple[Mechanism[Any], ...]
    weights: tuple[float, ...] | None
    _foreseen: ClassVar[Foreseen]

    structure = "none"

    def __init__(self, *mechanisms: Mechanism[Any], weights: Sequence[float] | None = None) -> None:
        check_parts("OneOf", mechanisms)
        if weights is not None and (
            len(weights) != len(mechanisms)
            or not all(0 <= weight < math.inf for weight in weights)
            or sum(weights) <= 0
        ):
            raise ValueError(
                f"OneOf(weights=…) takes one frequency ≥ 0 per mechanism, {len(mechanisms)} in all and not all 0, "
                f"not {tuple(weights)!r}"
            )
        object.__setattr__(self, "mechanisms", mechanisms)
        object.__setattr__(self, "weights", None if weights is None else tuple(float(w) for w in weights))
        on_light = sum(part.domain == "light" for part in mechanisms)
        object.__setattr__(self, "domain", "light" if 2 * on_light > len(mechanisms) else "picture")
        object.__setattr__(self, "shares", sum(part.shares for part in mechanisms))
        object.__setattr__(self, "_foreseen", {})

    @classmethod
    def from_fields(cls, mechanisms: tuple[Mechanism[Any], ...], weights: tuple[float, ...] | None) -> "OneOf":
        """The mixture of a stored record."""
        return cls(*mechanisms, weights=weights)

    def sample(self, key: Key) -> OneOfParams:
        key = key.foreseeing(self._foreseen)
        weights = torch.tensor(self.weights or (1.0,) * len(self.mechanisms), dtype=torch.float64)
        edges = (weights.cumsum(0) / weights.sum())[:-1].to(key.device)
        choice = torch.bucketize(key.fold(label(self)).fold("choice").unit(), edges, right=True)
        keys = keys_for(self.mechanisms, key)
        return OneOfParams(choice, tuple(part.sample(own) for part, own in zip(self.mechanisms, keys, strict=True)))

    def neutral(self, batch: int) -> OneOfParams:
        nothing = torch.full((batch,), -1, dtype=torch.int64)
        return OneOfParams(nothing, tuple(part.neutral(batch) for part in self.mechanisms))

    def transform(self, x: Image, params: OneOfParams) -> Image:
        # The images in the order of their mechanisms, those without one first. Only how many each has is asked for.
        numbers = torch.arange(-1, len(self.mechanisms), device=x.device)
        counts = (params.choice[:, None] == numbers).sum(0).tolist()
        order = params.choice.argsort(stable=True)
        groups = list(x.index_select(0, order).split(counts))
        for place, (part, own, rows) in enumerate(
            zip(self.mechanisms, params.options, order.split(counts)[1:], strict=True), 1
        ):
            if rows.numel():
                groups[place] = part.transform_in(self.domain, groups[place], own.rows(rows))
        # Put together once and brought back once: one copy of all images per mechanism would cost more than they do.
        return torch.cat(groups).index_select(0, order.argsort())


@parameters
class MixParams(Parameters):
    """`weights`: share of each branch; `mix`: share of all branches against the image itself; their parameters."""

    weights: Float[Tensor, "b k"]
    mix: PerImage
    branches: tuple[Parameters, ...]


@final
@dataclass(frozen=True, init=False)
class Mix(Mechanism[MixParams]):
    """A mixture of exposures: (1 − m)·x + m·Σ wₖ·branchₖ(x), in linear light, as several exposures of one film add up.

    The weights are Dirichlet and m is Beta, as in AugMix (Hendrycks et al., ICLR 2020), which mixes stored values.

    Args:
        *branches: mechanisms or chains, at least one; each draws on its own.
        concentration: of the Dirichlet distribution of the weights.
        skip: both parameters of the Beta distribution of m.
    """

    branches: tuple[Mechanism[Any], ...]
    concentration: float
    skip: float
    _foreseen: ClassVar[Foreseen]

    domain = "light"
    structure = "none"

    def __init__(self, *branches: Mechanism[Any], concentration: float = 1.0, skip: float = 1.0) -> None:
        check_parts("Mix", branches)
        if not (0 < concentration < math.inf and 0 < skip < math.inf):
            raise ValueError(f"Mix: concentration and skip are positive and finite, not {concentration!r} and {skip!r}")
        object.__setattr__(self, "branches", branches)
        object.__setattr__(self, "shares", max(part.shares for part in branches))
        object.__setattr__(self, "_foreseen", {})
        object.__setattr__(self, "concentration", float(concentration))
        object.__setattr__(self, "skip", float(skip))

    @classmethod
    def from_fields(cls, branches: tuple[Mechanism[Any], ...], concentration: float, skip: float) -> "Mix":
        """The mixture of a stored record."""
        return cls(*branches, concentration=concentration, skip=skip)

    def sample(self, key: Key) -> MixParams:
        key = key.foreseeing(self._foreseen)
        own = key.fold(label(self))
        return MixParams(
            weights=own.fold("weights").dirichlet(self.concentration, len(self.branches)),
            mix=own.fold("mix").beta(self.skip, self.skip),
            branches=tuple(part.sample(key.fold(f"branch {k}")) for k, part in enumerate(self.branches)),
        )

    def neutral(self, batch: int) -> MixParams:
        return MixParams(
            weights=torch.full((batch, len(self.branches)), 1 / len(self.branches)),
            mix=torch.zeros(batch),
            branches=tuple(part.neutral(batch) for part in self.branches),
        )

    def transform(self, x: Image, params: MixParams) -> Image:
        mix, weights = params.mix.to(x.dtype), params.weights.to(x.dtype)
        out = per_image(1 - mix) * x
        for k, (part, own) in enumerate(zip(self.branches, params.branches, strict=True)):
            out = torch.addcmul(out, per_image(mix * weights[:, k]), part.transform_in("light", x, own))
        return out

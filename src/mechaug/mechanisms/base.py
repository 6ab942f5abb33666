"""The mechanism contract: sample apart from apply.

`sample(key)` draws a frozen record of parameters; `transform(x, params)` is the physics, in the mechanism's own
domain: pure, batched, differentiable in the image and in every float parameter, free of randomness, hidden state and
branches on tensor values. `apply(picture, params)` is what users call: pictures in, pictures out, whatever the domain.
"""

import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from typing import Any, Generic, Literal, TypeAlias, TypeVar, dataclass_transform, final

import torch
from torch import Tensor
from torch.utils._pytree import register_pytree_node

from mechaug.keys import Key
from mechaug.laws import at_quantile, check_law, draw_law, quantities
from mechaug.mechanisms.busy import busy_rows
from mechaug.mechanisms.eager import needs_gradient, values_known
from mechaug.mechanisms.light import to_light, to_picture
from mechaug.memory import portion
from mechaug.types import Image

Domain: TypeAlias = Literal["light", "picture"]
"""What a mechanism acts on: linear scene-referred RGB (white = 1.0), or sRGB in [0, 1]."""

Structure: TypeAlias = Literal["group", "semigroup", "idempotent", "none"]
"""What composing a mechanism with itself obeys."""


R = TypeVar("R", bound="Parameters")


class Parameters:
    """What `sample` draws: a frozen record of tensors, batch axis first, units in the names.

    A subclass is decorated with `@parameters`. A record is a pytree: it can be stored, replayed, intervened on,
    differentiated and moved.
    """

    @final
    def leaves(self) -> list[Tensor]:
        """All tensors of the record and of the records in it, in order."""
        # What the pytree gives, without its generality: this runs for every mechanism and every part of a batch.
        found: list[Any] = []
        for value in self.__dict__.values():
            if isinstance(value, Parameters):
                found += value.leaves()
            elif isinstance(value, tuple):
                found += (leaf for inner in value for leaf in inner.leaves())
            else:
                found.append(value)
        return found

    @final
    def map(self: R, change: Callable[[Tensor], Tensor]) -> R:
        """The record with `change` applied to each tensor."""
        record = object.__new__(type(self))
        for name, value in self.__dict__.items():
            if isinstance(value, Parameters):
                value = value.map(change)
            elif isinstance(value, tuple):
                value = tuple(inner.map(change) for inner in value)
            else:
                value = change(value)
            object.__setattr__(record, name, value)
        return record

    @final
    def to(self: R, device: torch.device | str) -> R:
        """The same record on another device.

        It is moved in one piece for each dtype, and the host does not wait for what is queued on the device.
        """
        there = torch.empty(0, device=device).device
        leaves = self.leaves()
        if all(leaf.device == there for leaf in leaves):
            return self
        kinds = [(leaf.dtype, leaf.device) for leaf in leaves]
        moved: dict[object, Iterator[Tensor]] = {}
        for kind in set(kinds):
            own = [leaf for leaf, other in zip(leaves, kinds, strict=True) if other == kind]
            line = torch.cat([leaf.reshape(-1) for leaf in own])
            if there.type == "cuda" and line.device.type == "cpu":
                line = line.pin_memory().to(there, non_blocking=True)
            pieces = line.to(there).split([leaf.numel() for leaf in own])
            moved[kind] = (piece.view(leaf.shape) for piece, leaf in zip(pieces, own, strict=True))
        return self.map(lambda leaf: next(moved[leaf.dtype, leaf.device]))

    @final
    def rows(self: R, index: Tensor) -> R:
        """The parameters of some of the images (an index or a mask along the batch)."""
        return self.map(lambda tensor: tensor[index])

    @final
    def replace(self: R, **changes: Any) -> R:  # noqa: ANN401  (a tensor, or records within a record)
        """The record with some fields replaced: an intervention.

        Raises:
            TypeError: there is no such field.
        """
        return dataclasses.replace(self, **changes)  # type: ignore[type-var]


C = TypeVar("C")


@dataclass_transform(frozen_default=True)
def parameters(cls: type[C]) -> type[C]:
    """Class decorator: a frozen dataclass of tensors, registered as a pytree."""
    made = dataclasses.dataclass(frozen=True)(cls)
    names = tuple(field.name for field in dataclasses.fields(made))  # type: ignore[arg-type]

    def flatten(record: Any) -> tuple[list[Any], None]:  # noqa: ANN401
        return [getattr(record, name) for name in names], None

    def unflatten(leaves: Any, _: None) -> Any:  # noqa: ANN401
        # Leaves need not be tensors here (torch.func passes axis numbers), so nothing is checked.
        record = object.__new__(made)
        for name, leaf in zip(names, leaves, strict=True):
            object.__setattr__(record, name, leaf)
        return record

    register_pytree_node(made, flatten, unflatten, serialized_type_name=f"mechaug.{made.__name__}")
    return made


P = TypeVar("P", bound=Parameters)


class Mechanism(ABC, Generic[P]):
    """A cause that changes the picture and not its meaning; its parameters carry physical units.

    A subclass is a frozen dataclass of laws, and final. Its three methods take and return one row per image.
    """

    domain: Domain
    structure: Structure
    overlaps: tuple[str, ...] = ()
    """The common corruptions that are relatives of this mechanism: no surprise to a net that was trained with it."""
    shares: int = 1
    """How many times as many images are worked on at once: among so many mechanisms they are shared out, each of which
    works on its own few; or, where many small calls take turns, what was measured to serve it best."""

    @abstractmethod
    def sample(self, key: Key) -> P:
        """Draw one row of parameters per key; nothing else enters the draw."""

    @abstractmethod
    def neutral(self, batch: int) -> P:
        """Parameters that leave every picture as it is (to 1e-5), on the CPU."""

    @abstractmethod
    def transform(self, x: Image, params: P) -> Image:
        """The mechanism itself, on images in its `domain`; light may exceed 1.0 on the way in and out."""

    @final
    def apply(self, picture: Image, params: P) -> Image:
        """Pictures in, pictures out.

        Args:
            picture: sRGB in [0, 1], shape (b, c, h, w), floating point.
            params: one row per image, on the picture's device.

        Returns:
            sRGB in [0, 1], of the same shape and dtype.

        Raises:
            TypeError: the picture is not floating point.
            ValueError: it has no batch axis, or the parameters have another number of rows.
        """
        check_picture(picture)
        leaves = params.leaves()
        for leaf in leaves:
            if leaf.shape[0] != picture.shape[0]:
                raise ValueError(f"{picture.shape[0]} pictures need as many rows of parameters, not {leaf.shape[0]}")
        if not values_known() or needs_gradient(picture, *leaves):
            return self.transform_in("picture", picture, params).clamp(0.0, 1.0)
        step = portion(picture, self.shares)
        out = torch.empty_like(picture)
        # Nothing is recorded, and nothing but `out` is left: small calls are a tenth faster than under `no_grad`.
        with torch.inference_mode():
            for start in range(0, picture.shape[0], step):
                part = slice(start, start + step)
                some = params.map(lambda leaf, part=part: leaf[part])
                rows = busy_rows(self, some)
                if self.domain == "light" and rows is None:
                    # The curve clips: one pass less over the pictures.
                    to_picture(self.transform(to_light(picture[part]), some), out=out[part])
                else:
                    torch.clamp(self._on_rows(rows, "picture", picture[part], some), 0.0, 1.0, out=out[part])
        return out

    @final
    def transform_in(self, domain: Domain, x: Image, params: P) -> Image:
        """`transform` for images in another domain: converted there, and the result back.

        On a CPU no work is done for images whose parameters are neutral: they come back bit for bit.
        """
        return self._on_rows(busy_rows(self, params), domain, x, params)

    @final
    def _on_rows(self, rows: Tensor | None, domain: Domain, x: Image, params: P) -> Image:
        if rows is None:
            return self._converted(domain, x, params)
        if rows.numel() == 0:
            return x
        return x.index_copy(0, rows, self._converted(domain, x.index_select(0, rows), params.rows(rows)))

    @final
    def _converted(self, domain: Domain, x: Image, params: P) -> Image:
        if domain == self.domain:
            return self.transform(x, params)
        return converted(self.transform(converted(x, domain, self.domain), params), self.domain, domain)

    @final
    def __call__(self, picture: Image, key: Key) -> Image:
        """`apply(picture, sample(key))`, drawn on the CPU: a few numbers take an accelerator longer."""
        return self.apply(picture, self.sample(key.to("cpu")).to(picture.device))


class Semigroup(Mechanism[P]):
    """A mechanism whose composition with itself is again of its kind."""

    @abstractmethod
    def compose(self, first: P, second: P) -> P:
        """The parameters c with transform(transform(x, first), second) = transform(x, c)."""


class Group(Semigroup[P]):
    """A semigroup in which everything can be undone."""

    @abstractmethod
    def inverse(self, params: P) -> P:
        """The parameters that undo `params`."""


def check_picture(picture: Tensor) -> None:
    """Refuse what is not a batch of floating-point pictures.

    Raises:
        TypeError: not floating point.
        ValueError: no batch axis.
    """
    if not picture.is_floating_point():
        raise TypeError(f"pictures are floating point in [0, 1], not {picture.dtype}: convert with x.float() / 255")
    if picture.ndim != 4:
        raise ValueError(f"pictures have shape (batch, channels, height, width), not {tuple(picture.shape)}")


def converted(x: Image, here: Domain, there: Domain) -> Image:
    """Images of one domain in another; unchanged where that is the same."""
    if here == there:
        return x
    return to_light(x) if there == "light" else to_picture(x)


def check_laws(mechanism: Any) -> None:  # noqa: ANN401  (any mechanism dataclass)
    """Refuse laws that reach outside the values that exist: what a mechanism's `__post_init__` calls.

    Raises:
        TypeError, ValueError: as `mechaug.laws.check_law`.
    """
    for name, meaning in quantities(mechanism):
        check_law(type(mechanism).__name__, name, getattr(mechanism, name), meaning)


def draw_quantities(mechanism: Any, key: Key) -> dict[str, Tensor]:  # noqa: ANN401
    """One value per image for every law of a mechanism, each from its own name: (class, field)."""
    own = key.fold(type(mechanism).__name__)
    meanings = dict(quantities(mechanism))
    drawn = {
        name: draw_law(law, own, meanings[name])
        for name in meanings
        if isinstance(law := getattr(mechanism, name), int | float)
    }
    open_names = [name for name in meanings if name not in drawn]
    if open_names:
        for name, unit in zip(open_names, own.units(open_names), strict=True):
            drawn[name] = at_quantile(getattr(mechanism, name), unit, meanings[name])
    return drawn


def neutral_quantities(mechanism: Any, batch: int) -> dict[str, Tensor]:  # noqa: ANN401
    """The neutral value of every law of a mechanism, one row per image."""
    return {name: torch.full((batch,), float(meaning.neutral)) for name, meaning in quantities(mechanism)}


def per_image(value: Tensor) -> Tensor:
    """A tensor of shape (b,) as (b, 1, 1, 1), to meet images."""
    return value[:, None, None, None]

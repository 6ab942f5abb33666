"""What a training step sees, where a mechanism alone cannot make it.

A `Mechanism` changes one picture at a time and keeps its label. Three kinds of method need more, and each is a
`ViewMaker`: those that mix the pictures of a batch (`Mixing`), those that change features inside the net (`Inside`),
and those that look at the net to find what it fails on (adversaries, which work on it `at_rest`).
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, ClassVar, Generic, TypeAlias, final

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn
from torch.nn import functional

from mechaug.heuristics.base import About
from mechaug.keys import Key
from mechaug.mechanisms.base import Mechanism, P, check_picture
from mechaug.types import Image, Labels, PerImage, Targets


@dataclass(frozen=True)
class Batch:
    """What a training step starts from.

    Attributes:
        pictures: in [0, 1], after the recipe's flip and crop.
        labels: of the pictures.
        classes: how many classes there are: the width of soft labels.
        key: one per picture.
        ready: augmented views that were made before the step; empty where the step makes its own.
    """

    pictures: Image
    labels: Labels
    classes: int
    key: Key
    ready: tuple[Image, ...] = ()

    def parts(self, count: int) -> Iterator["Batch"]:
        """The batch in so many parts of about one size, one after another."""
        for rows in torch.arange(len(self.labels)).tensor_split(count):
            some = slice(int(rows[0]), int(rows[-1]) + 1)
            key = self.key.rows(rows.to(self.key.device))
            ready = tuple(view[some] for view in self.ready)
            yield Batch(self.pictures[some], self.labels[some], self.classes, key, ready)


@dataclass(frozen=True)
class Inside:
    """What happens to the features of a view on its way through the net.

    Attributes:
        layer: name of the module whose output is changed, as in `nn.Module.named_modules`.
        change: features (b, …) of this view's pictures to features of the same shape; free of randomness.
    """

    layer: str
    change: Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class View:
    """One kind of picture that a step shows to the net.

    Attributes:
        pictures: in [0, 1], one per picture of the batch.
        targets: what the net should say about them: labels, or one row of class shares per picture.
        inside: changes of their features.
    """

    pictures: Image
    targets: Targets
    inside: tuple[Inside, ...] = ()


class ViewMaker(ABC):
    """An augmentation that sees the whole batch, the labels and the net; a subclass is a frozen dataclass, and final.

    Everything random comes from the keys of the pictures, so that a training continues bitwise.
    """

    about: ClassVar[About]
    overlaps: tuple[str, ...] = ()
    """The common corruptions that are relatives of it, as for a mechanism."""
    replays: int = 1
    """How many steps in a row see the same batch."""

    @abstractmethod
    def views(self, model: nn.Module, batch: Batch, *, clean: bool, count: int) -> tuple[View, ...]:
        """The views of a step.

        Args:
            model: the net that is trained, in training mode; left as it was found.
            batch: pictures, labels and keys.
            clean: whether a view of the pictures without this augmentation comes first.
            count: how many augmented views follow.
        """


class Remembering(ViewMaker):
    """A view maker that learns from step to step; what it remembers is part of a checkpoint."""

    @abstractmethod
    def fresh(self) -> "Remembering":
        """The same one, remembering nothing: each training has its own."""

    @abstractmethod
    def memory(self) -> dict[str, Tensor]:
        """What it remembers."""

    @abstractmethod
    def remember(self, memory: Mapping[str, Tensor]) -> None:
        """Take up what `memory` gave."""


Augmentation: TypeAlias = Mechanism[Any] | ViewMaker
"""What a method may train with."""


def in_turn(batch: Batch, make: Callable[[Key], View], *, clean: bool, count: int) -> tuple[View, ...]:
    """The pictures as they are, if wanted, then views that are made one by one, each with a key of its own."""
    plain = (View(batch.pictures, batch.labels),) if clean else ()
    return plain + tuple(make(batch.key.fold(f"view {number}")) for number in range(count))


class Mixing(ViewMaker, Generic[P]):
    """A heuristic that mixes each picture with a partner from its batch: `sample` apart from `apply`, as ever.

    The parameters hold, per picture, a draw that becomes its partner when the batch is known (`partner_rows`) and the
    share of its own label. So the draws depend on keys alone; only who meets whom depends on who is there.
    """

    @abstractmethod
    def sample(self, key: Key) -> P:
        """Draw one row of parameters per key; nothing else enters the draw."""

    @abstractmethod
    def neutral(self, batch: int) -> P:
        """Parameters that leave every picture and label as it is, on the CPU."""

    @abstractmethod
    def mix(self, x: Image, params: P) -> Image:
        """The mixture itself; `apply` checks and clamps."""

    @abstractmethod
    def targets(self, labels: Labels, classes: int, params: P) -> Targets:
        """What a net should say about the mixtures: the labels, or their shares in rows of `classes` numbers."""

    @final
    def apply(self, picture: Image, params: P) -> Image:
        """Pictures in, pictures out, for a whole batch: it is never taken in portions.

        Args:
            picture: sRGB in [0, 1], shape (b, c, h, w), floating point.
            params: one row per picture, on the pictures' device.

        Raises:
            TypeError: the picture is not floating point.
            ValueError: it has no batch axis, or the parameters have another number of rows.
        """
        check_picture(picture)
        if any(len(leaf) != len(picture) for leaf in params.leaves()):
            raise ValueError(f"{len(picture)} pictures need as many rows of parameters, not {len(params.leaves()[0])}")
        return self.mix(picture, params).clamp(0.0, 1.0)

    @final
    def __call__(self, picture: Image, key: Key) -> Image:
        """`apply(picture, sample(key))`."""
        return self.apply(picture, self.sample(key).to(picture.device))

    @final
    def views(self, model: nn.Module, batch: Batch, *, clean: bool, count: int) -> tuple[View, ...]:
        """Mixtures with their own targets; the clean view is not mixed."""
        del model

        def make(key: Key) -> View:
            params = self.sample(key).to(batch.pictures.device)
            return View(self.apply(batch.pictures, params), self.targets(batch.labels, batch.classes, params))

        return in_turn(batch, make, clean=clean, count=count)


def partner_rows(draw: PerImage) -> Int64[Tensor, "b"]:
    """The row of each picture's partner in the batch: the pictures in the order of their draws.

    Independent draws give every permutation with the same probability, as published codes draw it: each picture is the
    partner of exactly one, at times its own.
    """
    return draw.argsort(stable=True)


def shared_targets(
    labels: Labels, partner: Int64[Tensor, "b"], share: PerImage, classes: int
) -> Float[Tensor, "b {classes}"]:
    """`share` of each picture's own label and the rest of its partner's."""
    own = functional.one_hot(labels, classes).to(share.dtype)
    return torch.lerp(own.index_select(0, partner), own, share[:, None])


@contextmanager
def hooked(model: nn.Module, layer: str, change: Callable[[Tensor], Tensor]) -> Iterator[None]:
    """Within the block, what a layer gives is changed before the net goes on.

    Args:
        model: any net.
        layer: name of one of its modules.
        change: features to features of the same shape.

    Raises:
        ValueError: the net has no such layer.
    """
    try:
        module = model.get_submodule(layer)
    except AttributeError:
        names = ", ".join(name for name, _ in model.named_children())
        raise ValueError(f"the net has no layer {layer!r}; its outermost are {names}") from None

    def hook(_module: nn.Module, _inputs: tuple[Tensor, ...], features: Tensor) -> Tensor:
        return change(features)

    handle = module.register_forward_hook(hook)
    try:
        yield
    finally:
        handle.remove()


def stages(model: nn.Module) -> tuple[str, ...]:
    """The layers after which a net's features change their scale, as the net itself says in `stages`.

    Raises:
        ValueError: it does not say.
    """
    named = getattr(model, "stages", ())
    if not named:
        raise ValueError(
            f"{type(model).__name__} does not say where its stages end: name the layers, as in layers=('layer1',)"
        )
    return tuple(named)


@contextmanager
def at_rest(model: nn.Module) -> Iterator[None]:
    """Within the block, the net is in evaluation mode and its weights ask for no gradient; then all is as it was.

    What an adversary does to a net: the running statistics are used and not updated, and only inputs get gradients.
    """
    modes = [(module, module.training) for module in model.modules()]
    asking = [weight for weight in model.parameters() if weight.requires_grad]
    try:
        model.eval()
        for weight in asking:
            weight.requires_grad_(False)
        yield
    finally:
        for module, training in modes:
            module.training = training
        for weight in asking:
            weight.requires_grad_(True)

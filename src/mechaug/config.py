"""What a study compares, as one frozen record."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from mechaug.errors import UserError
from mechaug.evaluation.suites import Suite
from mechaug.training import recipes
from mechaug.training.arms import named
from mechaug.training.methods import Method
from mechaug.training.recipes import Recipe
from mechaug.version import VERSION

OVERLAP_METHOD: Final = "flip-crop"
"""Whose net gives the features in which overlaps are measured, as Mintun et al. (NeurIPS 2021) ask."""


@dataclass(frozen=True)
class StudyConfig:
    """What a study compares; two studies with equal records have equal figures on one machine.

    Attributes:
        data: source of the pictures, as `mechaug.data.sources.load` takes it.
        methods: names of `training.methods.METHODS`, or of their arms, as `training.arms.named` takes them.
        seeds: one training each per method.
        recipe: how each net is trained.
        suites: what is measured.
        train_size: training pictures; None for all.
        test_size: test pictures; None for all.
        image_size: side of the pictures; None for their own.
        skip_bad: leave out pictures that cannot be read.
        flips: whether a mirrored picture keeps its label.
        data_name: what the pictures are called in the result; empty for the source's own name.
        mixing_set: folder of the pictures that PixMix and IPMix mix in; empty for fractals that are drawn.
        device: where everything runs.
        overlap_draws: of each augmentation, for its distance from the corruptions; 0 measures none.
        batch_size: pictures through a net at once when it is measured.
        budgets: optimiser steps of each method, in their order, in the place of the recipe's; empty for the recipe's.
        start: a model of mechaug's whose weights training starts from; empty for fresh ones.
        version: of mechaug; another one may train and measure differently.

    Raises:
        UserError: no method or seed, one named twice, a method that does not exist, or distances without the method
            in whose features they are measured.
    """

    data: str
    methods: tuple[str, ...]
    seeds: tuple[int, ...]
    recipe: Recipe
    suites: tuple[Suite, ...]
    train_size: int | None = None
    test_size: int | None = None
    image_size: int | None = None
    skip_bad: bool = False
    flips: bool = True
    data_name: str = ""
    mixing_set: str = ""
    device: str = "cpu"
    overlap_draws: int = 0
    batch_size: int = 500
    budgets: tuple[int, ...] = ()
    start: str = ""
    version: str = VERSION

    def __post_init__(self) -> None:
        for what, values in (("method", self.methods), ("seed", self.seeds)):
            if not values:
                raise UserError(f"at least one {what} is needed: give --{what}s")
            if len(set(values)) < len(values):
                raise UserError(f"a {what} is named twice in {', '.join(map(str, values))}: name each once")
        for name in self.methods:
            named(name)
        if self.budgets and len(self.budgets) != len(self.methods):
            raise ValueError(f"{len(self.methods)} methods need as many budgets, not {len(self.budgets)}")
        if self.overlap_draws and OVERLAP_METHOD not in self.methods:
            raise UserError(
                f"distances are measured in the features of a net trained with {OVERLAP_METHOD}: add it to --methods"
            )

    def recipe_of(self, name: str, pictures: int) -> Recipe:
        """The recipe of a method: the study's, stretched or cut to the method's own budget where it has one.

        Args:
            name: one of `methods`.
            pictures: how many there are to train on.
        """
        if not self.budgets:
            return self.recipe
        steps = self.budgets[self.methods.index(name)]
        per_epoch = max(1, pictures // self.recipe.batch_size)
        return self.recipe.replace(steps=steps, epochs=-(-steps // per_epoch))

    @property
    def chosen(self) -> tuple[Method, ...]:
        """The methods themselves."""
        found = [named(name) for name in self.methods]
        return tuple(one.with_mixing_set(self.mixing_set) if self.mixing_set else one for one in found)


@dataclass(frozen=True)
class EvaluationConfig:
    """What is measured of one model.

    Attributes:
        model: as `mechaug.job.find_model` takes it.
        data: source of the pictures, whose test split is used.
        suites: what is measured.
        net: architecture of a file of weights alone; None where the file says it.
        trust: whether files that can run code are opened.
        classes: names of the model's outputs; None where the model or the data tells them.
        sees: corruptions of which a relative was in the model's training; None where nobody says.
        groups: of each test picture, a name or nothing; None where there are none.
        test_size: test pictures; None for all.
        image_size: side of the pictures; None for the model's, where it is known, or their own.
        skip_bad: leave out pictures that cannot be read.
        device: where everything runs.
        batch_size: pictures through the model at once; None for what suits their size, see `predict.batch_size_for`.
    """

    model: str
    data: str
    suites: tuple[Suite, ...]
    net: str | None = None
    trust: bool = False
    classes: tuple[str, ...] | None = None
    sees: tuple[str, ...] | None = None
    groups: tuple[str, ...] | None = None
    test_size: int | None = None
    image_size: int | None = None
    skip_bad: bool = False
    device: str = "cpu"
    batch_size: int | None = None


@dataclass(frozen=True)
class Measured:
    """What a folder of outcomes belongs to: they are kept for as long as this stays the same.

    Attributes:
        model: as it was called.
        data: as it was called.
        pictures: number of test pictures.
        image_size: height and width.
        model_digest: of its weights or its file.
        pictures_digest: of the test pictures and their labels.
        version: of mechaug.
    """

    model: str
    data: str
    pictures: int
    image_size: tuple[int, int]
    model_digest: str
    pictures_digest: str
    version: str = VERSION


RECIPES: Final[Mapping[str, Callable[..., Recipe]]] = MappingProxyType(
    {
        "signs": recipes.signs,
        "cifar10": recipes.cifar10,
        "imagenette64": recipes.imagenette64,
        "folder": recipes.folder,
        "finetune": recipes.finetune,
    }
)
"""Every recipe by the name that the command line knows."""


def default_recipe(source: str, net: str | None) -> Recipe:
    """The recipe that goes with a source of pictures; `net` None takes the recipe's own."""
    kind = source.partition(":")[0]
    make = RECIPES[kind if kind in ("signs", "cifar10") else "folder"]
    return make() if net is None else make(net)

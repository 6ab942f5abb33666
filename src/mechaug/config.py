"""What a study compares, as one frozen record."""

from dataclasses import dataclass

from mechaug.errors import UserError
from mechaug.evaluation.run import Suites
from mechaug.training import recipes
from mechaug.training.methods import Method, method
from mechaug.training.recipes import Recipe
from mechaug.version import VERSION


@dataclass(frozen=True)
class StudyConfig:
    """What a study compares; two studies with equal records have equal figures on one machine.

    Attributes:
        data: source of the pictures, as `mechaug.data.sources.load` takes it.
        methods: names of `training.methods.METHODS`.
        seeds: one training each per method.
        recipe: how each net is trained.
        suites: what is measured.
        train_size: training pictures; None for all.
        test_size: test pictures; None for all.
        image_size: side of the pictures; None for their own.
        skip_bad: leave out pictures that cannot be read.
        flips: whether a mirrored picture keeps its label.
        mixing_set: folder of the pictures that PixMix and IPMix mix in; empty for fractals that are drawn.
        device: where everything runs.
        version: of mechaug; another one may train and measure differently.

    Raises:
        UserError: no method or seed, one named twice, or a method that does not exist.
    """

    data: str
    methods: tuple[str, ...]
    seeds: tuple[int, ...]
    recipe: Recipe
    suites: Suites
    train_size: int | None = None
    test_size: int | None = None
    image_size: int | None = None
    skip_bad: bool = False
    flips: bool = True
    mixing_set: str = ""
    device: str = "cpu"
    version: str = VERSION

    def __post_init__(self) -> None:
        for what, values in (("method", self.methods), ("seed", self.seeds)):
            if not values:
                raise UserError(f"at least one {what} is needed: give --{what}s")
            if len(set(values)) < len(values):
                raise UserError(f"a {what} is named twice in {', '.join(map(str, values))}: name each once")
        for name in self.methods:
            method(name)

    @property
    def chosen(self) -> tuple[Method, ...]:
        """The methods themselves."""
        found = [method(name) for name in self.methods]
        return tuple(one.with_mixing_set(self.mixing_set) if self.mixing_set else one for one in found)


def default_recipe(source: str, net: str | None) -> Recipe:
    """The recipe that goes with a source of pictures; `net` None takes the recipe's own."""
    make = {"signs": recipes.signs, "cifar10": recipes.cifar10}.get(source.partition(":")[0], recipes.folder)
    return make() if net is None else make(net)

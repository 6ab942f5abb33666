"""From the options of a study or a training to its configuration."""

from typing import TYPE_CHECKING

from mechaug.commands.options import Training, device_of
from mechaug.errors import UserError

if TYPE_CHECKING:
    from mechaug.config import StudyConfig
    from mechaug.evaluation.suites import Suite


def study_config(
    data: str, given: Training, *, methods: tuple[str, ...], seeds: tuple[int, ...], suites: "tuple[Suite, ...]",
    test_size: int | None, overlap_draws: int = 0, data_name: str = "",
) -> "StudyConfig":  # fmt: skip
    """The configuration of a study, with the recipe that suits the data where nothing else is given.

    Raises:
        UserError: an option has a value that does not exist.
    """
    from mechaug.config import RECIPES, StudyConfig, default_recipe
    from mechaug.training.checkpoint import load_model, weights_in
    from mechaug.training.engine import resolve_precision

    net = None if given.net == "auto" else given.net
    if given.start is not None and net is None:
        net = load_model(weights_in(given.start))[1].net
    named = "finetune" if given.recipe == "auto" and given.start is not None else given.recipe
    if named == "auto":
        recipe = default_recipe(data, net)
    else:
        recipe = RECIPES[named]() if net is None else RECIPES[named](net)
    changes = {name: getattr(given, name) for name in ("epochs", "steps", "batch_size", "learning_rate")}
    device = device_of(given.device)
    try:
        recipe = recipe.replace(
            # What auto means here is written down, so that a study that moves to another kind of machine is told so.
            precision=resolve_precision(recipe.precision, device),
            **{name: value for name, value in changes.items() if value is not None},
        )
    except ValueError as error:
        raise UserError(str(error)) from error
    return StudyConfig(
        data=data, methods=methods, seeds=seeds, recipe=recipe, suites=suites, train_size=given.train_size,
        test_size=test_size, image_size=given.image_size, skip_bad=given.skip_bad, device=device,
        data_name=data_name,
        mixing_set=given.mixing_set, start="" if given.start is None else str(given.start),
        overlap_draws=overlap_draws,
        flips=given.flips == "yes" or (given.flips == "auto" and not data.startswith("signs")),
    )  # fmt: skip

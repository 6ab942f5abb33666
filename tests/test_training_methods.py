"""Every method trains: a tiny study over all of them on the embedded data, for real."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from mechaug import heuristics
from mechaug.config import StudyConfig
from mechaug.errors import UserError
from mechaug.evaluation.result import Result, read_result
from mechaug.evaluation.suites import Limits, choose_suites
from mechaug.heuristics.views import ViewMaker
from mechaug.mechanisms.relatives import BAR_CORRUPTIONS, COMMON_CORRUPTIONS
from mechaug.study import run_study
from mechaug.training import recipes
from mechaug.training.checkpoint import load_model
from mechaug.training.methods import METHODS, method

NAMES = tuple(one.name for one in METHODS)
STEPS = 2
each_method = pytest.mark.parametrize("name", NAMES)


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Result]:
    config = StudyConfig(
        data="signs",
        methods=NAMES,
        seeds=(0,),
        recipe=replace(recipes.signs(), steps=STEPS, batch_size=16),
        suites=choose_suites(("clean", "c"), Limits(corrupted=20, severities=(3,))),
        train_size=40,
        test_size=20,
        flips=False,
    )
    folder = tmp_path_factory.mktemp("methods")
    return folder, run_study(config, folder, command="mechaug study")


@each_method
def test_it_trains_and_is_measured(study: tuple[Path, Result], name: str) -> None:
    folder, result = study
    entry = next(one for one in result.methods if one.name == name)
    assert entry.runs[0].steps == STEPS
    assert 0 <= entry.evaluation.clean.value <= 1
    assert entry.evaluation.corrupted is not None
    state, _ = load_model(folder / "runs" / name / "seed-0" / "model.safetensors")
    assert all(torch.isfinite(value).all() for value in state.values())
    if name != "flip-crop":
        other, _ = load_model(folder / "runs" / "flip-crop" / "seed-0" / "model.safetensors")
        assert any(not torch.equal(value, other[key]) for key, value in state.items())


def test_the_gallery_shows_what_makes_pictures_without_a_net(study: tuple[Path, Result]) -> None:
    _, result = study
    shown = {picture.file.removeprefix("gallery/augmentation-") for picture in result.gallery}
    assert {"mixup.png", "pixmix.png", "apr-sp.png", "flip-crop.png"} <= shown
    assert not {"augmax.png", "mixstyle.png", "none.png"} & shown
    assert read_result(study[0] / "result.json") == result


@each_method
def test_what_it_says_of_itself_holds(name: str) -> None:
    chosen = method(name)
    assert chosen.title
    assert chosen.description.endswith(".")
    assert set(chosen.sees) <= {*COMMON_CORRUPTIONS, *BAR_CORRUPTIONS}
    assert (chosen.augmentation is None) == (chosen.objective.inputs.views == 0)
    if chosen.family == "heuristic":
        about = chosen.augmentation.about  # type: ignore[union-attr]
        assert about.citation.short in chosen.description
        assert about.principle in chosen.description


def test_every_heuristic_is_a_method() -> None:
    trained = {type(one.augmentation) for one in METHODS}
    kinds = {kind for kind in heuristics.TYPES.values() if issubclass(kind, heuristics.Heuristic | ViewMaker)}
    # Flip and crop is what every other method starts from.
    assert kinds - {heuristics.FlipCrop} <= trained
    assert len({one.title for one in METHODS}) == len(METHODS)


def test_a_method_that_does_not_exist_is_named() -> None:
    with pytest.raises(UserError, match=r"'augmx'; `mechaug review` lists"):
        method("augmx")


def test_a_folder_of_pictures_to_mix_in_reaches_those_that_use_one(tmp_path: Path) -> None:
    chosen = method("pixmix").with_mixing_set(str(tmp_path))
    assert chosen.augmentation == heuristics.PixMix(mixing_set=heuristics.MixingSet(str(tmp_path)))
    assert method("augmix").with_mixing_set(str(tmp_path)) is method("augmix")
    config = StudyConfig(
        data="signs", methods=("ipmix", "mixup"), seeds=(0,), recipe=recipes.signs(), suites=choose_suites(("clean",)),
        mixing_set=str(tmp_path),
    )  # fmt: skip
    first, second = config.chosen
    assert isinstance(first.augmentation, heuristics.IPMix)
    assert first.augmentation.mixing_set.folder == str(tmp_path)
    assert second is method("mixup")

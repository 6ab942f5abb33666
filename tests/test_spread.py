"""Studies whose trainings are spread: by a stand-in always, by a local Ray where it is installed."""

import importlib
import importlib.util
from collections.abc import Sequence
from pathlib import Path

import pytest

from mechaug import cli
from mechaug.config import StudyConfig
from mechaug.evaluation.result import Result
from mechaug.evaluation.suites import Limits, choose_suites
from mechaug.spread import Spread
from mechaug.study import run_piece, run_study
from mechaug.training import recipes
from mechaug.watch import Silent, Watch


def config(methods: Sequence[str] = ("flip-crop", "camera:no-noise")) -> StudyConfig:
    return StudyConfig(
        data="signs", methods=tuple(methods), seeds=(0, 1), train_size=80, test_size=20, flips=False,
        recipe=recipes.signs().replace(batch_size=40, steps=2, precision="float32"),
        suites=choose_suites(("clean", "pgd"), Limits(attacked=5)),
    )  # fmt: skip


def figures(result: Result) -> list[object]:
    return [(entry.name, entry.evaluation, [run.clean for run in entry.runs]) for entry in result.methods]


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> list[object]:
    return figures(run_study(config(), tmp_path_factory.mktemp("alone"), command=""))


def test_pieces_in_any_order_make_the_same_study(alone: list[object], tmp_path: Path) -> None:
    asked: list[list[tuple[str, int]]] = []

    def backwards(config: StudyConfig, folder: Path, pieces: Sequence[tuple[str, int]], watch: Watch) -> None:
        asked.append(list(pieces))
        for name, seed in reversed(pieces):
            run_piece(config, folder, name, seed)

    assert figures(run_study(config(), tmp_path, command="", spread=backwards)) == alone
    assert figures(run_study(config(), tmp_path, command="", spread=backwards)) == alone
    every = [(name, seed) for name in ("flip-crop", "camera:no-noise") for seed in (0, 1)]
    assert asked == [every, []]


def test_without_ray_it_is_said_how_to_get_it(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    real = importlib.import_module

    def missing(name: str, package: str | None = None):
        if name == "ray":
            raise ImportError(name)
        return real(name, package)

    monkeypatch.setattr(importlib, "import_module", missing)
    with pytest.raises(SystemExit) as stop:
        cli.main(["study", "--ray", "auto", "--out", str(tmp_path)])
    said = capsys.readouterr().err
    assert stop.value.code == 2
    assert "pip install 'mechaug[ray]'" in said and "Traceback" not in said


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # Ray's own
def test_a_local_ray_makes_the_same_study(alone: list[object], tmp_path: Path) -> None:
    pytest.importorskip("ray")
    assert figures(run_study(config(), tmp_path, command="", spread=Spread("local"))) == alone


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_what_goes_wrong_on_a_worker_is_one_sentence(tmp_path: Path) -> None:
    pytest.importorskip("ray")
    from mechaug.errors import UserError

    (tmp_path / "runs" / "flip-crop" / "seed-0").mkdir(parents=True)
    (tmp_path / "runs" / "flip-crop" / "seed-0" / "checkpoint.safetensors").write_bytes(b"damaged")
    with pytest.raises(UserError, match=r"^flip-crop, seed 0: .* is not a whole safetensors file"):
        Spread("local")(config(["flip-crop"]), tmp_path, [("flip-crop", 0)], Silent())

"""The honest protocol: from the command line to the page, and every comparison as it follows from the outcomes."""

import json
import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from mechaug import cli, pace
from mechaug.config import StudyConfig
from mechaug.errors import UserError
from mechaug.evaluation import bootstrap, contrasts
from mechaug.evaluation.kept import read_outcomes
from mechaug.evaluation.pairs import compare_sides, read_side
from mechaug.evaluation.result import Contrast, Measurement, Result, Run, read_result
from mechaug.job import load_data
from mechaug.protocol import RIVALS, Honest, budgets
from mechaug.reports.contrasts import contrast_tables, points, protocol_findings
from mechaug.training import recipes
from mechaug.training.arms import FAMILIES, left_out
from mechaug.training.methods import method
from test_reports_html import make_result

COMMAND = [
    "study", "--protocol", "honest", "--mechanism", "camera", "--methods", "flip-crop", "augmix-jsd", "--seeds", "0",
    "--steps", "2", "--batch-size", "40", "--train-size", "80", "--test-size", "30", "--suites", "clean", "c",
    "--severities", "3", "--shift", "signs:0.9", "--other-size", "30",
]  # fmt: skip


def run(out: Path) -> dict[str, Result]:
    with pytest.raises(SystemExit) as stop:
        cli.main([*COMMAND, "--out", str(out)])
    assert stop.value.code == 0
    return {name: read_result(out / name / "result.json") for name in ("epochs", "time")}


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Result]]:
    out = tmp_path_factory.mktemp("honest")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bootstrap, "RESAMPLES", 100)
        return out, run(out)


def test_all_arms_and_rivals_are_measured_alike(study: tuple[Path, dict[str, Result]]) -> None:
    _, results = study
    arms = ["camera", "camera:unseen", *(f"camera:no-{family}" for family in FAMILIES)]
    for result in results.values():
        assert [entry.name for entry in result.methods] == [*arms, "flip-crop", "augmix-jsd"]
        assert [suite.name for suite in result.suites] == ["clean", "c", "shift"]
        assert {one.question for one in result.contrasts} == {contrasts.ALL, contrasts.UNSEEN, contrasts.LEFT_OUT}
        assert len(result.contrasts) == 2 * (2 * 3 + len(FAMILIES) + 1)
        for entry in result.methods:
            assert entry.name != "camera:unseen" or not set(entry.sees) & {n for f in FAMILIES.values() for n in f}


def test_a_difference_is_that_of_the_outcomes(study: tuple[Path, dict[str, Result]]) -> None:
    out, results = study
    found = {(one.question, one.second, one.measured): one for one in results["epochs"].contrasts}

    def rights(name: str) -> dict[str, torch.Tensor]:
        _, outcomes, _ = read_outcomes(out / "epochs" / "runs" / name / "seed-0" / "outcomes")
        return {part: value["right"].double() for part, value in outcomes["c"].items()}

    rival, gaps = rights("flip-crop"), []
    for family, names in FAMILIES.items():
        ours = rights(f"camera--no-{family}")
        own = [(ours[name] - rival[name]).mean() for name in names if name in ours]
        one = found[contrasts.LEFT_OUT, "Flip and crop", f"left out: {family}"]
        assert one.difference.value == pytest.approx(torch.stack(own).mean().item(), abs=1e-6)
        gaps += own
    together = found[contrasts.LEFT_OUT, "Flip and crop", contrasts.TOGETHER]
    assert together.difference.value == pytest.approx(torch.stack(gaps).mean().item(), abs=1e-6)
    ours = rights("camera--unseen")
    one = found[contrasts.UNSEEN, "Flip and crop", "c (severities 3)"]
    gap = torch.stack([ours[name] - rival[name] for name in rival]).mean().item()
    assert one.difference.value == pytest.approx(gap, abs=1e-6)
    # The other road to the same figure: `mechaug compare` on two methods of the result.
    sides = [read_side(f"{out / 'epochs'}:{name}") for name in ("camera:unseen", "flip-crop")]
    assert compare_sides(*sides)["c (severities 3)"].difference.value == pytest.approx(gap, abs=1e-6)


def test_equal_time_gives_each_the_steps_of_the_same_seconds(study: tuple[Path, dict[str, Result]]) -> None:
    out, results = study
    paces = json.loads((out / "pace.json").read_text())
    assert list(paces) == [entry.name for entry in results["time"].methods]
    for entry in results["time"].methods:
        assert entry.runs[0].steps == (
            2 if entry.name == "camera" else max(1, round(2 * paces["camera"] / paces[entry.name]))
        )
    by_epochs = {entry.name: entry for entry in results["epochs"].methods}
    same = next(entry for entry in results["time"].methods if entry.name == "camera")
    assert same.evaluation == by_epochs["camera"].evaluation  # the same net, trained again


def test_what_costs_twice_as_much_takes_twice_as_long(monkeypatch: pytest.MonkeyPatch) -> None:
    config = StudyConfig(
        data="signs", methods=("flip-crop", "pgd-at"), seeds=(0,), recipe=recipes.signs().replace(batch_size=40),
        suites=(), train_size=80, test_size=0,
    )  # fmt: skip
    monkeypatch.setattr(pace, "STEPS", 4)
    found = pace.step_seconds(config, load_data(config))
    assert list(found) == ["flip-crop", "pgd-at"]
    assert 3 * found["flip-crop"] < found["pgd-at"] < math.inf  # eleven times the passes


def test_times_that_are_not_equal_are_doubted(study: tuple[Path, dict[str, Result]]) -> None:
    honest, result = Honest("camera", ("flip-crop",)), study[1]["time"]
    seconds = {"camera": 10.0, "flip-crop": 11.0, "augmix-jsd": 20.0}
    methods = tuple(
        replace(entry, runs=(Run(0, 100, seconds[entry.name], 1.0, 1.0, 0.5, None, None),),
                evaluation=replace(entry.evaluation, cautions=()))
        for entry in result.methods if entry.name in seconds
    )  # fmt: skip
    doubted = honest.doubt(replace(result, methods=methods))
    cautions = {entry.name: entry.evaluation.cautions for entry in doubted.methods}
    assert cautions["camera"] == cautions["flip-crop"] == ()
    assert "took 2 times as long" in cautions["augmix-jsd"][0]


def test_the_page_shows_every_question_and_goes_on(study: tuple[Path, dict[str, Result]]) -> None:
    out, results = study
    page = (out / "report.html").read_text(encoding="utf-8")
    assert "at equal epochs" in page and "at equal wall time" in page
    for question in (contrasts.ALL, contrasts.UNSEEN, contrasts.LEFT_OUT):
        assert page.count(f"{question[0].upper()}{question[1:]}</h3>") == 2
    for result in results.values():
        for one in result.contrasts:
            assert points(one) in page
    (out / "report.html").unlink()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bootstrap, "RESAMPLES", 100)
        again = run(out)
    for name, result in results.items():
        assert again[name].methods == result.methods
        assert again[name].contrasts == result.contrasts
    assert (out / "report.html").exists()


def test_a_table_counts_what_is_shown() -> None:
    def one(rival: str, value: float, verdict: str) -> Contrast:
        return Contrast("q", "a", rival, "c", Measurement(value, value - 0.01, value + 0.01, 9), 0.01, 0.04, verdict)

    nothing, better = "no difference shown", "first is better"
    made = (one("x", 0.02, better), one("y", 0.005, nothing), one("z", -0.02, nothing))
    result = replace(make_result(methods=0), contrasts=made)
    (table,) = contrast_tables(result)
    assert [rival for rival, _ in table.rows] == ["x", "y", "z"]
    assert "Of 3 comparisons, 1 show it better, 0 show it worse and 2 show no difference; 2 intervals" in table.summary
    (finding,) = protocol_findings(result)
    assert finding.headline == "a: shown better in 1 of 3 comparisons, worse in 0, no difference shown in 2"
    assert "better than x on c (+2.0 [+1.0, +3.0])." in finding.text and finding.shown
    (finding,) = protocol_findings(replace(result, contrasts=made[1:]))
    assert finding.shown is False and finding.text == "No difference is shown at all."
    # What no corruption measured is no finding under corruption.
    assert protocol_findings(replace(result, contrasts=(replace(made[0], measured="clean"),))) == ()


def test_a_family_that_is_never_seen_needs_no_arm() -> None:
    assert set(left_out("camera-jsd").values()) == {f"camera-jsd:no-{family}" for family in FAMILIES}
    assert left_out("camera-jsd:unseen") == dict.fromkeys(FAMILIES, "camera-jsd:unseen")
    assert set(RIVALS) == {method(name).name for name in RIVALS}


def test_who_cannot_be_asked_is_told() -> None:
    with pytest.raises(UserError, match="compared with itself"):
        Honest("mixup")
    with pytest.raises(UserError, match="nothing is left of flip-crop"):
        StudyConfig(
            data="signs", methods=Honest("flip-crop", ("none",)).methods, seeds=(0,), recipe=recipes.signs(), suites=()
        )


def test_budgets_reach_the_recipe() -> None:
    assert budgets({"camera": 0.3, "flip-crop": 0.1}, "camera", 100) == (100, 300)
    config = StudyConfig(
        data="signs", methods=("camera", "flip-crop"), seeds=(0,), recipe=recipes.signs(), suites=(), budgets=(100, 300)
    )
    assert config.recipe_of("flip-crop", 1280).total_steps(1280) == 300
    assert config.recipe_of("camera", 1280).total_steps(1280) == 100

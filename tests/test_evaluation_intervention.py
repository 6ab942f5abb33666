"""The criteria of an intervention: what holds for a scene's do(), what a heuristic fails, and the committed result."""

import json
from pathlib import Path

import pytest
import torch

from mechaug import mechanisms as m
from mechaug.data import signs
from mechaug.evaluation import InterventionReport, intervention_report
from mechaug.heuristics.augmix import AugMix
from mechaug.scenes import Scene, Variable, library

RESULTS = Path(__file__).resolve().parents[1] / "benchmarks" / "results" / "0.1.0"
TIED = signs(200, 0, confounding=0.95)
SCENE = library.relighting()
NOTHING = m.Illuminant(mired=153.75, tint_duv=0.0)


def report(augmentation: m.Mechanism, count: int = 60) -> InterventionReport:
    return intervention_report(augmentation, SCENE, TIED, count=count)


def verdicts(found: InterventionReport) -> dict[str, bool]:
    return {criterion.name: criterion.holds for criterion in found.criteria}


def test_do_is_an_intervention() -> None:
    found = report(SCENE.do(illuminant_mired=(100.0, 400.0)), count=200)
    assert found.holds, found.text()
    assert found.dependence_before > 0.7 and found.ruler > 0.85
    assert "simulates do(illuminant_mired)" in found.text()


def test_do_of_one_value_is_an_intervention() -> None:
    found = report(SCENE.do(illuminant_mired=250.0))
    assert found.holds, found.text()
    assert "of the variance is gone" in found.text()
    # Who means another value than the pictures have is told so: the light is left where it was tied to the class.
    untouched = Scene(SCENE.variables, m.Chain(NOTHING)).do(illuminant_mired=250.0)
    assert not verdicts(report(untouched))["effectiveness"]


def test_a_heuristic_is_none() -> None:
    found = report(AugMix())
    told = verdicts(found)
    assert not told["commutation"] and not told["independence"] and not told["effectiveness"]
    assert "does not simulate" in found.text()


def test_nothing_commutes_and_removes_nothing() -> None:
    """The identity shows that no criterion alone is enough."""
    told = verdicts(report(NOTHING))
    assert told["commutation"] and told["composition"] and told["label preservation"]
    assert not told["independence"] and not told["effectiveness"]


def test_a_mirror_does_not_keep_labels() -> None:
    """Half of a turn of the plate makes another sign of it, or none."""
    told = verdicts(report(m.Viewpoint(rotation_deg=180.0, log2_scale=0.0, shift_x=0.0, shift_y=0.0)))
    assert not told["label preservation"] and not told["commutation"]


def test_what_cannot_be_measured_is_said() -> None:
    free = Scene((Variable("illuminant_mired", "mired", 200.0),), m.Chain(m.Illuminant(mired="illuminant_mired")))
    with pytest.raises(ValueError, match="no bounds"):
        intervention_report(NOTHING, free, TIED)
    with pytest.raises(ValueError, match="no cause named 'lamp_lux'"):
        bounded = Scene((Variable("lamp_lux", "lux", 5.0, low=1.0, high=9.0),), m.Chain(m.Jpeg()))
        intervention_report(NOTHING, bounded, TIED, variable="lamp_lux")
    with pytest.raises(ValueError, match="more pictures"):
        intervention_report(NOTHING, SCENE, TIED, count=10)


@pytest.mark.untyped  # run without run-time checks, which would refuse it first
def test_pictures_without_causes_are_refused() -> None:
    with pytest.raises(TypeError, match="signs with their causes"):
        intervention_report(NOTHING, SCENE, TIED.train)  # type: ignore[arg-type]


def test_confounding_is_as_stated() -> None:
    """One nuisance is tied to the class in training, and in reverse order in the test split."""
    drawn = signs(1000, 1000, confounding=0.95)
    for pictures, causes, sign in (
        (drawn.train, drawn.train_nuisances, 1), (drawn.test, drawn.test_nuisances, -1),
    ):  # fmt: skip
        together = torch.corrcoef(torch.stack((pictures.labels.float(), causes.illuminant_mired)))[0, 1].item()
        assert 0.85 < sign * together < 1
        others = ("exposure_ev", "scale", "rotation_deg", "shadow_depth", "fading")
        for name in others:
            table = torch.stack((pictures.labels.float(), getattr(causes, name)))
            assert abs(torch.corrcoef(table)[0, 1].item()) < 0.12


def test_the_committed_result_meets_the_goal() -> None:
    record = json.loads((RESULTS / "confounding.json").read_text(encoding="utf-8"))
    kept = {row["name"]: [run["kept"] for run in row["runs"]] for row in record["methods"]}
    assert record["confounding"] == 0.95 and all(len(runs) == 3 for runs in kept.values())
    assert min(kept["scene-do"]) >= 0.9
    assert max(kept["plain"]) < 0.8 and max(kept["augmix"]) < 0.8 and max(kept["augmix-jsd"]) < 0.8
    reports = json.loads((RESULTS / "interventions.json").read_text(encoding="utf-8"))["reports"]
    assert [row["augmentation"] for row in reports if row["holds"]] == ["scene-do"]
    assert "augmix" in [row["augmentation"] for row in reports]

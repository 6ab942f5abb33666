"""Measuring one model: the same pictures for all, outcomes that add up, and parts that are kept and not repeated."""

import math
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from mechaug.data.pictures import Pictures
from mechaug.errors import UserError
from mechaug.evaluation.kept import Place, kept_suites
from mechaug.evaluation.result import Evaluation
from mechaug.evaluation.run import Outcomes, describe, digest, mean, measure, pool
from mechaug.evaluation.stability import FRAMES
from mechaug.evaluation.suites import KNOWN, Limits, Subject, Suite, Target, choose_suites, some
from mechaug.evaluation.suites.attacked import Attacked
from mechaug.evaluation.suites.base import Kept
from mechaug.evaluation.suites.clean import Calibration, Clean
from mechaug.evaluation.suites.corrupted import Corrupted
from mechaug.evaluation.suites.frequency import Frequency
from mechaug.evaluation.suites.stable import Stable
from mechaug.evaluation.suites.worst import Worst
from mechaug.keys import Key

CLASSES = ("dark", "middling", "bright")
UNDER = Corrupted("c", ("gaussian_noise", "contrast"), (1, 5), 30)
SUITES = (Clean(), UNDER, Attacked("pgd", 12, steps=2), Calibration())


def pictures(count: int = 90, size: int = 16) -> Pictures:
    """Sorted by class, as folders are."""
    labels = torch.arange(count) * 3 // count
    key = Key(1).at(torch.arange(count))
    pixels = (60 + 70 * labels[:, None, None, None] + 8 * key.field(3, size, size)).clamp(0, 255).to(torch.uint8)
    return Pictures(pixels, labels, torch.arange(count))


class Brightness(nn.Module):
    """Knows the classes by their brightness, and is wrong where told to be; counts the pictures that it sees."""

    def __init__(self, outputs: int = 3, scale: float = 50.0) -> None:
        super().__init__()
        self.centres = nn.Parameter(torch.linspace(60, 200, outputs) / 255)
        self.scale = scale
        self.seen = 0

    def forward(self, x: Tensor) -> Tensor:
        self.seen += len(x)
        return -self.scale * (x.mean((1, 2, 3))[:, None] - self.centres).square() * 50


TARGET = Target(pictures(), CLASSES)


def run(
    model: nn.Module, folder: Path, suites: tuple[Suite, ...] = SUITES, target: Target = TARGET, name: str = "a model"
) -> Outcomes:
    place = Place(folder, name, digest(target.pictures))
    return measure(suites, Subject(model, "cpu", 16), target, place)


def test_some_pictures_have_every_class_whatever_the_order() -> None:
    data = pictures()
    rows = some(data, 12)
    assert data.labels[rows].bincount().tolist() == [4, 4, 4]
    assert torch.equal(rows, some(data, 12))
    assert torch.equal(some(data, 90), torch.arange(90))
    assert torch.equal(some(data, 1000), torch.arange(90))
    assert len(some(data, 0)) == 0
    assert sorted(data.labels[some(data, 2)].tolist()) == [0, 1, 2]


def test_what_a_suite_says_that_it_costs_is_on_one_picture_of_each_class_at_least() -> None:
    assert Stable(1).passes("scale", TARGET) == 3 * FRAMES
    few, three, more = (Worst(count, draws=10).passes("camera", TARGET) for count in (2, 3, 9))
    assert few == three < more


@pytest.mark.parametrize("part", Frequency(3).parts())
def test_each_part_of_the_frequencies_says_what_it_costs_so_that_progress_does_not_stand_still(part: str) -> None:
    model, told = Brightness(), []
    Frequency(3).measure(part, Subject(model, "cpu", 16), TARGET, lambda passes, _: told.append(passes))
    assert model.seen == sum(told) == Frequency(3).passes(part, TARGET)


def test_kept_pictures_are_made_once_as_far_as_the_budget_goes() -> None:
    made = []

    def make() -> Tensor:
        made.append(1)
        return torch.zeros(1, 1, 2, 5, dtype=torch.uint8)

    kept = Kept(15)
    assert kept.get((1,), make) is kept.get((1,), make)
    assert kept.get((2,), make) is not kept.get((2,), make)
    assert len(made) == 3


def test_outcomes_do_not_depend_on_what_is_kept_or_on_the_batch(tmp_path: Path) -> None:
    first = run(Brightness(scale=1.0), tmp_path / "a")
    kept = run(Brightness(scale=1.0), tmp_path / "b", target=replace(TARGET, kept=Kept(10**9)))
    place = Place(tmp_path / "c", "a model", digest(TARGET.pictures))
    whole = measure(SUITES, Subject(Brightness(scale=1.0), "cpu", 1000), TARGET, place)
    for other in (kept, whole):
        for name in UNDER.corruptions:
            assert torch.equal(first["c"][name]["right"], other["c"][name]["right"])


def test_finished_parts_are_kept_and_not_repeated(tmp_path: Path) -> None:
    first, model = run(Brightness(), tmp_path), Brightness()
    again = run(model, tmp_path)
    assert model.seen == 0, "everything was there"
    for suite, parts in first.items():
        for part, tensors in parts.items():
            assert all(torch.equal(again[suite][part][name], value) for name, value in tensors.items())
    (tmp_path / "c" / "contrast.safetensors").unlink()
    run(model, tmp_path)
    assert model.seen == 30 * 2, "one corruption at two severities was missing"


def test_damaged_parts_and_those_of_others_are_measured_again(tmp_path: Path) -> None:
    run(Brightness(), tmp_path)
    file = tmp_path / "clean" / "all.safetensors"
    file.write_bytes(file.read_bytes()[:100])
    model = Brightness()
    run(model, tmp_path)
    assert model.seen == 90
    other = Brightness()
    run(other, tmp_path, name="another model")
    assert other.seen > 90 + 4 * 30
    stronger = Brightness()
    run(stronger, tmp_path, (Clean(), replace(UNDER, severities=(1, 3, 5))), name="another model")
    assert stronger.seen == 2 * 3 * 30, "other settings are another measurement"


def test_what_lies_there_is_found_again_as_suites(tmp_path: Path) -> None:
    run(Brightness(), tmp_path)
    place = Place(tmp_path, "a model", digest(TARGET.pictures))
    assert kept_suites(place) == SUITES
    (tmp_path / "c" / "contrast.safetensors").unlink()
    assert [suite.name for suite in kept_suites(place)] == ["clean", "pgd", "calibration"]
    assert kept_suites(replace(place, model="another")) == ()


def test_figures_are_the_means_of_the_outcomes(tmp_path: Path) -> None:
    runs = [run(Brightness(scale=scale), tmp_path / str(scale)) for scale in (50.0, 1.0)]
    figures = pool(SUITES, runs, TARGET)
    under = torch.stack([torch.stack([one["c"][name]["right"] for name in UNDER.corruptions]) for one in runs]).double()
    assert figures.corrupted is not None and figures.attacked is not None
    assert figures.corrupted.value == pytest.approx(under.mean().item())
    stayed = torch.stack([one["pgd"]["all"]["broken_by"] == -1 for one in runs]).double()
    assert figures.attacked.value == pytest.approx(stayed.mean().item())
    assert mean(runs[0], "pgd") == pytest.approx(stayed[0].mean().item())
    assert mean(runs[1], "c") == pytest.approx(under[1].mean().item())
    assert mean(runs[0], "stability") is None
    by_place = {(cell.corruption, cell.severity): cell.accuracy.value for cell in figures.cells}
    for row, name in enumerate(UNDER.corruptions):
        for column, severity in enumerate(UNDER.severities):
            assert by_place[name, severity] == pytest.approx(under[:, row, column].mean().item())


def test_suites_that_are_left_out_leave_no_figures(tmp_path: Path) -> None:
    figures = pool((Clean(),), [run(Brightness(), tmp_path, (Clean(),))], TARGET)
    assert figures.corrupted is None and figures.attacked is None and figures.worst_class_corrupted is None
    assert figures.cells == ()
    assert {figure.suite for figure in figures.figures} == {"clean"}
    assert [suite.name for suite in describe((Clean(),))] == ["clean"]


def test_suites_are_chosen_by_name() -> None:
    chosen = choose_suites(["pgd", "c-bar"], Limits(attacked=3))
    assert [suite.name for suite in chosen] == ["clean", "c-bar", "pgd"]
    assert [suite.name for suite in choose_suites(["pgd"], Limits(attacked=0))] == ["clean"]
    assert "shift" in [suite.name for suite in choose_suites([], Limits(shift=("signs",)))]
    with pytest.raises(UserError, match="there is no suite 'x': choose from clean, c, "):
        choose_suites(["x"])
    with pytest.raises(UserError, match="--shift"):
        choose_suites(["shift"])
    with pytest.raises(UserError, match="--ood"):
        choose_suites(["ood"])


def test_corruptions_are_those_of_the_size() -> None:
    (_, small), (_, large) = ([s.for_size(side, side) for s in choose_suites(["c-bar"])] for side in (32, 224))
    assert isinstance(small, Corrupted) and isinstance(large, Corrupted)
    assert len(small.corruptions) == len(large.corruptions) == 10
    assert small.corruptions != large.corruptions
    assert "checkerboard_cutout" in small.corruptions and "checkerboard_cutout" in large.corruptions


@dataclass
class Heard:
    """A watch that adds up."""

    total: int = 0
    done: int = 0
    notes: tuple[str, ...] = ()

    def begin(self, title: str, total: int, unit: str) -> None:
        self.total = total

    def advance(self, count: int, note: str = "") -> None:
        self.done += count
        self.notes += (note,)

    def say(self, text: str) -> None:
        self.notes += (text,)


@pytest.fixture(scope="module")
def everything(tmp_path_factory: pytest.TempPathFactory) -> tuple[Evaluation, Heard, Outcomes, tuple[Suite, ...]]:
    """Every suite that there is, on a handful of pictures."""
    others = tmp_path_factory.mktemp("others")
    for name in ("a", "b"):
        (others / name).mkdir()
    from PIL import Image

    for number, level in enumerate((70, 120)):
        for copy in range(3):
            Image.new("RGB", (20, 20), (level + copy,) * 3).save(others / "ab"[number] / f"{copy}.png")
    groups = torch.arange(30) % 2
    target = Target(pictures(30), CLASSES, groups=groups, group_names=("even", "odd"))
    limits = Limits(corrupted=6, attacked=3, probed=4, severities=(1,), shift=("signs",), elsewhere=(str(others),))
    suites = tuple(
        s.for_size(16, 16)
        for s in choose_suites([n for n in KNOWN if n not in ("shift", "c-bar", "autoattack-rand")], limits)
    )
    suites = tuple(s for s in suites if s.name != "shift")
    heard = Heard()
    place = Place(tmp_path_factory.mktemp("outcomes"), "a model", digest(target.pictures))
    outcomes = measure(suites, Subject(Brightness(scale=5.0), "cpu", 8), target, place, watch=heard)
    return pool(suites, [outcomes, outcomes], target), heard, outcomes, suites


def test_every_suite_gives_figures_that_make_sense(
    everything: tuple[Evaluation, Heard, Outcomes, tuple[Suite, ...]],
) -> None:
    evaluation, _, _, suites = everything
    assert {f.suite for f in evaluation.figures} == {s.name for s in suites} - {"pgd"}
    for figure in evaluation.figures:
        m = figure.measurement
        assert math.isfinite(m.value), figure
        if not math.isnan(m.low):
            assert m.low <= m.value + 1e-9 and m.value <= m.high + 1e-9, figure
        if figure.unit == "%":
            assert -1 <= m.value <= 1.5, figure
    assert {cell.suite for cell in evaluation.cells} == {"c", "c-extra"}
    (grid,) = evaluation.grids
    assert len(grid.values) == len(grid.values[0]) == 15
    assert any("few classes" in c or "four classes" in c for c in evaluation.cautions)
    assert {f.group for f in evaluation.figures if f.suite == "clean"} == {"By class", "By group"}


def test_groups_are_judged_under_corruption_too() -> None:
    """Bright pictures are of one group, which the noise of a threshold leaves right: every figure can be counted."""
    suite = Corrupted("c", ("brightness", "contrast"), (3,), 100, None, None)
    groups = torch.arange(len(TARGET.pictures)) % 2
    target = replace(TARGET, groups=groups, group_names=("even", "odd"))
    right = torch.stack([torch.arange(len(groups)) % 4 != number for number in (0, 1)])[:, None]
    outcomes = [
        {"clean": {"right": right[0, 0]}, **{name: {"right": right[k]} for k, name in enumerate(suite.parts())}}
    ]
    figures = {f.name: f.measurement for f in suite.score(outcomes, target, Key(0)).figures if f.group == "By group"}
    even = groups == 0
    expected = {name: float(right.float().mean(0)[0, rows].mean()) for name, rows in (("even", even), ("odd", ~even))}
    assert {name: figures[name].value for name in expected} == pytest.approx(expected)
    assert figures["gap between groups"].value == pytest.approx(abs(expected["even"] - expected["odd"]), abs=1e-6)
    lowest = min(
        (float(right[k, 0, rows].float().mean()), name, part)
        for k, part in enumerate(suite.parts())
        for name, rows in (("even", even), ("odd", ~even))
    )
    assert figures[f"worst group and corruption: {lowest[1]} under {lowest[2]}"].value == pytest.approx(lowest[0])


def test_progress_ends_where_it_said_it_would(
    everything: tuple[Evaluation, Heard, Outcomes, tuple[Suite, ...]],
) -> None:
    _, heard, _, suites = everything
    parts = sum(len(suite.parts()) for suite in suites)
    assert heard.total > 0
    assert abs(heard.done - heard.total) <= parts, "each part may round by one pass"
    assert any("Square" in note for note in heard.notes)


def test_models_that_cannot_be_measured_are_said_to_be(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="7 classes apart, and the data has 3"):
        run(Brightness(outputs=7), tmp_path)
    with pytest.raises(UserError, match="not finite"):
        run(Brightness(scale=float("nan")), tmp_path)
    empty = Target(TARGET.pictures.rows(slice(0)), CLASSES)
    with pytest.raises(UserError, match="--test-size"):
        run(Brightness(), tmp_path, target=empty)


def test_digest_tells_pictures_and_labels_apart() -> None:
    data = pictures()
    assert digest(data) == digest(pictures())
    assert digest(replace(data, labels=data.labels.flip(0))) != digest(data)
    assert digest(data.rows(slice(1, None))) != digest(data)
    changed = data.pixels.clone()
    changed[0, 0, 0, 0] += 1
    assert digest(replace(data, pixels=changed)) != digest(data)

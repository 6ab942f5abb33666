"""`mechaug evaluate` and `mechaug compare` for real: kills, merges, and what does not fit."""

import functools
import importlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors import safe_open
from safetensors.torch import load, save_file

from mechaug import cli, spec
from mechaug.config import EvaluationConfig
from mechaug.errors import UserError
from mechaug.evaluation.attacks_auto import randomised
from mechaug.evaluation.pairs import Side, compare_sides, flip_rate, left_out, read_side
from mechaug.evaluation.result import Result, read_result, write_result
from mechaug.evaluation.suites import Limits, Suite, choose_suites
from mechaug.evaluation.suites.attacked import Attacked
from mechaug.evaluation.suites.clean import Clean
from mechaug.evaluation.suites.stable import Stable
from mechaug.job import evaluate_model

LIST = ["--suites", "clean", "c", "pgd", "calibration"]
SIZES = ["--test-size", "60", "--corrupt-size", "30", "--attack-size", "10", "--probe-size", "20"]


def colours(scale: float = 40.0) -> torch.nn.Module:
    """Ten classes from three colour means."""
    net = torch.nn.Sequential(torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten(), torch.nn.Linear(3, 10))
    with torch.no_grad():
        net[2].weight.copy_(torch.linspace(-1, 1, 30).reshape(10, 3).sin() * scale)
        net[2].bias.zero_()
    return net


def mild() -> torch.nn.Module:
    return colours(3.0)


def turned() -> torch.nn.Module:
    net = colours()
    with torch.no_grad():
        net[2].weight.copy_(net[2].weight.flip(0))
    return net


def probabilities() -> torch.nn.Module:
    return torch.nn.Sequential(colours(), torch.nn.Softmax(1))


def unsure() -> torch.nn.Module:
    return torch.nn.Sequential(colours(), torch.nn.Threshold(1e9, float("nan")))


def half() -> torch.nn.Module:
    return colours().half()


class Elsewhere(torch.nn.Module):
    """Keeps a tensor that `to` does not move."""

    def __init__(self) -> None:
        super().__init__()
        self.net, self.scale = colours(), torch.ones(3, 1, 1, device="meta")

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.net(x * self.scale)


def seven() -> torch.nn.Module:
    return torch.nn.Sequential(colours(), torch.nn.Linear(10, 7))


class Blind(torch.nn.Module):
    """Lets no gradient through."""

    def __init__(self) -> None:
        super().__init__()
        self.net = colours()

    @torch.no_grad()
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.net(x)


class Scaled(torch.nn.Module):
    """Does with its weights what its code says."""

    scale = 1.0

    def __init__(self) -> None:
        super().__init__()
        self.net = mild()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.scale * self.net(x)


class Shaken(torch.nn.Module):
    """Answers differently every time."""

    def __init__(self) -> None:
        super().__init__()
        self.net, self.draws = colours(), torch.Generator().manual_seed(0)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        logits = self.net(x)
        return logits + torch.randn(logits.shape, generator=self.draws)


def start(out: Path, *options: str, model: str = "test_evaluate:colours") -> "subprocess.Popen[str]":
    command = [sys.executable, "-m", "mechaug.cli", "evaluate", "--model", model, "--out", str(out), *options]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(Path(__file__).parent), *sys.path])}
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)


def evaluate(out: Path, suites: Sequence[str], model: str = "test_evaluate:colours", **limits: int) -> Result:
    chosen = choose_suites(suites, Limits(corrupted=30, attacked=10, probed=20, severities=(1,), **limits))
    config = EvaluationConfig(model, "signs", chosen, test_size=60)
    return evaluate_model(config, out, command=lambda names: f"mechaug evaluate --suites {' '.join(names)}")


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    with pytest.raises(SystemExit) as stop:
        cli.main(arguments)
    complaint = capsys.readouterr().err
    last = complaint.strip().splitlines()[-1]
    assert stop.value.code == 2, complaint
    assert last.startswith("mechaug: ") and "Traceback" not in complaint
    return last


# Kills


def test_a_killed_evaluation_repeats_nothing_and_ends_with_the_same_figures(tmp_path: Path) -> None:
    whole = start(tmp_path / "whole", *LIST, *SIZES)
    _, complaint = whole.communicate(timeout=250)
    assert whole.returncode == 0, complaint
    expected = read_result(tmp_path / "whole" / "result.json")

    out, killed = tmp_path / "killed", 0
    kept: dict[Path, tuple[int, int]] = {}
    for wanted in (2, 10):
        process = start(out, *LIST, *SIZES)
        deadline = time.monotonic() + 120
        while len(list(out.glob("outcomes/*/*.safetensors"))) < wanted and process.poll() is None:
            assert time.monotonic() < deadline
            time.sleep(0.002)
        if process.poll() is None:
            process.send_signal(signal.SIGKILL)
            killed += 1
        process.communicate(timeout=60)
        for path, stamp in kept.items():
            assert (path.stat().st_ino, path.stat().st_mtime_ns) == stamp, f"{path} was written again"
        kept = {path: (path.stat().st_ino, path.stat().st_mtime_ns) for path in out.glob("outcomes/*/*.safetensors")}
        assert not (out / "result.json").exists()
    assert killed, "the evaluation was over before it could be killed: this test no longer tests anything"
    last = start(out, *LIST, *SIZES)
    _, said = last.communicate(timeout=250)
    assert last.returncode == 0, said
    assert "parts were measured before and are kept" in said
    for path, stamp in kept.items():
        assert (path.stat().st_ino, path.stat().st_mtime_ns) == stamp, f"{path} was measured twice"
    found = read_result(out / "result.json")
    assert spec.dumps(found.methods[0].evaluation) == spec.dumps(expected.methods[0].evaluation)


# Merging


def test_results_of_several_runs_merge(tmp_path: Path) -> None:
    first = evaluate(tmp_path, ["c"])
    second = evaluate(tmp_path, ["pgd", "calibration"])
    assert [suite.name for suite in first.suites] == ["clean", "c"]
    assert [suite.name for suite in second.suites] == ["clean", "c", "pgd", "calibration"]
    # Each with options of its own, so that neither can be told by the other's.
    both = "mechaug evaluate --suites clean c && mechaug evaluate --suites clean pgd calibration"
    assert second.command == both
    assert evaluate(tmp_path, ["pgd", "calibration"]).command == both
    assert second.methods[0].evaluation.cells == first.methods[0].evaluation.cells
    assert second.methods[0].evaluation.attacked is not None
    again = evaluate(tmp_path, ["c", "pgd", "calibration"])
    assert spec.dumps(again.methods) == spec.dumps(second.methods)
    assert again.command == "mechaug evaluate --suites clean c pgd calibration"


def test_a_folder_belongs_to_one_model_and_its_pictures(tmp_path: Path) -> None:
    evaluate(tmp_path, ["clean"])
    with pytest.raises(UserError, match="differs in model"):
        evaluate(tmp_path, ["clean"], model="test_evaluate:mild")
    config = EvaluationConfig("test_evaluate:colours", "signs", choose_suites(["clean"]), test_size=50)
    with pytest.raises(UserError, match="pictures"):
        evaluate_model(config, tmp_path, command=lambda names: "")


def test_a_model_whose_code_was_changed_is_not_taken_for_the_one_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its name and its weights are the same, and what it does with them is not."""
    module = importlib.import_module("test_evaluate").Scaled  # as the model's name finds it
    monkeypatch.setattr(module, "scale", 1.0)
    first = evaluate(tmp_path, ["clean"], model="test_evaluate:Scaled")
    monkeypatch.setattr(module, "scale", 1.0001)
    again = evaluate(tmp_path, ["clean", "calibration"], model="test_evaluate:Scaled")
    assert again.methods[0].evaluation.clean == first.methods[0].evaluation.clean, "rounding is no change"
    monkeypatch.setattr(module, "scale", 2.0)
    with pytest.raises(UserError, match="it answers otherwise now, so its code was changed: choose another --out"):
        evaluate(tmp_path, ["c"], model="test_evaluate:Scaled")
    for _ in range(2):
        evaluate(tmp_path / "shaken", ["clean"], model="test_evaluate:Shaken")


def test_a_model_of_mechaugs_knows_what_it_has_seen(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tiny = ["--train-size", "100", "--steps", "2", "--batch-size", "20"]
    with pytest.raises(SystemExit):
        cli.main(["train", "--method", "camera", "--out", str(tmp_path / "model"), *tiny])
    capsys.readouterr()
    found = evaluate(tmp_path / "out", ["c", "c-bar"], model=str(tmp_path / "model")).methods[0]
    assert found.sees_known
    assert {"fog", "jpeg_compression", "blue_noise_sample"} <= set(found.sees)
    assert "motion_blur" not in found.sees
    stranger = evaluate(tmp_path / "other", ["c"]).methods[0]
    assert not stranger.sees_known and stranger.sees == ()
    from mechaug.reports.html import write

    write([tmp_path / "out" / "result.json", tmp_path / "other" / "result.json"], tmp_path / "page.html")
    page = (tmp_path / "page.html").read_text()
    assert page.count(">mean over its own unseen</th>") == 2, "once for C and once for C̄"
    assert "whether its training held relatives of these corruptions is not known" in page


# Comparing


def test_two_results_are_compared_picture_by_picture(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("colours", "mild", "turned"):
        evaluate(tmp_path / name, ["c", "pgd"], model=f"test_evaluate:{name}")
    sides = {name: read_side(str(tmp_path / name)) for name in ("colours", "mild", "turned")}
    # The same answers but for the attack: the gradient's sign does not depend on the scale of the logits.
    same = compare_sides(sides["colours"], sides["mild"])
    assert {one.verdict for one in same.values()} == {"no difference shown"}
    assert same["clean"].difference.value == 0 and same["clean"].corrected_p_value == 1
    assert {"clean", "pgd (8/255)", "c (severities 1)", "c: fog (severities 1)"} <= same.keys()
    other = compare_sides(sides["colours"], sides["turned"])
    results = {name: read_result(tmp_path / name / "result.json") for name in ("colours", "turned")}
    clean = {name: result.methods[0].evaluation.clean.value for name, result in results.items()}
    assert other["clean"].difference.value == pytest.approx(clean["colours"] - clean["turned"], abs=1e-6)
    with pytest.raises(SystemExit) as stop:
        cli.main(["compare", str(tmp_path / "colours"), str(tmp_path / "turned" / "result.json")])
    assert stop.value.code == 0
    assert "60 pictures" in capsys.readouterr().out


def test_the_mean_flip_rate_has_a_baseline(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    suite = Stable(20)

    def side(title: str, share: float, **special: float) -> Side:
        flips = {part: {"flips": torch.full((20,), special.get(part, share))} for part in suite.parts()}
        return Side(title, {"stability": suite}, [{"stability": flips}], "the same")

    count = len(suite.parts())
    sides = {"better": side("better", 0.1), "base": side("base", 0.2, snow=0.1), "still": side("still", 0.2, tilt=0.0)}
    assert flip_rate(sides["better"], sides["base"]) == pytest.approx((0.5 * (count - 1) + 1) / count)
    assert flip_rate(sides["base"], sides["base"]) == pytest.approx(1.0)
    with pytest.raises(UserError, match="never flips along tilt"):
        flip_rate(sides["better"], sides["still"])
    assert flip_rate(sides["base"], replace(sides["base"], suites={})) is None
    fewer = replace(sides["base"], suites={"stability": Stable(10)})
    assert flip_rate(sides["base"], fewer) is None, "measured with other settings"
    monkeypatch.setattr("mechaug.evaluation.pairs.read_side", sides.__getitem__)
    for baseline, said in (("base", "with base as the baseline: 0.545"), ("still", "mean flip rate is not defined")):
        with pytest.raises(SystemExit) as stop:
            cli.main(["compare", "better", baseline])
        assert stop.value.code == 0
        assert said in capsys.readouterr().out


def test_what_was_measured_unlike_is_left_out_and_named(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Fewer pictures, another radius, a suite of one side alone: each would compare what cannot be compared."""
    clean = {"clean": {"all": {"right": torch.arange(20) % 2 == 0}}}

    def side(title: str, **suites: Suite) -> Side:
        broken = {"all": {"broken_by": torch.full((9,), -1)}}
        return Side(title, {"clean": Clean(), **suites}, [clean | dict.fromkeys(suites, broken)], "the same")

    first = side("here", pgd=Attacked("pgd", 9, 8.0), autoattack=Attacked("autoattack", 9))
    second = side("there", pgd=Attacked("pgd", 9, 4.0))
    assert compare_sides(first, second).keys() == {"clean"}
    said = ("pgd (epsilon levels 8.0 and 4.0)", "autoattack (of here alone)")
    assert left_out(first, second) == said
    assert compare_sides(first, first).keys() == {"clean", "pgd (8/255)", "autoattack (8/255)"}
    assert left_out(first, first) == ()
    monkeypatch.setattr("mechaug.evaluation.pairs.read_side", {"a": first, "b": second}.__getitem__)
    with pytest.raises(SystemExit):
        cli.main(["compare", "a", "b"])
    told = " ".join(capsys.readouterr().out.split())
    assert all(sentence in told for sentence in ("left out, not being comparable", *said))
    alone = replace(first, suites={"pgd": first.suites["pgd"]})
    with pytest.raises(UserError, match=r"is alike: pgd \(epsilon levels 8\.0 and 4\.0\); clean \(of there alone\)"):
        compare_sides(alone, second)


def test_half_measured_suites_and_other_pictures_are_left_out_and_named(tmp_path: Path) -> None:
    """A run that was stopped while it took other severities, one that lost a part, and a shifted set that changed."""
    for name, grey in (("a", 90), ("b", 120)):
        for label in ("stop", "yield"):
            for number in range(3):
                folder = tmp_path / "set" / label
                folder.mkdir(parents=True, exist_ok=True)
                Image.new("RGB", (32, 32), (grey, 40 * number, 9)).save(folder / f"{number}.png")
        chosen = choose_suites(
            ["clean", "c", "calibration", "shift"],
            Limits(corrupted=20, severities=(1,), shift=(f"set:{tmp_path / 'set'}",)),
        )  # fmt: skip
        config = EvaluationConfig("test_evaluate:colours", "signs", chosen, test_size=30)
        evaluate_model(config, tmp_path / name, command=lambda names: "")
    first, second = (read_side(str(tmp_path / name)) for name in ("a", "b"))
    assert {name.partition(":")[0] for name in compare_sides(first, second)} == {
        "clean", "c (severities 1)", "c",
    }  # fmt: skip
    judged = "it does not judge picture by picture"
    assert left_out(first, second) == (f"calibration ({judged})", "shift (other pictures lie there now)")
    assert left_out(first, first) == (f"calibration ({judged})",)

    fog = tmp_path / "b" / "outcomes" / "c" / "fog.safetensors"
    kept = fog.read_bytes()
    fog.unlink()
    stopped = "c (of test_evaluate:colours not wholly measured with one setting: give the command of its result again)"
    half = read_side(str(tmp_path / "b"))
    assert compare_sides(first, half).keys() == {"clean"} and stopped in left_out(first, half)
    with safe_open(fog.with_name("snow.safetensors"), "pt") as opened:
        header = opened.metadata()
    header["suite"] = header["suite"].replace('"severities": [1]', '"severities": [5]')
    save_file({"right": load(kept)["right"]}, str(fog), metadata=header)
    mixed = read_side(str(tmp_path / "b"))
    assert compare_sides(first, mixed).keys() == {"clean"} and stopped in left_out(mixed, first)


def test_what_cannot_be_compared_is_said(tmp_path: Path) -> None:
    evaluate(tmp_path / "a", ["clean"])
    config = EvaluationConfig("test_evaluate:colours", "signs", choose_suites(["clean"]), test_size=50)
    evaluate_model(config, tmp_path / "b", command=lambda names: "")
    with pytest.raises(UserError, match="were measured on different pictures"):
        compare_sides(read_side(str(tmp_path / "a")), read_side(str(tmp_path / "b")))
    with pytest.raises(UserError, match=r"there is no result .*nowhere"):
        read_side(str(tmp_path / "nowhere"))
    with pytest.raises(UserError, match="holds model: choose one, as"):
        read_side(f"{tmp_path / 'a'}:camera")
    result = read_result(tmp_path / "a" / "result.json")
    method = replace(result.methods[0], outcomes=("../elsewhere",))
    write_result(replace(result, methods=(method,)), tmp_path / "a" / "result.json")
    with pytest.raises(UserError, match="outside its folder"):
        read_side(str(tmp_path / "a"))
    write_result(replace(result, methods=(replace(method, outcomes=()),)), tmp_path / "a" / "result.json")
    with pytest.raises(UserError, match="has no outcomes"):
        read_side(str(tmp_path / "a"))


# Bad input


@pytest.mark.parametrize(
    ("model", "said"),
    [
        ("probabilities", "leave its last softmax out"),
        ("unsure", "not finite"),
        ("half", "return model.float()"),
        ("Elsewhere", "stays on another device than cpu: register its tensors as buffers"),
        ("seven", "the model has 7 outputs, and the data has 10 classes"),
    ],
)
def test_a_model_that_does_not_fit(capsys: pytest.CaptureFixture[str], tmp_path: Path, model: str, said: str) -> None:
    out = tmp_path / "o"
    assert said in refused(capsys, "evaluate", "--model", f"test_evaluate:{model}", "--out", str(out), *SIZES)
    assert not (out / "result.json").exists()


def test_a_folder_whose_classes_do_not_match(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    for name in ("stop", "giraffe"):
        folder = tmp_path / "set" / "val" / name
        folder.mkdir(parents=True)
        for number in range(3):
            Image.new("RGB", (32, 32), (40 * number, 9, 9)).save(folder / f"{number}.png")
    names = tmp_path / "names.txt"
    names.write_text("\n".join(["stop", *(f"other{number}" for number in range(9))]))
    options = ["evaluate", "--model", "test_evaluate:colours", "--data", f"folder:{tmp_path / 'set'}"]
    said = refused(capsys, *options, "--out", str(tmp_path / "o"))
    assert "the model has 10 outputs, and the data has 2 classes (giraffe, stop)" in said and "--classes" in said
    said = refused(capsys, *options, "--out", str(tmp_path / "o"), "--classes", str(names))
    assert "does not know by name: giraffe" in said
    names.write_text("\n".join(["stop", "giraffe", *(f"other{number}" for number in range(8))]))
    with pytest.raises(SystemExit) as stop:
        cli.main([*options, "--out", str(tmp_path / "o"), "--classes", str(names), "--suites", "clean"])
    assert stop.value.code == 0
    assert read_result(tmp_path / "o" / "result.json").data.outputs == 10


@pytest.mark.parametrize(
    ("options", "named"),
    [
        (["--suites", "everything"], "choose from clean, c, "),
        (["--suites", "clean", "c_bar"], "there is no suite 'c_bar'"),
        (["--severities", "6"], "--severities"),
        (["--corrupt-size", "0"], "--corrupt-size"),
        (["--epsilon", "-1"], "--epsilon"),
        (["--batch-size", "0"], "--batch-size"),
        (["--suites", "shift"], "--shift"),
        (["--shift", "set:/nowhere/at/all"], "/nowhere/at/all"),
        (["--ood", "/nowhere/at/all"], "/nowhere/at/all"),
        (["--classes", "/nowhere/at/all"], "--classes"),
    ],
)
def test_bad_options(capsys: pytest.CaptureFixture[str], tmp_path: Path, options: list[str], named: str) -> None:
    given = ["evaluate", "--model", "test_evaluate:colours", "--out", str(tmp_path / "o"), *options]
    if "--suites" not in options:
        given += ["--suites", "clean"]
    assert named in refused(capsys, *given, "--test-size", "20")


def test_a_corrupt_npy(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    np.save(tmp_path / "x_test.npy", np.zeros((20, 8, 8, 3), np.uint8))
    np.save(tmp_path / "y_test.npy", np.arange(20) % 10)
    (tmp_path / "x_test.npy").write_bytes(b"\x93NUMPY garbage")
    options = ["--data", f"npy:{tmp_path}", "--out", str(tmp_path / "o")]
    assert "x_test.npy cannot be read as .npy" in refused(
        capsys, "evaluate", "--model", "test_evaluate:colours", *options
    )


def test_a_corrupt_npy_of_corrupted_pictures(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    folder = tmp_path / "published"
    folder.mkdir()
    (folder / "gaussian_noise.npy").write_bytes(b"\x93NUMPY garbage")
    np.save(folder / "labels.npy", np.zeros(300, np.int64))
    options = ["--suites", "c", "--corrupted-from", str(folder), "--test-size", "60", "--out", str(tmp_path / "o")]
    said = refused(capsys, "evaluate", "--model", "test_evaluate:colours", *options)
    assert "gaussian_noise.npy cannot be read" in said and "fetch or make it again" in said


def test_a_randomised_model_is_told_of_the_version_for_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    quick = functools.partial(randomised, steps=3, draws=2)
    monkeypatch.setattr("mechaug.evaluation.suites.attacked.randomised", quick)
    shaken = evaluate(tmp_path, ["autoattack-rand"], model="test_evaluate:Shaken").methods[0].evaluation
    assert [f.name for f in shaken.figures if f.suite == "autoattack-rand"] == [
        "accuracy on the same pictures, clean", "accuracy after APGD-CE", "accuracy after APGD-DLR",
    ]  # fmt: skip
    assert any("it is randomised" in caution for caution in shaken.cautions)
    assert shaken.attacked is not None and shaken.attacked.value <= shaken.clean.value


def test_accuracy_under_pgd_comes_with_a_caution_where_there_is_no_gradient(tmp_path: Path) -> None:
    blind = evaluate(tmp_path / "blind", ["pgd"], model="test_evaluate:Blind").methods[0].evaluation
    assert [caution[:52] for caution in blind.cautions] == ["PGD-20: 10 of 10 pictures have no gradient of the cr"]
    assert not evaluate(tmp_path / "mild", ["pgd"], model="test_evaluate:mild").methods[0].evaluation.cautions


def test_groups_are_given_line_by_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = tmp_path / "groups.txt"
    lines.write_text("\n".join("day" if number % 2 else "" for number in range(40)))
    options = ["evaluate", "--model", "test_evaluate:colours", "--groups", str(lines), "--test-size", "40"]
    options += ["--suites", "clean", "c", "--severities", "3", "--corrupt-size", "20"]
    with pytest.raises(SystemExit) as stop:
        cli.main([*options, "--out", str(tmp_path / "o")])
    assert stop.value.code == 0
    said = capsys.readouterr().out
    assert "by group (accuracy in %)" in said and "worst group and corruption: day under" in said
    assert [line.split()[1] for line in said.splitlines() if line.startswith(("│ day", "│ gap"))] == ["day", "gap"]
    figures = read_result(tmp_path / "o" / "result.json").methods[0].evaluation.figures
    names = [(f.suite, f.name.partition(":")[0]) for f in figures if f.group == "By group"]
    assert names == [
        ("clean", "gap between groups"), ("clean", "day"), ("c", "gap between groups"), ("c", "day"),
        ("c", "worst group and corruption"),
    ]  # fmt: skip
    page = (tmp_path / "o" / "report.html").read_text()
    assert page.count("By group") == 2 and "worst group and corruption: day under" in page


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ("day\n" * 39, "there are 39 groups, and the test split has 40 pictures: give one line for each"),
        ("day\n" * 41, "there are 41 groups, and the test split has 40 pictures"),
        ("\n" * 40, "none of the pictures that are measured has a group"),
    ],
)
def test_groups_that_do_not_fit(capsys: pytest.CaptureFixture[str], tmp_path: Path, lines: str, said: str) -> None:
    """Before anything is measured: what follows would take hours."""
    (tmp_path / "groups.txt").write_text(lines)
    options = ["--groups", str(tmp_path / "groups.txt"), "--test-size", "40", "--suites", "clean"]
    found = refused(capsys, "evaluate", "--model", "test_evaluate:colours", *options, "--out", str(tmp_path / "o"))
    assert said in found and not (tmp_path / "o").exists()


def test_records_of_the_first_schema_are_read() -> None:
    path = Path(__file__).resolve().parents[1] / "benchmarks" / "results" / "0.1.0" / "signs" / "result.json"
    raw = json.loads(path.read_text(encoding="utf-8"))
    result = read_result(path)
    assert result.schema_version == 2
    assert [suite.name for suite in result.suites] == [suite["name"] for suite in raw["suites"]]
    assert [m.name for m in result.methods] == [m["name"] for m in raw["methods"]]
    assert result.methods[0].evaluation.cells[0].suite == "c"

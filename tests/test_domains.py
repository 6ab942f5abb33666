"""Domains held out in turn, by the command: one study each, and their pool."""

import json
from pathlib import Path

import pytest
import torch
from PIL import Image as PillowImage

from mechaug import cli, domains
from mechaug.evaluation import bootstrap
from mechaug.evaluation.fairness import BY_GROUP
from mechaug.evaluation.kept import read_outcomes
from mechaug.evaluation.result import read_result
from mechaug.keys import Key

DOMAINS = ("drawn", "seen", "told")
COMMAND = [
    "study", "--methods", "flip-crop", "augmix-jsd", "--mechanism", "augmix-jsd", "--seeds", "0", "1", "--steps", "2",
    "--batch-size", "8", "--net", "small", "--suites", "clean",
]  # fmt: skip


def run(source: str, out: Path) -> object:
    with pytest.raises(SystemExit) as stop:
        cli.main([*COMMAND, "--data", source, "--out", str(out)])
    return stop.value.code


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three domains of two classes, of 6, 7 and 8 pictures a class."""
    root = tmp_path_factory.mktemp("pictures")
    for number, domain in enumerate(DOMAINS):
        for label, name in enumerate(("even", "odd")):
            folder = root / domain / name
            folder.mkdir(parents=True)
            for picture in range(6 + number):
                pixels = Key(0).fold(f"{domain} {name} {picture}").integers(0, 200, 16, 16, 3) + 50 * label
                PillowImage.fromarray(pixels.to(torch.uint8).numpy()).save(folder / f"{picture}.jpg")
    return root


@pytest.fixture(scope="module")
def study(pictures: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("domains")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bootstrap, "RESAMPLES", 100)
        assert run(f"domains:{pictures}", out) == 0
    return out


def rights(out: Path, method: str, domain: str) -> torch.Tensor:
    folders = [out / domain / "runs" / method / f"seed-{seed}" / "outcomes" for seed in (0, 1)]
    return torch.stack([read_outcomes(folder)[1]["clean"]["all"]["right"] for folder in folders]).double()


def test_the_pool_counts_every_picture_once_by_nets_that_never_saw_its_domain(study: Path) -> None:
    pooled = read_result(study / "result.json")
    assert pooled.data.test_size == 2 * (6 + 7 + 8)
    assert pooled.suites[0].name == "clean"
    assert len(pooled.suites) == 1
    for entry in pooled.methods:
        each = {domain: rights(study, entry.name, domain) for domain in DOMAINS}
        together = torch.cat(list(each.values()), dim=1)
        assert entry.evaluation.clean.value == pytest.approx(together.mean().item(), abs=1e-6)
        assert entry.evaluation.clean.count == pooled.data.test_size
        groups = {figure.name: figure.measurement for figure in entry.evaluation.figures if figure.group == BY_GROUP}
        for domain in DOMAINS:
            assert groups[domain].value == pytest.approx(each[domain].mean().item(), abs=1e-6)
            assert groups[domain].count == each[domain].shape[1]
        assert [run.seed for run in entry.runs] == [0, 1]
        assert [run.clean for run in entry.runs] == pytest.approx(together.mean(1).tolist(), abs=1e-6)


def test_each_study_is_trained_on_the_other_domains(study: Path) -> None:
    for number, domain in enumerate(DOMAINS):
        result = read_result(study / domain / "result.json")
        assert result.data.test_size == 2 * (6 + number)
        assert result.data.train_size == 2 * (6 + 7 + 8) - result.data.test_size
        config = json.loads((study / domain / "config.json").read_text(encoding="utf-8"))
        assert f"@{domain}" in json.dumps(config)


def test_the_difference_is_that_of_the_pictures(study: Path) -> None:
    (contrast,) = read_result(study / "result.json").contrasts
    assert (contrast.question, contrast.measured) == (domains.QUESTION, "clean")
    gaps = [rights(study, "augmix-jsd", domain) - rights(study, "flip-crop", domain) for domain in DOMAINS]
    assert contrast.difference.value == pytest.approx(torch.cat(gaps, dim=1).mean().item(), abs=1e-6)
    page = (study / "report.html").read_text(encoding="utf-8")
    assert "Domains that were never seen" in page
    assert all(f"{domain} held out" in page for domain in DOMAINS)


def test_what_is_done_is_not_done_again(study: Path, pictures: Path) -> None:
    trained = sorted(study.glob("*/runs/*/*/training.json"))
    assert len(trained) == 3 * 2 * 2
    before = [file.stat().st_mtime_ns for file in trained]
    first = read_result(study / "result.json")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bootstrap, "RESAMPLES", 100)
        assert run(f"domains:{pictures}", study) == 0
    assert [file.stat().st_mtime_ns for file in trained] == before
    again = read_result(study / "result.json")
    assert (again.methods, again.contrasts) == (first.methods, first.contrasts)


def test_the_honest_protocol_wants_one_domain(
    pictures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stop:
        cli.main(["study", "--protocol", "honest", "--data", f"domains:{pictures}", "--out", str(tmp_path)])
    assert stop.value.code == 2
    assert f"domains:{pictures}@NAME" in " ".join(capsys.readouterr().err.split())
    assert not list(tmp_path.iterdir())

"""Several processes train one net: real ones, started by torchrun, over gloo."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from torch import nn

from mechaug import cli
from mechaug.data.sources import load
from mechaug.errors import UserError
from mechaug.evaluation.kept import Place
from mechaug.evaluation.run import Share, measure
from mechaug.evaluation.suites import Limits, Subject, Target, choose_suites
from mechaug.heuristics import AugMix
from mechaug.heuristics.basic import FlipCrop
from mechaug.keys import Key
from mechaug.training.checkpoint import ModelCard, save_model
from mechaug.training.engine import fit
from mechaug.training.nets import build
from mechaug.training.objectives import JSD, CrossEntropy
from mechaug.training.recipes import Recipe
from mechaug.training.team import ALONE, Team, gathered
from test_training_engine import pictures


class Plain(nn.Module):
    """Without batch statistics, which every process has of its own pictures, processes are one mean."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
        self.head = nn.Linear(8, 2)
        with torch.no_grad():
            for number, parameter in enumerate(self.parameters()):
                parameter.copy_(0.3 * Key(0).fold(number).at([0]).normal(0, 1, *parameter.shape)[0])

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.body(x - 0.5))


def train(folder: Path | None, *, accumulate: int = 1, team: Team = ALONE) -> dict[str, torch.Tensor]:
    recipe = Recipe(
        net="small", epochs=2, batch_size=16, accumulate=accumulate, learning_rate=0.05, precision="float32",
        base=FlipCrop(),
    )  # fmt: skip
    objective = CrossEntropy() + 12 * JSD(views=2)
    return fit(Plain(), pictures(), AugMix(), objective, recipe, folder=folder, team=team).state


SCRIPT = """
import sys
from pathlib import Path
from safetensors.torch import save_file
from mechaug.training.team import gathered
from test_training_team import train
with gathered("cpu") as (team, device):
    state = train(Path(sys.argv[1]) / "run", team=team)
    save_file(state, Path(sys.argv[1]) / f"{team.rank}.safetensors")
"""


def torchrun(*command: str, processes: int = 2) -> list[str]:
    return [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}", *command]


def test_two_processes_take_the_steps_of_one(tmp_path: Path) -> None:
    from safetensors.torch import load_file

    (tmp_path / "script.py").write_text(SCRIPT)
    here = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join((str(Path(__file__).parent), *sys.path)),
        "OMP_NUM_THREADS": "1",
    }
    done = subprocess.run(
        torchrun(str(tmp_path / "script.py"), str(tmp_path)), capture_output=True, text=True, timeout=120, env=here
    )
    assert done.returncode == 0, done.stderr[-2000:]
    alone = train(None)
    both = [load_file(str(tmp_path / f"{rank}.safetensors")) for rank in range(2)]
    for name, value in alone.items():
        assert torch.equal(both[0][name], both[1][name]), name
        # Means of halves, and not of the whole: equal but for rounding. Other draws would be far away.
        torch.testing.assert_close(both[0][name], value, atol=2e-5, rtol=1e-4)
    lines = (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()
    assert [json.loads(line)["step"] for line in lines] == [4, 8]
    other = fit(
        Plain(), pictures(), AugMix(), CrossEntropy() + 12 * JSD(views=2),
        Recipe(net="small", epochs=2, batch_size=16, learning_rate=0.05, precision="float32", base=FlipCrop()), seed=1,
    ).state  # fmt: skip
    assert any((other[name] - value).abs().max() > 1e-3 for name, value in alone.items())


def test_parts_of_a_batch_add_up_to_it() -> None:
    whole, parts = train(None), train(None, accumulate=3)
    for name, value in whole.items():
        torch.testing.assert_close(parts[name], value, atol=2e-5, rtol=1e-4)


def test_a_batch_is_shared_evenly_or_not_at_all() -> None:
    rows = torch.arange(12)
    shares = [Team(rank, 3).share(rows) for rank in range(3)]
    assert torch.equal(torch.cat(shares), rows)
    with pytest.raises(UserError, match="5 processes cannot share a batch of 12 evenly"):
        Team(0, 5).share(rows)
    with gathered("cpu") as (team, device):
        assert team == ALONE and team.leads and device == "cpu"


def descendants(process: int) -> list[int]:
    """A process and all that it started: torchrun gives its own groups, and left alive they hold the folder."""
    children = Path(f"/proc/{process}/task/{process}/children").read_text(encoding="ascii").split()
    return [process, *(one for child in children for one in descendants(int(child)))]


def test_the_command_under_torchrun_stops_and_goes_on(tmp_path: Path) -> None:
    command = torchrun(
        "-m", "mechaug.cli", "train", "--data", "signs", "--train-size", "600", "--method", "augmix-jsd", "--epochs",
        "4", "--batch-size", "60", "--device", "cpu", "--checkpoint-seconds", "0", "--out", str(tmp_path / "run"),
    )  # fmt: skip
    here = {**os.environ, "OMP_NUM_THREADS": "1"}
    begun = subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=here, start_new_session=True
    )
    deadline = time.monotonic() + 90
    while not (tmp_path / "run" / "checkpoint.safetensors").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    for process in descendants(begun.pid):
        os.kill(process, signal.SIGKILL)
    begun.wait()
    assert (tmp_path / "run" / "checkpoint.safetensors").exists()
    assert not (tmp_path / "run" / "model.safetensors").exists(), "it was too quick to be killed"
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, env=here)
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.count("model:") == 1  # one process speaks
    assert (tmp_path / "run" / "model.safetensors").exists()


def test_two_processes_measure_what_one_does(tmp_path: Path) -> None:
    from safetensors.torch import load_file

    from mechaug.evaluation.result import read_result

    card = ModelCard("small", load("signs", train_size=0, test_size=10).classes, (0.5, 0.5, 0.5), (0.25, 0.25, 0.25))
    save_model(tmp_path / "model.safetensors", build("small", len(card.classes), key=Key(0)).state_dict(), card)
    options = [
        "evaluate", "--model", str(tmp_path / "model.safetensors"), "--data", "signs", "--test-size", "20",
        "--suites", "c", "pgd", "--severities", "3", "--attack-size", "5", "--device", "cpu",
    ]  # fmt: skip
    here = {**os.environ, "OMP_NUM_THREADS": "1"}
    command = torchrun("-m", "mechaug.cli", *options, "--out", str(tmp_path / "two"))
    done = subprocess.run(command, capture_output=True, text=True, timeout=180, env=here)
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.count("report:") == 1  # one process speaks
    with pytest.raises(SystemExit) as stop:
        cli.main([*options, "--out", str(tmp_path / "one")])
    assert stop.value.code == 0
    parts = {path.relative_to(tmp_path / "one") for path in (tmp_path / "one" / "outcomes").rglob("*.safetensors")}
    assert len(parts) == 17
    assert parts == {path.relative_to(tmp_path / "two") for path in (tmp_path / "two").rglob("*.safetensors")}
    for part in parts:
        one, two = (load_file(str(tmp_path / folder / part)) for folder in ("one", "two"))
        assert one.keys() == two.keys() and all(torch.equal(value, two[name]) for name, value in one.items())
    results = [read_result(tmp_path / folder / "result.json") for folder in ("one", "two")]
    assert results[0].methods[0].evaluation == results[1].methods[0].evaluation


def test_a_part_that_another_left_out_is_missed(tmp_path: Path) -> None:
    data = load("signs", train_size=0, test_size=20)
    chosen = choose_suites(("clean", "c"), Limits(corrupted=20, severities=(3,)))
    suites = tuple(suite.for_size(32, 32) for suite in chosen)
    subject = Subject(build("small", len(data.classes), key=Key(0)), "cpu", 20)
    place = Place(tmp_path, "model", "pictures")
    with pytest.raises(UserError, match="another process was to measure"):
        measure(suites, subject, Target(data.test, data.classes), place, share=Share(0, 2, lambda: None))
    # What this one did is kept, and the other's share completes it.
    done = measure(suites, subject, Target(data.test, data.classes), place)
    assert len(done["c"]) == 15

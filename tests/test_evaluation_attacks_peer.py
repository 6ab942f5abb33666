"""The ensemble beside a second implementation, torchattacks, on a small net; its committed figures are those of
benchmarks/attacks.py."""

import json
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy

from mechaug.evaluation.attacks import attack_all
from mechaug.evaluation.attacks_auto import auto_attack, standard
from mechaug.evaluation.attacks_pgd import Pgd
from mechaug.keys import Key

EPSILON = 8 / 255
RESULT = Path(__file__).resolve().parents[1] / "benchmarks" / "results" / "0.1.0" / "attacks.json"


def blobs(count, seed):
    """Five classes of smooth patterns under noise, near enough to one another that some fall to an attack."""
    patterns = torch.randn(5, 3, 3, 3, generator=torch.Generator().manual_seed(0))
    generator = torch.Generator().manual_seed(seed)
    labels = torch.randint(0, 5, (count,), generator=generator)
    smooth = nn.functional.interpolate(patterns[labels], 12, mode="bilinear")
    strength = 0.02 + 0.08 * torch.rand(count, 1, 1, 1, generator=generator)
    x = 0.5 + strength * smooth + 0.1 * torch.randn(count, 3, 12, 12, generator=generator)
    return (x.clamp(0, 1) * 255).round().to(torch.uint8), labels


@pytest.fixture(scope="module")
def trained():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        net = nn.Sequential(
            nn.Conv2d(3, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(16, 16, 3, padding=1), nn.ReLU(),
            nn.Flatten(), nn.Linear(16 * 36, 5),
        )  # fmt: skip
    pictures, labels = blobs(2_000, 1)
    optimiser = torch.optim.Adam(net.parameters(), 3e-3)
    for step in range(120):
        rows = (torch.arange(100) + 100 * step) % 2_000
        x = Pgd(EPSILON / 2, EPSILON / 3, 2)(net, pictures[rows].float() / 255, labels[rows], Key(step).at(rows))
        optimiser.zero_grad()
        cross_entropy(net(x), labels[rows]).backward()
        optimiser.step()
    return net.eval(), *blobs(150, 2)


def test_the_ensemble_is_as_strong_as_torchattacks(trained):
    torchattacks = pytest.importorskip("torchattacks", reason="torchattacks is not installed: nothing to compare with")
    net, pictures, labels = trained
    x = pictures.float() / 255
    ours = auto_attack(
        net, pictures, labels, torch.arange(150), Key(0), standard(EPSILON, targets=4, queries=2_000)
    ).attacked.correct
    with torch.random.fork_rng():
        moved = torchattacks.AutoAttack(net, eps=EPSILON, n_classes=5, seed=0)(x, labels)
    theirs = (net(moved).argmax(1) == labels) & (net(x).argmax(1) == labels)
    assert 30 < theirs.sum() < 120
    assert abs(int(ours.sum()) - int(theirs.sum())) <= 2
    assert (ours != theirs).sum() <= 3


def test_attacks_agree_with_one_another(trained):
    """Four ideas, one truth: a picture that one breaks is rarely left by the other strong ones, and FGSM is weaker."""
    net, pictures, labels = trained
    left = {
        attack.name: attack_all(net, pictures, labels, torch.arange(150), Key(0), [attack]).correct
        for attack in (Pgd(EPSILON), *standard(EPSILON, steps=40, targets=4, queries=300))
    }
    best = torch.stack(list(left.values())).all(0)
    assert 30 < best.sum() < 120
    assert (left["APGD-T"] & ~best).sum() <= 2
    # Of ten such nets (five seeds, two sets of instructions) FAB-T leaves 0 to 5, and APGD-CE 2 to 5.
    for name in ("FAB-T", "PGD-20"):
        assert (left[name] & ~best).sum() <= 6, name
    assert (left["Square"] & ~best).sum() <= 25


@pytest.mark.skipif(not RESULT.exists(), reason="the benchmark's result is not in this copy")
def test_the_committed_figures_agree():
    """Each attack leaves as many right as torchattacks' own, to two pictures in a hundred; Square draws at random."""
    result = json.loads(RESULT.read_text(encoding="utf-8"))
    assert [row["attack"] for row in result["attacks"]] == [
        "APGD-CE", "APGD-T", "FAB-T", "Square", "AutoAttack standard",
    ]  # fmt: skip
    whole = result["attacks"][-1]
    assert 0.1 < whole["accuracy"] < result["clean"]
    for row in result["attacks"]:
        assert row["accuracy"] <= row["torchattacks"] + 0.02, row["attack"]
    assert abs(whole["accuracy"] - whole["torchattacks"]) <= 0.01

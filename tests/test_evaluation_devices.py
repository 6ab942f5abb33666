"""Every measurement on an accelerator: the same pictures right as on the CPU (`pytest -k cuda` where there is one)."""

import pytest
import torch
from torch import nn

from mechaug import mechanisms as m
from mechaug.evaluation import fourier
from mechaug.evaluation.attacks import attack_all
from mechaug.evaluation.attacks_auto import auto_attack, standard
from mechaug.evaluation.attacks_mechanism import Ascent, BestOf, Grid, WorstParameters
from mechaug.evaluation.attacks_pgd import Fgsm, Pgd
from mechaug.evaluation.ood import detection
from mechaug.evaluation.predict import logits_of
from mechaug.evaluation.stability import find_sequence, stability
from mechaug.keys import Key

EPSILON = 8 / 255
COUNT = 40
SLIGHT = m.Chain(
    m.Viewpoint(rotation_deg=(-1.0, 1.0), log2_scale=0.0, shift_x=(-0.01, 0.01), shift_y=0.0),
    m.Exposure(exposure_ev=(-0.1, 0.1)),
)

each_device = pytest.mark.parametrize(
    "device",
    ["cpu", pytest.param("cuda", marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA"))],
)


class Net(nn.Module):
    """In double precision, so that the devices' roundings decide nothing."""

    def __init__(self):
        super().__init__()
        generator = torch.Generator().manual_seed(0)
        self.first = nn.Parameter(torch.randn(3 * 64, 24, generator=generator).double() / 8)
        self.second = nn.Parameter(torch.randn(24, 5, generator=generator).double())

    def forward(self, x):
        return torch.tanh((x.double().flatten(1) - 0.5) @ self.first) @ self.second


def stored():
    generator = torch.Generator().manual_seed(1)
    return torch.randint(20, 236, (COUNT, 3, 8, 8), dtype=torch.uint8, generator=generator)


def answers(device, measure):
    """What `measure` finds on the device, and on the CPU in batches of another size."""
    model, index = Net(), torch.arange(100, 100 + COUNT)
    labels = logits_of(model, stored()).argmax(1)
    here = measure(Net().to(device), stored(), labels, index, device, 25)
    return here, measure(model, stored(), labels, index, "cpu", COUNT)


@each_device
@pytest.mark.parametrize(
    "attack",
    [
        Fgsm(EPSILON / 4),
        Pgd(EPSILON / 4),
        *standard(EPSILON / 4, steps=15, targets=4, queries=100),
        *(WorstParameters(SLIGHT, how) for how in (Ascent(4), BestOf(4), Grid(2))),
    ],
    ids=lambda attack: attack.name,
)
def test_attacks(device, attack):
    def measure(model, pictures, labels, index, device, size):
        return attack_all(
            model, pictures, labels, index, Key(0), [attack], device=device, batch_size=size
        ).correct  # fmt: skip

    here, there = answers(device, measure)
    assert 0 < there.sum() < COUNT
    assert here.device.type == "cpu"
    assert (here != there).sum() <= 1  # float32 places of the attack may still round apart


@each_device
def test_the_ensemble_and_its_cautions(device):
    def measure(model, pictures, labels, index, device, size):
        attacks = standard(EPSILON / 4, steps=5, targets=2, queries=20)
        return auto_attack(model, pictures, labels, index, Key(0), attacks, device=device, batch_size=size)

    here, there = answers(device, measure)
    assert (here.attacked.correct != there.attacked.correct).sum() <= 1
    assert here.cautions == there.cautions


@each_device
def test_fourier(device):
    def measure(model, pictures, labels, index, device, size):
        where = {"device": device, "batch_size": size}
        found = fourier.heat_map(model, pictures, labels, index, Key(0), side=3, norm=1.0, **where)
        band = fourier.band_curve(model, pictures, labels, "low", [0.3, 0.8], **where)
        pairs = torch.arange(COUNT) % 5
        return found.error, band.float(), fourier.swap(model, pictures, pairs, index, Key(0), **where).as_phase.float()

    for here, there in zip(*answers(device, measure), strict=True):
        assert torch.allclose(here, there, atol=1.01 / COUNT)


@each_device
@pytest.mark.parametrize("name", ["zoom_blur", "rotate"])
def test_stability(device, name):
    def measure(model, pictures, labels, index, device, size):
        return stability(model, pictures, index, Key(0), find_sequence(name), device=device, batch_size=size).flips

    here, there = answers(device, measure)
    # A stored level may round the other way on another device.
    assert (here - there).abs().mean() < 0.02


@each_device
def test_detection(device):
    inside, elsewhere = (scale * torch.randn(50, 5, generator=torch.Generator().manual_seed(scale)) for scale in (3, 2))
    assert detection(inside.to(device), elsewhere.to(device), "energy", Key(0)) == detection(
        inside, elsewhere, "energy", Key(0)
    )

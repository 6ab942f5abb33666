"""Adversaries: worst cases in closed form, bounds that are kept, nets that are left as they were."""

import copy
import math

import pytest
import torch
from torch import nn
from torch.nn import functional

from mechaug import mechanisms as m
from mechaug.heuristics.views import Batch
from mechaug.keys import Key
from mechaug.training.adversarial import PixelAdversary, WorstCase, divergence
from mechaug.training.consistency import KL, MART
from mechaug.training.engine import fit
from mechaug.training.nets import build
from mechaug.training.objectives import CrossEntropy, Outputs
from mechaug.training.recipes import Recipe
from test_training_engine import pictures


class Linear(nn.Module):
    """Two classes told apart by a plane: what is worst within a ball is known."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(Key(3).normal(0.0, 1.0, 3 * 8 * 8))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        score = (x - 0.5).flatten(1) @ self.weight
        return torch.stack((score, -score), 1)


class Mean(nn.Module):
    """Says class 0 of bright pictures: the darkest exposure is worst for them."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        bright = 20 * (x.mean((1, 2, 3)) - 0.5)
        return torch.stack((bright, -bright), 1)


def batch(size: int = 8, count: int = 6) -> Batch:
    key = Key(0).at(torch.arange(count))
    return Batch(key.uniform(0.3, 0.7, 3, size, size), key.integers(0, 2), 2, key.fold("step"))


@pytest.mark.parametrize("steps", [1, 10])
def test_the_worst_of_a_plane_is_the_corner_of_the_ball(steps: int) -> None:
    model, given, radius = Linear(), batch(), 0.03
    attack = PixelAdversary(radius=radius, step=2 * radius, steps=steps)
    (view,) = attack.views(model, given, clean=False, count=1)
    sign = torch.where(given.labels == 0, -1.0, 1.0)[:, None, None, None] * model.weight.sign().view(3, 8, 8)
    torch.testing.assert_close(view.pictures, given.pictures + radius * sign.detach())
    assert torch.equal(view.targets, given.labels)


@pytest.mark.parametrize("attack", [PixelAdversary(), PixelAdversary.fast(), PixelAdversary.trades()])
def test_attacks_stay_in_their_ball_and_leave_the_net_alone(attack: PixelAdversary) -> None:
    net, given = build("small", 2, key=Key(1)), batch(16)
    net.train()
    before = copy.deepcopy(net.state_dict())
    clean, one, two = attack.views(net, given, clean=True, count=2)
    assert torch.equal(clean.pictures, given.pictures)
    assert not torch.equal(one.pictures, two.pictures)
    for view in (one, two):
        assert (view.pictures - given.pictures).abs().max() <= attack.radius + 1e-6
        assert view.pictures.min() >= 0 and view.pictures.max() <= 1
        assert not view.pictures.requires_grad
    assert net.training and all(weight.requires_grad and weight.grad is None for weight in net.parameters())
    for name, value in net.state_dict().items():
        assert torch.equal(value, before[name]), name
    # It hurts: the loss, or the divergence, is higher than at its start.
    net.eval()
    with torch.no_grad():
        if attack.climbs == "divergence":
            log_p = functional.log_softmax(net(given.pictures), 1)
            assert divergence(log_p, net(one.pictures)).mean() > 1e-5
        else:
            losses = [functional.cross_entropy(net(x), given.labels) for x in (given.pictures, one.pictures)]
            assert losses[1] > losses[0]


def test_draws_do_not_depend_on_the_batch() -> None:
    net, given = build("small", 2, key=Key(1)).eval(), batch(16)
    part = Batch(given.pictures[2:4], given.labels[2:4], 2, given.key.rows(torch.tensor([2, 3])))
    (whole,) = PixelAdversary().views(net, given, clean=False, count=1)
    (some,) = PixelAdversary().views(net, part, clean=False, count=1)
    torch.testing.assert_close(some.pictures, whole.pictures[2:4], atol=2 / 255, rtol=0)
    assert (some.pictures - whole.pictures[2:4]).abs().mean() < 1e-3  # a gradient of 0 may fall either way


@pytest.mark.parametrize("search", [{"steps": 6, "step": 0.3}, {"steps": 0, "draws": 40}, {"steps": 4, "draws": 4}])
def test_the_worst_exposure_is_found_in_its_own_unit(search: dict[str, float]) -> None:
    chain = m.Chain(m.Exposure(exposure_ev=(-2.0, 2.0)), m.Jpeg(quality=90.0))
    given = batch()
    worst = WorstCase(chain, **search)  # type: ignore[arg-type]
    params = worst.search(Mean(), given.pictures, given.labels, given.key)
    assert isinstance(params, m.ChainParams)
    exposure = params.steps[0].exposure_ev  # type: ignore[attr-defined]
    wanted = torch.where(given.labels == 0, -2.0, 2.0)
    torch.testing.assert_close(exposure, wanted, atol=0.5 if search["steps"] == 0 else 1e-5, rtol=0)
    (view,) = worst.views(Mean(), given, clean=False, count=1)
    assert view.pictures.shape == given.pictures.shape and not view.pictures.requires_grad
    assert set(worst.overlaps) == set(chain.mechanisms[0].overlaps) | set(chain.mechanisms[1].overlaps)


def test_impossible_adversaries_are_refused() -> None:
    for wrong in ({"radius": 0.0}, {"step": math.inf}, {"steps": 0}):
        with pytest.raises(ValueError, match="positive and finite"):
            PixelAdversary(**wrong)  # type: ignore[arg-type]
    for wrong in ({"steps": -1}, {"draws": 0}, {"step": 0.0}):
        with pytest.raises(ValueError, match="WorstCase takes"):
            WorstCase(m.Exposure(), **wrong)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="no parameter of the mechanism is a range"):
        WorstCase(m.Exposure(exposure_ev=1.0))


def outputs() -> tuple[Outputs, torch.Tensor]:
    clean, one, two = (Key(seed).normal(0.0, 2.0, 7, 5).double().requires_grad_() for seed in range(3))
    return Outputs(clean, (one, two)), Key(9).integers(0, 5, 7)


def test_kl_is_the_divergence_and_stops_its_gradient() -> None:
    seen, labels = outputs()
    assert seen.clean is not None
    p = torch.softmax(seen.clean, 1)
    expected = sum(
        functional.kl_div(functional.log_softmax(view, 1), p, reduction="batchmean") for view in seen.augmented
    ) / 2  # fmt: skip
    for stop in (True, False):
        loss = KL(views=2, stop_gradient=stop).value(seen, labels)
        torch.testing.assert_close(loss, expected.detach() if isinstance(expected, torch.Tensor) else expected)
        to_clean = torch.autograd.grad(loss, seen.clean, allow_unused=True, retain_graph=True)[0]
        assert (to_clean is None or not to_clean.any()) == stop


def test_mart_by_hand() -> None:
    clean, attacked = torch.tensor([[2.0, 0.0, 1.0]]).double(), torch.tensor([[0.5, 1.0, 0.0]]).double()
    p, q = torch.softmax(clean, 1)[0], torch.softmax(attacked, 1)[0]
    boosted = -math.log(q[0]) - math.log(1 - q[1])
    divergent = float((p * (p / q).log()).sum() * (1 - p[0]))
    loss = MART(weight=5.0).value(Outputs(clean, (attacked,)), torch.tensor([0]))
    assert loss.item() == pytest.approx(boosted + 5 * divergent)
    with pytest.raises(ValueError, match="not soft labels"):
        MART().value(Outputs(clean, (attacked,)), p[None])
    with pytest.raises(ValueError, match="weight"):
        MART(weight=-1.0)
    with pytest.raises(ValueError, match="at least 1 view"):
        KL(views=0)


@pytest.mark.parametrize(
    ("augmentation", "objective"),
    [
        (PixelAdversary(steps=2), CrossEntropy("augmented")),
        (PixelAdversary.fast(), CrossEntropy("augmented")),
        (PixelAdversary.trades(), CrossEntropy() + 6 * KL(stop_gradient=False)),
        (PixelAdversary(steps=2), MART()),
        (WorstCase(m.Exposure(), steps=2), CrossEntropy("all")),
    ],
)
def test_every_adversary_trains(augmentation: object, objective: object) -> None:
    recipe = Recipe(net="small", epochs=1, batch_size=16, learning_rate=0.05, precision="float32")
    fitted = fit(build("small", 3, key=Key(0)), pictures(32), augmentation, objective, recipe)  # type: ignore[arg-type]
    assert all(torch.isfinite(value).all() for value in fitted.state.values() if value.is_floating_point())

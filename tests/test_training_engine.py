"""The loop: what follows from (seed, step) follows bitwise, and nothing is lost on the way."""

import json
import math
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from mechaug import heuristics
from mechaug import mechanisms as m
from mechaug.data.pictures import Pictures
from mechaug.errors import UserError
from mechaug.heuristics.basic import FlipCrop
from mechaug.heuristics.views import Batch, Inside, View
from mechaug.keys import Key
from mechaug.training import nets
from mechaug.training.checkpoint import ModelCard, load_model, save_model
from mechaug.training.engine import DivergedError, Fitted, fit
from mechaug.training.objectives import JSD, CrossEntropy, Inputs, Objective, Outputs
from mechaug.training.recipes import Recipe
from mechaug.training.views import in_precision, make_views, show
from mechaug.watch import Silent

RECIPE = Recipe(net="small", epochs=3, batch_size=16, learning_rate=0.05, base=FlipCrop())
OBJECTIVE = CrossEntropy() + 12 * JSD(views=2)
CAMERA = m.Chain(m.Haze(), m.Sensor())


def pictures(count: int = 70) -> Pictures:
    """Two classes, dark and bright, with noise."""
    key = Key(3).at(torch.arange(count))
    labels = torch.arange(count) % 2
    level = 60 + 120 * labels[:, None, None, None]
    pixels = (level + 20 * key.field(3, 8, 8)).clamp(0, 255).to(torch.uint8)
    return Pictures(pixels, labels, torch.arange(count) + 1000)


class Net(nn.Module):
    """A net with batch statistics, small enough for many trainings."""

    def __init__(self, classes: int = 2) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten()
        )
        self.head = nn.Linear(8, classes)
        with torch.no_grad():
            for number, parameter in enumerate(self.parameters()):
                key = Key(0).fold(number).at([0])
                parameter.copy_(0.2 * key.normal(0, 1, *parameter.shape)[0] + (parameter.ndim == 1))

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.body(x - 0.5))


class PowerCutError(Exception):
    """Stands for the end of the process in the middle of training."""


class CutAfter(Silent):
    """A watch that ends the process after a number of steps."""

    def __init__(self, steps: int) -> None:
        self.left = steps + 1

    def advance(self, count: int, note: str = "") -> None:
        self.left -= 1
        if self.left == 0:
            raise PowerCutError


def train(folder: Path | None, **options: object) -> Fitted:
    return fit(Net(), pictures(), CAMERA, OBJECTIVE, RECIPE, folder=folder, config="same", **options)  # type: ignore[arg-type]


def assert_same(a: Fitted, b: Fitted) -> None:
    assert a.state.keys() == b.state.keys()
    for name, value in a.state.items():
        assert torch.equal(value, b.state[name]), name


@pytest.mark.parametrize("steps", [1, 3, 4, 5, 11])
def test_continues_bitwise_after_a_cut(tmp_path: Path, steps: int) -> None:
    expected = train(tmp_path / "whole")
    with pytest.raises(PowerCutError):
        train(tmp_path / "cut", checkpoint_seconds=0.0, watch=CutAfter(steps))
    assert_same(train(tmp_path / "cut"), expected)
    losses = [
        [json.loads(line)["loss"] for line in (tmp_path / name / "metrics.jsonl").read_text().splitlines()]
        for name in ("whole", "cut")
    ]
    assert losses[0] == losses[1]
    assert len(losses[0]) == RECIPE.epochs


def test_cut_between_checkpoints_repeats_the_steps_since(tmp_path: Path) -> None:
    expected = train(None)
    with pytest.raises(PowerCutError):
        train(tmp_path, checkpoint_seconds=1e9, watch=CutAfter(6))
    assert not (tmp_path / "checkpoint.safetensors").exists()
    assert_same(train(tmp_path), expected)


def test_finished_training_is_not_repeated(tmp_path: Path) -> None:
    first = train(tmp_path)
    again = train(tmp_path, watch=CutAfter(1))
    assert_same(first, again)
    assert again.seconds == pytest.approx(first.seconds, abs=0.5)


def test_seed_decides_everything() -> None:
    assert_same(train(None), train(None))
    other = train(None, seed=1)
    assert any(not torch.equal(value, other.state[name]) for name, value in train(None).state.items())


def test_learns_and_leaves_global_random_state_alone() -> None:
    model, data = Net(), pictures()
    before = torch.random.get_rng_state()
    fitted = fit(model, data, None, CrossEntropy(), RECIPE.replace(epochs=20, base=None))
    assert torch.equal(before, torch.random.get_rng_state())
    model.load_state_dict(fitted.state)
    assert not model.training
    assert (model(data.image(slice(None))).argmax(-1) == data.labels).float().mean() > 0.95


def test_average_of_weights_is_kept_or_not() -> None:
    last = Net()
    fitted = fit(last, pictures(), None, CrossEntropy(), RECIPE.replace(ema=0.0))
    assert all(torch.equal(value, last.state_dict()[name]) for name, value in fitted.state.items())
    last = Net()
    fitted = fit(last, pictures(), None, CrossEntropy(), RECIPE.replace(ema=0.9))
    assert not torch.equal(fitted.state["head.weight"], last.state_dict()["head.weight"])


def test_views_share_the_crop_and_draw_their_own_augmentation() -> None:
    x, key = pictures().image(slice(0, 16)), Key(0).at(torch.arange(16))
    batch = Batch(x, pictures().labels[:16], 2, key)
    clean, first, second = make_views(Net(), batch, CAMERA, OBJECTIVE.inputs)
    assert torch.equal(clean.pictures, x)
    assert not torch.equal(first.pictures, second.pictures)
    assert torch.equal(first.pictures, CAMERA(x, key.fold("view 0")))


def test_steps_bound_the_cost(tmp_path: Path) -> None:
    fitted = fit(Net(), pictures(), None, CrossEntropy(), RECIPE.replace(steps=5), folder=tmp_path)
    assert fitted.steps == 5


def test_nan_stops_before_it_reaches_the_checkpoint(tmp_path: Path) -> None:
    with pytest.raises(DivergedError, match=r"learning-rate"):
        fit(Net(), pictures(), None, CrossEntropy(), RECIPE.replace(learning_rate=1e30, epochs=30), folder=tmp_path,
            checkpoint_seconds=0.0)  # fmt: skip
    if (tmp_path / "checkpoint.safetensors").exists():
        from safetensors.torch import load_file

        for name, value in load_file(tmp_path / "checkpoint.safetensors").items():
            assert torch.isfinite(value).all(), name


@dataclass(frozen=True)
class Kinked(Objective):
    """A loss that stays finite while its gradient does not: the slope of √x at 0."""

    @property
    def inputs(self) -> Inputs:
        return Inputs(clean=True, views=0)

    def value(self, outputs: Outputs, labels: Tensor) -> Tensor:
        assert outputs.clean is not None
        return CrossEntropy().value(outputs, labels) + (0.0 * outputs.clean).square().sum().sqrt()


def test_a_finite_loss_with_a_gradient_that_is_not_is_no_last_good_state(tmp_path: Path) -> None:
    with pytest.raises(DivergedError, match=r"the net is not a number any more at step 1"):
        fit(Net(), pictures(), None, Kinked(), RECIPE, folder=tmp_path, checkpoint_seconds=0.0)
    assert not (tmp_path / "checkpoint.safetensors").exists()
    # Without a folder, too, such a net is not handed out.
    with pytest.raises(DivergedError):
        fit(Net(), pictures(), None, Kinked(), RECIPE.replace(steps=1))


MAKERS = {
    "mixup": (heuristics.Mixup(), CrossEntropy("clean") + CrossEntropy("augmented")),
    "in the net": (heuristics.NoisyMix(layers=("body.0", "body.2")), OBJECTIVE),
    "style": (heuristics.MixStyle(layers=("body.0",)), CrossEntropy("augmented")),
    "adversary": (heuristics.AugMax(steps=2), OBJECTIVE),
}


@pytest.mark.parametrize("name", MAKERS)
def test_methods_that_see_the_batch_or_the_net_continue_bitwise(tmp_path: Path, name: str) -> None:
    maker, objective = MAKERS[name]
    recipe = RECIPE.replace(epochs=2)
    expected = fit(Net(), pictures(), maker, objective, recipe)
    with pytest.raises(PowerCutError):
        fit(Net(), pictures(), maker, objective, recipe, folder=tmp_path, checkpoint_seconds=0.0, watch=CutAfter(3))
    assert_same(fit(Net(), pictures(), maker, objective, recipe, folder=tmp_path), expected)
    plain = fit(Net(), pictures(), None, CrossEntropy(), recipe)
    assert any(not torch.equal(value, plain.state[key]) for key, value in expected.state.items())


def test_every_call_of_the_net_is_in_the_training_precision() -> None:
    model, x = Net(), pictures().image(slice(0, 4))
    seen: list[torch.dtype] = []
    model.head.register_forward_hook(lambda _module, _inputs, output: seen.append(output.dtype))
    with in_precision(model, "bfloat16", torch.device("cpu")):
        logits = model(x)
        with pytest.raises(RuntimeError):
            model(x[:, :2])
        # An error inside the net leaves no precision behind.
        assert not torch.is_autocast_enabled("cpu")
    assert logits.dtype == torch.float32
    assert model(x).dtype == torch.float32
    assert seen == [torch.bfloat16, torch.float32]


def test_changes_inside_the_net_touch_the_rows_of_their_view_only() -> None:
    model, x = Net().eval(), pictures().image(slice(0, 4))
    labels = torch.zeros(4, dtype=torch.int64)
    plain = View(x, labels)
    erased = View(x, labels, (Inside("body.0", lambda features: 0.0 * features),))
    outputs = show(model, (plain, erased), Inputs(clean=True, views=1))
    assert outputs.clean is not None
    assert torch.allclose(outputs.clean, model(x), atol=1e-6)
    assert torch.allclose(outputs.augmented[0], outputs.augmented[0][:1].expand(4, -1))
    assert not torch.allclose(outputs.augmented[0], model(x))


def test_what_cannot_be_trained_is_said(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="batch"):
        fit(Net(), pictures(10), None, CrossEntropy(), RECIPE)
    with pytest.raises(UserError, match="output has shape"):
        fit(Net(classes=1), pictures(), None, CrossEntropy(), RECIPE)
    with pytest.raises(ValueError, match="views"):
        fit(Net(), pictures(), None, OBJECTIVE, RECIPE)
    train(tmp_path)
    with pytest.raises(UserError, match="another training"):
        fit(Net(), pictures(), CAMERA, OBJECTIVE, RECIPE, folder=tmp_path, config="other")


def test_checkpoint_that_is_garbage_is_named(tmp_path: Path) -> None:
    (tmp_path / "checkpoint.safetensors").write_bytes(b"garbage")
    with pytest.raises(UserError, match=r"checkpoint\.safetensors"):
        train(tmp_path)


def test_model_file_round_trip(tmp_path: Path) -> None:
    net = nets.build("small", 3, key=Key(0))
    card = ModelCard("small", ("a", "b", "ü"), (0.5, 0.5, 0.5), (0.25, 0.25, 0.25))
    save_model(tmp_path / "model.safetensors", net.state_dict(), card)
    state, read = load_model(tmp_path / "model.safetensors")
    assert read == card
    assert all(torch.equal(value, state[name]) for name, value in net.state_dict().items())
    with pytest.raises(UserError, match="no file"):
        load_model(tmp_path / "none.safetensors")


@pytest.mark.parametrize("schedule", ["cosine", "one-cycle"])
def test_schedules_peak_once_and_end_near_zero(schedule: str) -> None:
    recipe = RECIPE.replace(schedule=schedule, learning_rate=0.5)
    rates = [recipe.rate_at(step, 200) for step in range(200)]
    peak = rates.index(max(rates))
    assert 0.45 < max(rates) <= 0.5
    assert all(a < b for a, b in pairwise(rates[: peak + 1]))
    assert all(a > b for a, b in pairwise(rates[peak:]))
    assert rates[-1] < 0.01 and (peak == 0) == (schedule == "cosine")


@pytest.mark.parametrize(
    "wrong", [{"epochs": 0}, {"batch_size": 0}, {"learning_rate": math.inf}, {"ema": 1.0}, {"steps": 0}]
)
def test_recipes_refuse_what_cannot_be(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        RECIPE.replace(**wrong)

import pytest
import torch
from torch import nn

from mechaug.evaluation.attacks import SURVIVED, WRONG_WHEN_CLEAN, attack_all, margin, slope
from mechaug.evaluation.attacks_pgd import Fgsm, Pgd, cross_entropy_gain
from mechaug.keys import Key

EPSILON = 8 / 255


class Linear(nn.Module):
    """Logits that are linear in the picture."""

    def __init__(self, classes=2, seed=0):
        super().__init__()
        generator = torch.Generator().manual_seed(seed)
        self.weight = nn.Parameter(torch.randn(classes, 3 * 4 * 4, generator=generator))

    def forward(self, x):
        return x.flatten(1) @ self.weight.T


class Curved(nn.Module):
    """Two layers in float64, with a normalisation and a dropout that act in training mode only."""

    def __init__(self):
        super().__init__()
        generator = torch.Generator().manual_seed(1)
        self.first = nn.Parameter(torch.randn(48, 32, generator=generator).double())
        self.second = nn.Parameter(torch.randn(32, 4, generator=generator).double())
        self.norm = nn.BatchNorm1d(32).double()
        self.drop = nn.Dropout(0.5)

    def forward(self, x):
        return self.drop(torch.tanh(self.norm(x.double().flatten(1) @ self.first))) @ self.second


def inner(count, seed=0):
    """Pictures so far from black and white that no clip is met."""
    return 0.3 + 0.4 * torch.rand(count, 3, 4, 4, generator=torch.Generator().manual_seed(seed))


def keys(count):
    return Key(0).at(torch.arange(count))


def pgd(model, pictures, labels, key, **settings):
    return Pgd(**settings)(model, pictures, labels, key)


def attacked_correct(model, pictures, labels, index, key, *, batch_size=256, **settings):
    return attack_all(model, pictures, labels, index, key, [Pgd(**settings)], batch_size=batch_size).correct


class TestPgd:
    def test_on_a_linear_model_it_is_the_closed_form_worst_case(self):
        model, pictures = Linear(), inner(8)
        labels = model(pictures).argmax(1)
        attacked = pgd(model, pictures, labels, keys(8))
        gap = (model.weight[labels] - model.weight[1 - labels]).detach()
        worst = pictures - EPSILON * gap.sign().reshape(pictures.shape)
        assert torch.allclose(attacked, worst, atol=1e-6)
        margin = (attacked.flatten(1) * gap).sum(1)
        assert torch.allclose(margin, (pictures.flatten(1) * gap).sum(1) - EPSILON * gap.abs().sum(1), atol=1e-4)

    def test_it_stays_in_the_ball_and_among_pictures(self):
        pictures = torch.rand(6, 3, 4, 4, generator=torch.Generator().manual_seed(2)).round(decimals=1)
        attacked = pgd(Linear(), pictures, torch.zeros(6, dtype=torch.long), keys(6), epsilon=0.1, step_size=0.07)
        assert (attacked - pictures).abs().max() <= 0.1 + 1e-6
        assert attacked.min() >= 0
        assert attacked.max() <= 1
        assert not attacked.requires_grad

    def test_the_start_is_uniform_in_the_ball_and_comes_from_the_key(self):
        pictures = inner(200)
        labels = torch.zeros(200, dtype=torch.long)
        start = (pgd(Linear(), pictures, labels, keys(200), steps=0) - pictures) / EPSILON
        assert start.std() == pytest.approx(3**-0.5, rel=0.03)
        assert abs(start.mean()) < 0.02
        assert start.abs().max() > 0.99
        other = pgd(Linear(), pictures, labels, Key(1).at(torch.arange(200)), steps=0) - pictures
        assert not torch.allclose(other / EPSILON, start)

    def test_the_same_for_any_batch_size(self):
        model, pictures = Curved().train(), inner(8)
        labels = torch.arange(8) % 4
        whole = pgd(model, pictures, labels, keys(8), steps=5)
        single = [
            pgd(model, pictures[i : i + 1], labels[i : i + 1], keys(8).rows(torch.tensor([i])), steps=5)
            for i in range(8)
        ]
        assert torch.allclose(torch.cat(single), whole, atol=1e-6)

    def test_the_model_is_left_as_it_was(self):
        model = Curved().train()
        model.norm.eval()
        model.first.requires_grad_(False)
        model.second.grad = torch.full_like(model.second, 3.0)
        running = model.norm.running_mean.clone()
        pgd(model, inner(2), torch.tensor([0, 1]), keys(2), steps=2)
        assert model.training
        assert model.drop.training
        assert not model.norm.training
        assert not model.first.requires_grad
        assert model.second.requires_grad
        assert model.first.grad is None
        assert (model.second.grad == 3).all()
        assert torch.equal(model.norm.running_mean, running)

    def test_it_works_where_gradients_are_switched_off(self):
        model, pictures = Curved(), inner(2)
        labels = torch.tensor([0, 1])
        with torch.no_grad():
            quiet = pgd(model, pictures, labels, keys(2), steps=3)
            assert not torch.is_grad_enabled()
        assert torch.equal(quiet, pgd(model, pictures, labels, keys(2), steps=3))

    def test_refusals(self):
        class Broken(nn.Module):
            def forward(self, x):
                return x.flatten(1)[:, :2] * torch.nan

        labels = torch.tensor([0, 1])
        with pytest.raises(ValueError, match="NaN"):
            pgd(Broken(), inner(2), labels, keys(2))
        with pytest.raises(ValueError, match="reach from 0 to 2, and the model tells 2 classes"):
            pgd(Linear(), inner(2), torch.tensor([0, 2]), keys(2))
        with pytest.raises(ValueError, match="2 pictures need as many keys"):
            pgd(Linear(), inner(2), labels, keys(3))
        with pytest.raises(ValueError, match="no negative numbers"):
            pgd(Linear(), inner(2), labels, keys(2), epsilon=-0.1)

    def test_the_modes_come_back_after_a_failure(self):
        model = Linear().train()
        model.weight.data.fill_(torch.nan)
        with pytest.raises(ValueError, match="NaN"):
            pgd(model, inner(1), torch.tensor([0]), keys(1))
        assert model.training


class TestFgsm:
    def test_on_a_linear_model_it_is_the_closed_form_worst_case(self):
        model, pictures = Linear(), torch.rand(8, 3, 4, 4, generator=torch.Generator().manual_seed(5))
        labels = model(pictures).argmax(1)
        gap = (model.weight[labels] - model.weight[1 - labels]).detach()
        worst = (pictures - EPSILON * gap.sign().reshape(pictures.shape)).clamp(0, 1)
        assert torch.allclose(Fgsm()(model, pictures, labels, keys(8)), worst, atol=1e-6)


class TestParts:
    def test_the_margin_is_that_to_the_best_other_class(self):
        logits = torch.tensor([[3.0, 1.0, 2.5], [0.0, 4.0, 5.0]])
        assert margin(logits, torch.tensor([0, 1])).tolist() == [0.5, -1.0]
        with pytest.raises(ValueError, match="single class"):
            margin(torch.zeros(1, 1), torch.tensor([0]))

    def test_a_model_without_a_gradient_has_the_gradient_zero(self):
        class Deaf(Linear):
            def forward(self, x):
                return super().forward(x.detach())

        for model in (Deaf(), Deaf().requires_grad_(False)):
            logits, gain, gradient = slope(model, inner(2), cross_entropy_gain, *2 * [torch.tensor([0, 1])])
            assert not gradient.any()
            assert gain.shape == (2,)
            assert not logits.requires_grad


class TestAttackAll:
    def stored(self, count):
        generator = torch.Generator().manual_seed(3)
        return torch.randint(60, 200, (count, 3, 4, 4), dtype=torch.uint8, generator=generator)

    def test_on_a_linear_model_it_is_the_sign_of_the_worst_margin(self):
        model, pictures = Linear(), self.stored(200)
        x = pictures.float() / 255
        labels = model(x).argmax(1)
        labels[::5] = 1 - labels[::5]
        gap = (model.weight[labels] - model.weight[1 - labels]).detach()
        margin = (x.flatten(1) * gap).sum(1)
        for epsilon in (0.0, 2 / 255, EPSILON):
            expected = margin - epsilon * gap.abs().sum(1) > 0
            found = attacked_correct(
                model, pictures, labels, torch.arange(200), Key(0), epsilon=epsilon, step_size=epsilon / 4
            )
            assert torch.equal(found, expected)
        assert 0 < expected.sum() < (margin > 0).sum() < 200

    def test_the_same_for_any_batch_size_and_order(self):
        model, pictures = Curved(), self.stored(30)
        with torch.no_grad():
            labels = model.eval()(pictures.float() / 255).argmax(1)
        labels[:4] = (labels[:4] + 1) % 4
        index = torch.arange(100, 130)
        whole = attacked_correct(model, pictures, labels, index, Key(0), epsilon=0.1, step_size=0.05, steps=4)
        assert 0 < whole.sum() < 26
        small = attacked_correct(
            model, pictures, labels, index, Key(0), epsilon=0.1, step_size=0.05, steps=4, batch_size=7
        )
        assert torch.equal(small, whole)
        order = torch.arange(30).flip(0)
        turned = attacked_correct(
            model, pictures[order], labels[order], index[order], Key(0), epsilon=0.1, step_size=0.05, steps=4
        )
        assert torch.equal(turned, whole[order])

    def test_only_what_is_right_is_attacked(self):
        class Counting(Linear):
            attacked = 0

            def forward(self, x):
                self.attacked += len(x) if torch.is_grad_enabled() else 0
                return super().forward(x)

        model, pictures = Counting(), self.stored(20)
        with torch.no_grad():
            labels = model(pictures.float() / 255).argmax(1)
        labels[:15] = 1 - labels[:15]
        found = attacked_correct(model, pictures, labels, torch.arange(20), Key(0), steps=3)
        assert model.attacked == 5 * 3
        assert not found[:15].any()

    def test_refusals(self):
        with pytest.raises(ValueError, match="at least one picture"):
            attacked_correct(Linear(), self.stored(2), torch.tensor([0, 1]), torch.arange(2), Key(0), batch_size=0)

    def test_each_attack_takes_on_what_the_ones_before_left_right(self):
        model, pictures = Linear(), self.stored(100)
        labels = model(pictures.float() / 255).argmax(1)
        labels[:3] = 1 - labels[:3]
        said = []

        class Listener:
            def advance(self, count, note=""):
                said.append((count, note))

            def begin(self, title, total, unit):
                raise AssertionError("the caller's")

            def say(self, text):
                raise AssertionError("nothing to say")

        # The runner gives one key per picture, whatever the attack draws.
        attacks = [Fgsm(EPSILON / 8), Fgsm(EPSILON)]
        found = attack_all(model, pictures, labels, torch.arange(100), Key(0), attacks, batch_size=30, watch=Listener())
        assert found.attacks == ("FGSM", "FGSM")
        assert (found.broken_by[:3] == WRONG_WHEN_CLEAN).all()
        for count, epsilon in ((1, EPSILON / 8), (2, EPSILON)):
            alone = attack_all(model, pictures, labels, torch.arange(100), Key(0), [Fgsm(epsilon)])
            assert torch.equal(found.correct_after(count), alone.correct)
        assert torch.equal(found.correct_after(0), found.broken_by != WRONG_WHEN_CLEAN)
        assert 0 < int((found.broken_by == 0).sum()) < int((found.broken_by == 1).sum())
        assert int((found.broken_by == SURVIVED).sum()) == int(found.correct.sum()) > 0
        assert sum(count for count, _ in said) == 3 * 100

    def test_without_pictures_there_is_nothing_to_do(self):
        none = torch.zeros(0, 3, 4, 4, dtype=torch.uint8), torch.zeros(0, dtype=torch.long)
        assert attack_all(Linear(), *none, none[1], Key(0), [Fgsm()]).correct.shape == (0,)

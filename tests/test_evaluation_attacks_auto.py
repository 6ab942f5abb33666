"""APGD, FAB, Square and the ensemble, against worst cases that are known in closed form."""

from itertools import pairwise

import pytest
import torch
from torch import nn

from mechaug.evaluation.attacks import SURVIVED, attack_all
from mechaug.evaluation.attacks_apgd import (
    Apgd,
    TargetedApgd,
    checkpoints,
    dlr_gain,
    likeliest_others,
    targeted_dlr_gain,
)
from mechaug.evaluation.attacks_auto import auto_attack, cautions, randomised, standard
from mechaug.evaluation.attacks_fab import TargetedFab, nearest_wrong, onto_plane
from mechaug.evaluation.attacks_square import Square, square_side
from mechaug.keys import Key

EPSILON = 8 / 255


class Linear(nn.Module):
    """Logits that are linear in the picture: the L∞ worst case is known exactly."""

    def __init__(self, classes=5, seed=0):
        super().__init__()
        weight = torch.randn(classes, 3 * 4 * 4, generator=torch.Generator().manual_seed(seed))
        self.weight = nn.Parameter(weight)

    def forward(self, x):
        return (x.flatten(1) - 0.5) @ self.weight.T


class Stairs(Linear):
    """The same answers at 8 bits, but flat almost everywhere: no gradient says anything."""

    def forward(self, x):
        return super().forward(x.mul(255).round().div(255))


def stored(count, seed=3):
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(9, 247, (count, 3, 4, 4), dtype=torch.uint8, generator=generator)


def right(model, pictures):
    with torch.no_grad():
        return model(pictures.float() / 255).argmax(1)


def survives(model, pictures, labels, epsilon):
    """Exact: against each other class every pixel moves against the difference of the weights. No clip is met."""
    x = pictures.float().flatten(1) / 255 - 0.5
    gap = (model.weight[labels][:, None] - model.weight[None]).detach()
    margin = (gap * x[:, None]).sum(2) - epsilon * gap.abs().sum(2)
    margin[torch.arange(len(labels)), labels] = torch.inf
    return margin.amin(1) > 0


@pytest.fixture
def linear():
    return Linear()


ATTACKS = [
    Apgd(EPSILON, 20),
    Apgd(EPSILON, 20, "dlr"),
    TargetedApgd(EPSILON, 20, 4),
    TargetedFab(EPSILON, 10, 4),
]


class TestOnALinearModel:
    @pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.name)
    def test_every_attack_reaches_the_exact_robust_accuracy(self, linear, attack):
        pictures = stored(150)
        labels = right(linear, pictures)
        found = attack_all(linear, pictures, labels, torch.arange(150), Key(0), [attack]).correct
        expected = survives(linear, pictures, labels, EPSILON)
        assert 20 < expected.sum() < 130
        if attack.name in ("APGD-CE", "APGD-DLR"):
            # Untargeted, they follow the nearest class only: never below the truth, and nearly there.
            assert not (expected & ~found).any()
            assert (found & ~expected).sum() <= 6
        else:
            assert torch.equal(found, expected)

    @pytest.mark.parametrize("attack", [*ATTACKS, Square(EPSILON, 40)], ids=lambda attack: attack.name)
    def test_what_is_found_is_a_picture_inside_the_ball(self, linear, attack):
        pictures = torch.rand(20, 3, 4, 4, generator=torch.Generator().manual_seed(2)).round(decimals=1)
        labels = linear(pictures).argmax(1)
        found = attack(linear, pictures, labels, Key(0).at(torch.arange(20)))
        assert (found - pictures).abs().max() <= EPSILON + 1e-6
        assert found.min() >= 0
        assert found.max() <= 1
        assert not found.requires_grad

    @pytest.mark.parametrize("attack", [*ATTACKS, Square(EPSILON, 100)], ids=lambda attack: attack.name)
    def test_a_picture_s_result_does_not_depend_on_the_others(self, linear, attack):
        pictures = stored(80)
        labels, index = right(linear, pictures), torch.arange(100, 180)
        whole = attack_all(linear, pictures, labels, index, Key(0), [attack]).correct
        order = torch.randperm(80, generator=torch.Generator().manual_seed(0))
        parts = attack_all(linear, pictures[order], labels[order], index[order], Key(0), [attack], batch_size=7).correct
        assert torch.equal(parts, whole[order])
        assert 0 < whole.sum() < 80

    def test_the_start_comes_from_the_picture_s_key(self, linear):
        pictures = stored(40).float() / 255
        labels, keys = linear(pictures).argmax(1), Key(0).at(torch.arange(40))
        for attack in (Apgd(0.001, 1), Square(0.001, 30)):
            whole = attack(linear, pictures, labels, keys)
            part = attack(linear, pictures[9:11], labels[9:11], keys.rows(torch.tensor([9, 10])))
            assert torch.allclose(part, whole[9:11], atol=1e-7)
            assert not torch.allclose(attack(linear, pictures, labels, Key(1).at(torch.arange(40))), whole, atol=1e-7)

    @pytest.mark.parametrize("attack", [*ATTACKS, Square(EPSILON, 30)], ids=lambda attack: attack.name)
    def test_the_random_state_of_torch_is_left_alone(self, linear, attack):
        before = torch.get_rng_state()
        attack(linear, stored(3).float() / 255, torch.tensor([0, 1, 2]), Key(0).at(torch.arange(3)))
        assert torch.equal(torch.get_rng_state(), before)


class TestApgd:
    def test_the_checkpoints_of_the_paper(self):
        # p = 0.22, 0.41, 0.57, 0.70, 0.80, 0.87, 0.93, 0.99 of 100 steps: gaps 0.19, 0.16, …, never under 0.06.
        assert checkpoints(100) == (22, 41, 57, 70, 80, 87, 93, 99)

    def test_the_first_step_is_whole_whoever_else_is_in_the_batch(self, linear):
        """Also beside a picture that is wrong from the start and takes no part."""
        pictures = stored(6).float() / 255
        labels, keys = linear(pictures).argmax(1), Key(0).at(torch.arange(6))
        labels[0] = (labels[0] + 1) % 5
        together = Apgd(0.002, 1)(linear, pictures, labels, keys)
        alone = Apgd(0.002, 1)(linear, pictures[1:], labels[1:], keys.rows(torch.arange(1, 6)))
        assert torch.allclose(together[1:], alone, atol=1e-6)
        # Twice the radius long, so that from anywhere in the ball it ends on its surface.
        assert torch.allclose((alone - pictures[1:]).abs(), torch.full_like(alone, 0.002), atol=1e-6)

    def test_the_ratio_does_not_depend_on_scale_or_offset(self):
        logits = torch.tensor([[4.0, 1.0, 0.0, -2.0], [1.0, 3.0, 2.0, 0.0]])
        labels, targets = torch.tensor([0, 2]), torch.tensor([1, 0])
        assert dlr_gain(logits, labels, labels).tolist() == pytest.approx([-3 / 4, 1 / 2])
        assert targeted_dlr_gain(logits, labels, targets).tolist() == pytest.approx([-3 / 5, -1 / (3 - 0.5)])
        for gain in (dlr_gain, targeted_dlr_gain):
            moved = gain(10 * logits + 3, labels, targets)
            assert torch.allclose(moved, gain(logits, labels, targets))

    def test_few_classes_have_the_difference_alone(self):
        logits, labels, targets = torch.tensor([[4.0, 1.0]]), torch.tensor([0]), torch.tensor([1])
        assert dlr_gain(logits, labels, targets).item() == -3
        assert targeted_dlr_gain(logits, labels, targets).item() == -3

    def test_the_likeliest_other_classes_come_in_order(self):
        logits = torch.tensor([[1.0, 5.0, 3.0], [2.0, 0.0, 1.0]])
        assert likeliest_others(logits, torch.tensor([1, 2])).tolist() == [[2, 0], [0, 1]]

    def test_it_ends_higher_than_as_many_fixed_steps(self):
        """A curved valley, in which steps of a fixed size overshoot."""

        class Valley(nn.Module):
            def forward(self, x):
                place = x.flatten(1) - torch.linspace(0.45, 0.55, 48)
                loss = -(place.square() * torch.linspace(1, 400, 48)).sum(1)
                return torch.stack((torch.full_like(loss, 3.0), loss), dim=1)

        from mechaug.evaluation.attacks_pgd import Pgd

        pictures, labels = torch.full((4, 3, 4, 4), 0.5), torch.zeros(4, dtype=torch.long)
        keys, model = Key(0).at(torch.arange(4)), Valley()
        auto = model(Apgd(0.1, 40)(model, pictures, labels, keys))[:, 1]
        fixed = model(Pgd(0.1, 0.02, 40)(model, pictures, labels, keys))[:, 1]
        assert (auto > fixed).all()

    def test_refusals(self):
        with pytest.raises(ValueError, match="count of at least 1"):
            Apgd(steps=0)
        with pytest.raises((ValueError, TypeError), match=r"dlr|loss"):
            Apgd(loss="hinge")


class TestFab:
    def test_the_step_onto_a_plane_is_the_least_one_in_the_box(self):
        from scipy.optimize import linprog

        generator = torch.Generator().manual_seed(0)
        x = torch.rand(12, 1, 2, 3, generator=generator, dtype=torch.float64)
        normal = torch.randn(12, 1, 2, 3, generator=generator, dtype=torch.float64)
        value = torch.randn(12, generator=generator, dtype=torch.float64)
        step = onto_plane(x, normal, value)
        for place, weight, offset, moved in zip(x.flatten(1), normal.flatten(1), value, step.flatten(1), strict=True):
            # minimise t subject to |d_i| ≤ t, 0 ≤ x + d ≤ 1 and value + w·d = 0
            eye = torch.eye(6, dtype=torch.float64)
            sides = torch.cat((torch.cat((eye, -eye)), -torch.ones(12, 1, dtype=torch.float64)), dim=1)
            bounds = [(-float(p), 1 - float(p)) for p in place] + [(0, None)]
            best = linprog(
                [0.0] * 6 + [1.0], sides.numpy(), [0.0] * 12, [[*weight.tolist(), 0.0]], [-float(offset)], bounds
            )
            if best.success:
                assert moved.abs().max().item() == pytest.approx(best.fun, abs=1e-9)
                assert float(offset + weight @ moved) == pytest.approx(0, abs=1e-9)
            else:
                corner = torch.where(-offset.sign() * weight.sign() > 0, 1 - place, -place)
                assert torch.allclose(moved, corner)
        assert step.abs().max() > 0.2

    def test_a_flat_model_gives_no_step(self):
        step = onto_plane(torch.rand(2, 1, 2, 2), torch.zeros(2, 1, 2, 2), torch.tensor([1.0, -1.0]))
        assert not step.any()

    def test_it_finds_the_exact_distance_to_the_boundary(self, linear):
        pictures = stored(30).float() / 255
        labels = linear(pictures).argmax(1)
        target = likeliest_others(linear(pictures), labels)[0]
        found, distance = nearest_wrong(linear, pictures, labels, target, steps=30, enough=0.0)
        gap = (linear.weight[labels] - linear.weight[target]).detach()
        exact = (gap * (pictures.flatten(1) - 0.5)).sum(1) / gap.abs().sum(1)
        # The target is the likeliest other class, and another one may lie nearer on the way.
        assert (distance <= exact * 1.02 + 1e-6).all()
        assert ((distance - exact).abs() < 0.02 * exact).float().mean() > 0.6
        assert (linear(found).argmax(1) != labels).all()
        assert torch.allclose((found - pictures).abs().flatten(1).amax(1), distance)


class TestSquare:
    def test_the_sides_follow_the_schedule(self):
        sides = [square_side(query, 32, 32) for query in (0, 10, 11, 50, 51, 201, 501, 1001, 2001, 4001, 6001, 8001)]
        shares = [0.8, 0.8, 0.4, 0.4, 0.2, 0.1, 0.05, 0.025, 0.0125, 0.00625, 0.003125, 0.0015625]
        assert sides == [max(round((share * 1024) ** 0.5), 1) for share in shares]
        assert square_side(0, 8, 200) == 8

    def test_it_needs_no_gradient(self, linear):
        stairs, pictures = Stairs(), stored(60)
        labels = right(stairs, pictures)
        blind = attack_all(stairs, pictures, labels, torch.arange(60), Key(0), [Apgd(EPSILON, 10)]).correct
        seen = attack_all(stairs, pictures, labels, torch.arange(60), Key(0), [Square(EPSILON, 600)]).correct
        exact = survives(linear, pictures, labels, EPSILON)
        assert blind.sum() > seen.sum() + 5
        # 8/255 is a whole number of steps, so rounding costs the search nothing.
        assert not (exact & ~seen).any()
        assert (seen & ~exact).sum() <= 4

    def test_it_only_ever_lowers_the_margin(self, linear):
        pictures, keys = stored(20).float() / 255, Key(0).at(torch.arange(20))
        labels = linear(pictures).argmax(1)
        leads = []
        for queries in (1, 5, 30, 200):
            said = linear(Square(2 / 255, queries)(linear, pictures, labels, keys))
            own = said.gather(1, labels[:, None]).squeeze(1)
            leads.append(own - said.scatter(1, labels[:, None], -torch.inf).amax(1))
        for before, after in pairwise(leads):
            assert (after <= before + 1e-6).all()
        assert (leads[-1] < leads[0] - 0.05).float().mean() > 0.8


class TestAutoAttack:
    def quick(self):
        return standard(EPSILON, steps=10, targets=4, queries=60)

    def test_the_standard_version(self):
        names = [attack.name for attack in standard()]
        assert names == ["APGD-CE", "APGD-T", "FAB-T", "Square"]
        first, second, third, fourth = standard()
        assert (first.steps, second.steps, second.targets, third.steps, third.targets, fourth.queries) == (
            100, 100, 9, 100, 9, 5000,
        )  # fmt: skip
        assert {attack.epsilon for attack in standard(4 / 255)} == {4 / 255}

    def test_it_is_exact_on_a_linear_model_and_nothing_is_to_be_doubted(self, linear):
        pictures = stored(100)
        labels = right(linear, pictures)
        found = auto_attack(linear, pictures, labels, torch.arange(100), Key(0), self.quick())
        assert torch.equal(found.attacked.correct, survives(linear, pictures, labels, EPSILON))
        assert found.cautions == ()
        again = auto_attack(linear, pictures, labels, torch.arange(100), Key(0), self.quick(), batch_size=13)
        assert torch.equal(again.attacked.broken_by == SURVIVED, found.attacked.correct)

    def doubts(self, model, labels=None):
        pictures = stored(40)
        labels = right(model, pictures) if labels is None else labels
        return {caution.doubt: caution.sentence for caution in cautions(model, pictures, labels)}

    def test_a_randomised_model(self):
        class Noisy(Linear):
            draws = torch.Generator().manual_seed(0)

            def forward(self, x):
                return super().forward(x) + 0.1 * torch.randn(5, generator=self.draws)

        assert set(self.doubts(Noisy())) == {"random"}

    def test_the_version_for_randomised_models(self):
        first, second = randomised()
        assert (first.name, second.name) == ("APGD-CE", "APGD-DLR")
        assert {(one.steps, one.draws) for one in (first, second)} == {(100, 20)}
        assert {attack.epsilon for attack in randomised(4 / 255)} == {4 / 255}

    def test_averaging_finds_what_single_answers_hide(self):
        class Shaken(Linear):
            """Each answer is by other weights; their mean is linear, so that the worst case is known."""

            def __init__(self):
                super().__init__()
                self.draws = torch.Generator().manual_seed(0)

            def forward(self, x):
                shake = 6 * torch.randn(self.weight.shape, generator=self.draws)
                return (x.flatten(1) - 0.5) @ (self.weight + shake).T

        steady, pictures = Linear(), stored(60).float() / 255
        labels, keys = steady(pictures).argmax(1), Key(0).at(torch.arange(60))
        left = {}
        for draws in (1, 20):
            found = Apgd(EPSILON, 10, "ce", draws)(Shaken(), pictures, labels, keys)
            left[draws] = int((steady(found).argmax(1) == labels).sum())
        exact = int(survives(steady, stored(60), labels, EPSILON).sum())
        assert left[1] > left[20] + 5
        assert exact <= left[20]

    def test_of_a_steady_model_the_draws_change_nothing(self, linear):
        pictures, keys = stored(12).float() / 255, Key(0).at(torch.arange(12))
        labels = linear(pictures).argmax(1)
        once, often = (Apgd(0.005, 5, "dlr", draws)(linear, pictures, labels, keys) for draws in (1, 3))
        assert torch.allclose(once, often, atol=1e-6)

    def test_probabilities(self):
        class Soft(Linear):
            def forward(self, x):
                return super().forward(x).softmax(1)

        assert set(self.doubts(Soft())) == {"probabilities"}

    def test_few_classes(self):
        assert set(self.doubts(Linear(3))) == {"few classes"}
        assert "has 3" in self.doubts(Linear(3))["few classes"]

    def test_masked_gradients(self):
        model, pictures = Stairs(), stored(60)
        labels = right(model, pictures)
        attacks = standard(EPSILON, steps=5, targets=2, queries=300)
        found = auto_attack(model, pictures, labels, torch.arange(60), Key(0), attacks)
        assert {caution.doubt for caution in found.cautions} == {"no gradient", "square wins"}
        assert found.cautions[0].sentence.startswith("60 of 60 pictures")
        assert int((found.attacked.broken_by == 3).sum()) > 10

    def test_refusals(self, linear):
        none = torch.zeros(0, 3, 4, 4, dtype=torch.uint8), torch.zeros(0, dtype=torch.long)
        with pytest.raises(ValueError, match="no pictures"):
            auto_attack(linear, *none, none[1], Key(0))
        with pytest.raises(ValueError, match="the model tells 5 classes"):
            auto_attack(linear, stored(2), torch.tensor([0, 5]), torch.arange(2), Key(0))

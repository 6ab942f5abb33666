import dataclasses

import pytest
import torch
from torch import nn

from mechaug import mechanisms as m
from mechaug.evaluation.attacks import attack_all
from mechaug.evaluation.attacks_mechanism import Ascent, BestOf, Grid, WorstParameters
from mechaug.keys import Key
from mechaug.laws import quantities
from mechaug.mechanisms.box import Box

MECHANISMS = [
    kind
    for kind in (getattr(m, name) for name in m.__all__)
    if isinstance(kind, type)
    and issubclass(kind, m.Mechanism)
    and dataclasses.is_dataclass(kind)
    and kind not in (m.Chain, m.Maybe, m.OneOf, m.Mix)
]


class Bright(nn.Module):
    """Class 0 where the mean is over a threshold, class 1 below it: exactly known under a change of exposure."""

    def __init__(self, threshold=0.3):
        super().__init__()
        self.threshold = nn.Parameter(torch.tensor(threshold))

    def forward(self, x):
        gap = x.mean((1, 2, 3)) - self.threshold
        return torch.stack((gap, -gap), dim=1)


def grey(*values, size=8):
    return torch.tensor(values).reshape(-1, 1, 1, 1).expand(-1, 3, size, size).contiguous()


def noise(count, size=8):
    return 0.2 + 0.6 * torch.rand(count, 3, size, size, generator=torch.Generator().manual_seed(0))


def keys(count):
    return Key(0).at(torch.arange(count))


class TestBox:
    @pytest.mark.parametrize("kind", MECHANISMS, ids=lambda kind: kind.__name__)
    def test_every_mechanism_has_one_and_coming_back_changes_nothing(self, kind):
        mechanism = kind()
        box, params = Box(mechanism), mechanism.sample(keys(4))
        open_laws = [name for name, _ in quantities(mechanism) if not isinstance(getattr(mechanism, name), int | float)]
        assert box.names == tuple(f"{kind.__name__}.{name}" for name in open_laws)
        back = box.replace(params, box.unit(params))
        for before, after in zip(params.leaves(), back.leaves(), strict=True):
            if before.is_floating_point():
                # A distribution's tails lie outside.
                assert torch.allclose(before, after, rtol=1e-3, atol=1e-5) or kind is m.WhiteBalance
            else:
                assert torch.equal(before, after)

    def test_the_corners_are_the_ends_of_the_ranges(self):
        haze = m.Haze(visibility_m=(50.0, 2000.0), distance_m=30.0, airlight=(0.6, 1.0))
        box, params = Box(haze), haze.sample(keys(3))
        assert box.names == ("Haze.visibility_m", "Haze.airlight")
        corner = box.replace(params, torch.tensor([[0.0, 1.0], [1.0, 0.0], [0.5, 0.5]]))
        assert corner.visibility_m.tolist() == pytest.approx([50, 2000, (50 * 2000) ** 0.5], rel=1e-5)
        assert corner.airlight.tolist() == pytest.approx([1.0, 0.6, 0.8])
        assert corner.distance_m.tolist() == pytest.approx([30.0] * 3)

    def test_through_chains_and_mixtures(self):
        chain = m.Chain(
            m.Maybe(m.Haze(visibility_m=(50.0, 2000.0), distance_m=30.0, airlight=0.8), 0.5),
            m.OneOf(m.Exposure(exposure_ev=(-1.0, 1.0)), m.Gamma(gamma=(0.5, 2.0))),
            m.Mix(m.Exposure(exposure_ev=(-2.0, 0.0)), m.Chain(m.Jpeg(quality=(10.0, 50.0)))),
        )
        box, params = Box(chain), chain.sample(keys(2))
        assert box.names == (
            "Haze.visibility_m", "Exposure.exposure_ev", "Gamma.gamma", "Exposure.exposure_ev", "Jpeg.quality",
        )  # fmt: skip
        moved = box.replace(params, torch.zeros(2, 5))
        assert torch.equal(box.unit(moved), torch.zeros(2, 5))
        assert moved.steps[0].visibility_m.tolist() == pytest.approx([50, 50])
        assert moved.steps[2].branches[1].steps[0].quality.tolist() == pytest.approx([10, 10])
        assert torch.equal(moved.steps[1].choice, params.steps[1].choice)
        assert box.values(moved)["Jpeg.quality"].tolist() == pytest.approx([10, 10])

    def test_what_lies_outside_is_at_the_surface(self):
        haze = m.Haze(visibility_m=(50.0, 2000.0))
        assert Box(haze).unit(haze.neutral(1))[0, 0] == 1  # no haze at all is the clearest air of the box

    def test_a_distribution_has_its_central_part(self):
        balance = m.WhiteBalance()
        box = Box(balance)
        ends = box.replace(balance.neutral(2), torch.tensor([[0.0, 0.0], [1.0, 1.0]])).red_ev
        assert ends.tolist() == pytest.approx([-2.5758 * 0.07, 2.5758 * 0.07], rel=1e-3)


class TestSearch:
    def darkest(self, pictures, ev):
        """Light times 2^ev: the mean that is left."""
        return (
            m.Exposure(exposure_ev=ev)
            .apply(pictures, m.Exposure(exposure_ev=ev).sample(keys(len(pictures))))
            .mean((1, 2, 3))
        )

    @pytest.mark.parametrize("search", [Ascent(steps=12, step=0.1), Grid(3)], ids=["gradient", "grid"])
    def test_the_worst_exposure_is_the_end_of_its_range(self, search):
        pictures, exposure = noise(6), m.Exposure(exposure_ev=(-1.0, 1.0))
        labels = torch.tensor([0, 1, 0, 1, 0, 1])
        found = WorstParameters(exposure, search).find(Bright(), pictures, labels, keys(6))
        assert found.params.exposure_ev.tolist() == pytest.approx([-1, 1, -1, 1, -1, 1])
        assert torch.allclose(found.pictures, exposure.apply(pictures, found.params))
        expected = self.darkest(pictures, -1.0)[::2] - 0.3
        assert torch.allclose(found.lead[::2], 2 * expected, atol=1e-6)

    def test_two_mechanisms_at_once(self):
        chain = m.Chain(m.Exposure(exposure_ev=(-1.0, 1.0)), m.Gamma(gamma=(0.5, 2.0)))
        labels = torch.zeros(4, dtype=torch.long)
        climbed = WorstParameters(chain, Ascent(steps=12)).find(Bright(), noise(4), labels, keys(4))
        corner = WorstParameters(chain, Grid(2)).find(Bright(), noise(4), labels, keys(4))
        assert torch.allclose(climbed.lead, corner.lead, atol=1e-5)

    def test_every_search_is_at_least_as_bad_as_what_it_contains(self):
        chain = m.Chain(m.Viewpoint(), m.Exposure(), m.Sensor())
        generator = torch.Generator().manual_seed(1)

        class Net(nn.Module):
            weight = torch.randn(3 * 64, 3, generator=generator) / 8

            def forward(self, x):
                return torch.tanh((x.flatten(1) - 0.5) @ self.weight) * 4

        pictures, labels = noise(12), torch.arange(12) % 3
        leads = {
            search: WorstParameters(chain, search).find(Net(), pictures, labels, keys(12)).lead
            for search in (BestOf(1), BestOf(3), BestOf(8), Ascent(3, 0.1, 3), Ascent(6, 0.1, 3))
        }
        assert (leads[BestOf(3)] <= leads[BestOf(1)]).all()
        assert (leads[BestOf(8)] < leads[BestOf(3)]).any()
        # From the same draws, to the rounding of coming back from the box; and the first steps are the same.
        assert (leads[Ascent(3, 0.1, 3)] <= leads[BestOf(3)] + 1e-4).all()
        assert (leads[Ascent(6, 0.1, 3)] <= leads[Ascent(3, 0.1, 3)]).all()
        assert leads[Ascent(6, 0.1, 3)].mean() < leads[BestOf(3)].mean() - 0.1

    def test_the_batch_and_the_order_do_not_matter(self):
        chain, pictures = m.Chain(m.Haze(), m.Exposure(), m.Sensor()), noise(6)
        attack, labels, model = WorstParameters(chain, Ascent(4)), torch.arange(6) % 2, Bright()
        whole = attack(model, pictures, labels, keys(6))
        order = torch.tensor([4, 2, 5, 0, 1, 3])
        parts = [attack(model, pictures[i], labels[i], keys(6).rows(i)) for i in order.split(4)]
        assert torch.allclose(torch.cat(parts), whole[order], atol=1e-4)

    def test_accuracy_over_the_box_of_stored_pictures(self):
        values = torch.arange(60, 250, 5, dtype=torch.uint8)
        pictures = values[:, None, None, None].expand(-1, 3, 4, 4).contiguous()
        labels, index = torch.zeros(len(values), dtype=torch.long), torch.arange(len(values))
        chain = m.Chain(m.Exposure(exposure_ev=(-1.0, 0.5)))
        expected = self.darkest(pictures.float() / 255, -1.0) > 0.3
        for search in (Ascent(steps=16), Grid(2)):
            found = attack_all(
                Bright(), pictures, labels, index, Key(0), [WorstParameters(chain, search)], batch_size=7
            )
            assert torch.equal(found.correct, expected)
        assert 5 < expected.sum() < len(values) - 5

    @pytest.mark.parametrize("kind", MECHANISMS, ids=lambda kind: kind.__name__)
    def test_every_mechanism_can_be_searched(self, kind):
        pictures = noise(2, 16)
        attack = WorstParameters(kind(), Ascent(steps=2) if Box(kind()).names else BestOf(2))
        found = attack.find(Bright(), pictures, torch.tensor([0, 1]), keys(2))
        assert torch.isfinite(found.pictures).all()
        unit = Box(kind()).unit(found.params)
        assert ((unit >= 0) & (unit <= 1)).all()


class TestRefusals:
    def test_nothing_to_search(self):
        with pytest.raises(ValueError, match="no parameter of the mechanism is a range"):
            WorstParameters(m.Exposure(exposure_ev=1.0))
        WorstParameters(m.Exposure(exposure_ev=1.0), BestOf(2))

    def test_too_fine_a_grid(self):
        with pytest.raises(ValueError, match="15,625 points, and 10,000 are the most"):
            WorstParameters(m.Chain(m.CameraRotation(), m.CameraRotation()), Grid(5))

    def test_counts(self):
        for search in (lambda: Ascent(steps=0), lambda: BestOf(0), lambda: Grid(1)):
            with pytest.raises(ValueError, match="count of at least 1"):
                search()

    def test_labels_and_keys(self):
        attack = WorstParameters(m.Exposure())
        with pytest.raises(ValueError, match="the model tells 2 classes"):
            attack.find(Bright(), noise(1), torch.tensor([2]), keys(1))
        with pytest.raises(ValueError, match="as many keys"):
            attack.find(Bright(), noise(1), torch.tensor([0]), keys(2))
        with pytest.raises(ValueError, match="no pictures"):
            attack.find(Bright(), noise(0), torch.zeros(0, dtype=torch.long), keys(0))

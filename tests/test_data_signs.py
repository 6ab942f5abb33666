"""The causal model and the renderer: what depends on what, and on nothing else."""

import dataclasses

import pytest
import torch

from mechaug.data.nuisances import MIRED, Nuisances, draw_nuisances
from mechaug.data.signs import CLASSES, render, render_bytes, signs
from mechaug.keys import Key

COUNT = 20
LABELS = torch.arange(COUNT) % 10
NAMES = [field.name for field in dataclasses.fields(Nuisances)]
CAUSES_ONLY = ["hour_h", "cloud_cover", "illuminance_lux", "distance_m"]


@pytest.fixture(scope="module")
def nuisances():
    return draw_nuisances(Key(3).at(torch.arange(COUNT)), LABELS)


@pytest.fixture(scope="module")
def pictures(nuisances):
    return render(LABELS, nuisances)


@pytest.fixture(scope="module")
def plain(nuisances):
    """Nothing in the way, and light that clips nowhere."""
    ones = torch.ones(COUNT)
    return nuisances.replace(
        leaf_area=0 * ones, shadow_depth=0 * ones, fading=0 * ones, exposure_ev=-ones, white_level_e=1e9 * ones,
        illuminant_mired=153.75 * ones, rotation_deg=0 * ones, yaw_deg=0 * ones, pitch_deg=0 * ones,
        shift_x=0 * ones, shift_y=0 * ones, scale=0.8 * ones,
    )  # fmt: skip


def many():
    return draw_nuisances(Key(0).at(torch.arange(4000)), torch.arange(4000) % 10)


def rank_correlation(a, b):
    ranks = torch.stack((a.argsort().argsort(), b.argsort().argsort())).double()
    return float(torch.corrcoef(ranks)[0, 1])


def test_nuisances_stay_in_their_stated_ranges():
    drawn = many()
    ranges = {
        "hour_h": (5, 21), "cloud_cover": (0, 1), "illuminance_lux": (10, 4e5), "distance_m": (5, 40),
        "illuminant_mired": MIRED, "exposure_ev": (-2, 1), "white_level_e": (40, 1e4), "scale": (0.55, 0.95),
        "shift_x": (-0.26, 0.26), "shift_y": (-0.26, 0.26), "rotation_deg": (-12, 12), "yaw_deg": (-40, 40),
        "pitch_deg": (-15, 15), "fading": (0, 1), "leaf_area": (0, 0.4), "leaf_angle_deg": (0, 360),
        "shadow_depth": (0, 0.8), "shadow_angle_deg": (0, 360), "shadow_offset": (-0.4, 0.4),
    }  # fmt: skip
    assert set(NAMES) - set(ranges) == {"background_seed", "noise_seed"}
    for name, (low, high) in ranges.items():
        values = getattr(drawn, name)
        assert values.min() >= low, name
        assert values.max() <= high * (1 + 1e-6), name
        assert values.std() > 0.1 * (values.max() - values.min()) or name == "illuminance_lux", name


def test_causes_have_their_effects_and_no_others():
    drawn = many()
    low_sun = (drawn.hour_h - 13).abs()
    assert rank_correlation(low_sun, drawn.illuminance_lux) < -0.6
    assert rank_correlation(low_sun, drawn.illuminant_mired) > 0.3
    assert rank_correlation(drawn.cloud_cover, drawn.shadow_depth) < -0.4
    assert rank_correlation(drawn.illuminance_lux, drawn.exposure_ev) > 0.15
    assert rank_correlation(drawn.illuminance_lux, drawn.white_level_e) > 0.9
    assert rank_correlation(drawn.distance_m, drawn.scale) < -0.7
    for name in ("rotation_deg", "fading", "leaf_area", "distance_m", "background_seed"):
        assert abs(rank_correlation(drawn.hour_h, getattr(drawn, name))) < 0.06, name


def test_without_confounding_labels_do_not_matter():
    key = Key(3).at(torch.arange(COUNT))
    one, other = draw_nuisances(key, LABELS), draw_nuisances(key, LABELS.flip(0), reverse=True)
    for name in NAMES:
        assert torch.equal(getattr(one, name), getattr(other, name)), name


def test_confounding_changes_the_illuminant_alone():
    key, labels = Key(1).at(torch.arange(2000)), torch.arange(2000) % 10
    free, tied = draw_nuisances(key, labels), draw_nuisances(key, labels, confounding=0.7)
    for name in NAMES:
        assert torch.equal(getattr(free, name), getattr(tied, name)) == (name != "illuminant_mired"), name
    changed = free.illuminant_mired != tied.illuminant_mired
    assert float(changed.float().mean()) == pytest.approx(0.7, abs=0.04)


@pytest.mark.parametrize("reverse", [False, True])
def test_full_confounding_ties_the_illuminant_to_the_class(reverse):
    labels = torch.arange(2000) % 10
    drawn = draw_nuisances(Key(1).at(torch.arange(2000)), labels, confounding=1.0, reverse=reverse)
    level = 9 - labels if reverse else labels
    expected = 100 + 300 * level / 9
    assert (drawn.illuminant_mired - expected).abs().max() < 30
    assert float((drawn.illuminant_mired - expected).std()) == pytest.approx(6.0, abs=0.7)


def test_rendering_is_a_function(nuisances, pictures):
    once = pictures
    assert torch.equal(once, render(LABELS, nuisances))
    assert once.dtype == torch.float32
    assert 0 <= once.min() < 0.1
    assert 0.8 < once.max() <= 1
    assert torch.equal(render_bytes(LABELS, nuisances), (once * 255).round().to(torch.uint8))


def test_a_row_renders_alone_as_in_a_batch(nuisances, pictures):
    row = torch.tensor([17])
    assert torch.allclose(pictures[row], render(LABELS[row], nuisances.rows(row)), atol=1e-6)


def test_rendering_leaves_threads_as_they_were(nuisances):
    before = torch.get_num_threads()
    render(LABELS, nuisances)
    assert torch.get_num_threads() == before
    with pytest.raises(ValueError, match="at least 8"):
        render(LABELS, nuisances, size=4)
    assert torch.get_num_threads() == before


@pytest.mark.parametrize("name", NAMES)
def test_every_nuisance_changes_the_picture_except_pure_causes(nuisances, pictures, name):
    few = nuisances.rows(torch.arange(4))
    value = getattr(few, name)
    other = (value + 1) if value.dtype == torch.int64 else value.flip(0)
    again = render(LABELS[:4], few.replace(**{name: other}))
    assert torch.equal(again, pictures[:4]) == (name in CAUSES_ONLY)


def test_exposure_scales_light(plain):
    from mechaug.mechanisms.light import to_light

    darker = plain.replace(exposure_ev=plain.exposure_ev - 1)
    ratio = to_light(render(LABELS, darker)).mean() / to_light(render(LABELS, plain)).mean()
    assert float(ratio) == pytest.approx(0.5, abs=1e-3)


def test_a_leaf_a_shadow_and_a_background_change_their_own_places(plain):
    clean = render(LABELS, plain, size=64)
    leaf = render(LABELS, plain.replace(leaf_area=torch.full((COUNT,), 0.1)), size=64)
    # The plate's square has 0.8² of the picture, and the leaf a tenth of that; part of it may lie off the picture.
    changed = ((leaf - clean).abs().amax(1) > 1e-5).float().mean((1, 2))
    assert changed.max() < 0.064 + 0.02
    assert changed.median() > 0.04

    shadow = render(LABELS, plain.replace(shadow_depth=torch.full((COUNT,), 0.5)), size=64)
    assert (shadow <= clean + 1e-5).all()
    assert ((shadow - clean).abs().amax(1) < 1e-5).any(1).any(1).all()

    other = render(LABELS, plain.replace(background_seed=plain.background_seed + 1), size=64)
    # No sign fills the middle less than its inscribed triangle does, about a third of the picture.
    middle = (other - clean)[:, :, 28:36, 28:36]
    assert middle.abs().max() < 1e-5
    assert (other - clean).abs().amax((1, 2, 3)).min() > 0.05


def test_turns_differ_by_a_mirror_alone(plain):
    from mechaug.data.faces import FACES

    grid = torch.linspace(-1.2, 1.2, 50)
    u, v = grid.expand(1, 50, 50), grid[:, None].expand(1, 50, 50)
    for (left, paint), (right, other) in zip(FACES["turn_left"](u, v), FACES["turn_right"](-u, v), strict=True):
        assert torch.equal(left, right)
        assert paint == other


def test_the_plate_has_its_height_and_place(plain):
    disc = CLASSES.index("no_entry")
    labels = torch.full((COUNT,), disc)
    moved = plain.replace(shift_x=torch.full((COUNT,), 0.05), shift_y=torch.full((COUNT,), 0.1))
    red = []
    for nuisances in (plain, moved):
        picture = render(labels, nuisances, size=100)
        other = render(labels, nuisances.replace(background_seed=nuisances.background_seed + 1), size=100)
        sign = ((picture - other).abs().amax(1) < 1e-6).float().mean(0) > 0.9  # the plate hides both backgrounds
        rows, columns = sign.any(1).nonzero()[:, 0], sign.any(0).nonzero()[:, 0]
        red.append((rows, columns))
    rows, columns = red[0]
    assert columns[-1] - columns[0] + 1 == pytest.approx(80, abs=2)
    assert rows[0] == pytest.approx(10, abs=1)
    assert red[1][0][0] - rows[0] == pytest.approx(-10, abs=1)
    assert red[1][1][0] - columns[0] == pytest.approx(5, abs=1)


def test_classes_look_different(plain):
    # Same nuisances, other class: every pair of faces differs clearly.
    row = torch.zeros(10, dtype=torch.int64)
    faces = render(torch.arange(10), plain.rows(row), size=32).flatten(1)
    apart = torch.cdist(faces, faces) / faces.shape[1] ** 0.5
    assert apart[~torch.eye(10, dtype=torch.bool)].min() > 0.05


def test_signs_are_balanced_shuffled_and_a_small_set_begins_a_large_one():
    large, small = signs(100, 40), signs(30, 20)
    assert large.train.labels.bincount().tolist() == [10] * 10
    assert large.test.labels.bincount().tolist() == [4] * 10
    assert not torch.equal(large.train.labels[:10], large.train.labels[10:20])
    # The last bit of light depends on what it is computed beside, and decides a stored level once in 50,000.
    apart = (large.train.pixels[:30].int() - small.train.pixels.int()).abs()
    assert apart.max() <= 1 and apart.float().mean() < 1e-4
    assert torch.equal(large.test.labels[:20], small.test.labels)
    assert not torch.equal(large.train.pixels[:20], small.test.pixels)
    assert torch.equal(large.test.index, torch.arange(40))
    again = render_bytes(large.test.labels, large.test_nuisances)
    assert torch.equal(again, large.test.pixels)
    assert not torch.equal(signs(30, 20, seed=1).train.pixels, small.train.pixels)


def test_bad_arguments_are_refused(nuisances):
    key = Key(0).at(torch.arange(3))
    with pytest.raises(ValueError, match="one key per label"):
        draw_nuisances(key, torch.arange(2))
    with pytest.raises(ValueError, match="probability"):
        draw_nuisances(key, torch.arange(3), confounding=1.5)
    with pytest.raises(ValueError, match="0 to 9"):
        render(LABELS + 1, nuisances)
    with pytest.raises(ValueError, match="one row of nuisances per label"):
        render(LABELS[:3], nuisances)
    with pytest.raises(ValueError, match="not negative"):
        signs(-1, 10)

"""PixMix and IPMix: each picture against a loop written apart from them, the published draws, and the mixing set."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image as PillowImage

from mechaug import heuristics as h
from mechaug import testing
from mechaug.errors import UserError
from mechaug.heuristics import ipmix, pixmix
from mechaug.heuristics.augmix import OPERATIONS, _magnitude
from mechaug.heuristics.chains import NOTHING
from mechaug.heuristics.levels import to_levels, to_picture
from mechaug.heuristics.mixing_set import draw_fractals
from mechaug.keys import Key

KEY = Key(5).at(torch.arange(4000))
NAMES = list(OPERATIONS)
SMALL = h.MixingSet(count=12)


def _operation(x: torch.Tensor, name: str, level: float, sign: float) -> torch.Tensor:
    magnitude = _magnitude([name], torch.tensor([0]), torch.tensor([level]), torch.tensor([sign]), *x.shape[1:])
    return OPERATIONS[name](x[None], magnitude)[0]


def _mixture(x: np.ndarray, other: np.ndarray, a: float, b: float, *, adds: bool) -> np.ndarray:
    """The published formulas, in float64."""
    if adds:
        return np.clip((a * (2 * x - 1) + b * (2 * other - 1) + 1) / 2, 0, 1)
    return np.clip((2 * x).clip(1e-37) ** a * (2 * other).clip(1e-37) ** b / 2, 0, 1)


def test_pixmix_is_the_published_loop() -> None:
    method, count = h.PixMix(mixing_set=SMALL), 40
    x = testing.example_pictures(count)
    params = method.sample(KEY.rows(torch.arange(count)))
    ours = method.apply(x, params)
    crops = to_picture(pixmix.mixing_crops(SMALL, x, params.other, params.place), x)
    changed = 0
    for row in range(count):

        def copy(slot: int, row: int = row) -> np.ndarray:
            code = int(params.operation[row, slot])
            assert code != NOTHING
            level, sign = params.level[row, slot].item(), params.sign[row, slot].item()
            return _operation(x[row], NAMES[code], level, sign).double().numpy()

        mixed = x[row].double().numpy() if params.operation[row, 0] == NOTHING else copy(0)
        for step, kind in enumerate(params.round[row].tolist()):
            if kind == NOTHING:
                continue
            own = kind in (pixmix.ADD_SELF, pixmix.MULTIPLY_SELF)
            other = copy(step + 1) if own else crops[row].double().numpy()
            shares = params.first[row, step].item(), params.second[row, step].item()
            mixed = _mixture(mixed, other, *shares, adds=kind in (pixmix.ADD_SELF, pixmix.ADD_OTHER))
            changed += 1
        assert np.abs(ours[row].numpy() - mixed).max() < 1e-4
    assert changed > 40


def test_pixmix_draws_are_the_published_ones() -> None:
    params = h.PixMix().sample(KEY)
    rounds = (params.round != NOTHING).sum(1)
    assert torch.allclose(torch.bincount(rounds, minlength=5) / len(rounds), torch.full((5,), 0.2), atol=0.03)
    kinds = params.round[params.round != NOTHING]
    assert torch.allclose(torch.bincount(kinds, minlength=4) / len(kinds), torch.full((4,), 0.25), atol=0.03)
    assert abs((params.operation[:, 0] != NOTHING).float().mean() - 0.5) < 0.03
    inside = params.second >= 0
    assert abs(inside.float().mean() - 0.5) < 0.02
    # Beta(3, 1) has mean 3/4 and Beta(1, 3) mean 1/4; outside, 1 + Beta(1, 3) and −Beta(1, 3).
    for chosen, first, second in ((inside, 0.75, 0.25), (~inside, 1.25, -0.25)):
        assert abs(params.first[chosen].mean().item() - first) < 0.01
        assert abs(params.second[chosen].mean().item() - second) < 0.01
    assert abs(torch.corrcoef(torch.stack((params.first[inside], params.second[inside])))[0, 1]) < 0.05


@pytest.mark.parametrize("code", [ipmix.ADD, ipmix.MULTIPLY, ipmix.PIXELS, ipmix.ELEMENTS])
def test_ipmix_mixes_within_the_patch_only(code: int) -> None:
    method = h.IPMix(mixing_set=SMALL, width=1, depth=1)
    x = testing.example_pictures(8)
    params = method.neutral(8).replace(
        mix=torch.ones(8),
        patch=torch.full((8, 1, 1), code),
        box=torch.tensor([0.25, 0.5, 0.25, 0.125]).expand(8, 1, 1, 4).contiguous(),
        first=torch.full((8, 1, 1), 0.7),
        second=torch.full((8, 1, 1), 0.4),
        kept=torch.full((8, 1, 1), 0.5),
        seed=torch.arange(8) + 3,
    )
    y, levels = method.apply(x, params), to_picture(to_levels(x), x)
    outside = torch.ones_like(x, dtype=torch.bool)
    outside[:, :, 16:20, 8:16] = False
    assert torch.allclose(y[outside], levels[outside], atol=1e-6)
    crops = to_picture(pixmix.mixing_crops(SMALL, x, params.other, params.place), x)
    inner, mine, other = (z[:, :, 16:20, 8:16] for z in (y, levels, crops))
    if code in (ipmix.ADD, ipmix.MULTIPLY):
        expected = _mixture(mine.double().numpy(), other.double().numpy(), 0.7, 0.4, adds=code == ipmix.ADD)
        assert np.abs(inner.numpy() - expected).max() < 1e-4
        return
    stays = (inner - mine).abs() < 1e-6
    assert (stays | ((inner - other).abs() < 1e-6)).all()
    assert 0.35 < stays.float().mean() < 0.65
    # Where the two happen to be alike one cannot tell.
    clear = ((mine - other).abs() > 1e-3).all(1, keepdim=True)
    assert (stays == stays[:, :1])[clear.expand_as(stays)].all() == (code == ipmix.PIXELS)


def test_ipmix_draws_are_the_published_ones() -> None:
    params = h.IPMix().sample(KEY)
    whole, patch = params.operation != NOTHING, params.patch != NOTHING
    assert not (whole.any(2) & patch.any(2)).any()
    steps = (whole | patch).sum(2).flatten()
    assert torch.allclose(torch.bincount(steps, minlength=4) / len(steps), torch.full((4,), 0.25), atol=0.02)
    assert abs(whole.sum() / (whole.sum() + patch.sum()) - 0.5) < 0.02
    taken = params.operation[whole]
    assert torch.allclose(torch.bincount(taken, minlength=10) / len(taken), torch.full((10,), 0.1), atol=0.01)
    left, top, width, height = params.box.flatten(0, 2).unbind(1)
    assert (left + width).max() <= 1 + 1e-6 and (top + height).max() <= 1 + 1e-6
    assert abs((width == height).float().mean() - 0.5) < 0.02
    assert torch.allclose(params.weights.sum(1), torch.ones(4000), atol=1e-5)


# The mixing set ---------------------------------------------------------------------------------------------------


def test_fractals_are_the_same_for_a_seed_and_all_different() -> None:
    first = h.MixingSet(count=20).pictures(24)
    assert first.shape == (20, 3, 24, 24)
    assert torch.equal(draw_fractals(20, 24, Key(0)), first)
    other = h.MixingSet(count=20, seed=1).pictures(24)
    assert not torch.equal(first, other)
    assert len(first.flatten(1).unique(dim=0)) == 20
    # Complex, and not of one colour: neighbours differ, and every channel has a spread.
    assert (first.float().std((2, 3)) > 10).float().mean() > 0.9
    # A picture does not depend on how many are drawn.
    assert torch.equal(h.MixingSet(count=7).pictures(24), first[:7])


def test_a_folder_of_pictures_is_read_in_order_and_cut_square(tmp_path: Path) -> None:
    (tmp_path / "inner").mkdir()
    for name, colour, size in (("b.png", (0, 255, 0), (40, 30)), ("inner/a.jpg", (255, 0, 0), (30, 60))):
        PillowImage.new("RGB", size, colour).save(tmp_path / name)
    (tmp_path / "note.txt").write_text("no picture")
    read = h.MixingSet(str(tmp_path)).pictures(18)
    assert read.shape == (2, 3, 18, 18)
    assert read[0].float().mean((1, 2)).tolist() == [0, 255, 0]
    assert read[1, 0].float().mean() > 240
    y = h.PixMix(mixing_set=h.MixingSet(str(tmp_path)))(
        testing.example_pictures(8, height=16, width=16), KEY.rows(torch.arange(8))
    )
    assert y.shape == (8, 3, 16, 16)


def test_a_folder_without_pictures_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=str(tmp_path)):
        h.MixingSet(str(tmp_path)).pictures(18)
    (tmp_path / "bad.png").write_bytes(b"no picture")
    with pytest.raises(UserError, match=r"bad\.png"):
        h.MixingSet(str(tmp_path)).pictures(18)
    with pytest.raises(ValueError, match="count"):
        h.MixingSet(count=0)


@pytest.mark.parametrize(
    ("make", "word"),
    [
        (lambda: h.PixMix(severity=0.0), "severity"),
        (lambda: h.PixMix(rounds=0), "rounds"),
        (lambda: h.PixMix(beta=0.0), "beta"),
        (lambda: h.IPMix(severity=11.0), "severity"),
        (lambda: h.IPMix(width=0), "width"),
        (lambda: h.IPMix(beta=-1.0), "beta"),
    ],
)
def test_arguments_out_of_range_are_refused(make: object, word: str) -> None:
    with pytest.raises(ValueError, match=word):
        make()  # type: ignore[operator]

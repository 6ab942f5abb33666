"""C̄ against the reference's own pictures: its draws, made again in its order, go through the formulas here."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch

from mechaug.evaluation.corruptions import BAR, SEVERITIES, bar_fields, bar_marks, bar_warps, profile_of
from mechaug.evaluation.corruptions.stored import store

GOLDEN = Path(__file__).resolve().parents[2] / "shared" / "golden"
TURN = 2 * math.pi
SEEDS = 2**32


@pytest.fixture(autouse=True)
def one_thread():
    """These tensors are small: on a busy machine threads would cost more than they give."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def seeded(source):
    """The generator that the reference makes of a drawn seed, for one picture."""
    return np.random.RandomState(source.randint(low=0, high=SEEDS))


def phases(source, size):
    """Phases of the left half of the frequencies, and the same reflected about the middle of the array, in turns."""
    left = source.uniform(low=0, high=TURN, size=(size, size // 2))
    return np.concatenate((left, left[::-1, ::-1]), axis=1) / TURN


def blue_noise_sample(source, size, s):
    return (phases(seeded(source), size),), lambda x, phase: bar_fields.blue_noise_sample(x, phase, 0.3 * s - 2.5)


def brownish_noise(source, size, s):
    own = seeded(source)
    drawn = np.stack([phases(own, size) for _ in range(3)])
    return (drawn,), lambda x, phase: bar_fields.brownish_noise(x, phase, 6.4 * s)


def checkerboard_cutout(source, size, s):
    angle, side = source.uniform(low=0, high=TURN), max(source.uniform(low=0.1, high=0.25) * size, 1)
    cells = int(4 * size // side)
    coin = np.ones((bar_fields.CHECKERBOARD_CELLS,) * 2)
    coin[:cells, :cells] = seeded(source).uniform(size=(cells, cells))
    return (angle, side / size, coin), lambda x, *drawn: bar_fields.checkerboard_cutout(x, *drawn, s / 10)


def sparkles(source, size, s):
    centre = source.uniform(low=0, high=size, size=(5, 2))
    own = seeded(source)
    rays = source.randint(low=50, high=200, size=5)
    length = np.zeros((5, bar_marks.MOST_RAYS))
    for row, count in zip(length, rays, strict=True):
        row[:count] = [own.randn() for _ in range(count)]
    return (centre / size, rays, length), lambda x, *drawn: bar_marks.sparkles(x, *drawn, 0.01 * s)


def inverse_sparkles(source, size, s):
    centre = source.uniform(low=0.25, high=0.75, size=2)
    own = seeded(source)
    rays = source.randint(low=50, high=200)
    length = np.zeros(bar_marks.MOST_RAYS)
    length[:rays] = [own.randn() for _ in range(rays)]
    return ((centre - 0.25) / 0.5, rays, length), lambda x, *drawn: bar_marks.inverse_sparkles(x, *drawn, 0.13 * s)


def pinch_and_twirl(source, size, s):
    cells = bar_warps.discs(size)
    sign = np.array([source.choice([1.0, -1.0]) for _ in range(cells**2)]).reshape(cells, cells)
    # The reference's first index counts columns.
    return (sign.T,), lambda x, sign: bar_warps.pinch_and_twirl(x, sign, s * math.pi / 20, 0.04 * s + 0.1)


def ripple(source, size, s):
    wave, phase = source.uniform(low=0.1, high=0.3, size=2), source.uniform(low=0, high=TURN, size=2)
    return (wave, phase), lambda x, *drawn: bar_warps.ripple(x, *drawn, 0.0025 * s)


def lines(source, size, s):
    angle, spread = source.uniform(low=0.0, high=TURN), source.uniform(low=0.1, high=1.0)
    drawn = seeded(source).uniform(size=(int(s * 1.0 / 10 * size), 3))
    return (drawn[:, :2], drawn[:, 2], angle, spread), bar_marks.lines


def transverse_chromatic_abberation(source, size, s):
    return (source.permutation(3),), lambda x, order: bar_warps.transverse_chromatic_abberation(x, order, 0.025 * s)


def caustic_refraction(source, size, s):
    time, tile = source.uniform(low=0.5, high=2.0), source.uniform(low=0.75, high=1.25)
    return (time, tile), lambda x, *drawn: bar_warps.caustic_refraction(x, *drawn, 0.05 * s * size, 0.2 * s)


def perlin_noise(source, size, s):
    own = seeded(source)
    slope = np.array([(own.randint(low=0, high=2**31, size=2) % 512 - 256) / 256 for _ in range(514)])
    slope /= np.linalg.norm(slope, axis=1, keepdims=True)
    order = np.arange(514)
    for place in range(255, -1, -1):
        other = own.randint(low=0, high=2**31) % 256
        order[place], order[other] = order[other], order[place]
    order[256:], slope[256:] = order[:258].copy(), slope[:258].copy()
    axis = np.arange(bar_fields.PERLIN_LATTICE)
    lattice = slope[order[order[axis][:, None] + axis]]
    return (lattice,), lambda x, lattice: bar_fields.perlin_noise(x, lattice, 0.05 * s)


def plasma_noise(source, size, s):
    time, rounds = source.uniform(low=0.0, high=3 * TURN), source.randint(low=4, high=7)
    sharpness, scale = source.uniform(low=0.5, high=1.0), source.uniform(low=0.075, high=0.2)
    return (time, rounds, sharpness, scale), lambda x, *drawn: bar_fields.plasma_noise(x, *drawn, 6.4 * s)


def cocentric_sine_waves(source, size, s):
    centre, petals = source.uniform(low=0, high=size, size=2), source.uniform(low=0, high=10)
    wobble, width = source.uniform(low=0, high=size / 10), source.uniform(low=0, high=size / 10)
    drawn = centre / size, petals, wobble / size, width / size
    return drawn, lambda x, *drawn: bar_fields.cocentric_sine_waves(x, *drawn, 12.8 * s)


def single_frequency_greyscale(source, size, s):
    first = source.uniform(low=-math.pi, high=math.pi)
    second = source.uniform(low=-abs(first), high=abs(first))
    omega = np.array([first, second])[source.permutation(2)]
    phase = source.uniform(low=0, high=TURN)
    return (omega, phase), lambda x, *drawn: bar_fields.single_frequency_greyscale(x, *drawn, 19.6 * s)


REPLAYS = {
    draw.__name__: draw
    for draw in (
        blue_noise_sample, brownish_noise, checkerboard_cutout, sparkles, inverse_sparkles, pinch_and_twirl, ripple,
        lines, transverse_chromatic_abberation, caustic_refraction, perlin_noise, plasma_noise, cocentric_sine_waves,
        single_frequency_greyscale,
    )
}  # fmt: skip

CASES = [
    (one.name, size)
    for one in BAR
    for size, settings in ((32, one.cifar), (224, one.imagenet))
    if settings and not one.deterministic
]


@pytest.mark.parametrize(("name", "size"), CASES)
def test_the_formulas_given_the_reference_s_draws(name, size):
    file = GOLDEN / f"corruptions_{size}.npz"
    if not file.exists():
        pytest.skip("the reference outputs (shared/golden) are not here")
    archive = np.load(file)
    severities = archive["severities"].tolist() if "severities" in archive.files else list(SEVERITIES)
    clean = torch.from_numpy(np.moveaxis(archive["clean"], -1, -3).copy())
    (found,) = (one for one in BAR if one.name == name)
    for severity, expected in zip(severities, np.moveaxis(archive[name], -1, -3), strict=True):
        source, (s,) = np.random.RandomState(0), found.setting(severity, profile_of(size, size))
        replays = [REPLAYS[name](source, size, s) for _ in clean]
        drawn = [torch.from_numpy(np.stack(one)) for one in zip(*(values for values, _ in replays), strict=True)]
        made = replays[0][1](clean, *drawn)
        made = made if made.dtype == torch.uint8 else store(made)
        off = (made.int() - torch.from_numpy(expected.copy()).int()).abs()
        # Where the last bit decides: the reference rounds cubic interpolation, with ties, and cuts down all else.
        ties = 6e-3 if name == "transverse_chromatic_abberation" else 2e-4
        assert off.max() <= 1, f"severity {severity}"
        assert (off > 0).double().mean() < ties, f"severity {severity}"


def test_every_random_corruption_is_replayed():
    assert set(REPLAYS) == {one.name for one in BAR if not one.deterministic}

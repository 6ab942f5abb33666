"""PRIME: each primitive against its formula, picture by picture, and the published laws of the draws."""

import math

import pytest
import torch
from scipy.stats import beta, chisquare, kstest

from mechaug.fields import noise_field
from mechaug.heuristics import Prime, PrimeParameters, prime_primitives
from mechaug.heuristics.chains import NOTHING
from mechaug.heuristics.prime import PRIMITIVES
from mechaug.heuristics.prime_primitives import _amplitude, deformed, filtered, recoloured
from mechaug.keys import Key
from mechaug.testing import example_pictures

KEY = Key(6).at(torch.arange(2000))
SEEDS = Key(9).at(torch.arange(8)).seed()


def _modes(size: int, most: int) -> torch.Tensor:
    place = torch.linspace(0.0, 1.0, size, dtype=torch.float64)
    return (math.pi * torch.arange(1, most + 1)[:, None] * place).sin()


# Spectral ---------------------------------------------------------------------------------------------------------


def test_a_filter_is_the_identity_plus_normal_numbers() -> None:
    x = example_pictures(8)
    sigma = torch.linspace(0.0, 0.1, 8)
    y = filtered(x, sigma, SEEDS)
    padded = torch.nn.functional.pad(x, (1, 1, 1, 1))
    kernel = noise_field(SEEDS, [3, 3]) * sigma[:, None, None]
    expected = x.clone()
    for i in range(3):
        for j in range(3):
            expected += kernel[:, i, j, None, None, None] * padded[:, :, i : i + 32, j : j + 32]
    assert torch.allclose(y, expected.clamp(0, 1), atol=1e-5)


def test_a_filter_is_centred() -> None:
    """A fault of the published code: the identity sits in a corner of the kernel, and shifts the picture."""
    x = example_pictures(8)
    assert torch.allclose(filtered(x, torch.zeros(8), SEEDS), x, atol=1e-6)
    point = torch.zeros(8, 1, 9, 9)
    point[:, :, 4, 4] = 0.5
    many = Key(3).at(torch.arange(4000)).seed()
    mean = filtered(point[:1].expand(4000, -1, -1, -1).contiguous(), torch.full((4000,), 0.1), many).mean(0)[0]
    assert mean.argmax() == 4 * 9 + 4
    assert torch.allclose(mean, mean.flip(0), atol=0.01)
    assert torch.allclose(mean, mean.flip(1), atol=0.01)


# Spatial ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [(16, 16), (12, 20)])
def test_a_deformation_is_its_formula(size: tuple[int, int]) -> None:
    """Displacements of √T Σ cᵢⱼ/√(i²+j²) sin(πix) sin(πjy), read off a picture that holds its own coordinates."""
    height, width = size
    cut, share, most = torch.tensor([2, 3, 5, 8, 10, 4, 9, 6]), torch.linspace(0.0, 1.0, 8), 10
    across = torch.arange(width).double() / (width - 1)
    down = torch.arange(height).double() / (height - 1)
    x = torch.stack((across.expand(height, width), down[:, None].expand(height, width))).expand(8, 2, height, width)
    y = deformed(x, share, cut, SEEDS, most)
    modes = min(most, height - 2), min(most, width - 2)
    numbers = noise_field(SEEDS, [2, *modes]).double()
    side = min(size)
    for k in range(8):
        c = cut[k].item()
        near = 1 / (math.pi * side**2 * math.log(c))
        far = max(near, 4 / (math.pi**3 * c**2 * math.log(c)))
        temperature = near + share[k].item() * (far - near)
        i, j = torch.arange(1, modes[0] + 1)[:, None], torch.arange(1, modes[1] + 1)
        radius = torch.hypot(i.double(), j.double())
        envelope = math.sqrt(temperature) * (radius < c + 0.5) / radius
        u, v = (_modes(height, modes[0]).mT @ (n * envelope) @ _modes(width, modes[1]) for n in numbers[k])
        # Displacements are shares of the sides in pixels; the coordinates are in steps of side − 1.
        expected_x = (across - u * width / (width - 1)).clamp(0, 1)
        expected_y = (down[:, None] - v * height / (height - 1)).clamp(0, 1)
        assert torch.allclose(y[k], torch.stack((expected_x, expected_y)), atol=1e-4)


def test_each_picture_has_a_deformation_of_its_own() -> None:
    """A fault of the published code: one field, cut and temperature for the whole batch."""
    x = example_pictures(1).expand(8, -1, -1, -1).contiguous()
    y = deformed(x, torch.full((8,), 0.5), torch.full((8,), 5), SEEDS, 100)
    assert len(torch.unique(y.flatten(1), dim=0)) == 8
    # And its cut and temperature are its own, too: the same numbers with others move less or more.
    same = SEEDS[:1].expand(8)
    z = deformed(x, torch.linspace(0.0, 1.0, 8), torch.full((8,), 5), same, 100)
    moved = (z - x).abs().mean((1, 2, 3))
    assert (moved.diff() > 0).all()


def test_modes_beyond_the_pixels_are_folded_into_those_that_look_alike() -> None:
    """The variance at each pixel is that of all modes up to the cut, drawn one by one."""
    height, width, most = 9, 12, 40
    cut = torch.tensor([3, 7, 10, 23, 40])
    folded = _amplitude(cut, height, width, most).double().square()
    down, across = (_modes(size, size - 2).square() for size in (height, width))
    found = down.mT @ folded @ across
    all_down, all_across = _modes(height, most).square(), _modes(width, most).square()
    i, j = torch.arange(1, most + 1)[:, None], torch.arange(1, most + 1)
    square = (i**2 + j**2).double()
    for k, c in enumerate(cut.tolist()):
        variance = torch.where(square.sqrt() < c + 0.5, 1 / square, 0.0)
        assert torch.allclose(found[k], all_down.mT @ variance @ all_across, atol=1e-6)


def test_the_middle_moves_by_about_half_a_pixel_at_the_lowest_temperature() -> None:
    """As the near end of the range is meant; its formula is for many modes."""
    size, cut = 33, 12
    ramp = torch.arange(size).float().expand(1, 1, size, size) / size
    many = Key(8).at(torch.arange(3000)).seed()
    y = deformed(ramp.expand(3000, -1, -1, -1), torch.zeros(3000), torch.full((3000,), cut), many, cut)
    moved = (y[:, 0, 16, 16] - 16 / size) * size
    assert abs(moved.square().mean().sqrt() - 0.4) < 0.1


# Colour -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("lowest", "most"), [(1, 12), (5, 12), (40, 60)])
def test_a_change_of_colours_is_its_formula(lowest: int, most: int) -> None:
    x = example_pictures(8)
    highest = torch.full((8,), most - 2)
    temperature = torch.linspace(0.001, 0.05, 8)
    y = recoloured(x, temperature, torch.full((8,), lowest), highest, SEEDS, most)
    weights = noise_field(SEEDS, [3, most]).double() * temperature.double().sqrt()[:, None, None]
    expected = x.double().clone()
    for k in range(lowest, most - 1):
        expected += weights[:, :, k - 1, None, None] * (math.pi * k * x.double()).sin()
    # A fraction of a grey level, from the table.
    assert torch.allclose(y.double(), expected.clamp(0, 1), atol=0.004)
    assert (y.double() - expected.clamp(0, 1)).abs().mean() < 0.001


def test_black_and_white_keep_their_colour() -> None:
    x = torch.cat((torch.zeros(8, 3, 4, 4), torch.ones(8, 3, 4, 4)), dim=3)
    y = recoloured(x, torch.full((8,), 0.05), torch.ones(8).long(), torch.full((8,), 20), SEEDS, 20)
    assert torch.allclose(y, x, atol=1e-4)


# Mixing -----------------------------------------------------------------------------------------------------------


def test_it_is_the_published_mixture() -> None:
    """Chain by chain and picture by picture, with the primitives called one by one."""
    x, heuristic = example_pictures(12), Prime()
    params = heuristic.sample(KEY.rows(torch.arange(12)))
    expected = torch.zeros_like(x)
    for i in range(12):
        for chain in range(3):
            picture = x[i : i + 1]
            for step in range(3):
                code = int(params.primitive[i, chain, step])
                one = slice(step, step + 1)
                strength, low, high, seed = (
                    field[i, chain, one] for field in (params.strength, params.lowest, params.highest, params.seed)
                )
                if code == NOTHING:
                    continue
                match PRIMITIVES[code]:
                    case "spectral":
                        picture = filtered(picture, strength, seed)
                    case "spatial":
                        picture = deformed(picture, strength, high, seed, 100)
                    case "colour":
                        picture = recoloured(picture, strength, low, high, seed, 100)
            expected[i] += params.weights[i, chain] * picture[0]
    mix = params.mix[:, None, None, None]
    assert torch.allclose(heuristic.apply(x, params), (1 - mix) * x + mix * expected, atol=2e-5)


def test_draws_follow_the_published_laws() -> None:
    params = Prime().sample(KEY)
    depth = (params.primitive != NOTHING).sum(2)
    assert chisquare(torch.bincount(depth.flatten(), minlength=4)[1:].numpy()).pvalue > 1e-4
    taken = params.primitive[params.primitive != NOTHING]
    assert chisquare(torch.bincount(taken, minlength=3).numpy()).pvalue > 1e-4
    assert torch.allclose(params.weights.sum(1), torch.ones(2000))
    assert torch.allclose(params.weights.var(0), torch.full((3,), 1 / 18), atol=0.006)
    assert kstest(params.mix.numpy(), "uniform").pvalue > 1e-4
    spectral, spatial, colour = (params.primitive == code for code in range(3))
    assert kstest(params.strength[spectral].numpy() / 4.0, "uniform").pvalue > 1e-4
    assert kstest(params.strength[spatial].numpy(), beta(0.5, 0.5).cdf).pvalue > 1e-4
    assert kstest(params.strength[colour].numpy() / 0.01, "uniform").pvalue > 1e-4
    # The highest wave of a colour is 1 to 100; of a deformation 2 to a bound that is itself 3 to 100.
    assert chisquare(torch.bincount(params.highest[colour], minlength=101)[1:].numpy()).pvalue > 1e-4
    assert (params.lowest[colour] == 1).all()
    cut = params.highest[spatial]
    assert cut.min() == 2
    assert cut.max() > 95
    expected = sum((2 + beta(0.5, 0.5).rvs(2000, random_state=most) * (most - 1)).astype(int) for most in range(3, 101))
    assert abs(cut.float().mean() - expected.mean() / 98) < 1.5


def test_on_photographs_a_change_of_colours_has_twenty_neighbouring_waves_at_most() -> None:
    params = Prime.for_photographs().sample(KEY)
    colour = params.primitive == 2
    span = params.highest[colour] - params.lowest[colour] + 1
    assert span.min() >= 1
    assert span.max() == 20
    assert params.highest[colour].max() > 450
    assert params.strength[colour].max() > 0.045


def test_the_gradient_reaches_every_strength() -> None:
    x = example_pictures(6, height=16, width=16)
    heuristic = Prime()
    drawn = heuristic.sample(KEY.rows(torch.arange(6)))
    strength = drawn.strength.clone().requires_grad_()
    heuristic.transform(x, drawn.replace(strength=strength)).square().sum().backward()
    assert strength.grad is not None
    assert torch.isfinite(strength.grad).all()
    reached = strength.grad != 0
    assert not reached[drawn.primitive == NOTHING].any()
    # Where modes are finer than pixels, the range of temperatures is a point; and what a strong filter drove to black
    # and white, nothing moves.
    free = (drawn.primitive != NOTHING) & ((drawn.primitive != 1) | (drawn.highest < 10))
    assert reached[free].float().mean() > 0.7


def test_what_is_kept_from_a_call_without_gradients_can_meet_them() -> None:
    prime_primitives._modes.cache_clear()
    prime_primitives._waves.cache_clear()
    x, heuristic = example_pictures(6, height=17, width=19), Prime()
    params = heuristic.sample(KEY.rows(torch.arange(6)))
    heuristic.apply(x, params)
    strength = params.strength.clone().requires_grad_()
    heuristic.transform(x, params.replace(strength=strength)).sum().backward()
    assert strength.grad is not None


def test_a_draw_does_not_depend_on_the_others() -> None:
    whole = Prime().sample(KEY)
    last = Prime().sample(KEY.rows(torch.tensor([1999])))
    for ours, theirs in zip(whole.leaves(), last.leaves(), strict=True):
        assert torch.equal(ours[-1:], theirs)
    assert len(whole.seed.unique()) == whole.seed.numel()
    assert isinstance(whole, PrimeParameters)


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        ({"filter_sigma": 0.0}, "filter_sigma"),
        ({"deform_cut": 2}, "deform_cut"),
        ({"colour_cut": 0}, "colour_cut"),
        ({"colour_temperature": -0.1}, "colour_temperature"),
        ({"colour_waves": 0}, "colour_waves"),
        ({"width": 0}, "width"),
    ],
)
def test_arguments_out_of_range_are_refused(arguments: dict[str, object], word: str) -> None:
    with pytest.raises(ValueError, match=word):
        Prime(**arguments)  # type: ignore[arg-type]

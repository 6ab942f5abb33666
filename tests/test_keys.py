"""Keys: known answers, the statistics of every draw, and independence of everything but the address."""

import copy
import itertools
import pickle
from collections.abc import Callable, Iterator

import numpy as np
import pytest
import torch
from scipy import stats
from torch import Tensor

from mechaug import keys as module
from mechaug.fields import noise_field
from mechaug.keys import Key
from mechaug.philox import philox

MASK = 2**32 - 1

# Random123's kat_vectors for philox4x32 with 10 rounds: counter, key, answer.
KNOWN_ANSWERS = [
    ((0, 0, 0, 0), (0, 0), (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
    ((MASK, MASK, MASK, MASK), (MASK, MASK), (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD)),
    (
        (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
        (0xA4093822, 0x299F31D0),
        (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1),
    ),
]

CUDA = pytest.param("cuda", marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device"))
DEVICES = ["cpu", CUDA]

DRAWS: dict[str, Callable[[Key], Tensor]] = {
    "words": lambda key: key.words(5),
    "unit": lambda key: key.unit(5),
    "uniform": lambda key: key.uniform(-3.0, 7.0, 5),
    "normal": lambda key: key.normal(1.0, 2.0, 5),
    "gamma": lambda key: key.gamma(0.7, 5),
    "beta": lambda key: key.beta(2.0, 0.5, 5),
    "dirichlet": lambda key: key.dirichlet(1.0, 4),
    "integers": lambda key: key.integers(-4, 9, 5),
    "seed": lambda key: key.seed(),
    "field": lambda key: key.field(2, 5, 7),
}


@pytest.fixture
def threads() -> Iterator[Callable[[int], None]]:
    before = torch.get_num_threads()
    yield torch.set_num_threads
    torch.set_num_threads(before)


def keys(count: int = 8_192, *, seed: int = 0, epoch: int = 0, first: int = 0) -> Key:
    return Key(seed).at(torch.arange(first, first + count), epoch=epoch)


def big_integer_philox(counter: tuple[int, ...], key: tuple[int, ...]) -> tuple[int, ...]:
    """The same cipher in Python's unbounded integers, from the paper's description: no wrap-around to get right."""
    c, k = list(counter), list(key)
    for _ in range(10):
        high0, low0 = divmod(c[0] * 0xD2511F53, 2**32)
        high1, low1 = divmod(c[2] * 0xCD9E8D57, 2**32)
        c = [high1 ^ c[1] ^ k[0], low1, high0 ^ c[3] ^ k[1], low0]
        k = [(k[0] + 0x9E3779B9) % 2**32, (k[1] + 0xBB67AE85) % 2**32]
    return tuple(c)


# The generator ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize(("counter", "key", "answer"), KNOWN_ANSWERS, ids=["zeros", "ones", "pi"])
def test_philox_gives_the_published_answers(
    counter: tuple[int, ...], key: tuple[int, ...], answer: tuple[int, ...], device: str
) -> None:
    def word(value: int) -> Tensor:
        return torch.tensor(value, device=device)

    drawn = philox(tuple(map(word, counter)), tuple(map(word, key)))
    assert tuple(int(value) for value in drawn) == answer


def test_philox_agrees_with_unbounded_integers() -> None:
    inputs = np.random.default_rng(0).integers(0, 2**32, (200, 6))
    columns = [torch.from_numpy(column.copy()) for column in inputs.T]
    drawn = torch.stack(philox(tuple(columns[:4]), tuple(columns[4:])), dim=-1)
    expected = [big_integer_philox(tuple(row[:4]), tuple(row[4:])) for row in inputs.tolist()]
    assert drawn.tolist() == [list(row) for row in expected]


def test_philox_is_the_same_where_numpy_cannot_read() -> None:
    counter = [torch.arange(6) + 2**31 * word for word in range(2)] + [torch.tensor(3), torch.tensor(4)]
    key = (torch.arange(6) * 2**29, torch.tensor(2**32 - 1))
    axes = ((0, 0, None, None), (0, None))
    batched = torch.vmap(lambda *words: philox(*words), in_dims=axes)(tuple(counter), key)
    for word, other in zip(philox(tuple(counter), key), batched, strict=True):
        assert torch.equal(word, other)


def test_philox_broadcasts() -> None:
    counter = (torch.arange(3)[:, None], torch.arange(2), torch.tensor(0), torch.tensor(0))
    drawn = torch.stack(torch.broadcast_tensors(*philox(counter, (torch.tensor(1), torch.tensor(2)))), dim=-1)
    assert drawn.shape == (3, 2, 4)
    for i, j in itertools.product(range(3), range(2)):
        assert tuple(drawn[i, j].tolist()) == big_integer_philox((i, j, 0, 0), (1, 2))


def test_words_are_32_bit_words() -> None:
    words = keys().words(6)
    assert words.dtype == torch.int64
    assert words.min() >= 0
    assert words.max() <= MASK
    # Every bit is one half of the time: 49,152 draws have a standard error of 0.0023.
    shares = torch.stack([(words >> bit & 1).double().mean() for bit in range(32)])
    assert (shares - 0.5).abs().max() < 0.009


def test_more_words_begin_with_the_fewer() -> None:
    key = keys(10)
    longest = key.words(11)
    for count in range(11):
        assert torch.equal(key.words(count), longest[:, :count])


# Statistics: fixed keys, so that a test that passes once passes always --------------------------------------------


def test_uniform_is_uniform() -> None:
    drawn = keys().uniform(2.0, 5.0)
    assert drawn.dtype == torch.float32
    assert drawn.min() >= 2.0
    assert drawn.max() <= 5.0
    assert stats.kstest(drawn.numpy(), stats.uniform(2, 3).cdf).pvalue > 0.01


def test_unit_is_strictly_inside() -> None:
    drawn = keys().unit(3)
    assert drawn.dtype == torch.float64
    assert drawn.min() > 0
    assert drawn.max() < 1
    assert stats.kstest(drawn.flatten().numpy(), "uniform").pvalue > 0.01


def test_the_rarest_words_draw_finite_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    """One word in four thousand million is 0, and one is the largest; nobody waits for them."""
    monkeypatch.setattr(Key, "words", lambda self, count: torch.tensor([0, MASK]))
    key = Key(0)
    assert (key.unit(2) > 0).all()
    assert (key.unit(2) < 1).all()
    assert torch.equal(key.uniform(-1.0, 3.0, 2), torch.tensor([-1.0, 3.0]))
    assert key.normal(0.0, 1.0, 2).tolist() == pytest.approx([-6.34, 6.34], abs=0.01)
    assert torch.isfinite(key.gamma(2.0, 2)).all()
    assert key.integers(-3, 4, 2).tolist() == [-3, 3]


def test_normal_is_normal() -> None:
    drawn = keys().normal(-1.0, 2.5).double().numpy()
    assert stats.kstest(drawn, stats.norm(-1, 2.5).cdf).pvalue > 0.01
    standard = (drawn + 1) / 2.5
    # Kolmogorov–Smirnov does not see the tails; the kurtosis does (its standard error is 0.054 here).
    assert abs(stats.kurtosis(standard)) < 0.2
    assert np.abs(standard).max() < 6.5


@pytest.mark.parametrize("concentration", [0.2, 1.0, 7.5])
def test_gamma_is_gamma(concentration: float) -> None:
    drawn = keys().gamma(concentration)
    assert drawn.dtype == torch.float32
    assert stats.kstest(drawn.double().numpy(), stats.gamma(concentration).cdf).pvalue > 0.01


@pytest.mark.parametrize(("a", "b"), [(1.0, 1.0), (0.5, 2.0), (8.0, 3.0)])
def test_beta_is_beta(a: float, b: float) -> None:
    drawn = keys().beta(a, b)
    assert drawn.dtype == torch.float32
    assert drawn.min() >= 0
    assert drawn.max() <= 1
    assert stats.kstest(drawn.double().numpy(), stats.beta(a, b).cdf).pvalue > 0.01


@pytest.mark.parametrize("concentration", [0.5, 1.0, 4.0])
def test_dirichlet_sums_to_one_and_has_beta_margins(concentration: float) -> None:
    drawn = keys().dirichlet(concentration, 3)
    assert (drawn >= 0).all()
    torch.testing.assert_close(drawn.double().sum(-1), torch.ones(8_192, dtype=torch.float64), atol=2e-7, rtol=0)
    for part in drawn.double().unbind(-1):
        assert stats.kstest(part.numpy(), stats.beta(concentration, 2 * concentration).cdf).pvalue > 0.01


def test_dirichlet_of_one_part_is_one() -> None:
    assert torch.equal(keys(5).dirichlet(1.0, 1), torch.ones(5, 1))


def test_dirichlet_of_a_small_concentration_is_finite() -> None:
    drawn = keys(2_000).dirichlet(0.01, 3)
    assert torch.isfinite(drawn).all()
    torch.testing.assert_close(drawn.sum(-1), torch.ones(2_000))


@pytest.mark.parametrize(("low", "high"), [(0, 2), (-5, 6), (0, 100), (10**12, 10**12 + 7)])
def test_integers_are_uniform(low: int, high: int) -> None:
    drawn = keys().integers(low, high)
    assert drawn.dtype == torch.int64
    assert drawn.min() == low
    assert drawn.max() == high - 1
    counts = torch.bincount(drawn - low, minlength=high - low)
    assert stats.chisquare(counts.numpy()).pvalue > 0.01


def test_integers_of_the_widest_range() -> None:
    drawn = keys().integers(-(2**30), 2**30)
    assert drawn.min() < -(2**30) + 2**20
    assert drawn.max() >= 2**30 - 2**20
    assert stats.kstest(drawn.double().numpy() / 2**31 + 0.5, "uniform").pvalue > 0.01


NEIGHBOURS: dict[str, Callable[[], tuple[Tensor, Tensor]]] = {
    "indices": lambda: (keys().unit(), keys(first=1).unit()),
    "indices 2³² apart": lambda: (keys().unit(), keys(first=2**32).unit()),
    "epochs": lambda: (keys().unit(), keys(epoch=1).unit()),
    "seeds": lambda: (keys().unit(), keys(seed=1).unit()),
    "seeds 2³² apart": lambda: (keys().unit(), keys(seed=2**32).unit()),
    "index and epoch exchanged": lambda: (keys(first=5, epoch=9).unit(), keys(first=9, epoch=5).unit()),
    "names": lambda: (keys().fold("a").unit(), keys().fold("b").unit()),
    "a name and none": lambda: (keys().fold("a").unit(), keys().unit()),
    "a name and itself twice": lambda: (keys().fold("a").unit(), keys().fold("a").fold("a").unit()),
    "numbers as names": lambda: (keys().fold(0).unit(), keys().fold(1).unit()),
    "words of a block": lambda: tuple(keys().unit(2).unbind(-1)),
    "words of two blocks": lambda: (keys().unit(5)[:, 0], keys().unit(5)[:, 4]),
}


@pytest.mark.parametrize("neighbours", NEIGHBOURS.values(), ids=NEIGHBOURS.keys())
def test_neighbouring_addresses_are_independent(neighbours: Callable[[], tuple[Tensor, Tensor]]) -> None:
    a, b = (side.numpy() for side in neighbours())
    assert abs(np.corrcoef(a, b)[0, 1]) < 4 / np.sqrt(len(a))
    # Independence and not only no correlation: 8 × 8 cells of equal probability.
    cells, _, _ = np.histogram2d(a, b, bins=8, range=((0, 1), (0, 1)))
    assert stats.chisquare(cells.ravel()).pvalue > 0.001


def test_a_key_and_its_images_share_no_words() -> None:
    many = Key(0).words(4000).tolist()
    images = keys(1000).words(4).flatten().tolist()
    # By chance, 16 million pairs share 0.004 words.
    assert not set(many) & set(images)


# The address and nothing else --------------------------------------------------------------------------------------


@pytest.mark.parametrize("draw", DRAWS.values(), ids=DRAWS.keys())
def test_draws_do_not_depend_on_the_batch(draw: Callable[[Key], Tensor]) -> None:
    index = torch.tensor([907, 3, 5_000_000_000, 0, 12, 44, 2, 77, 1, 1000, 31, 6, 8, 9, 10, 11, 13])
    whole = draw(Key(5).at(index, epoch=2).fold("x"))
    for place, one in enumerate(index.tolist()):
        alone = draw(Key(5).at([one], epoch=2).fold("x"))
        assert torch.equal(alone[0], whole[place]), f"index {one} draws differently alone"
    order = torch.randperm(len(index), generator=torch.Generator().manual_seed(0))
    assert torch.equal(draw(Key(5).at(index[order], epoch=2).fold("x")), whole[order])
    assert torch.equal(draw(Key(5).at(index, epoch=2).fold("x").rows(order[:4])), whole[order[:4]])
    mask = index < 50
    assert torch.equal(draw(Key(5).at(index, epoch=2).fold("x").rows(mask)), whole[mask])


@pytest.mark.parametrize("draw", DRAWS.values(), ids=DRAWS.keys())
def test_draws_replay_and_differ_between_addresses(draw: Callable[[Key], Tensor]) -> None:
    index = torch.arange(6)
    first = draw(Key(5).at(index).fold("x"))
    assert torch.equal(first, draw(Key(5).at(index).fold("x")))
    assert torch.equal(first, draw(Key(5).fold("x").at(index))), "naming first and placing first are one address"
    others = [Key(6).at(index).fold("x"), Key(5).at(index, epoch=1).fold("x"), Key(5).at(index).fold("y")]
    for other in others:
        assert not torch.equal(first, draw(other))
    assert all(not torch.equal(a, b) for a, b in itertools.combinations(first, 2)), "two images drew the same"


@pytest.mark.parametrize("draw", DRAWS.values(), ids=DRAWS.keys())
def test_draws_do_not_depend_on_the_index_type(draw: Callable[[Key], Tensor]) -> None:
    expected = draw(Key(1).at(torch.arange(5)))
    for dtype in (torch.int32, torch.int16, torch.uint8):
        assert torch.equal(draw(Key(1).at(torch.arange(5, dtype=dtype))), expected)
    assert torch.equal(draw(Key(1).at([0, 1, 2, 3, 4])), expected)
    assert torch.equal(draw(Key(1).at(range(5))), expected)


@pytest.mark.parametrize("name", ["uniform", "normal", "gamma", "beta", "field"])
def test_draws_do_not_depend_on_the_number_of_threads(name: str, threads: Callable[[int], None]) -> None:
    # Above torch's grain size of 32,768 elements, so that two threads do share the work.
    key = keys() if name != "field" else keys(3)
    draw = DRAWS[name] if name != "field" else lambda key: key.field(3, 128, 128)
    threads(1)
    alone = draw(key)
    threads(2)
    assert torch.equal(draw(key), alone)


def test_draws_leave_the_global_state_alone() -> None:
    before = torch.random.get_rng_state()
    for draw in DRAWS.values():
        draw(keys(3))
    assert torch.equal(torch.random.get_rng_state(), before)


def test_draws_do_not_change_between_versions() -> None:
    """Addresses are a public promise: a stored seed and index must draw the same next year."""
    key = Key(2024).at([0, 1_281_166], epoch=89).fold("visibility_m")
    assert key.words(2).tolist() == [[2451021403, 644630256], [3046891860, 4100940232]]
    assert key.integers(0, 1000).tolist() == [570, 709]
    assert key.uniform().tolist() == pytest.approx([(2451021403.5) / 2**32, (3046891860.5) / 2**32], abs=1e-7)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("name", [name for name in DRAWS if name != "field"])
def test_draws_are_the_same_on_cuda(name: str) -> None:
    draw = DRAWS[name]
    here = draw(keys(20_000).fold("x"))
    there = draw(keys(20_000).to("cuda").fold("x"))
    placed = draw(Key(0).at(torch.arange(20_000, device="cuda")).fold("x"))
    assert there.device.type == placed.device.type == "cuda"
    assert torch.equal(there.cpu(), here)
    assert torch.equal(placed.cpu(), here)


# Names -------------------------------------------------------------------------------------------------------------


def test_the_order_of_names_matters() -> None:
    key = keys(4)
    assert not torch.equal(key.fold("a").fold("b").words(4), key.fold("b").fold("a").words(4))
    assert not torch.equal(key.fold("a").fold("b").words(4), key.fold("a/b").words(4))
    assert not torch.equal(key.fold("ab").words(4), key.fold("a").fold("b").words(4))
    assert not torch.equal(key.fold("").words(4), key.words(4))


def test_a_number_is_not_its_digits() -> None:
    assert not torch.equal(keys(4).fold(1).words(4), keys(4).fold("1").words(4))


def test_names_in_any_script() -> None:
    assert not torch.equal(keys(4).fold("ä").words(4), keys(4).fold("a\N{COMBINING DIAERESIS}").words(4))


def test_folding_leaves_the_key_as_it_was() -> None:
    key = keys(4)
    before = key.words(4)
    key.fold("a").uniform()
    assert torch.equal(key.words(4), before)


# Seeds, shapes and refusals ---------------------------------------------------------------------------------------


def test_seeds_of_64_bits_differ() -> None:
    seeds = [0, 1, -1, -2, 2**31, 2**32, 2**32 - 1, 2**63 - 1, 2**63, -(2**63) + 1]
    drawn = [Key(seed).at([0]).words(2) for seed in seeds]
    assert all(not torch.equal(a, b) for a, b in itertools.combinations(drawn, 2))


def test_a_negative_seed_is_its_twos_complement() -> None:
    assert torch.equal(Key(-1).words(4), Key(2**64 - 1).words(4))
    assert torch.equal(Key(-(2**63)).words(4), Key(2**63).words(4))


def test_all_64_bits_of_an_index_count() -> None:
    index = torch.tensor([0, 1, 2**31, 2**32, 2**32 + 1, 2**62, 2**63 - 1])
    words = Key(0).at(index).words(2)
    assert len({tuple(row) for row in words.tolist()}) == len(index)


@pytest.mark.parametrize("seed", ["0", 1.0, True, None, torch.tensor(3)])
def test_a_seed_that_is_no_integer_is_refused(seed: object) -> None:
    # The run-time type checker, where it is on, refuses first; its error is a TypeError of its own.
    with pytest.raises(Exception, match=r"integer|int") as caught:
        Key(seed)  # type: ignore[arg-type]
    assert isinstance(caught.value, TypeError) or "violates type hint" in str(caught.value)


@pytest.mark.untyped
def test_the_sentence_for_a_seed_that_is_no_integer() -> None:
    with pytest.raises(TypeError, match=r"a key's seed is an integer, not bool: write Key\(seed=0\)"):
        Key(True)


@pytest.mark.parametrize("seed", [2**64, -(2**63) - 1])
def test_a_seed_of_more_than_64_bits_is_refused(seed: int) -> None:
    with pytest.raises(ValueError, match="at most 64 bits"):
        Key(seed)


def test_a_key_is_placed_once() -> None:
    with pytest.raises(ValueError, match="already that of an image"):
        keys(2).at([0])


def test_a_key_is_placed_once_at_one_number_too() -> None:
    with pytest.raises(ValueError, match="already that of an image"):
        Key(0).at(3).at(4)


def test_an_index_that_is_no_integer_is_refused() -> None:
    with pytest.raises((TypeError, ValueError)):
        Key(0).at(torch.tensor([0.5, 0.25]))


@pytest.mark.parametrize("epoch", [-1, 2**32])
def test_an_epoch_out_of_range_is_refused(epoch: int) -> None:
    with pytest.raises(ValueError, match="an epoch is a count"):
        Key(0).at([0], epoch=epoch)


def test_the_last_epoch_is_an_epoch() -> None:
    assert not torch.equal(keys(4, epoch=2**32 - 1).words(1), keys(4, epoch=2**32 - 2).words(1))


@pytest.mark.parametrize(("low", "high"), [(3, 3), (4, 3), (0, 2**31 + 1)])
def test_an_empty_or_too_wide_range_is_refused(low: int, high: int) -> None:
    with pytest.raises(ValueError, match="integers needs low < high"):
        keys(2).integers(low, high)


def test_shapes() -> None:
    key = keys(3)
    assert key.shape == (3,)
    assert Key(0).shape == ()
    assert key.normal().shape == (3,)
    assert key.normal(0.0, 1.0, 2, 5).shape == (3, 2, 5)
    assert key.normal(0.0, 1.0, 0).shape == (3, 0)
    assert keys(0).normal(0.0, 1.0, 2).shape == (0, 2)
    assert keys(0).field(3, 4, 4).shape == (0, 3, 4, 4)
    assert Key(0).normal(0.0, 1.0, 2).shape == (2,)
    assert Key(0).field(3, 4).shape == (3, 4)


def test_a_single_key_draws_single_numbers() -> None:
    for drawn in (Key(0).uniform(), Key(0).normal(), Key(0).integers(0, 5), Key(0).at(3).uniform()):
        assert drawn.shape == ()


def test_a_key_tells_its_shape_and_device() -> None:
    assert repr(keys(3)) == "Key(shape=(3,), device='cpu')"
    assert "seed" not in repr(Key(12345))


# Fields and permutations ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("device", DEVICES)
def test_a_field_is_standard_normal(device: str) -> None:
    field = keys(8).to(device).field(3, 64, 64).cpu()
    assert field.dtype == torch.float32
    assert stats.kstest(field.flatten().double().numpy(), "norm").pvalue > 0.01
    for step in ((0, 0, 1), (0, 1, 0), (1, 0, 0)):
        shifted = field.roll(step, dims=(1, 2, 3))
        assert abs(float((field * shifted).mean())) < 4 / np.sqrt(field.numel())


def test_the_fields_of_images_are_independent() -> None:
    fields = keys(20).field(3, 32, 32).flatten(1).double()
    correlation = torch.corrcoef(fields) - torch.eye(20)
    assert correlation.abs().max() < 4.5 / np.sqrt(fields.shape[1])


@pytest.mark.parametrize("device", DEVICES)
def test_a_field_replays_from_its_seed(device: str) -> None:
    key = keys(4).to(device)
    seeds = key.seed()
    assert seeds.dtype == torch.int64
    assert (seeds >= 0).all()
    assert torch.equal(noise_field(seeds, [2, 9, 9]), key.field(2, 9, 9))
    # Per image, whatever the batch, and on a seed that occurs twice.
    again = noise_field(seeds[[3, 0, 3]], [2, 9, 9])
    assert torch.equal(again, key.field(2, 9, 9)[[3, 0, 3]])


@pytest.mark.untyped
def test_a_field_is_a_well_made_operator() -> None:
    torch.library.opcheck(torch.ops.mechaug.noise_field.default, (torch.tensor([1, 2]), [3, 4]))
    seeds = torch.tensor([[1, 2], [3, 4]])
    mapped = torch.vmap(lambda row: noise_field(row, [5]), in_dims=1)(seeds)
    assert torch.equal(mapped, noise_field(seeds.T, [5]))


@pytest.mark.parametrize("size", [0, 1, 2, 7, 1000])
def test_a_permutation_is_one(size: int) -> None:
    order = Key(1).permutation(size)
    assert order.dtype == torch.int64
    assert torch.equal(order.sort().values, torch.arange(size))


def test_permutations_are_uniform() -> None:
    orders = [tuple(Key(0).fold(place).permutation(3).tolist()) for place in range(600)]
    counts = [orders.count(order) for order in itertools.permutations(range(3))]
    assert sum(counts) == 600
    assert stats.chisquare(counts).pvalue > 0.01


def test_a_long_permutation_has_no_trend() -> None:
    order = Key(7).permutation(20_000)
    assert abs(stats.spearmanr(order.numpy(), np.arange(20_000)).statistic) < 4 / np.sqrt(20_000)
    fixed = int((order == torch.arange(20_000)).sum())
    assert fixed < 8  # Poisson(1)


def test_several_names_at_once_are_the_same_draws() -> None:
    names = ["visibility_m", "iso", ""]
    for key in (Key(3), Key(3).at([5, 1, 2**40]), Key(3).at(torch.arange(0)).fold("Haze")):
        together = key.units(names)
        assert together.shape == (3, *key.shape)
        for name, drawn in zip(names, together, strict=True):
            assert torch.equal(drawn, key.fold(name).unit())


def test_fields_do_not_depend_on_the_number_of_threads() -> None:
    seeds, shape = Key(0).at([0, 1, 2]).seed(), [3, 160, 160]
    threads = torch.get_num_threads()
    try:
        fields = []
        for count in (1, 2, 5):
            torch.set_num_threads(count)
            fields.append(noise_field(seeds, shape))
    finally:
        torch.set_num_threads(threads)
    assert torch.equal(fields[0], fields[1]) and torch.equal(fields[0], fields[2])
    assert fields[0].std() == pytest.approx(1.0, abs=0.01)


@pytest.mark.parametrize("key", [Key(3).fold("A"), Key(3).at(torch.arange(7)).fold("A")])
def test_what_is_drawn_ahead_is_what_would_be_drawn(key: Key) -> None:
    ahead = key.ahead(one=1, three=3, nine=9)
    draws = {
        "a part": lambda own: own.fold("one").beta(2.0, 3.0),
        "all of it": lambda own: own.fold("nine").integers(0, 50, 3, 3),
        "some of it": lambda own: own.fold("nine").uniform(-1.0, 1.0, 2),
        "shares": lambda own: own.fold("three").dirichlet(1.0, 3),
        "more than was drawn": lambda own: own.fold("three").unit(30),
        "another": lambda own: own.fold("four").unit(5),
        "a part of a part": lambda own: own.fold("one").fold("three").unit(3),
    }
    for name, draw in draws.items():
        assert torch.equal(draw(ahead), draw(key)), name
    if key.shape:
        assert torch.equal(ahead.rows(torch.tensor([4, 2])).fold("three").unit(3), key.fold("three").unit(3)[[4, 2]])


@pytest.mark.parametrize("key", [Key(3).fold("A"), Key(3).at(torch.arange(7))])
def test_what_is_foreseen_is_what_would_be_drawn(key: Key, monkeypatch: pytest.MonkeyPatch) -> None:
    passes: list[int] = []
    real = module.philox
    monkeypatch.setattr(module, "philox", lambda counter, words: passes.append(1) or real(counter, words))

    def draw(own: Key, names: tuple[str, ...] = ("x", "y")) -> list[Tensor]:
        # Two levels of parts, several names at once, another kind of use, and a key that asks on its own account.
        inner = own.fold("inner")
        ahead = inner.ahead(level=5, sign=5)
        return [*own.units(names), inner.normal(0.0, 1.0, 3, 4), inner.fold(2).integers(0, 9, 6), own.seed(),
                ahead.fold("level").unit(5), ahead.fold("sign").unit(5)]  # fmt: skip

    def same(one: list[Tensor], other: list[Tensor]) -> bool:
        return all(torch.equal(a, b) for a, b in zip(one, other, strict=True))

    seen: module.Foreseen = {}
    plain = draw(key)
    once = len(passes)
    for time in range(3):
        passes.clear()
        assert same(draw(key.foreseeing(seen)), plain)
        assert len(passes) == (once if time == 0 else 1)
    # Within one that foresees, nothing is foreseen again; what is new is drawn, and foreseen from then on.
    more = ("x", "y", "z")
    for time in range(3):
        passes.clear()
        assert same(draw(key.foreseeing(seen).foreseeing({}), more), draw(key, more))
        assert len(passes) - once == (2 if time == 0 else 1)
    # Another part foresees on its own.
    assert same(draw(key.fold("B").foreseeing(seen)), draw(key.fold("B")))
    assert len(seen) == 2


def test_very_many_words_are_not_foreseen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_MOST_AHEAD", 20)
    seen: module.Foreseen = {}
    for count in (7, 7, 3, 7):
        key = Key(1).at(range(count))
        assert torch.equal(key.foreseeing(seen).unit(9), key.unit(9))


@pytest.mark.parametrize("key", [Key(3), Key(3).at(torch.arange(7)).fold("A").ahead(one=4)])
def test_keys_travel_to_other_processes(key: Key) -> None:
    for sent in (pickle.loads(pickle.dumps(key)), copy.deepcopy(key)):
        assert torch.equal(sent.fold("one").unit(3), key.fold("one").unit(3))

"""Keys: randomness that depends on (seed, image, epoch, name) and on nothing else.

A `Key` is not a state that advances; it is an address. The same address gives the same number on every device, in
every batch, in any order and with any number of workers, which makes counterfactual twins exact: to change one cause
is to change one address.

The generator is Philox 4x32-10 (`mechaug.philox`). What is drawn is computed in float64 and rounded once to float32, so
that the last-bit differences between the devices' elementary functions do not reach the result.
"""

import functools
import hashlib
import math
from collections.abc import Sequence
from typing import Any, Final, final

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor

from mechaug.philox import MASK, Word, philox

# The last counter word says what a block is for, so that no two uses can ever share one.
_DRAW, _AT = 0, 1


@final
class Key:
    """The address of a random draw: one key, or with `at` one key per image.

    Args:
        seed: any integer of at most 64 bits, signed or unsigned.

    Raises:
        TypeError: the seed is not an integer.
        ValueError: the seed has more than 64 bits.

    Example:
        >>> key = Key(seed=0).at(torch.tensor([3, 1, 4]))
        >>> key.fold("visibility_m").uniform(50.0, 2000.0).shape
        torch.Size([3])
    """

    __slots__ = ("_label", "_placed", "_words")

    def __init__(self, seed: int) -> None:
        if not isinstance(seed, int) or isinstance(seed, bool):
            raise TypeError(f"a key's seed is an integer, not {type(seed).__name__}: write Key(seed=0)")
        if not -(2**63) <= seed < 2**64:
            raise ValueError(f"a key's seed has at most 64 bits, and {seed} has {seed.bit_length()}")
        self._words = torch.tensor([seed & MASK, (seed >> 32) & MASK], dtype=torch.int64)
        self._label = (0, 0)
        self._placed = False

    @classmethod
    def _make(cls, words: Int64[Tensor, "*batch 2"], label: tuple[int, int], placed: bool) -> "Key":
        key = object.__new__(cls)
        key._words, key._label, key._placed = words, label, placed
        return key

    @property
    def shape(self) -> torch.Size:
        """`()` for a single key, `(b,)` for one key per image."""
        return self._words.shape[:-1]

    @property
    def device(self) -> torch.device:
        """Where the draws are made."""
        return self._words.device

    def to(self, device: torch.device | str) -> "Key":
        """The same key, drawing on another device: the same parameters."""
        return self._make(self._words.to(device), self._label, self._placed)

    def at(self, index: Tensor | Sequence[int] | int, *, epoch: int = 0) -> "Key":
        """One key per image.

        Args:
            index: data-set indices, shape (b,), or one index; a tensor's device becomes the key's.
            epoch: a count of passes over the data, 0..2³²−1, so that each pass draws anew.

        Raises:
            TypeError: the index or the epoch is not of whole numbers.
            ValueError: this key is already that of an image, or the epoch is out of range.
        """
        if self._placed:
            raise ValueError("this key is already that of an image: call `at` once, on Key(seed)")
        if not isinstance(epoch, int):
            raise TypeError(f"an epoch is a whole number, not {type(epoch).__name__}")
        if not 0 <= epoch <= MASK:
            raise ValueError(f"an epoch is a count from 0 to 2**32 - 1, not {epoch}")
        places = torch.as_tensor(index)
        if places.is_floating_point() or places.is_complex() or (places.dtype == torch.bool and places.numel()):
            raise TypeError(f"data-set indices are whole numbers, not {places.dtype}")
        places = places.long()
        words = self._words.to(places.device)
        counter = (places & MASK, (places >> 32) & MASK, torch.full_like(places, epoch), torch.full_like(places, _AT))
        w0, w1, _, _ = philox(counter, (words[0], words[1]))
        return self._make(torch.stack((w0, w1), dim=-1), self._label, placed=True)

    def fold(self, name: str | int) -> "Key":
        """The key of a named part. Free: names are hashed on the host and enter the counter, not the key."""
        return self._make(self._words, _folded(self._label, type(name).__name__, str(name)), self._placed)

    def rows(self, index: Tensor) -> "Key":
        """The keys of some of the images (an index or a mask along the batch)."""
        return self._make(self._words[index], self._label, self._placed)

    def words(self, count: int) -> Int64[Tensor, "*batch {count}"]:
        """`count` independent 32-bit words per key, as int64 values 0..2³²−1."""
        blocks = torch.arange(-(-count // 4), device=self.device)
        label0, label1 = (torch.full_like(blocks, word) for word in self._label)
        k0, k1 = self._words[..., :1], self._words[..., 1:]
        drawn = philox((label0, label1, blocks, torch.full_like(blocks, _DRAW)), (k0, k1))
        return torch.stack(drawn, dim=-1).flatten(-2)[..., :count]

    def unit(self, *shape: int) -> Float[Tensor, "..."]:
        """Uniform numbers strictly between 0 and 1 in float64: what inverse distribution functions take."""
        return _to_unit(self.words(_product(shape))).reshape((*self.shape, *shape))

    def units(self, names: Sequence[str]) -> Float[Tensor, "n ..."]:
        """`self.fold(name).unit()` for several names at once, stacked in front: one pass of the generator for all."""
        labels = torch.tensor([self.fold(name)._label for name in names], device=self.device)
        labels = labels.reshape(len(names), *(1,) * len(self.shape), 2)
        none = torch.zeros_like(labels[..., 0])
        counter = (labels[..., 0], labels[..., 1], none, torch.full_like(none, _DRAW))
        return _to_unit(philox(counter, (self._words[..., 0], self._words[..., 1]))[0])

    def uniform(self, low: float = 0.0, high: float = 1.0, *shape: int) -> Float[Tensor, "..."]:
        """Uniform float32 numbers in [low, high], shape (*batch, *shape)."""
        return (low + (high - low) * self.unit(*shape)).float()

    def normal(self, mean: float = 0.0, std: float = 1.0, *shape: int) -> Float[Tensor, "..."]:
        """Normal float32 numbers, by the inverse distribution function, shape (*batch, *shape)."""
        return (mean + std * torch.special.ndtri(self.unit(*shape))).float()

    def gamma(self, concentration: float, *shape: int) -> Float[Tensor, "..."]:
        """Gamma(concentration, 1) float32 numbers, by SciPy's inverse distribution function.

        Raises:
            ValueError: the concentration is not positive and finite.
        """
        return _gamma_at(concentration, self.unit(*shape)).float()

    def beta(self, a: float, b: float, *shape: int) -> Float[Tensor, "..."]:
        """Beta(a, b) float32 numbers in [0, 1], by SciPy's inverse distribution function.

        Raises:
            ValueError: a or b is not positive and finite.
        """
        from scipy.special import betaincinv

        _check_positive(a, b)
        quantiles = torch.as_tensor(betaincinv(a, b, self.unit(*shape).cpu().numpy()))
        return quantiles.to(self.device).float()

    def dirichlet(self, concentration: float, parts: int) -> Float[Tensor, "*batch {parts}"]:
        """Symmetric Dirichlet weights: `parts` non-negative float32 numbers that sum to 1.

        Raises:
            ValueError: the concentration is not positive and finite.
        """
        quantiles = self.unit(parts)
        shares = _gamma_at(concentration, quantiles)
        total = shares.sum(-1, keepdim=True)
        # So concentrated that every share underflows, one part has everything: the one with the largest quantile.
        alone = torch.nn.functional.one_hot(quantiles.argmax(-1), parts).double()
        return torch.where(total > 1e-300, shares / total.clamp(min=1e-300), alone).float()

    def integers(self, low: int, high: int, *shape: int) -> Int64[Tensor, "..."]:
        """Integers low ≤ n < high, at most 2³¹ of them; the bias is below (high − low)·2⁻³².

        Raises:
            ValueError: the range is empty or wider than 2³¹.
        """
        if not 0 < high - low <= 2**31:
            raise ValueError(f"integers needs low < high with at most 2**31 values between, not {low} and {high}")
        scaled = (self.words(_product(shape)) * (high - low)) >> 32
        return (low + scaled).reshape((*self.shape, *shape))

    def permutation(self, size: int) -> Int64[Tensor, "{size}"]:
        """A random order of 0..size−1, from a single key.

        Raises:
            ValueError: this is one key per image.
        """
        if self.shape:
            raise ValueError("a permutation comes from a single key, not from one per image")
        first, second = self.words(2 * size).reshape(size, 2).unbind(-1)
        return torch.argsort((first << 31) ^ second, stable=True)

    def seed(self) -> Int64[Tensor, "*batch"]:
        """One 63-bit seed per key, for `field`."""
        first, second = self.words(2).unbind(-1)
        return ((first & 0x7FFFFFFF) << 32) | second

    def field(self, *shape: int) -> Float[Tensor, "..."]:
        """A dense field of standard normal float32 numbers per key, shape (*batch, *shape); see `noise_field`."""
        return noise_field(self.seed(), list(shape))

    def __repr__(self) -> str:
        return f"Key(shape={tuple(self.shape)}, device={str(self.device)!r})"


@functools.lru_cache(maxsize=2**14)
def _folded(label: tuple[int, int], kind: str, name: str) -> tuple[int, int]:
    """The label of a named part; the same few names are met in every batch."""
    digest = hashlib.blake2b(f"{label[0]:08x}{label[1]:08x}/{kind}/{name}".encode(), digest_size=8).digest()
    return int.from_bytes(digest[:4], "little"), int.from_bytes(digest[4:], "little")


def noise_field(seed: Tensor, shape: list[int]) -> Tensor:
    """Standard normal noise, one field per seed, from a generator that suits the kind of device.

    The same on one kind of device, whatever the batch. An operator of its own, so that `apply` stays free of random
    state, traces whole under `torch.compile` and batches under `torch.vmap`.

    Args:
        seed: int64, shape (b,).
        shape: the shape of one field.

    Returns:
        float32, shape (b, *shape).
    """
    return torch.ops.mechaug.noise_field(seed, shape)


def _noise_field(seed: Tensor, shape: list[int]) -> Tensor:
    if seed.device.type == "cpu":
        return _cpu_noise_field(seed.reshape(-1).tolist(), _product(shape)).reshape((*seed.shape, *shape))
    return _device_noise_field(seed.reshape(-1), _product(shape)).reshape((*seed.shape, *shape))


def _device_noise_field(seeds: Int64[Tensor, "n"], count: int) -> Float[Tensor, "n {count}"]:
    """`count` normal numbers per seed, in one pass of tensor operations: for devices that do many things at once.

    A number of SplitMix64 is its place in the sequence, hashed (Steele, Lea and Flood, "Fast splittable pseudorandom
    number generators", OOPSLA 2014), in a tenth of the steps of Philox. Its halves are two uniform numbers, and these
    two normal ones (Box and Muller, 1958).
    """
    pairs = -(-count // 2)
    words = split_mix(seeds[:, None] + torch.arange(1, pairs + 1, device=seeds.device) * _GAMMA)
    first, second = words.view(torch.int32).unflatten(-1, (pairs, 2)).unbind(-1)
    # In place, because memory is what takes time. The logarithm's argument is 2⁻³² to 1.
    radius = (first & 0x7FFFFFFF).float().add_(0.5).mul_(2.0**-31).log_().mul_(-2.0).sqrt_()
    angle = second.float().mul_(math.pi * 2.0**-31)
    return torch.view_as_real(torch.polar(radius, angle)).flatten(-2)[:, :count]


_GAMMA: Final = 0x9E3779B97F4A7C15 - 2**64
"""The step of SplitMix64, as a signed number: the golden ratio's."""


def split_mix(state: Int64[Tensor, "*n"]) -> Int64[Tensor, "*n"]:
    """The hash of SplitMix64: 64 bits of each state. Signed numbers, which wrap around as unsigned ones do."""
    for shift, factor in ((30, 0xBF58476D1CE4E5B9 - 2**64), (27, 0x94D049BB133111EB - 2**64), (31, 1)):
        # A shift of signed numbers drags their sign along, and the mask takes it away.
        state = state.bitwise_xor((state >> shift).bitwise_and_(2 ** (64 - shift) - 1))
        state = state.mul_(factor) if factor != 1 else state
    return state


def _cpu_noise_field(seeds: list[int], count: int) -> Float[Tensor, "n {count}"]:
    """`count` normal numbers per seed: sixteen raw bits each, and a table. 2.5 times as fast as torch's generator."""
    raw = np.empty((len(seeds), -(-count // 4)), dtype=np.uint64)
    source = np.random.SFC64(0)
    state = source.state
    for row, value in zip(raw, seeds, strict=True):
        # Seeded as its author does (C. Doty-Humphrey, PractRand): a counter from 1, and twelve steps of mixing.
        state["state"]["state"][:] = (value, value, value, 1)
        source.state = state
        source.random_raw(12, output=False)
        row[:] = source.random_raw(len(row))
    places = torch.from_numpy(raw.view(np.uint16)).to(torch.int64)
    # `gather` shares rows between threads, and `index_select` does not.
    return _normal_table().expand(len(seeds), -1).gather(1, places)[:, :count]


@functools.cache
def _normal_table() -> Float[Tensor, "65536"]:
    """The means of the 2¹⁶ slices of equal probability of the standard normal distribution, scaled to variance 1."""
    edges = torch.special.ndtri(torch.linspace(0.0, 1.0, 2**16 + 1, dtype=torch.float64))
    means = -torch.exp(-edges.square() / 2).diff() * (2**16 / math.sqrt(2 * math.pi))
    return (means / means.square().mean().sqrt()).float()


def _noise_field_shape(seed: Tensor, shape: list[int]) -> Tensor:
    return torch.empty((*seed.shape, *shape), device=seed.device)


def _noise_field_vmap(_info: object, in_dims: tuple[Any, ...], seed: Tensor, shape: list[int]) -> tuple[Tensor, int]:
    return noise_field(seed.movedim(in_dims[0], 0), shape), 0


# Defined through the library object: the decorator `torch.library.custom_op` costs two seconds at its first call.
_LIBRARY: Final = torch.library.Library("mechaug", "DEF")
_LIBRARY.define("noise_field(Tensor seed, int[] shape) -> Tensor")
_LIBRARY.impl("noise_field", _noise_field, "CompositeExplicitAutograd")
torch.library.register_fake("mechaug::noise_field", _noise_field_shape, lib=_LIBRARY)
torch.library.register_vmap("mechaug::noise_field", _noise_field_vmap, lib=_LIBRARY)


def _to_unit(words: Word) -> Float[Tensor, "..."]:
    """32-bit words as the middles of 2³² slices of (0, 1), in float64."""
    return (words.double() + 0.5) * 2.0**-32


def _gamma_at(concentration: float, quantiles: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
    from scipy.special import gammaincinv

    _check_positive(concentration)
    if concentration == 1.0:
        return -torch.log1p(-quantiles)
    return torch.as_tensor(gammaincinv(concentration, quantiles.cpu().numpy())).to(quantiles.device)


def _check_positive(*values: float) -> None:
    for value in values:
        if not 0 < value < float("inf"):
            raise ValueError(f"a shape parameter is positive and finite, not {value!r}")


def _product(shape: Sequence[int]) -> int:
    size = 1
    for length in shape:
        size *= length
    return size

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
from collections.abc import Mapping, Sequence
from typing import Final, TypeAlias, final

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from mechaug.fields import noise_field
from mechaug.philox import MASK, Word, philox

# The last counter word says what a block is for, so that no two uses can ever share one.
_DRAW, _AT = 0, 1

_Ahead: TypeAlias = Mapping[tuple[int, int], Tensor]
"""Words that are drawn already, by the label of the part that they belong to."""

_NONE_AHEAD: Final[_Ahead] = {}

_Asked: TypeAlias = dict[tuple[int, int], int]
"""How many words were asked for, by label."""

Foreseen: TypeAlias = dict[tuple[int, int], _Asked]
"""What was asked for before, by the label of the key that it was asked of."""

_MOST_AHEAD: Final = 2**18
"""Blocks of the generator that are made at once, at most: for more, calls are not what takes the time."""


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

    __slots__ = ("_asked", "_drawn", "_label", "_placed", "_words")

    def __init__(self, seed: int) -> None:
        if not isinstance(seed, int) or isinstance(seed, bool):
            raise TypeError(f"a key's seed is an integer, not {type(seed).__name__}: write Key(seed=0)")
        if not -(2**63) <= seed < 2**64:
            raise ValueError(f"a key's seed has at most 64 bits, and {seed} has {seed.bit_length()}")
        self._words = torch.tensor([seed & MASK, (seed >> 32) & MASK], dtype=torch.int64)
        self._label = (0, 0)
        self._placed = False
        self._drawn = _NONE_AHEAD
        self._asked: _Asked | None = None

    @classmethod
    def _make(
        cls,
        words: Int64[Tensor, "*batch 2"],
        label: tuple[int, int],
        placed: bool,
        drawn: _Ahead = _NONE_AHEAD,
        asked: _Asked | None = None,
    ) -> "Key":
        key = object.__new__(cls)
        key._words, key._label, key._placed, key._drawn, key._asked = words, label, placed, drawn, asked
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
        label = _folded(self._label, type(name).__name__, str(name))
        return self._make(self._words, label, self._placed, self._drawn, self._asked)

    def ahead(self, **counts: int) -> "Key":
        """This key, with words of named parts drawn together: their draws stay the same, in one pass of the generator.

        Args:
            counts: by name, how many words are drawn from `fold(name)` at most; more are drawn anew.
        """
        labels = {_folded(self._label, str.__name__, name): count for name, count in counts.items()}
        if labels.keys() <= self._drawn.keys():
            return self
        for label, count in labels.items():
            self._write_down(label, count)
        return self._with_drawn(labels, self._asked)

    def foreseeing(self, asked: Foreseen) -> "Key":
        """This key, with all words drawn in one pass of the generator that were asked for when it was used before.

        What is asked for is written down, so that the next time it is foreseen; what was not foreseen is drawn when it
        is asked for. The draws are the same either way.

        Args:
            asked: where it is written down, kept by who draws the same things again and again.
        """
        if self._drawn or self._asked is not None:
            return self
        known = asked.setdefault(self._label, {})
        blocks = sum(-(-count // 4) for count in list(known.values()))
        if not 0 < blocks * math.prod(self.shape) <= _MOST_AHEAD:
            return self._make(self._words, self._label, self._placed, asked=known)
        return self._with_drawn(dict(known), known)

    def _with_drawn(self, counts: _Asked, asked: _Asked | None = None) -> "Key":
        sizes = [-(-count // 4) for count in counts.values()]
        counters = [(*label, block) for label, size in zip(counts, sizes, strict=True) for block in range(size)]
        first, second, blocks = torch.tensor(counters, device=self.device).reshape(-1, 3).unbind(1)
        drawn = self._blocks((first, second, blocks, torch.full_like(blocks, _DRAW)))
        parts = drawn.split([4 * size for size in sizes], dim=-1)
        known = {**self._drawn, **dict(zip(counts, parts, strict=True))}
        return self._make(self._words, self._label, self._placed, known, asked)

    def _write_down(self, label: tuple[int, int], count: int) -> None:
        if self._asked is not None:
            self._asked[label] = max(count, self._asked.get(label, 0))

    def rows(self, index: Tensor) -> "Key":
        """The keys of some of the images (an index or a mask along the batch)."""
        return self._make(self._words[index], self._label, self._placed)

    def words(self, count: int) -> Int64[Tensor, "*batch {count}"]:
        """`count` independent 32-bit words per key, as int64 values 0..2³²−1."""
        known = self._drawn.get(self._label)
        if known is not None and count <= known.shape[-1]:
            return known[..., :count]
        self._write_down(self._label, count)
        blocks = torch.arange(-(-count // 4), device=self.device)
        label0, label1 = (torch.full_like(blocks, word) for word in self._label)
        return self._blocks((label0, label1, blocks, torch.full_like(blocks, _DRAW)))[..., :count]

    def _blocks(self, counter: tuple[Word, Word, Word, Word]) -> Int64[Tensor, "*batch words"]:
        """The words of several blocks, four each, one block after another."""
        drawn = philox(counter, (self._words[..., :1], self._words[..., 1:]))
        return torch.stack(drawn, dim=-1).flatten(-2)

    def unit(self, *shape: int) -> Float[Tensor, "..."]:
        """Uniform numbers strictly between 0 and 1 in float64: what inverse distribution functions take."""
        return _to_unit(self.words(math.prod(shape))).reshape((*self.shape, *shape))

    def units(self, names: Sequence[str]) -> Float[Tensor, "n ..."]:
        """`self.fold(name).unit()` for several names at once, stacked in front: one pass of the generator for all."""
        own = [_folded(self._label, type(name).__name__, name) for name in names]
        if own and all(label in self._drawn for label in own):
            return _to_unit(torch.stack([self._drawn[label][..., 0] for label in own]))
        for label in own:
            self._write_down(label, 1)
        labels = torch.tensor(own, device=self.device)
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
        scaled = (self.words(math.prod(shape)) * (high - low)) >> 32
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


def _to_unit(words: Word) -> Float[Tensor, "..."]:
    """32-bit words as the middles of 2³² slices of (0, 1), in float64."""
    return (words.double() + 0.5) * 2.0**-32


def _gamma_at(concentration: float, quantiles: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
    _check_positive(concentration)
    if concentration == 1.0:
        return -torch.log1p(-quantiles)
    from scipy.special import gammaincinv

    return torch.as_tensor(gammaincinv(concentration, quantiles.cpu().numpy())).to(quantiles.device)


def _check_positive(*values: float) -> None:
    for value in values:
        if not 0 < value < float("inf"):
            raise ValueError(f"a shape parameter is positive and finite, not {value!r}")

"""Philox 4x32-10, a counter-based generator: each block of four words is a function of its counter and its key.

Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011. Written twice: in NumPy for a CPU, where calls
are what a few numbers cost and NumPy takes a third of the time, and in tensor operations for all else.
"""

from typing import Any, Final

import numpy as np
import torch
from jaxtyping import Int64
from torch import Tensor

MASK: Final = 0xFFFFFFFF
"""The largest word."""

_MULTIPLIERS: Final = (0xD2511F53, 0xCD9E8D57)
_WEYL: Final = (0x9E3779B9, 0xBB67AE85)
_ROUNDS: Final = 10

Word = Int64[Tensor, "..."]
"""32-bit words, 0..2³²−1."""


def philox(counter: tuple[Word, Word, Word, Word], key: tuple[Word, Word]) -> tuple[Word, Word, Word, Word]:
    """Four 32-bit words from a counter and a key.

    Args:
        counter: four integer tensors that broadcast together, values 0..2³²−1.
        key: two integer tensors, likewise.

    Returns:
        Four int64 tensors with values 0..2³²−1.
    """
    if all(_has_numbers(word) for word in (*counter, *key)):
        return _by_numpy(counter, key)
    c0, c1, c2, c3 = counter
    k0, k1 = key
    for _ in range(_ROUNDS):
        # The products wrap around in int64; their low and high 32-bit halves are right all the same.
        p0, p1 = c0 * _MULTIPLIERS[0], c2 * _MULTIPLIERS[1]
        c0, c1, c2, c3 = (((p1 >> 32) & MASK) ^ c1 ^ k0, p1 & MASK, ((p0 >> 32) & MASK) ^ c3 ^ k1, p0 & MASK)
        k0, k1 = (k0 + _WEYL[0]) & MASK, (k1 + _WEYL[1]) & MASK
    return c0, c1, c2, c3


def _by_numpy(counter: tuple[Word, ...], key: tuple[Word, ...]) -> Any:  # noqa: ANN401  (four words)
    low, half = np.uint64(MASK), np.uint64(32)
    first, second = (np.uint64(factor) for factor in _MULTIPLIERS)
    c0, c1, c2, c3, k0, k1 = (word.numpy().view(np.uint64) for word in (*counter, *key))
    # The keys of all rounds at once: a row each.
    turns = np.arange(_ROUNDS, dtype=np.uint64).reshape(_ROUNDS, *(1,) * max(k0.ndim, k1.ndim))
    keys0, keys1 = ((word + turns * np.uint64(step)) & low for word, step in zip((k0, k1), _WEYL, strict=True))
    for key0, key1 in zip(keys0, keys1, strict=True):
        p0, p1 = c0 * first, c2 * second
        c0, c1, c2, c3 = (p1 >> half) ^ c1 ^ key0, p1 & low, (p0 >> half) ^ c3 ^ key1, p0 & low
    return tuple(torch.from_numpy(np.asarray(word, np.uint64).view(np.int64)) for word in (c0, c1, c2, c3))


def _has_numbers(word: Tensor) -> bool:
    """Whether a tensor's memory can be read here and now: on a CPU, neither traced nor batched by `torch.vmap`."""
    if torch.compiler.is_compiling() or word.device.type != "cpu":
        return False
    return not torch._C._functorch.is_functorch_wrapped_tensor(word)  # pyright: ignore[reportAttributeAccessIssue]

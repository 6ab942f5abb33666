"""Which images a mechanism does anything to: those whose parameters are not neutral."""

from typing import Any, NamedTuple, Protocol, runtime_checkable

import torch
from torch import Tensor

from mechaug.mechanisms.eager import needs_gradient, values_known


@runtime_checkable
class _Record(Protocol):
    def leaves(self) -> list[Tensor]: ...


@runtime_checkable
class _WithNeutral(Protocol):
    def neutral(self, batch: int) -> Any: ...  # noqa: ANN401  (the mechanism's own parameters)


class _Known(NamedTuple):
    """What is known of mechanisms' parameters before they are drawn.

    Attributes:
        counts: how many tensors they are, for each mechanism.
        neutral: the neutral values of all real numbers in them, shape (n, 1).
        owners: 1 where a number is a mechanism's, shape (mechanisms, n).
    """

    counts: list[int]
    neutral: Tensor
    owners: Tensor


class Busy:
    """Looks at the parameters of several mechanisms for the same images together: small calls are what it costs."""

    def __init__(self, *mechanisms: _WithNeutral) -> None:
        self._mechanisms = mechanisms
        self._known: _Known | None = None

    def _look_up(self) -> _Known:
        leaves = [mechanism.neutral(1).leaves() for mechanism in self._mechanisms]
        marks = [torch.full_like(leaf, number) for number, own in enumerate(leaves) for leaf in own]
        neutral, numbers = _real_numbers([leaf for own in leaves for leaf in own]), _real_numbers(marks)
        if neutral is None or numbers is None:
            neutral = numbers = torch.zeros(0, 1)
        owners = numbers.mT == torch.arange(len(leaves))[:, None]
        return _Known([len(own) for own in leaves], neutral, owners.float())

    def rows(self, *records: _Record) -> list[Tensor | None]:
        """`busy_rows` of each mechanism.

        Args:
            *records: the parameters of each.

        Raises:
            ValueError: parameters are not those of their mechanism.
        """
        if not values_known():
            return [None] * len(records)
        self._known = known = self._known or self._look_up()
        leaves = [record.leaves() for record in records]
        for mechanism, own, count in zip(self._mechanisms, leaves, known.counts, strict=True):
            if len(own) != count:
                raise ValueError(
                    f"{type(mechanism).__name__} takes {count} tensors of parameters, not {len(own)}: "
                    "these were drawn by another mechanism"
                )
        every = [leaf for own in leaves for leaf in own]
        if not values_known(*every) or needs_gradient(*every):
            if len(records) == 1:
                return [None]
            return [busy_rows(mechanism, own) for mechanism, own in zip(self._mechanisms, records, strict=True)]
        drawn = _real_numbers(every)
        if drawn is None:
            return [None] * len(records)
        busy = (known.owners @ drawn.ne(known.neutral.to(drawn)).float()) > 0
        # Without a real number a mechanism is always at work.
        always = (busy.all(1) | ~known.owners.any(1)).tolist()
        return [None if whole else row.nonzero().squeeze(-1) for whole, row in zip(always, busy, strict=True)]


def busy_rows(mechanism: _WithNeutral, params: _Record) -> Tensor | None:
    """The images whose parameters are not neutral, or None where that is all of them or is not asked (`values_known`).

    Whole numbers (seeds, choices) are not looked at: without its quantities a mechanism does nothing.

    Raises:
        ValueError: the parameters are not those of this mechanism.
    """
    if not values_known():
        return None
    busy = mechanism.__dict__.get("_busy_alone")
    if busy is None:
        busy = Busy(mechanism)
        object.__setattr__(mechanism, "_busy_alone", busy)
    return busy.rows(params)[0]


def _real_numbers(leaves: list[Tensor]) -> Tensor | None:
    """All real numbers of each image's parameters, shape (n, b); None where there are none."""
    real = [leaf for leaf in leaves if leaf.is_floating_point()]
    values = [leaf.flatten(1).mT for leaf in real if leaf.ndim > 1]
    if single := [leaf for leaf in real if leaf.ndim == 1]:
        values.append(torch.stack(single))
    return torch.cat(values) if values else None

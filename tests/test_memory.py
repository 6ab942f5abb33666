"""Blocks of a batch that processors' caches hold."""

import pytest
import torch

from mechaug.memory import AT_ONCE, BLOCK, block_rows, blocks, portion


@pytest.mark.parametrize(("count", "numbers"), [(0, 10), (1, 3 * BLOCK), (7, BLOCK), (1000, BLOCK // 100), (5, 0)])
@pytest.mark.parametrize("threads", [1, 3])
def test_blocks_cover_every_row_once(monkeypatch: pytest.MonkeyPatch, count: int, numbers: int, threads: int) -> None:
    monkeypatch.setattr(torch, "get_num_threads", lambda: threads)
    found = list(blocks(count, numbers))
    assert [row for part in found for row in range(part.start, part.stop)] == list(range(count))
    assert all(part.stop - part.start <= block_rows(numbers) for part in found)


def test_each_thread_has_as_many_rows_and_about_a_block(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "get_num_threads", lambda: 4)
    assert block_rows(BLOCK // 10) == 40
    assert block_rows(2 * BLOCK) == 4


@pytest.mark.parametrize(("count", "shares", "expected"), [(32, 1, 6), (32, 2, 12), (5, 1, 6), (0, 1, 2), (9, 99, 10)])
def test_portions_are_equal_and_of_as_many_rows_for_each_thread(
    monkeypatch: pytest.MonkeyPatch, count: int, shares: int, expected: int
) -> None:
    """Of rows of a seventh of `AT_ONCE`, about; twice as many are 14, and 32 are 12, 12 and 8: not 14, 14 and 4."""
    monkeypatch.setattr(torch, "get_num_threads", lambda: 2)
    numbers = 7 * AT_ONCE // 48
    assert portion(torch.empty(1).expand(count, numbers), shares) == expected

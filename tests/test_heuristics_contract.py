"""Every heuristic keeps the promises of the contract, draws everything per picture, and has a whole card."""

from collections.abc import Callable

import pytest
import torch

from heuristics_table import ROWS, Row
from mechaug import heuristics, testing
from mechaug.heuristics.base import Heuristic
from mechaug.keys import Key
from mechaug.testing import Case

# What `mechaug.testing` checks of every mechanism, but for tracing: rows are grouped by what they drew.
CHECKS = (
    testing.check_shape_range,
    testing.check_replay,
    testing.check_batch_invariance,
    testing.check_neutral,
    testing.check_structure,
    testing.check_json,
    testing.check_overlaps,
)
KEY = Key(3).at(torch.arange(64))
each_row = pytest.mark.parametrize("row", ROWS.values(), ids=ROWS.keys())


def _case(row: Row) -> Case:
    return Case(row.heuristic, static=False, types=tuple(heuristics.TYPES.items()))


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__.removeprefix("check_"))
@each_row
def test_contract(row: Row, check: Callable[[Case], None]) -> None:
    check(_case(row))


@pytest.mark.untyped
@each_row
def test_no_global_state(row: Row) -> None:
    testing.check_no_global_state(_case(row))


@each_row
def test_pictures_are_changed_and_not_beyond_recognition(row: Row) -> None:
    x = testing.example_pictures(64)
    y = row.heuristic(x, KEY)
    changed = (y - x).abs().amax((1, 2, 3)) > 1e-3
    assert changed.float().mean() >= row.changes
    # Correlation with the original is nowhere near chance on average: the label has something to rest on.
    a, b = (z.flatten(1) - z.flatten(1).mean(1, keepdim=True) for z in (x, y))
    assert torch.nn.functional.cosine_similarity(a, b).mean() > 0.3


@each_row
def test_everything_is_drawn_per_picture(row: Row) -> None:
    """A fault of batched peers: one draw of operations, or of a deformation, for all pictures of a batch."""
    x = testing.example_pictures(1).expand(64, -1, -1, -1).contiguous()
    y = row.heuristic(x, KEY)
    assert len(torch.unique(y.flatten(1), dim=0)) >= row.different


@each_row
def test_the_gradient_reaches_a_changed_picture_or_is_known_not_to(row: Row) -> None:
    x = testing.example_pictures(16, height=16, width=16).requires_grad_()
    y = row.heuristic.transform(x, row.heuristic.sample(KEY.rows(torch.arange(16))))
    (gradient,) = torch.autograd.grad(y.sum(), x) if y.requires_grad else (torch.zeros_like(x),)
    assert torch.isfinite(gradient).all()
    changed = (y - x).abs().amax((1, 2, 3)) > 0
    assert (gradient[changed].abs().max() > 0) == row.gradient


@each_row
def test_rows_that_drew_nothing_come_back_bit_for_bit(row: Row) -> None:
    x = testing.example_pictures(8)
    drawn = row.heuristic.sample(KEY.rows(torch.arange(8)))
    neutral = row.heuristic.neutral(8)
    given = iter(neutral.leaves())
    half = drawn.map(lambda leaf: torch.cat((leaf[:4], next(given)[4:].to(leaf))))
    y = row.heuristic.apply(x, half)
    assert torch.equal(y[4:], x[4:])
    assert torch.allclose(y[:4], row.heuristic.apply(x, drawn)[:4], atol=testing.BATCH_TOLERANCE)


@each_row
@pytest.mark.parametrize("shape", [(3, 7, 45), (3, 3, 3), (1, 20, 20)])
def test_other_shapes_and_empty_batches(row: Row, shape: tuple[int, int, int]) -> None:
    channels, height, width = shape
    if channels == 1 and not row.grey:
        pytest.skip("takes colour only")
    x = testing.example_pictures(16, channels=channels, height=height, width=width)
    key = KEY.rows(torch.arange(16))
    y = row.heuristic(x, key)
    assert y.shape == x.shape
    assert torch.isfinite(y).all()
    assert row.heuristic(x[:0], key.rows(torch.arange(0))).shape == (0, *shape)


@each_row
def test_the_card_is_whole(row: Row) -> None:
    about = row.heuristic.about
    for text in (about.name, about.principle, about.assumption, about.needs, about.breaks, about.cost):
        assert text.strip() == text
        assert text
    for sentence in (about.principle, about.assumption, about.breaks, about.cost):
        assert sentence[0].isupper() and sentence.endswith("."), sentence
    assert about.citation.bibtex.startswith(f"@{about.citation.kind}{{{about.citation.key},")
    assert str(about.citation.year) in about.citation.line


def test_every_heuristic_has_a_row() -> None:
    tried = {type(row.heuristic) for row in ROWS.values()}
    assert {cls for cls in heuristics.TYPES.values() if issubclass(cls, Heuristic)} <= tried

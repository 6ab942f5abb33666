"""Accelerators: heuristics draw the same there, and make the same pictures."""

import pytest
import torch

from heuristics_table import ROWS, Row
from mechaug.testing import example_key, example_pictures

needs_cuda = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
each_row = pytest.mark.parametrize("row", ROWS.values(), ids=ROWS.keys())


def _stored(batch: int, side: int) -> torch.Tensor:
    return (example_pictures(batch, height=side, width=side) * 255).round() / 255


@needs_cuda
@each_row
def test_cuda_draws_the_same_parameters(row: Row) -> None:
    key = example_key(64)
    here, there = row.heuristic.sample(key), row.heuristic.sample(key.to("cuda"))
    for number, (a, b) in enumerate(zip(here.leaves(), there.leaves(), strict=True)):
        assert b.device.type == "cuda"
        assert torch.equal(a, b.cpu()), f"parameter {number}"


@needs_cuda
@pytest.mark.parametrize("side", [32, 96])
@each_row
def test_cuda_makes_the_same_pictures(row: Row, side: int) -> None:
    x = _stored(64, side)
    params = row.heuristic.sample(example_key(64))
    here = row.heuristic.apply(x, params)
    there = row.heuristic.apply(x.cuda(), params.to("cuda")).cpu()
    if row.noisy:
        # Drawn by the generator of the device's kind: other numbers of the same law.
        assert torch.isfinite(there).all()
        assert there.mean().item() == pytest.approx(here.mean().item(), abs=0.03)
        assert (there - x).std().item() == pytest.approx((here - x).std().item(), rel=0.2)
        return
    gap = (here - there).abs()
    # A last bit may cut to the next grey level, which equalizing tells further apart.
    assert (gap > 1.01 / 255).double().mean() < 1e-3
    assert (gap > 1e-5).double().mean() < 5e-3


@needs_cuda
@each_row
def test_cuda_pictures_do_not_depend_on_the_batch(row: Row) -> None:
    x, order = _stored(16, 32).cuda(), torch.tensor([6, 0, 3])
    params = row.heuristic.sample(example_key(16)).to("cuda")
    whole = row.heuristic.apply(x, params)[order.cuda()]
    part = row.heuristic.apply(x[order.cuda()], params.rows(order.cuda()))
    # By default torch lets CUDA's library of convolutions cut numbers to ten bits.
    assert ((whole - part).abs() > 2e-3).double().mean() < 1e-3

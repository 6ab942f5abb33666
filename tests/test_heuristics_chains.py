"""Chains run together against chains run one by one."""

import pytest
import torch

from mechaug.heuristics.chains import NOTHING, run
from mechaug.keys import Key

OPERATIONS = (lambda x: x.flip(3), lambda x: x.flip(2), lambda x: x // 2 + 7)


@pytest.mark.parametrize("shape", [(3, 32, 32), (1, 5, 5), (3, 7, 3), (1, 2, 4), (3, 2, 2)])
@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32])
@pytest.mark.parametrize("skipped", [0, 1])
@pytest.mark.parametrize("gradients", [True, False])
def test_chains_together_are_chains_one_by_one(
    shape: tuple[int, int, int], dtype: torch.dtype, skipped: int, gradients: bool
) -> None:
    key = Key(3).at(torch.arange(20))
    # A picture skipped in front puts the others where only short words begin.
    pictures = key.fold("pictures").integers(0, 256, *shape).to(dtype)[skipped:]
    operation = key.fold("operation").integers(NOTHING, 3, 4)[skipped:]
    expected = []
    for picture, codes in zip(pictures, operation.tolist(), strict=True):
        for code in codes:
            picture = picture if code == NOTHING else OPERATIONS[code](picture[None])[0]
        expected.append(picture)
    seen: list[tuple[int, int]] = []

    def act(code: int, some: torch.Tensor, rows: torch.Tensor, step: int) -> torch.Tensor:
        assert bool((operation[rows, step] == code).all())
        seen.append((step, code))
        return OPERATIONS[code](some)

    sideways = pictures.mT.contiguous().mT
    with torch.set_grad_enabled(gradients):
        run(pictures, operation, len(OPERATIONS), act)
        run(sideways, operation, len(OPERATIONS), lambda code, some, *_: OPERATIONS[code](some))
    assert torch.equal(pictures, torch.stack(expected))
    assert torch.equal(sideways, pictures)
    assert len(seen) == len(set(seen))

"""When code may take a short cut: in eager mode, where the values of tensors can be looked at and memory re-used.

A short cut must not change what is computed by more than rounding.
"""

import math
from typing import Any, Final

import torch
from jaxtyping import Int64, Num
from torch import Tensor


def values_known(*tensors: Tensor) -> bool:
    """Whether code may look at the values of tensors to save work.

    Not while it is traced or batched by `vmap`; and not where they are on an accelerator: to look, the host would wait
    for all that is queued there, which takes longer than the work that is saved.
    """
    return _is_eager() and all(tensor.is_cpu for tensor in tensors)


def needs_gradient(*tensors: Tensor) -> bool:
    """Whether autograd is recording for one of the tensors, whose values must then outlive the computation."""
    return torch.is_grad_enabled() and any(tensor.requires_grad for tensor in tensors)


def constant(value: Any, like: Tensor) -> Tensor:  # noqa: ANN401  (a number, or tuples of numbers to any depth)
    """A constant in the dtype and on the device of a tensor. An accelerator gets each once, and need not wait for it.

    Args:
        value: a tensor that is never written to, a number, or tuples of numbers to any depth.
        like: gives dtype and device.
    """
    if like.device.type == "cpu" or not _is_eager():
        return torch.as_tensor(value, dtype=like.dtype, device=like.device)
    place = (value, like.dtype, like.device)
    if place not in _COPIES:
        # What is made in inference mode cannot meet gradients later.
        with torch.inference_mode(False):
            _COPIES[place] = torch.as_tensor(value, dtype=like.dtype, device=like.device)
    return _COPIES[place]


_COPIES: Final[dict[Any, Tensor]] = {}
"""What `constant` has copied to accelerators."""


def put_back(images: Num[Tensor, "b c h w"], rows: Int64[Tensor, "n"], some: Num[Tensor, "n c h w"]) -> None:
    """`images.index_copy_(0, rows, some)`, which on a CPU takes long number by number: here in the longest words."""
    differentiable = torch.is_grad_enabled() and images.is_floating_point()
    if differentiable or images.device.type != "cpu" or not images.is_contiguous():
        images.index_copy_(0, rows, some)
        return
    stored, put = images.flatten(1), some.flatten(1)
    starts = (place.storage_offset() * place.element_size() for place in (stored, put))
    word = _WORDS[math.gcd(16, stored.shape[1] * stored.element_size(), *starts)]
    stored.view(word).index_copy_(0, rows, put.view(word))


_WORDS: Final = {1: torch.uint8, 2: torch.int16, 4: torch.int32, 8: torch.int64, 16: torch.complex128}
"""By their size in bytes."""


def _is_eager() -> bool:
    if torch.compiler.is_compiling():
        return False
    return torch._C._functorch.peek_interpreter_stack() is None  # pyright: ignore[reportAttributeAccessIssue]

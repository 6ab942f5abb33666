"""When code may take a short cut: in eager mode, where the values of tensors can be looked at and memory re-used.

A short cut must not change what is computed by more than rounding.
"""

import torch
from torch import Tensor


def values_known() -> bool:
    """Whether code may look at the values of tensors to save work: not while it is traced or batched by `vmap`."""
    if torch.compiler.is_compiling():
        return False
    return torch._C._functorch.peek_interpreter_stack() is None  # pyright: ignore[reportAttributeAccessIssue]


def needs_gradient(*tensors: Tensor) -> bool:
    """Whether autograd is recording for one of the tensors, whose values must then outlive the computation."""
    return torch.is_grad_enabled() and any(tensor.requires_grad for tensor in tensors)

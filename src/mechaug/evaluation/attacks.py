"""Projected gradient descent: the worst case inside a small L∞ ball, as far as gradients find it.

Madry, Makelov, Schmidt, Tsipras and Vladu, "Towards deep learning models resistant to adversarial attacks", ICLR 2018.
An accuracy under one attack is an upper bound of the accuracy under all: a stronger attack may lower it.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import torch
from jaxtyping import Bool, Int64, UInt8
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from mechaug.keys import Key
from mechaug.types import Image, Labels, Logits

EPSILON: Final = 8 / 255
STEP_SIZE: Final = 2 / 255
STEPS: Final = 20


def pgd(
    model: nn.Module,
    pictures: Image,
    labels: Labels,
    key: Key,
    *,
    epsilon: float = EPSILON,
    step_size: float = STEP_SIZE,
    steps: int = STEPS,
) -> Image:
    """Pictures that raise the model's cross-entropy, by projected gradient descent from a random start.

    x ← clip(x + step_size · sign(∇ loss)), into the ball |x − picture| ≤ epsilon and into [0, 1]; equation 4 and
    section 3 of Madry et al. (2018). The model runs in evaluation mode and is left as it was: modes, gradients and
    `requires_grad` of its parameters.

    Args:
        model: pictures in [0, 1] to logits, so it holds its own normalisation.
        pictures: sRGB in [0, 1], on the model's device.
        labels: their classes, on the same device.
        key: one key per picture, for the start.
        epsilon: radius of the ball, in units of white.
        step_size: of one step, in units of white.
        steps: how many steps are taken.

    Returns:
        The last iterate, detached, in [0, 1] and nowhere further than epsilon from the pictures.

    Raises:
        ValueError: the model's output is not a number, a radius, step or count is negative, or the keys are not one
            per picture.
    """
    if epsilon < 0 or step_size < 0 or steps < 0:
        raise ValueError(
            f"an attack takes no negative numbers: epsilon={epsilon}, step_size={step_size}, steps={steps}"
        )
    if key.shape != pictures.shape[:1]:
        raise ValueError(
            f"{pictures.shape[0]} pictures need as many keys, and these have shape {tuple(key.shape)}: "
            "use Key(seed).at(index) with one index per picture"
        )
    clean = pictures.detach()
    low, high = (clean - epsilon).clamp(min=0), (clean + epsilon).clamp(max=1)
    start = key.fold("pgd").uniform(-epsilon, epsilon, *clean.shape[1:]).to(clean)
    attacked = torch.clamp(clean + start, low, high)
    with _evaluating(model), torch.enable_grad():
        for _ in range(steps):
            attacked.requires_grad_()
            # A sum, not a mean: what a picture's gradient is does not depend on the rest of the batch.
            loss = cross_entropy(_checked(model(attacked)), labels, reduction="sum")
            (gradient,) = torch.autograd.grad(loss, attacked)
            attacked = torch.clamp(attacked.detach() + step_size * gradient.sign(), low, high)
    return attacked


def attacked_correct(
    model: nn.Module,
    pictures: UInt8[Tensor, "n c h w"],
    labels: Int64[Tensor, "n"],
    index: Int64[Tensor, "n"],
    key: Key,
    *,
    device: torch.device | str = "cpu",
    batch_size: int = 256,
    epsilon: float = EPSILON,
    step_size: float = STEP_SIZE,
    steps: int = STEPS,
) -> Bool[Tensor, "n"]:
    """Which pictures are classified correctly, clean and under `pgd`; their mean is the accuracy under attack.

    Only what is right when clean is attacked: the rest counts as wrong already.

    Args:
        model: pictures in [0, 1] to logits.
        pictures: stored pictures, 0..255, on any device; batches are moved to the model's.
        labels: their classes.
        index: their data-set indices, from which each picture's key is made.
        key: a single key, such as `Key(seed)`.
        device: where the model is.
        batch_size: pictures per pass; the result does not depend on it but for rounding.
        epsilon: as in `pgd`.
        step_size: as in `pgd`.
        steps: as in `pgd`.

    Returns:
        One yes or no per picture, on the CPU.

    Raises:
        ValueError: as `pgd`, or the batch size is not positive.
    """
    if batch_size < 1:
        raise ValueError(f"a batch holds at least one picture, not {batch_size}")
    keys = key.at(index.to(device))

    def batch(rows: Tensor) -> tuple[Image, Labels]:
        return pictures[rows.to(pictures.device)].to(device).float() / 255, labels[rows.to(labels.device)].to(device)

    def right(x: Image, y: Labels) -> Tensor:
        with _evaluating(model), torch.no_grad():
            return (_checked(model(x)).argmax(1) == y).cpu()

    correct = torch.zeros(len(pictures), dtype=torch.bool)
    for rows in torch.arange(len(pictures)).split(batch_size):
        correct[rows] = right(*batch(rows))
    for rows in correct.nonzero().squeeze(1).split(batch_size):
        x, y = batch(rows)
        moved = pgd(model, x, y, keys.rows(rows.to(device)), epsilon=epsilon, step_size=step_size, steps=steps)
        correct[rows] = right(moved, y)
    return correct


def _checked(logits: Logits) -> Logits:
    if bool(logits.isnan().any()):
        raise ValueError("the model's output is not a number (NaN), so no attack can be measured on it")
    return logits


@contextmanager
def _evaluating(model: nn.Module) -> Iterator[None]:
    """The model in evaluation mode; afterwards every module is in the mode that it was in."""
    modes = {module: module.training for module in model.modules()}
    model.eval()
    try:
        yield
    finally:
        for module, training in modes.items():
            module.training = training

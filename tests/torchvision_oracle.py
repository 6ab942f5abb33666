"""torchvision as an oracle, where it can be loaded: what its own policies draw, and what they do with it."""

import functools
import importlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

import pytest
import torch


@functools.cache
def _load() -> ModuleType | str:
    """`torchvision.transforms.autoaugment`, or the reason why there is none."""
    try:
        return importlib.import_module("torchvision.transforms.autoaugment")
    except ImportError as problem:
        return f"torchvision cannot be imported: {problem}"
    except RuntimeError:
        pass  # a wheel for CUDA beside a CPU build of torch: its compiled operators are missing
    for name in [name for name in sys.modules if name.startswith("torchvision")]:
        del sys.modules[name]
    library = torch.library.Library("torchvision", "DEF")
    library.define("nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    library.define("qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    _load.library = library  # type: ignore[attr-defined]  # kept alive
    try:
        return importlib.import_module("torchvision.transforms.autoaugment")
    except (ImportError, RuntimeError) as problem:
        return f"torchvision cannot be imported: {problem}"


def torchvision() -> Any:
    """The module of its policies; skips the test with the reason where it cannot be loaded."""
    found = _load()
    if isinstance(found, str):
        pytest.skip(found)
    return found


@contextmanager
def recorded(module: Any) -> Iterator[list[tuple[str, float]]]:
    """What torchvision's policies would do: names and magnitudes, in the order in which they are called, undone."""
    calls: list[tuple[str, float]] = []
    original = module._apply_op

    def record(image: Any, name: str, magnitude: float, **_rest: Any) -> Any:
        calls.append((name, magnitude))
        return image

    module._apply_op = record
    try:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            yield calls
    finally:
        module._apply_op = original

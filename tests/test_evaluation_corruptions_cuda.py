"""Corruptions on CUDA: the CPU's pictures, where both are given the same noise."""

import pytest
import torch

from mechaug.evaluation.corruptions import BAR, CORRUPTIONS, EXTRA, corrupt
from mechaug.keys import Key

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")

CASES = [
    (one.name, profile, size)
    for one in (*CORRUPTIONS, *EXTRA, *BAR)
    for profile, settings, size in (("cifar", one.cifar, 32), ("imagenet", one.imagenet, 224))
    if settings
]


@pytest.fixture
def the_same_noise(monkeypatch):
    """Dense noise is drawn by a generator of the device's kind: here the CPU's is used for both."""
    field = Key.field
    monkeypatch.setattr(Key, "field", lambda self, *shape: field(self.to("cpu"), *shape).to(self.device))


@pytest.mark.parametrize(("name", "profile", "size"), CASES)
def test_the_same_pictures_on_cuda(name, profile, size, the_same_noise):
    noise = Key(5).at(torch.arange(6)).field(3, size, size)
    smooth = torch.nn.functional.avg_pool2d(noise, 3, stride=1, padding=1)
    clean, key = (torch.special.ndtr(2 * smooth) * 255).round().to(torch.uint8), Key(0).at(torch.arange(6))
    for severity in (1, 3, 5):
        expected = corrupt(clean, name, severity, key, profile=profile)
        made = corrupt(clean.cuda(), name, severity, key, profile=profile)
        assert made.device.type == "cuda"
        off = (made.cpu().int() - expected.int()).abs()
        # A last bit may decide between two levels, and rarely between two neighbours or the two ends of a ring.
        assert (off > 0).double().mean() < 0.01, f"severity {severity}"
        assert (off > 1).double().mean() < 2e-3, f"severity {severity}"

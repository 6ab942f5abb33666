"""Mixed light: its mean, its contrast, its colours and its finest detail."""

import math

import pytest
import torch
from torch import Tensor

from mechaug.mechanisms.mixed_light import MixedLight, MixedLightParams
from mechaug.testing import example_key


def light(count: int, size: int, **changes: float) -> Tensor:
    """The light itself, as it falls on white."""
    values = {"contrast": 0.5, "colour": 1.0, "finest_cycles": 4.0} | changes
    made = {name: torch.full((count,), value, dtype=torch.float64) for name, value in values.items()}
    params = MixedLightParams(**made, light_seed=torch.arange(count))
    return MixedLight().transform(torch.ones(count, 3, size, size, dtype=torch.float64), params)


@pytest.mark.parametrize("contrast", [0.2, 0.6, 0.9])
def test_it_neither_brightens_nor_darkens_in_the_mean(contrast: float) -> None:
    mean = light(2000, 4, contrast=contrast).mean((1, 2, 3))
    error = float(mean.std()) / math.sqrt(len(mean))
    assert abs(float(mean.mean()) - 1) < 3.5 * error
    assert error < 0.03


def test_its_logarithm_has_the_contrast_in_every_channel() -> None:
    assert light(3000, 4, contrast=0.6).log().std((0, 2, 3)).tolist() == pytest.approx([0.6] * 3, rel=0.04)


@pytest.mark.parametrize(("colour", "common"), [(0.0, 1.0), (1.0, 0.5), (3.0, 0.1)])
def test_its_colours_have_as_much_in_common_as_asked_for(colour: float, common: float) -> None:
    red, green, _ = light(4000, 4, colour=colour).log().flatten(2).unbind(1)
    found = torch.corrcoef(torch.stack((red.flatten(), green.flatten())))[0, 1]
    assert float(found) == pytest.approx(common, abs=0.05)


def test_nothing_is_finer_than_the_finest_detail() -> None:
    window = torch.hann_window(64, dtype=torch.float64)
    power = torch.fft.fft2(light(100, 64).log()[:, 0] * window * window[:, None]).abs().square().mean(0)
    frequency = torch.fft.fftfreq(64) * 64
    radius = torch.hypot(frequency, frequency[:, None])
    # The window spreads a wave over two cycles on each side.
    assert float(power[radius > 7].sum()) < 1e-4 * float(power.sum())


def test_it_multiplies_linear_light() -> None:
    params = MixedLight().sample(example_key(4))
    x = torch.rand(4, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    white = MixedLight().transform(torch.ones_like(x), params)
    torch.testing.assert_close(MixedLight().transform(x, params), x * white)


def test_what_is_grey_gets_the_luminance_of_the_light() -> None:
    params = MixedLight().sample(example_key(2))
    coloured = MixedLight().transform(torch.ones(2, 3, 8, 8), params)
    grey = MixedLight().transform(torch.ones(2, 1, 8, 8), params)
    weights = torch.tensor([0.2126, 0.7152, 0.0722])[:, None, None]
    assert torch.allclose(grey, (coloured * weights).sum(1, keepdim=True), atol=1e-3)

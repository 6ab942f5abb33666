"""Reflections in glass: Fresnel's equations, the light and the spectrum of the scene that is reflected."""

import math

import pytest
import torch
from torch import Tensor

from mechaug.mechanisms.reflection import GLASS, GREY, Reflection, ReflectionParams, pane_reflectance
from mechaug.testing import example_key


def reflected(count: int, size: int, **changes: float) -> Tensor:
    """Black behind a mirror: the reflected scene alone."""
    values = {"reflectance": 1.0, "brighter_ev": 0.0, "contrast": 0.8, "blur_permille": 0.0, "colour": 0.2} | changes
    made = {name: torch.full((count,), value, dtype=torch.float64) for name, value in values.items()}
    params = ReflectionParams(**made, scene_seed=torch.arange(count))
    return Reflection().transform(torch.zeros(count, 3, size, size, dtype=torch.float64), params)


def test_a_pane_reflects_what_fresnel_says() -> None:
    """At right angles ((n − 1)/(n + 1))² at each surface; at Brewster's angle of one polarisation only; at 90° all."""
    once = ((GLASS - 1) / (GLASS + 1)) ** 2
    brewster = math.degrees(math.atan(GLASS))
    of_s = ((GLASS**2 - 1) / (GLASS**2 + 1)) ** 2
    angles = torch.tensor([0.0, brewster, 89.9999], dtype=torch.float64)
    expected = [2 * once / (1 + once), of_s / (1 + of_s), 1.0]
    assert pane_reflectance(angles).tolist() == pytest.approx(expected, abs=1e-4)
    assert (pane_reflectance(torch.arange(0.0, 90.0, 5.0)).diff() > 0).all()


def test_the_default_prior_is_of_a_pane_seen_at_up_to_70_degrees() -> None:
    ends = pane_reflectance(torch.tensor([0.0, 70.0]))
    assert Reflection().reflectance == pytest.approx(ends.tolist(), abs=0.02)


def test_light_is_shared_between_what_passes_and_what_is_reflected() -> None:
    params = Reflection(reflectance=0.3).sample(example_key(4))
    x = torch.rand(4, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    black, white = Reflection().transform(torch.zeros_like(x), params), Reflection().transform(x, params)
    assert torch.allclose(white - black, 0.7 * x, atol=1e-6)


@pytest.mark.parametrize(("brighter_ev", "contrast"), [(0.0, 0.8), (3.0, 0.8), (-1.0, 0.4)])
def test_the_reflected_scene_is_as_bright_as_asked_for(brighter_ev: float, contrast: float) -> None:
    light = reflected(2000, 4, brighter_ev=brighter_ev, contrast=contrast).mean((1, 2, 3))
    error = light.std() / math.sqrt(len(light))
    assert abs(light.mean() - GREY * 2**brighter_ev) < 3.5 * error
    assert error < 0.03 * light.mean()


def test_its_logarithm_has_the_contrast_and_equal_power_in_every_octave() -> None:
    field = reflected(400, 64).log()[:, 0] - math.log(GREY) + 0.32
    assert field.std() == pytest.approx(0.8, rel=0.03)
    window = torch.hann_window(64, dtype=torch.float64)
    power = torch.fft.fft2(field * window * window[:, None]).abs().square().mean(0)
    frequency = torch.fft.fftfreq(64) * 64
    radius = torch.hypot(frequency, frequency[:, None])
    places = torch.tensor([3.0, 12.0])
    near = [power[(radius - place).abs() < 0.5].mean().log2() for place in places]
    # Power that falls as 1/f² falls by 4 octaves over 2.
    assert float(near[0] - near[1]) == pytest.approx(4.0, abs=0.4)


def test_out_of_focus_it_has_no_detail_left() -> None:
    sharp, blurred = (reflected(50, 64, blur_permille=blur).log() for blur in (0.0, 60.0))
    rough = [float(scene.diff(dim=-1).square().mean()) for scene in (sharp, blurred)]
    assert rough[1] < 0.1 * rough[0]


def test_it_has_less_colour_than_light() -> None:
    scene = reflected(400, 16).log()
    assert scene.mean(1).std() > 3 * (scene - scene.mean(1, keepdim=True)).std()
    neon = reflected(400, 16, colour=3.0).log()
    assert neon.mean(1).std() < (neon - neon.mean(1, keepdim=True)).std()


def test_what_is_grey_gets_the_luminance_of_the_reflection() -> None:
    params = Reflection(reflectance=1.0).sample(example_key(2))
    coloured = Reflection().transform(torch.zeros(2, 3, 8, 8), params)
    grey = Reflection().transform(torch.zeros(2, 1, 8, 8), params)
    weights = torch.tensor([0.2126, 0.7152, 0.0722])[:, None, None]
    assert torch.allclose(grey, (coloured * weights).sum(1, keepdim=True), atol=1e-3)

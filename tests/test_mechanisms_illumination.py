"""Illumination: exposure values are powers of two of the light."""

import pytest
import torch

from mechaug.keys import Key
from mechaug.mechanisms import Chain, Exposure, ExposureParams, to_light, to_picture
from mechaug.testing import example_pictures


def ev(*values: float) -> ExposureParams:
    return ExposureParams(exposure_ev=torch.tensor(values))


def test_one_ev_doubles_the_light() -> None:
    light = to_light(example_pictures(2)) / 4
    picture = to_picture(light)
    for steps, factor in ((1.0, 2.0), (-1.0, 0.5), (2.0, 4.0), (0.5, 2**0.5)):
        mean = to_light(Exposure().apply(picture, ev(steps, steps))).mean((1, 2, 3))
        torch.testing.assert_close(mean, factor * light.mean((1, 2, 3)), rtol=1e-5, atol=0)


def test_whole_evs_are_exact() -> None:
    x = example_pictures(3)
    y = Exposure().transform(x, ev(3.0, -2.0, 0.0))
    assert torch.equal(y, x * torch.tensor([8.0, 0.25, 1.0])[:, None, None, None])


def test_light_above_white_is_kept_inside_a_chain_and_clipped_at_its_end() -> None:
    x = example_pictures(4)
    up, down = Exposure(exposure_ev=9.0), Exposure(exposure_ev=-9.0)
    key = Key(0).at(range(4))
    torch.testing.assert_close(Chain(up, down)(x, key), x, atol=1e-5, rtol=0)
    torch.testing.assert_close(up(x, key), torch.ones_like(x), atol=1e-6, rtol=0)
    assert (down(up(x, key), key) - x).abs().max() > 0.1, "two pictures one after the other do lose what is clipped"


def test_the_gains_are_a_group() -> None:
    mechanism = Exposure()
    a, b, c = (mechanism.sample(Key(seed).at(range(100))).map(torch.Tensor.double) for seed in (1, 2, 3))
    x = example_pictures(100, height=2, width=2).double()

    def act(params: ExposureParams) -> torch.Tensor:
        return mechanism.transform(x, params)

    compose, inverse, close = mechanism.compose, mechanism.inverse, torch.testing.assert_close
    close(act(compose(a, b)), mechanism.transform(act(a), b), rtol=1e-14, atol=0)
    close(act(compose(a, b)), act(compose(b, a)), rtol=0, atol=0)
    close(act(compose(compose(a, b), c)), act(compose(a, compose(b, c))), rtol=1e-14, atol=0)
    assert torch.equal(compose(a, inverse(a)).exposure_ev, torch.zeros(100).double())
    assert torch.equal(inverse(inverse(a)).exposure_ev, a.exposure_ev)
    assert torch.equal(compose(a, mechanism.neutral(100)).exposure_ev, a.exposure_ev)


def test_the_slope_in_ev_is_the_light_times_the_logarithm_of_two() -> None:
    x = example_pictures(1)
    params = ev(1.5).map(torch.Tensor.requires_grad_)
    (slope,) = torch.autograd.grad(Exposure().transform(x, params).sum(), params.exposure_ev)
    assert float(slope) == pytest.approx(float(x.sum()) * 2**1.5 * 0.69314718, rel=1e-5)

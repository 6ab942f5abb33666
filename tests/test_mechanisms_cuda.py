"""Accelerators: the same parameters, the same pictures, and a host that never waits for a device.

`pytest -k cuda` runs all of it. What needs no device is tried with tensors that have a place and no values ("meta"):
to look at one is an error, as it would be a wait on CUDA.
"""

from collections import Counter
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from contract import CASES
from mechaug.fields import _device_noise_field, noise_field, split_mix
from mechaug.keys import Key
from mechaug.mechanisms import VIEWS, Maybe, Sensor, presets
from mechaug.mechanisms.eager import constant
from mechaug.testing import Case, example_key, example_pictures

needs_cuda = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")

# A mixture groups its images, for which it asks once how many each mechanism has.
WAITS = ("one of",)
# Noise and particles are drawn by the generator of the device's kind.
OWN_NOISE = ("rain", "snow", "lens drops", "lens dirt", "sensor", "sensor, binned")
# A last bit may round to the next level, which moves a whole block of a JPEG file.
ROUNDED = ("jpeg", "bit depth")
# By default torch lets CUDA's library of convolutions cut numbers to ten bits (TF32); half a grey level.
CUT_SHORT = ("demosaic", "demosaic, bilinear")

each_case = pytest.mark.parametrize("name", CASES)


def pictures(case: Case) -> Tensor:
    return example_pictures(8, channels=case.channels)


# Without a device ----------------------------------------------------------------------------------------------------


class Moves(TorchDispatchMode):
    """Counts the tensors that are copied from one device to another."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        if func is torch.ops.aten._to_copy.default and out.device != args[0].device:
            self.count += 1
        return out


@pytest.mark.parametrize("name", [name for name in CASES if name not in WAITS])
def test_apply_neither_looks_at_values_nor_moves_anything(name: str) -> None:
    mechanism, x = CASES[name].mechanism, pictures(CASES[name]).to("meta")
    params = mechanism.sample(example_key(8)).to("meta")
    mechanism.apply(x, params)  # brings the constants
    with Moves() as moves:
        assert mechanism.apply(x, params).shape == x.shape
    assert moves.count == 0, f"{name} copies {moves.count} tensors to the device with every call"


def test_drawn_parameters_are_moved_in_one_piece_per_dtype() -> None:
    chain = presets.eight_stages(VIEWS["photograph"])
    x = example_pictures(8).to("meta")
    chain(x, example_key(8))
    with Moves() as moves:
        chain(x, example_key(8))
    assert moves.count == 2, "real numbers and seeds"


@each_case
def test_moved_parameters_keep_their_shapes_and_dtypes(name: str) -> None:
    params = CASES[name].mechanism.sample(example_key(8))
    moved = params.to("meta")
    assert type(moved) is type(params)
    described = [[(leaf.shape, leaf.dtype) for leaf in record.leaves()] for record in (params, moved)]
    assert described[0] == described[1]
    assert params.to("cpu") is params


def test_a_constant_is_copied_once_per_device_and_dtype() -> None:
    there = torch.empty(1, device="meta")
    assert constant((1.0, 2.0), there) is constant((1.0, 2.0), there)
    assert constant((1.0, 2.0), there.double()).dtype == torch.float64
    assert constant(((1.0,), (2.0,)), torch.empty(1)).tolist() == [[1.0], [2.0]]


# The noise of accelerators is made of tensor operations, which a CPU can do as well.


def test_split_mix_by_its_published_numbers() -> None:
    """The first numbers for the seed 1234567 of Vigna's reference program (splitmix64.c, 2015)."""
    gamma = 0x9E3779B97F4A7C15 - 2**64
    drawn = split_mix(torch.tensor([1234567]) + torch.arange(1, 6) * gamma)
    known = (6457827717110365317, 3203168211198807973, 9817491932198370423, 4593380528125082431, 16408922859458223821)
    assert [number % 2**64 for number in drawn.tolist()] == list(known)


def check_normal(field: Tensor) -> None:
    """Moments of a million numbers within five standard errors, neighbours and fields independent, tails where due."""
    z = field.double()
    error = 5 / z.numel() ** 0.5
    assert abs(z.mean()) < error
    assert abs(z.square().mean() - 1) < error * 2**0.5
    assert abs((z**3).mean()) < error * 15**0.5
    assert abs((z**4).mean() - 3) < error * 96**0.5
    assert abs((z[:, 1:] * z[:, :-1]).mean()) < error
    assert abs((z[:, 2:].square() * z[:, :-2].square()).mean() - 1) < error * 8**0.5
    assert abs((z[1:] * z[:-1]).mean()) < error
    assert abs((z.abs() > 3).double().mean() - 0.0027) < error * 0.0027**0.5
    assert torch.isfinite(field).all()


def test_noise_of_accelerators_is_normal() -> None:
    check_normal(_device_noise_field(Key(0).at(torch.arange(100)).seed(), 10_001))
    # Neighbouring seeds are no neighbours.
    check_normal(_device_noise_field(torch.arange(100), 10_001))


def test_noise_of_accelerators_does_not_depend_on_the_batch() -> None:
    seeds = Key(0).at(torch.arange(5)).seed()
    whole = _device_noise_field(seeds, 33)
    assert whole.shape == (5, 33)
    assert torch.equal(_device_noise_field(seeds[[3, 1]], 33), whole[[3, 1]])
    assert torch.equal(_device_noise_field(seeds, 20), whole[:, :20])


# On a device ---------------------------------------------------------------------------------------------------------


@needs_cuda
@each_case
def test_cuda_draws_the_same_parameters(name: str) -> None:
    mechanism, key = CASES[name].mechanism, example_key(64)
    here, there = mechanism.sample(key), mechanism.sample(key.to("cuda"))
    for number, (a, b) in enumerate(zip(here.leaves(), there.leaves(), strict=True)):
        assert b.device.type == "cuda"
        assert torch.equal(a, b.cpu()), f"parameter {number}"
    for a, b in zip(here.leaves(), here.to("cuda").leaves(), strict=True):
        assert torch.equal(a, b.cpu())


@needs_cuda
@pytest.mark.parametrize("size", [32, 96])
@pytest.mark.parametrize("name", [name for name in CASES if name not in OWN_NOISE])
def test_cuda_makes_the_same_pictures(name: str, size: int) -> None:
    mechanism = CASES[name].mechanism
    x = example_pictures(8, channels=CASES[name].channels, height=size, width=size)
    params = mechanism.sample(example_key(8))
    gap = (mechanism.apply(x.cuda(), params.to("cuda")).cpu() - mechanism.apply(x, params)).abs()
    if name in ROUNDED:
        assert gap.mean() < 1e-3
        assert (gap > 1e-4).double().mean() < 0.02
    else:
        assert gap.max() < (2e-3 if name in CUT_SHORT else 1e-4)


@needs_cuda
@pytest.mark.parametrize("name", OWN_NOISE)
def test_cuda_noise_is_another_of_the_same_kind(name: str) -> None:
    mechanism = CASES[name].mechanism
    x = torch.full((256, 3, 32, 32), 0.5)
    params = mechanism.sample(example_key(256))
    here, there = mechanism.apply(x, params), mechanism.apply(x.cuda(), params.to("cuda")).cpu()
    assert torch.isfinite(there).all()
    assert there.mean().item() == pytest.approx(here.mean().item(), rel=0.02)
    assert there.std().item() == pytest.approx(here.std().item(), rel=0.2, abs=1e-4)


@needs_cuda
@each_case
def test_cuda_pictures_do_not_depend_on_the_batch(name: str) -> None:
    mechanism, order = CASES[name].mechanism, torch.tensor([6, 0, 3])
    x, params = pictures(CASES[name]), mechanism.sample(example_key(8))
    whole = mechanism.apply(x.cuda(), params.to("cuda"))[order.cuda()]
    part = mechanism.apply(x[order].cuda(), params.rows(order).to("cuda"))
    gap = (whole - part).abs()
    if name in (*ROUNDED, "sensor", "sensor, binned"):
        assert (gap > 1e-5).double().mean() < 0.02
    else:
        assert gap.max() < (2e-3 if name in CUT_SHORT else 1e-5)


@needs_cuda
@pytest.mark.filterwarnings("ignore:Synchronization debug mode")
@pytest.mark.parametrize("name", [name for name in CASES if name not in WAITS])
def test_cuda_is_not_waited_for(name: str) -> None:
    mechanism, x, key = CASES[name].mechanism, pictures(CASES[name]).cuda(), example_key(8)
    mechanism(x, key)  # brings constants, plans and memory
    torch.cuda.set_sync_debug_mode("error")
    try:
        mechanism(x, key)
    finally:
        torch.cuda.set_sync_debug_mode("default")


@needs_cuda
def test_cuda_noise_field() -> None:
    seeds = Key(0).at(torch.arange(100)).seed()
    field = noise_field(seeds.cuda(), [3, 3333])
    assert field.device.type == "cuda"
    check_normal(field.flatten(1).cpu())
    # The words are the same, and the elementary functions differ in their last bits.
    assert (field.cpu().flatten(1) - _device_noise_field(seeds, 9999)).abs().max() < 1e-4
    assert torch.equal(noise_field(seeds[[5, 2]].cuda(), [3, 3333]), field[[5, 2]])


@needs_cuda
def test_cuda_sensor_noise_follows_the_photon_transfer_curve() -> None:
    sensor = Sensor(iso=100.0, full_well_e=1000.0, read_noise_e=3.0)
    light = torch.full((64, 3, 64, 64), 0.2)
    seen = sensor.transform(light.cuda(), sensor.sample(example_key(64)).to("cuda"))
    assert seen.mean().item() == pytest.approx(0.2, rel=2e-3)
    assert seen.var().item() == pytest.approx((0.2 * 1000 + 9) / 1000**2, rel=0.02)


@needs_cuda
@pytest.mark.parametrize("name", VIEWS)
def test_cuda_presets_run_and_are_finite(name: str) -> None:
    camera, x = presets.camera(name), example_pictures(16, height=64, width=64)
    seen = camera(x.cuda(), example_key(16))
    assert torch.isfinite(seen).all()
    assert 0 <= seen.min().item() <= seen.max().item() <= 1


@needs_cuda
def test_cuda_gradients_are_those_of_the_cpu() -> None:
    chain = presets.eight_stages(VIEWS["object"]).mechanisms
    smooth = type(presets.eight_stages(VIEWS["object"]))(*(part for part in chain if type(part).__name__ != "Sensor"))
    x, params = example_pictures(4), smooth.sample(example_key(4))
    slopes = []
    for device in ("cpu", "cuda"):
        picture = x.to(device, copy=True).requires_grad_()
        own = params.to(device).map(lambda leaf: leaf.clone().requires_grad_() if leaf.is_floating_point() else leaf)
        smooth.apply(picture, own).square().mean().backward()
        floats = [leaf for leaf in own.leaves() if leaf.is_floating_point()]
        assert all(leaf.grad is not None and torch.isfinite(leaf.grad).all() for leaf in floats)
        assert picture.grad is not None
        slopes.append(picture.grad.cpu())
    difference = (slopes[0] - slopes[1]).abs().mean() / slopes[0].abs().mean()
    # JPEG's roundings let a last bit through now and then.
    assert difference < 0.05


@needs_cuda
def test_cuda_neutral_parameters_change_nothing() -> None:
    changed: Counter[str] = Counter()
    for name, case in CASES.items():
        x = pictures(case).cuda()
        gap = (case.mechanism.apply(x, case.mechanism.neutral(8).to("cuda")) - x).abs().max().item()
        if gap > (2e-3 if name in CUT_SHORT else 1e-5):
            changed[name] = gap
        certain = Maybe(case.mechanism, 0.0)
        assert torch.isfinite(certain(x, example_key(8))).all()
    assert not changed

"""Networks: their sizes, their weights from a key, and pictures of any size."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from mechaug.errors import UserError
from mechaug.keys import Key
from mechaug.training.nets import NETS, Net, build


def _weights(net: Net) -> dict[str, Tensor]:
    return {name: parameter.detach() for name, parameter in net.named_parameters()}


@pytest.fixture(scope="module", params=NETS)
def net(request: pytest.FixtureRequest) -> Net:
    return build(request.param, 10, key=Key(0))


@pytest.mark.parametrize(
    ("name", "millions"), [("resnet18", 11.17), ("wrn-40-2", 2.24), ("wrn-28-4", 5.85), ("small", 0.122)]
)
def test_sizes_are_those_stated(name: str, millions: float) -> None:
    count = sum(parameter.numel() for parameter in build(name, 10, key=Key(0)).parameters())
    assert count / 1e6 == pytest.approx(millions, abs=0.006 if millions > 1 else 0.0005)


@pytest.mark.parametrize("size", [(32, 32), (28, 28), (64, 48)])
def test_pictures_of_any_size_get_one_row_of_logits_each(net: Net, size: tuple[int, int]) -> None:
    with torch.inference_mode():
        assert net.eval()(Key(1).uniform(0.0, 1.0, 1, 3, *size)).shape == (1, 10)


@pytest.mark.parametrize("name", NETS)
def test_classes_and_channels_are_as_asked(name: str) -> None:
    net = build(name, 43, channels=1, mean=(0.1,), std=(0.3,), key=Key(0))
    with torch.inference_mode():
        assert net(Key(1).uniform(0.0, 1.0, 2, 1, 12, 12)).shape == (2, 43)


@pytest.mark.parametrize("name", NETS)
def test_the_key_alone_makes_the_weights(name: str) -> None:
    before = torch.get_rng_state()
    first = build(name, 10, key=Key(3))
    assert torch.equal(torch.get_rng_state(), before)
    torch.rand(17)
    again, other = build(name, 10, key=Key(3)), build(name, 10, key=Key(4))
    assert all(torch.equal(value, _weights(again)[key]) for key, value in _weights(first).items())
    differ = [key for key, value in _weights(first).items() if not torch.equal(value, _weights(other)[key])]
    assert set(differ) == {key for key, value in _weights(first).items() if value.ndim > 1}
    torch.set_rng_state(before)


def test_weights_have_the_spread_they_should_have(net: Net) -> None:
    for module in net.modules():
        if isinstance(module, nn.Conv2d):
            expected = (2 / (module.out_channels * module.kernel_size[0] * module.kernel_size[1])) ** 0.5
            deviations = 5 / (2 * module.weight.numel()) ** 0.5
            assert module.weight.std().item() == pytest.approx(expected, rel=deviations)
            assert abs(module.weight.mean().item()) < 5 * expected / module.weight.numel() ** 0.5
    assert net.head.weight.std().item() == pytest.approx(net.head.in_features**-0.5, rel=0.2)


def test_no_two_layers_share_their_weights(net: Net) -> None:
    starts = [tuple(parameter.flatten()[:4].tolist()) for parameter in net.parameters() if parameter.ndim > 1]
    scaled = {tuple(round(value / start[0], 5) for value in start) for start in starts}
    assert len(scaled) == len(starts)


def test_every_weight_learns(net: Net) -> None:
    net.train()
    net.zero_grad()
    logits = net(Key(1).uniform(0.0, 1.0, 4, 3, 12, 12))
    nn.functional.cross_entropy(logits, Key(2).integers(0, 10, 4)).backward()
    for name, parameter in net.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name
        assert parameter.grad.abs().sum() > 0, name


def test_pictures_are_normalised_inside() -> None:
    x = Key(1).uniform(0.0, 1.0, 2, 3, 32, 32)
    mean, std = (0.2, 0.4, 0.6), (0.1, 0.2, 0.3)
    net = build("small", 10, mean=mean, std=std, key=Key(0)).eval()
    plain = build("small", 10, mean=0.0, std=1.0, key=Key(0)).eval()
    normal = (x - torch.tensor(mean).view(3, 1, 1)) / torch.tensor(std).view(3, 1, 1)
    assert torch.allclose(net(x), plain(normal), rtol=1e-4, atol=1e-4)
    assert not torch.allclose(net(x), plain(x), rtol=1e-2, atol=1e-2)
    assert set(net.state_dict()) >= {"mean", "std"}


def test_features_are_what_the_classifier_sees() -> None:
    net = build("small", 10, key=Key(0)).eval()
    x = Key(1).uniform(0.0, 1.0, 2, 3, 32, 32)
    assert torch.equal(net.head(net.embed(x)), net(x))


def test_a_fresh_network_has_fresh_statistics() -> None:
    fresh = build("small", 10, key=Key(0))
    assert fresh.training
    for module in fresh.modules():
        if isinstance(module, nn.BatchNorm2d):
            assert module.running_mean is not None
            assert module.running_var is not None
            assert (module.running_mean == 0).all()
            assert (module.running_var == 1).all()
            assert module.num_batches_tracked == 0


def test_an_unknown_name_is_answered_with_the_names() -> None:
    with pytest.raises(UserError, match=r"resnet19.*small, resnet18, wrn-40-2, wrn-28-4"):
        build("resnet19", 10, key=Key(0))


@pytest.mark.parametrize(
    ("call", "word"),
    [
        (lambda: build("small", 10, key=Key(0).at([0, 1])), "single key"),
        (lambda: build("small", 0, key=Key(0)), "at least one class"),
        (lambda: build("small", 10, mean=(0.5, 0.5), key=Key(0)), "mean"),
        (lambda: build("small", 10, std=0.0, key=Key(0)), "std"),
    ],
)
def test_arguments_out_of_range_are_refused(call: Callable[[], Net], word: str) -> None:
    with pytest.raises(ValueError, match=word):
        call()

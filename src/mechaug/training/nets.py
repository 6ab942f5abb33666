"""Networks for small pictures.

Every network takes pictures in [0, 1] and normalises them itself, so that attacks and measurements need no extra step;
it ends in a global average, so it takes any size of picture. Weights come from a key: the same key, the same weights.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Final, TypeAlias, final

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from mechaug.errors import UserError
from mechaug.keys import Key
from mechaug.types import Image, Logits


@final
class Net(nn.Module):
    """Normalise, compute features, average them over the picture, and classify.

    Args:
        features: from normalised pictures to (b, width, h', w').
        width: channels of the features.
        classes: number of classes.
        channels: of the pictures.
        ends: places in `features` at which a stage of one scale ends, the input's first.

    Attributes:
        mean: what is subtracted from each channel, in [0, 1]; a buffer.
        std: what each channel is then divided by; a buffer.
        stages: names of the modules at which the stages end.
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self, features: nn.Module, *, width: int, classes: int, channels: int, ends: tuple[int, ...] = ()
    ) -> None:
        super().__init__()
        self.stages = tuple(f"features.{place}" for place in ends)
        self.register_buffer("mean", torch.zeros(channels))
        self.register_buffer("std", torch.ones(channels))
        self.features = features
        self.head = nn.Linear(width, classes)

    def embed(self, picture: Image) -> Float[Tensor, "b width"]:
        """The features from which the classes are told apart; pictures in [0, 1]."""
        normal = (picture - self.mean[:, None, None]) / self.std[:, None, None]
        return self.features(normal).mean((2, 3))

    def forward(self, picture: Image) -> Logits:
        """Logits of pictures in [0, 1]."""
        return self.head(self.embed(picture))


def build(
    name: str,
    classes: int,
    *,
    mean: float | Sequence[float] = 0.5,
    std: float | Sequence[float] = 0.25,
    channels: int = 3,
    key: Key,
) -> Net:
    """A network with fresh weights, on the CPU and in training mode.

    Convolutions are normal with variance 2 / (outputs × kernel area) (He et al., "Delving deep into rectifiers", ICCV
    2015, fan-out), the classifier normal with variance 1 / width; torch's own random state is neither read nor changed.

    Args:
        name: one of `NETS`.
        classes: number of classes, at least 1.
        mean: of the pictures, per channel or for all; in [0, 1].
        std: of the pictures, likewise; positive.
        channels: of the pictures.
        key: a single key.

    Raises:
        mechaug.errors.UserError: there is no such network.
        ValueError: `key` is one per image, a size is not positive, or `mean` and `std` do not fit the channels.
    """
    if name not in _BUILDERS:
        raise UserError(f"there is no network {name!r}; choose one of {', '.join(NETS)}")
    if key.shape:
        raise ValueError("a network's weights come from a single key: pass Key(seed), without `at`")
    if classes < 1 or channels < 1:
        raise ValueError(f"a network needs at least one class and one channel, not {classes} and {channels}")
    # On the meta device layers have shapes and no values, so that making them draws nothing.
    with torch.device("meta"):
        features, width, ends = _BUILDERS[name](channels)
        net = Net(features, width=width, classes=classes, channels=channels, ends=ends)
    net.to_empty(device="cpu")
    with torch.no_grad():
        net.mean.copy_(_per_channel("mean", mean, channels))
        net.std.copy_(_per_channel("std", std, channels))
        _initialise(net, key.to("cpu").fold("net").fold(name))
    if not bool((net.std > 0).all()):
        raise ValueError(f"a network divides by std, so it is positive, not {std}")
    return net


def _per_channel(name: str, value: float | Sequence[float], channels: int) -> Float[Tensor, "channels"]:
    values = torch.as_tensor(value, dtype=torch.float32)
    if values.ndim > 1 or (values.ndim == 1 and len(values) != channels):
        raise ValueError(f"{name} is one number, or one for each of the {channels} channels, not {value}")
    return values.expand(channels)


def _initialise(net: Net, key: Key) -> None:
    """Fill every parameter and every buffer of the layers, each weight from the key of its own name."""
    for name, module in net.named_modules():
        own = key.fold(name)
        match module:
            case nn.Conv2d():
                fan_out = module.out_channels * module.kernel_size[0] * module.kernel_size[1]
                module.weight.copy_(own.field(*module.weight.shape) * (2.0 / fan_out) ** 0.5)
            case nn.Linear():
                module.weight.copy_(own.field(*module.weight.shape) * module.in_features**-0.5)
                module.bias.zero_()
            case nn.BatchNorm2d():
                module.reset_parameters()
            case _:
                pass


def _conv(inputs: int, outputs: int, *, kernel: int = 3, stride: int = 1) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, kernel, stride=stride, padding=kernel // 2, bias=False)


def _active(inputs: int, outputs: int, *, stride: int = 1) -> tuple[nn.Module, ...]:
    """3×3 convolution, norm, ReLU."""
    return _conv(inputs, outputs, stride=stride), nn.BatchNorm2d(outputs), nn.ReLU(inplace=True)


class _Basic(nn.Module):
    """Residual block: convolution, norm, ReLU, convolution, norm; then the sum and ReLU (He et al., CVPR 2016)."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.branch = nn.Sequential(
            *_active(inputs, outputs, stride=stride),
            _conv(outputs, outputs),
            nn.BatchNorm2d(outputs),
        )
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or inputs != outputs:
            self.shortcut = nn.Sequential(_conv(inputs, outputs, kernel=1, stride=stride), nn.BatchNorm2d(outputs))

    def forward(self, x: Tensor) -> Tensor:
        return functional.relu(self.branch(x) + self.shortcut(x), inplace=True)


class _Wide(nn.Module):
    """Residual block with norm and ReLU before each convolution (Zagoruyko and Komodakis, BMVC 2016)."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(inputs)
        self.branch = nn.Sequential(
            *_active(inputs, outputs, stride=stride),
            _conv(outputs, outputs),
        )
        self.shortcut = None if inputs == outputs else _conv(inputs, outputs, kernel=1, stride=stride)

    def forward(self, x: Tensor) -> Tensor:
        active = functional.relu(self.norm(x), inplace=True)
        return self.branch(active) + (x if self.shortcut is None else self.shortcut(active))


Features: TypeAlias = tuple[nn.Module, int, tuple[int, ...]]
"""Layers, the width of what they give, and the places of those at which a stage of one scale ends."""


def _resnet18(channels: int) -> Features:
    """ResNet-18 in the form for 32×32 pictures: a 3×3 stem and no pooling."""
    layers: list[nn.Module] = [*_active(channels, 64)]
    inputs, ends = 64, []
    for outputs, stride in ((64, 1), (128, 2), (256, 2), (512, 2)):
        layers += [_Basic(inputs, outputs, stride), _Basic(outputs, outputs, 1)]
        inputs = outputs
        ends.append(len(layers) - 1)
    return nn.Sequential(*layers), inputs, tuple(ends)


def _wide_resnet(depth: int, widen: int) -> Callable[[int], Features]:
    """WRN-depth-widen: three stages of (depth − 4) / 6 blocks."""

    def build_features(channels: int) -> Features:
        layers: list[nn.Module] = [_conv(channels, 16)]
        inputs, ends = 16, []
        for outputs, stride in ((16 * widen, 1), (32 * widen, 2), (64 * widen, 2)):
            for block in range((depth - 4) // 6):
                layers.append(_Wide(inputs, outputs, stride if block == 0 else 1))
                inputs = outputs
            ends.append(len(layers) - 1)
        return nn.Sequential(*layers, nn.BatchNorm2d(inputs), nn.ReLU(inplace=True)), inputs, tuple(ends)

    return build_features


class _Sum(nn.Module):
    """Residual block of two convolutions, each with norm and ReLU; nothing follows the sum."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.branch = nn.Sequential(*_active(width, width), *_active(width, width))

    def forward(self, x: Tensor) -> Tensor:
        return x + self.branch(x)


def _small(channels: int) -> Features:
    """For two processor cores: three stages that halve the picture and double the width, 4.2 million products at 32×32.

    Chosen among thirteen forms of 2 to 10 million products: the most accurate on the embedded data at equal epochs.
    """
    layers: list[nn.Module] = []
    inputs, ends = channels, []
    for outputs in (16, 32, 64):
        layers += [*_active(inputs, outputs, stride=2), _Sum(outputs)]
        inputs = outputs
        ends.append(len(layers) - 1)
    return nn.Sequential(*layers), inputs, tuple(ends)


_BUILDERS: Final[Mapping[str, Callable[[int], Features]]] = {
    "small": _small,
    "resnet18": _resnet18,
    "wrn-40-2": _wide_resnet(40, 2),
    "wrn-28-4": _wide_resnet(28, 4),
}

NETS: Final[tuple[str, ...]] = tuple(_BUILDERS)
"""The names that `build` knows."""

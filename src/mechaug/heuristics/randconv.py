"""RandConv: random convolutions of random size, which change texture and keep shape, mixed with the picture.

Xu et al., "Robust and generalizable visual representation learning via random convolutions", ICLR 2021.
"""

from dataclasses import dataclass
from typing import ClassVar, final

import torch
from jaxtyping import Int64
from torch import Tensor
from torch.nn.functional import conv2d

from mechaug.fields import noise_field
from mechaug.heuristics.base import About, Citation, Heuristic
from mechaug.heuristics.chains import NOTHING, run
from mechaug.keys import Key
from mechaug.mechanisms.base import Parameters, parameters, per_image
from mechaug.types import Image, PerImage, Seeds


@parameters
class RandConvParameters(Parameters):
    """One row per image.

    Attributes:
        mix: the share of the convolved picture, 0 to 1.
        size: of the kernel, pixels; or `NOTHING`.
        seed: of its weights.
    """

    mix: PerImage
    size: Int64[Tensor, "b"]
    seed: Seeds


@final
@dataclass(frozen=True)
class RandConv(Heuristic[RandConvParameters]):
    """A linear mixture of the picture and its convolution with independent normal weights, from all channels to all.

    The weights have variance 1/(c·k²), c channels and k pixels, so that contrast is kept on average. As published, the
    picture is convolved about its mean, here ½, which is also what lies outside it, and cut to [0, 1]. Published code
    draws one kernel for a batch; here each picture has its own. The gradient reaches the picture and the mix.

    Args:
        sizes: of the kernel, odd pixels, drawn with equal probability.

    Raises:
        ValueError: a size is not odd and positive.
    """

    sizes: tuple[int, ...] = (1, 3, 5, 7)

    overlaps = ("defocus_blur", "gaussian_blur", "contrast", "saturate")
    about: ClassVar[About] = About(
        name="RandConv",
        family="operators",
        principle="Mixes a picture with its convolution by random weights of a random size.",
        assumption="What a thing is shows in shapes larger than the kernel, and not in colour or texture.",
        needs="nothing; for its full effect two further views and a consistency loss",
        breaks="Labels that rest on colour or texture; details smaller than the kernel.",
        labels="kept by hope",
        cost="One convolution of at most 7 × 7 per picture.",
        citation=Citation(
            "xu2021robust",
            ("Xu, Zhenlin", "Liu, Deyi", "Yang, Junlin", "Raffel, Colin", "Niethammer, Marc"),
            "Robust and Generalizable Visual Representation Learning via Random Convolutions",
            "ICLR",
            2021,
        ),
    )

    def __post_init__(self) -> None:
        if not self.sizes or any(size < 1 or size % 2 == 0 for size in self.sizes):
            raise ValueError(f"RandConv(sizes=…) is one or more odd numbers of pixels, not {self.sizes!r}")

    def sample(self, key: Key) -> RandConvParameters:
        """Draw the mix and the size, uniformly."""
        own = key.fold("RandConv")
        sizes = torch.tensor(self.sizes, device=key.device)
        return RandConvParameters(
            mix=own.fold("mix").uniform(),
            size=sizes[own.fold("size").integers(0, len(sizes))],
            seed=own.fold("weights").seed(),
        )

    def neutral(self, batch: int) -> RandConvParameters:
        """No share for the convolved picture."""
        none = torch.zeros(batch, dtype=torch.int64)
        return RandConvParameters(torch.zeros(batch), torch.full((batch,), NOTHING), none)

    def transform(self, x: Image, params: RandConvParameters) -> Image:
        def act(code: int, some: Image, rows: Tensor, _step: int) -> Image:
            return _convolved(some, code, params.seed[rows])

        # The kernel's size is the code of the operation.
        found = x - 0.5
        run(found, params.size[:, None], max(self.sizes) + 1, act)
        return torch.lerp(x, found + 0.5, per_image(params.mix.to(x.dtype))).clamp(0.0, 1.0)


def _convolved(x: Image, size: int, seed: Seeds) -> Image:
    images, channels = x.shape[:2]
    weights = noise_field(seed, [channels, channels, size, size]) * (channels * size**2) ** -0.5
    # Pictures side by side as groups of channels, so that each meets its own kernel.
    found = conv2d(x.flatten(0, 1)[None], weights.flatten(0, 1).to(x.dtype), padding=size // 2, groups=images)
    return found.view_as(x)

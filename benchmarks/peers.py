"""What people use today, mechanism by mechanism: the nearest operation of each library, at its usual strength.

None of these libraries is needed by mechaug. One that cannot be imported is left out of the comparison and named in the
result. Per-image libraries work through a loop over stored pictures, as their users' loaders do; batched ones on the
batch of floats.
"""

import math
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from common import Batch

Run = Callable[[Batch], Any]


def fitted(settings: dict[str, Any], size: int) -> dict[str, Any]:
    """Settings for pictures of a size: those that are functions are functions of it."""
    return {name: value(size) if callable(value) else value for name, value in settings.items()}


@dataclass(frozen=True)
class Peer:
    """One operation of another library.

    Attributes:
        against: the mechanism or pipeline that it is compared with.
        library: as imported.
        operation: its name there.
        prepare: imports the library and returns what is timed, for pictures of a size.
        rival: batched, differentiable in the picture, and with parameters per image: what a mechanism must not be
            slower than.
    """

    against: str
    library: str
    operation: str
    prepare: Callable[[int], Run]
    rival: bool = False

    @property
    def batched(self) -> bool:
        """Whether it takes a batch of floats, on any device, and not stored pictures one by one."""
        return self.library == "kornia" or "for the batch" in self.operation


def kornia_peer(against: str, operation: str, rival: bool = True, **settings: Any) -> Peer:  # noqa: ANN401
    """A random augmentation of kornia, applied to every picture."""

    def prepare(size: int) -> Run:
        import kornia.augmentation

        made = getattr(kornia.augmentation, operation)(p=1.0, **fitted(settings, size))

        def run(batch: Batch) -> Any:  # noqa: ANN401
            with torch.no_grad():
                return made(batch.pictures)

        return run

    return Peer(against, "kornia", operation, prepare, rival)


def torchvision_peer(against: str, operation: str, *settings: Any, each: bool = False, **named: Any) -> Peer:  # noqa: ANN401
    """A transform of torchvision v2: one draw for the whole batch, or a loop over the pictures with a draw for each."""

    def prepare(size: int) -> Run:
        transforms = torchvision_transforms()
        made = getattr(transforms, operation)(*settings, **fitted(named, size))

        def run(batch: Batch) -> Any:  # noqa: ANN401
            if not each:
                return made(batch.pictures)
            return [made(torch.from_numpy(array).permute(2, 0, 1)) for array in batch.arrays]

        return run

    name = f"{operation}, picture by picture" if each else f"{operation}, one draw for the batch"
    return Peer(against, "torchvision", name, prepare)


def torchvision_transforms() -> Any:  # noqa: ANN401  (a module)
    """torchvision.transforms.v2, also where the wheel's compiled part does not load beside a CPU build of torch."""
    try:
        import torchvision.transforms.v2 as transforms
    except RuntimeError:
        import importlib
        import sys

        for name in [name for name in sys.modules if name.startswith("torchvision")]:
            del sys.modules[name]
        # The operators that its Python code registers shapes for; no transform that is timed here calls them.
        library = torch.library.Library("torchvision", "DEF")
        library.define("nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        library.define("qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        torchvision_transforms.library = library  # type: ignore[attr-defined]  # kept alive
        transforms = importlib.import_module("torchvision.transforms.v2")
    return transforms


def albumentations_peer(against: str, operation: str, **settings: Any) -> Peer:  # noqa: ANN401
    """A transform of albumentations 2.0.8 (MIT)."""

    def prepare(size: int) -> Run:
        import os

        os.environ["NO_ALBUMENTATIONS_UPDATE"] = "1"
        import albumentations

        with warnings.catch_warnings():
            warnings.simplefilter("error")
            made = getattr(albumentations, operation)(p=1.0, **fitted(settings, size))
        return lambda batch: [made(image=array)["image"] for array in batch.arrays]

    return Peer(against, "albumentations", operation, prepare)


def corruption_peer(against: str, operation: str, severity: int = 3) -> Peer:
    """A corruption of the package `imagecorruptions` (its maintained fork)."""

    def prepare(size: int) -> Run:  # noqa: ARG001  (it knows one strength for all sizes)
        from imagecorruptions import corrupt

        return lambda batch: [corrupt(array, severity, corruption_name=operation) for array in batch.arrays]

    return Peer(against, "imagecorruptions", operation, prepare)


def timm_augmix(size: int) -> Run:  # noqa: ARG001
    """AugMix of timm on Pillow images, as its loaders apply it."""
    torchvision_transforms()
    import PIL.Image
    from timm.data.auto_augment import augment_and_mix_transform

    made = augment_and_mix_transform("augmix-m3-w3", {})
    return lambda batch: [np.asarray(made(PIL.Image.fromarray(array))) for array in batch.arrays]


def gaussian_range(size: int) -> tuple[float, float]:
    """The blurs of `GaussianScale`'s prior, pixels."""
    return (0.1, 0.02 * size)


def gaussian_taps(size: int) -> tuple[int, int]:
    """A kernel that reaches three standard deviations of the widest of them."""
    taps = 2 * math.ceil(3 * gaussian_range(size)[1]) + 1
    return (taps, taps)


def path_range(size: int) -> tuple[int, int]:
    """The lengths of `MotionBlur`'s prior, pixels: an object at 32, a photograph at 224."""
    return (3, 17) if size == 32 else (3, 11)


def kornia_disc(size: int) -> Run:  # noqa: ARG001
    """One disc for the whole batch through kornia's filter: the library has no defocus of its own."""
    import kornia.filters

    side = torch.arange(-3.0, 4.0)
    disc = (side[:, None] ** 2 + side**2 <= 9.5).float()[None]
    return lambda batch: kornia.filters.filter2d(batch.pictures, disc.to(batch.pictures.device), normalized=True)


PEERS: tuple[Peer, ...] = (
    kornia_peer("Viewpoint", "RandomAffine", degrees=10.0, translate=(0.06, 0.06), scale=(0.84, 1.19)),
    torchvision_peer("Viewpoint", "RandomAffine", 10.0, translate=(0.06, 0.06), scale=(0.84, 1.19)),
    albumentations_peer("Viewpoint", "Affine", rotate=(-10, 10), translate_percent=(-0.06, 0.06), scale=(0.84, 1.19)),
    kornia_peer("CameraRotation", "RandomPerspective", distortion_scale=0.3),
    torchvision_peer("CameraRotation", "RandomPerspective", 0.3, p=1.0),
    albumentations_peer("CameraRotation", "Perspective"),
    kornia_peer("Perspective", "RandomPerspective", distortion_scale=0.3),
    torchvision_peer("Perspective", "RandomPerspective", 0.3, p=1.0),
    albumentations_peer("Perspective", "Perspective"),
    kornia_peer("LensDistortion", "RandomThinPlateSpline"),
    albumentations_peer("LensDistortion", "OpticalDistortion", distort_limit=0.2),
    albumentations_peer("LateralChromatic", "ChromaticAberration"),
    kornia_peer("Occlusion", "RandomErasing", scale=(0.02, 0.25)),
    torchvision_peer("Occlusion", "RandomErasing", p=1.0),
    albumentations_peer("Occlusion", "CoarseDropout"),
    albumentations_peer("Shadow", "RandomShadow"),
    kornia_peer("Shadow", "RandomLinearIllumination"),
    kornia_peer("Exposure", "RandomBrightness", brightness=(0.5, 1.5)),
    kornia_peer("Exposure", "RandomGamma", gamma=(0.7, 1.4)),
    torchvision_peer("Exposure", "ColorJitter", brightness=0.5),
    albumentations_peer("Exposure", "RandomBrightnessContrast", contrast_limit=0),
    kornia_peer("Illuminant", "RandomPlanckianJitter"),
    albumentations_peer("Illuminant", "PlanckianJitter"),
    kornia_peer("Falloff", "RandomLinearIllumination"),
    albumentations_peer("Falloff", "Illumination"),
    albumentations_peer("Haze", "RandomFog"),
    corruption_peer("Haze", "fog"),
    kornia_peer("Rain", "RandomRain"),
    albumentations_peer("Rain", "RandomRain"),
    kornia_peer("Snow", "RandomSnow"),
    albumentations_peer("Snow", "RandomSnow"),
    corruption_peer("Snow", "snow"),
    albumentations_peer("LensDrops", "Spatter", mode="rain"),
    corruption_peer("LensDrops", "spatter"),
    albumentations_peer("LensDirt", "Spatter", mode="mud"),
    albumentations_peer("Defocus", "Defocus", radius=(3, 5)),
    corruption_peer("Defocus", "defocus_blur"),
    Peer("Defocus", "kornia", "filter2d, one disc for the batch", kornia_disc),
    kornia_peer("Vignetting", "RandomGaussianIllumination"),
    albumentations_peer("Glare", "RandomSunFlare"),
    kornia_peer("MotionBlur", "RandomMotionBlur", kernel_size=path_range, angle=180.0, direction=(-1.0, 1.0)),
    albumentations_peer("MotionBlur", "MotionBlur", blur_limit=path_range),
    corruption_peer("MotionBlur", "motion_blur"),
    albumentations_peer("Sensor", "ShotNoise"),
    albumentations_peer("Sensor", "ISONoise"),
    corruption_peer("Sensor", "shot_noise"),
    kornia_peer("Sensor", "RandomGaussianNoise", rival=False, std=0.1),
    torchvision_peer("Sensor", "GaussianNoise", sigma=0.1),
    kornia_peer("WhiteBalance", "RandomRGBShift"),
    albumentations_peer("WhiteBalance", "RGBShift"),
    kornia_peer("ColourMatrix", "RandomSaturation", saturation=(0.7, 1.3)),
    albumentations_peer("ColourMatrix", "HueSaturationValue"),
    kornia_peer("ToneCurve", "RandomGamma", gamma=(0.7, 1.4)),
    kornia_peer("ToneCurve", "RandomContrast", contrast=(0.7, 1.3)),
    albumentations_peer("ToneCurve", "RandomGamma"),
    albumentations_peer("ToneCurve", "RandomToneCurve"),
    kornia_peer("Denoise", "RandomMedianBlur", rival=False),
    albumentations_peer("Denoise", "MedianBlur"),
    kornia_peer("Sharpen", "RandomSharpness"),
    torchvision_peer("Sharpen", "RandomAdjustSharpness", 2.0, p=1.0),
    albumentations_peer("Sharpen", "UnsharpMask"),
    kornia_peer("Jpeg", "RandomJPEG", jpeg_quality=(10.0, 95.0)),
    albumentations_peer("Jpeg", "ImageCompression", quality_range=(10, 95)),
    corruption_peer("Jpeg", "jpeg_compression"),
    albumentations_peer("Rescale", "Downscale", scale_range=(0.25, 0.9)),
    corruption_peer("Rescale", "pixelate"),
    kornia_peer("BitDepth", "RandomPosterize", bits=(3, 8)),
    torchvision_peer("BitDepth", "RandomPosterize", 4, p=1.0),
    albumentations_peer("BitDepth", "Posterize"),
    kornia_peer("GaussianScale", "RandomGaussianBlur", kernel_size=gaussian_taps, sigma=gaussian_range),
    torchvision_peer("GaussianScale", "GaussianBlur", kernel_size=gaussian_taps, sigma=gaussian_range),
    albumentations_peer("GaussianScale", "GaussianBlur", sigma_limit=gaussian_range, blur_limit=0),
    Peer("full chain", "timm", "AugMix on Pillow images", timm_augmix),
    torchvision_peer("full chain", "AugMix", each=True),
    torchvision_peer("full chain", "AugMix"),
)
"""Every peer, in the order of the chain."""

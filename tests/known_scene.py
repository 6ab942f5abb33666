"""Pictures of a place whose causes are known: photographs, half of them as they are, half rendered through a scene."""

import io
import math
from pathlib import Path

import numpy as np
import torch
from PIL import Image as PillowImage
from torch import Tensor
from torch.distributions import LogNormal, Normal

from mechaug import Key
from mechaug import mechanisms as m
from mechaug.data.dead_leaves import dead_leaves
from mechaug.mechanisms.light import to_picture
from mechaug.scenes import Scene, Variable

SAMPLES = Path(__file__).resolve().parents[2] / "shared" / "data" / "imagenet1k_samples_256.npz"
QUALITY = 85


def known_scene(size: int) -> Scene:
    """Warm, dark, blurred and noisy: each law of the family that its fit has."""
    return Scene(
        (
            Variable("cast_mired", "mired", Normal(220.0, 40.0), low=60.0, high=500.0),
            Variable("scale_permille", "permille", Normal(6.0, 1.5), low=0.0),
            Variable("exposure_ev", "EV", Normal(-0.8, 0.6), low=-4.0, high=2.0),
            Variable("white_e", "e⁻", LogNormal(math.log(500.0), 0.5), low=1.0),
            Variable("read_noise_e", "e⁻", 3.0, low=0.0),
        ),
        m.Chain(
            m.Illuminant(mired="cast_mired"),
            m.GaussianScale(scale_permille="scale_permille"),
            m.Exposure(exposure_ev="exposure_ev"),
            m.Sensor(iso=100.0, full_well_e="white_e", read_noise_e="read_noise_e", view=m.View(frame_px=size)),
        ),
    )


def leaves(count: int, size: int) -> Tensor:
    """Dead leaves, which every clone has, sRGB in [0, 1]."""
    parts = [torch.arange(start, min(start + 20, count)) for start in range(0, count, 20)]
    return torch.cat([to_picture(dead_leaves(part, size)) for part in parts])


def sample_files(count: int) -> list[bytes]:
    """JPEG files of photographs from the web, at equal distances among a thousand."""
    pack = np.load(SAMPLES)
    heads, head_at = pack["headers"].tobytes(), pack["header_offsets"]
    body, body_at = pack["payload"].tobytes(), pack["offsets"]
    which = pack["header_id"]
    chosen = [index * len(which) // count for index in range(count)]
    return [heads[head_at[which[i]] : head_at[which[i] + 1]] + body[body_at[i] : body_at[i + 1]] for i in chosen]


def samples(count: int, size: int) -> Tensor:
    """The same photographs as pictures of one size, sRGB in [0, 1]."""
    rows = []
    for content in sample_files(count):
        with PillowImage.open(io.BytesIO(content)) as file:
            rows.append(np.array(file.convert("RGB").resize((size, size), PillowImage.Resampling.BICUBIC)))
    return torch.from_numpy(np.stack(rows)).permute(0, 3, 1, 2).float() / 255


def save(picture: Tensor, path: Path, quality: int) -> None:
    pixels = (picture.clamp(0.0, 1.0) * 255).round().byte().permute(1, 2, 0).numpy()
    PillowImage.fromarray(pixels).save(path, quality=quality)


def write_place(pictures: Tensor, root: Path, seed: int = 0) -> tuple[Path, Path]:
    """Write one half of the pictures as they are, and the other half rendered, as folders of files."""
    before, after = root / "before", root / "after"
    before.mkdir(parents=True), after.mkdir()
    order = torch.randperm(len(pictures), generator=torch.Generator().manual_seed(seed))
    half, scene = len(pictures) // 2, known_scene(pictures.shape[-1])
    for place, row in enumerate(order[:half].tolist()):
        save(pictures[row], before / f"{place:03}.jpg", 95)
    for start in range(0, half, 20):
        rows = torch.arange(start, min(start + 20, half))
        for place, picture in zip(rows.tolist(), scene(pictures[order[half + rows]], Key(1).at(rows)), strict=True):
            save(picture, after / f"{place:03}.jpg", QUALITY)
    return before, after

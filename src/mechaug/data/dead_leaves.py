"""Dead leaves: backgrounds with the statistics of natural scenes.

Opaque shapes of all sizes that lie over one another, their radii r distributed as r⁻³, have the occlusions, the edges
and the scale invariance of photographs, and so their power spectrum, about 1/f² (Ruderman, "Origins of scaling in
natural images", Vision Research 37, 1997; Lee, Mumford and Huang, "Occlusion models for natural images: a statistical
study of the scale-invariant dead leaves model", IJCV 41, 2001). Under a Hann window, which makes spectra look steeper,
the power of luminance falls here as f to the −2.5, as that of photographs of the same size does.
"""

import math
from typing import Final

import torch
from jaxtyping import Float
from torch import Tensor

from mechaug.keys import Key
from mechaug.types import Image, Seeds

LEAVES: Final = 96
"""Leaves per picture: at the radii below, a point stays uncovered in about 1 of 10 cases and shows the ground."""

RADII: Final = (1 / 26, 1.0)
"""The smallest and the largest radius, in picture widths: pure dead leaves have no limits, pictures have pixels."""

PAINTED: Final = 0.15
"""The part of leaves that are vivid paint of any hue, as cars and adverts are, so that vivid does not mean sign."""

GRATINGS: Final = 64
"""Gratings per picture, of which its surfaces' texture is made."""

FREQUENCIES: Final = (4.0, 128.0)
"""The gratings' lowest and highest frequency, in cycles per picture width."""

# Where scenes find their colours: linear reflectances of foliage, soil, stone, wood, brick, and sky.
MATERIALS: Final = (
    (0.06, 0.11, 0.03),
    (0.16, 0.22, 0.07),
    (0.19, 0.13, 0.08),
    (0.22, 0.21, 0.20),
    (0.45, 0.44, 0.42),
    (0.30, 0.19, 0.10),
    (0.27, 0.10, 0.07),
    (0.38, 0.52, 0.75),
)


def dead_leaves(seeds: Seeds, size: int) -> Image:
    """One picture of dead leaves per seed: discs, ellipses and rectangles, painted from back to front.

    The scene does not depend on the size in which it is drawn.

    Args:
        seeds: non-negative; what is drawn depends on its seed alone.
        size: height and width in picture points.

    Returns:
        Linear reflectance in [0, 1], shape (b, 3, size, size).
    """
    key = Key(0).at(seeds).fold("dead leaves")
    paints = _paints(key)[..., None, None]
    x_parts, y_parts, edge = _frames(key, size)
    layer = paints[:, 0].expand(-1, -1, size, size).clone()
    for leaf in range(LEAVES):
        # A point's place in the leaf's own frame is linear in x and y, so it is a column plus a row.
        u, v = (x_parts[:, leaf, :, None, :] + y_parts[:, leaf, :, :, None]).unbind(1)
        if _is_rectangle(leaf):
            far = torch.maximum(u.abs_(), v.abs_())
        else:
            far = u.mul_(u).addcmul_(v, v)
        cover = torch.sub(edge[:, leaf, None, None], far).clamp_(0.0, 1.0)
        layer.lerp_(paints[:, leaf + 1], cover[:, None])
    colour, roughness_ev = layer[:, :3], layer[:, 3]
    return (colour * torch.exp2(roughness_ev * _texture(key, size))[:, None]).clamp_(max=1.0)


def _is_rectangle(leaf: int) -> bool:
    return leaf % 3 == 2


def _frames(
    key: Key, size: int
) -> tuple[Float[Tensor, "b leaves 2 {size}"], Float[Tensor, "b leaves 2 {size}"], Float[Tensor, "b leaves"]]:
    """Where the leaves lie: the parts of (u, v) that depend on x and on y, and from which depth in they are opaque.

    u and v are the leaf's own coordinates, scaled so that u² + v² in an ellipse, or max(|u|, |v|) in a rectangle,
    falls by 1 over one picture point at its edge: `edge` less that, clipped to [0, 1], is the leaf's coverage.
    """
    drawn = key.uniform(0.0, 1.0, LEAVES, 5).unbind(-1)
    radius = _radius(drawn[0])
    slim = 0.3 + 0.7 * drawn[1]
    turn = torch.pi * drawn[2]
    # A leaf's middle may lie outside the picture by its own radius: all that can be seen are equally likely.
    x, y = (-radius + (1 + 2 * radius) * place for place in drawn[3:])
    rectangle = torch.tensor([_is_rectangle(leaf) for leaf in range(LEAVES)], device=radius.device)
    points = radius * slim.sqrt() * size
    sharpness = torch.where(rectangle, points, (points / 2).sqrt())
    edge = torch.where(rectangle, points, points / 2) + 0.5

    grid = (torch.arange(size, device=radius.device) + 0.5) / size
    cos, sin = turn.cos(), turn.sin()
    axes = torch.stack((sharpness / radius, sharpness / (radius * slim)), -1)[..., None]
    x_parts = axes * torch.stack((cos, -sin), -1)[..., None] * (grid - x[..., None, None])
    y_parts = axes * torch.stack((sin, cos), -1)[..., None] * (grid - y[..., None, None])
    return x_parts, y_parts, edge


def _radius(quantile: Float[Tensor, "b leaves"]) -> Float[Tensor, "b leaves"]:
    """Radii with density r⁻³ among all leaves, so r⁻³ (1 + 2r)² among those that touch the picture."""
    low, high = RADII

    def mass(r: Float[Tensor, " n"]) -> Float[Tensor, " n"]:
        # The integral of r⁻³ + 4 r⁻² + 4 r⁻¹.
        return -0.5 * r**-2 - 4 / r + 4 * r.log()

    radii = torch.logspace(math.log10(low), math.log10(high), 1024, dtype=torch.float64, device=quantile.device)
    share = mass(radii) - mass(radii[:1])
    share = (share / share[-1]).float()
    above = torch.searchsorted(share, quantile.contiguous()).clamp(1, len(share) - 1)
    part = (quantile - share[above - 1]) / (share[above] - share[above - 1])
    return torch.lerp(radii[above - 1].float(), radii[above].float(), part)


def _paints(key: Key) -> Float[Tensor, "b leaves_and_ground 4"]:
    """Linear reflectances, and how strongly lightness varies within each leaf, EV.

    Scenes differ as wholes: each has three materials in most of its leaves, and a lightness of its own. Most leaves are
    nearly even, some are rough.
    """
    drawn = key.fold("leaves").uniform(0.0, 1.0, LEAVES + 1, 8)
    materials = torch.tensor(MATERIALS, device=key.device)
    palette = key.fold("palette").integers(0, len(MATERIALS), 3)
    usual = materials[palette.gather(1, (drawn[..., 0] * 3).long().clamp(max=2))]
    other = materials[(drawn[..., 1] * len(MATERIALS)).long().clamp(max=len(MATERIALS) - 1)]
    vivid = drawn[..., 2:5] ** 2
    vivid = torch.lerp(vivid, vivid.mean(-1, keepdim=True), 0.3)
    kind = drawn[..., 5:6]
    reflectance = torch.where(kind < 0.6, usual, torch.where(kind < 1 - PAINTED, other, vivid))
    lightness_ev = key.fold("lightness_ev").uniform(-0.7, 0.7)[:, None, None] + 2.4 * (drawn[..., 6:7] - 0.5)
    reflectance = (reflectance * torch.exp2(lightness_ev)).clamp(0.01, 0.95)
    roughness_ev = drawn[..., 7:] ** 2
    return torch.cat((reflectance, roughness_ev), -1)


def _texture(key: Key, size: int) -> Float[Tensor, "b {size} {size}"]:
    """A texture with the spectrum 1/f² and variance 1: gratings of equal strength, uniform in the logarithm of f."""
    drawn = key.fold("texture").uniform(0.0, 1.0, GRATINGS, 3)
    frequency = torch.exp(math.log(FREQUENCIES[0]) + math.log(FREQUENCIES[1] / FREQUENCIES[0]) * drawn[..., 0])
    turn, phase = torch.pi * drawn[..., 1], 2 * torch.pi * drawn[..., 2]
    fx, fy = frequency * turn.cos(), frequency * turn.sin()
    # What a square picture point sees of a grating; it takes out what is too fine for the size.
    strength = torch.sinc(fx / size) * torch.sinc(fy / size) * math.sqrt(2 / GRATINGS)
    grid = (torch.arange(size, device=frequency.device) + 0.5) / size
    x = 2 * torch.pi * fx[..., None] * grid
    y = 2 * torch.pi * fy[..., None] * grid + phase[..., None]
    # cos(x + y) = cos x cos y − sin x sin y, so a sum of gratings is a product of two matrices.
    rows = torch.cat((y.cos(), -y.sin()), 1) * strength.repeat(1, 2)[..., None]
    return rows.mT @ torch.cat((x.cos(), x.sin()), 1)

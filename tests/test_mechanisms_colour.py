"""Colour: loci, matrices and adaptation against published figures, and against colour-science where it is installed."""

import importlib
import sys
import warnings
from types import ModuleType
from unittest.mock import Mock

import numpy as np
import pytest
import torch
from torch import Tensor

from mechaug.mechanisms.colour import (
    BALANCED_MIRED,
    RGB_FROM_XYZ,
    XYZ_FROM_RGB,
    adaptation,
    daylight_xy,
    illuminant_matrix,
    light_uv,
    planckian_xy,
    uv_of,
)

LOCI = ("planckian", "daylight")


def doubles(*values: float) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)


def xy_of(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    return np.stack((3 * u, 2 * v), -1) / (2 * u - 8 * v + 4)[..., None]


@pytest.fixture(scope="module")
def science() -> ModuleType:
    """The package colour-science, whose module has the name `colour`."""
    with warnings.catch_warnings():
        # It says which plotting libraries are missing.
        warnings.simplefilter("ignore")
        pytest.importorskip("colour", reason="colour-science is compared with where it is installed")
        package = importlib.import_module("colour")
    # It puts mocks in the place of plotting libraries that are missing, which others would take for the real ones.
    for name in [name for name, module in sys.modules.items() if isinstance(module, Mock)]:
        del sys.modules[name]
    return package


# Published figures --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kelvin", "x", "y"),
    # Planck's law (c₂ = 1.4388 cm K) through the CIE 1931 observer; 2856 K is CIE standard illuminant A.
    [(2000.0, 0.5267, 0.4133), (2856.0, 0.4475, 0.4074), (4000.0, 0.3804, 0.3767), (10000.0, 0.2806, 0.2883)],
)
def test_black_bodies_have_their_published_chromaticity(kelvin: float, x: float, y: float) -> None:
    assert [float(value) for value in planckian_xy(doubles(kelvin))] == pytest.approx([x, y], abs=5e-4)


@pytest.mark.parametrize(
    ("kelvin", "x", "y"),
    # CIE 015:2004, table T.3: D50, D55, D65 and D75, whose temperatures are nominal times 1.4388/1.4380.
    [(5003, 0.34567, 0.35851), (5503, 0.33243, 0.34744), (6504, 0.31272, 0.32903), (7504, 0.29903, 0.31488)],
)
def test_phases_of_daylight_have_their_published_chromaticity(kelvin: float, x: float, y: float) -> None:
    assert [float(value) for value in daylight_xy(doubles(kelvin))] == pytest.approx([x, y], abs=2e-4)


def test_the_matrices_are_those_of_the_standard() -> None:
    # IEC 61966-2-1, which prints four digits.
    to_xyz = [[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]
    from_xyz = [[3.2406, -1.5372, -0.4986], [-0.9689, 1.8758, 0.0415], [0.0557, -0.2040, 1.0570]]
    np.testing.assert_allclose(XYZ_FROM_RGB, to_xyz, atol=6e-5)
    np.testing.assert_allclose(RGB_FROM_XYZ, from_xyz, atol=6e-4)
    np.testing.assert_allclose(RGB_FROM_XYZ @ XYZ_FROM_RGB, np.eye(3), atol=1e-15)


def test_adaptation_is_the_published_matrix_from_d65_to_d50() -> None:
    # As in ICC profiles: Lindbloom, "Chromatic Adaptation", Bradford, D65 to D50.
    expected = [
        [1.0478112, 0.0228866, -0.0501270],
        [0.0295424, 0.9904844, -0.0170491],
        [-0.0092345, 0.0150436, 0.7521316],
    ]
    d65, d50 = (uv_of(doubles(x), doubles(y)) for x, y in ((0.31271, 0.32902), (0.34567, 0.35850)))
    found = XYZ_FROM_RGB @ adaptation(d65, d50)[0] @ RGB_FROM_XYZ
    np.testing.assert_allclose(found, expected, atol=2e-4)


# Beside the loci ----------------------------------------------------------------------------------------------------


def test_lights_on_a_locus_are_those_of_its_formula() -> None:
    # Between whole mireds, and away from where the pieces of the formulas meet.
    mired = doubles(41.37, 99.5, 142.6, 143.9, 153.75, 199.1, 251.5, 333.3, 449.1, 590.7)
    none = torch.zeros_like(mired)
    for locus in LOCI:
        # A black body below 4000 K (250 mired), daylight from 5000 K (200 mired) on.
        part = torch.ones_like(mired).bool() if locus == "planckian" else (mired < 200) | (mired > 250)
        u, v = (value[part].numpy() for value in light_uv(mired, none, locus))
        warm = planckian_xy(1e6 / mired[part])
        xy = warm if locus == "planckian" else [
            torch.where(mired[part] > 225, p, d) for p, d in zip(warm, daylight_xy(1e6 / mired[part]), strict=True)
        ]  # fmt: skip
        np.testing.assert_allclose(xy_of(u, v), np.stack([value.numpy() for value in xy], -1), atol=3e-6)


def test_between_5000_and_4000_kelvin_lights_are_mixed() -> None:
    kelvin = doubles(4500.0)
    halves = []
    for x, y in (planckian_xy(kelvin), daylight_xy(kelvin)):
        halves.append(np.array([float(x / y), 1.0, float((1 - x - y) / y)]))
    mixed = (halves[0] + halves[1]) / 2
    u, v = light_uv(1e6 / kelvin, torch.zeros(1).double(), "daylight")
    np.testing.assert_allclose(xy_of(u.numpy(), v.numpy())[0], mixed[:2] / mixed.sum(), atol=3e-6)


@pytest.mark.parametrize("locus", LOCI)
def test_the_locus_has_no_jumps(locus) -> None:
    mired = torch.arange(45.0, 595.0, 0.01, dtype=torch.float64)
    u, v = light_uv(mired, torch.zeros_like(mired), locus)
    assert torch.hypot(u.diff(), v.diff()).max() < 1.2e-5  # A mired is at most 7e-4 long, and 1e-3 where pieces meet.
    # Kang's own formula does jump, where its pieces meet; a shift of one mired is 100 of these steps.
    ends = uv_of(*planckian_xy(doubles(3999.9999, 4000.0001)))
    assert float(torch.hypot(ends[0].diff(), ends[1].diff())) > 2e-5


@pytest.mark.parametrize("duv", [-0.02, 0.01])
def test_a_tint_lies_at_its_distance_from_the_black_bodies(duv: float) -> None:
    mired = doubles(70.0, 110.0, 154.0, 230.0, 300.0, 420.0)
    u, v = light_uv(mired, torch.full_like(mired, duv), "planckian")
    fine = torch.arange(41.0, 590.0, 0.05, dtype=torch.float64)
    locus_u, locus_v = light_uv(fine, torch.zeros_like(fine), "planckian")
    distance = torch.hypot(u[:, None] - locus_u, v[:, None] - locus_v)
    nearest = distance.min(1)
    np.testing.assert_allclose(nearest.values, abs(duv), rtol=2e-3)
    # The nearest body has the colour temperature that was asked for: the light lies across, not along.
    assert (fine[nearest.indices] - mired).abs().max() < 1.5
    assert ((v - locus_v[nearest.indices]) * duv > 0).all(), "above the locus is positive"


def test_the_slope_in_mired_and_tint_is_right() -> None:
    mired, duv = doubles(80.3, 153.7, 222.2, 380.6).requires_grad_(), doubles(0.01, -0.01, 0.0, 0.02).requires_grad_()
    for locus in LOCI:
        torch.autograd.gradcheck(lambda m, d, locus=locus: illuminant_matrix(m, d, locus), (mired, duv), eps=1e-5)


# Adaptation ---------------------------------------------------------------------------------------------------------


def test_no_change_of_light_is_the_identity() -> None:
    for locus in LOCI:
        found = illuminant_matrix(torch.tensor([BALANCED_MIRED]), torch.zeros(1), locus)[0]
        np.testing.assert_allclose(found, np.eye(3), atol=1e-15)


def test_white_takes_the_colour_of_the_light_and_keeps_its_luminance() -> None:
    here, there = (uv_of(doubles(x, x), doubles(y, y)) for x, y in ((0.3127, 0.3290), (0.44757, 0.40745)))
    white = XYZ_FROM_RGB @ adaptation(here, there)[1].sum(-1)
    assert float(white[1]) == pytest.approx(1.0, rel=1e-12)
    np.testing.assert_allclose(white[:2] / white.sum(), [0.44757, 0.40745], atol=1e-12)


def test_changes_of_light_one_after_the_other_commute_and_can_be_undone() -> None:
    a, b, c = (uv_of(doubles(x), doubles(y)) for x, y in ((0.31, 0.33), (0.45, 0.41), (0.28, 0.29)))
    one, two = adaptation(a, b)[0], adaptation(b, c)[0]
    np.testing.assert_allclose(one @ two, two @ one, atol=1e-14)
    both, back = adaptation(a, c)[0], adaptation(b, a)[0] @ one
    # Up to the luminance of white, which each of them keeps.
    np.testing.assert_allclose((two @ one) / (two @ one)[1, 1], both / both[1, 1], atol=1e-12)
    np.testing.assert_allclose(back / back[1, 1], np.eye(3), atol=1e-12)


# colour-science -----------------------------------------------------------------------------------------------------


def test_the_loci_are_those_of_colour_science(science: ModuleType) -> None:
    kelvin = doubles(1667.0, 2000.0, 2222.0, 2222.1, 2856.0, 3999.0, 4001.0, 6504.0, 12000.0, 25000.0)
    expected = science.temperature.CCT_to_xy_Kang2002(kelvin.numpy())
    np.testing.assert_allclose(torch.stack(planckian_xy(kelvin), -1), expected, atol=1e-14)
    kelvin = kelvin[6:]
    expected = science.temperature.CCT_to_xy_CIE_D(kelvin.numpy())
    np.testing.assert_allclose(torch.stack(daylight_xy(kelvin), -1), expected, atol=1e-14)


@pytest.mark.parametrize("duv", [-0.02, 0.0, 0.01])
def test_temperature_and_tint_are_found_again_by_colour_science(science: ModuleType, duv: float) -> None:
    """Ohno's method integrates Planck's law; Kang's formula is within a mired of it."""
    mired = doubles(60.0, 100.0, 153.75, 220.0, 300.0, 400.0)
    uv = torch.stack(light_uv(mired, torch.full_like(mired, duv), "planckian"), -1).numpy()
    for one, asked in zip(uv, mired.tolist(), strict=True):
        kelvin, found = science.temperature.uv_to_CCT_Ohno2013(one)
        assert 1e6 / float(kelvin) == pytest.approx(asked, abs=1.5)
        assert float(found) == pytest.approx(duv, abs=1e-4)


def test_adaptation_is_that_of_colour_science(science: ModuleType) -> None:
    whites = [(0.3127, 0.3290), (0.5, 0.42)]
    xyz = [science.xy_to_XYZ(white) for white in whites]
    expected = science.adaptation.matrix_chromatic_adaptation_VonKries(*xyz, transform="Bradford")
    here, there = (uv_of(doubles(x), doubles(y)) for x, y in whites)
    found = XYZ_FROM_RGB @ adaptation(here, there)[0] @ RGB_FROM_XYZ
    np.testing.assert_allclose(found, expected, atol=1e-10)

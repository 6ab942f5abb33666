"""Illuminants against published chromaticities."""

import pytest
import torch

from mechaug.data.illuminant import NEUTRAL_MIRED, illuminant_gains, planckian_xy


@pytest.mark.parametrize(
    ("kelvin", "x", "y"),
    # Black bodies in the CIE 1931 diagram; 2856 K is standard illuminant A.
    [(2000.0, 0.5267, 0.4133), (2856.0, 0.4476, 0.4074), (4000.0, 0.3805, 0.3768), (10000.0, 0.2807, 0.2884)],
)
def test_black_bodies_have_their_published_chromaticity(kelvin, x, y):
    found = planckian_xy(torch.tensor([kelvin]))
    assert [float(value) for value in found] == pytest.approx([x, y], abs=1.5e-3)


def test_gains_are_neutral_at_d65_and_keep_luminance():
    mired = torch.tensor([100.0, NEUTRAL_MIRED, 250.0, 400.0])
    gains = illuminant_gains(mired)
    assert torch.allclose(gains[1], torch.ones(3), atol=1e-5)
    assert torch.allclose(gains @ torch.tensor([0.2126, 0.7152, 0.0722]), torch.ones(4), atol=1e-5)
    assert (gains[1:, 0] / gains[1:, 2]).diff().min() > 0
    assert gains[0, 2] > gains[0, 0]


def test_adaptation_takes_out_its_part_of_the_cast():
    mired = torch.tensor([350.0])
    cast = illuminant_gains(mired)
    left = illuminant_gains(mired, adaptation=0.6)
    assert float((left[0, 0] / left[0, 2]).log() / (cast[0, 0] / cast[0, 2]).log()) == pytest.approx(0.4, abs=1e-4)
    assert torch.allclose(illuminant_gains(mired, adaptation=1.0), torch.ones(1, 3), atol=1e-6)

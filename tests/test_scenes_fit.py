"""A scene fitted to photographs: known truth comes back within the errors that are stated, and doubt is said."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image as PillowImage
from torch.distributions import LogNormal, Normal

import known_scene
from mechaug import Key
from mechaug import mechanisms as m
from mechaug.errors import UserError
from mechaug.scenes import PRIORS, Fit, Quantiles, fit_folder, read_scene, reference_folder, write_scene
from mechaug.scenes.estimates import BLUR_DOUBT, scale_permille
from mechaug.scenes.estimators.base import Estimate, missing
from mechaug.scenes.estimators.measures import measure
from mechaug.scenes.estimators.photograph import photograph_of
from mechaug.scenes.fit_law import Reading, fit_normal, held, with_doubt
from mechaug.scenes.fit_reference import reference_of
from mechaug.scenes.fit_variable import fit_exact, fit_measured

EXIF = {"exposure_s", "f_number", "iso", "focal_length_mm"}
TRUE_NORMAL = {
    "cast_mired": (220.0, 40.0),
    "scale_permille": (6.0, 1.5),
    "exposure_ev": (-0.8, 0.6),
    "white_e": (math.log(500.0), 0.5),
}


# Laws from numbers -----------------------------------------------------------------------------------------------


def readings(mean: float, spread: float, error: float, count: int, seed: int = 0) -> list[Reading]:
    values = np.random.default_rng(seed)
    return [Reading(float(v), error) for v in mean + values.normal(0, math.hypot(spread, error), count)]


@pytest.mark.parametrize(("spread", "error"), [(2.0, 0.1), (2.0, 2.0), (1.0, 2.0)])
def test_the_law_behind_errors_is_in_its_intervals(spread: float, error: float) -> None:
    inside = np.zeros(2)
    for seed in range(20):
        fit = fit_normal(readings(5.0, spread, error, 200, seed))
        inside += abs(fit.mean - 5.0) < 1.96 * fit.mean_error, fit.spread_low <= spread <= fit.spread_high
    # 19 of 20 are promised; fewer than 15 would happen by chance once in 3,000 times.
    assert (inside >= 15).all()


def test_a_spread_that_errors_explain_is_none() -> None:
    fit = fit_normal(readings(5.0, 0.0, 2.0, 400))
    assert fit.spread_low == 0.0 and fit.spread < 0.6 and fit.spread_high < 1.2


def test_bounds_hold_what_values_alone_would_lose() -> None:
    known = readings(0.0, 1.0, 0.1, 400)
    seen = [r if r.value > 0 else Reading(math.nan, math.nan, -math.inf, 0.0) for r in known]
    values_only = fit_normal([r for r in seen if r.is_value])
    fit = fit_normal(seen)
    assert values_only.mean > 0.6
    assert abs(fit.mean) < 2.5 * fit.mean_error and fit.mean_error < 0.12
    assert fit.spread_low < 1.0 < fit.spread_high


def test_a_shape_that_is_not_normal_is_not_called_so() -> None:
    values = np.random.default_rng(0)
    two = np.concatenate((values.normal(-3, 0.3, 200), values.normal(3, 0.3, 200)))
    assert not fit_normal([Reading(float(v), 0.1) for v in two]).expected
    assert fit_normal(readings(0.0, 1.0, 0.1, 400)).expected


def test_a_law_needs_two_values() -> None:
    with pytest.raises(ValueError, match="not 1"):
        fit_normal([Reading(1.0, 0.1), Reading(math.nan, math.nan, 0.0)])


def test_far_values_are_held_and_near_ones_kept() -> None:
    values = np.random.default_rng(0).normal(size=4000)
    kept = held(values)
    assert kept.std() == pytest.approx(0.96, abs=0.02)
    near = np.abs(values) < 1.5
    assert (kept[near] == values[near]).all()
    # A hundredth that are far out would double the spread.
    values[:40] = 20.0
    assert values.std() > 2 and held(values).std() < 1.05


def test_doubt_about_the_errors_widens_the_spread_s_interval_only() -> None:
    known = readings(0.0, 2.0, 2.0, 200)
    sure, unsure = with_doubt(known, 0.0), with_doubt(known, 0.2)
    assert unsure.spread_low < sure.spread_low and unsure.spread_high > sure.spread_high
    assert (unsure.mean, unsure.mean_error, unsure.spread) == (sure.mean, sure.mean_error, sure.spread)


def test_open_bounds_may_be_the_value_itself() -> None:
    """Half the pictures say "at least what it is", as those do that read something beside noise."""
    known = readings(0.0, 1.0, 0.05, 400)
    said = [Reading(math.nan, math.nan, r.value) if r.value > 0.3 else r for r in known]
    fit = with_doubt(said, 0.0)
    assert fit_normal(said).spread_low > 1.1  # which takes them to lie beyond
    assert abs(fit.mean) < 1.96 * fit.mean_error
    assert fit.spread_low < 1.0 < fit.spread_high


# Variables ---------------------------------------------------------------------------------------------------------


def estimates(values: list[float], error: float, name: str = "exposure_ev") -> list[Estimate]:
    unit = PRIORS[name].unit
    return [Estimate(name, unit, value, error, "linear", (-4.0, 2.0)) for value in values]


def test_a_variable_is_fitted_bounded_or_left() -> None:
    draws = np.random.default_rng(0).normal(size=200)
    prior = PRIORS["exposure_ev"]
    fitted = fit_measured(prior, estimates((0.5 * draws - 1).tolist(), 0.05))
    assert fitted.status == "fitted" and isinstance(fitted.variable.law, Normal)
    assert float(fitted.variable.law.loc) == pytest.approx(-1, abs=0.1)
    bounded = fit_measured(prior, estimates((0.5 * draws - 1).tolist(), 0.5))
    assert bounded.status == "bounded" and "upper end is taken" in bounded.text
    assert bounded.normal is not None and isinstance(bounded.variable.law, Normal)
    assert float(bounded.variable.law.scale) == pytest.approx(bounded.normal.spread_high)
    few = fit_measured(prior, estimates((0.5 * draws - 1)[:19].tolist(), 0.05))
    assert few.status == "not identified" and few.variable == prior and "19 pictures" in few.text
    none = [missing("exposure_ev", "EV", "linear", (-4.0, 2.0), "it is dark") for _ in range(30)]
    refused = fit_measured(prior, none)
    assert refused.status == "not identified" and "None of 30" in refused.text and "it is dark" in refused.text


def test_exact_values_are_one_number_or_as_they_are() -> None:
    prior = PRIORS["quality"]
    rows = [Estimate("quality", "", float(q), 0.0, "linear", (1.0, 100.0)) for q in [75] * 30 + [95] * 30]
    assert fit_exact(prior, rows[:30]).variable.law == 75.0
    law = fit_exact(prior, rows).variable.law
    assert isinstance(law, Quantiles) and set(law.values) == {75.0, 95.0}


def test_blur_too_wide_to_read_counts_as_wide() -> None:
    """One picture of six has too few edges left to read: of the others alone, the mean would be 17 permille."""
    pictures = known_scene.leaves(120, 192)
    reference = reference_of([measure(photograph_of(picture)) for picture in pictures[:60]], "dead leaves")
    blurred = m.GaussianScale(scale_permille=Normal(20.0, 6.0))(pictures[60:], Key(0).at(torch.arange(60)))
    rows = [scale_permille(measure(photograph_of(picture)), reference) for picture in blurred]
    assert sum(not row.identified for row in rows) >= 5
    fit = fit_measured(PRIORS["scale_permille"], rows, doubt=BLUR_DOUBT).normal
    assert fit is not None and abs(fit.mean / 20.0 - 1) < 0.15
    assert fit.spread_low < 6.0 < fit.spread_high


# Folders -------------------------------------------------------------------------------------------------------------


def check_recovered(fit: Fit) -> None:
    """The tolerances that are promised, the stated intervals, and what is not there."""
    for name in TRUE_NORMAL:
        assert fit[name].status in ("fitted", "bounded"), fit[name].text
    normal = {name: fit[name].normal for name in TRUE_NORMAL}
    means = {name: found.mean for name, found in normal.items() if found is not None}
    assert abs(means["cast_mired"] - 220) <= 25
    assert abs(means["exposure_ev"] + 0.8) <= 0.3
    assert abs(means["scale_permille"] / 6 - 1) <= 0.20
    # Noise goes with the root of the electrons.
    assert abs(math.sqrt(500 / math.exp(means["white_e"])) - 1) <= 0.15
    assert fit["quality"].variable.law == known_scene.QUALITY
    assert fit["visibility_m"].status == "not identified"
    for name in EXIF:
        assert fit[name].status == "not identified"


def check_intervals(fit: Fit, spreads: set[str]) -> None:
    """Means are in their 99 % intervals, and the spreads of some in those of 95 %."""
    for name, (mean, spread) in TRUE_NORMAL.items():
        found = fit[name].normal
        assert found is not None
        assert abs(found.mean - mean) < 2.58 * found.mean_error, name
        if name in spreads:
            assert found.spread_low <= spread <= found.spread_high, name


def fitted_to(pictures: torch.Tensor, root: Path) -> Fit:
    before, after = known_scene.write_place(pictures, root)
    return fit_folder(after, reference=reference_folder(before))


def test_a_known_scene_comes_back(tmp_path: Path) -> None:
    """Few and small pictures: the means, within the errors that are stated, and what is not there."""
    fit = fitted_to(known_scene.leaves(100, 128), tmp_path)
    check_intervals(fit, spreads=set())
    assert fit["quality"].variable.law == known_scene.QUALITY
    assert fit["visibility_m"].status == "not identified"
    # And it can be used, stored, and used again.
    write_scene(fit.scene, tmp_path / "scene.json")
    again = read_scene(tmp_path / "scene.json")
    x, key = known_scene.leaves(40, 32), Key(0).at(torch.arange(40))
    assert torch.equal(again(x, key), fit.scene(x, key))
    assert again(x, key).mean() < 0.9 * x.mean()


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["photographs", "leaves"])
def test_a_known_scene_comes_back_from_200_pictures(tmp_path: Path, kind: str) -> None:
    if kind == "photographs" and not known_scene.SAMPLES.exists():
        pytest.skip("the photographs (shared/data) are not here")
    pictures = (known_scene.samples if kind == "photographs" else known_scene.leaves)(400, 256)
    fit = fitted_to(pictures, tmp_path)
    check_recovered(fit)
    check_intervals(fit, set(TRUE_NORMAL))
    assert fit["read_noise_e"].variable.law == 3.0


def test_real_photographs_give_sane_numbers(tmp_path: Path) -> None:
    """From the web: JPEG files without EXIF, against what a thousand of their kind read."""
    if not known_scene.SAMPLES.exists():
        pytest.skip("the photographs (shared/data) are not here")
    for number, content in enumerate(known_scene.sample_files(100)):
        (tmp_path / f"{number}.jpg").write_bytes(content)
    fit = fit_folder(tmp_path)
    for name in EXIF:
        assert fit[name].status == "not identified" and "EXIF does not say" in fit[name].text
    assert fit["visibility_m"].variable == PRIORS["visibility_m"]
    light, colour = fit["exposure_ev"].normal, fit["cast_mired"].normal
    assert light is not None and abs(light.mean) < 0.3 and light.spread_high < 1.0
    assert colour is not None and 125 < colour.mean < 180 and colour.spread_high < 60
    # They were reduced, so that their noise is not that of a sensor any more.
    assert fit["white_e"].status == "not identified"
    quality = fit["quality"]
    assert quality.status == "fitted" and all(1 <= value <= 100 for value in quality.values)
    assert all(not name.startswith(("exposure_s", "iso")) for name in fit.scene.names)


def test_a_limit_looks_at_pictures_from_all_over(tmp_path: Path) -> None:
    pictures = known_scene.leaves(8, 32)
    for number, picture in enumerate(pictures):
        known_scene.save(picture, tmp_path / f"{number}.jpg", 90)
    fit = fit_folder(tmp_path, limit=4)
    assert [Path(measures.name).name for measures in fit.folder.measures] == ["0.jpg", "2.jpg", "4.jpg", "6.jpg"]
    assert fit.folder.found == 8
    with pytest.raises(UserError, match="leaves no picture"):
        fit_folder(tmp_path, limit=0)


def test_what_cameras_wrote_becomes_laws(tmp_path: Path) -> None:
    times = np.exp(np.random.default_rng(0).normal(math.log(0.01), 0.5, 24))
    for number, (picture, time) in enumerate(zip(known_scene.leaves(24, 32), times.tolist(), strict=True)):
        exif = PillowImage.Exif()
        exif.get_ifd(0x8769).update({0x829A: time, 0x829D: 1.8, 0x8827: 100 if number % 2 else 6400})
        pixels = (picture * 255).byte().permute(1, 2, 0).numpy()
        PillowImage.fromarray(pixels).save(tmp_path / f"{number:02}.jpg", exif=exif)
    fit = fit_folder(tmp_path)
    law = fit["exposure_s"].variable.law
    assert isinstance(law, LogNormal)
    assert float(law.loc) == pytest.approx(float(np.log(times).mean()), abs=0.02)
    assert fit["f_number"].variable.law == pytest.approx(1.8)
    assert isinstance(fit["iso"].variable.law, Quantiles)
    assert "iso" in fit.scene.names and fit["focal_length_mm"].status == "not identified"


def test_a_reference_needs_pictures(tmp_path: Path) -> None:
    for number, picture in enumerate(known_scene.leaves(3, 32)):
        known_scene.save(picture, tmp_path / f"{number}.jpg", 90)
    with pytest.raises(UserError, match="20 are needed"):
        reference_folder(tmp_path)

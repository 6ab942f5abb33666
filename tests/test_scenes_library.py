"""The ready scenes: they keep every scene's promises, and what belongs together in the world comes together."""

import pytest
import torch

from mechaug import Key, spec
from mechaug.scenes import Scene, SunElevation, library, read_scene, write_scene
from mechaug.testing import check_scene, example_pictures

SCENES = {
    make.__name__: make()
    for make in (
        library.driving, library.phone, library.object_crop, library.surveillance, library.drone, library.relighting,
    )
}  # fmt: skip
KEY = Key(0).at(torch.arange(4000))
each = pytest.mark.parametrize("name", SCENES)


@pytest.mark.untyped  # run-time checks draw from Python's global random state
@each
def test_it_keeps_what_every_scene_promises(name: str) -> None:
    check_scene(SCENES[name])


@each
def test_it_is_data(name: str, tmp_path) -> None:
    write_scene(SCENES[name], tmp_path / "scene.json")
    assert spec.dumps(read_scene(tmp_path / "scene.json")) == spec.dumps(SCENES[name])


def ranks(scene: Scene, one: str, other: str, **set_to: float) -> float:
    """Spearman's correlation."""
    scene = scene.do(**set_to)
    table = scene.table(scene.sample(KEY))
    places = torch.stack([table[name].argsort().argsort().float() for name in (one, other)])
    return torch.corrcoef(places)[0, 1].item()


@pytest.mark.parametrize("name", ["driving", "phone", "object_crop", "surveillance"])
def test_little_light_means_blur_and_noise_and_warm_light(name: str) -> None:
    scene = SCENES[name]
    assert ranks(scene, "illuminance_lux", "exposure_s") < -0.6
    assert ranks(scene, "illuminance_lux", "iso") < -0.4
    assert ranks(scene, "exposure_s", "iso") > 0.4
    assert ranks(scene, "illuminance_lux", "illuminant_mired") < -0.3
    # And none of it where each is drawn alone.
    loose = scene.decoupled()
    assert abs(ranks(loose, "illuminance_lux", "exposure_s")) < 0.06


def test_fog_takes_contrast_light_and_speed() -> None:
    driving = SCENES["driving"]
    clear, fog = (scene.sample(KEY) for scene in (driving, driving.do(visibility_m=50.0)))
    before, after = driving.table(clear), driving.table(fog)
    # Two streams: 1 / (1 + 0.75·0.15·2.996·150/50) of the light passes.
    dense = before["visibility_m"] > 1e5
    assert (after["fog_share"] / before["fog_share"])[dense].median().item() == pytest.approx(0.497, abs=0.005)
    assert after["speed_m_s"].max() <= 14
    assert after["daylight_lux"].median() < 0.6 * before["daylight_lux"].median()
    assert torch.equal(before["rain_mm_h"], after["rain_mm_h"])


def test_five_lux_are_dark() -> None:
    """DESIGN's example: the same photograph, had it been dusk."""
    x, key = example_pictures(8), Key(2).at(torch.arange(8))
    scene = SCENES["driving"].do(rain_mm_h=0.0, metering_error_ev=0.0)
    noon, dusk = scene.do(illuminance_lux=5e4), scene.do(illuminance_lux=1.0)
    a, b = noon.table(noon.sample(key)), dusk.table(dusk.sample(key))
    assert (b["exposure_s"] == torch.tensor(1 / 30)).all() and (b["iso"] == 6400).all()
    assert (b["exposure_ev"] < -1).all() and a["exposure_ev"].abs().max() < 1e-4
    assert dusk(x, key).mean() < 0.8 * noon(x, key).mean()


@pytest.mark.parametrize(
    ("latitude", "hour", "day", "elevation"),
    [
        (0.0, 12.0, 81.0, 90.0),  # equinox on the equator
        (45.0, 12.0, 81.0, 45.0),
        (45.0, 12.0, 172.0, 68.45),  # June solstice: 45 + 23.45
        (45.0, 12.0, 355.0, 21.55),
        (45.0, 6.0, 81.0, 0.0),
        (90.0, 3.0, 172.0, 23.45),
    ],
)
def test_the_sun_stands_where_it_should(latitude: float, hour: float, day: float, elevation: float) -> None:
    values = [torch.tensor([value], dtype=torch.float64) for value in (hour, day)]
    assert SunElevation(latitude).value(values, values[0]).item() == pytest.approx(elevation, abs=0.05)


def test_days_are_as_bright_as_they_are() -> None:
    table = SCENES["surveillance"].table(SCENES["surveillance"].sample(KEY))
    high = table["sun_elevation_deg"] > 50
    clear, overcast = (table["cloud_cover"] < 0.1) & high, (table["cloud_cover"] > 0.97) & high
    assert 70e3 < table["daylight_lux"][clear].median() < 125e3
    assert 10e3 < table["daylight_lux"][overcast].median() < 40e3
    assert table["daylight_lux"][table["sun_elevation_deg"] < -12].max() < 0.1

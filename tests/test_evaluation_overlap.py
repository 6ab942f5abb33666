"""The minimal sample distance against its definition, and the declared overlap."""

import pytest
import torch
from torch import Tensor

from mechaug import mechanisms as m
from mechaug.data.pictures import Pictures
from mechaug.evaluation.corruptions import corrupt
from mechaug.evaluation.overlap import PICTURES, declared, distances
from mechaug.evaluation.suites import some
from mechaug.heuristics.augmix import AugMix
from mechaug.keys import Key

KEY = Key(3)


def pictures(count: int = 150) -> Pictures:
    pixels = (Key(0).at(torch.arange(count)).unit(3 * 8 * 8).reshape(count, 3, 8, 8) * 255).to(torch.uint8)
    return Pictures(pixels, torch.arange(count) % 3, torch.arange(count))


def features(x: Tensor) -> Tensor:
    """Means of the channels and of the two halves: enough to tell brightness from contrast."""
    return torch.stack([x.mean((1, 2, 3)), x[..., :4].mean((1, 2, 3)), x.std((1, 2, 3))], dim=1)


def brighter(stored: Tensor, keys: Key) -> Tensor:
    """Up to a half more light; what is drawn follows from the key alone."""
    more = keys.uniform(0.0, 0.5)
    return (stored.float() / 255 + more[:, None, None, None]).clamp(0, 1)


def test_distances_follow_their_definition() -> None:
    data = pictures()
    found = distances(
        features, data, {"brighter": brighter}, ("brightness",), KEY, draws=5, severity=2, corruption_draws=3
    )
    chosen = data.pixels[some(data, PICTURES)]
    shared = [torch.full((PICTURES,), draw) for draw in range(5)]
    samples = [features(brighter(chosen, KEY.fold("augmentation brighter").at(rows))).mean(0) for rows in shared]
    corrupted = [
        features(corrupt(chosen, "brightness", 2, KEY.fold("brightness").at(rows)).float() / 255).mean(0)
        for rows in shared[:3]
    ]
    centre = torch.stack(corrupted).mean(0)
    minimal = min(float((sample - centre).norm()) for sample in samples)
    of_means = float((torch.stack(samples).mean(0) - centre).norm())
    one = found["brighter", "brightness"]
    assert one.minimal == pytest.approx(minimal, rel=1e-4)
    assert one.of_means == pytest.approx(of_means, rel=1e-4)


def test_one_draw_is_for_all_pictures() -> None:
    seen = []

    def listening(stored: Tensor, keys: Key) -> Tensor:
        seen.append(keys.uniform(0.0, 1.0))
        return stored.float() / 255

    distances(features, pictures(), {"a": listening}, ("contrast",), KEY, draws=4, corruption_draws=1)
    assert all(len(draw.unique()) == 1 and len(draw) == PICTURES for draw in seen)
    assert len(torch.stack([draw[0] for draw in seen]).unique()) == 4


def test_more_draws_come_no_less_near_and_what_contains_the_corruption_comes_nearest() -> None:
    def still(stored: Tensor, keys: Key) -> Tensor:
        return stored.float() / 255

    both = {"brighter": brighter, "still": still}
    few, many = (
        distances(features, pictures(), both, ("brightness",), KEY, draws=draws, severity=4, corruption_draws=1)
        for draws in (2, 30)
    )
    place = ("brighter", "brightness")
    assert many[place].minimal <= few[place].minimal
    assert many[place].minimal < 0.5 * many["still", "brightness"].minimal
    with pytest.raises(ValueError, match="needs draws"):
        distances(features, pictures(), both, ("brightness",), KEY, draws=0)


def test_what_mechanisms_declare_is_found_through_chains() -> None:
    chain = m.Chain(m.Haze(), m.Maybe(m.Jpeg(), 0.5), m.OneOf(m.Sensor(), m.Viewpoint()))
    found = declared(chain)
    assert found["fog"] == ("Haze",)
    assert found["jpeg_compression"] == ("Jpeg",)
    assert found["shot_noise"] == ("Sensor",)
    assert "motion_blur" not in found
    assert declared(AugMix())["brightness"] == ("AugMix",)
    assert declared(None) == {}

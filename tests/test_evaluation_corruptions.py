import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image as Pillow
from scipy import stats

from mechaug.errors import UserError
from mechaug.evaluation.corruptions import (
    BAR,
    CORRUPTIONS,
    EXTRA,
    EXTRA_NAMES,
    NAMES,
    SEVERITIES,
    Variant,
    bar_names,
    blur,
    corrupt,
    digital,
    drawn_frost,
    elastic,
    find_corruption,
    fog,
    glass,
    load_frost,
    noise,
    profile_of,
    snow,
    spatter,
    suite,
)
from mechaug.evaluation.corruptions.stored import store
from mechaug.keys import Key
from mechaug.mechanisms.relatives import BAR_CORRUPTIONS, COMMON_CORRUPTIONS

GOLDEN = Path(__file__).resolve().parents[2] / "shared" / "golden"
DETERMINISTIC = (
    "defocus_blur", "zoom_blur", "brightness", "contrast", "pixelate", "jpeg_compression", "gaussian_blur", "saturate",
    "circular_motion_blur",
)  # fmt: skip
BAR_NAMES = tuple(one.name for one in BAR)
ALL = (*NAMES, *EXTRA_NAMES, *BAR_NAMES)


# How far our draws may be from the reference's on 32 pictures: residual mean in grey levels, size as a share, and the
# logarithm of any ring of the spectrum. Two draws of the reference over 500 differ by a quarter of these.
NOISE, WEATHER, WARP = (0.3, 0.03, 0.25), (2.5, 0.08, 0.6), (1.5, 0.10, 0.7)
PUBLISHED = {
    "gaussian_noise": NOISE, "shot_noise": NOISE, "impulse_noise": NOISE, "speckle_noise": NOISE,
    "motion_blur": WARP, "glass_blur": WARP, "elastic_transform": WARP, "fog": (5.0, 0.10, 0.6),
    "snow": (4.0, 0.12, 0.7), "spatter": WEATHER, "frost": (9.0, 0.15, 0.7), "blue_noise_sample": WARP,
    "brownish_noise": (3.0, 0.06, 0.5),
    "checkerboard_cutout": (2.0, 0.20, 0.9), "inverse_sparkles": WEATHER, "sparkles": WEATHER, "pinch_and_twirl": WARP,
    "ripple": WARP, "lines": WARP, "transverse_chromatic_abberation": WARP,
}  # fmt: skip


def rings(residual):
    """Mean power of a residual at each distance from the lowest frequency, 1 to 16."""
    power = torch.fft.fft2(residual).abs().square().mean((0, 1)) / residual.shape[-1] ** 2
    place = torch.fft.fftfreq(residual.shape[-1], dtype=torch.float64) * residual.shape[-1]
    distance = torch.hypot(place[:, None], place).round().long()
    return torch.stack([power[distance == ring].mean() for ring in range(1, 17)])


def replayed(name, size, draw):
    """How far a formula, given the reference's draws, is from the reference, for each severity."""
    clean, severities, pictures = golden(size)
    for severity, expected in zip(severities, pictures(name), strict=True):
        setting = find_corruption(name).setting(severity, profile_of(size, size))
        yield difference(draw(clean, np.random.RandomState(0), setting), expected)


def profiles(name):
    """The benchmarks that a corruption is in."""
    found = find_corruption(name)
    return [profile for profile, given in (("cifar", found.cifar), ("imagenet", found.imagenet)) if given]


def golden(size):
    """(clean pictures, severities, name -> pictures per severity) of the reference generators."""
    file = GOLDEN / f"corruptions_{size}.npz"
    if not file.exists():
        pytest.skip("the reference outputs (shared/golden) are not here")
    archive = np.load(file)
    severities = archive["severities"].tolist() if "severities" in archive.files else list(SEVERITIES)

    def pictures(name):
        return torch.from_numpy(np.moveaxis(archive[name], -1, -3).copy())

    return pictures("clean"), severities, pictures


def difference(a, b):
    return (a.int() - b.int()).abs()


def rmse(a, b):
    return (a.double() - b.double()).square().mean().sqrt().item()


def photos(count=4, channels=3, height=32, width=32):
    """Smooth pictures with all grey levels in them."""
    field = Key(5).at(torch.arange(count)).field(channels, height, width)
    smooth = torch.nn.functional.avg_pool2d(field, 3, stride=1, padding=1)
    return (torch.special.ndtr(2 * smooth) * 255).round().to(torch.uint8)


def keys(count, seed=0, **options):
    return Key(seed).at(torch.arange(count), **options)


@pytest.fixture(autouse=True)
def one_thread():
    """These tensors are small: on a busy machine threads would cost more than they give."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


class TestAgainstTheReference:
    @pytest.mark.parametrize("size", [32, 224])
    @pytest.mark.parametrize("name", DETERMINISTIC)
    def test_deterministic_corruptions_pixel_by_pixel(self, name, size):
        if name == "circular_motion_blur" and size == 224:
            pytest.skip("not in the ImageNet benchmark")
        clean, severities, pictures = golden(size)
        for severity, expected in zip(severities, pictures(name), strict=True):
            off = difference(corrupt(clean, name, severity, keys(len(clean))), expected)
            if name in ("pixelate", "jpeg_compression"):
                assert off.max() == 0
            else:
                assert off.max() <= 1
                assert off.double().mean() < 0.01

    @pytest.mark.parametrize("size", [32, 224])
    @pytest.mark.parametrize("name", ["gaussian_noise", "speckle_noise", "motion_blur", "fog"])
    def test_random_corruptions_given_the_reference_s_draws(self, name, size):
        clean, severities, pictures = golden(size)
        count, _, height, width = clean.shape
        for severity, expected in zip(severities, pictures(name), strict=True):
            draws = np.random.RandomState(0)
            setting = find_corruption(name).setting(severity, profile_of(height, width))
            if name in ("gaussian_noise", "speckle_noise"):
                drawn = torch.from_numpy(draws.normal(size=(count, height, width, 3)))
                made = store(getattr(noise, name)(clean, drawn.permute(0, 3, 1, 2), setting[0]))
            elif name == "motion_blur":
                angle = torch.from_numpy(draws.uniform(-45, 45, size=count)).float()
                made = store(blur.motion_blur(clean, angle, int(setting[0]), setting[1]))
            else:
                unit = torch.from_numpy(draws.random_sample((count, fog.plasma_draws(height, width))))
                made = store(fog.fog(clean, unit, *setting))
            off = difference(made, expected)
            assert off.max() <= 1
            assert (off > 0).double().mean() < 1e-3

    @pytest.mark.parametrize("size", [32, 224])
    def test_snow_given_the_reference_s_draws(self, size):
        def draw(clean, source, setting):
            fall = snow.Snowfall(*setting)
            drawn = [(source.normal(fall.mean, fall.std, (size, size)), source.uniform(-135, -45)) for _ in clean]
            normal = (torch.from_numpy(np.stack([flakes for flakes, _ in drawn])) - fall.mean) / fall.std
            return store(snow.snow(clean, normal, torch.tensor([angle for _, angle in drawn]), fall))

        for off in replayed("snow", size, draw):
            assert off.max() <= 1 and (off > 0).double().mean() < 1e-4

    @pytest.mark.parametrize("size", [32, 224])
    def test_spatter_given_the_reference_s_draws(self, size):
        def draw(clean, source, setting):
            splash = spatter.Splash(*setting)
            liquid = np.stack([source.normal(splash.mean, splash.std, (size, size)) for _ in clean])
            return store(spatter.spatter(clean, (torch.from_numpy(liquid) - splash.mean) / splash.std, splash))

        for off in replayed("spatter", size, draw):
            assert off.max() <= 1 and (off > 0).double().mean() < 1e-4

    @pytest.mark.parametrize("size", [32, 224])
    def test_elastic_transform_given_the_reference_s_draws(self, size):
        def draw(clean, source, setting):
            pull, smoothing, jitter = setting
            corners, pulls = [], []
            for _ in clean:
                corners.append(source.uniform(-jitter, jitter, size=(3, 2)).astype(np.float32) / jitter)
                pulls.append([source.uniform(-1, 1, size=(size, size)) for _ in range(2)])
            drawn = torch.from_numpy(np.stack(corners)), torch.from_numpy(np.array(pulls))
            return store(elastic.elastic_transform(clean, *drawn, pull, smoothing, jitter))

        for off in replayed("elastic_transform", size, draw):
            assert off.max() <= 1 and (off > 0).double().mean() < 4e-3

    @pytest.mark.parametrize("size", [32, 224])
    def test_glass_blur_given_the_reference_s_draws(self, size):
        def draw(clean, source, setting):
            sigma, distance, passes = setting[0], int(setting[1]), int(setting[2])
            shape = (len(clean), *glass.glass_draws(size, size, distance, passes))
            # From the last pixel to the first, each to the right and then down.
            offsets = source.randint(-distance, distance, size=shape)[..., ::-1, ::-1, ::-1].copy()
            return store(glass.glass_blur(clean, torch.from_numpy(offsets), sigma, distance))

        for off in replayed("glass_blur", size, draw):
            assert off.max() <= 1 and (off > 0).double().mean() < 1e-3

    @pytest.mark.parametrize("passes", [1, 3])
    def test_glass_blur_is_the_sequential_loop(self, passes):
        """Where neighbours may have been visited before, all at once and one after another are the same."""
        distance, side = 3, 20
        clean = photos(2, 3, side, side)
        offsets = keys(2).integers(-distance, distance, *glass.glass_draws(side, side, distance, passes))
        expected = clean.clone()
        for picture, drawn in zip(expected, offsets, strict=True):
            for one in drawn:
                for h in range(side - distance, distance, -1):
                    for w in range(side - distance, distance, -1):
                        down, right = one[h - distance - 1, w - distance - 1].tolist()
                        picture[:, h, w] = picture[:, h + down, w + right]
        assert torch.equal(store(glass.glass_blur(clean, offsets, 0.05, distance)), expected)

    @pytest.mark.parametrize("name", ["gaussian_noise", "shot_noise"])
    def test_noise_in_distribution(self, name):
        clean, severities, pictures = golden(32)
        for severity, expected in zip(severities, pictures(name), strict=True):
            made = corrupt(clean, name, severity, keys(len(clean)))
            # 98,304 values on each side: two draws differ by 0.3 % (one standard deviation) and 0.04 to 0.1 levels.
            assert rmse(made, clean) == pytest.approx(rmse(expected, clean), rel=0.012)
            shift = (made.double() - expected.double()).mean().item()
            assert abs(shift) < 4 * rmse(expected, clean) * (2 / expected.numel()) ** 0.5

    @pytest.mark.parametrize(("name", "relative"), [("motion_blur", 0.06), ("fog", 0.10)])
    def test_blur_and_fog_in_distribution(self, name, relative):
        clean, severities, pictures = golden(32)
        for severity, expected in zip(severities, pictures(name), strict=True):
            made = [rmse(corrupt(clean, name, severity, keys(32, seed)), clean) for seed in range(4)]
            assert np.mean(made) == pytest.approx(rmse(expected, clean), rel=relative)

    @pytest.mark.parametrize("name", sorted(set(ALL) & set(PUBLISHED)))
    def test_the_published_statistics(self, name):
        """Residual mean, size and spectrum over 500 pictures, of which 32 are here: five draws of each."""
        clean, _, pictures = golden(32)
        recorded = json.loads((GOLDEN / "corruption_stats_32.json").read_text())["corruptions"][name]["severity"]
        mean, size, ring = PUBLISHED[name]
        for severity, expected in zip(SEVERITIES, pictures(name), strict=True):
            made = torch.cat([corrupt(clean, name, severity, keys(32, seed)) for seed in range(5)])
            residual = made.double() - clean.double().repeat(5, 1, 1, 1)
            # The 32 pictures differ from the 500 as the reference's own results on them do.
            here = expected.double() - clean.double()
            there = recorded[str(severity)]
            assert residual.mean().item() == pytest.approx(here.mean().item(), abs=mean + 0.02 * there["rmse"])
            assert residual.square().mean().sqrt().item() == pytest.approx(rmse(expected, clean), rel=size)
            assert (rings(residual) / rings(here)).log().abs().max() < ring


class TestEveryCorruption:
    @pytest.mark.parametrize("name", ALL)
    def test_the_same_in_any_batch_and_order(self, name, monkeypatch):
        clean = photos(6)
        profile = profiles(name)[0]
        whole = corrupt(clean, name, 3, keys(6), profile=profile)
        assert whole.dtype == torch.uint8
        assert whole.shape == clean.shape
        assert not torch.equal(whole, clean)
        order = torch.tensor([4, 1, 5])
        assert torch.equal(corrupt(clean[order], name, 3, Key(0).at(order), profile=profile), whole[order])
        single = [corrupt(clean[i : i + 1], name, 3, Key(0).at([i]), profile=profile) for i in range(6)]
        assert torch.equal(torch.cat(single), whole)
        monkeypatch.setattr(suite, "_VALUES_AT_ONCE", 2 * clean[0].numel())
        assert torch.equal(corrupt(clean, name, 3, keys(6), profile=profile), whole)

    @pytest.mark.parametrize("name", ALL)
    def test_what_the_draw_depends_on(self, name):
        clean = photos(1).repeat(6, 1, 1, 1)
        profile = profiles(name)[0]
        made = corrupt(clean, name, 3, keys(6), profile=profile)
        other_seed = corrupt(clean, name, 3, keys(6, seed=1), profile=profile)
        same = name in DETERMINISTIC
        assert torch.equal(made, made[:1].expand_as(made)) == same
        assert torch.equal(made, other_seed) == same
        assert find_corruption(name).deterministic == same

    @pytest.mark.parametrize("name", ALL)
    @pytest.mark.parametrize("shape", [(3, 5, 7), (1, 33, 64), (3, 101, 108)])
    def test_any_size(self, name, shape):
        channels, height, width = shape
        clean = photos(2, channels, height, width)
        for profile in profiles(name):
            made = corrupt(clean, name, 5, keys(2), profile=profile)
            assert made.shape == clean.shape

    @pytest.mark.parametrize("name", ALL)
    def test_stronger_severities_change_more(self, name):
        if name in ("glass_blur", "elastic_transform", "saturate", "frost", "pinch_and_twirl", "ripple"):
            pytest.skip("the benchmark's own severities of this are not in the order of their size")
        clean = photos(16)
        profile = profiles(name)[0]
        if name == "circular_motion_blur":
            clean = corrupt(clean, "gaussian_blur", 5, keys(16))
        errors = [rmse(corrupt(clean, name, severity, keys(16), profile=profile), clean) for severity in (1, 5)]
        assert errors[1] > (1.02 if name == "circular_motion_blur" else 1.2) * errors[0]

    def test_a_corruption_is_asked_of_its_own_benchmark(self):
        assert len(bar_names("cifar")) == len(bar_names("imagenet")) == 10
        assert len(set(bar_names("cifar")) & set(bar_names("imagenet"))) == 5
        assert set(bar_names("cifar")) | set(bar_names("imagenet")) == set(BAR_CORRUPTIONS)
        assert {*NAMES, *EXTRA_NAMES} == set(COMMON_CORRUPTIONS)
        with pytest.raises(ValueError, match="ripple is not in the imagenet benchmark"):
            corrupt(photos(1), "ripple", 1, keys(1), profile="imagenet")

    @pytest.mark.parametrize("name", ["gaussian_noise", "shot_noise"])
    @pytest.mark.parametrize("profile", ["cifar", "imagenet"])
    def test_noise_grows_with_every_severity(self, name, profile):
        clean = photos(16)
        errors = [rmse(corrupt(clean, name, severity, keys(16), profile=profile), clean) for severity in SEVERITIES]
        assert errors == sorted(errors)

    @pytest.mark.parametrize("name", ["gaussian_noise", "fog"])
    def test_each_severity_draws_afresh(self, name):
        grey = torch.full((1, 3, 64, 64), 128, dtype=torch.uint8)
        one, two = (corrupt(grey, name, severity, keys(1)).flatten().double() for severity in (1, 2))
        assert abs(torch.corrcoef(torch.stack((one, two)))[0, 1]) < 0.9

    def test_the_profile_follows_the_shorter_side(self):
        assert profile_of(32, 32) == profile_of(99, 400) == "cifar"
        assert profile_of(100, 100) == profile_of(224, 300) == "imagenet"
        clean = photos(1, 3, 32, 32)
        assert torch.equal(
            corrupt(clean, "contrast", 1, keys(1)), corrupt(clean, "contrast", 1, keys(1), profile="cifar")
        )
        assert not torch.equal(
            corrupt(clean, "contrast", 1, keys(1)), corrupt(clean, "contrast", 1, keys(1), profile="imagenet")
        )

    def test_the_tables_are_complete(self):
        assert len(set(NAMES)) == 15 and len(set(ALL)) == 34
        for corruption in (*CORRUPTIONS, *EXTRA, *BAR):
            for profile in profiles(corruption.name):
                settings = [corruption.setting(severity, profile) for severity in SEVERITIES]
                assert [len(setting) for setting in settings] == [len(corruption.parameters)] * 5

    def test_an_empty_batch_stays_empty(self):
        for name in ALL:
            assert corrupt(photos(0), name, 1, keys(0), profile=profiles(name)[0]).shape == (0, 3, 32, 32)


class TestFrost:
    def test_ours_looks_like_the_photographs(self):
        """Means and contrast of patches, after the reduction for small pictures and without it."""
        seen = [texture.double() for texture in drawn_frost().textures]
        assert not drawn_frost().official and len(seen) == 5
        for texture, mean, contrast in zip(seen, (129, 202, 202, 152, 121), (16, 20, 20, 26, 35), strict=True):
            assert texture.mean().item() == pytest.approx(mean, abs=6)
            assert texture.mean(0).std().item() == pytest.approx(contrast, rel=0.35)
            red, green, blue = texture.mean((1, 2)).tolist()
            assert blue > green > red

    def test_the_benchmark_s_own_are_read_from_a_folder(self, tmp_path):
        names = ("frost1.png", "frost2.png", "frost3.png", "frost4.jpg", "frost5.jpg")
        for number, name in enumerate(names):
            Pillow.fromarray(np.full((60, 80, 3), 40 * number, dtype=np.uint8)).save(tmp_path / name)
        ice = load_frost(tmp_path)
        assert ice.official and [int(texture[0, 0, 0]) for texture in ice.textures] == [0, 40, 80, 120, 160]
        black = torch.zeros(200, 3, 8, 8, dtype=torch.uint8)
        made = corrupt(black, "frost", 5, keys(200), profile="cifar", ice=ice)
        # 0.45 of one of the five levels, each in a fifth of the pictures.
        levels, counts = made[:, 0, 0, 0].unique(return_counts=True)
        assert levels.tolist() == [0, 18, 36, 54, 72] and counts.min() > 20
        with pytest.raises(UserError, match=r"lacks frost6\.jpg"):
            load_frost(tmp_path, sixth=True)
        Pillow.fromarray(np.full((60, 80, 3), 200, dtype=np.uint8)).save(tmp_path / "frost6.jpg")
        assert len(load_frost(tmp_path, sixth=True).textures) == 6

    def test_what_is_missing_is_named(self, tmp_path):
        with pytest.raises(UserError, match=r"lacks frost1\.png: frost needs frost1\.png, frost2\.png"):
            load_frost(tmp_path)
        (tmp_path / "frost1.png").write_bytes(b"no picture")
        with pytest.raises(UserError, match=r"frost1\.png cannot be read"):
            load_frost(tmp_path)
        with pytest.raises(ValueError, match="no texture as large"):
            corrupt(photos(1, 3, 700, 700), "frost", 1, keys(1))


class TestVariants:
    """What the published code may not have meant, done otherwise."""

    def test_nothing_changes_by_default(self):
        clean = photos(2)
        for name in ALL:
            profile = profiles(name)[0]
            default = corrupt(clean, name, 3, keys(2), profile=profile, variant=Variant())
            assert torch.equal(default, corrupt(clean, name, 3, keys(2), profile=profile))

    @pytest.mark.parametrize("name", ["gaussian_noise", "contrast", "zoom_blur", "snow", "plasma_noise"])
    def test_rounding_takes_the_nearest_level(self, name):
        clean, profile = photos(8), profiles(name)[-1]
        cut, nearest = (
            corrupt(clean, name, 3, keys(8), profile=profile, variant=Variant(rounded=rounded)).int()
            for rounded in (False, True)
        )
        assert set((nearest - cut).unique().tolist()) == {0, 1}
        between = (cut > 0) & (cut < 255)
        assert (nearest - cut)[between].double().mean() == pytest.approx(0.5, abs=0.1)

    @pytest.mark.parametrize(("distance", "passes"), [(1, 2), (3, 1), (4, 2)])
    def test_glass_blur_swaps(self, distance, passes):
        side = 20
        clean = photos(2, 3, side, side)
        offsets = keys(2).integers(-distance, distance, *glass.glass_draws(side, side, distance, passes))
        expected = clean.clone()
        for picture, drawn in zip(expected, offsets, strict=True):
            for one in drawn:
                for h in range(side - distance, distance, -1):
                    for w in range(side - distance, distance, -1):
                        down, right = one[h - distance - 1, w - distance - 1].tolist()
                        here = picture[:, h, w].clone()
                        picture[:, h, w] = picture[:, h + down, w + right]
                        picture[:, h + down, w + right] = here
        assert torch.equal(store(glass.glass_blur(clean, offsets, 0.05, distance, swapped=True)), expected)
        # Nothing is lost, as it is where colours are copied.
        assert torch.equal(expected.flatten(1).sort().values, clean.flatten(1).sort().values)

    def test_streaks_go_both_ways(self):
        point = torch.zeros(1, 1, 9, 9, dtype=torch.uint8)
        point[..., 4, 4] = 255
        level = store(blur.motion_blur(point, torch.tensor([0.0]), 2, 1.0, centred=True))[0, 0]
        weights = np.exp(-(np.arange(-2, 3) ** 2) / 2)
        assert level[4].tolist() == [0, 0, *np.trunc(255 * weights / weights.sum()).tolist(), 0, 0]
        assert torch.equal(level, level.flip(0, 1))
        for name in ("motion_blur", "snow"):
            clean = photos(2)
            centred = corrupt(clean, name, 3, keys(2), variant=Variant(centred=True))
            assert not torch.equal(centred, corrupt(clean, name, 3, keys(2)))

    def test_defocus_keeps_the_brightness(self):
        grey = torch.full((1, 3, 40, 40), 200, dtype=torch.uint8)
        made = [
            corrupt(grey, "defocus_blur", 5, keys(1), profile="imagenet", variant=Variant(normalised=normalised))
            for normalised in (False, True)
        ]
        assert [int(one[0, 0, 0, 0]) for one in made] == [202, 200]

    def test_what_is_saved_again_is_a_jpeg_file_s(self):
        clean = photos(2)
        noisy = corrupt(clean, "gaussian_noise", 3, keys(2))
        resaved = corrupt(clean, "gaussian_noise", 3, keys(2), variant=Variant(resaved=True))
        assert torch.equal(resaved, digital.jpeg_compression(noisy, 85))


class TestOnAccelerators:
    """What is computed in another way there: the same, here on the CPU."""

    @pytest.mark.parametrize("quality", [7, 40, 80])
    @pytest.mark.parametrize("shape", [(3, 32, 32), (1, 21, 40), (3, 101, 77)])
    def test_the_codec_s_bytes(self, quality, shape):
        """But for one pixel in a million or two."""
        clean = photos(3, *shape)
        apart = (digital._by_tensors(clean, quality).int() - digital._by_pillow(clean, quality).int()).abs()
        assert apart.max() <= 1
        assert int(apart.amax(1).sum()) <= 1

    def test_streaks(self):
        clean, places = photos(3, 3, 12, 14).float(), keys(3).integers(0, 9, 2, 5)
        padded, weights = torch.nn.functional.pad(clean, (4,) * 4, mode="replicate"), [0.5, 0.2, 0.1, 0.1, 0.1]
        sums = [
            add(torch.zeros_like(clean), padded, weights, places[:, 0], places[:, 1])
            for add in (blur._add_parts, blur._add_gathered)
        ]
        assert torch.equal(*sums)


class TestSpatter:
    def test_distances_are_the_chamfer_s(self):
        cv2 = pytest.importorskip("cv2")
        edges = keys(3).field(50, 70) > 2.7
        for one, ours in zip(edges, spatter._distance(edges), strict=True):
            theirs = cv2.distanceTransform((~one).numpy().astype(np.uint8), cv2.DIST_L2, 5)
            assert np.abs(np.minimum(theirs, 20) - ours.numpy()).max() < 1e-3
        assert (spatter._distance(torch.zeros(1, 4, 4, dtype=torch.bool)) == 20).all()

    def test_what_hangs_together_is_found_by_labels_and_by_growing(self):
        noise = keys(4).field(2, 60, 60)
        weak = noise[:, 0] > 0.1
        strong = weak & (noise[:, 1] > 2)
        connected = spatter._connected(weak, strong)
        assert torch.equal(connected, spatter._grown(weak, strong))
        assert strong.sum() < connected.sum() < weak.sum()


class TestRefusals:
    def test_unknown_names_severities(self):
        clean = photos(1)
        with pytest.raises(ValueError, match="no corruption 'snowy': use one of gaussian_noise, shot_noise, "):
            corrupt(clean, "snowy", 1, keys(1))
        for severity in (0, 6):
            with pytest.raises(ValueError, match="use 1, 2, 3, 4 or 5"):
                corrupt(clean, "fog", severity, keys(1))

    def test_one_key_per_picture(self):
        with pytest.raises(ValueError, match="2 pictures need as many keys"):
            corrupt(photos(2), "fog", 1, Key(0))
        with pytest.raises(ValueError, match="2 pictures need as many keys"):
            corrupt(photos(2), "fog", 1, keys(3))

    def test_jpeg_channels(self):
        with pytest.raises(ValueError, match="1 or 3 channels, not 2"):
            corrupt(photos(1, 2), "jpeg_compression", 1, keys(1))

    def test_photons(self):
        grey = photos(1)
        with pytest.raises(ValueError, match="1 to 500 photons"):
            noise.shot_noise(grey, torch.zeros(grey.shape), 501)


class TestFormulas:
    def test_gaussian_noise_is_truncated_and_clipped(self):
        pictures = torch.tensor([100, 100, 250, 3], dtype=torch.uint8).reshape(1, 1, 1, 4)
        normal = torch.tensor([0.5, -0.5, 1.0, -1.0]).reshape(1, 1, 1, 4)
        # 100 ± 0.5·0.1·255 = 112.75 and 87.25; 250 + 25.5 and 3 − 25.5 are clipped.
        assert store(noise.gaussian_noise(pictures, normal, 0.1)).flatten().tolist() == [112, 87, 255, 0]

    def test_gaussian_noise_has_its_standard_deviation(self):
        grey = torch.full((8, 3, 64, 64), 128, dtype=torch.uint8)
        made = corrupt(grey, "gaussian_noise", 3, keys(8), profile="cifar").double()
        assert made.std() == pytest.approx(0.08 * 255, rel=0.01)
        assert made.mean() == pytest.approx(127.5, abs=0.3)  # truncation takes half a level

    @pytest.mark.parametrize("photons", [3, 25, 60, 500])
    def test_shot_noise_is_the_poisson_quantile(self, photons):
        values = torch.arange(256, dtype=torch.uint8)[:, None].repeat(1, 200)[None, None]
        normal = torch.randn(values.shape, generator=torch.Generator().manual_seed(photons))
        made = store(noise.shot_noise(values, normal, photons))
        counts = stats.poisson.ppf(stats.norm.cdf(normal.double().numpy()), photons * values.double().numpy() / 255)
        expected = np.trunc(np.minimum(counts / photons, 1) * 255)
        assert (made.numpy() != expected).mean() < 1e-4

    def test_shot_noise_frequencies(self):
        grey = torch.full((40, 3, 32, 32), 100, dtype=torch.uint8)
        made = corrupt(grey, "shot_noise", 4, keys(40), profile="imagenet")
        mean = 5 * 100 / 255
        counts = np.array([(made == int(255 * k / 5)).sum().item() for k in range(6)])
        expected = np.append(stats.poisson.pmf(range(5), mean), stats.poisson.sf(4, mean)) * made.numel()
        assert counts.sum() == made.numel()
        assert stats.chisquare(counts, expected).pvalue > 1e-4

    @pytest.mark.parametrize("photons", [3, 60, 500])
    def test_no_cell_of_the_quantile_table_holds_two_thresholds(self, photons):
        mean = torch.arange(256).double()[:, None] * photons / 255
        scores = torch.special.ndtri(torch.special.gammaincc(torch.arange(1.0, photons + 1).double(), mean))
        cells = torch.where(scores.abs() < 7, (scores * 64).floor(), torch.nan)
        assert not (cells.diff(dim=1) == 0).any()

    def test_black_has_no_shot_noise(self):
        black = torch.zeros(1, 3, 16, 16, dtype=torch.uint8)
        assert corrupt(black, "shot_noise", 5, keys(1)).max() == 0

    def test_disk_kernels(self):
        assert blur.disk_kernel(3.0, 0.1).count_nonzero() >= 29
        assert (blur.disk_kernel(3.0, 0.1) > 0.03).sum() == 29
        assert blur.disk_kernel(6.0, 0.5).sum() == pytest.approx(1, abs=1e-6)
        # The smoothing reflects at the edge of the kernel's grid, which the disks of radius 8 and 10 touch.
        assert blur.disk_kernel(8.0, 0.5).sum() == pytest.approx(1.01298, abs=1e-5)
        assert blur.disk_kernel(10.0, 0.5).sum() == pytest.approx(1.01079, abs=1e-5)

    def test_defocus_of_a_point(self):
        point = torch.zeros(1, 1, 9, 9, dtype=torch.uint8)
        point[..., 4, 4] = 253
        plus = corrupt(point, "defocus_blur", 4, keys(1))[0, 0]
        assert plus[4, 3:6].tolist() == plus[3:6, 4].tolist() == [50, 50, 50]
        assert plus.int().sum() == 250
        box = corrupt(point, "defocus_blur", 5, keys(1))[0, 0]
        assert (box[3:6, 3:6] == 28).all()
        assert box.int().sum() == 9 * 28

    def test_defocus_continues_by_reflection(self):
        edge = torch.zeros(1, 1, 6, 6, dtype=torch.uint8)
        edge[..., 1] = 90
        # Column 0 has the neighbours 1 and, by reflection about column 0, 1 again.
        assert corrupt(edge, "defocus_blur", 5, keys(1))[0, 0, 2].tolist() == [60, 30, 30, 0, 0, 0]

    def test_motion_blur_of_a_point_is_a_one_sided_streak(self):
        point = torch.zeros(1, 1, 9, 9, dtype=torch.uint8)
        point[..., 4, 4] = 255
        weights = np.exp(-(np.arange(5) ** 2) / 2)
        expected = np.trunc(255 * weights / weights.sum()).tolist()
        level = store(blur.motion_blur(point, torch.tensor([0.0]), 2, 1.0))[0, 0]
        assert level[4].tolist() == [*expected[::-1], 0, 0, 0, 0]
        assert level.count_nonzero() == level[4].count_nonzero()
        # At 45° tap i lies ceil(i/√2 − ½) = 0, 1, 1, 2, 3 pixels further right and further down.
        slanted = store(blur.motion_blur(point, torch.tensor([45.0]), 2, 1.0))[0, 0]
        summed = np.trunc(255 * np.array([weights[0], weights[1] + weights[2], weights[3], weights[4]]) / weights.sum())
        assert slanted.diagonal().tolist() == [0, *summed[::-1].tolist(), 0, 0, 0, 0]

    def test_motion_blur_repeats_the_border(self):
        flat = torch.full((1, 3, 8, 8), 200, dtype=torch.uint8)
        assert (corrupt(flat, "motion_blur", 5, keys(1)) == 200).all()

    def test_plasma_of_side_two_by_hand(self):
        unit = torch.tensor([[0.75, 0.5, 0.25]], dtype=torch.float64)
        # Corner 0; centre 0 + ½; upper middle (0 + 0 + ½ + ½)/4 + 0 = ¼; left middle ¼ − ½ = −¼. Then to [0, 1].
        assert fog.plasma(unit, 3.0)[0].flatten().tolist() == pytest.approx([1 / 3, 2 / 3, 0, 1])

    @pytest.mark.parametrize("decay", [2.0, 4.0])
    def test_plasma_perturbations_fall_by_the_square_of_the_decay(self, decay):
        unit = torch.full((1, 15), 0.5, dtype=torch.float64)
        unit[0, 0] = unit[0, 3] = 1.0  # the first centre of each of the two levels, pushed up
        field = fog.plasma(unit, decay)[0]
        # Corner 0 and centre 1 are the extremes; half-way between them ½, and the second push.
        assert (field[0, 0], field[2, 2], field[3, 3]) == (0, 1, 0.5)
        assert field[1, 1] == 0.5 + decay**-2

    def test_plasma_wraps_around(self):
        unit = keys(64).unit(63)
        field = fog.plasma(unit, 3.0)
        assert field.shape == (64, 8, 8)
        assert field.amin((1, 2)).tolist() == [0.0] * 64
        assert field.amax((1, 2)).tolist() == pytest.approx([1.0] * 64)
        across, far = (field[:, :, 0] - field[:, :, -1]).abs().mean(), (field[:, :, 0] - field[:, :, 4]).abs().mean()
        assert across < 0.6 * far

    def test_fog_keeps_the_brightest_value(self):
        assert fog.plasma_draws(32, 32) == 32**2 - 1
        assert fog.plasma_draws(20, 33) == 64**2 - 1
        clean = photos(4) // 2
        assert (corrupt(clean, "fog", 3, keys(4)).amax((1, 2, 3)) <= clean.amax((1, 2, 3))).all()
        black = torch.zeros(1, 3, 32, 32, dtype=torch.uint8)
        assert corrupt(black, "fog", 5, keys(1)).max() == 0

    def test_contrast_by_hand(self):
        pictures = torch.tensor([[0, 100], [200, 100]], dtype=torch.uint8)[None, None]
        # Mean 100; severity 5 keeps 0.15 of each distance: 85, 100, 115.
        assert corrupt(pictures, "contrast", 5, keys(1)).flatten().tolist() == [85, 100, 115, 100]

    def test_contrast_is_per_channel(self):
        flat = torch.tensor([10, 90, 250], dtype=torch.uint8)[None, :, None, None].expand(1, 3, 4, 4)
        assert torch.equal(corrupt(flat, "contrast", 5, keys(1)), flat)

    def test_pixelate_by_hand(self):
        row = torch.tensor([0, 1, 10, 20], dtype=torch.uint8).expand(1, 1, 4, 4)
        # Two new pixels of two each: (0 + 1)/2 is rounded up to 1.
        assert digital.pixelate(row, 0.5)[0, 0, 2].tolist() == [1, 1, 15, 15]
        # Three of 4/3 pixels: centres ½ | 1½, 2½ | 3½; each old pixel then shows the part that its centre lies in.
        assert digital.pixelate(row, 0.75)[0, 0, 2].tolist() == [0, 6, 6, 20]

    def test_jpeg_halves_the_resolution_of_colour(self):
        columns = torch.tensor([[180, 100, 100], [100, 100, 180]], dtype=torch.uint8).repeat(16, 1).T
        made = corrupt(columns[None, :, None].repeat(1, 1, 32, 1), "jpeg_compression", 1, keys(1)).int()
        warmth = made[0, 0] - made[0, 2]
        assert (warmth[:, ::2] - warmth[:, 1::2]).abs().double().mean() < 0.1 * 160

    def test_jpeg_keeps_flat_pictures_and_destroys_fine_ones(self):
        flat = torch.full((1, 3, 32, 32), 128, dtype=torch.uint8)
        assert torch.equal(corrupt(flat, "jpeg_compression", 5, keys(1)), flat)
        fine = photos(2)
        assert 2 < rmse(corrupt(fine, "jpeg_compression", 1, keys(2)), fine) < 60

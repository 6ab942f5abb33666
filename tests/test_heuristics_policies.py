"""Policies: the published tables, ranges and probabilities, and their results against Pillow, picture by picture."""

import math
from collections import Counter

import numpy as np
import pytest
import torch
from PIL import Image as PillowImage
from PIL import ImageDraw, ImageEnhance, ImageOps
from scipy.stats import chi2_contingency, chisquare

from mechaug.heuristics import (
    AutoAugment,
    FastAutoAugment,
    PolicyParameters,
    RandAugment,
    TrivialAugmentWide,
    autoaugment,
    fast_autoaugment,
    policy,
    randaugment,
)
from mechaug.heuristics.chains import NOTHING
from mechaug.heuristics.fast_autoaugment import FastAutoAugmentParameters
from mechaug.keys import Key
from mechaug.testing import example_pictures
from torchvision_oracle import recorded, torchvision

KEY = Key(5).at(torch.arange(6000))
POLICIES = [AutoAugment(), AutoAugment("imagenet"), RandAugment(), RandAugment(3, 25), TrivialAugmentWide()]
# torchvision's names of what is not spelled alike.
THEIRS = {"colour": "Color", "autocontrast": "AutoContrast"}


def _theirs(name: str) -> str:
    plain = name.removesuffix("_px")
    return THEIRS.get(plain) or "".join(part.capitalize() for part in plain.split("_"))


def _argument(name: str, magnitude: float) -> float:
    """torchvision's magnitude for ours: a threshold, or the bits that are kept."""
    match name:
        case "solarize":
            return 256 - magnitude
        case "posterize":
            return 8 - magnitude
        case "autocontrast" | "equalize" | "invert":
            return 0.0
        case _:
            return magnitude


def _pillow(image: PillowImage.Image, name: str, m: float) -> PillowImage.Image:
    """One operation as the policies' published code does it with Pillow, written from its description."""
    width, height = image.size

    def affine(*matrix: float) -> PillowImage.Image:
        return image.transform(image.size, PillowImage.Transform.AFFINE, matrix)

    match name:
        case "shear_x":
            return affine(1, m, 0, 0, 1, 0)
        case "shear_y":
            return affine(1, 0, 0, m, 1, 0)
        case "translate_x":
            return affine(1, 0, int(m * width), 0, 1, 0)
        case "translate_y":
            return affine(1, 0, 0, 0, 1, int(m * height))
        case "translate_x_px":
            return affine(1, 0, int(m), 0, 1, 0)
        case "translate_y_px":
            return affine(1, 0, 0, 0, 1, int(m))
        case "rotate":
            return image.rotate(m)
        case "brightness":
            return ImageEnhance.Brightness(image).enhance(1 + m)
        case "colour":
            return ImageEnhance.Color(image).enhance(1 + m)
        case "contrast":
            return ImageEnhance.Contrast(image).enhance(1 + m)
        case "sharpness":
            return ImageEnhance.Sharpness(image).enhance(1 + m)
        case "posterize":
            return ImageOps.posterize(image, int(8 - m))
        case "solarize":
            return ImageOps.solarize(image, 256 - m)
        case "autocontrast":
            return ImageOps.autocontrast(image)
        case "equalize":
            return ImageOps.equalize(image)
        case "invert":
            return ImageOps.invert(image)
        case _:
            raise AssertionError(name)


def _stored(batch: int, height: int, width: int) -> np.ndarray:
    noisy = example_pictures(batch, height=height, width=width) + 0.02 * Key(2).normal(
        0.0, 1.0, batch, 3, height, width
    )
    return (noisy.clamp(0, 1) * 255).byte().permute(0, 2, 3, 1).numpy()


def _floats(stored: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(stored).permute(0, 3, 1, 2).float() / 255


def _compare(ours: torch.Tensor, theirs: list[PillowImage.Image]) -> None:
    levels = (ours * 255).round().permute(0, 2, 3, 1).numpy()
    difference = np.abs(levels - np.stack([np.asarray(image) for image in theirs]))
    # Alike to a level or none; after it, equalizing may tell two neighbouring levels further apart.
    assert (difference > 1).mean() < 0.001
    assert (difference > 0).mean() < 0.005


# Results ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [(32, 32), (24, 45)])
@pytest.mark.parametrize("heuristic", POLICIES, ids=repr)
def test_pictures_come_out_as_from_pillow(heuristic: AutoAugment, size: tuple[int, int]) -> None:
    stored = _stored(200, *size)
    params = heuristic.sample(KEY.rows(torch.arange(200)))
    theirs = []
    for image, codes, magnitudes in zip(stored, params.operation.tolist(), params.magnitude.tolist(), strict=True):
        result = PillowImage.fromarray(image)
        for code, magnitude in zip(codes, magnitudes, strict=True):
            if code != NOTHING:
                result = _pillow(result, policy.NAMES[code], magnitude)
        theirs.append(result)
    _compare(heuristic.apply(_floats(stored), params), theirs)


@pytest.mark.parametrize("size", [(32, 32), (24, 45)])
def test_fast_autoaugment_comes_out_as_from_pillow(size: tuple[int, int]) -> None:
    height, width = size
    stored, names = _stored(400, *size), list(fast_autoaugment.RANGES)
    params = FastAutoAugment().sample(KEY.rows(torch.arange(400)))
    theirs, squares = [], 0
    for i, image in enumerate(stored):
        result = PillowImage.fromarray(image)
        for step in (0, 1):
            code, magnitude = int(params.operation[i, step]), float(params.magnitude[i, step])
            if code == NOTHING:
                continue
            if names[code] == "cutout":
                squares += 1
                side = magnitude * width
                x0 = int(max(0, float(params.across[i, step]) * width - side / 2))
                y0 = int(max(0, float(params.down[i, step]) * height - side / 2))
                xy = (x0, y0, min(width, x0 + side), min(height, y0 + side))
                ImageDraw.Draw(result).rectangle(xy, (125, 123, 114))
            elif names[code] in ("translate_x", "translate_y"):
                along = names[code] == "translate_x"
                shift = magnitude * (width if along else height)
                matrix = (1, 0, shift if along else 0, 0, 1, 0 if along else shift)
                result = result.transform(result.size, PillowImage.Transform.AFFINE, matrix)
            else:
                result = _pillow(result, names[code], magnitude)
        theirs.append(result)
    assert squares > 10
    _compare(FastAutoAugment().apply(_floats(stored), params), theirs)


# Directions -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("tops", [autoaugment.TOPS, randaugment.WIDE_TOPS], ids=["standard", "wide"])
def test_more_is_stronger_and_nothing_is_black(tops: dict[str, float]) -> None:
    """Faults of peers: a magnitude that runs the other way, and a posterization to 0 bits, which is black."""
    x = example_pictures(16, height=64, width=64)
    for name in tops:
        scale = policy.scale(name, 31, tops)
        distances = []
        for level in (0, 10, 20, 30):
            magnitude = scale[level].expand(16, 1).contiguous()
            operation = torch.full((16, 1), policy.NAMES.index(name))
            y = policy.follow(x, PolicyParameters(operation, magnitude))
            assert y.mean() > 0.05, name
            distances.append(((y - x) ** 2).mean().item())
        assert distances[0] < 1e-3, f"{name}: level 0 changes the picture"
        # Turned or sheared far, a picture is as unlike itself as it will ever be.
        far = name in ("rotate", "shear_x", "shear_y") and tops is randaugment.WIDE_TOPS
        assert min(distances[1:]) > 0.01 if far else distances == sorted(distances), f"{name}: {distances}"


def test_bits_and_thresholds_are_the_published_ones() -> None:
    """Posterize keeps 8 to 4 bits (wide: 2), and solarize inverts from 255 down to 0."""
    kept = 8 - policy.scale("posterize", 10, autoaugment.TOPS)
    assert kept.tolist() == [8, 8, 7, 7, 6, 6, 5, 5, 4, 4]
    wide = 8 - policy.scale("posterize", 31, randaugment.WIDE_TOPS)
    assert wide.min() == 2
    assert wide.max() == 8
    threshold = 256 - policy.scale("solarize", 10, autoaugment.TOPS)
    assert torch.allclose(threshold, torch.linspace(255.0, 0.0, 10), atol=1e-4)


def test_a_level_of_fast_autoaugment_means_what_it_meant_in_its_search() -> None:
    expected = {
        ("posterize", 0.0): 4, ("posterize", 0.6): 2, ("solarize", 0.25): 192, ("contrast", 0.5): 0.0,
        ("colour", 0.0): -0.9, ("sharpness", 1.0): 0.9, ("rotate", 0.0): -30.0, ("shear_x", 0.75): 0.15,
        ("translate_y", 1.0): 0.45, ("cutout", 0.5): 0.1, ("invert", 0.1): 1.0,
    }  # fmt: skip
    for (name, level), value in expected.items():
        assert math.isclose(fast_autoaugment.magnitude(name, level), value, abs_tol=1e-9), name


# Tables -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "repeated"), [("CIFAR10", 0), ("IMAGENET", 5)])
def test_tables_have_25_pairs(name: str, repeated: int) -> None:
    pairs = getattr(autoaugment, name)
    assert len(pairs) == 25
    assert len(set(pairs)) == 25 - repeated
    for operation, probability, level in (step for pair in pairs for step in pair):
        assert operation in policy.OPERATIONS
        assert round(probability * 10) == pytest.approx(probability * 10)
        assert 0 <= level <= 9


@pytest.mark.parametrize("name", ["CIFAR10", "IMAGENET"])
def test_tables_are_those_of_torchvision(name: str) -> None:
    module = torchvision()
    theirs = module.AutoAugment(getattr(module.AutoAugmentPolicy, name)).policies
    ours = [tuple((_theirs(op), p, level) for op, p, level in pair) for pair in getattr(autoaugment, name)]
    assert ours == [tuple((op, p, level or 0) for op, p, level in pair) for pair in theirs]


def test_ranges_are_those_of_torchvision() -> None:
    module = torchvision()
    side = 96
    spaces = [
        (module.AutoAugment()._augmentation_space(10, (side, side)), autoaugment.TOPS, 10),
        (module.RandAugment()._augmentation_space(31, (side, side)), autoaugment.TOPS, 31),
        (module.TrivialAugmentWide()._augmentation_space(31), randaugment.WIDE_TOPS, 31),
    ]
    for space, tops, levels in spaces:
        assert {_theirs(name) for name in tops} == {name for name, (values, _) in space.items() if values.ndim}
        for name in tops:
            values, signed = space[_theirs(name)]
            mine = torch.tensor([_argument(name, m) for m in policy.scale(name, levels, tops).tolist()])
            share = side if name in ("translate_x", "translate_y") else 1
            assert torch.allclose(mine * share, values.float(), atol=1e-3), name
            assert (name in policy.SIGNED) == signed, name


def test_the_table_of_fast_autoaugment_is_whole() -> None:
    pairs = fast_autoaugment.pairs()
    assert len(pairs) == 493
    counts = Counter(name for pair in pairs for name, _, _ in pair)
    # As in the published archive.
    assert counts == {
        "cutout": 79, "invert": 75, "equalize": 74, "translate_y": 73, "autocontrast": 70, "contrast": 66,
        "translate_x": 66, "colour": 65, "rotate": 64, "shear_x": 64, "posterize": 63, "shear_y": 63,
        "sharpness": 62, "brightness": 54, "solarize": 48,
    }  # fmt: skip
    assert pairs[0] == (
        ("contrast", 0.8320659688593578, 0.49884310562180767),
        ("translate_x", 0.41849883971249136, 0.394023086494538),
    )
    assert all(0 < probability < 1 and 0 < level < 1 for pair in pairs for _, probability, level in pair)


# Draws ------------------------------------------------------------------------------------------------------------


def _plausible(counts: list[int], shares: list[float]) -> None:
    expected = np.array(shares) * sum(counts) / sum(shares)
    assert chisquare(counts, expected).pvalue > 1e-4, counts


def _drawn(params: PolicyParameters | FastAutoAugmentParameters, names: list[str]) -> Counter[tuple[str, float]]:
    steps = zip(params.operation.flatten().tolist(), params.magnitude.flatten().tolist(), strict=True)
    return Counter((names[code], round(m, 4)) for code, m in steps if code != NOTHING)


@pytest.mark.parametrize("name", ["cifar10", "imagenet"])
def test_autoaugment_draws_its_pairs_evenly_and_its_steps_with_their_probabilities(name: str) -> None:
    pairs = {"cifar10": autoaugment.CIFAR10, "imagenet": autoaugment.IMAGENET}[name]
    found = _drawn(AutoAugment(name).sample(KEY), list(policy.NAMES))  # type: ignore[arg-type]
    expected: Counter[tuple[str, float]] = Counter()
    for operation, probability, level in (step for pair in pairs for step in pair):
        magnitude = policy.scale(operation, 10, autoaugment.TOPS)[level].item()
        ways = (1, -1) if operation in policy.SIGNED and magnitude else (1,)
        for sign in ways:
            expected[operation, round(sign * magnitude, 4)] += probability / len(ways)
    possible = [what for what, share in expected.items() if share > 0]
    assert set(found) <= set(possible)
    # What is not taken, too: 50 steps in 25 pairs.
    nothing = 2 * KEY.shape[0] - sum(found.values())
    shares = [expected[what] for what in possible]
    _plausible([*(found[what] for what in possible), nothing], [*shares, 50 - sum(shares)])


def test_randaugment_draws_operations_evenly_at_one_level() -> None:
    params = RandAugment(3, 17).sample(KEY)
    found = _drawn(params, list(policy.NAMES))
    by_name = Counter({name: sum(n for (other, _), n in found.items() if other == name) for name, _ in found})
    identity = params.operation.numel() - sum(by_name.values())
    names = [name for name in randaugment.RAND_OPERATIONS if name != "identity"]
    _plausible([identity, *(by_name[name] for name in names)], [1.0] * 14)
    for name in names:
        expected = round(policy.scale(name, 31, autoaugment.TOPS)[17].item(), 4)
        values = {m: n for (other, m), n in found.items() if other == name}
        assert set(values) == ({expected, -expected} if name in policy.SIGNED else {expected})
        if name in policy.SIGNED:
            _plausible(list(values.values()), [1.0, 1.0])


def test_trivialaugment_draws_operations_and_levels_evenly() -> None:
    params = TrivialAugmentWide().sample(Key(7).at(torch.arange(40000)))
    found = _drawn(params, list(policy.NAMES))
    # Those with a strength: each level, and each direction, as often as any other.
    for name in randaugment.WIDE_TOPS:
        scale = Counter(round(m, 4) for m in policy.scale(name, 31, randaugment.WIDE_TOPS).tolist())
        counts: Counter[float] = Counter()
        for (other, m), n in found.items():
            counts[abs(m)] += n if other == name else 0
        values = [m for m in scale if m or name != "posterize"]
        _plausible([counts[m] for m in values], [float(scale[m]) for m in values])
    total = sum(found.values())
    assert abs(total / 40000 - 13 / 14) < 0.02


def test_fast_autoaugment_draws_as_often_as_published() -> None:
    params = FastAutoAugment().sample(Key(8).at(torch.arange(30000)))
    names = list(fast_autoaugment.RANGES)
    counts = Counter(names[code] for code in params.operation.flatten().tolist() if code != NOTHING)
    expected: Counter[str] = Counter()
    for name, probability, _ in (step for pair in fast_autoaugment.pairs() for step in pair):
        expected[name] += probability  # type: ignore[assignment]
    nothing = 60000 - sum(counts.values())
    shares = [float(expected[name]) for name in names]
    _plausible([*(counts[name] for name in names), nothing], [*shares, 2 * 493 - sum(shares)])
    # A cutout lies anywhere, and nothing else has a place.
    cutout = params.operation == names.index("cutout")
    assert (params.across[~cutout] == 0).all()
    for place in (params.across[cutout], params.down[cutout]):
        assert abs(place.mean() - 0.5) < 0.03
        assert abs(place.var() - 1 / 12) < 0.01


@pytest.mark.parametrize("name", ["AutoAugment", "RandAugment", "TrivialAugmentWide"])
def test_draws_have_the_distribution_of_torchvision(name: str) -> None:
    """Operations with their arguments, theirs recorded and ours, as two samples of one law."""
    module, draws, side = torchvision(), 3000, 32
    ours, theirs = {
        "AutoAugment": (AutoAugment("imagenet"), module.AutoAugment(module.AutoAugmentPolicy.IMAGENET)),
        "RandAugment": (RandAugment(), module.RandAugment()),
        "TrivialAugmentWide": (TrivialAugmentWide(), module.TrivialAugmentWide()),
    }[name]
    picture = torch.zeros(3, side, side, dtype=torch.uint8)
    with recorded(module) as calls:
        for _ in range(draws):
            theirs(picture)
    params = ours.sample(KEY.rows(torch.arange(draws)))
    mine: Counter[tuple[str, float]] = Counter()
    for code, magnitude in zip(params.operation.flatten().tolist(), params.magnitude.flatten().tolist(), strict=True):
        if code != NOTHING:
            operation = policy.NAMES[code]
            argument = _argument(operation, magnitude)
            share = side if operation in ("translate_x", "translate_y") else 1
            mine[_theirs(operation), round(argument * share, 2)] += 1
    other = Counter((operation, round(m, 2)) for operation, m in calls if operation != "Identity")
    # Levels are pooled by operation and direction where they are many.
    pooled = [Counter(), Counter()]
    for counter, counts in zip(pooled, (mine, other), strict=True):
        for (operation, m), n in counts.items():
            counter[operation, m if name != "TrivialAugmentWide" else (m > 0) - (m < 0)] += n
    kinds = sorted({kind for counter in pooled for kind in counter if sum(c[kind] for c in pooled) >= 10})
    assert len(kinds) > 12
    counted = np.array([[counter[kind] for kind in kinds] for counter in pooled])
    assert chi2_contingency(counted).pvalue > 1e-4, dict(zip(kinds, counted.T.tolist(), strict=True))
    # And what is drawn at all is the same.
    rare = {kind for kind, n in (mine + other).items() if n >= 30}
    assert rare <= set(mine) & set(other)


@pytest.mark.parametrize(
    ("make", "word"),
    [
        (lambda: RandAugment(operations=0), "operations"),
        (lambda: RandAugment(level=31), "level"),
    ],
)
def test_arguments_out_of_range_are_refused(make: object, word: str) -> None:
    with pytest.raises(ValueError, match=word):
        make()  # type: ignore[operator]


@pytest.mark.untyped  # run without run-time checks, which would refuse it first
def test_an_unknown_policy_is_refused() -> None:
    with pytest.raises(ValueError, match='"cifar10" or "imagenet", not \'svhn\''):
        AutoAugment("svhn")  # type: ignore[arg-type]

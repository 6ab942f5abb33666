"""AugMix: the draws of the published method, and its mixture against one made image by image with Pillow."""

import numpy as np
import pytest
import torch
from PIL import Image as PillowImage
from PIL import ImageOps
from scipy.stats import chi2_contingency, chisquare, ks_2samp

from mechaug.heuristics.augmix import OPERATIONS, AugMix, AugMixParameters
from mechaug.heuristics.chains import NOTHING
from mechaug.keys import Key
from torchvision_oracle import recorded, torchvision

NAMES = list(OPERATIONS)
KEY = Key(5).at(torch.arange(3000))
BILINEAR = PillowImage.Resampling.BILINEAR
AFFINE = PillowImage.Transform.AFFINE


def _pillow_step(image: PillowImage.Image, name: str, level: float, sign: float) -> PillowImage.Image:
    """One operation as the published code defines it, written from its description."""
    width, height = image.size
    slope = sign * level * 0.3 / 10
    columns, rows = sign * int(level * (width / 3) / 10), sign * int(level * (height / 3) / 10)
    match name:
        case "autocontrast":
            return ImageOps.autocontrast(image)
        case "equalize":
            return ImageOps.equalize(image)
        case "posterize":
            return ImageOps.posterize(image, 4 - int(level * 4 / 10))
        case "rotate":
            return image.rotate(sign * int(level * 30 / 10), resample=BILINEAR)
        case "solarize":
            return ImageOps.solarize(image, 256 - int(level * 256 / 10))
        case "shear_x":
            matrix = (1, slope, 0, 0, 1, 0)
        case "shear_y":
            matrix = (1, 0, 0, slope, 1, 0)
        case "translate_x":
            matrix = (1, 0, columns, 0, 1, 0)
        case "translate_y":
            matrix = (1, 0, 0, 0, 1, rows)
        case _:
            raise AssertionError(name)
    return image.transform(image.size, AFFINE, matrix, resample=BILINEAR)


def _pillow_augmix(stored: np.ndarray, params: AugMixParameters, index: int) -> np.ndarray:
    """The whole method for one image, in float64."""
    chains = np.zeros(stored.shape)
    for chain, weight in enumerate(params.weights[index].tolist()):
        image = PillowImage.fromarray(stored)
        for step, code in enumerate(params.operation[index, chain].tolist()):
            if code != NOTHING:
                level, sign = params.level[index, chain, step].item(), params.sign[index, chain, step].item()
                image = _pillow_step(image, NAMES[code], level, sign)
        chains += weight * np.asarray(image)
    mix = params.mix[index].item()
    return (1 - mix) * stored + mix * chains


def _pictures(batch: int, side: int) -> np.ndarray:
    """Smooth pictures with a little noise, as photographs have, each with its own range of values."""
    coarse = Key(1).uniform(0.0, 1.0, batch, 3, 5, 5)
    smooth = torch.nn.functional.interpolate(coarse, size=(side, side), mode="bicubic").clamp(0.1, 0.9)
    noisy = smooth + 0.02 * Key(2).normal(0.0, 1.0, *smooth.shape)
    return (noisy.clamp(0, 1) * 255).to(torch.uint8).permute(0, 2, 3, 1).numpy()


@pytest.mark.parametrize("severity", [3.0, 10.0])
@pytest.mark.parametrize("side", [32, 45])
def test_it_is_the_published_mixture(severity: float, side: int) -> None:
    stored = _pictures(24, side)
    mechanism = AugMix(severity=severity)
    params = mechanism.sample(KEY.rows(torch.arange(24)))
    ours = mechanism.apply(torch.from_numpy(stored).permute(0, 3, 1, 2).float() / 255, params) * 255
    theirs = np.stack([_pillow_augmix(image, params, i) for i, image in enumerate(stored)])
    difference = np.abs(ours.permute(0, 2, 3, 1).numpy() - theirs)
    # Single operations agree to one grey level; equalize may then tell two neighbouring levels further apart.
    assert np.quantile(difference, 0.98) < 0.01
    assert difference.max() < 20
    assert np.abs(stored - theirs).mean() > 5  # so that doing nothing would fail


@pytest.mark.parametrize("name", NAMES)
def test_each_operation_alone_is_the_published_one(name: str) -> None:
    stored = _pictures(20, 32)
    mechanism = AugMix(severity=10.0, width=1, depth=1, operations=(name,))
    params = mechanism.sample(KEY.rows(torch.arange(20))).replace(mix=torch.ones(20))
    ours = mechanism.apply(torch.from_numpy(stored).permute(0, 3, 1, 2).float() / 255, params) * 255
    theirs = np.stack([_pillow_augmix(image, params, i) for i, image in enumerate(stored)])
    assert np.abs(ours.permute(0, 2, 3, 1).numpy() - theirs).max() < 1.001


def test_draws_follow_the_published_laws() -> None:
    params = AugMix().sample(KEY)
    count = KEY.shape[0]
    assert torch.allclose(params.weights.sum(1), torch.ones(count))
    # Dirichlet(1, 1, 1): mean 1/3, variance 1/18. Beta(1, 1): mean 1/2, variance 1/12.
    assert torch.allclose(params.weights.mean(0), torch.full((3,), 1 / 3), atol=0.02)
    assert torch.allclose(params.weights.var(0), torch.full((3,), 1 / 18), atol=0.005)
    assert abs(params.mix.mean().item() - 0.5) < 0.025
    assert abs(params.mix.var().item() - 1 / 12) < 0.005
    assert params.level.min() >= 0.1
    assert params.level.max() <= 3.0
    assert abs(params.level.mean().item() - 1.55) < 0.03
    assert set(params.sign.unique().tolist()) == {-1.0, 1.0}
    assert abs(params.sign.mean().item()) < 0.03
    depth = (params.operation != NOTHING).sum(2)
    assert torch.allclose(
        torch.bincount(depth.flatten(), minlength=4) / depth.numel(), torch.tensor([0, 1 / 3, 1 / 3, 1 / 3]), atol=0.02
    )
    taken = params.operation[params.operation != NOTHING]
    assert torch.allclose(torch.bincount(taken, minlength=9) / len(taken), torch.full((9,), 1 / 9), atol=0.01)


def test_severity_is_drawn_anew_for_every_step() -> None:
    """A fault of a peer: one severity for all."""
    level = AugMix(severity=10.0).sample(KEY).level
    assert len(level.unique()) > 0.99 * level.numel()
    # Uniform from 0.1 to 10: its tenths are equally full.
    counts = torch.histc(level, 10, 0.1, 10.0)
    assert chisquare(counts.numpy()).pvalue > 1e-4
    # Steps of one picture are not tied to each other.
    assert torch.corrcoef(level.flatten(1).T).fill_diagonal_(0.0).abs().max() < 0.1


def test_chains_have_the_distribution_of_torchvision() -> None:
    """Operations, depth and weights; its levels are whole numbers, and ours are those of the published code."""
    module = torchvision()
    theirs, picture, depths, weights = module.AugMix(all_ops=False), torch.zeros(3, 8, 8, dtype=torch.uint8), [], []
    dirichlet = theirs._sample_dirichlet
    theirs._sample_dirichlet = lambda params: weights.append(dirichlet(params)) or weights[-1]
    with recorded(module) as calls:
        for _ in range(1500):
            before = len(calls)
            theirs(picture)
            depths.append(len(calls) - before)
    params = AugMix().sample(KEY)
    taken = params.operation[params.operation != NOTHING]
    mine = torch.bincount(taken, minlength=9).tolist()
    spelled = {"autocontrast": "AutoContrast"}
    other = [
        sum(spelled.get(name, "".join(part.capitalize() for part in name.split("_"))) == call for call, _ in calls)
        for name in NAMES
    ]
    assert sum(other) == len(calls)
    assert chi2_contingency(np.array([mine, other])).pvalue > 1e-4
    # Three chains of one to three steps: 3 to 9 in all.
    ours = (params.operation != NOTHING).sum((1, 2))
    counted = [torch.bincount(t, minlength=10)[3:].numpy() for t in (ours, torch.tensor(depths))]
    assert chi2_contingency(np.array(counted)).pvalue > 1e-4
    # They draw the share of the clean picture first, then the chains' weights.
    clean, chains = torch.cat(weights[0::2]), torch.cat(weights[1::2])
    assert ks_2samp(params.mix.numpy(), clean[:, 1].numpy()).pvalue > 1e-4
    assert ks_2samp(params.weights.flatten().numpy(), chains.flatten().numpy()).pvalue > 1e-4


def test_what_is_not_taken_is_at_the_end_of_a_chain() -> None:
    nothing = AugMix().sample(KEY).operation == NOTHING
    assert not (nothing[..., :-1] & ~nothing[..., 1:]).any()
    assert not nothing[..., 0].any()


@pytest.mark.parametrize("depth", [1, 2, 5])
def test_a_given_depth_is_kept(depth: int) -> None:
    operation = AugMix(depth=depth, width=2).sample(KEY).operation
    assert operation.shape == (3000, 2, depth)
    assert (operation != NOTHING).all()


def test_only_the_chosen_operations_are_drawn() -> None:
    operation = AugMix(operations=("rotate", "solarize")).sample(KEY).operation
    assert set(operation.unique().tolist()) == {NOTHING, NAMES.index("rotate"), NAMES.index("solarize")}


def test_a_row_does_not_depend_on_the_batch() -> None:
    x = torch.from_numpy(_pictures(12, 32)).permute(0, 3, 1, 2).float() / 255
    mechanism = AugMix()
    key = KEY.rows(torch.arange(12))
    together = mechanism(x, key)
    alone = [mechanism(x[i : i + 1], key.rows(torch.tensor([i]))) for i in range(12)]
    assert torch.allclose(together, torch.cat(alone), atol=1e-6)


def test_large_pictures_are_taken_in_portions_that_do_not_show() -> None:
    x = torch.from_numpy(_pictures(12, 160)).permute(0, 3, 1, 2).float() / 255
    mechanism = AugMix(depth=1)
    params = mechanism.sample(KEY.rows(torch.arange(12)))
    together = mechanism.apply(x, params)
    last = mechanism.apply(x[-1:], params.rows(torch.tensor([11])))
    assert torch.allclose(together[-1:], last, atol=1e-6)


def test_neutral_leaves_the_picture_and_the_picture_is_never_written_to() -> None:
    x = torch.from_numpy(_pictures(6, 32)).permute(0, 3, 1, 2).float() / 255
    before = x.clone()
    for mechanism in (AugMix(), AugMix(width=1)):
        assert torch.equal(mechanism.apply(x, mechanism.neutral(6)), x)
        mechanism(x, KEY.rows(torch.arange(6)))
        assert torch.equal(x, before)


def test_the_gradient_reaches_weights_mix_and_the_clean_share() -> None:
    x = (torch.from_numpy(_pictures(6, 16)).permute(0, 3, 1, 2).float() / 255).requires_grad_()
    mechanism = AugMix()
    drawn = mechanism.sample(KEY.rows(torch.arange(6)))
    params = drawn.replace(weights=drawn.weights.clone().requires_grad_(), mix=drawn.mix.clone().requires_grad_())
    mechanism.transform(x, params).sum().backward()
    assert x.grad is not None
    assert params.weights.grad is not None
    assert params.mix.grad is not None
    assert torch.allclose(x.grad, (1 - drawn.mix)[:, None, None, None].expand_as(x), atol=1e-5)
    assert (params.weights.grad != 0).all()
    assert (params.mix.grad != 0).all()


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        ({"severity": 0.1}, "severity"),
        ({"severity": 11.0}, "severity"),
        ({"width": 0}, "width"),
        ({"depth": 0}, "depth"),
        ({"alpha": 0.0}, "alpha"),
        ({"operations": ()}, "operations"),
        ({"operations": ("rotate", "twirl")}, "twirl"),
    ],
)
def test_arguments_out_of_range_are_refused(arguments: dict[str, object], word: str) -> None:
    with pytest.raises(ValueError, match=word):
        AugMix(**arguments)  # type: ignore[arg-type]

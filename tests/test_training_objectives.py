"""Objectives: the algebra, and each loss against a formula written apart from it."""

import itertools
import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from mechaug.keys import Key
from mechaug.training.objectives import JSD, CrossEntropy, Inputs, Objective, Outputs, Scaled, Sum

LABELS = Key(9).integers(0, 5, 7)


def _logits(seed: int, scale: float = 3.0) -> torch.Tensor:
    return Key(seed).normal(0.0, scale, 7, 5).double()


def _outputs(*seeds: int) -> Outputs:
    clean, *augmented = (_logits(seed) for seed in seeds)
    return Outputs(clean, tuple(augmented))


def _jensen_shannon(rows: list[np.ndarray]) -> float:
    """Entropy of the mean minus the mean of the entropies, in NumPy: the other form of the definition."""

    def entropy(p: np.ndarray) -> float:
        return float(-(p * np.log(p)).sum(1).mean())

    p = [np.exp(z) / np.exp(z).sum(1, keepdims=True) for z in rows]
    return entropy(np.mean(p, axis=0)) - float(np.mean([entropy(one) for one in p]))


@pytest.mark.parametrize("views", [1, 2, 3])
def test_jsd_is_the_jensen_shannon_divergence(views: int) -> None:
    outputs = _outputs(*range(views + 1))
    assert outputs.clean is not None
    expected = _jensen_shannon([logits.numpy() for logits in (outputs.clean, *outputs.augmented)])
    assert JSD(views=views).value(outputs, LABELS).item() == pytest.approx(expected, abs=1e-6)


def test_jsd_is_the_published_loss() -> None:
    """Hendrycks et al.: the mixture is clamped to [1e-7, 1], and torch's kl_div summed over classes."""
    logits = [_logits(seed, scale=12.0) for seed in range(3)]
    p = [torch.softmax(one, dim=1) for one in logits]
    log_mixture = ((p[0] + p[1] + p[2]) / 3.0).clamp(1e-7, 1).log()
    published = sum(torch.nn.functional.kl_div(log_mixture, one, reduction="batchmean") for one in p) / 3.0
    ours = JSD().value(Outputs(logits[0], (logits[1], logits[2])), LABELS)
    assert ours.item() == pytest.approx(float(published), abs=1e-9)
    # The clamp shows where a class is improbable everywhere, so this case has one.
    assert sum(p).min() < 1e-7  # type: ignore[union-attr]


@pytest.mark.parametrize("order", list(itertools.permutations([0, 1, 2])))
@pytest.mark.parametrize("scale", [0.01, 1.0, 200.0])
def test_jsd_is_symmetric_not_negative_and_bounded(order: tuple[int, ...], scale: float) -> None:
    logits = [_logits(seed, scale) for seed in range(3)]
    straight = JSD().value(Outputs(logits[0], (logits[1], logits[2])), LABELS).item()
    shuffled = [logits[i] for i in order]
    assert JSD().value(Outputs(shuffled[0], (shuffled[1], shuffled[2])), LABELS).item() == pytest.approx(straight)
    assert 0.0 < straight <= math.log(3) + 1e-9


def test_jsd_reaches_its_bounds() -> None:
    same = _logits(0)
    assert JSD().value(Outputs(same, (same, same)), LABELS).item() == pytest.approx(0.0, abs=1e-12)
    certain = [torch.nn.functional.one_hot(torch.full((7,), i), 5) * 1e3 for i in range(3)]
    apart = JSD().value(Outputs(certain[0], (certain[1], certain[2])), LABELS)
    assert apart.item() == pytest.approx(math.log(3))


def test_jsd_has_a_finite_gradient_where_probabilities_vanish() -> None:
    logits = [(_logits(seed, 300.0).float()).requires_grad_() for seed in range(3)]
    JSD().value(Outputs(logits[0], (logits[1], logits[2])), LABELS).backward()
    assert torch.softmax(logits[0], 1).min() == 0
    for one in logits:
        assert one.grad is not None
        assert one.grad.isfinite().all()


def test_cross_entropy_is_minus_log_p() -> None:
    outputs = _outputs(0, 1, 2)
    assert outputs.clean is not None
    by_kind = [
        -torch.log(torch.softmax(one, 1)[torch.arange(7), LABELS]).mean() for one in (outputs.clean, *outputs.augmented)
    ]
    assert CrossEntropy().value(outputs, LABELS).item() == pytest.approx(by_kind[0].item())
    assert CrossEntropy(on="augmented").value(outputs, LABELS).item() == pytest.approx(
        torch.stack(by_kind[1:]).mean().item()
    )
    assert CrossEntropy(on="all").value(outputs, LABELS).item() == pytest.approx(torch.stack(by_kind).mean().item())


def test_soft_labels_interpolate_hard_ones() -> None:
    outputs, other = _outputs(0, 1), (LABELS + 1) % 5
    soft = 0.3 * torch.nn.functional.one_hot(LABELS, 5) + 0.7 * torch.nn.functional.one_hot(other, 5)
    loss = CrossEntropy(on="augmented")
    expected = 0.3 * loss.value(outputs, LABELS) + 0.7 * loss.value(outputs, other)
    assert loss.value(outputs, soft.double()).item() == pytest.approx(expected.item())


def test_views_may_have_targets_of_their_own() -> None:
    soft = torch.softmax(_logits(7), 1)
    outputs = _outputs(0, 1, 2)
    own = replace(outputs, augmented_targets=(soft, LABELS))
    assert outputs.clean is not None
    ce = torch.nn.functional.cross_entropy
    expected = torch.stack((ce(outputs.augmented[0], soft), ce(outputs.augmented[1], LABELS))).mean()
    assert CrossEntropy("augmented").value(own, LABELS).item() == pytest.approx(expected.item())
    assert CrossEntropy("clean").value(own, LABELS).item() == pytest.approx(ce(outputs.clean, LABELS).item())
    mixed = replace(outputs, clean_targets=soft)
    assert CrossEntropy("clean").value(mixed, LABELS).item() == pytest.approx(ce(outputs.clean, soft).item())
    assert JSD().value(own, soft).item() == pytest.approx(JSD().value(outputs, LABELS).item())


def test_logits_are_taken_apart_with_their_targets() -> None:
    logits, soft = torch.cat([_logits(seed) for seed in range(3)]), torch.softmax(_logits(7), 1)
    outputs = Inputs(clean=True, views=2).split(logits, (LABELS, soft, LABELS))
    assert outputs.clean_targets is LABELS
    assert outputs.augmented_targets[0] is soft
    without = Inputs(clean=False, views=3).split(logits, (soft, soft, LABELS))
    assert without.clean_targets is None
    assert len(without.augmented_targets) == 3
    with pytest.raises(ValueError, match="3 kinds of picture need as many targets, not 1"):
        Inputs(clean=True, views=2).split(logits, (LABELS,))


def test_objectives_add_and_are_weighted() -> None:
    outputs = _outputs(0, 1, 2)
    augmix = CrossEntropy() + 12 * JSD(views=2)
    expected = CrossEntropy().value(outputs, LABELS) + 12 * JSD(views=2).value(outputs, LABELS)
    assert augmix.value(outputs, LABELS).item() == pytest.approx(expected.item())
    assert augmix == Sum((CrossEntropy(), Scaled(12.0, JSD(views=2))))
    assert augmix + CrossEntropy(on="all") == Sum((CrossEntropy(), Scaled(12.0, JSD()), CrossEntropy(on="all")))
    assert (0.5 * augmix).value(outputs, LABELS).item() == pytest.approx(expected.item() / 2)


@pytest.mark.parametrize(
    ("objective", "inputs"),
    [
        (CrossEntropy(), Inputs(clean=True, views=0)),
        (CrossEntropy(on="augmented"), Inputs(clean=False, views=1)),
        (CrossEntropy(on="all"), Inputs(clean=True, views=1)),
        (JSD(views=3), Inputs(clean=True, views=3)),
        (CrossEntropy() + 12 * JSD(views=2), Inputs(clean=True, views=2)),
        (CrossEntropy(on="augmented") + 0.5 * CrossEntropy(on="augmented"), Inputs(clean=False, views=1)),
    ],
)
def test_objectives_say_what_they_must_see_and_see_no_more(objective: Objective, inputs: Inputs) -> None:
    assert objective.inputs == inputs
    kinds = int(inputs.clean) + inputs.views
    logits = torch.cat([_logits(seed) for seed in range(kinds)])
    outputs = inputs.split(logits)
    assert (outputs.clean is not None) == inputs.clean
    assert len(outputs.augmented) == inputs.views
    seen = [one for one in (outputs.clean, *outputs.augmented) if one is not None]
    assert all(torch.equal(one, _logits(seed)) for seed, one in enumerate(seen))
    assert objective.value(outputs, LABELS).isfinite()


def test_half_precision_logits_are_compared_in_float32() -> None:
    logits = _logits(0).bfloat16()
    near = (logits.float() + 2**-6).bfloat16()
    loss = (CrossEntropy() + JSD(views=1)).value(Outputs(logits, (near,)), LABELS)
    assert loss.dtype == torch.float32


def test_what_is_missing_or_out_of_range_is_named() -> None:
    with pytest.raises(ValueError, match="clean pictures"):
        CrossEntropy().value(Outputs(None, (_logits(0),)), LABELS)
    with pytest.raises(ValueError, match="2 augmented views, and 1"):
        JSD(views=2).value(_outputs(0, 1), LABELS)
    with pytest.raises(ValueError, match="rows of logits"):
        Inputs(clean=True, views=2).split(_logits(0))
    with pytest.raises(ValueError, match="views"):
        JSD(views=0)
    with pytest.raises(ValueError, match="finite"):
        _ = math.inf * JSD()

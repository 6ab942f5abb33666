"""Does an augmentation simulate an intervention? Five criteria, each a number with what is allowed.

An augmentation simulates do(S = s′) if it takes the picture that a renderer makes of contents c under a nuisance s to
the picture of the same contents under s′, with an s′ that does not depend on the label (Ilse et al., "Selecting data
augmentation for simulating interventions", ICML 2021). Composition and effectiveness are axioms of counterfactuals
(Pearl, 2009, chapter 7; Monteiro et al., "Measuring axiomatic soundness of counterfactual image models", ICLR 2023).
The embedded signs come with their renderer, so all five can be measured.
"""

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import torch
from jaxtyping import Float
from torch import Tensor

from mechaug.data.nuisances import Nuisances, draw_nuisances
from mechaug.data.signs import CLASSES, Signs, render
from mechaug.keys import Key
from mechaug.mechanisms.base import Mechanism
from mechaug.scenes.scene import Scene
from mechaug.types import Image, Labels, PerImage

COMMUTES: Final = 1.0
"""Most that an augmented picture may be away from the renderer's, root mean square over that of the sensor's noise."""

DEPENDS: Final = 0.05
"""Most of the nuisance's variance that the label may tell."""

EXPLAINS: Final = 0.5
"""Least of the read values' variance that the intended ones must explain; where one value is intended for all, least of
the nuisance's variance that must be gone."""

PRESERVES: Final = 0.99
"""Least share of pictures whose label must survive."""

_STEPS: Final = 9
_HALVINGS: Final = 4
_RULER_PICTURES: Final = 1000
_RIDGE: Final = 1e-3


@dataclass(frozen=True)
class Criterion:
    """One number and what is allowed.

    Attributes:
        name: of the criterion.
        value: what was measured; None where the augmentation gives nothing to measure.
        limit: what is allowed.
        holds: whether it is within.
        meaning: what the number is, in one sentence.
    """

    name: str
    value: float | None
    limit: float
    holds: bool
    meaning: str


@dataclass(frozen=True)
class InterventionReport:
    """What was found.

    Attributes:
        augmentation: what it is called.
        variable: the nuisance.
        pictures: how many it rests on.
        dependence_before: share of the nuisance's variance that the label told before the augmentation.
        ruler: R² of the regressor that reads the nuisance from pictures, on renders it was not fitted to.
        criteria: five of them.
    """

    augmentation: str
    variable: str
    pictures: int
    dependence_before: float
    ruler: float
    criteria: tuple[Criterion, ...]

    @property
    def holds(self) -> bool:
        """Whether the augmentation simulates an intervention, by all criteria."""
        return all(criterion.holds for criterion in self.criteria)

    def text(self) -> str:
        """A table for people."""
        rows = [f"{self.augmentation}: {'simulates' if self.holds else 'does not simulate'} do({self.variable})"]
        for criterion in self.criteria:
            value = "    –" if criterion.value is None else f"{criterion.value:5.2f}"
            verdict = "holds" if criterion.holds else "fails"
            rows.append(f"  {criterion.name:<18} {value}  {verdict}  {criterion.meaning}")
        return "\n".join(rows)


def intervention_report(
    augmentation: Mechanism[Any], scene: Scene, data: Signs, *, variable: str = "illuminant_mired", count: int = 200,
    seed: int = 0,
) -> InterventionReport:  # fmt: skip
    """Measure the five criteria on pictures of which every cause is known.

    - commutation: how far an augmented picture is from the nearest that the renderer makes of the same contents when
      the nuisance alone is changed, over the noise of the renderer's own sensor; the median picture's.
    - independence: the share of the variance of the nuisance, read from the augmented pictures, that the label tells
      (corrected for chance); the data should be confounded, or there is nothing to remove.
    - effectiveness: the share of variance of the read values that the intended ones explain, as they are. Where one
      value is intended for all, the share of the nuisance's variance that is gone: 1 − the mean square of what is read
      less that value, over that variance. What intends none has none.
    - composition: how far a second intervention after a first is from the second alone, over the noise as above.
    - label preservation: the share of pictures that are nearer to the render of their own class than to those of any
      other, all else alike.

    Args:
        augmentation: a scene's `do()`, or anything that changes pictures.
        scene: the scene of the variable: it says which values exist.
        data: signs with their causes; the training split is used.
        variable: what is intervened on: a variable of the scene and a field of `Nuisances`.
        count: pictures to look at.
        seed: of the augmentation's draws.

    Raises:
        TypeError: the data are no signs with their causes.
        ValueError: the scene has no such variable or does not bound it, the signs have no such cause, or there are too
            few pictures.
    """
    if not isinstance(data, Signs):
        raise TypeError(
            f"a report needs signs with their causes, mechaug.data.signs(1000, 0, confounding=0.95), not a "
            f"{type(data).__name__}"
        )
    support = scene.variable(variable).support
    if not abs(support.low) + abs(support.high) < float("inf"):
        raise ValueError(f"the scene's variable {variable} has no bounds to search: give it low=… and high=…")
    if variable not in data.train_nuisances.__dict__:
        raise ValueError(
            f"signs have no cause named {variable!r}; they have {', '.join(data.train_nuisances.__dict__)}"
        )
    count = min(count, len(data.train))
    if count <= len(CLASSES):
        raise ValueError(f"a report needs more pictures than there are classes, {len(CLASSES)}, not {count}")
    some = slice(count)
    pictures, labels = data.train.image(some), data.train.labels[some]
    causes = data.train_nuisances.rows(torch.arange(count))
    key = Key(seed).fold("intervention").at(data.train.index[some])

    params = augmentation.sample(key.fold("first"))
    changed = augmentation.apply(pictures, params)
    again = key.fold("second")
    alone, after = augmentation(pictures, again), augmentation(changed, again)

    noise = _distance(render(labels, causes), render(labels, causes.replace(noise_seed=causes.noise_seed ^ 1)))
    nearest, away = _nearest(changed, labels, causes, variable, (support.low, support.high))
    read, ruler = _ruler(variable, (support.low, support.high))
    seen = read(changed)
    intended = _intended(augmentation, params, variable)

    commutation = (away / noise).median().item()
    composition = (_distance(after, alone) / noise).median().item()
    dependence = _told_by(labels, seen)
    explained, explains = _explained(seen, intended, getattr(causes, variable), scene.variable(variable).unit)
    preserved = _own_class_nearest(changed, labels, causes.replace(**{variable: nearest})).float().mean().item()
    criteria = (
        Criterion("commutation", commutation, COMMUTES, commutation <= COMMUTES, "noises away from the renderer's"),
        Criterion(
            "independence", dependence, DEPENDS, dependence <= DEPENDS, "of the nuisance's variance the label tells"
        ),
        Criterion(
            "effectiveness", explained, EXPLAINS, explained is not None and explained >= EXPLAINS, explains,
        ),
        Criterion("composition", composition, COMMUTES, composition <= COMMUTES, "noises away from the second alone"),
        Criterion(
            "label preservation", preserved, PRESERVES, preserved >= PRESERVES, "of pictures look most like their class"
        ),
    )  # fmt: skip
    name = type(augmentation).__name__
    before = _told_by(labels, getattr(causes, variable))
    return InterventionReport(name, variable, count, before, ruler, criteria)


def _distance(a: Image, b: Image) -> PerImage:
    """Root mean square difference, per picture."""
    return (a - b).square().mean((1, 2, 3)).sqrt()


def _nearest(
    changed: Image, labels: Labels, causes: Nuisances, variable: str, ends: tuple[float, float]
) -> tuple[PerImage, PerImage]:
    """The value with which the renderer comes nearest to each picture, all else alike, and how near."""
    best, away = torch.zeros(len(labels)), torch.full((len(labels),), torch.inf)
    step = (ends[1] - ends[0]) / (_STEPS - 1)
    for value in torch.linspace(*ends, _STEPS).tolist():
        best, away = _nearer(best, away, torch.full_like(best, value), changed, labels, causes, variable)
    for halving in range(1, _HALVINGS + 1):
        middle = best
        for side in (-1, 1):
            tried = (middle + side * step / 2**halving).clamp(*ends)
            best, away = _nearer(best, away, tried, changed, labels, causes, variable)
    return best, away


def _nearer(
    best: PerImage, away: PerImage, tried: PerImage, changed: Image, labels: Labels, causes: Nuisances, variable: str
) -> tuple[PerImage, PerImage]:
    distance = _distance(changed, render(labels, causes.replace(**{variable: tried})))
    return torch.where(distance < away, tried, best), torch.minimum(distance, away)


def _intended(augmentation: Mechanism[Any], params: Any, variable: str) -> PerImage | None:  # noqa: ANN401
    """The values that a scene drew; None where the augmentation is no scene or has no such variable."""
    if not isinstance(augmentation, Scene) or variable not in augmentation.names:
        return None
    return augmentation.table(params)[variable]


def _explained(seen: PerImage, intended: PerImage | None, before: PerImage, unit: str) -> tuple[float | None, str]:
    """How far what is read is as intended, and what that number is."""
    if intended is None:
        return None, "no value is intended"
    if intended.min() == intended.max():
        left = (seen - intended).square().mean() / before.var()
        return 1 - left.item(), f"of the variance is gone: all is read ({unit}) as the value intended"
    return 1 - (seen - intended).var().item() / intended.var().item(), f"of what is read ({unit}) is as intended"


def _told_by(labels: Labels, values: PerImage) -> float:
    """Share of variance between classes, corrected for chance (Kelley's ε², 1935)."""
    _, place = labels.unique(return_inverse=True)
    members = torch.nn.functional.one_hot(place).to(values.dtype)
    means = (members.T @ values) / members.sum(0)
    within = (values - means[place]).square().sum() / (len(values) - members.shape[1])
    total = (values - values.mean()).square().sum() / (len(values) - 1)
    return float((1 - within / total).clamp(min=0.0))


def _own_class_nearest(changed: Image, labels: Labels, causes: Nuisances) -> Tensor:
    """Which pictures are nearer to the render of their own class than to that of any other."""
    classes = torch.arange(len(CLASSES))
    distances = torch.stack([_distance(changed, render(kind.expand_as(labels), causes)) for kind in classes])
    return distances.argmin(0) == labels


@functools.cache
def _ruler(variable: str, ends: tuple[float, float]) -> tuple[Callable[[Image], PerImage], float]:
    """A regressor that reads the nuisance, fitted to renders in which it depends on nothing, and its R² on others."""
    key = Key(1).fold("ruler").at(torch.arange(2 * _RULER_PICTURES))
    labels = key.fold("label").integers(0, len(CLASSES))
    values = key.fold(variable).uniform(*ends)
    shown = render(labels, draw_nuisances(key, labels).replace(**{variable: values}))
    features = _features(shown)
    fitted, held = slice(_RULER_PICTURES), slice(_RULER_PICTURES, None)
    mean, scale = features[fitted].mean(0), features[fitted].std(0) + 1e-6
    middle = values[fitted].double().mean()

    def standard(x: Tensor) -> Tensor:
        return (x - mean) / scale

    known = standard(features[fitted])
    ridge = _RIDGE * len(known) * torch.eye(known.shape[1], dtype=torch.float64)
    weights = torch.linalg.solve(known.T @ known + ridge, known.T @ (values[fitted].double() - middle))

    def read(pictures: Image) -> PerImage:
        return (standard(_features(pictures)) @ weights + middle).float()

    error = (standard(features[held]) @ weights + middle - values[held]).var() / values[held].double().var()
    return read, 1 - float(error)


def _features(pictures: Image) -> Float[Tensor, "b f"]:
    """What tells light from paint: means of several orders per channel, of the whole and of its parts, and products."""
    x = pictures.double().clamp(min=1e-3)
    means = [x.pow(order).mean((2, 3)).log() / order for order in (1, 2, 4, 8)]
    spread = x.flatten(2).quantile(torch.tensor([0.1, 0.5, 0.9], dtype=torch.float64), dim=-1)
    tones = torch.cat([*means, *spread.log().unbind(0)], dim=1)
    parts = torch.nn.functional.adaptive_avg_pool2d(x, 3).log().flatten(1)
    products = (tones[:, :, None] * tones[:, None, :])[:, *torch.triu_indices(tones.shape[1], tones.shape[1])]
    return torch.cat((tones, parts, products), dim=1)

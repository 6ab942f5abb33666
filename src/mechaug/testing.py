"""The public contract tests: what every mechanism and every scene promises, for third parties too.

    from mechaug.testing import Case, check_mechanism, check_scene
    check_mechanism(Case(MyMechanism()))
    check_scene(my_scene())

Every check raises AssertionError with a sentence that says which promise is broken.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import interpolate
from torch.utils._pytree import tree_leaves

from mechaug import mechanisms, spec
from mechaug.keys import Key
from mechaug.mechanisms.base import Group, Mechanism, Parameters, Semigroup
from mechaug.mechanisms.parts import overlapping
from mechaug.mechanisms.relatives import BAR_CORRUPTIONS, COMMON_CORRUPTIONS
from mechaug.scenes.scene import Scene, SceneParams
from mechaug.scenes.stored import TYPES as SCENE_TYPES
from mechaug.scenes.variable import descendants
from mechaug.types import Image

NEUTRAL_TOLERANCE = 1e-5
BATCH_TOLERANCE = 1e-6
"""What one picture may differ by between batches: vectorised and scalar code round apart in the last bit."""
SHORT_CUT_TOLERANCE = 5e-6
"""What eager short cuts may change against the traced or batched computation: far below a thousandth of a level."""


@dataclass(frozen=True)
class Case:
    """One mechanism under test, and what it is allowed.

    Attributes:
        mechanism: with laws whose draws are all in the interior of what is differentiable.
        smooth: the form whose gradients are exact everywhere, where the mechanism itself rounds; else None.
        composition_tolerance: largest mean absolute difference that its composition law may leave.
        margin: share of each side that is left out where compositions are compared, because borders are invented.
        static: its `apply` does not depend on parameters' values in its shape of work, so it traces whole and batches
            under vmap; mixtures that group rows are not.
        channels: of the pictures it is tried on.
        types: the classes that its JSON form may name, by name.
    """

    mechanism: Mechanism[Any]
    smooth: Mechanism[Any] | None = None
    composition_tolerance: float = 1e-5
    margin: float = 0.0
    static: bool = True
    channels: int = 3
    types: tuple[tuple[str, type], ...] = tuple(mechanisms.TYPES.items())


def example_pictures(batch: int = 4, *, channels: int = 3, height: int = 32, width: int = 32, seed: int = 0) -> Image:
    """Smooth colourful pictures with values in 0.1..0.9, the same for the same seed."""
    key = Key(seed).at(torch.arange(batch)).fold("example pictures")
    coarse = key.uniform(0.1, 0.9, channels, 5, 5)
    return interpolate(coarse, size=(height, width), mode="bicubic", align_corners=False).clamp(0.1, 0.9)


def example_key(batch: int = 4, *, seed: int = 1) -> Key:
    """One key per image."""
    return Key(seed).at(torch.arange(batch) + 10)


def check_shape_range(case: Case) -> None:
    """Shape and dtype are kept; values are finite and in [0, 1]; the input is not changed."""
    for dtype, (height, width) in ((torch.float32, (32, 32)), (torch.float64, (20, 36))):
        x = example_pictures(channels=case.channels, height=height, width=width).to(dtype)
        before = x.clone()
        y = case.mechanism.apply(x, case.mechanism.sample(example_key()))
        assert y.shape == x.shape, f"{_name(case)} changes the shape {tuple(x.shape)} to {tuple(y.shape)}"
        assert y.dtype == dtype, f"{_name(case)} turns {dtype} into {y.dtype}"
        assert torch.isfinite(y).all(), f"{_name(case)} makes values that are not finite"
        assert y.min() >= 0 and y.max() <= 1, f"{_name(case)} leaves [0, 1]: {y.min():g} to {y.max():g}"
        assert torch.equal(x, before), f"{_name(case)} writes into its input"


def check_replay(case: Case) -> None:
    """The same key draws the same parameters, and the same parameters make the same pixels, bit for bit."""
    x, key = example_pictures(channels=case.channels), example_key()
    first, again = case.mechanism.sample(key), case.mechanism.sample(example_key())
    assert _equal(first, again), f"{_name(case)} draws differently from one key"
    y1, y2 = case.mechanism.apply(x, first), case.mechanism.apply(x, again)
    assert torch.equal(y1, y2), f"{_name(case)} makes different pixels from the same parameters"
    assert torch.equal(y1, case.mechanism(x, key)), f"{_name(case)}(x, key) is not apply(x, sample(key))"


def check_batch_invariance(case: Case) -> None:
    """An image's parameters and pixels do not depend on its batch or its place in it."""
    order = torch.tensor([2, 0, 3])
    x, key = example_pictures(channels=case.channels), example_key()
    whole = case.mechanism.sample(key)
    part = case.mechanism.sample(key.rows(order))
    assert _equal(whole.rows(order), part), f"{_name(case)} draws depend on the batch"
    y, z = case.mechanism.apply(x, whole)[order], case.mechanism.apply(x[order], part)
    _close(case, y, z, BATCH_TOLERANCE, "pixels depend on the batch")


def check_vmap(case: Case) -> None:
    """`torch.vmap` over single images equals the batch."""
    if not case.static:
        return
    x = example_pictures(channels=case.channels)
    params = case.mechanism.sample(example_key())

    def single(image: Tensor, own: Parameters) -> Tensor:
        return case.mechanism.apply(image[None], own.map(lambda leaf: leaf[None]))[0]

    _close(case, torch.vmap(single)(x, params), case.mechanism.apply(x, params), SHORT_CUT_TOLERANCE, "vmap differs")


def check_compile(case: Case, *, backend: str = "aot_eager") -> None:
    """`apply` traces whole (`fullgraph=True`) and computes the same.

    Run it without run-time type checking, whose wrappers cannot be traced.
    """
    if not case.static:
        return
    x = example_pictures(channels=case.channels)
    params = case.mechanism.sample(example_key())
    # All mechanisms share the code of `apply`, and each is another specialisation of it.
    torch.compiler.reset()
    traced = torch.compile(case.mechanism.apply, fullgraph=True, backend=backend)
    _close(case, traced(x, params), case.mechanism.apply(x, params), SHORT_CUT_TOLERANCE, "compiled pixels differ")


def check_gradients(case: Case) -> None:
    """Gradients reach the image and every float parameter, are finite, and are right (gradcheck in float64)."""
    mechanism = case.smooth or case.mechanism
    x = example_pictures(2, channels=case.channels, height=16, width=16).double()
    params = mechanism.sample(example_key(2)).map(lambda leaf: leaf.double() if leaf.is_floating_point() else leaf)
    leaves = tree_leaves(params)
    floats = [leaf for leaf in leaves if leaf.is_floating_point()]

    def run(image: Tensor, *values: Tensor) -> Tensor:
        given = iter(values)
        return mechanism.transform(image, params.map(lambda leaf: next(given) if leaf.is_floating_point() else leaf))

    inputs = [leaf.clone().requires_grad_() for leaf in (x, *floats)]
    reached = torch.autograd.grad(run(*inputs).square().sum(), inputs, allow_unused=True)
    for place, gradient in enumerate(reached):
        what = "the image" if place == 0 else f"float parameter {place}"
        assert gradient is not None, f"{_name(case)}: no gradient reaches {what}"
        assert torch.isfinite(gradient).all(), f"{_name(case)}: the gradient of {what} is not finite"
        assert gradient.abs().max() > 0, f"{_name(case)}: the gradient of {what} is zero"
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        torch.autograd.gradcheck(run, inputs, eps=1e-6, atol=1e-4, rtol=1e-3, fast_mode=True)


def check_neutral(case: Case) -> None:
    """Neutral parameters return the input, with finite gradients."""
    x = example_pictures(channels=case.channels).requires_grad_()
    params = case.mechanism.neutral(len(x)).map(lambda t: t.requires_grad_() if t.is_floating_point() else t)
    y = case.mechanism.apply(x, params)
    _close(case, y, x, NEUTRAL_TOLERANCE, "neutral parameters change the picture")
    inputs = [x, *(leaf for leaf in tree_leaves(params) if leaf.is_floating_point())]
    for gradient in torch.autograd.grad(y.sum(), inputs, allow_unused=True):
        assert gradient is None or torch.isfinite(gradient).all(), f"{_name(case)}: a neutral gradient is not finite"


def check_structure(case: Case) -> None:
    """What the mechanism declares of its composition with itself holds."""
    mechanism, x = case.mechanism, example_pictures(channels=case.channels)
    declared = mechanism.structure
    is_a = (isinstance(mechanism, Semigroup), isinstance(mechanism, Group))
    expected = {"group": (True, True), "semigroup": (True, False)}.get(declared, (False, False))
    assert is_a == expected, f"{_name(case)} declares {declared!r} and does not implement just that interface"
    a, b = mechanism.sample(example_key(seed=1)), mechanism.sample(example_key(seed=2))
    act = mechanism.transform
    if declared == "idempotent":
        _close_mean(case, act(act(x, a), a), act(x, a), "twice is not once")
    if isinstance(mechanism, Semigroup):
        neutral, composed = mechanism.neutral(len(x)), mechanism.compose(a, b)
        _close_mean(case, act(act(x, a), b), act(x, composed), "the composition law fails")
        _close_mean(case, act(x, mechanism.compose(neutral, a)), act(x, a), "neutral then a is not a")
        _close_mean(case, act(x, mechanism.compose(a, neutral)), act(x, a), "a then neutral is not a")
        c = mechanism.sample(example_key(seed=3))
        left, right = mechanism.compose(composed, c), mechanism.compose(a, mechanism.compose(b, c))
        _close_mean(case, act(x, left), act(x, right), "composition is not associative")
    if isinstance(mechanism, Group):
        undone = act(act(x, a), mechanism.inverse(a))
        _close_mean(case, undone, x, "the inverse does not undo")
        nothing = mechanism.compose(a, mechanism.inverse(a))
        _close_mean(case, act(x, nothing), x, "a composed with its inverse is not the identity")


def check_json(case: Case) -> None:
    """The mechanism and its parameters survive JSON, every bit of them."""
    types = dict(case.types)
    text = spec.dumps(case.mechanism)
    assert spec.dumps(spec.loads(text, types)) == text, f"{_name(case)} does not survive JSON"
    params = case.mechanism.sample(example_key())
    assert _equal(spec.loads(spec.dumps(params), types), params), f"{_name(case)}: parameters do not survive JSON"


def check_no_global_state(case: Case) -> None:
    """No global random state is read or moved."""
    x = example_pictures(channels=case.channels)

    def run() -> Tensor:
        return case.mechanism(x, example_key())

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        before = (torch.random.get_rng_state(), random.getstate(), _numpy_state())
        first = run()
        after = (torch.random.get_rng_state(), random.getstate(), _numpy_state())
        assert torch.equal(before[0], after[0]), f"{_name(case)} moves torch's global random state"
        assert before[1] == after[1], f"{_name(case)} moves Python's global random state"
        assert before[2] == after[2], f"{_name(case)} moves NumPy's global random state"
        torch.manual_seed(2)
        assert torch.equal(first, run()), f"{_name(case)} reads torch's global random state"


def check_overlaps(case: Case) -> None:
    """What a mechanism says it is a relative of are corruptions that exist, each named once."""
    named = overlapping(case.mechanism)
    unknown = set(named) - {*COMMON_CORRUPTIONS, *BAR_CORRUPTIONS}
    assert not unknown, f"{_name(case)} overlaps with what is no common corruption: {', '.join(sorted(unknown))}"
    own = case.mechanism.overlaps
    assert len(own) == len(set(own)), f"{_name(case)} names a corruption twice: {', '.join(own)}"


CHECKS: tuple[Callable[[Case], None], ...] = (
    check_shape_range,
    check_replay,
    check_batch_invariance,
    check_vmap,
    check_compile,
    check_gradients,
    check_neutral,
    check_structure,
    check_json,
    check_overlaps,
    check_no_global_state,
)


def check_mechanism(case: Case) -> None:
    """All checks of the mechanism contract.

    Raises:
        AssertionError: a promise is broken; the sentence says which.
    """
    for check in CHECKS:
        check(case)


def check_scene(scene: Scene) -> None:
    """What every scene promises, beside what it promises as a mechanism.

    Draws depend on key and name alone: not on the batch, nor on the order of the variables. The same noise gives the
    same values. Setting one variable changes what it causes, and leaves every other draw bitwise the same.

    Raises:
        AssertionError: a promise is broken; the sentence says which.
    """
    case = Case(scene, types=tuple(SCENE_TYPES.items()))
    for check in (check_shape_range, check_replay, check_batch_invariance, check_neutral, check_json, check_overlaps):
        check(case)
    check_no_global_state(case)
    observed = scene.sample(example_key(64))
    again = scene.evaluate(scene.noise(example_key(64)))
    assert _equal(observed, again), "the same noise gives other values"
    assert _equal(observed, scene.counterfactual(observed, {})), "a twin without an intervention is another picture"
    x, few = example_pictures(8), observed.rows(torch.arange(8))
    assert torch.equal(scene.apply(x, few), scene.chain.apply(x, few.chain)), "a scene does otherwise than its chain"
    other = Scene(scene.variables[::-1], scene.chain).sample(example_key(64))
    assert torch.equal(observed.values, other.values.flip(-1)), "values depend on the order of the variables"
    for variable in scene.variables:
        values = scene.table(observed)[variable.name]
        assert not values.isnan().any(), f"{variable.name} is not a number"
        inside = (values >= np.float32(variable.low)) & (values <= np.float32(variable.high))
        assert inside.all(), f"{variable.name} leaves {variable.low:g} to {variable.high:g}"
        # A number in single precision may lie a last bit beyond its bound.
        middle = min(max(values.median().item(), variable.low), variable.high)
        _check_twin(scene, observed, variable.name, middle)


def _check_twin(scene: Scene, observed: SceneParams, name: str, value: float) -> None:
    twin = scene.counterfactual(observed, {name: value})
    assert _equal(twin, scene.do(**{name: value}).sample(example_key(64))), f"do({name}) draws otherwise than its twin"
    caused = descendants(scene.variables, [name])
    before, after = scene.table(observed), scene.table(twin)
    assert (after[name] == torch.tensor(value)).all(), f"do({name}={value!r}) does not set it"
    for other in before:
        same = torch.equal(before[other], after[other])
        assert same or other in caused, f"do({name}) changes {other}, which it does not cause"
    assert torch.equal(observed.units, twin.units), f"do({name}) changes the noise"
    read = {(reading.step, reading.field) for reading in scene.readings if reading.variable in caused}
    for step, (ours, theirs) in enumerate(zip(observed.chain.steps, twin.chain.steps, strict=True)):
        for field, mine in ours.__dict__.items():
            if (step, field) not in read:
                same = all(map(torch.equal, tree_leaves(mine), tree_leaves(theirs.__dict__[field])))
                assert same, f"do({name}) changes {field} of {type(ours).__name__}, which does not read it"


def _name(case: Case) -> str:
    return type(case.mechanism).__name__


def _numpy_state() -> bytes:
    state = np.random.get_state(legacy=False)["state"]
    return state["key"].tobytes() + bytes(str(state["pos"]), "ascii")


def _equal(a: Parameters, b: Parameters) -> bool:
    ours, theirs = tree_leaves(a), tree_leaves(b)
    same = len(ours) == len(theirs) and type(a) is type(b)
    return same and all(x.dtype == y.dtype and torch.equal(x, y) for x, y in zip(ours, theirs, strict=True))


def _close(case: Case, a: Tensor, b: Tensor, tolerance: float, complaint: str) -> None:
    gap = (a - b).abs().max().item()
    assert gap <= tolerance, f"{_name(case)}: {complaint}, by up to {gap:.2g} where {tolerance:.2g} is allowed"


def _close_mean(case: Case, a: Tensor, b: Tensor, complaint: str) -> None:
    rows, columns = (int(case.margin * side) for side in a.shape[-2:])
    gap = (a - b).abs()[..., rows : a.shape[-2] - rows, columns : a.shape[-1] - columns].mean().item()
    allowed = case.composition_tolerance
    assert gap <= allowed, f"{_name(case)}: {complaint}, by {gap:.2g} in the mean where {allowed:.2g} is allowed"

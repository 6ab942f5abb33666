"""Findings: what a result allows one to say.

A difference is claimed only where two 95 % intervals do not overlap; everything else is called "no difference shown".
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from mechaug.evaluation.result import Evaluation, Measurement, MethodResult, Result
from mechaug.reports.figures import percent, share

POINTS = "\u00a0points"

Figure = Callable[[Evaluation], Measurement | None]


@dataclass(frozen=True)
class Finding:
    """One statement that the figures allow.

    Attributes:
        label: what it is about, such as "Under corruption".
        headline: the answer in a few words.
        text: the figures behind it.
        shown: whether the intervals separate; None where nothing is compared.
    """

    label: str
    headline: str
    text: str
    shown: bool | None


def ranked(methods: Sequence[MethodResult]) -> tuple[MethodResult, ...]:
    """Methods by accuracy under corruption, the best first; those without it follow, by clean accuracy."""

    def order(method: MethodResult) -> tuple[bool, float, float]:
        corrupted = method.evaluation.corrupted
        return corrupted is None, -corrupted.value if corrupted else 0.0, -method.evaluation.clean.value

    return tuple(sorted(methods, key=order))


def findings(result: Result) -> tuple[Finding, ...]:
    """What the figures show at first glance: under corruption, under attack, at what price, and against what.

    The leader is the method with the highest figure; its price and its reach are told against the baseline, or where
    there is none, or it leads, against the runner-up.
    """
    methods = ranked(result.methods)
    if not methods:
        return (Finding("Result", "Nothing was measured", "The result holds no method.", None),)
    first = _leading("Under corruption", "under corruption", methods, lambda e: e.corrupted)
    if methods[0].evaluation.corrupted is None:
        first = _leading("On clean pictures", "on clean pictures", methods, lambda e: e.clean)
        first = replace(first, text=f"{first.text} Nothing was measured under corruption.")
    attacked = _leading("Under attack", "under attack", methods, lambda e: e.attacked)
    best = max((m.evaluation.attacked.high for m in methods if m.evaluation.attacked), default=1.0)
    chance = 1 / max(result.data.outputs or len(result.data.classes), 1)
    if best < chance:
        attacked = replace(attacked, text=f"{attacked.text} Every figure lies below chance ({share(chance)}).")
    leader, baseline = methods[0], find_baseline(methods)
    runner_up = methods[1] if len(methods) > 1 else None
    against = runner_up if baseline is None or baseline is leader else baseline
    told = [first, attacked, _score(methods), _price(leader, against), _reach(leader, against)]
    return tuple(finding for finding in told if finding)


def duration(seconds: float) -> str:
    """A wall time for people: "42 s", "12.5 min", "3 h 20 min"."""
    if seconds < 120:
        return f"{seconds:.3g}\u00a0s" if seconds < 10 else f"{seconds:.0f}\u00a0s"
    if seconds < 7200:
        return f"{seconds / 60:.1f}\u00a0min"
    hours, minutes = divmod(round(seconds / 60), 60)
    return f"{hours}\u00a0h {minutes}\u00a0min"


def spoken(name: str) -> str:
    """A name in the code as words: "gaussian_noise" as "gaussian noise"."""
    return name.replace("_", " ")


def separate(first: Measurement, second: Measurement) -> bool:
    """Whether two 95 % intervals have no point in common."""
    return first.low > second.high or second.low > first.high


def _leading(label: str, where: str, methods: Sequence[MethodResult], figure: Figure) -> Finding:
    scored = [(method, value) for method in methods if (value := figure(method.evaluation))]
    scored.sort(key=lambda pair: -pair[1].value)
    if not scored:
        return Finding(label, "Not measured", f"No method was measured {where}.", None)
    (leader, best), others = scored[0], scored[1:]
    if not others:
        text = f"{percent(best)} over {best.count:,} pictures. One method was measured {where}: there is no comparison."
        return Finding(label, f"{leader.title}: {share(best.value)} {where}", text, None)
    second, following = others[0]
    baseline = find_baseline([method for method, _ in scored])
    gap = _points(best, following)
    level = [method.title for method, value in others if not separate(best, value)]
    text = f"{leader.title} has {percent(best)}, {f'{gap:.1f}{POINTS} above' if gap else 'level with'} the runner-up"
    text += f"{' and baseline' * (second is baseline)}, {second.title} ({percent(following)})"
    if level:
        rivals = level[0] if len(level) == 1 else f"{len(level)} others"
        headline = f"No clear leader {where}: {leader.title} and {rivals} overlap"
        text += f"; its 95\u00a0% interval overlaps with {'that' if len(level) == 1 else 'those'} of {_names(level)}."
    else:
        headline = f"{leader.title} is the most accurate {where}, {gap:.1f}{POINTS} above {second.title}"
        text += "; the 95\u00a0% intervals do not overlap."
    if baseline is leader:
        text += " It is the baseline itself: no method is shown to be above it."
    elif baseline is not None and (level or baseline is not second):
        base = next(value for method, value in scored if method is baseline)
        above = [method.title for method, value in scored if value.low > base.high]
        name = f"the baseline, {baseline.title} ({percent(base)})"
        if not level:
            headline += f" and {_points(best, base):.1f}{POINTS} above the baseline"
            text += f" The interval of {name} lies apart too."
        elif above:
            text += f" Shown to be above {name}: {_names(above)}."
        else:
            text += f" No method is shown to be above {name}."
    return Finding(label, headline, text, not level)


def _score(methods: Sequence[MethodResult]) -> Finding | None:
    """The mean corruption error, which divides by AlexNet's, where it was measured."""
    scored = [
        (method, {f.name.split(" (")[0]: f for f in method.evaluation.figures if f.suite == "c" and "mCE" in f.name})
        for method in methods
    ]
    scored = [(method, found) for method, found in scored if "mCE" in found]
    if not scored:
        return None
    method, found = min(scored, key=lambda pair: pair[1]["mCE"].measurement.value)
    text = ". ".join(
        f"{one.title}: " + ", ".join(f"{name} {percent(figure.measurement)}" for name, figure in figures.items())
        for one, figures in scored
    )
    origin = "regenerated" if "regenerated" in found["mCE"].name else "official"
    text += f". 100\u00a0% is AlexNet's error; lower is better; the pictures are {origin}"
    text += ", so the figure is not to be set beside published ones." if origin == "regenerated" else "."
    value = share(found["mCE"].measurement.value)
    who = f"{method.title}: " if len(scored) > 1 else ""
    return Finding("By the published score", f"{who}mCE {value} ({origin})", text, None)


def _price(leader: MethodResult, against: MethodResult | None) -> Finding | None:
    if against is None or leader.family == "baseline" or leader.evaluation.corrupted is None:
        return None
    ours, theirs = leader.evaluation.clean, against.evaluation.clean
    shown = separate(ours, theirs)
    headline = f"{_signed(_points(ours, theirs))}{POINTS} clean" if shown else "No change in clean accuracy shown"
    text = f"{leader.title} against {against.title}: clean accuracy {percent(ours)} against {percent(theirs)}"
    text += "; the intervals do not overlap. " if shown else "; the intervals overlap. "
    if leader.runs and against.runs:
        own, other = (average([run.train_seconds for run in m.runs]) for m in (leader, against))
        if other > 0:
            headline += f", {own / other:.1f} × the training time"
        text += f"Training took {duration(own)} against {duration(other)} a run."
    else:
        text += "The training time is not on record for both."
    return Finding("At what price", headline, text, shown)


def _reach(leader: MethodResult, against: MethodResult | None) -> Finding | None:
    ours = by_corruption(leader)
    if not ours:
        return None
    theirs = by_corruption(against) if against else {}
    gains = {name: _points(ours[name], theirs[name]) for name in ours if name in theirs}
    if against is None or not gains:
        order = sorted(ours, key=lambda name: ours[name].value)
        text = "Lowest: " + ", ".join(f"{spoken(name)} {share(ours[name].value)}" for name in order[:3])
        text += f". Highest: {spoken(order[-1])} {share(ours[order[-1]].value)}. Means over severities."
        return Finding("Against what", f"Weakest under {spoken(order[0])}", text, None)
    order = sorted(gains, key=lambda name: -gains[name])
    better = sum(ours[name].low > theirs[name].high for name in order)
    worse = sum(ours[name].high < theirs[name].low for name in order)
    than = "the baseline" if against.family == "baseline" else against.title
    headline = f"Better than {than} on {better} of {len(order)} corruptions, worse on {worse or 'none'}"
    text = f"{leader.title} against {against.title}, counted where the intervals do not overlap. Points gained: "
    first, last = (order, []) if len(order) <= 5 else (order[:3], order[-2:])
    text += ", ".join(f"{spoken(name)} {_signed(gains[name])}" for name in first)
    if last:
        text += "; at the other end " + ", ".join(f"{spoken(name)} {_signed(gains[name])}" for name in last)
    unseen = [name for name in order if name not in leader.sees]
    if unknown(leader):
        text += ". What its training held is not known."
    elif len(unseen) == len(order):
        text += ". None of these corruptions has a relative in its training."
    elif not unseen:
        text += ". Every one of these corruptions has a relative in its training."
    else:
        own, other = mean([ours[name] for name in unseen]), mean([theirs[name] for name in unseen])
        text += f". On the {len(unseen)} of which no relative was in its training: {percent(own)} against "
        text += f"{percent(other)}" + ("." if separate(own, other) else ", no difference shown.")
    return Finding("Against what", headline, text, None)


def by_corruption(method: MethodResult) -> dict[str, Measurement]:
    """Accuracy by corruption, the mean over severities; see `mean` for the interval."""
    names = dict.fromkeys(cell.corruption for cell in method.evaluation.cells)
    return {name: mean([c.accuracy for c in method.evaluation.cells if c.corruption == name]) for name in names}


def mean(measurements: Sequence[Measurement]) -> Measurement:
    """The mean of figures on the same pictures, with the means of their ends as its interval.

    A mean's standard error is at most the mean of the standard errors, however the figures are correlated, so this
    interval is never too narrow on that account.

    Raises:
        ValueError: there is none.
    """
    if not measurements:
        raise ValueError("a mean needs at least one measurement")
    ends = (average([getattr(m, field) for m in measurements]) for field in ("value", "low", "high"))
    return Measurement(*ends, count=min(m.count for m in measurements))


def find_baseline(methods: Sequence[MethodResult]) -> MethodResult | None:
    """The first method of the family "baseline"."""
    return next((method for method in methods if method.family == "baseline"), None)


def unknown(method: MethodResult) -> bool:
    """Whether nobody can say what was in its training."""
    return not method.sees_known


def average(values: Sequence[float]) -> float:
    """The arithmetic mean."""
    return sum(values) / len(values)


def _points(ours: Measurement, theirs: Measurement) -> float:
    """The difference of two figures in per cent as they are printed, so that the page's own sums come out."""
    return round(round(100 * ours.value, 1) - round(100 * theirs.value, 1), 1)


def _signed(points: float) -> str:
    return f"{points:+.1f}".replace("-", "−")


def _names(titles: Sequence[str]) -> str:
    shown = list(titles[:3]) if len(titles) > 4 else list(titles)
    if len(titles) > 4:
        shown.append(f"{len(titles) - 3} more")
    return shown[0] if len(shown) == 1 else f"{', '.join(shown[:-1])} and {shown[-1]}"


def finite(measurement: Measurement | None) -> Measurement | None:
    """None for a figure that is none: the calibration error of a model that answers with NaN."""
    known = measurement and all(math.isfinite(x) for x in (measurement.value, measurement.low, measurement.high))
    return measurement if known else None

"""Write docs/honest.md from the committed studies of the honest protocol: `python docs/honest.py`.

A test compares the page with the results.
"""

from collections import Counter
from pathlib import Path

from mechaug.evaluation.fairness import BY_GROUP
from mechaug.evaluation.result import MethodResult, Result, read_result
from mechaug.files import write_bytes
from mechaug.reports.contrasts import points

PAGE = Path(__file__).resolve().parent / "honest.md"
RESULTS = PAGE.parents[1] / "benchmarks" / "results" / "0.1.0"

C_BAR = ("c-bar", "Scores")
"""The suite and the heading of its mean error."""

SHIFTED = ("shift", "accuracy")
"""The suite of sets from elsewhere, and the name of the figure for each."""

INTRODUCTION = """# The honest protocol

Do mechanisms win where they saw a corruption's relatives, and where they did not? `mechaug study --protocol honest`
trains a method of mechanisms whole, without what has a relative in C, and without one family at a time, beside its
rivals, at equal epochs and again at equal wall time. Differences are paired, in percentage points with 95 % intervals
over pictures and seeds; verdicts are at 5 % after Holm's correction over all comparisons of a question. Only the method
of mechanisms is trained again without a family: a rival keeps what it has seen.

Two methods of mechanisms are asked about. “Mechanistic” shows two changed views with every picture. “Mechanistic, lean”
shows one, because in trainings this short the number of steps decides; so do most of its rivals, and what it gains at
equal time on AugMix + JSD, which shows three, is for the most part this. The shares of its mixed light, its fog and its
lens's fringes were set after a look at which corruptions of C and C̄ were the worst on pictures held out of training:
for the whole method neither C nor C̄ is unseen. What speaks about unseen corruption is the arm without relatives in C,
and each family of C that was left out.

“Elsewhere” are photographs of dogs, horses and trucks from PACS and Imagenette, shown to nets of CIFAR-10.
"""


def page() -> str:
    """All studies, each at equal epochs and at equal time; those that trained longer; domains held out in turn."""
    parts = [INTRODUCTION]
    for folder in sorted(RESULTS.glob("honest-*")):
        parts += [
            study(read_result(folder / name / "result.json"), how)
            for name, how in (("epochs", "at equal epochs"), ("time", "at equal wall time of training"))
            if (folder / name / "result.json").is_file()
        ]
    for folder in sorted(RESULTS.glob("longer-*")):
        parts.append(study(read_result(folder / "result.json"), "longer trainings, at equal epochs"))
    parts += [domains(read_result(folder / "result.json")) for folder in sorted(RESULTS.glob("domains-*"))]
    return "".join(parts)


def study(result: Result, how: str) -> str:
    """One study: who was right how often, then every comparison under corruption."""
    data = result.data
    measured = result.methods[0].evaluation.figures
    elsewhere = [figure.group for figure in measured if (figure.suite, figure.name) == SHIFTED]
    lines = [
        f"\n## {result.contrasts[0].first} on {data.name}, {how}\n",
        f"The net `{result.net}`, {data.train_size:,} training pictures of {data.width}×{data.height}, "
        f"{len(result.seeds)} seeds, on {result.environment.device}. Made by `{result.command}`.\n",
        f"| trained with | C | C̄ | clean | attacked | {''.join(f'{name} | ' for name in elsewhere)}training, s |",
        f"|---|--:|--:|--:|--:|{'--:|' * len(elsewhere)}--:|",
    ]

    def corrupted(entry: MethodResult) -> float:
        return -entry.evaluation.corrupted.value if entry.evaluation.corrupted else 0.0

    for entry in sorted(result.methods, key=corrupted):
        scores, seconds = entry.evaluation, sum(run.train_seconds for run in entry.runs) / len(entry.runs)
        c, clean, attacked = (one and one.value for one in (scores.corrupted, scores.clean, scores.attacked))
        c_bar = next((1 - one.measurement.value for one in scores.figures if (one.suite, one.group) == C_BAR), None)
        shifted = [one.measurement.value for one in scores.figures if (one.suite, one.name) == SHIFTED]
        cells = (c, c_bar, clean, attacked, *shifted)
        figures = " | ".join("–" if cell is None else f"{100 * cell:.1f}" for cell in cells)
        lines.append(f"| {entry.title} | {figures} | {seconds:.0f} |")
    lines += ["", "| question | measured | beside | difference, points | verdict |", "|---|---|---|--:|---|"]
    for one in result.contrasts:
        if one.measured.startswith(("clean", "pgd")):
            continue
        lines.append(f"| {one.question} | {one.measured} | {one.second} | {points(one)} | {one.verdict} |")
    doubts = [f"- {entry.title}: {caution}" for entry in result.methods for caution in entry.evaluation.cautions]
    if doubts:
        lines += ["\nCautions:\n", *doubts]
    said = Counter(one.verdict for one in result.contrasts)
    lines.append(
        f"\nOf all {len(result.contrasts)} comparisons: " + ", ".join(f"{n} “{v}”" for v, n in said.items()) + "."
    )
    return "\n".join(lines) + "\n"


def domains(result: Result) -> str:
    """Domains held out in turn: how often each method was right on those that it never saw, then the comparisons."""
    data, rounded = result.data, "{:.1f}".format
    named = [figure.name for figure in result.methods[0].evaluation.figures if figure.group == BY_GROUP][1:]
    lines = [
        f"\n## Natural shift: {data.name}, each domain held out in turn\n",
        f"The net `{result.net}`, {data.width}×{data.height}, {len(result.seeds)} seeds, on "
        f"{result.environment.device}; {data.note}. Made by `{result.command}`. Accuracy in %, every picture judged by "
        "nets that never saw its domain.\n",
        f"| trained with | all | {' | '.join(named)} |",
        f"|---|{'--:|' * (len(named) + 1)}",
    ]
    for entry in sorted(result.methods, key=lambda entry: -entry.evaluation.clean.value):
        groups = {figure.name: figure.measurement for figure in entry.evaluation.figures if figure.group == BY_GROUP}
        cells = [rounded(100 * one.value) for one in (entry.evaluation.clean, *(groups[name] for name in named))]
        lines.append(f"| {entry.title} | {' | '.join(cells)} |")
    lines += ["", f"| {result.contrasts[0].first} beside | difference, points | verdict |", "|---|--:|---|"]
    lines += [f"| {one.second} | {points(one)} | {one.verdict} |" for one in result.contrasts]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    write_bytes(PAGE, page().encode("utf-8"))
    print(PAGE)

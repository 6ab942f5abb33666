"""Write the README's figures from the committed results, and its picture from the code: `python benchmarks/readme.py`.

A test compares the README with what this makes of the result files, so that no figure can be typed.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from mechaug.evaluation.contrasts import ALL, LEFT_OUT, TOGETHER
from mechaug.evaluation.result import Measurement, Result, read_result
from mechaug.reports.findings import findings

ROOT = Path(__file__).resolve().parents[1]
README = ROOT / "README.md"
RESULT = ROOT / "benchmarks" / "results" / "0.1.0" / "signs" / "result.json"
CONFOUNDING = RESULT.parents[1] / "confounding.json"
EXTERNAL = ROOT / "benchmarks" / "results" / "0.1.0" / "efficientnet-lite0" / "result.json"
PICTURE = ROOT / "docs" / "images" / "sheet.jpg"


def figures(result: Result) -> str:
    """The README's table and the sentence under it, in Markdown."""
    lines = ["| trained with | clean | corrupted | attacked | training, s |", "|---|---|---|---|---|"]

    def order(entry: object) -> float:
        return -(entry.evaluation.corrupted or entry.evaluation.clean).value  # type: ignore[attr-defined]

    for entry in sorted(result.methods, key=order):
        scores = entry.evaluation
        seconds = sum(run.train_seconds for run in entry.runs) / len(entry.runs)
        cells = [_cell(scores.clean), _cell(scores.corrupted), _cell(scores.attacked), f"{seconds:.0f}"]
        lines.append(f"| {entry.title} | {' | '.join(cells)} |")
    verdict = findings(result)[0]
    lines.append(f"\n{verdict.headline}. {verdict.text}")
    data, where = result.data, result.environment
    seeds = len(result.seeds)
    lines.append(
        f"\nAccuracy in %, with 95 % intervals over pictures and {seeds} {'seed' if seeds == 1 else 'seeds'}: "
        f"{data.name}, {data.train_size:,} + {data.test_size:,} pictures of {data.width}×{data.height}, net "
        f"`{result.net}`, {result.epochs} epochs, {where.threads} threads of one {where.device.upper()}. Corrupted is "
        f"the mean over eight common corruptions at five severities, attacked is PGD-20 at L∞ 8/255. Made by "
        f"`{result.command}`."
    )
    return "\n".join(lines) + "\n"


def confounding(record: dict[str, Any]) -> str:
    """The table of what is kept under a confounder."""
    lines = [
        "| trained with | without the tie | with the tie, reversed in the test | kept |",
        "|---|--:|--:|--:|",
    ]
    for method in record["methods"]:
        mean = method["mean"]
        cells = (mean["unconfounded_on_free"], mean["confounded_on_reversed"], mean["kept"])
        lines.append(f"| {method['title']} | {' | '.join(f'{100 * cell:.1f}' for cell in cells)} |")
    seeds = len(record["methods"][0]["runs"])
    lines.append(
        f"\nAccuracy in %, means over {seeds} seeds: signs, the light tied to the class by {record['confounding']}, "
        f"{record['train_size']:,} + {record['test_size']:,} pictures, net `{record['net']}`, {record['epochs']} "
        "epochs. A shift of the light as wide as the intervention's does most of it too. Made by "
        "`python benchmarks/confounding.py`; as an example, examples/02_confounded_light.py."
    )
    return "\n".join(lines) + "\n"


def honest(studies: Mapping[str, Result]) -> str:
    """The method of mechanisms minus AugMix + JSD in each study of the honest protocol, in Markdown."""
    lines = [
        "| pictures, at equal | C | C̄ | clean | families left out | nearest rival on C |",
        "|---|--:|--:|--:|--:|---|",
    ]
    for name, result in studies.items():
        found = {
            (one.measured, one.second): one.difference for one in result.contrasts if one.question in (ALL, LEFT_OUT)
        }
        cells = [
            f"{100 * gain.value:+.1f} [{100 * gain.low:+.1f}, {100 * gain.high:+.1f}]"
            for gain in (found[measured, RIVAL] for measured in ("c", "c-bar", "clean", TOGETHER))
        ]
        nearest = min((gain.value, second) for (measured, second), gain in found.items() if measured == "c")
        lines.append(f"| {name} | {' | '.join(cells)} | {nearest[1]}, {100 * nearest[0]:+.1f} |")
    one = next(iter(studies.values()))
    lengths = {r.data.name: f"{r.data.name}: {r.data.train_size:,} × {r.epochs}" for r in studies.values()}
    lines.append(
        f"\n{METHOD} minus {RIVAL}, points of accuracy with 95 % intervals over pictures and {len(one.seeds)} seeds; "
        f"net `{one.net}`, pictures × epochs: {', '.join(lengths.values())}. On families left out each family of "
        "corruptions is judged by the net that was trained without its mechanisms. All comparisons and their corrected "
        "verdicts: [docs/honest.md](docs/honest.md)."
    )
    return "\n".join(lines) + "\n"


def external_figures(result: Result) -> str:
    """The table of a model that was brought along, and the sentence under it, in Markdown."""
    scores = result.methods[0].evaluation
    rows: list[tuple[str, Measurement]] = [("clean accuracy", scores.clean)]
    titles = {suite.name: suite.title for suite in result.suites}
    if scores.corrupted:
        rows.append((f"accuracy, {titles['c']}", scores.corrupted))
    rows += [
        (f"{titles[figure.suite]}: {figure.name}", figure.measurement)
        for figure in scores.figures
        if figure.unit == "%" and (figure.suite, figure.group) in SHOWN_FIGURES and "gap" not in figure.name
    ]
    if scores.attacked:
        name = next(title for suite, title in titles.items() if suite in ("autoattack", "pgd"))
        rows.append((f"accuracy under {name}", scores.attacked))
    rows.append(("calibration error", scores.calibration_error))
    lines = ["| measured | % | pictures |", "|---|---|---|"]
    lines += [f"| {name} | {_cell(found)} | {found.count:,} |" for name, found in rows]
    lines.append(
        f"\n{result.net} on {result.data.name}, {result.data.width}×{result.data.height} pixels, over "
        f"{result.data.outputs or len(result.data.classes):,} classes, with 95 % intervals over pictures. Made by "
        f"`{result.command}`."
    )
    return "\n".join(lines) + "\n"


def with_figures(readme: str) -> str:
    """The README with its blocks of figures made anew."""
    record = json.loads(CONFOUNDING.read_text(encoding="utf-8"))
    for name, text in (
        ("figures", figures(read_result(RESULT))),
        ("confounding", confounding(record)),
        ("evaluation", external_figures(read_result(EXTERNAL))),
        ("honest", honest(honest_studies())),
    ):
        begin, end = f"<!-- {name}: begin -->\n", f"<!-- {name}: end -->"
        before, rest = readme.split(begin)
        _, after = rest.split(end)
        readme = before + begin + text + end + after
    return readme


def honest_studies() -> dict[str, Result]:
    """The committed studies of the honest protocol that are about one method, by pictures and cost."""
    found = {}
    for path in sorted(RESULT.parents[1].glob("honest-*/*/result.json")):
        result = read_result(path)
        if result.contrasts[0].first == METHOD:
            found[f"{result.data.name}, {path.parent.name}"] = result
    return found


def draw_picture() -> None:
    """A sign of the embedded data set through one mechanism of each stage."""
    from mechaug.data.signs import CLASSES, draw_nuisances, render
    from mechaug.files import write_file
    from mechaug.keys import Key
    from mechaug.mechanisms import CHAIN_ORDER, View
    from mechaug.reports.sheet import sheet
    from mechaug.reports.show import seen_by

    key = Key(seed=0).at([SIGN_INDEX])
    label = torch.tensor([CLASSES.index("speed_limit")])
    photograph = render(label, draw_nuisances(key, label), size=144)
    shown = [seen_by(kind(), View(crop=0.35)) for kind in CHAIN_ORDER if kind.__name__ in SHOWN]
    drawn = sheet(photograph, shown, columns=6, key=Key(seed=0), first_only=True)
    write_file(PICTURE, lambda temporary: drawn.save(temporary, format="JPEG", quality=88))


METHOD = "Mechanistic, lean"
RIVAL = "AugMix + JSD"

SHOWN_FIGURES = frozenset({("c", "Scores"), ("c-bar", "Scores"), ("stability", "")})
"""The suites and headings whose figures the README shows of a model that was brought along."""

SIGN_INDEX = 5
SHOWN = (
    "Perspective", "Occlusion", "Illuminant", "Shadow", "Haze", "Snow", "Defocus", "MotionBlur", "Sensor", "ToneCurve",
    "Jpeg",
)  # fmt: skip


def _cell(measured: Measurement | None) -> str:
    if measured is None:
        return "–"
    return f"**{100 * measured.value:.1f}** [{100 * measured.low:.1f}, {100 * measured.high:.1f}]"


if __name__ == "__main__":
    README.write_text(with_figures(README.read_text(encoding="utf-8")), encoding="utf-8")
    draw_picture()

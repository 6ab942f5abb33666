"""The README's figures are those of the committed results, and its code runs."""

import re
import runpy
from pathlib import Path

from mechaug.evaluation.result import read_result

ROOT = Path(__file__).resolve().parents[1]


def test_figures_come_from_the_committed_results() -> None:
    script = runpy.run_path(str(ROOT / "benchmarks" / "readme.py"))
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert readme == script["with_figures"](readme, read_result(script["RESULT"]), read_result(script["EXTERNAL"]))


def test_code_runs_as_printed() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```python\n(.*?)```", readme, flags=re.DOTALL)
    assert blocks
    for block in blocks:
        names: dict[str, object] = {}
        exec(block, names)
        assert names["y"].shape == (64, 3, 32, 32)  # type: ignore[attr-defined]


def test_pictures_exist() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    for path in re.findall(r"!\[[^\]]*\]\(([^)]+)\)", readme):
        assert (ROOT / path).is_file(), path

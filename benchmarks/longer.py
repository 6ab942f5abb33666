"""Compare the method of mechanisms with the others of a study that was longer than the honest protocol's trainings.

    mechaug study --methods mechanistic augmix-jsd … --out STUDY
    python benchmarks/longer.py STUDY --name imagenette

The first question of the honest protocol alone, with its statistics; the result is put beside the others of this
version without its gallery, and `python docs/honest.py` shows it.
"""

import argparse
from dataclasses import replace
from pathlib import Path

from common import RESULTS

from mechaug.evaluation.contrasts import contrasts
from mechaug.evaluation.result import read_result, write_result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("study", type=Path, help="its folder, with its outcomes")
    parser.add_argument("--name", required=True, help="of the result")
    parser.add_argument("--method", default="mechanistic")
    options = parser.parse_args()
    result = read_result(options.study / "result.json")
    rivals = [entry.name for entry in result.methods if entry.name != options.method]
    found = contrasts(result, options.study, whole=options.method, rivals=rivals)
    out = RESULTS / f"longer-{options.name}" / "result.json"
    out.parent.mkdir(parents=True, exist_ok=True)
    write_result(replace(result, contrasts=found, gallery=()), out)
    print(f"written: {out}")


if __name__ == "__main__":
    main()

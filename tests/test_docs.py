"""The pages under docs/ are those that the code and the committed results make."""

import json
import runpy
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


def test_the_catalogue_is_the_codes() -> None:
    script = runpy.run_path(str(ROOT / "docs" / "catalogue.py"))
    assert script["PAGE"].read_text(encoding="utf-8") == script["page"](), "run `python docs/catalogue.py`"


def test_the_page_of_the_honest_protocol_is_the_results() -> None:
    script = runpy.run_path(str(ROOT / "docs" / "honest.py"))
    assert script["PAGE"].read_text(encoding="utf-8") == script["page"](), "run `python docs/honest.py`"


def test_the_page_of_speed_is_the_results() -> None:
    script = runpy.run_path(str(ROOT / "benchmarks" / "speed.py"))
    record = json.loads((script["RESULTS"] / "throughput-cpu.json").read_text(encoding="utf-8"))
    assert script["PAGE"].read_text(encoding="utf-8") == script["page"](record), "run `python benchmarks/speed.py`"


def test_the_log_of_experiments_is_the_results(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", [str(ROOT / "benchmarks"), *sys.path])
    script = runpy.run_path(str(ROOT / "benchmarks" / "experiments.py"))
    made = script["page"](script["FOLDER"])
    assert script["PAGE"].read_text(encoding="utf-8") == made, "run `python benchmarks/experiments.py --page`"


def test_every_mechanism_was_timed() -> None:
    from mechaug.mechanisms import CHAIN_ORDER

    record = json.loads((ROOT / "benchmarks/results/0.1.0/throughput-cpu.json").read_text(encoding="utf-8"))
    for size in ("32", "224"):
        names = {row["name"] for row in record["sizes"][size]["rows"]}
        assert names >= {kind.__name__ for kind in CHAIN_ORDER} | {"full chain", "every mechanism"}


def test_every_peer_is_set_against_something_that_is_timed(monkeypatch: pytest.MonkeyPatch) -> None:
    from mechaug.mechanisms import CHAIN_ORDER

    monkeypatch.setattr(sys, "path", [str(ROOT / "benchmarks"), *sys.path])
    peers = runpy.run_path(str(ROOT / "benchmarks" / "peers.py"))["PEERS"]
    assert {peer.against for peer in peers} <= {kind.__name__ for kind in CHAIN_ORDER} | {"full chain"}

"""The review: its catalogue, its table, its page and its citations."""

import io
import re
import runpy
from html.parser import HTMLParser
from pathlib import Path

import pytest
from rich.console import Console

from mechaug import cli
from mechaug.errors import UserError
from mechaug.evaluation.result import write_result
from mechaug.heuristics.base import Citation
from mechaug.heuristics.review import FAMILIES, LEFT_OUT, catalogue, cited
from mechaug.reports.review import cards, read_results, review_table, write_review
from mechaug.training.methods import METHODS
from test_reports_html import make_result

ROOT = Path(__file__).resolve().parents[1]


def test_every_family_has_an_entry_and_every_heuristic_a_method() -> None:
    entries = catalogue()
    assert {entry.about.family for entry in entries} == set(FAMILIES)
    order = [entry.about.family for entry in entries]
    assert order == sorted(order, key=list(FAMILIES).index)
    assert all(card.names for card in cards())
    named = {name for card in cards() for name in card.names}
    others = ("mechanism", "adversarial")
    assert named == {method.name for method in METHODS if method.family not in others and method.name != "none"}


def test_citations_belong_to_papers() -> None:
    by_key: dict[str, Citation] = {}
    for entry in catalogue():
        citation = entry.about.citation
        # Two heuristics of one paper have one entry; two papers never share a key.
        assert by_key.setdefault(citation.key, citation) == citation
        assert re.fullmatch(r"[a-z]+\d{4}[a-z]+", citation.key)
        assert str(citation.year) in citation.key
        assert all("," in author for author in citation.authors)
    assert len(by_key) >= 24


def test_a_citation_gives_a_line_and_bibtex() -> None:
    three = Citation("a2020b", ("Ann, A.", "Bob, B.", "Cid, C."), "On {X}: A Study", "ICLR", 2020)
    assert three.line == 'Ann et al., "On {X}: A Study", ICLR 2020'
    assert three.short == "Ann et al., ICLR 2020"
    assert three.bibtex == (
        "@inproceedings{a2020b,\n  author = {Ann, A. and Bob, B. and Cid, C.},\n  title = {{On {X}: A Study}},\n"
        "  booktitle = {ICLR},\n  year = {2020}\n}"
    )
    two = Citation("a2020b", ("Ann, A.", "Bob, B."), "T", "arXiv:1", 2020, "misc")
    assert two.short == "Ann and Bob, arXiv:1 2020"
    assert "howpublished = {arXiv:1}" in two.bibtex
    assert "journal = {" in Citation("a2020b", ("Ann, A.",), "T", "JMLR", 2020, "article").bibtex


@pytest.mark.parametrize("name", ["AugMix", "augmix", "apr-p", "APRPair", "zhang2018mixup", "deepaugment"])
def test_a_heuristic_is_found_by_its_names(name: str) -> None:
    assert cited(name).bibtex.startswith("@inproceedings{")


def test_an_unknown_heuristic_is_told_its_neighbours() -> None:
    with pytest.raises(UserError, match="did you mean CutMix"):
        cited("cutmax")
    with pytest.raises(UserError, match="mechaug review"):
        cited("xyzzy")


def test_the_table_says_what_the_cards_say() -> None:
    console = Console(width=160, record=True, file=io.StringIO())
    console.print(review_table())
    text = re.sub(r"[│\s]+", " ", console.export_text())
    for entry in catalogue():
        assert entry.about.name in text
        assert entry.about.citation.short.split(",")[0] in text


class Words(HTMLParser):
    """The text of a page, and whether it loads or runs anything."""

    def __init__(self) -> None:
        super().__init__()
        self.text, self.tags, self.addresses = "", set[str](), list[str]()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.addresses += [value or "" for name, value in attrs if name in ("src", "href")]

    def handle_data(self, data: str) -> None:
        self.text += data


def read(page: Path) -> Words:
    words = Words()
    words.feed(page.read_text(encoding="utf-8"))
    return words


def test_the_page_holds_every_card_and_loads_nothing(tmp_path: Path) -> None:
    write_review(tmp_path / "review.html")
    words = read(tmp_path / "review.html")
    assert "script" not in words.tags
    assert all(address.startswith(("#", "data:")) for address in words.addresses)
    for entry in catalogue():
        for text in (entry.about.name, entry.about.assumption, entry.about.breaks, entry.about.citation.line):
            assert text in words.text
    assert all(one.reason in words.text for one in LEFT_OUT)
    assert "Measured" not in words.text


def test_measured_figures_stand_beside_the_claims(tmp_path: Path) -> None:
    result = make_result(methods=8)
    write_result(result, tmp_path / "result.json")
    (known,) = read_results([tmp_path])
    mixup = next(card for card in cards([known]) if card.entry.about.name == "Mixup")
    (measured,) = mixup.measured
    entry = next(one for one in result.methods if one.name == "mixup")
    base = next(one for one in result.methods if one.family == "baseline")
    assert measured.method == entry
    assert entry.evaluation.corrupted is not None and base.evaluation.corrupted is not None
    assert measured.corrupted_gain == entry.evaluation.corrupted.value - base.evaluation.corrupted.value
    assert measured.unseen is not None
    write_review(tmp_path / "review.html", [known])
    words = read(tmp_path / "review.html")
    assert "Measured" in words.text
    assert f"{100 * measured.corrupted_gain:+.1f}".replace("-", "−") in words.text
    # What is no heuristic stands beside them.
    assert "Camera chain + JSD" in words.text


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as stop:
        cli.main(["review", *arguments])
    said = capsys.readouterr()
    assert isinstance(stop.value.code, int)
    return stop.value.code, said.out, said.err


def test_the_command_prints_writes_and_cites(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    code, out, _ = run(capsys)
    assert code == 0
    assert "Mixup" in out and "DeepAugment" in out
    page = tmp_path / "page.html"
    assert run(capsys, "--out", str(page))[0] == 0
    assert page.is_file()
    code, out, _ = run(capsys, "--cite", "augmix", "augmix-jsd", "apr-sp")
    assert code == 0
    assert out.count("@inproceedings{") == 2
    code, out, _ = run(capsys, "--cite", "all")
    assert out.count("@") == len({entry.about.citation.key for entry in catalogue()})


def test_bad_input_is_one_sentence(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    for arguments in (["--cite", "mixap"], ["--results", str(tmp_path / "nowhere")]):
        code, _, complaint = run(capsys, *arguments)
        assert code == 2
        assert complaint.startswith("mechaug: ") and "Traceback" not in complaint


def test_the_page_under_docs_is_the_cards() -> None:
    script = runpy.run_path(str(ROOT / "docs" / "review.py"))
    assert script["PAGE"].read_text(encoding="utf-8") == script["page"](), "run `python docs/review.py`"

"""The page and the table of a fit, and `mechaug fit` on the real command line, with bad input too."""

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as PillowImage

import known_scene
from mechaug.errors import UserError
from mechaug.reports.fit import cards, headline, write_fit
from mechaug.reports.histogram import Curve, histogram, span_of, ticks
from mechaug.scenes import Fit, fit_folder, read_scene
from test_cli import refused, run


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Thirty pictures that read as <b>&, with what cameras write."""
    root = tmp_path_factory.mktemp("place <b>&")
    for number, picture in enumerate(known_scene.leaves(30, 96)):
        exif = PillowImage.Exif()
        exif.get_ifd(0x8769).update({0x829A: 0.01 * (1 + number % 3), 0x8827: 0 if number == 5 else 200})
        pixels = (picture * 255).byte().permute(1, 2, 0).numpy()
        PillowImage.fromarray(pixels).save(root / f"{number:02}.jpg", quality=80, exif=exif)
    (root / "bad.jpg").write_bytes((root / "00.jpg").read_bytes()[:200])
    return root


@pytest.fixture(scope="module")
def fit(folder: Path) -> Fit:
    return fit_folder(folder)


class Page(HTMLParser):
    """The text of a page, its tags, its addresses, and its plots."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.text, self.tags, self.addresses, self.plots = "", list[str](), list[str](), 0
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.addresses += [value or "" for name, value in attrs if name in ("src", "href")]
        self.plots += ("class", "histogram") in attrs

    def handle_data(self, data: str) -> None:
        self.text += data


def test_the_page_says_all_of_it_and_loads_nothing(fit: Fit, folder: Path, tmp_path: Path) -> None:
    write_fit(fit, tmp_path / "page.html", "my scene.json")
    page = Page(tmp_path / "page.html")
    assert "script" not in page.tags and "b" in page.tags and "link" in page.tags
    assert all(address.startswith(("#", "data:")) for address in page.addresses)
    for card in cards(fit):
        fitted = card.fitted
        assert all(text in page.text for text in (card.title, fitted.variable.name, card.law, fitted.text))
        assert fitted.assumption in page.text
    assert str(folder) in page.text  # escaped, not swallowed
    assert headline(fit) in page.text
    assert page.text.count("not identified") >= sum(f.status == "not identified" for f in fit.variables)
    assert "bad.jpg cannot be read" in page.text and "iso = 0, which no camera can mean" in page.text
    assert 'read_scene("my scene.json")' in page.text
    assert page.plots == sum(bool(card.plot) for card in cards(fit)) >= 7
    assert any(address.startswith("data:image/svg+xml") for address in page.addresses)


def test_plots_show_what_they_are_of(fit: Fit) -> None:
    shown = {card.fitted.variable.name: card.plot for card in cards(fit)}
    assert 'class="law"' in shown["quality"] and 'class="prior"' not in shown["quality"]
    assert 'class="prior"' in shown["visibility_m"] and 'class="law"' not in shown["visibility_m"]
    assert "30 of 30 pictures have a value" in shown["quality"]
    # What no camera wrote has nothing to draw.
    assert shown["focal_length_mm"] == ""
    assert not re.search(r"[\" ]nan|inf[\" ]", "".join(shown.values()))


def test_bars_and_lines_are_shares_of_pictures() -> None:
    values = np.random.default_rng(0).normal(5.0, 1.0, 400)
    quantiles = np.sort(np.random.default_rng(1).normal(5.0, 1.0, 4000))
    drawn = histogram("t", "m", values.tolist(), [Curve("law", "fitted", quantiles)], "linear", 800)
    bottom, tallest = 150.0, min(float(y) for y in re.findall(r'class="bars" x="[^"]+" y="([^"]+)"', drawn))
    line = re.search(r'class="law" d="M([^"]+)"', drawn)
    assert line
    top = min(float(point.split()[1]) for point in line[1].split("L"))
    # Half of the pictures have a value, so that bars are half as high as the law's line.
    assert (bottom - tallest) / (bottom - top) == pytest.approx(0.5, abs=0.12)


@pytest.mark.parametrize(
    ("low", "high", "scale"), [(0.0, 1.0, "linear"), (-3.2, 1.9, "linear"), (94.0, 6000.0, "log"), (3.0, 4.0, "log")]
)
def test_ticks_are_few_round_and_inside(low: float, high: float, scale: str) -> None:
    span = span_of([low, high], [], scale)  # type: ignore[arg-type]
    found = ticks(span)
    assert 2 <= len(found) <= 8
    assert all(span.low <= value <= span.high for value in found)
    assert all(len(f"{value:g}") <= 5 for value in found)


def test_the_command_writes_a_scene_and_its_page(
    capsys: pytest.CaptureFixture[str], folder: Path, tmp_path: Path
) -> None:
    out = tmp_path / "new" / "scene.json"
    code, said, complaint = run(capsys, "fit", str(folder), "-o", str(out))
    assert code == 0, complaint
    assert read_scene(out).names[:3] == ("cast_mired", "visibility_m", "scale_permille")
    assert out.with_suffix(".html").is_file()
    table = " ".join(re.sub(r"[│┃]", " ", said).split())
    assert "not identified" in table and "quality" in table and str(out) in said
    # One damaged file and one absurd entry: named, and the rest is fitted.
    assert "bad.jpg cannot be read" in table and "iso = 0" in table and "30 pictures measured, 1 that" in table
    code, _, complaint = run(capsys, "fit", str(folder), "-o", str(out), "--reference", str(folder), "--limit", "25")
    assert code == 0, complaint
    assert f"the pictures in {folder}" in Page(out.with_suffix(".html")).text


# Bad input: one sentence, and nothing lost --------------------------------------------------------------------------


def test_folders_that_hold_nothing_to_read(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    out = tmp_path / "scene.json"
    out.write_text("precious")
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / "notes.txt").write_text("no picture")
    (tmp_path / "broken").mkdir()
    for number in range(3):
        (tmp_path / "broken" / f"{number}.jpg").write_bytes(b"\xff\xd8\xff not a picture")
    for given, said in (
        ("nowhere", "there is no folder"),
        ("scene.json", "is a file"),
        ("empty", "there are no pictures in"),
        ("broken", "none of the 3 pictures"),
    ):
        complaint = refused(capsys, "fit", str(tmp_path / given), "-o", str(out))
        assert said in complaint and given in complaint
    assert out.read_text() == "precious" and not (tmp_path / "scene.html").exists()
    assert "there is no folder" in refused(
        capsys, "fit", str(tmp_path / "broken"), "-o", str(out), "--reference", str(tmp_path / "nowhere")
    )


def test_outputs_that_cannot_be_written(capsys: pytest.CaptureFixture[str], folder: Path, tmp_path: Path) -> None:
    """Said before anything is measured."""
    (tmp_path / "file").write_text("not a folder")
    given = ["fit", str(folder)]
    assert "cannot write" in refused(capsys, *given, "-o", str(tmp_path / "file" / "scene.json"))
    assert "cannot write" in refused(capsys, *given, "-o", str(tmp_path))
    page = str(tmp_path / "file" / "page.html")
    assert "cannot write" in refused(capsys, *given, "-o", str(tmp_path / "scene.json"), "--page", page)
    assert "would both be" in refused(capsys, *given, "-o", str(tmp_path / "scene.html"))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file"]


def test_scene_files_that_are_none(fit: Fit, tmp_path: Path) -> None:
    from mechaug.scenes import write_scene

    path = tmp_path / "scene.json"
    write_scene(fit.scene, path)
    text = path.read_text(encoding="utf-8")
    version = json.loads(text)
    version["schema_version"] = 99
    broken = {
        text[: len(text) // 2]: "holds no scene that can be used",
        json.dumps(version): "schema version 99",
        # One that a mechanism reads, and nothing else has.
        text.replace('"quality"', '"qualities"', 1): "quality",
        "[]": "holds no scene",
        "": "holds no scene",
    }
    for content, said in broken.items():
        path.write_text(content, encoding="utf-8")
        with pytest.raises(UserError, match=said) as error:
            read_scene(path)
        assert str(path) in str(error.value) and "\n" not in str(error.value)
    with pytest.raises(UserError, match="cannot be read"):
        read_scene(tmp_path / "nowhere.json")


def test_a_scene_with_an_unknown_parent_is_named(tmp_path: Path) -> None:
    from mechaug import mechanisms as m
    from mechaug.scenes import Linear, Scene, Variable, write_scene

    causes = (Variable("hour", "h", (0.0, 24.0)), Variable("ev", "EV", Linear((0.1,), 0.0), parents=("hour",)))
    path = tmp_path / "scene.json"
    write_scene(Scene(causes, m.Chain(m.Exposure(exposure_ev="ev"))), path)
    text = path.read_text(encoding="utf-8")
    at = text.index('"parents"', text.index('"ev"'))
    path.write_text(text[:at] + text[at:].replace('"hour"', '"time_of_day"', 1), encoding="utf-8")
    with pytest.raises(UserError, match="unknown parent: there is no variable 'time_of_day'"):
        read_scene(path)

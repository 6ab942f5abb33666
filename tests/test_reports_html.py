import dataclasses
import html
import math
import re
import shutil
import subprocess
from collections.abc import Sequence
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import pytest
from PIL import Image, ImageDraw

from mechaug.errors import UserError
from mechaug.evaluation.result import (
    SCHEMA_VERSION,
    Cell,
    DataRecord,
    Environment,
    Evaluation,
    Measurement,
    MethodResult,
    Picture,
    Result,
    Run,
    SuiteRecord,
    write_result,
)
from mechaug.reports import figures
from mechaug.reports.findings import findings, mean, ranked, separate
from mechaug.reports.html import write

# Name, title, family, corruptions of which a relative was in training, clean and mean corrupted accuracy, seconds.
METHODS = (
    ("flip_crop", "Flip and crop", "baseline", (), 0.861, 0.662, 140.0),
    ("camera", "Camera chain + JSD", "mechanism", ("shot_noise", "fog", "jpeg_compression"), 0.853, 0.789, 402.0),
    ("augmix", "AugMix + JSD", "heuristic", (), 0.858, 0.742, 371.0),
    ("trivial", "TrivialAugment", "heuristic", ("brightness", "contrast"), 0.867, 0.713, 151.0),
    ("mixup", "Mixup", "heuristic", (), 0.869, 0.681, 142.0),
    ("pretrained", "A model from elsewhere", "external", (), 0.842, 0.702, 0.0),
    ("prime", "PRIME", "heuristic", ("gaussian_noise",), 0.848, 0.771, 230.0),
    ("scene", "Driving scene (worst of three draws)", "mechanism", ("fog", "motion_blur"), 0.846, 0.764, 512.0),
)  # fmt: skip
CORRUPTIONS = (
    "gaussian_noise", "shot_noise", "impulse_noise", "defocus_blur", "glass_blur", "motion_blur", "zoom_blur", "snow",
    "frost", "fog", "brightness", "contrast", "elastic_transform", "pixelate", "jpeg_compression",
)  # fmt: skip
OVERLAPPING = ("camera", "prime")


def near(value: float, half: float = 0.008, count: int = 4000) -> Measurement:
    """A measurement with an interval of `half` to both sides."""
    return Measurement(value, max(value - half, 0.0), min(value + half, 1.0), count)


def make_method(index: int, corruptions: int, seeds: Sequence[int], half: float, attacked: bool) -> MethodResult:
    name, title, family, sees, clean, corrupted, seconds = METHODS[index]
    cells = tuple(
        Cell(corruption, severity, near(accuracy, 2 * half))
        for place, corruption in enumerate(CORRUPTIONS[:corruptions])
        for severity in range(1, 6)
        for gain in [0.06 * math.sin(3.0 * place + index) + (0.04 if corruption in sees else 0.0)]
        for accuracy in [min(max(corrupted + gain - (severity - 3) * (0.02 + 0.004 * place), 0.05), 0.95)]
    )
    if cells:
        corrupted = sum(cell.accuracy.value for cell in cells) / len(cells)
    evaluation = Evaluation(
        clean=near(clean, half),
        corrupted=near(corrupted, half) if corruptions else None,
        attacked=near(0.02 + 0.3 * (corrupted - 0.6), half) if attacked else None,
        calibration_error=near(0.03 + 0.008 * index, half / 2),
        worst_class=near(clean - 0.13, 2 * half),
        worst_class_name="no overtaking",
        worst_class_corrupted=near(corrupted - 0.2, 2 * half) if corruptions else None,
        cells=cells,
    )
    runs = tuple(
        Run(
            seed=seed,
            steps=4680,
            train_seconds=seconds + 3 * seed,
            images_per_second=1.2e6 / seconds,
            evaluate_seconds=61.5,
            clean=clean + 0.002 * (seed - 1),
            corrupted=corrupted - 0.003 * (seed - 1) if corruptions else None,
            attacked=0.04 if attacked else None,
        )
        for seed in seeds
        if family != "external"
    )
    description = f"{title}, as its authors describe it, with their settings and this study's schedule."
    return MethodResult(name, title, family, description, evaluation, runs, sees, sees_known=family != "external")


def make_result(
    *,
    methods: int = 4,
    corruptions: int = len(CORRUPTIONS),
    attacked: bool = True,
    seeds: tuple[int, ...] = (0, 1, 2),
    half: float = 0.008,
    classes: tuple[str, ...] = ("stop", "yield", "no entry", "no overtaking", "<script>alert(1)</script>"),
    gallery: tuple[Picture, ...] = (),
) -> Result:
    """A result whose figures come from METHODS and simple formulas; not measured."""
    return Result(
        schema_version=SCHEMA_VERSION,
        title="Which augmentation makes a sign classifier robust?",
        command="mechaug study --data signs --methods flip_crop camera augmix trivial --seeds 0 1 2 --epochs 30",
        created="2025-01-31T12:00:00Z",
        wall_seconds=4321.0,
        data=DataRecord("signs", "drawings & photographs", classes, 40_000, 4_000, 32, 32, "Drawn, not photographed."),
        net="WRN-16-4",
        seeds=seeds,
        epochs=30,
        suites=(SuiteRecord("clean", "Clean", "The test pictures as they are."),),
        methods=tuple(make_method(index, corruptions, seeds, half, attacked) for index in range(methods)),
        gallery=gallery,
        environment=Environment("0.1.0", "3.11.7", "2.13.0", "Linux x86_64", "cpu", 2),
    )


def draw_gallery(folder: Path, corruptions: int = 2, methods: int = 2) -> tuple[Picture, ...]:
    """Tiny strips of ten pictures, drawn into `folder`."""
    entries = [("clean", "the pictures as they are", "clean")]
    entries += [("corruption", f"{name}, severity 3", name) for name in CORRUPTIONS[:corruptions]]
    entries += [("augmentation", METHODS[index][1], METHODS[index][0]) for index in range(methods)]
    for number, (_, _, name) in enumerate(entries):
        strip = Image.new("RGB", (10 * 32, 32), "white")
        draw = ImageDraw.Draw(strip)
        for column in range(10):
            colour = (37 * column % 256, 90 + 11 * number % 160, 200 - 20 * column)
            draw.ellipse((32 * column + 3, 3, 32 * column + 28, 28), fill=colour, outline="black")
        strip.save(folder / f"{name}.png")
    return tuple(Picture(group, title, f"{name}.png", f"Ten signs: {title}") for group, title, name in entries)


def write_page(folder: Path, *results: Result) -> str:
    paths = [folder / f"result-{number}.json" for number in range(len(results))]
    for path, result in zip(paths, results, strict=True):
        write_result(result, path)
    write(paths, folder / "report.html")
    return (folder / "report.html").read_text(encoding="utf-8")


def with_corrupted(result: Result, **corrupted: Measurement | None) -> Result:
    """The result with other figures under corruption, by method name."""
    methods = tuple(
        dataclasses.replace(m, evaluation=dataclasses.replace(m.evaluation, corrupted=corrupted[m.name]))
        if m.name in corrupted
        else m
        for m in result.methods
    )
    return dataclasses.replace(result, methods=methods)


class Page(HTMLParser):
    """Checks that tags nest, and gathers text, attributes and the ids and targets of links."""

    VOID = frozenset({"meta", "link", "img", "br", "input", "hr"})

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.tags: set[str] = set()
        self.attributes: list[tuple[str, str, str]] = []
        self.words: list[str] = []
        self.feed(text)
        self.close()
        assert not self.open, f"left open: {self.open}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes += [(tag, name, value or "") for name, value in attrs]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open and self.open[-1] == tag, f"</{tag}> closes {self.open[-3:]} at {self.getpos()}"
        self.open.pop()

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self.words.append(data)

    @property
    def text(self) -> str:
        return re.sub(r"\s+", " ", " ".join(self.words))

    def values(self, name: str) -> list[str]:
        return [value for _, attribute, value in self.attributes if attribute == name]


# The page as a file


def test_page_is_well_formed_and_says_everything(tmp_path):
    result = make_result(methods=8, gallery=draw_gallery(tmp_path))
    page = Page(write_page(tmp_path, result))
    for method in result.methods:
        assert method.title in page.text
        assert method.description in page.text
    for corruption in CORRUPTIONS:
        assert corruption.replace("_", " ") in page.text
    for said in (result.command, result.net, result.data.note, result.environment.torch, "Linux x86_64"):
        assert said in page.text
    images = [value for tag, name, value in page.attributes if (tag, name) == ("img", "src")]
    assert len(images) == len(result.gallery)
    assert set(page.values("alt")) == {picture.alt for picture in result.gallery}


def test_every_figure_is_well_formed_xml_and_described(tmp_path):
    page = write_page(tmp_path, make_result(methods=8))
    drawn = re.findall(r"<svg.*?</svg>", page, flags=re.DOTALL)
    assert len(drawn) > 8 * 5 + 6 + len(CORRUPTIONS)
    for text in drawn:
        figure = ElementTree.fromstring(text)
        assert "nan" not in text
        if figure.get("aria-hidden") != "true":
            assert figure.get("role") == "img"
            assert figure.get("aria-label")
            assert figure.find("title") is not None
            assert figure.find("desc") is not None


def test_page_loads_nothing_and_runs_no_script(tmp_path):
    result = make_result(gallery=draw_gallery(tmp_path))
    result = dataclasses.replace(result, data=dataclasses.replace(result.data, source="https://example.org/signs"))
    text = write_page(tmp_path, result)
    page = Page(text)
    assert not page.tags & {"script", "iframe", "object", "embed", "base", "form"}
    for name in ("src", "href", "srcset", "data", "action", "poster"):
        assert all(value.startswith(("#", "data:")) for value in page.values(name)), name
    assert not re.search(r"url\(|@import", text)
    assert not any(name.startswith("on") for _, name, _ in page.attributes)
    assert "https://example.org/signs" in page.text


def test_links_inside_the_page_lead_somewhere(tmp_path):
    page = Page(write_page(tmp_path, make_result(), make_result(methods=1, corruptions=0)))
    identifiers = page.values("id")
    targets = [value[1:] for value in page.values("href") if value.startswith("#")]
    assert len(set(identifiers)) == len(identifiers)
    assert {"r1", "r2"} <= set(targets) <= set(identifiers)


def test_names_are_escaped_everywhere(tmp_path):
    evil = "<script>alert('x')</script> & \"quotes\""
    picture = Picture("clean", evil, "a.png", evil)
    result = make_result(methods=3, classes=(evil, "b"), gallery=(picture,))
    Image.new("RGB", (8, 8)).save(tmp_path / "a.png")
    method = result.methods[1]
    cells = tuple(dataclasses.replace(cell, corruption=evil) for cell in method.evaluation.cells[:5])
    evaluation = dataclasses.replace(method.evaluation, cells=cells, worst_class_name=evil)
    method = dataclasses.replace(method, title=evil, description=evil, evaluation=evaluation, sees=(evil,))
    result = dataclasses.replace(result, title=evil, command=evil, methods=(method, *result.methods[1:]))
    text = write_page(tmp_path, result)
    page = Page(text)
    assert "<script" not in text
    assert "script" not in page.tags
    assert page.text.count(evil) > 10
    for drawn in re.findall(r"<svg.*?</svg>", text, flags=re.DOTALL):
        ElementTree.fromstring(drawn)


def test_seen_corruptions_are_marked_and_split(tmp_path):
    result = make_result(methods=4)
    text = write_page(tmp_path, result)
    marks = sum(len(method.sees) for method in result.methods)
    assert text.count("<sup") == marks == 5
    assert "mean over the 10 unseen by all" in text
    assert "a relative of this corruption was in training" in text
    camera = next(method for method in result.methods if method.name == "camera")
    unseen = [c.accuracy.value for c in camera.evaluation.cells if c.corruption not in camera.sees]
    row = re.search(r"mean over its own unseen</th>\s*<td.*?>([\d.]+)<", text, flags=re.DOTALL)
    assert row is not None
    assert ranked(result.methods)[0] is camera
    assert float(row[1].split(">")[-1]) == pytest.approx(100 * sum(unseen) / len(unseen), abs=0.051)
    assert text.count("<sup") == 5
    assert "†" not in write_page(tmp_path, make_result(methods=1))


def test_gallery_files_that_are_gone_are_named(tmp_path):
    result = make_result(gallery=(Picture("corruption", "fog", "gallery/fog.png", "signs in fog"),))
    page = Page(write_page(tmp_path, result))
    assert "img" not in page.tags
    assert "gallery/fog.png was not found beside the result" in page.text


def test_gallery_holds_only_pictures_of_its_folder(tmp_path):
    (tmp_path / "secret.png").write_text("not a picture")
    folder = tmp_path / "run"
    folder.mkdir()
    outside = make_result(gallery=(Picture("clean", "a", "../secret.png", "a"),))
    with pytest.raises(UserError, match="outside the result's folder"):
        write_page(folder, outside)
    with pytest.raises(UserError, match="is not a PNG file"):
        write_page(tmp_path, make_result(gallery=(Picture("clean", "a", "secret.png", "a"),)))


def test_small_pictures_are_enlarged_by_whole_steps(tmp_path):
    page = Page(write_page(tmp_path, make_result(gallery=draw_gallery(tmp_path, 0, 0))))
    (size,) = [(w, h) for w, h in zip(page.values("width"), page.values("height"), strict=True) if w == "640"]
    assert size == ("640", "64")


def test_bad_input_is_one_sentence(tmp_path):
    with pytest.raises(UserError, match="at least one result"):
        write([], tmp_path / "report.html")
    with pytest.raises(UserError, match=r"cannot read the result .*none\.json"):
        write([tmp_path / "none.json"], tmp_path / "report.html")
    (tmp_path / "broken.json").write_text("{")
    with pytest.raises(UserError, match="not JSON"):
        write([tmp_path / "broken.json"], tmp_path / "report.html")
    assert not (tmp_path / "report.html").exists()


@pytest.mark.parametrize("methods", [0, 1, 2, 8])
@pytest.mark.parametrize("corruptions", [0, 1, 3])
def test_small_results_make_a_page(tmp_path, methods, corruptions):
    result = make_result(methods=methods, corruptions=corruptions, attacked=False, seeds=(), classes=())
    page = Page(write_page(tmp_path, result))
    assert ("Ranking" in page.text) == (methods > 1)
    assert ("At a glance" in page.text) == (methods == 1)
    assert ("By severity" in page.text) == (methods > 0 and corruptions > 0)
    assert "Every run" not in page.text


def test_many_methods_share_the_grey_and_a_figure_that_is_none_is_left_out(tmp_path):
    result = make_result(methods=8)
    undefined = Measurement(math.nan, math.nan, math.nan, 4000)
    broken = dataclasses.replace(result.methods[2].evaluation, calibration_error=undefined)
    extra = tuple(dataclasses.replace(m, name=f"{m.name}2", title=f"{m.title} again") for m in result.methods[1:4])
    diverged = dataclasses.replace(result.methods[2], evaluation=broken)
    methods = (*result.methods[:2], diverged, *result.methods[3:], *extra)
    text = write_page(tmp_path, dataclasses.replace(result, methods=methods))
    assert "nan" not in text.replace("nan.json", "")
    assert 'class="k8"' in text
    assert "not measured" in text


# What the page claims


def test_a_clear_winner_is_named_with_its_lead_and_price():
    result = with_corrupted(make_result(methods=3), camera=near(0.80), augmix=near(0.75), flip_crop=near(0.60))
    first, attacked, price, reach = findings(result)
    assert first.shown is True
    assert first.headline == (
        "Camera chain + JSD is the most accurate under corruption, 5.0\u00a0points above AugMix + JSD "
        "and 20.0\u00a0points above the baseline"
    )
    assert "80.0\u00a0% [79.2, 80.8]" in first.text
    assert "do not overlap" in first.text
    assert attacked.label == "Under attack"
    assert price.shown is False
    assert price.headline == "No change in clean accuracy shown, 2.8 × the training time"
    assert "On the 12 of which no relative was in its training" in reach.text


def test_overlapping_intervals_show_no_difference():
    result = with_corrupted(
        make_result(methods=3), camera=near(0.78, 0.02), augmix=near(0.75, 0.02), flip_crop=near(0.60, 0.02)
    )
    first = findings(result)[0]
    assert first.shown is False
    assert first.headline == "No clear leader under corruption: Camera chain + JSD and AugMix + JSD overlap"
    assert "most accurate" not in first.headline + first.text
    assert "Shown to be above the baseline, Flip and crop" in first.text
    assert first.text.endswith("Camera chain + JSD and AugMix + JSD.")


def test_a_wide_interval_further_down_forbids_the_claim_too():
    result = with_corrupted(
        make_result(methods=3), camera=near(0.80, 0.01), augmix=near(0.77, 0.01), flip_crop=near(0.72, 0.09)
    )
    first = findings(result)[0]
    assert first.shown is False
    assert "overlaps with that of Flip and crop" in first.text
    assert "No method is shown to be above the baseline" in first.text


def test_equal_figures_are_level():
    result = with_corrupted(make_result(methods=3), camera=near(0.75), augmix=near(0.75), flip_crop=near(0.60))
    first = findings(result)[0]
    assert first.shown is False
    assert "level with the runner-up" in first.text


def test_a_baseline_that_leads_is_called_by_its_name():
    result = with_corrupted(make_result(methods=3), flip_crop=near(0.90))
    labels = [finding.label for finding in findings(result)]
    assert "no method is shown to be above it" in findings(result)[0].text
    assert "At what price" not in labels


def test_a_lost_point_of_clean_accuracy_is_told():
    result = make_result(methods=2, half=0.002)
    price = next(finding for finding in findings(result) if finding.label == "At what price")
    assert price.shown is True
    assert price.headline.startswith("−0.8\u00a0points clean")


def test_one_method_is_compared_with_nothing():
    told = findings(make_result(methods=1))
    assert [finding.shown for finding in told] == [None] * len(told)
    assert told[0].headline.startswith("Flip and crop: ")
    assert "there is no comparison" in told[0].text
    assert told[-1].headline.startswith("Weakest under ")


def test_what_was_not_measured_is_not_claimed():
    told = findings(make_result(methods=3, corruptions=0, attacked=False))
    assert told[0].label == "On clean pictures"
    assert "Nothing was measured under corruption" in told[0].text
    assert told[1].headline == "Not measured"
    assert len(told) == 2
    assert findings(make_result(methods=0))[0].headline == "Nothing was measured"


def test_an_attack_that_breaks_everyone_is_told():
    told = {finding.label: finding for finding in findings(make_result(methods=4))}
    assert "Every figure lies below chance (20.0\u00a0%)" in told["Under attack"].text


def test_the_worse_corruptions_are_counted():
    result = make_result(methods=2, corruptions=3, half=0.001)
    camera = result.methods[1]
    cells = tuple(
        dataclasses.replace(cell, accuracy=near(0.1, 0.001)) if cell.corruption == "impulse_noise" else cell
        for cell in camera.evaluation.cells
    )
    camera = dataclasses.replace(camera, evaluation=dataclasses.replace(camera.evaluation, cells=cells))
    result = dataclasses.replace(result, methods=(result.methods[0], camera))
    assert findings(result)[-1].headline == "Better than the baseline on 2 of 3 corruptions, worse on 1"


def test_one_seed_is_a_caution(tmp_path):
    assert "One seed." in write_page(tmp_path, make_result(seeds=(0,)))
    assert "One seed." not in write_page(tmp_path, make_result(seeds=(0, 1)))


def test_mean_of_measurements_is_at_least_as_wide_as_the_pooled_one():
    parts = [near(0.6, 0.02), near(0.8, 0.04)]
    assert mean(parts).value == pytest.approx(0.7)
    assert mean(parts).high - mean(parts).value == pytest.approx(0.03)
    assert math.hypot(0.02, 0.04) / 2 < 0.03  # the half-width if the two were independent
    assert separate(near(0.5, 0.01), near(0.6, 0.01))
    assert not separate(near(0.5, 0.1), near(0.6, 0.1))


# Figures


@pytest.mark.parametrize("low", [0.0, 0.013, 0.31, 0.7, 0.9, 0.999, 1.0])
@pytest.mark.parametrize("width", [0.0, 0.004, 0.03, 0.3, 1.0])
def test_axis_holds_every_interval(low, width):
    high = min(low + width, 1.0)
    axis = figures.nice_axis([Measurement((low + high) / 2, low, high, 1)])
    assert 0.0 <= axis.low <= low <= high <= axis.high <= 1.0
    assert 2 <= len(axis.ticks) <= 8
    assert axis.ticks[0] == axis.low < axis.high == axis.ticks[-1]
    assert axis.position(axis.low, 10.0, 50.0) == pytest.approx(10.0)
    assert axis.position(axis.high, 10.0, 50.0) == pytest.approx(50.0)


def test_a_dot_lies_where_its_value_is():
    axis = figures.Axis(0.5, 1.0, (0.5, 1.0))
    figure = ElementTree.fromstring(figures.dot_whisker("Clean", [figures.Row("a", 0, near(0.75, 0.125))], axis, None))
    marker = figure.find(".//path[@class='mark']")
    bar = figure.find(".//path[@class='bar']")
    assert marker is not None and bar is not None
    assert marker.get("transform", "").startswith("translate(180.0 ")
    assert bar.get("d", "").startswith("M95.0 ")
    assert "H265.0" in bar.get("d", "")


def test_a_panel_has_one_line_per_method_and_a_mark_per_severity():
    series = [
        figures.Series(f"method {style}", style, tuple((s, near(0.9 - 0.1 * s)) for s in (1, 3, 5))) for style in (0, 8)
    ]
    axis = figures.nice_axis(m for line in series for _, m in line.points)
    panel = ElementTree.fromstring(figures.line_panel("fog", series, axis, 0.5))
    assert len(panel.findall(".//path[@class='line']")) == 2
    assert len(panel.findall(".//path[@class='mark']")) == 6
    assert len(panel.findall(".//path[@class='chance']")) == 1
    assert [group.get("class") for group in panel.findall("g")] == ["k8", "k0"]
    heights = [
        float(mark.get("transform", "").split()[1].rstrip(")")) for mark in panel.iter("path") if mark.get("transform")
    ]
    assert heights[:3] == sorted(heights[:3])


def luminance(colour: str) -> float:
    values = [int(colour[start : start + 2], 16) / 255 for start in (1, 3, 5)]
    linear = [v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4 for v in values]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_heat_cells_can_be_read_and_run_one_way():
    axis = figures.Axis(0.0, 1.0, (0.0, 1.0))
    heats = [figures.heat(step / 100, axis) for step in range(101)]
    for heat in heats:
        for ground, ink in ((heat.light, heat.light_ink), (heat.dark, heat.dark_ink)):
            dim, bright = sorted((luminance(ground), luminance(ink)))
            assert (bright + 0.05) / (dim + 0.05) >= 4.5
    light, dark = [luminance(h.light) for h in heats], [luminance(h.dark) for h in heats]
    assert light == sorted(light, reverse=True)
    assert dark == sorted(dark)


# In a browser

BROWSER = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
needs_browser = pytest.mark.skipif(BROWSER is None, reason="no Chromium is installed, so no page can be opened")


def browse(page: Path, *options: str) -> str:
    """Open a page without a window and return what the browser printed."""
    assert BROWSER is not None
    command = [
        BROWSER, "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
        "--disable-background-networking", "--disable-component-update", "--disable-sync",
        f"--user-data-dir={page.parent / 'profile'}", *options, page.as_uri(),
    ]  # fmt: skip
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout


@needs_browser
@pytest.mark.parametrize("width", [1280, 390])
def test_no_sideways_scrolling_and_the_ranking_is_there(tmp_path, width):
    result = make_result(methods=8, gallery=draw_gallery(tmp_path))
    text = write_page(tmp_path, result)
    # A wrapper of the test's own: its script reads the layout of the page in a frame of the wanted width.
    wrapper = tmp_path / "wrapper.html"
    wrapper.write_text(
        f'<iframe id="f" style="border:0;width:{width}px;height:800px" srcdoc="{html.escape(text)}"></iframe>'
        "<output id=o></output><script>document.getElementById('f').onload = e => {"
        "const d = e.target.contentDocument, r = d.documentElement;"
        "const rows = [...d.querySelectorAll('.ranking tbody th b')].map(b => b.textContent).join('|');"
        "const seen = [...d.querySelectorAll('svg')].every(s => s.getBoundingClientRect().width > 10);"
        "document.getElementById('o').textContent = [r.scrollWidth, r.clientWidth, seen, rows].join(';'); }</script>",
        encoding="utf-8",
    )
    dom = browse(wrapper, "--dump-dom", "--window-size=1400,900")
    told = re.search(r'<output id="o">(.*?)</output>', dom)
    assert told is not None
    scroll, client, seen, rows = html.unescape(told[1]).split(";")
    assert int(scroll) <= int(client)
    assert int(client) >= width - 20
    assert rows == "|".join(method.title for method in ranked(result.methods))
    if width == 1280:
        assert seen == "true"


@needs_browser
def test_page_is_painted_light_and_dark(tmp_path):
    write_page(tmp_path, make_result(gallery=draw_gallery(tmp_path)))
    corners = []
    for scheme in ("1", "0"):  # Chromium's numbers for a preference for light and for dark
        shot = tmp_path / f"shot{scheme}.png"
        browse(
            tmp_path / "report.html", "--window-size=1280,700", "--hide-scrollbars", f"--screenshot={shot}",
            f"--blink-settings=preferredColorScheme={scheme}",
        )  # fmt: skip
        with Image.open(shot) as image:
            picture = image.convert("RGB")
        assert len(picture.getcolors(2**20) or []) > 100
        corners.append(sum(picture.getpixel((2, 2))))  # type: ignore[arg-type]
    assert corners[0] > 600 > 150 > corners[1]


def test_a_model_that_was_brought_along_has_no_column_on_training_and_suites_say_their_pictures(tmp_path: Path) -> None:
    results = Path(__file__).resolve().parents[1] / "benchmarks" / "results" / "0.1.0"
    pages = {}
    for name in ("efficientnet-lite0", "signs"):
        write([results / name / "result.json"], tmp_path / f"{name}.html")
        pages[name] = (tmp_path / f"{name}.html").read_text(encoding="utf-8")
    assert "wall time a run" not in pages["efficientnet-lite0"]
    assert "wall time a run" in pages["signs"]
    for suite, count in (("Clean", "500"), ("Common corruptions (C)", "120"), ("Stability", "10")):
        heading = next(line for line in pages["efficientnet-lite0"].splitlines() if line.startswith(f"<h3>{suite} <"))
        assert f">{count} pictures</span>" in heading

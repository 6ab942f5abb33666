"""Drawing: every variable with its unit and law, every arrow, in a document that parses."""

from xml.etree import ElementTree

import pytest

from mechaug import mechanisms as m
from mechaug.scenes import Linear, Scene, Variable, library

SVG = "{http://www.w3.org/2000/svg}"


def texts(svg: str) -> list[str]:
    return [node.text or "" for node in ElementTree.fromstring(svg).iter(f"{SVG}text")]


def test_units_and_laws_are_shown() -> None:
    shown = texts(library.driving().do(illuminance_lux=5.0).draw())
    for text in (
        "hour_h",
        "5 to 23 h",
        "illuminance_lux",
        "= 5 lux",
        "ISO · AutoExposure",
        "5 %: 50 to 1000 m",
        "Haze",
    ):
        assert text in shown
    assert "Normal(0, 0.5) EV" in shown


def test_every_cause_and_every_reading_has_an_arrow() -> None:
    scene = Scene(
        (
            Variable("a", "m", (1.0, 2.0)),
            Variable("b", "m", Linear((1.0,)), ("a",)),
            Variable("c", "m", Linear((1.0, 1.0)), ("a", "b")),
        ),
        m.Chain(m.Haze(visibility_m=100.0, distance_m="c"), m.Jpeg()),
    )
    root = ElementTree.fromstring(scene.draw())
    tips = [path for path in root.iter(f"{SVG}path") if path.get("marker-end")]
    assert len(tips) == 4  # a → b, a → c, b → c, c → Haze
    assert sum(path.get("class") == "read" for path in tips) == 1


@pytest.mark.parametrize("make", [library.phone, library.relighting])
def test_no_box_lies_on_another(make) -> None:
    root = ElementTree.fromstring(make().draw())
    boxes = [
        tuple(float(box.get(side, "0")) for side in ("x", "y", "width", "height")) for box in root.iter(f"{SVG}rect")
    ]
    width, height = float(root.get("width", "0")), float(root.get("height", "0"))
    for number, (x, y, w, h) in enumerate(boxes):
        assert x >= 0 and y >= 0 and x + w <= width and y + h <= height
        for x2, y2, _, _ in boxes[number + 1 :]:
            assert abs(x - x2) >= w or abs(y - y2) >= h

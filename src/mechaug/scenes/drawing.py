"""Drawing: a scene as SVG, causes to the left of what they cause, the mechanisms that read them on the right."""

from collections.abc import Mapping, Sequence
from html import escape
from typing import Final, NamedTuple

from torch.distributions import Distribution

from mechaug.scenes.relations import Changed, Relation, Sometimes
from mechaug.scenes.variable import Variable, VariableLaw, in_order

_WIDTH: Final = 152
_HEIGHT: Final = 38
_GAP_X: Final = 46
_GAP_Y: Final = 12
_POINT: Final = 2
_MARGIN: Final = 16

_STYLE: Final = (
    "text{font:12px system-ui,sans-serif;fill:#1d2733}.unit{fill:#5b6877;font-size:10.5px}"
    "path{fill:none;stroke:#8494a7;stroke-width:1.2}.read{stroke:#c77d20;stroke-dasharray:4 3}"
    "rect{fill:#f4f7fb;stroke:#8494a7}.root{fill:#e2edf9}.set{fill:#fff;stroke:#b3261e;stroke-width:2}"
    ".mechanism{fill:#fdf1df;stroke:#c77d20}"
)


class _Node(NamedTuple):
    """One box: its two lines of text, its look, and what points at it."""

    title: str
    below: str
    kind: str
    parents: tuple[str, ...]


class _Arrow(NamedTuple):
    """One step from a column to the next; `tip` where it arrives, `read` where only mechanisms wait at its end."""

    start: str
    end: str
    read: bool
    tip: bool


class _Place(NamedTuple):
    """The left end and the middle of a box, or of the point where an arrow passes a column."""

    x: float
    y: float
    width: int


def draw(variables: Sequence[Variable], mechanisms: Sequence[tuple[str, tuple[str, ...]]]) -> str:
    """The graph as SVG text: boxes with units and laws, arrows from cause to effect.

    Args:
        variables: of the scene.
        mechanisms: in the order of the chain: what each is called, and the names of the variables that it reads.

    Returns:
        A whole SVG document. Roots are shaded; what is set to one number has a red frame; what a mechanism reads comes
        by a dashed arrow.
    """
    nodes = {
        variable.name: _Node(variable.name, _below(variable), _kind(variable), variable.parents)
        for variable in variables
    }
    columns = _columns(variables)
    for number, (name, reads) in enumerate(mechanisms):
        # No variable's name has a space.
        nodes[f"mechanism {number}"] = _Node(name, "", "mechanism", tuple(dict.fromkeys(reads)))
    columns.append([f"mechanism {number}" for number in range(len(mechanisms))])
    arrows = _route(columns, nodes)
    places = _places(columns, nodes, arrows)
    height = max(place.y for place in places.values()) + _HEIGHT / 2 + _MARGIN
    width = 2 * _MARGIN + len(columns) * (_WIDTH + _GAP_X) - _GAP_X
    lines = [_line(places[arrow.start], places[arrow.end], arrow) for arrow in arrows]
    boxes = [_box(node, places[name]) for name, node in nodes.items()]
    head = (
        '<marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
        '<path d="M0 0L8 4L0 8z" style="fill:#8494a7;stroke:none"/></marker>'
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}" width="{width:g}" '
        f'height="{height:g}" role="img"><title>A scene: causes, what they cause, and the mechanisms that read them'
        f"</title><style>{_STYLE}</style><defs>{head}</defs>"
        f"{''.join(lines)}{''.join(boxes)}</svg>\n"
    )


def _columns(variables: Sequence[Variable]) -> list[list[str]]:
    """Variables by how many steps of causes lie before them; roots stand just before what they cause first."""
    by_name = {variable.name: variable for variable in variables}
    order = [variables[place].name for place in in_order(variables)]
    depth: dict[str, int] = {}
    for name in order:
        depth[name] = max((depth[parent] + 1 for parent in by_name[name].parents), default=0)
    deepest = max(depth.values())
    for name in reversed(order):
        children = [depth[other] for other in order if name in by_name[other].parents]
        if not by_name[name].parents:
            depth[name] = min(children, default=deepest + 1) - 1
    return [[name for name in order if depth[name] == column] for column in range(deepest + 1)]


def _route(columns: list[list[str]], nodes: Mapping[str, _Node]) -> list[_Arrow]:
    """Arrows from column to column; those that go further pass through points of their own, shared by one cause's.

    Adds these points to the columns.
    """
    depth = {name: number for number, column in enumerate(columns) for name in column}
    arrows = []
    for cause in list(depth):
        effects = [name for name, node in nodes.items() if cause in node.parents]
        here = cause
        for column in range(depth[cause] + 1, max((depth[name] for name in effects), default=0) + 1):
            ends = [name for name in effects if depth[name] == column]
            arrows += [_Arrow(here, name, nodes[name].kind == "mechanism", tip=True) for name in ends]
            beyond = [name for name in effects if depth[name] > column]
            if beyond:
                point = f"{cause} {column}"
                read = all(nodes[name].kind == "mechanism" for name in beyond)
                arrows.append(_Arrow(here, point, read, tip=False))
                columns[column].append(point)
                here = point
    return arrows


def _places(columns: list[list[str]], nodes: Mapping[str, _Node], arrows: Sequence[_Arrow]) -> dict[str, _Place]:
    """Where each box or point is: in its column, near what it is connected with, in the middle of the height."""
    linked: dict[str, list[str]] = {name: [] for column in columns for name in column}
    for arrow in arrows:
        linked[arrow.start].append(arrow.end)
        linked[arrow.end].append(arrow.start)
    heights = {name: _HEIGHT if name in nodes else _POINT for name in linked}
    tallest = max(sum(heights[name] + _GAP_Y for name in column) for column in columns)
    places: dict[str, _Place] = {}

    def stack(number: int) -> None:
        y = _MARGIN + (tallest - sum(heights[name] + _GAP_Y for name in columns[number])) / 2
        for name in columns[number]:
            width = _WIDTH if name in nodes else 0
            places[name] = _Place(_MARGIN + number * (_WIDTH + _GAP_X), y + heights[name] / 2, width)
            y += heights[name] + _GAP_Y

    for number in range(len(columns)):
        stack(number)
    for _ in range(24):
        # The last column is the chain, whose order is that of the light.
        for number, column in enumerate(columns[:-1]):
            middles = {name: [places[other].y for other in linked[name]] or [places[name].y] for name in column}
            column.sort(key=lambda name, middles=middles: sum(middles[name]) / len(middles[name]))
            stack(number)
    return places


def _line(start: _Place, end: _Place, arrow: _Arrow) -> str:
    x0, x1 = start.x + start.width, end.x
    through = "" if end.width else f"H{end.x + _WIDTH:g}"
    if not start.width:
        x0 += _WIDTH
    bend = (x1 - x0) / 2
    path = f"M{x0:g} {start.y:g}C{x0 + bend:g} {start.y:g} {x1 - bend:g} {end.y:g} {x1:g} {end.y:g}{through}"
    kind = ' class="read"' if arrow.read else ""
    tip = ' marker-end="url(#tip)"' if arrow.tip else ""
    return f'<path{kind} d="{path}"{tip}/>'


def _box(node: _Node, place: _Place) -> str:
    x, y = place.x, place.y - _HEIGHT / 2
    middle = x + _WIDTH / 2
    title_y = y + (16 if node.below else 23)
    below = f'<text class="unit" x="{middle:g}" y="{y + 30:g}" text-anchor="middle">{escape(node.below)}</text>'
    return (
        f'<rect class="{node.kind}" x="{x:g}" y="{y:g}" width="{_WIDTH}" height="{_HEIGHT}" rx="6"/>'
        f'<text x="{middle:g}" y="{title_y:g}" text-anchor="middle">{escape(node.title)}</text>'
        f"{below if node.below else ''}"
    )


def _kind(variable: Variable) -> str:
    if isinstance(variable.law, int | float):
        return "set"
    return "effect" if variable.parents else "root"


def _below(variable: Variable) -> str:
    if variable.parents:
        return " · ".join(text for text in (variable.unit, _law(variable.law)) if text)
    return f"{_law(variable.law)} {variable.unit}".strip()


def _law(law: VariableLaw) -> str:
    """A law in a few signs; of a relation its kind."""
    if isinstance(law, int | float):
        return f"= {law:.6g}"
    if isinstance(law, tuple):
        return f"{law[0]:.6g} to {law[1]:.6g}"
    if isinstance(law, Changed):
        return f"{_law(law.law)}, changed"
    if isinstance(law, Sometimes):
        return f"{100 * law.share:.3g} %: {_law(law.law).removeprefix('= ')}"
    kind = type(law).__name__
    if isinstance(law, Distribution):
        numbers = ", ".join(f"{float(getattr(law, name)):.3g}" for name in law.arg_constraints)
        return f"{kind}({numbers})"
    assert isinstance(law, Relation)
    return kind

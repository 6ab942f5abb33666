"""What a fit found, as a table on the terminal and as one HTML page; measured against fitted, and why where nothing is.

The page needs no network and no script.
"""

import base64
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
import torch
from jaxtyping import Float

from mechaug.files import write_text
from mechaug.reports.histogram import Curve, histogram
from mechaug.scenes.fit import PRIORS, Fit
from mechaug.scenes.fit_variable import Fitted, Status, law_text
from mechaug.scenes.roots import Sometimes
from mechaug.scenes.variable import Variable

if TYPE_CHECKING:
    from rich.table import Table

TITLES: Final[Mapping[str, str]] = {
    "cast_mired": "Colour of the light that the white balance left",
    "visibility_m": "Haze",
    "scale_permille": "Blur, in thousandths of the width",
    "exposure_ev": "Exposure",
    "white_e": "Noise, as electrons at white",
    "read_noise_e": "Read noise",
    "quality": "JPEG quality",
    "exposure_s": "Exposure time",
    "f_number": "Aperture, as f-number",
    "iso": "Sensitivity",
    "focal_length_mm": "Focal length",
}
"""The variables in words."""

_QUANTILES: Final = 20_000
_NAMED: Final = 12
"""So many sentences about single files are on the page; the rest is counted."""


@dataclass(frozen=True)
class Card:
    """One variable on the page.

    Attributes:
        fitted: the variable and what was found.
        title: of the variable, in words.
        plot: measured against fitted, as SVG text; empty where there is nothing to draw.
        law: what the scene draws it by, in words.
        error: of one picture, in words; empty where there is none to state.
        tried: the values for which the estimator was tried against known truth, in words.
        beside: how many pictures have no value, and what bounds these have, in words; empty if all have one.
        bounded: whether a law is missing, and pictures without a value have a bound all the same.
    """

    fitted: Fitted
    title: str
    plot: str
    law: str
    error: str
    tried: str
    beside: str
    bounded: bool


def cards(fit: Fit) -> tuple[Card, ...]:
    """Every variable, in the order of the fit."""
    return tuple(_card(fitted) for fitted in fit.variables)


def write_fit(fit: Fit, path: Path, scene: str = "scene.json") -> None:
    """Write the page.

    Args:
        fit: what was found.
        path: the HTML file to write, whole or not at all.
        scene: the file name of the scene, which the page says how to use.

    Raises:
        OSError: the file cannot be written.
    """
    import jinja2
    from markupsafe import Markup

    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("mechaug", "reports"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(plot=Markup)
    drawing = base64.b64encode(fit.scene.draw().encode("utf-8")).decode("ascii")
    made = cards(fit)
    page = environment.get_template("fit.html.j2").render(
        fit=fit,
        headline=headline(fit),
        groups=(
            (
                "Measured in the pixels and the tables of the files",
                [c for c in made if c.fitted.variable.name in PRIORS],
            ),
            ("Written by the cameras", [c for c in made if c.fitted.variable.name not in PRIORS]),
        ),
        drawing=f"data:image/svg+xml;base64,{drawing}",
        skipped=fit.folder.skipped[:_NAMED],
        notes=fit.folder.notes[:_NAMED],
        scene=scene,
    )
    write_text(path, page)


def print_fit(fit: Fit) -> None:
    """Print what was found, as a table on the terminal, and under it what was left out."""
    from rich.console import Console

    console = Console()
    # Where no terminal says how wide it is, sentences get more room than the usual 80 columns.
    console = console if console.is_terminal else Console(width=140)
    console.print(fit_table(fit))
    console.print(headline(fit), highlight=False, markup=False)
    for what, sentences in (("skipped", fit.folder.skipped), ("note", fit.folder.notes)):
        for sentence in sentences[:_NAMED]:
            console.print(f"{what}: {sentence}", highlight=False, markup=False)
        if len(sentences) > _NAMED:
            console.print(f"{what}: and {len(sentences) - _NAMED} more, of the same kinds", markup=False)


def fit_table(fit: Fit) -> "Table":
    """The variables for the terminal: what the scene draws each by, and what says so."""
    from rich.markup import escape
    from rich.table import Table

    table = Table(title=f"What the pictures in {escape(fit.folder.path)} say", title_justify="left")
    table.add_column("variable", overflow="fold", ratio=3)
    table.add_column("status", ratio=2)
    table.add_column("law in the scene", overflow="fold", ratio=3)
    table.add_column("what was found", overflow="fold", ratio=8)
    colours: Mapping[Status, str] = {"fitted": "green", "bounded": "yellow", "not identified": "red"}
    for card in cards(fit):
        fitted = card.fitted
        table.add_row(
            f"[bold]{fitted.variable.name}[/]\n[dim]{escape(card.title)}[/]",
            f"[{colours[fitted.status]}]{fitted.status}[/]",
            escape(card.law),
            escape(fitted.text) + (f" [dim]{escape(card.beside)}.[/]" if card.bounded else ""),
        )
    return table


def headline(fit: Fit) -> str:
    """How many pictures say how much, in two sentences."""
    folder = fit.folder
    named = {
        status: [f.variable.name for f in fit.variables if f.status == status]
        for status in ("fitted", "bounded", "not identified")
    }
    read = len(folder.measures)
    looked = read + len(folder.skipped)
    of = f" of {folder.found:,}" if looked < folder.found else ""
    pictures = f"{read:,} {'picture' if read == 1 else 'pictures'}{of} measured"
    if folder.skipped:
        pictures += f", {len(folder.skipped)} that cannot be read left out"
    found = "; ".join(f"{status}: {', '.join(names)}" for status, names in named.items() if names)
    return f"{pictures}, compared with {fit.reference.name}. {found[0].upper()}{found[1:]}."


def _card(fitted: Fitted) -> Card:
    variable = fitted.variable
    exif = variable.name not in PRIORS
    if fitted.status == "not identified" and exif:
        law = "none: no camera wrote it"
    else:
        law = law_text(variable.law, variable.unit)
        law += ", the prior" if fitted.status == "not identified" else ""
    errors = [estimate.error for estimate in fitted.estimates if estimate.identified and estimate.error > 0]
    valid = fitted.estimates[0].valid if fitted.estimates else None
    return Card(
        fitted=fitted,
        title=TITLES.get(variable.name, variable.name),
        plot=_plot(fitted, errors, exif=exif),
        law=law,
        error=_deviation(float(np.median(errors)), fitted) if errors else "",
        tried="" if valid is None or exif else f"{_round(valid[0])} to {_round(valid[1])} {variable.unit}".rstrip(),
        beside=_beside(fitted),
        bounded=fitted.status == "not identified" and any(_ends(fitted)),
    )


def _plot(fitted: Fitted, errors: list[float], *, exif: bool) -> str:
    variable, values = fitted.variable, fitted.values
    kept = fitted.status == "not identified"
    if exif and kept and not values:
        return ""
    # A law that is one number needs no picture of it unless there is something measured beside it.
    if not values and isinstance(variable.law, int | float):
        return ""
    points, share = _points(variable)
    curves: list[Curve] = []
    if kept:
        curves += [] if exif else [Curve("prior", "prior, kept", points, share)]
    else:
        # What haze there is was read by a threshold, so that no errors are to be added to it.
        if errors and not isinstance(variable.law, Sometimes):
            label = "fitted, with the errors of the measurements"
            curves.append(Curve("expected", label, points, errors=tuple(errors)))
        curves.append(Curve("law", "fitted", points, share))
    title = TITLES.get(variable.name, variable.name)
    return histogram(title, variable.unit, values, curves, fitted.scale, len(fitted.estimates))


def _points(variable: Variable) -> tuple[Float[np.ndarray, "n"], float]:
    """A law's values at equally spaced quantiles, of those that are finite, and the share that these are."""
    noise = (torch.arange(_QUANTILES, dtype=torch.float64) + 0.5) / _QUANTILES
    values = variable.value([], noise).double().numpy()
    finite = values[np.isfinite(values)]
    return np.sort(finite), len(finite) / len(values)


def _beside(fitted: Fitted) -> str:
    without = sum(not estimate.identified for estimate in fitted.estimates)
    if not without:
        return ""
    least, most = _ends(fitted)
    bounds = [
        f"{len(ends)} of them at {word} {_round(float(np.median(ends)))} {fitted.variable.unit}".rstrip()
        for ends, word in ((least, "least"), (most, "most"))
        if ends
    ]
    said = f"{', '.join(bounds)} (median bound)" if bounds else "and no bound either"
    return f"{without} of {len(fitted.estimates)} have no value, {said}"


def _ends(fitted: Fitted) -> tuple[list[float], list[float]]:
    """Of the pictures without a value: what each is at least, and what each is at most, where that is known."""
    within = [estimate.within for estimate in fitted.estimates if not estimate.identified]
    most = [high for _, high in within if math.isfinite(high)]
    return [low for low, high in within if math.isfinite(low) and not math.isfinite(high)], most


def _deviation(error: float, fitted: Fitted) -> str:
    if fitted.scale == "log":
        return f"×/÷ {math.exp(error):.2f}"
    return f"± {error:.2g} {fitted.variable.unit}".rstrip()


def _round(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"

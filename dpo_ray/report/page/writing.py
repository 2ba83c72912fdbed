"""The page as a file: rooms into HTML, plotly's script packed beside them, nothing from outside."""

import base64
import json
import zlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from dpo_ray.report.page.again import again
from dpo_ray.report.page.answers import answers
from dpo_ray.report.page.beware import beware
from dpo_ray.report.page.charts import LEGEND, colour
from dpo_ray.report.page.confirmation import confirmation
from dpo_ray.report.page.cost import cost, foretold
from dpo_ray.report.page.curve import curve
from dpo_ray.report.page.data import data
from dpo_ray.report.page.frontier import frontier
from dpo_ray.report.page.key_figures import key_figures
from dpo_ray.report.page.material import Material, gather
from dpo_ray.report.page.opening import headline, standing
from dpo_ray.report.page.rooms import Room
from dpo_ray.report.page.settings import settings
from dpo_ray.report.page.training import training
from dpo_ray.report.page.trials import trials
from dpo_ray.tracking.earlier import REPORT
from dpo_ray.tracking.records import AnyRecord

ROOMS: tuple[Callable[[Material], Room | None], ...] = (
    key_figures, beware, curve, frontier, confirmation, settings, trials, training, answers, data,
    foretold, cost, again,
)  # fmt: skip
"""Top to bottom: what two minutes are enough for comes first."""
MANY = 14
"""More columns than this are printed smaller, so that they fit on a page."""


@dataclass(frozen=True)
class Page:
    """What stands on a page, without its look."""

    title: str
    question: str
    standing: str
    headline: str
    rooms: Sequence[Room]


def write_page(
    records: Iterable[AnyRecord], folder: Path, path: Path | None = None, live: bool = False
) -> Path:
    """Write a sweep's page, whole or not at all, and return its path.

    `records` may end anywhere, `folder` is the sweep's own. `live` while a process works on it.
    """
    page = sweep_page(gather(records, folder, live))
    return write_html(render(page), folder / REPORT if path is None else path)


def sweep_page(material: Material) -> Page:
    """Return the page of one sweep."""
    found = (room(material) for room in ROOMS)
    plan = material.state.plan
    return Page(
        title=material.name,
        question=str(plan.plan.get("question", "")) if plan else "",
        standing=standing(material),
        headline=headline(material),
        rooms=[room for room in found if room is not None],
    )


def render(page: Page) -> str:
    """Return the page as one HTML document; every text of the sweep is escaped."""
    figures = {chart.id: chart.figure for room in page.rooms for chart in room.charts}
    return _environment().get_template("page.html").render(
        page=page, figures=embedded_json(figures), plotly=packed_plotly() if figures else ""
    )  # fmt: skip


def write_html(text: str, path: Path) -> Path:
    """Write beside and rename: whoever opens it meanwhile sees the old page or the new one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.part")
    part.write_text(text, encoding="utf-8")
    part.replace(path)
    return path


def embedded_json(value: Any) -> Markup:
    """Return JSON that may stand inside a script element: no text can end it."""
    text = json.dumps(value, separators=(",", ":"), allow_nan=False)
    for letter in "<>&":
        text = text.replace(letter, f"\\u{ord(letter):04x}")
    return Markup(text)


@cache
def packed_plotly() -> str:
    """Return plotly.js deflated, in base64: 2 MB instead of 5, unpacked by the browser itself."""
    from plotly.offline import get_plotlyjs

    return base64.b64encode(zlib.compress(get_plotlyjs().encode(), 9)).decode()


def _environment() -> Environment:
    found = Environment(
        loader=PackageLoader("dpo_ray.report.page"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    found.globals |= {"look": LEGEND, "MANY": MANY}
    found.filters["b64"] = lambda png: base64.b64encode(png).decode()
    found.filters["ink"] = colour
    return found

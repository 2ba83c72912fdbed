"""What all pictures share: style, looks, and how they are written."""

from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO
from math import ceil
from pathlib import Path
from typing import Any

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure

_STYLE: dict[Any, Any] = {"font.size": 9, "axes.spines.top": False, "axes.spines.right": False}
TITLE: dict[str, Any] = {"loc": "left", "fontsize": 9}
DASHED: Any = (0, (4, 3))
CURVE = "0.6"
"""Grey of what is known without a measurement."""
CHOSEN, REJECTED = "#0072B2", "#D55E00"
DPI = 160
SYMBOL, LETTER = 0.62, 0.068
"""Inches that a legend takes for an entry, and for each of its letters."""


@dataclass(frozen=True)
class Look:
    """How one kind of point is drawn. Colours are Okabe and Ito's; shapes differ as well."""

    label: str
    colour: str
    marker: str
    size: float
    hollow: bool = False


BEST = Look("best", "#009E73", "*", 13)
CONTROL = Look("default configuration", "#D55E00", "D", 6.5)
COMPLETED = Look("completed", "#0072B2", "o", 6)
STOPPED = Look("stopped at a rung", "0.55", "o", 5.5, hollow=True)


def written(path: Path, draw: Callable[[], Figure | None]) -> Path | None:
    """Draw, and write the PNG, whole or not at all; None where there is nothing to draw.

    Needs neither a display nor the main thread.
    """
    png = as_png(draw)
    if png is None:
        return None
    part = path.with_name(f".{path.name}.part")
    path.parent.mkdir(parents=True, exist_ok=True)
    part.write_bytes(png)
    part.replace(path)
    return path


def as_png(draw: Callable[[], Figure | None], dpi: int = DPI) -> bytes | None:
    """Draw, and return the PNG; None where there is nothing to draw."""
    with rc_context(_STYLE):
        figure = draw()
        if figure is None:
            return None
        png = BytesIO()
        figure.savefig(png, format="png", dpi=dpi)
    return png.getvalue()


def new_figure(width: float, height: float, title: str) -> Figure:
    """Return a figure of so many inches with its title at the upper left."""
    figure = Figure(figsize=(width, height), layout="constrained")
    figure.suptitle(title, x=0.008, ha="left", fontweight="bold", fontsize=10)
    return figure


def mark(axes: Axes, x: list[float], y: list[float], look: Look, order: float) -> None:
    """Draw points in their look."""
    face = "white" if look.hollow else look.colour
    edge = look.colour if look.hollow else "white"
    axes.plot(
        x, y, look.marker, color=look.colour, markersize=look.size, markerfacecolor=face,
        markeredgecolor=edge, markeredgewidth=1.2 if look.hollow else 0.8, zorder=order,
        linestyle="none",
    )  # fmt: skip


def explain(axes: Axes, look: Look, label: str | None = None) -> None:
    """Give a look its line in the legend."""
    mark(axes, [], [], look, 0)
    axes.lines[-1].set_label(label or look.label)


def baseline(axes: Axes, y: float, label: str) -> None:
    """Draw the dashed line that values are read against."""
    axes.axhline(y, color="0.45", linewidth=1, linestyle=DASHED, zorder=1, label=label)


def quiet_grid(axes: Axes) -> None:
    """Draw faint lines behind the data."""
    axes.yaxis.grid(visible=True, color="0.9", linewidth=0.6)
    axes.set_axisbelow(True)


def legend_below(figure: Figure, axes: Axes) -> None:
    """Put one legend under all panels, from the labels of `axes`, in as many lines as it needs."""
    handles, labels = axes.get_legend_handles_labels()
    inches = sum(SYMBOL + LETTER * len(label) for label in labels)
    lines = max(1, ceil(inches / figure.get_figwidth()))
    figure.legend(
        handles, labels, loc="outside lower center", ncols=max(1, ceil(len(labels) / lines)),
        frameon=False, columnspacing=1.6, labelspacing=0.9,
    )  # fmt: skip

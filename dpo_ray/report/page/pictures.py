"""Charts as PNG pictures inside the page, for readers without scripts."""

import warnings
from collections.abc import Callable

from matplotlib.figure import Figure

from dpo_ray.report.figures import drawing

DPI = 80
"""Enough to read on a screen; a picture is then a few dozen kB."""


def picture(draw: Callable[[], Figure | None]) -> bytes | None:
    """Return the PNG; None where there is nothing to draw, or where drawing broke."""
    try:
        return drawing.as_png(draw, DPI)
    except Exception as error:  # a page without a picture is still a page
        warnings.warn(f"a picture of the report is missing: {error!r}", stacklevel=2)
        return None

"""How every verb ends: what is meant for the person goes to stderr, the kind of end is the code."""

from collections.abc import Iterator
from contextlib import contextmanager

import typer
from rich.console import Console

from dpo_ray.errors import DpoRayError


@contextmanager
def errors_on_screen() -> Iterator[None]:
    """Print an error of our own as text and exit with its code; any other is a traceback."""
    try:
        yield
    except DpoRayError as error:
        screen = Console(stderr=True, emoji=False)
        screen.print(f"Error: {error}", markup=False, highlight=False, soft_wrap=True)
        raise typer.Exit(error.exit_code) from None

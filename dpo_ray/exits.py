"""How every verb ends: what is meant for the person goes to stderr, the kind of end is the code."""

from collections.abc import Iterator
from contextlib import contextmanager

import typer

from dpo_ray.config.redaction import redact_text
from dpo_ray.errors import DpoRayError
from dpo_ray.output import messages, say


@contextmanager
def errors_on_screen() -> Iterator[None]:
    """Print an error of our own as text and exit with its code; any other is a traceback."""
    try:
        yield
    except DpoRayError as error:
        say(messages(), f"Error: {redact_text(str(error))}")
        raise typer.Exit(error.exit_code) from None

"""Where a verb's words go: results to stdout, for people or machines; messages to stderr."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from dpo_ray.config.redaction import redact

AsJson = Annotated[
    bool, typer.Option("--json", help="The result as one JSON object, for machines.")
]


def results() -> Console:
    """The console of what was asked for."""
    return Console()


def messages() -> Console:
    """The console of what the person should know meanwhile."""
    return Console(stderr=True)


def give_json(facts: dict[str, Any]) -> None:
    """Print a result as JSON, without secrets; a number that is none is null."""
    text = json.dumps(_plain(redact(facts)), indent=2, ensure_ascii=False)
    typer.echo(text)


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    if isinstance(value, float) and (value != value or value in (float("inf"), float("-inf"))):
        return None
    return str(value) if isinstance(value, Path) else value

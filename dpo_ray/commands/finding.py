"""The sweep a person means by a name."""

from difflib import get_close_matches
from pathlib import Path
from typing import Annotated

import typer

from dpo_ray.config.naming import NAME
from dpo_ray.errors import ConfigError
from dpo_ray.tracking.earlier import JOURNAL
from dpo_ray.tracking.journal import read_journal
from dpo_ray.tracking.state import SweepState, fold

SHOWN = 8


def sweep_folder(store: Path, name: str) -> Path:
    """Return the folder of a sweep: `name` is its name in the store, or the folder itself.

    Raises:
        ConfigError: there is none; the text says which there are.
    """
    named = [store / "sweeps" / name] if NAME.fullmatch(name) else []
    for folder in (*named, Path(name)):
        if (folder / JOURNAL).is_file():
            return folder.absolute()
    names = sweep_names(store)
    near = get_close_matches(name, names, n=1)
    meant = f"; did you mean {near[0]}?" if near else ";"
    raise ConfigError(f"{store} has no sweep {name}{meant} it has {_listed(names)}")


def sweep_names(store: Path) -> list[str]:
    """The store's sweeps, the last one worked on first."""
    journals = list((store / "sweeps").glob(f"*/{JOURNAL}"))
    newest = sorted(journals, key=lambda path: path.stat().st_mtime, reverse=True)
    return [path.parent.name for path in newest]


def state_of(folder: Path) -> SweepState:
    """Fold a sweep's journal, which another process may be writing."""
    return fold(read_journal(folder / JOURNAL))


def complete(context: typer.Context, incomplete: str) -> list[str]:
    """Offer the sweeps of the store that the command line names so far."""
    store = Path(context.params.get("store") or "store")
    return [name for name in sweep_names(store) if name.startswith(incomplete)]


Name = Annotated[
    str,
    typer.Argument(
        metavar="NAME", help="A sweep of the store, or its folder.", autocompletion=complete
    ),
]


def _listed(names: list[str]) -> str:
    if not names:
        return "none yet"
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return f"{', '.join(names[:SHOWN])}{more}"

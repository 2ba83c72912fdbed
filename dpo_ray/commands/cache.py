"""`dpo-ray cache`: what the store keeps from sweep to sweep, and what of it may go."""

import time
from pathlib import Path
from typing import Annotated, Any

import typer
from rich import box
from rich.table import Table

from dpo_ray.cluster.lock import is_locked
from dpo_ray.data.housekeeping import Entry, drop, entries, to_drop
from dpo_ray.exits import errors_on_screen
from dpo_ray.output import AsJson, give_json, results, say
from dpo_ray.sweep import Store
from dpo_ray.tracking.journal import read_journal
from dpo_ray.tracking.state import fold
from dpo_ray.tracking.wording import duration

HELP = """List what the cache holds, or prune it.

Entries are found again by every sweep that depends on the same content; without one, the next
sweep computes it anew. What a live sweep uses, or a process is making, always stays.

\b
Examples:
  dpo-ray cache
  dpo-ray cache --older-than 14            # shows what would go
  dpo-ray cache --older-than 14 --prune
  dpo-ray cache --max-gb 20 --prune        # the longest unused first
  dpo-ray cache --json | jq .bytes

\b
Exit codes: 0 done; 2 a journal of the store is damaged.
"""
GB = 1e9


def cache(
    store: Store = Path("store"),
    older_than: Annotated[
        float | None, typer.Option(metavar="DAYS", min=0, help="Unused for longer than this.")
    ] = None,
    max_gb: Annotated[
        float | None, typer.Option(metavar="GB", min=0, help="The longest unused, until it fits.")
    ] = None,
    prune: Annotated[bool, typer.Option("--prune", help="Remove it; else it is shown.")] = False,
    as_json: AsJson = False,
) -> None:
    """Run the command; the text of --help stands in HELP."""
    with errors_on_screen():
        found, now = entries(store / "cache"), time.time()
        going = to_drop(
            found,
            now,
            older_than_days=older_than,
            max_bytes=None if max_gb is None else int(max_gb * GB),
            protected=in_use(store),
        )
        gone = [entry for entry in going if drop(entry)] if prune else []
        if as_json:
            give_json(_facts(store, found, going, gone, now))
        else:
            _tell(store, found, going, gone if prune else None, now)


def _tell(
    store: Path, found: list[Entry], going: list[Entry], gone: list[Entry] | None, now: float
) -> None:
    """Print the table and the sums; `gone` is None where nothing was to be removed."""
    console = results()
    console.print(_table(found, going, now))
    total = sum(entry.bytes for entry in found)
    lines = [f"{counted(found)}, {size(total)}, in {store / 'cache'}"]
    if gone is not None:
        freed = size(sum(entry.bytes for entry in gone))
        lines.append(f"removed {counted(gone)}, {freed} freed")
    elif going:
        freed = size(sum(entry.bytes for entry in going))
        lines.append(f"--prune would remove {len(going)} of them and free {freed}")
    for line in lines:
        say(console, line)


def _facts(
    store: Path, found: list[Entry], going: list[Entry], gone: list[Entry], now: float
) -> dict[str, Any]:
    """Say the same for machines: `goes` marks what would go, `removed` what is gone."""
    return {
        "cache": store / "cache",
        "bytes": sum(entry.bytes for entry in found),
        "entries": [
            {
                "kind": entry.kind,
                "name": entry.path.name,
                "bytes": entry.bytes,
                "unused_s": round(now - entry.used, 3),
                "goes": entry in going,
            }
            for entry in found
        ],
        "removed": [entry.path.name for entry in gone],
        "freed_bytes": sum(entry.bytes for entry in gone),
    }


def in_use(store: Path) -> set[str]:
    """Return the names of entries that a live sweep of this store trains on."""
    used: set[str] = set()
    for journal in (store / "sweeps").glob("*/journal.jsonl"):
        if is_locked(journal.parent):
            prepared = fold(read_journal(journal)).prepared
            used |= set(prepared.hashes.values()) if prepared else set()
    return used


def counted(found: list[Entry]) -> str:
    """`1 entry`, `4 entries`."""
    return f"{len(found)} {'entry' if len(found) == 1 else 'entries'}"


def size(count: float) -> str:
    """`1.2 GB`, `34.0 MB`, `5.6 kB`."""
    for unit, factor in (("GB", 1e9), ("MB", 1e6)):
        if count >= factor:
            return f"{count / factor:.1f} {unit}"
    return f"{count / 1e3:.1f} kB"


def _table(found: list[Entry], going: list[Entry], now: float) -> Table:
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
    for heading in ("kind", "entry"):
        table.add_column(heading, no_wrap=True)
    for heading in ("size", "unused for"):
        table.add_column(heading, justify="right")
    table.add_column("")
    for entry in found:
        unused = _age(now - entry.used)
        goes = "goes" if entry in going else ""
        table.add_row(entry.kind, entry.path.name, size(entry.bytes), unused, goes)
    return table


def _age(seconds: float) -> str:
    return f"{seconds / 86400:.0f} days" if seconds > 2 * 86400 else duration(seconds)

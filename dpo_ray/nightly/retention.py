"""What old nights need not keep: weights and cache entries that only they have used."""

import re
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from dpo_ray.cluster.lock import is_locked
from dpo_ray.data.housekeeping import Entry, drop, entries, folder_bytes
from dpo_ray.data.trial_files import ADAPTER, EVALUATED, MODEL, RESUME
from dpo_ray.nightly.ledger import Memory, Night
from dpo_ray.tracking.earlier import JOURNAL
from dpo_ray.tracking.journal import read_journal
from dpo_ray.tracking.mlflow_holder import CHAMPIONS
from dpo_ray.tracking.mlflow_texts import journal_id
from dpo_ray.tracking.records import AnyRecord, Prepared, SweepPlanned

WEIGHTS = (ADAPTER, MODEL, f"{EVALUATED}*/{ADAPTER}", f"{RESUME}*")
"""Of a trial's folder; its tables stay."""


@dataclass(frozen=True)
class Kept:
    """A sweep as far as retention asks: who it is, and what of the cache it has used."""

    folder: Path
    identity: str
    used: frozenset[str]


@dataclass(frozen=True)
class Going:
    """What would be removed: folders of weights, and entries of the cache."""

    nights: tuple[str, ...]
    """Sweeps whose weights go."""
    folders: tuple[Path, ...]
    cached: tuple[Entry, ...]

    @property
    def bytes(self) -> int:
        """What it takes on the disk."""
        return sum(map(folder_bytes, self.folders)) + sum(entry.bytes for entry in self.cached)


def old_nights(memory: Memory, keep: int) -> list[Night]:
    """Return the nights before the last `keep` that ran; one that may go on is none of them."""
    ran = sorted((each for each in memory.nights.values() if each.sweep), key=lambda n: n.tick)
    return [each for each in ran[: max(len(ran) - keep, 0)] if not each.is_open]


def going(
    store: Path, old: Sequence[Night], champion: str | None, adapters: Sequence[Path] = ()
) -> Going:
    """Return what may go of `old` nights.

    `champion` is the `journal_id` of the sweep whose policy is served: it keeps everything, as
    does a live one. `adapters` are brought ones of former champions.
    """
    sweeps = {each.folder.name: each for each in _sweeps(store)}
    names = {night.sweep for night in old} & set(sweeps)
    gone = {name for name in names if not _stays(sweeps[name], champion)}
    needed = frozenset[str]().union(*(sweeps[n].used for n in sweeps if n not in gone))
    unused = frozenset[str]().union(*(sweeps[n].used for n in gone)) - needed
    return Going(
        nights=tuple(sorted(name for name in gone if any(_weights(sweeps[name].folder)))),
        folders=(*(each for n in sorted(gone) for each in _weights(sweeps[n].folder)), *adapters),
        cached=tuple(each for each in entries(store / "cache") if each.path.name in unused),
    )


def remove(found: Going) -> None:
    """Remove it. What cannot be removed costs disk space only."""
    for folder in found.folders:
        shutil.rmtree(folder, ignore_errors=True)
    for entry in found.cached:
        drop(entry)


def former_champions(store: Path, model: str, present: str | None) -> list[Path]:
    """Return the adapters of a model's former champions that were brought here; `present` is the
    folder's name of the one that is served now."""
    own = re.compile(re.escape(model) + r"-v\d+")
    found = sorted((store / CHAMPIONS).glob("*"))
    return [each for each in found if own.fullmatch(each.name) and each.name != present]


def _stays(sweep: Kept, champion: str | None) -> bool:
    return sweep.identity == champion or is_locked(sweep.folder)


def _sweeps(store: Path) -> Iterator[Kept]:
    for path in sorted((store / "sweeps").glob(f"*/{JOURNAL}")):
        records = read_journal(path)
        used = frozenset(name for each in records for name in _used(each))
        first = records[0] if records else None
        identity = journal_id(first) if isinstance(first, SweepPlanned) else ""
        yield Kept(path.parent, identity, used)


def _used(record: AnyRecord) -> list[str]:
    return list(record.hashes.values()) if isinstance(record, Prepared) else []


def _weights(sweep: Path) -> list[Path]:
    trials = sorted((sweep / "trials").glob("*"))
    return [path for trial in trials for kind in WEIGHTS for path in sorted(trial.glob(kind))]

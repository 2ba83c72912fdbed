"""What became of each tick of a schedule: an append-only file of JSON lines, its only memory."""

import os
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from dpo_ray.errors import CorruptJournal
from dpo_ray.tracking.damage import damage

LEDGER = "nights.jsonl"


class Entry(BaseModel):
    """One line; `time` is Unix seconds, stamped on append."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    time: float = 0.0


class Watched(Entry):
    """A scheduler has begun to watch the clock."""

    kind: Literal["watched"] = "watched"
    pid: int
    since: AwareDatetime | None = None
    """From when on ticks count, if not from now."""


class NightBegan(Entry):
    """A tick's sweep was started, or is gone on with."""

    kind: Literal["began"] = "began"
    tick: AwareDatetime
    sweep: str
    command: list[str]
    """What is run; the same command goes on with it."""


class NightEnded(Entry):
    """A night's command has ended."""

    kind: Literal["ended"] = "ended"
    tick: AwareDatetime
    exit_code: int
    reason: str


class TickDropped(Entry):
    """A tick that runs nothing, and why."""

    kind: Literal["dropped"] = "dropped"
    tick: AwareDatetime
    reason: str


AnyEntry = Annotated[Watched | NightBegan | NightEnded | TickDropped, Field(discriminator="kind")]
_LINE: TypeAdapter[AnyEntry] = TypeAdapter(AnyEntry)


@dataclass
class Night:
    """A tick and what became of it."""

    tick: datetime
    sweep: str = ""
    command: list[str] = field(default_factory=list)
    began: float | None = None
    ended: float | None = None
    exit_code: int | None = None
    reason: str = ""
    dropped: bool = False

    @property
    def is_open(self) -> bool:
        """Whether it has begun, was not seen to end, and may still go on."""
        return self.began is not None and self.ended is None and not self.dropped


@dataclass
class Memory:
    """All a ledger says."""

    since: float | None = None
    """Unix seconds from which on ticks count: when a scheduler first watched."""
    nights: dict[datetime, Night] = field(default_factory=dict)
    """By tick, in the order of their first mention."""

    @property
    def latest(self) -> datetime | None:
        """The latest tick that was dealt with."""
        return max(self.nights, default=None)

    def apply(self, entry: AnyEntry) -> None:
        """Take in the next entry."""
        if isinstance(entry, Watched):
            began = entry.time if entry.since is None else entry.since.timestamp()
            self.since = began if self.since is None else self.since
            return
        night = self.nights.setdefault(entry.tick, Night(entry.tick))
        match entry:
            case NightBegan():
                night.sweep, night.command = entry.sweep, entry.command
                night.began = entry.time if night.began is None else night.began
                night.ended = night.exit_code = None
                night.dropped, night.reason = False, ""
            case NightEnded():
                night.ended, night.exit_code = entry.time, entry.exit_code
                night.reason = entry.reason
            case TickDropped():
                night.dropped, night.reason = True, entry.reason


class Ledger:
    """The file of one schedule. The caller holds the schedule's lock while it appends."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / LEDGER

    def memory(self) -> Memory:
        """Read all of it; a torn last line is none.

        Raises:
            CorruptJournal: another line is damaged.
        """
        memory = Memory()
        for entry in _entries(self.path):
            memory.apply(entry)
        return memory

    def append(self, entry: AnyEntry) -> AnyEntry:
        """Write one line, on disk on return, after what is whole of the file."""
        stamped = entry.model_copy(update={"time": time.time()})
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("a+b") as stream:
            stream.seek(0)
            whole = stream.read().rfind(b"\n") + 1
            stream.truncate(whole)
            stream.write(stamped.model_dump_json().encode() + b"\n")
            stream.flush()
            os.fsync(stream.fileno())
        return stamped


def _entries(path: Path) -> Iterator[AnyEntry]:
    lines = path.read_bytes().split(b"\n") if path.is_file() else [b""]
    for number, line in enumerate(lines[:-1], start=1):
        try:
            yield _LINE.validate_json(line)
        except ValidationError as error:
            said = f"{path}:{number}: not an entry of a schedule: {damage(error)}"
            raise CorruptJournal(said) from error

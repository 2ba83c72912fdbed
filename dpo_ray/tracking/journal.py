"""The journal: one append-only JSON-lines file per sweep, and the only truth about it."""

import logging
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from dpo_ray.errors import CorruptJournal, StoreUnwritable
from dpo_ray.tracking.damage import damage
from dpo_ray.tracking.records import AnyRecord

Listener = Callable[[AnyRecord], None]
_LINE: TypeAdapter[AnyRecord] = TypeAdapter(AnyRecord)
_log = logging.getLogger(__name__)


class Journal:
    """The one writer of a sweep's journal. Any thread may append; readers follow the file."""

    def __init__(self, path: Path, descriptor: int) -> None:
        self.path = path
        self._descriptor = descriptor
        self._lock = threading.RLock()
        self._listeners: list[Listener] = []
        self._next_seq = 0
        self._size = 0

    @classmethod
    def create(cls, path: Path) -> "Journal":
        """Open a new journal and make its folder; FileExistsError where there is one already."""
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL, 0o644)
        _sync_folder(path.parent)
        return cls(path, descriptor)

    @classmethod
    def reopen(cls, path: Path) -> "Journal":
        """Open an earlier process's journal to go on with it; a torn last line is cut off.

        The caller holds the sweep's lock.

        Raises:
            CorruptJournal: damage before the last line.
        """
        records, size = read_onwards(path, offset=0, first_seq=0)
        journal = cls(path, os.open(path, os.O_WRONLY | os.O_APPEND))
        os.ftruncate(journal._descriptor, size)
        journal._next_seq, journal._size = len(records), size
        return journal

    def append(self, record: AnyRecord, sync: bool = True) -> AnyRecord:
        """Write one line and return the record with its `seq` and `time`.

        With `sync` the line is on disk on return. Without, it outlives this process but not a
        power cut: enough for the metrics of a training step.

        Raises:
            StoreUnwritable: the disk is full; the journal is as it was.
        """
        with self._lock:
            stamped = record.model_copy(update={"seq": self._next_seq, "time": time.time()})
            self._write(stamped.model_dump_json().encode() + b"\n", sync)
            self._next_seq += 1
            self._tell(stamped)
            return stamped

    def subscribe(self, listener: Listener) -> None:
        """Call `listener` with every later record, in order, in the thread that appends it.

        It must be quick, and must not wait for another thread's append.
        """
        with self._lock:
            self._listeners.append(listener)

    def close(self) -> None:
        """Close the file; the journal takes no more records."""
        with self._lock:
            if self._descriptor >= 0:
                os.close(self._descriptor)
                self._descriptor = -1

    def _write(self, line: bytes, sync: bool) -> None:
        """Write the whole line or nothing: half a line would damage the one that follows it."""
        try:
            written = 0
            while written < len(line):
                written += os.write(self._descriptor, line[written:])
            if sync:
                os.fsync(self._descriptor)
        except OSError as error:
            os.ftruncate(self._descriptor, self._size)
            raise StoreUnwritable(
                f"{self.path}: the journal cannot be written ({error.strerror}); make room, and "
                "the same command goes on with what it has"
            ) from error
        except BaseException:  # Ctrl-C in the middle
            os.ftruncate(self._descriptor, self._size)
            raise
        self._size += len(line)

    def _tell(self, record: AnyRecord) -> None:
        for listener in self._listeners:
            try:
                listener(record)
            except Exception:  # a broken screen must not end a sweep
                _log.warning("a journal listener failed on record %d", record.seq, exc_info=True)


def read_journal(path: Path) -> list[AnyRecord]:
    """Return every whole record; a torn last line, which nobody was promised, is left out.

    Raises CorruptJournal, naming file and line, for any other damage.
    """
    return read_onwards(path, offset=0, first_seq=0)[0]


def read_onwards(
    path: Path, offset: int, first_seq: int, about: int = -1
) -> tuple[list[AnyRecord], int]:
    """Return the whole records from byte `offset` on, and the offset after the last of them.

    `about`: stop at the end of a line once so many bytes are read; negative reads all there is.
    """
    with path.open("rb") as file:
        file.seek(offset)
        lines = file.readlines(about)
    if lines and not lines[-1].endswith(b"\n"):
        lines.pop()  # torn, or being written
    records = [_parse(line, path, first_seq + index) for index, line in enumerate(lines)]
    return records, offset + sum(map(len, lines))


def _parse(line: bytes, path: Path, seq: int) -> AnyRecord:
    where = f"{path}:{seq + 1}"
    try:
        record = _LINE.validate_json(line)
    except ValidationError as error:
        raise CorruptJournal(f"{where}: not a journal record: {damage(error)}") from error
    if record.seq != seq:
        raise CorruptJournal(
            f"{where}: records must follow each other by seq, here {seq}, got {record.seq}"
        )
    return record


def _sync_folder(folder: Path) -> None:
    """Make the new file's name itself survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

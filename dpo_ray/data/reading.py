"""A JSON-lines file as a table, or the line that keeps it from being one."""

import json
import logging
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from dpo_ray.data.checks import COLUMNS
from dpo_ray.errors import DataError


def read_table(path: Path) -> Any:
    """Read a file of JSON lines into a dataset held in memory. Nothing is left on disk.

    Raises:
        DataError: not UTF-8, blank, not JSON, or columns of mixed types; the text names the line
            where one is to blame.
    """
    import datasets

    _refuse_unreadable(path)
    # The reader's own cache goes by name and time of change: a file put back with its old time
    # would give its old rows. Hence a cache for this one call.
    with _quiet_datasets(), tempfile.TemporaryDirectory() as cache:
        try:
            return datasets.load_dataset(
                "json", data_files=str(path), split="train", cache_dir=cache, keep_in_memory=True
            )
        except Exception as error:
            # The reader wraps what is wrong (bad JSON, a column of two types) in its own errors.
            where, cause = _broken_line(path) or (path, str(error.__cause__ or error))
            raise DataError(
                f"{where}: must be JSON lines, one object a line, with columns "
                f"{', '.join(COLUMNS)} of one type each; "
                f"the reader says: {cause.strip().splitlines()[0]}"
            ) from error


def _refuse_unreadable(path: Path) -> None:
    """Refuse what the reader lets through, or names badly: other encodings, and blank files."""
    blank = True
    with path.open("rb") as stream:
        for number, line in enumerate(stream, start=1):
            blank = blank and not line.strip()
            try:
                line.decode()
            except UnicodeDecodeError as error:
                raise DataError(f"{path}:{number}: must be UTF-8 text: {error}") from error
    if blank:
        raise DataError(f"{path}: at least one row is needed, the file is empty")


def _broken_line(path: Path) -> tuple[str, str] | None:
    """Find the first line that is no JSON: the reader counts rows from 0, and anew per block."""
    with path.open(encoding="utf-8") as stream:
        for number, line in enumerate(stream, start=1):
            try:
                json.loads(line if line.strip() else "null")
            except ValueError as error:
                return f"{path}:{number}", str(error)
    return None


@contextmanager
def _quiet_datasets() -> Iterator[None]:
    """Keep progress bars and logged stack traces of the reader off the user's screen."""
    import datasets

    logger = logging.getLogger("datasets")
    level = logger.level
    datasets.disable_progress_bars()
    logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        logger.setLevel(level)

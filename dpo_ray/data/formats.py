"""What is wrong with a text file of rows, by its line: its reader counts otherwise, or not."""

import bz2
import csv
import gzip
import json
import lzma
import sys
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from dpo_ray.errors import DataError

NO_ROWS = "at least one row is needed, there is none"
JSON_LINES = "must be JSON lines, one object a line"
JSON_ARRAY = "must be a JSON array of objects"
OPENERS: dict[str, Callable[..., Any]] = {".gz": gzip.open, ".bz2": bz2.open, ".xz": lzma.open}
DAMAGED = (OSError, EOFError, lzma.LZMAError, zlib.error)


@contextmanager
def text_lines(path: Path) -> Iterator[Iterator[str]]:
    """Give the lines of a text file, compressed or not, with their ends and no byte-order mark.

    Raises:
        DataError: a line is no UTF-8, or the compressed file is damaged.
    """
    try:
        with OPENERS.get(path.suffix.lower(), open)(path, "rb") as stream:
            yield _decoded(path, stream)
    except DAMAGED as error:
        raise DataError(f"{path}: cannot be read: {error}") from error


def _decoded(path: Path, stream: Iterator[bytes]) -> Iterator[str]:
    for number, line in enumerate(stream, start=1):
        try:
            yield line.decode("utf-8-sig" if number == 1 else "utf-8")
        except UnicodeDecodeError as error:
            raise DataError(f"{path}:{number}: must be UTF-8 text: {error}") from error


def check_json(path: Path) -> None:
    """Refuse a blank file, and lines that begin no object, unless the file is one array.

    The rest of a line is the reader's to judge, see `broken_json`.
    """
    array, blank = False, True
    with text_lines(path) as lines:
        for number, line in enumerate(lines, start=1):
            start = line.lstrip()[:1]
            array = array or (blank and start == "[")
            if start and not array and start != "{":
                raise DataError(f"{path}:{number}: {JSON_LINES}, got {_short(line)}")
            blank = blank and not start
    if blank:
        raise DataError(f"{path}: {NO_ROWS}")
    if array:
        _check_array(path)


def broken_json(path: Path) -> tuple[str, str] | None:
    """Find the first line that is no JSON, and what Python's reader says about it."""
    with text_lines(path) as lines:
        for number, line in enumerate(lines, start=1):
            try:
                json.loads(line if line.strip() else "null")
            except (ValueError, RecursionError) as error:
                return f"{path}:{number}", str(error)
    return None


def _check_array(path: Path) -> None:
    """An array is read whole, here as by the reader: many rows are better kept as JSON lines."""
    try:
        with text_lines(path) as lines:
            rows = json.loads("".join(lines))
    except json.JSONDecodeError as error:
        raise DataError(
            f"{path}:{error.lineno}: {JSON_ARRAY}: {error.msg}, column {error.colno}"
        ) from error
    if not rows:
        raise DataError(f"{path}: {NO_ROWS}")
    for number, row in enumerate(rows, start=1):
        if not isinstance(row, dict):
            raise DataError(f"{path}: {JSON_ARRAY}, item {number} is {_short(json.dumps(row))}")


def csv_columns(path: Path) -> list[str]:
    """Return the column names of a CSV file after a look at every row.

    Raises:
        DataError: quotes that do not end, a row with more or fewer cells than there are column
            names, a column name twice, or no row; the text names the line.
    """
    csv.field_size_limit(sys.maxsize)  # the answers of a model are longer than 128 KiB at times
    with text_lines(path) as lines:
        rows = csv.reader(lines, strict=True)
        try:
            columns = _column_names(path, rows)
            count = _count_rows(path, rows, len(columns))
        except csv.Error as error:
            raise DataError(f"{path}:{rows.line_num}: must be CSV: {error}") from error
    if not count:
        raise DataError(f"{path}: at least one row is needed, there are only column names")
    return [name or f"Unnamed: {index}" for index, name in enumerate(columns)]


def _column_names(path: Path, rows: Any) -> list[str]:
    columns: list[str] | None = next((row for row in rows if row), None)
    if columns is None:
        raise DataError(f"{path}: {NO_ROWS}")
    twice = sorted({name for name in columns if name and columns.count(name) > 1})
    if twice:
        raise DataError(f"{path}: column names must differ, twice there: {', '.join(twice)}")
    return columns


def _count_rows(path: Path, rows: Any, wanted: int) -> int:
    count = 0
    for row in rows:
        if row and len(row) != wanted:
            raise DataError(
                f"{path}:{rows.line_num}: must be CSV with {wanted} cells a row, one for each "
                f"column name, got {len(row)}"
            )
        count += bool(row)
    return count


def _short(text: str) -> str:
    text = text.strip()
    return text if len(text) <= 40 else text[:37] + "..."

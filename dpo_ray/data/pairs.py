"""From a source on disk to checked preference pairs, before any model is loaded."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dpo_ray.data.checks import (
    COLUMNS,
    Format,
    Problem,
    detect_format,
    find_problem,
    is_identical_pair,
)
from dpo_ray.data.reading import read_table
from dpo_ray.errors import DataError

SHOWN_PROBLEMS = 5


@dataclass(frozen=True)
class Pairs:
    """Checked rows of one source, in file order.

    Attributes:
        rows: dicts of prompt, chosen, rejected (strings, or lists of messages) and `row`, the
            row's number in the source counted from 1.
        format: standard strings or conversational lists.
        counts: rows read, kept, and dropped per reason.
        digest: sha256 of the source's bytes.
    """

    rows: list[dict[str, Any]]
    format: Format
    counts: dict[str, int]
    digest: str


def read_pairs(path: Path, limit: int | None = None) -> Pairs:
    """Read and check a JSON-lines file of preference pairs.

    Raises:
        DataError: the file is missing or unreadable, a column is missing, a row breaks a rule
            of `checks.find_problem`, or no row is left. The text names file and rows.
    """
    if not path.is_file():
        raise DataError(f"{path}: data.source must be an existing JSONL file, found none")
    table = read_table(path)
    _refuse_missing_columns(path, table.column_names)
    rows = [
        {column: row[column] for column in COLUMNS} | {"row": number}
        for number, row in enumerate(table, start=1)
    ]
    rows = rows[:limit]
    if not rows:
        raise DataError(f"{path}: at least one row is needed, the file has none")
    expected = detect_format(rows[0])
    _refuse_problems(path, [find_problem(row["row"], row, expected) for row in rows])
    kept = [row for row in rows if not is_identical_pair(row)]
    if not kept:
        raise DataError(
            f"{path}: no row is left: in all {len(rows)} rows chosen equals rejected, "
            "so there is nothing to prefer"
        )
    counts = {"read": len(rows), "identical_pair": len(rows) - len(kept)}
    return Pairs(kept, expected, counts, _file_digest(path))


def _refuse_missing_columns(path: Path, found: Sequence[str]) -> None:
    missing = [column for column in COLUMNS if column not in found]
    if missing:
        raise DataError(
            f"{path}: columns {', '.join(COLUMNS)} are needed, {', '.join(missing)} is missing; "
            f"found: {', '.join(found)}"
        )


def _refuse_problems(path: Path, found: Sequence[Problem | None]) -> None:
    problems = [problem for problem in found if problem is not None]
    if not problems:
        return
    lines = [f"{path}: row {problem.row}: {problem.text}" for problem in problems[:SHOWN_PROBLEMS]]
    if len(problems) > SHOWN_PROBLEMS:
        lines.append(f"{path}: and {len(problems) - SHOWN_PROBLEMS} more rows with problems")
    raise DataError("\n".join(lines))


def _file_digest(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()

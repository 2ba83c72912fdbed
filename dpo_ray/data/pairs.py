"""From a source to checked preference pairs on disk, before any model is loaded."""

import os
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dpo_ray.config.data import ColumnsConfig, DataConfig
from dpo_ray.data.cache import content_key
from dpo_ray.data.checking import Checked, check_rows
from dpo_ray.data.checks import COLUMNS, Format, detect_format
from dpo_ray.data.reading import quiet_datasets, read_source
from dpo_ray.data.report import RowReport
from dpo_ray.data.rows import load_report, write_rows
from dpo_ray.data.source import Source, find_source
from dpo_ray.errors import DataError

RULES = 1
"""Raised whenever the same source would give other rows: kept rows of older rules are left."""
FROM_ROWS = ("columns", "limit", "validation", "test")
"""Settings of data that decide on the rows; others decide on tokens."""


@dataclass(frozen=True)
class Pairs:
    """Checked rows of one source.

    Attributes:
        folder: a dataset per split, see `rows.write_rows`.
        report: counts, findings and splits.
    """

    folder: Path
    report: RowReport


def read_pairs(data: DataConfig, cache: Path) -> Pairs:
    """Read, check, split and keep the pairs, or find them in the cache.

    Nothing is written to the cache unless every row passed.

    Raises:
        DataError: the source is missing or unreadable, a column is missing, a row breaks a rule
            of `checks.check_row`, or no row is left. The text names source and rows.
    """
    with quiet_datasets(), tempfile.TemporaryDirectory(prefix="dpo-ray-") as scratch:
        source = find_source(
            data.source,
            config=data.config,
            split=data.split,
            revision=data.revision,
            scratch=Path(scratch),
        )
        target = cache / f"rows-{rows_key(source.digest, data)}"
        if not target.is_dir():
            _write(source, data, target, Path(scratch))
    os.utime(target)  # when it was last of use: `dpo-ray cache` prunes by it
    # The rows are found by their content, whatever their source was called the first time.
    named = {"source": source.name, "revision": source.revision}
    return Pairs(target, load_report(target).model_copy(update=named))


def rows_key(digest: str, data: DataConfig) -> str:
    """Hash what the kept rows depend on."""
    early = data.warnings.model_dump(include={"identical_pair", "duplicate_pair"})
    settings = data.model_dump(include=set(FROM_ROWS))
    contradicting = data.warnings.contradicting_pair
    return content_key(
        {"rules": RULES, "source": digest, "warnings": [early, contradicting], **settings}
    )


def _write(source: Source, data: DataConfig, target: Path, scratch: Path) -> None:
    table = renamed(source, read_source(source, scratch, data.limit), data.columns)
    if len(table) == 0:
        raise DataError(f"{source.name}: at least one row is needed, the source has none")
    expected = detect_format(table[0], table.column_names)
    _refuse_strings_with_tools(source, expected)
    checked = check_rows(source.name, iter(table), expected, data.warnings)
    write_rows(target, iter(table), checked, expected, data, _report_of(source, expected, checked))


def renamed(source: Source, table: Any, columns: ColumnsConfig) -> Any:
    """Return the table with our own column names, and no other columns.

    Raises:
        DataError: a column is missing.
    """
    theirs = {ours: name for ours, name in columns.model_dump().items() if name is not None}
    found = table.column_names
    _refuse_missing(source, found, theirs)
    names = {ours: theirs.get(ours, ours) for ours in (*COLUMNS, "tools")}
    names = {ours: name for ours, name in names.items() if name in found}
    table = table.select_columns(list(names.values()))
    return (
        table.rename_columns({name: ours for ours, name in names.items() if name != ours})
        if any(name != ours for ours, name in names.items())
        else table
    )


def _refuse_missing(source: Source, found: Sequence[str], theirs: Mapping[str, str]) -> None:
    needed = {ours: theirs.get(ours, ours) for ours in COLUMNS[1:]}
    needed |= {ours: name for ours, name in theirs.items() if ours not in needed}
    missing = [name for name in needed.values() if name not in found]
    if missing:
        asked = " (data.columns)" if set(missing) & set(theirs.values()) else ""
        raise DataError(
            f"{source.name}: columns chosen and rejected are needed, prompt beside them or at the "
            f"beginning of both; missing: {', '.join(missing)}{asked}; "
            f"found: {', '.join(found)}; data.columns maps other names"
        )


def _refuse_strings_with_tools(source: Source, expected: Format) -> None:
    if expected.tools and not expected.conversational:
        raise DataError(
            f"{source.name}: tools need conversations, whose chat template shows them, "
            "got a tools column beside strings"
        )


def _report_of(source: Source, expected: Format, checked: Checked) -> RowReport:
    return RowReport(
        source=source.name,
        digest=source.digest,
        revision=source.revision,
        format=str(expected),
        read=len(checked.keep),
        kept=int(checked.keep.sum()),
        findings=checked.findings,
        prompts={},
        prompts_in_two_splits=0,
    )

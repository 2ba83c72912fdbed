"""What supervised fine-tuning imitates: chosen answers, or texts of their own."""

import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from dpo_ray.config.reference import SftConfig
from dpo_ray.data.cache import content_key, new_entry
from dpo_ray.data.checking import refuse_problems
from dpo_ray.data.checks import Problem
from dpo_ray.data.reading import quiet_datasets, read_source
from dpo_ray.data.rows import load_rows
from dpo_ray.data.source import find_source
from dpo_ray.errors import DataError

FORMS = (("prompt", "completion"), ("messages",), ("text",))
"""Columns of each form SFT takes; the first form whose columns are all there is taken."""


def write_texts(sft: SftConfig, rows: Path, cache: Path) -> Path:
    """Keep the texts as a saved dataset in the cache and return its folder.

    Without a source of their own they are prompt and chosen of the training rows alone: what is
    validated and tested on must be as new to the reference as to the policy.

    Raises:
        DataError: the source is missing or unreadable, or a row is empty.
    """
    with quiet_datasets():
        own = sft.source
        target = _write_chosen(rows, cache) if own is None else _write_own(own, cache)
    os.utime(target)  # when it was last of use: `dpo-ray cache` prunes by it
    return target


def _write_own(name: str, cache: Path) -> Path:
    with tempfile.TemporaryDirectory(prefix="dpo-ray-") as scratch:
        source = find_source(name, scratch=Path(scratch))
        target = cache / f"texts-{content_key({'source': source.digest})}"
        if not target.is_dir():
            table = read_source(source, Path(scratch))
            columns = form_of(source.name, table.column_names)
            refuse_problems(source.name, list(_problems(table, columns)))
            with new_entry(target) as folder:
                table.select_columns(list(columns)).save_to_disk(str(folder))
    return target


def form_of(where: str, found: Sequence[str]) -> tuple[str, ...]:
    """Return the columns that hold the texts; DataError where there are none of any form."""
    for columns in FORMS:
        if set(columns) <= set(found):
            return columns
    allowed = "; ".join(" and ".join(columns) for columns in FORMS)
    raise DataError(
        f"{where}: reference.sft needs texts in columns {allowed}; found: {', '.join(found)}"
    )


def _write_chosen(rows: Path, cache: Path) -> Path:
    target = cache / f"texts-{content_key({'rows': rows.name})}"
    if not target.is_dir():
        table = load_rows(rows, "train")
        kept = [name for name in ("prompt", "chosen", "tools") if name in table.column_names]
        table = table.select_columns(kept).rename_column("chosen", "completion")
        with new_entry(target) as folder:
            table.save_to_disk(str(folder))
    return target


def _problems(table: Any, columns: Sequence[str]) -> Iterator[Problem]:
    empty = True
    for number, row in enumerate(table.select_columns(list(columns)), start=1):
        empty = False
        text = _problem(row)
        if text is not None:
            yield Problem(number, text)
    if empty:
        yield Problem(1, "at least one row is needed, the source has none")


def _problem(row: Mapping[str, Any]) -> str | None:
    for column, value in row.items():
        if value is None or (isinstance(value, str) and not value.strip()) or value == []:
            return f"{column} must not be empty, got {'null' if value is None else repr(value)}"
    return None

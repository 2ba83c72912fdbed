"""A source as a table, memory-mapped, or the line that keeps it from being one."""

import json
import logging
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from dpo_ray.config.redaction import redact_text
from dpo_ray.data.formats import JSON_LINES, NO_ROWS, broken_json, check_json, csv_columns
from dpo_ray.data.source import Source
from dpo_ray.errors import DataError

NO_DATA = "corresponds to no data"
"""How the reader says that there is no row."""
WHAT = {
    "json": f"{JSON_LINES}, or one array of objects, with columns of one type each",
    "csv": "must be CSV",
    "parquet": "must be Parquet",
    "saved": "must be a folder of Dataset.save_to_disk",
    "hub": "must hold rows that the library datasets can read",
}


def read_source(source: Source, scratch: Path, limit: int | None = None) -> Any:
    """Return a `datasets.Dataset` of the source, or of its first `limit` rows.

    It maps files below `scratch`, or the saved folder itself, into memory: `scratch` must live
    as long as the dataset. Memory does not grow with rows, but for JSON arrays.

    Raises:
        DataError: unreadable; the text names the source, and the line where one is to blame.
    """
    # The reader's own cache goes by name and time of change: a file put back with its old time
    # would give its old rows. Hence a cache for this one call.
    cache = Path(tempfile.mkdtemp(prefix="read-", dir=scratch))
    with quiet_datasets():
        if source.kind == "hub":
            from dpo_ray.data.hub_rows import read_hub_dataset

            table = read_hub_dataset(source, cache)
        elif source.kind == "saved":
            table = _read_saved(source)
        else:
            table = _read_files(source, cache)
    return table if limit is None else table.select(range(min(limit, len(table))))


def _read_files(source: Source, cache: Path) -> Any:
    import datasets

    options: Mapping[str, Any] = {}
    if source.builder == "json":
        for path in source.files:
            check_json(path)
        options = {"parse_agent_traces": False}  # a column named `type` makes no agent's log
    elif source.builder == "csv":
        options = _csv_options(source)
    elif not any(map(_has_rows, source.files)):
        raise DataError(f"{source.name}: {NO_ROWS}")
    try:
        return datasets.load_dataset(
            source.builder,
            data_files=[str(path) for path in _plain_names(source.files, cache)],
            split="train",
            cache_dir=str(cache),
            **options,
        )
    except Exception as error:
        raise unreadable(source, error) from error


def _has_rows(path: Path) -> bool:
    """Whether a Parquet file has any: its reader breaks without. Of other files it says more."""
    from pyarrow import ArrowException, parquet

    try:
        return bool(parquet.read_metadata(path).num_rows)
    except (ArrowException, OSError):
        return True


def _csv_options(source: Source) -> dict[str, Any]:
    """Read every cell as text, so that no file decides on a type; only an empty cell is null."""
    import datasets

    columns = csv_columns(source.files[0])
    for path in source.files[1:]:
        found = csv_columns(path)
        if found != columns:
            raise DataError(
                f"{path}: column names must be those of {source.files[0]}, "
                f"{', '.join(columns)}; got {', '.join(found)}"
            )
    return {
        "column_names": columns,
        "header": 0,
        "features": datasets.Features({name: datasets.Value("string") for name in columns}),
        "keep_default_na": False,
        "na_values": [""],
    }


def _plain_names(files: tuple[Path, ...], cache: Path) -> list[Path]:
    """Give the files names without brackets and stars, which the reader takes for patterns."""
    links = []
    for number, path in enumerate(files):
        link = cache / f"{number:05d}{''.join(path.suffixes[-2:]).lower()}"
        link.symlink_to(path.resolve())
        links.append(link)
    return links


def _read_saved(source: Source) -> Any:
    import datasets

    try:
        if not json.loads((source.files[0] / "state.json").read_bytes())["_data_files"]:
            raise DataError(f"{source.name}: {NO_ROWS}")
        return datasets.load_from_disk(str(source.files[0]), keep_in_memory=False)
    except DataError:
        raise
    except Exception as error:
        raise unreadable(source, error) from error


def unreadable(source: Source, error: Exception) -> DataError:
    """Return what a reader's error means for the user.

    The reader wraps what is wrong (bad JSON, a column of two types) in its own errors.
    """
    where, cause = source.name, str(error.__cause__ or error)
    if isinstance(error, KeyError):
        cause = f"there is no {error}"
    if NO_DATA in cause or isinstance(error, StopIteration):
        return DataError(f"{where}: {NO_ROWS}")
    if source.builder == "json":
        found = next(filter(None, map(broken_json, source.files)), None)
        where, cause = found or (where, cause)
    what = WHAT[source.builder or source.kind]
    return DataError(f"{where}: {what}; the reader says: {first_line(cause)}")


def first_line(text: str) -> str:
    """Return the first line of a library's error, without secrets."""
    lines = text.strip().splitlines()
    return redact_text(lines[0]) if lines else "nothing"


@contextmanager
def quiet_datasets() -> Iterator[None]:
    """Keep the reader's progress bars and stack traces off the screen, and it off the network.

    Its count of downloads asks a server even when a local file is read.
    """
    import datasets

    logger = logging.getLogger("datasets")
    level, bars = logger.level, not datasets.are_progress_bars_disabled()
    counts = datasets.config.HF_UPDATE_DOWNLOAD_COUNTS
    datasets.disable_progress_bars()
    logger.setLevel(logging.CRITICAL)
    datasets.config.HF_UPDATE_DOWNLOAD_COUNTS = False
    try:
        yield
    finally:
        datasets.config.HF_UPDATE_DOWNLOAD_COUNTS = counts
        logger.setLevel(level)
        if bars:
            datasets.enable_progress_bars()

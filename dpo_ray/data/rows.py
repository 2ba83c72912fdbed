"""Checked rows on disk: a dataset per split, Arrow files that workers map into memory."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from dpo_ray.config.data import DataConfig
from dpo_ray.data.cache import new_entry
from dpo_ray.data.checking import Checked
from dpo_ray.data.checks import COLUMNS, Format, Problem, check_row
from dpo_ray.data.duplicates import fingerprint
from dpo_ray.data.prompts import prompt_text
from dpo_ray.data.report import RowReport
from dpo_ray.data.split import SPLITS, Split, split_of

REPORT = "report.json"


def write_rows(
    target: Path,
    rows: Iterator[dict[str, Any]],
    checked: Checked,
    expected: Format,
    data: DataConfig,
    report: RowReport,
) -> None:
    """Write the rows that stay into the cache entry `target`, split by prompt: the second pass.

    Columns: prompt, chosen, rejected (text, or messages as JSON), tools where there are any,
    `row`, its number in the source, and `prompt_text`, what a judge reads.
    """
    from datasets.arrow_writer import ArrowWriter

    with new_entry(target) as folder:
        writers = {
            split: ArrowWriter(features=_features(expected), path=str(folder / f".{split}.arrow"))
            for split in SPLITS
        }
        prompts: dict[Split, set[int]] = {split: set() for split in SPLITS}
        for split, row in _kept(rows, checked, expected, data):
            writers[split].write(row)
            prompts[split].add(fingerprint(row["prompt"]))
        for split, writer in writers.items():
            _finish(writer, folder, split)
        counted = report.model_copy(
            update={
                "prompts": {split: len(found) for split, found in prompts.items()},
                "prompts_in_two_splits": _in_two(list(prompts.values())),
            }
        )
        (folder / REPORT).write_text(counted.model_dump_json(indent=2))


def load_rows(folder: Path, split: str) -> Any:
    """Open a split's checked rows, memory-mapped."""
    import datasets

    return datasets.load_from_disk(str(folder / split))


def load_report(folder: Path) -> RowReport:
    """Read what was found when the rows were checked."""
    return RowReport.model_validate_json((folder / REPORT).read_text())


def row_counts(folder: Path) -> dict[str, int]:
    """Return rows per split that has any."""
    filled = [split for split in SPLITS if (folder / split).is_dir()]
    return {split: len(load_rows(folder, split)) for split in filled}


def _kept(
    rows: Iterator[dict[str, Any]], checked: Checked, expected: Format, data: DataConfig
) -> Iterator[tuple[Split, dict[str, Any]]]:
    for number, (row, keep) in enumerate(zip(rows, checked.keep, strict=True), start=1):
        if not keep:
            continue
        cleaned = check_row(number, row, expected)
        assert not isinstance(cleaned, Problem)  # the first pass would have stopped
        split = split_of(cleaned["prompt"], data.validation, data.test)
        yield split, {**cleaned, "row": number, "prompt_text": prompt_text(cleaned["prompt"])}


def _features(expected: Format) -> Any:
    import datasets

    form = datasets.Json() if expected.conversational else datasets.Value("string")
    columns: dict[str, Any] = dict.fromkeys(COLUMNS, form)
    if expected.tools:
        columns["tools"] = datasets.Json()
    return datasets.Features(
        {**columns, "row": datasets.Value("int64"), "prompt_text": datasets.Value("string")}
    )


def _finish(writer: Any, folder: Path, split: Split) -> None:
    """Turn what was written into a saved dataset; a split without rows has none."""
    import datasets

    loose = folder / f".{split}.arrow"
    examples, _ = writer.finalize()
    if examples:
        datasets.Dataset.from_file(str(loose)).save_to_disk(str(folder / split))
    loose.unlink(missing_ok=True)


def _in_two(prompts: list[set[int]]) -> int:
    everything = np.concatenate([np.fromiter(each, dtype=np.uint64) for each in prompts])
    return len(everything) - len(np.unique(everything))

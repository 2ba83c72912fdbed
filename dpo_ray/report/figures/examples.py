"""What a trial's checkpoints did with every single pair, read back from its folder."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
from pyarrow import compute, parquet

from dpo_ray.data.rows import load_rows
from dpo_ray.data.trial_files import EXAMPLES, checkpoint_folder
from dpo_ray.tracking.records import CONFIRMATIONS
from dpo_ray.tracking.state import SweepState
from dpo_ray.tracking.trial_row import TrialRow

MOST = 100
"""Rows of the table of the heaviest examples."""


@dataclass(frozen=True)
class Checkpoint:
    """A row for each pair, see `evaluation.tables.examples_table`."""

    step: int
    examples: pa.Table


def checkpoints(trial: TrialRow) -> list[Checkpoint]:
    """Return the trial's evaluated checkpoints, earliest first; a table that is gone is left out.

    The evaluation that failed a trial by a limit is among them.
    """
    steps = {rung.step for rung in trial.rungs} | ({trial.step} if trial.by_limits else set())
    found = [(step, _read(trial, step)) for step in sorted(steps)]
    return [Checkpoint(step, table) for step, table in found if table is not None and len(table)]


def heaviest(checkpoint: Checkpoint, texts: Any) -> pa.Table:
    """Return the pairs the loss pulls at most, the most wrong first, with their texts.

    `texts` are the checked rows. Where pairs weigh alike, the smallest D is the most wrong.
    """
    order = [("weight", "descending"), ("margin", "ascending"), ("row", "ascending")]
    top = checkpoint.examples.sort_by(order).slice(0, MOST)
    rows = top["row"].to_pylist()
    wanted = {row["row"]: row for row in _rows_of(texts, rows)}
    found = [row in wanted for row in rows]
    top, rows = top.filter(pa.array(found)), [row for row in rows if row in wanted]
    return pa.table(
        {
            "row": top["row"],
            "prompt": [wanted[row]["prompt_text"] for row in rows],
            "chosen": [spoken(wanted[row]["chosen"]) for row in rows],
            "rejected": [spoken(wanted[row]["rejected"]) for row in rows],
            "D": top["margin"],
            "weight": top["weight"],
        }
    )


def write_heaviest(state: SweepState, trial: TrialRow, path: Path) -> Path | None:
    """Write the table of the trial's last checkpoint; None where rows or tables are gone."""
    found, texts = checkpoints(trial), _texts(state, trial)
    if not found or texts is None:
        return None
    part = path.with_name(f".{path.name}.part")
    path.parent.mkdir(parents=True, exist_ok=True)
    parquet.write_table(heaviest(found[-1], texts), part)
    part.replace(path)
    return path


def spoken(answer: Any) -> str:
    """Return an answer as text; of a conversation, each message behind its role."""
    if isinstance(answer, str):
        return answer
    return "\n".join(f"{each['role']}: {each.get('content') or ''}" for each in answer)


def _read(trial: TrialRow, step: int) -> pa.Table | None:
    try:
        return parquet.read_table(checkpoint_folder(Path(trial.folder), step) / EXAMPLES)
    except (OSError, pa.ArrowInvalid):
        return None


def _texts(state: SweepState, trial: TrialRow) -> Any:
    """Open the rows the trial was evaluated on: validation rows, or test rows of a confirmation."""
    if state.plan is None or state.prepared is None or "rows" not in state.prepared.hashes:
        return None
    folder = Path(state.plan.plan["store"]) / "cache" / state.prepared.hashes["rows"]
    split = "test" if trial.number >= CONFIRMATIONS else "validation"
    return load_rows(folder, split) if (folder / split).is_dir() else None


def _rows_of(texts: Any, rows: list[int]) -> list[dict[str, Any]]:
    """Pick rows by their number in the source, without reading the texts of all others."""
    numbers = texts.with_format("arrow")["row"][:]
    where = compute.is_in(numbers, value_set=pa.array(rows, pa.int64())).to_pylist()
    picked = texts.select([index for index, hit in enumerate(where) if hit])
    return list(picked.to_list())

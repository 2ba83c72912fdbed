"""What a confirmation's trainings left on disk, as tables of values by seed and prompt."""

from pathlib import Path

import numpy as np
import pyarrow.parquet as parquet

from dpo_ray.data.trial_files import checkpoint_folder
from dpo_ray.evaluation.answer_columns import answer_column, compared_metric
from dpo_ray.evaluation.confirming import Trained
from dpo_ray.evaluation.paired import Values
from dpo_ray.tracking.state import SweepState
from dpo_ray.tracking.trial_row import TrialRow


def trained(state: SweepState, number: int) -> Trained:
    """Return candidate `number` of the planned confirmation after its trainings."""
    planned = state.confirmation
    assert planned is not None
    candidate, (metric, _) = planned.candidates[number], state.objective
    rows = [row for row in state.confirmations.values() if row.confirms == number]
    done = sorted((row for row in rows if row.status == "COMPLETED"), key=lambda row: row.number)
    values = [answer_values(row, metric) for row in done]
    return Trained(
        is_default=candidate.is_default,
        quality=np.stack(values) if values else np.empty((0, 0)),
        seeds=tuple(row.seed or 0 for row in done),
        metrics=[
            {name.removeprefix("eval/"): value for name, value in row.metrics.items()}
            for row in done
        ],
        failed=sum(row.status == "FAILED" for row in rows),
        search=candidate.metrics.get(f"eval/{compared_metric(metric)}"),
    )


def answer_values(row: TrialRow, metric: str) -> Values:
    """Return one training's value of `metric` for each test prompt or pair; NaN, not judged."""
    return values_in(checkpoint_folder(Path(row.folder), row.step), metric)


def values_in(folder: Path, metric: str) -> Values:
    """Return the same of a checkpoint's folder."""
    file, column = answer_column(metric)
    values = parquet.read_table(folder / file, columns=[column])[column].to_numpy()
    values = np.asarray(values, dtype=float)
    return (np.sign(values) + 1) / 2 if metric == "accuracy" else values

"""What is tried again, on which seeds, and what is read of it afterwards."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from dpo_ray.config.evaluation import EvaluationConfig
from dpo_ray.config.training import TrainingConfig
from dpo_ray.data.prepared import Prepared
from dpo_ray.data.trial_files import COMPLETIONS, EXAMPLES, checkpoint_folder
from dpo_ray.search.answers import answer_values, trained
from dpo_ray.search.confirmation import confirmation_jobs, together
from dpo_ray.tracking.records import (
    CONFIRMATIONS,
    Candidate,
    ConfirmationPlanned,
    RungReached,
    TrialEnded,
    TrialStarted,
)
from dpo_ray.tracking.state import SweepState, fold
from dpo_ray.tracking.trial_row import TrialRow
from dpo_ray.training.jobs import ModelSpec, TrialJob

NOWHERE = Path("/nowhere")
TEMPLATE = TrialJob(
    model=ModelSpec(NOWHERE, "float32"),
    prepared=Prepared(NOWHERE, NOWHERE, NOWHERE, NOWHERE, "test"),
    training=TrainingConfig(max_steps=60),
    evaluation=EvaluationConfig(),
    max_length=512,
    folder=Path("/store/sweeps/s/trials"),
)


def candidate(trial: int, step: int, beta: float, is_default: bool = False) -> Candidate:
    return Candidate(
        trial=trial, step=step, fraction=step / 60, total_steps=60, params={"beta": beta},
        is_default=is_default, metrics={"eval/win_rate": 0.8},
    )  # fmt: skip


PLANNED = ConfirmationPlanned(
    candidates=[candidate(4, 30, 0.3), candidate(0, 60, 0.1, is_default=True)],
    seeds=[1000, 1001, 1002],
    prompts=4,
    reference={},
)


def test_every_candidate_is_trained_on_every_seed_one_seed_after_the_other():
    jobs = confirmation_jobs(PLANNED, TEMPLATE)
    assert [job.trial - CONFIRMATIONS for job in jobs] == [0, 3, 1, 4, 2, 5]
    assert [job.training.seed for job in jobs] == [1000, 1000, 1001, 1001, 1002, 1002]
    assert [job.confirms for job in jobs] == [0, 1] * 3
    assert [job.training.beta for job in jobs] == [0.3, 0.1] * 3
    assert len({job.folder for job in jobs}) == 6
    assert jobs[3].folder == TEMPLATE.folder / "c04"


def test_the_schedule_is_the_whole_one_stopped_at_the_chosen_step():
    early, default, *_ = confirmation_jobs(PLANNED, TEMPLATE)
    assert (early.training.max_steps, early.stop_at) == (60, 30)
    assert (default.training.max_steps, default.stop_at) == (60, 60)


def test_seeds_draw_their_answers_from_streams_that_no_search_used():
    streams = [job.stream for job in confirmation_jobs(PLANNED, TEMPLATE)]
    assert streams == [1, 1, 2, 2, 3, 3]
    assert TEMPLATE.stream == 0


def test_what_is_done_is_not_done_again():
    done = [CONFIRMATIONS + number for number in (0, 3, 2)]
    left = confirmation_jobs(PLANNED, TEMPLATE, done)
    everything = confirmation_jobs(PLANNED, TEMPLATE)
    assert left == [everything[2], everything[3], everything[5]]


def write(folder: Path, step: int, **columns: list[float | None]) -> None:
    below = checkpoint_folder(folder, step)
    below.mkdir(parents=True)
    examples = {name: columns.pop(name) for name in ("margin",) if name in columns}
    parquet.write_table(pa.table(columns), below / COMPLETIONS)
    parquet.write_table(pa.table(examples), below / EXAMPLES)


def row(folder: Path, step: int = 30) -> TrialRow:
    return TrialRow(CONFIRMATIONS, {}, "confirmation", "slot-0", str(folder), 60, 0.0, step=step)


@pytest.mark.parametrize(
    ("metric", "values"),
    [
        ("win_rate", [1.0, np.nan, 0.5]),
        ("gold_reward", [0.25, 0.5, -1.0]),
        ("gpt/win_rate", [0.0, 0.0, 1.0]),
        ("gpt/score", [3.0, 4.0, 5.0]),
        ("kl", [1.0, np.nan, 0.5]),
        ("accuracy", [1.0, 0.0, 0.5]),
        ("logratio_margin", [2.0, -3.0, 0.0]),
    ],
)
def test_a_metric_is_read_answer_by_answer(tmp_path, metric, values):
    columns = {"gpt/outcome": [0.0, 0.0, 1.0], "gpt/score": [3.0, 4.0, 5.0]}
    write(
        tmp_path,
        30,
        outcome=[1.0, None, 0.5],
        policy_score=[0.25, 0.5, -1.0],
        margin=[2.0, -3.0, 0.0],
        **columns,
    )
    np.testing.assert_array_equal(answer_values(row(tmp_path), metric), values)


def test_a_candidate_is_what_its_completed_trainings_say(tmp_path):
    state = confirmed_state(tmp_path, failed=CONFIRMATIONS + 1)
    ours, default = trained(state, 0), trained(state, 1)
    assert (ours.seeds, ours.failed, ours.search) == ((1000, 1002), 1, 0.8)
    assert (default.seeds, default.failed) == ((1000, 1001, 1002), 0)
    np.testing.assert_array_equal(ours.quality, [[0.0, 1.0], [2.0, 1.0]])
    assert [metrics["kl"] for metrics in ours.metrics] == [0.0, 2.0]


def confirmed_state(tmp_path: Path, failed: int) -> SweepState:
    """Six trainings whose first outcome is their own number, so that none is taken for another."""
    records = [PLANNED]
    for job in reversed(confirmation_jobs(PLANNED, TEMPLATE)):  # slots finish in any order
        number, folder = job.trial - CONFIRMATIONS, tmp_path / job.folder.name
        write(folder, job.stop_at, outcome=[float(number), 1.0])
        broken = job.trial == failed
        records += [
            TrialStarted(
                trial=job.trial, params=job.params, origin="confirmation", slot="slot-0",
                folder=str(folder), total_steps=60, confirms=job.confirms, seed=job.training.seed,
            ),
            RungReached(
                trial=job.trial, step=job.stop_at, fraction=0.5, metrics={"eval/kl": float(number)}
            ),
            TrialEnded(
                trial=job.trial, state="FAILED" if broken else "COMPLETED", reason="",
                step=job.stop_at, seconds=1.0,
            ),
        ]  # fmt: skip
    return fold(records)


def planned_with(*candidates):
    return PLANNED.model_copy(update={"candidates": list(candidates)})


def test_a_longer_search_adds_its_candidates_and_keeps_what_was_trained():
    best, default = PLANNED.candidates
    newer = candidate(9, 60, 0.4)
    both = together(PLANNED, planned_with(newer, best, default))
    assert both.candidates == [best, default, newer]
    before = {
        (job.trial, job.confirms, job.training.seed) for job in confirmation_jobs(PLANNED, TEMPLATE)
    }
    after = {
        (job.trial, job.confirms, job.training.seed) for job in confirmation_jobs(both, TEMPLATE)
    }
    assert before < after
    assert len(after) == 9
    assert together(PLANNED, planned_with(best, default)) == PLANNED
    assert together(None, PLANNED) == PLANNED

"""(a) This platform: the sweep command's own stages, judging as little as everybody."""

import os
import sys
from collections.abc import Iterable
from typing import Any

from benchmarks.task import Observed, Quality, Task
from dpo_ray.plan import Plan
from dpo_ray.search.inputs import check_inputs
from dpo_ray.search.preparation import Screen
from dpo_ray.search.running import prepare_and_search
from dpo_ray.tracking.console import SweepConsole
from dpo_ray.tracking.earlier import JOURNAL
from dpo_ray.tracking.journal import Journal, read_journal
from dpo_ray.tracking.mlflow_mirror import MlflowMirror
from dpo_ray.tracking.mlflow_server import default_uri
from dpo_ray.tracking.records import SweepEnded, SweepPlanned
from dpo_ray.tracking.state import SweepState, fold
from dpo_ray.tracking.trial_row import TrialRow

MIRROR_S = 120.0
WHOSE: dict[str, Any] = {"host": "benchmark", "pid": os.getpid(), "versions": {}}


def run(task: Task) -> Observed:
    """Run the plan's search from an empty store to the last line in MLflow."""
    # Tune insists on the objective in every result, and without evaluation there is none.
    os.environ["TUNE_DISABLE_STRICT_METRIC_CHECKING"] = "1"
    state = _sweep(task.plan, evaluate=bool(task.rungs))
    # By number: of trials that two slots begin at the same moment either may be first.
    rows = [row for _, row in sorted(state.trials.items())]
    _refuse_other_trials(task, rows)
    return Observed(
        first_step=min(_first_step(row) for row in rows),
        ended=tuple(sorted(row.ended or 0.0 for row in rows)),
        gaps=tuple(_later_gaps(rows)),
        spent={"warming slots and preparing": state.prepared.seconds if state.prepared else 0.0},
        together=task.plan.sweep.search.concurrent,
        steps=sum(row.step for row in rows),
        whole=tuple(_quality(row) for row in rows if row.status == "COMPLETED" and row.metrics),
    )


def _sweep(plan: Plan, evaluate: bool) -> SweepState:
    inputs = check_inputs(plan.sweep, plan.store)
    journal = Journal.create(plan.folder / JOURNAL)
    mirror = MlflowMirror(journal.path, default_uri(plan.store), plan.sweep.tracking.experiment)
    with SweepConsole(plan.name, plan.sweep.search.trials, sys.stdout) as screen:
        journal.subscribe(screen)
        journal.append(SweepPlanned(name=plan.name, plan=plan.to_dict(), **WHOSE))
        told = Screen(screen.stage, screen.progress)
        prepare_and_search(plan, inputs, journal, told, mirror.start, evaluate=evaluate)
        journal.append(SweepEnded(exit_code=0, reason="all trials of the plan are done"))
    if not mirror.close(MIRROR_S):
        raise RuntimeError(f"MLflow lacks a part of the journal: {mirror.problems}")
    return fold(read_journal(journal.path))


def _refuse_other_trials(task: Task, rows: list[TrialRow]) -> None:
    """Ratios mean nothing unless everybody ran the same list, to its end but for early stops."""
    ran = [row.params for row in rows]
    if ran != list(task.configurations):
        raise RuntimeError(f"(a) ran {ran}, and was to run {task.configurations}")
    allowed = {"COMPLETED"} | ({"STOPPED"} if task.spared is not None else set())
    if others := [row.name for row in rows if row.status not in allowed]:
        raise RuntimeError(f"trials of (a) must end as one of {sorted(allowed)}: not {others}")


def _quality(row: TrialRow) -> Quality:
    metrics = row.metrics
    return Quality(accuracy=metrics["eval/accuracy"], margin=metrics["eval/logratio_margin"])


def _first_step(row: TrialRow) -> float:
    return (row.ended or 0.0) - row.seconds + row.timings["first_step_s"]


def _later_gaps(rows: Iterable[TrialRow]) -> Iterable[float]:
    """Yield the gaps between trials; a slot's first one follows no trial."""
    used: set[str] = set()
    for row in rows:
        if row.slot in used:
            yield row.timings["gap_s"]
        used.add(row.slot)

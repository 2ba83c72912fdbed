"""A sweep from its checked plan to its last line. The table of contents of dpo-ray."""

import os
import socket
import sys
from importlib.metadata import version
from pathlib import Path

from rich.console import Console

from dpo_ray.cluster.lock import sweep_lock
from dpo_ray.config.redaction import redact_command
from dpo_ray.errors import BudgetSpent, DpoRayError, Interrupted, NoTrialCompleted
from dpo_ray.plan import Plan
from dpo_ray.report.summary import print_summary
from dpo_ray.search.inputs import Inputs
from dpo_ray.search.preparation import Screen
from dpo_ray.search.pruning import losers, remove
from dpo_ray.search.running import prepare_and_search
from dpo_ray.tracking.console import SweepConsole
from dpo_ray.tracking.earlier import (
    JOURNAL,
    earlier_records,
    is_finished,
    refuse_changes,
    refuse_other_content,
)
from dpo_ray.tracking.journal import Journal
from dpo_ray.tracking.mlflow_mirror import MlflowMirror, reachable
from dpo_ray.tracking.mlflow_server import default_uri
from dpo_ray.tracking.records import AnyRecord, SweepPlanned, SweepResumed
from dpo_ray.tracking.state import SweepState, fold

LIBRARIES = ("dpo-ray", "ray", "torch", "transformers", "trl", "peft", "datasets", "optuna")
PROGRAMS = {"dpo-ray": ["dpo-ray"], "sweep.py": ["python", "-m", "dpo_ray.sweep"]}
"""Entry points by the name of their file."""
MIRROR_S = 120.0


def run_sweep(plan: Plan, inputs: Inputs, console: Console) -> None:
    """Prepare, search, report; or go on where an earlier process of this sweep has stopped.

    Raises:
        DpoRayError: what ended it.
    """
    reachable(_tracking_uri(plan))
    with sweep_lock(plan.folder):
        earlier = earlier_records(plan.folder)
        past = fold(earlier)
        if earlier:
            refuse_changes(past, plan.to_dict())
            rows = {"data": inputs.pairs.report.digest}
            refuse_other_content(plan.name, _rows_digest(past), rows)
        if is_finished(past, plan.trials, plan.sweep.confirm is not None):
            _say_finished(past, plan, console)
        else:
            _run(plan, inputs, console, earlier)


def _run(plan: Plan, inputs: Inputs, console: Console, earlier: list[AnyRecord]) -> None:
    path = plan.folder / JOURNAL
    journal = Journal.reopen(path) if earlier else Journal.create(path)
    mirror = MlflowMirror(journal.path, _tracking_uri(plan), plan.sweep.tracking.experiment)
    problem: DpoRayError | None = None
    with SweepConsole(plan.name, plan.trials, sys.stdout) as screen:
        screen.catch_up(earlier)
        journal.subscribe(screen)
        journal.append(_first_line(plan) if not earlier else _goes_on(plan))
        try:
            prepare_and_search(
                plan, inputs, journal, Screen(screen.stage, screen.progress), mirror.start
            )
        except DpoRayError as error:
            problem = error
        from dpo_ray.report.closing import close_journal  # figures: of no use before the end

        mirror.start()
        state = close_journal(journal, plan.folder, problem)
        if problem is None:
            for folder in losers(state):
                remove(folder)
        screen.stage("Writing the last lines to MLflow")
        mirrored = mirror.close(MIRROR_S)
    _show(state, plan, console, mirror.experiment_id)
    if not mirrored:
        _say_what_is_missing(mirror, journal, console)
    if isinstance(problem, Interrupted | BudgetSpent):
        console.print(f"The same command goes on with {plan.name}.", markup=False)
    if problem is not None:
        raise problem


def _say_finished(past: SweepState, plan: Plan, console: Console) -> None:
    """Show what a finished sweep has found.

    Raises:
        NoTrialCompleted: it has found nothing.
    """
    console.print(
        f"{plan.name} is finished. --trials +{max(len(past.trials), 1)} searches on; another "
        "--name searches anew."
    )
    _show(past, plan, console)
    if not past.with_status("COMPLETED"):
        raise NoTrialCompleted("no trial ran to its end, so there is nothing to recommend")


def _show(
    state: SweepState, plan: Plan, console: Console, experiment_id: str | None = None
) -> None:
    if state.trials:
        print_summary(console, state, _tracking_uri(plan), experiment_id)


def _say_what_is_missing(mirror: MlflowMirror, journal: Journal, console: Console) -> None:
    problems = "; ".join(mirror.problems) or f"it did not answer within {MIRROR_S:g} s"
    console.print(f"MLflow lacks a part of what {journal.path} holds: {problems}", markup=False)


def _first_line(plan: Plan) -> SweepPlanned:
    return SweepPlanned(
        name=plan.name,
        plan=plan.to_dict(),
        host=socket.gethostname(),
        pid=os.getpid(),
        versions={library: version(library) for library in LIBRARIES},
        command=_typed(sys.argv),
    )


def _typed(words: list[str]) -> list[str]:
    """Return what was typed; nothing where another program runs the sweep."""
    program = PROGRAMS.get(Path(words[0]).name)
    return [] if program is None else [*program, *redact_command(words[1:])]


def _goes_on(plan: Plan) -> SweepResumed:
    facts = _first_line(plan).model_dump(include={"plan", "host", "pid", "versions"})
    return SweepResumed(**facts)


def _rows_digest(past: SweepState) -> dict[str, str]:
    return {"data": past.data.report["rows"]["digest"]} if past.data else {}


def _tracking_uri(plan: Plan) -> str:
    return plan.sweep.tracking.uri or default_uri(plan.store)

"""A sweep from its checked plan to its last line. The table of contents of dpo-ray."""

import os
import socket
import sys
from importlib.metadata import version

from rich.console import Console

from dpo_ray.cluster.lock import sweep_lock
from dpo_ray.errors import DpoRayError
from dpo_ray.plan import Plan
from dpo_ray.report.summary import print_summary
from dpo_ray.search.inputs import Inputs
from dpo_ray.search.preparation import Screen
from dpo_ray.search.running import prepare_and_search
from dpo_ray.tracking.console import SweepConsole
from dpo_ray.tracking.earlier import JOURNAL, earlier_sweep
from dpo_ray.tracking.journal import Journal
from dpo_ray.tracking.mlflow_mirror import MlflowMirror, reachable
from dpo_ray.tracking.mlflow_server import default_uri
from dpo_ray.tracking.records import SweepPlanned
from dpo_ray.tracking.state import SweepState

LIBRARIES = ("dpo-ray", "ray", "torch", "transformers", "trl", "peft", "datasets", "optuna")
MIRROR_S = 120.0


def run_sweep(plan: Plan, inputs: Inputs, console: Console) -> None:
    """Prepare, search, report.

    Raises:
        DpoRayError: what ended it.
    """
    reachable(_tracking_uri(plan))
    with sweep_lock(plan.folder):
        finished = earlier_sweep(plan.folder)
        if finished is None:
            _run(plan, inputs, console)
        else:
            console.print(f"{plan.name} is finished. To run it again choose another --name.")
            _show(finished, plan, console)


def _run(plan: Plan, inputs: Inputs, console: Console) -> None:
    journal = Journal.create(plan.folder / JOURNAL)
    mirror = MlflowMirror(journal.path, _tracking_uri(plan), plan.sweep.tracking.experiment)
    problem: DpoRayError | None = None
    with SweepConsole(plan.name, plan.sweep.search.trials, sys.stdout) as screen:
        journal.subscribe(screen)
        journal.append(_first_line(plan))
        try:
            prepare_and_search(
                plan, inputs, journal, Screen(screen.stage, screen.progress), mirror.start
            )
        except DpoRayError as error:
            problem = error
        from dpo_ray.report.closing import close_journal  # figures: of no use before the end

        mirror.start()
        state = close_journal(journal, plan.folder, problem)
        screen.stage("Writing the last lines to MLflow")
        mirrored = mirror.close(MIRROR_S)
    _show(state, plan, console, mirror.experiment_id)
    if not mirrored:
        _say_what_is_missing(mirror, journal, console)
    if problem is not None:
        raise problem


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
    )


def _tracking_uri(plan: Plan) -> str:
    return plan.sweep.tracking.uri or default_uri(plan.store)

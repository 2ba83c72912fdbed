"""A sweep from its checked plan to its last line. The table of contents of dpo-ray."""

import os
import platform
import socket
import sys
from contextlib import redirect_stdout
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from dpo_ray.cluster.lock import sweep_lock
from dpo_ray.config.redaction import redact_command
from dpo_ray.data.trial_files import ERROR_LOG
from dpo_ray.errors import (
    BudgetSpent,
    ChampionRegressed,
    DpoRayError,
    Interrupted,
    NoTrialCompleted,
    StoreUnwritable,
)
from dpo_ray.output import Voice, give_json, say
from dpo_ray.plan import Plan
from dpo_ray.report.facts import sweep_facts
from dpo_ray.report.summary import print_summary
from dpo_ray.search.inputs import Inputs
from dpo_ray.search.past import refuse_foreign
from dpo_ray.search.preparation import Screen
from dpo_ray.search.pruning import losers, remove
from dpo_ray.search.running import prepare_and_search, refuse_regression
from dpo_ray.tracking.console import SweepConsole
from dpo_ray.tracking.earlier import (
    JOURNAL,
    earlier_records,
    is_finished,
    refuse_changes,
    refuse_other_content,
)
from dpo_ray.tracking.journal import Journal, read_journal
from dpo_ray.tracking.mlflow_mirror import MlflowMirror, reachable
from dpo_ray.tracking.mlflow_server import default_uri
from dpo_ray.tracking.project_commit import project_commit
from dpo_ray.tracking.records import AnyRecord, SweepPlanned, SweepResumed
from dpo_ray.tracking.state import SweepState, fold
from dpo_ray.tracking.tracebacks import essence

LIBRARIES = (
    *("dpo-ray", "ray", "torch", "transformers", "trl", "peft", "datasets", "optuna", "mlflow"),
)
PROGRAMS = {"dpo-ray": ["dpo-ray"], "sweep.py": ["python", "-m", "dpo_ray.sweep"]}
"""Entry points by the name of their file."""
MIRROR_S = 120.0
FULL_S = 10.0
"""Where the store is full, MLflow's database beside it is, too."""
HURRIED_S = 5.0
"""Whoever asked twice waits for nothing that `dpo-ray sync` can do later."""


def run_sweep(plan: Plan, inputs: Inputs, voice: Voice, open_allowed: bool = False) -> None:
    """Prepare, search, report; or go on where an earlier process of this sweep has stopped.

    `open_allowed`: see `ray_session`.

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
            _say_finished(past, plan, voice)
        else:
            refuse_foreign(plan.name, plan.space, past)
            _run(plan, inputs, voice, earlier, open_allowed)


def _run(
    plan: Plan, inputs: Inputs, voice: Voice, earlier: list[AnyRecord], open_allowed: bool
) -> None:
    path = plan.folder / JOURNAL
    journal = Journal.reopen(path) if earlier else Journal.create(path)
    mirror = MlflowMirror(journal.path, _tracking_uri(plan), plan.sweep.tracking.experiment)
    problem: DpoRayError | None = None
    # Whatever a library prints meanwhile is no result.
    with (
        redirect_stdout(sys.stderr),
        SweepConsole(
            plan.name,
            plan.trials,
            sys.stderr,
            live=not voice.verbose,
            leaves=voice.as_json or not voice.results.is_terminal,
        ) as screen,
    ):
        screen.catch_up(earlier)
        journal.subscribe(screen)
        journal.append(_first_line(plan) if not earlier else _goes_on(plan))
        try:
            told = Screen(screen.stage, screen.progress)
            prepare_and_search(plan, inputs, journal, told, mirror.start, open_allowed=open_allowed)
        except DpoRayError as error:
            problem = error
        closed = _close(journal, mirror, plan, problem, screen)
    problem = closed.problem
    _show(closed.state, plan, voice, mirror.view)
    if closed.missing:
        say(voice.messages, closed.missing)
    if isinstance(problem, Interrupted | BudgetSpent | StoreUnwritable):
        say(voice.messages, f"To go on with it: {voice.again}")
    if problem is not None:
        _show_cause(problem, plan, voice)
        raise problem


@dataclass(frozen=True)
class _Closed:
    """How a sweep ended, and what MLflow lacks of it, in words."""

    state: SweepState
    problem: DpoRayError | None
    missing: str


def _close(
    journal: Journal,
    mirror: MlflowMirror,
    plan: Plan,
    problem: DpoRayError | None,
    screen: SweepConsole,
) -> _Closed:
    """Write the journal's end and wait for MLflow, as long as somebody wants to: Ctrl-C leaves out
    the pictures, or the waiting."""
    from dpo_ray.report.closing import close_journal  # figures: of no use before the end

    mirror.start()
    hurried = isinstance(problem, Interrupted) and problem.at_once
    try:
        state = close_journal(journal, plan.folder, problem, drawn=not hurried)
    except KeyboardInterrupt:
        problem, hurried = problem or Interrupted("interrupted while it was drawn"), True
        state = close_journal(journal, plan.folder, problem, drawn=False)
    except StoreUnwritable as error:
        problem, state = problem or error, fold(read_journal(journal.path))
    if problem is None or isinstance(problem, ChampionRegressed):
        for folder in losers(state):
            remove(folder)
    screen.stage("Writing the last lines to MLflow")
    patience = FULL_S if isinstance(problem, StoreUnwritable) else MIRROR_S
    patience = HURRIED_S if hurried else patience
    late = f"it did not answer within {patience:g} s"
    try:
        mirrored = mirror.close(patience)
    except KeyboardInterrupt:
        mirrored, late = False, "nobody waited for it"
    return _Closed(state, problem, "" if mirrored else _what_is_missing(mirror, plan, late))


def _show_cause(problem: DpoRayError, plan: Plan, voice: Voice) -> None:
    """Show the heart of a worker's traceback, and keep the whole."""
    if problem.trace:
        log = plan.folder / ERROR_LOG
        log.write_text(problem.trace)
        for text in [*essence(problem.trace), f"full log: {log}"]:
            say(voice.messages, f"    {text}")


def _say_finished(past: SweepState, plan: Plan, voice: Voice) -> None:
    """Show what a finished sweep has found.

    Raises:
        NoTrialCompleted: it has found nothing.
        ChampionRegressed: what it has found is clearly worse than the champion was.
    """
    more = max(len(past.trials), 1)
    say(
        voice.messages,
        f"{plan.name} is finished. --trials +{more} searches on; another --name searches anew.",
    )
    _show(past, plan, voice)
    if not past.with_status("COMPLETED"):
        raise NoTrialCompleted("no trial ran to its end, so there is nothing to recommend")
    refuse_regression(past)


def _show(state: SweepState, plan: Plan, voice: Voice, view: str | None = None) -> None:
    uri = _tracking_uri(plan)
    if voice.as_json:
        give_json(sweep_facts(state, plan.folder, uri, view))
    elif state.trials:
        print_summary(voice.results, state, uri, view)


def _what_is_missing(mirror: MlflowMirror, plan: Plan, late: str) -> str:
    problems = "; ".join(mirror.problems) or late
    return (
        f"MLflow lacks a part of what {plan.folder / JOURNAL} holds: {problems}\n"
        f"dpo-ray sync {plan.folder} writes the rest."
    )


def _first_line(plan: Plan) -> SweepPlanned:
    return SweepPlanned(
        name=plan.name,
        plan=plan.to_dict(),
        host=socket.gethostname(),
        pid=os.getpid(),
        versions={"python": platform.python_version()}
        | {library: version(library) for library in LIBRARIES},
        project=project_commit(Path.cwd()),
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

"""How a sweep ended, as plain values for machines."""

from pathlib import Path
from typing import Any

from dpo_ray.config.redaction import redact_text
from dpo_ray.errors import ConfigError
from dpo_ray.report.ranking import RankedRow, best_of, rank
from dpo_ray.report.recommended import at, recommended
from dpo_ray.report.saved import saved_policy
from dpo_ray.report.verdict import verdict
from dpo_ray.tracking.earlier import JOURNAL, OVERVIEW, REPORT
from dpo_ray.tracking.records import Metrics
from dpo_ray.tracking.state import SweepState
from dpo_ray.tracking.trial_row import TrialRow

ENDS = ("COMPLETED", "STOPPED", "FAILED", "KILLED")


def sweep_facts(
    state: SweepState, folder: Path, tracking_uri: str, page: str | None = None
) -> dict[str, Any]:
    """Return the sweep's result: `recommended` is what to use, `best` what the search ranks first.

    Metrics are named as in the journal: `eval/*` on validation prompts, `confirm/*` of the
    confirmation, `_low` and `_high` the ends of a 95 % interval. `page` is MLflow's that compares
    the trials, from `#` on.
    """
    rows = rank(state)
    used = recommended(state, rows)
    control = next((row for row in rows if row.is_control), None)
    ended = state.ended
    return {
        "name": state.plan.name if state.plan else folder.name,
        "exit_code": None if ended is None else ended.exit_code,
        "reason": None if ended is None else ended.reason,
        "confirmed": state.verdict is not None and state.verdict.champion is not None,
        "verdict": state.verdict.verdict if state.verdict else None,
        "champion": state.champion and state.champion.model_dump(exclude={"seq", "time", "kind"}),
        "notes": verdict(state, rows),
        "recommended": _row(state, used),
        "best": _row(state, best_of(rows)),
        "default": _row(state, control and _at_its_end(control)),
        "reference": state.reference,
        "trials": {"asked": state.trials_asked, **_counts(state)},
        "seconds": state.seconds,
        "gpu_seconds": state.gpu_seconds,
        "paths": {
            "folder": folder,
            "journal": folder / JOURNAL,
            "policy": _policy(used, folder),
            "figure": state.own_file(OVERVIEW),
            "report": state.own_file(REPORT),
        },
        "tracking": {"uri": redact_text(tracking_uri), "page": page},
    }


def confirmation_of(state: SweepState, trial: TrialRow, step: int) -> Metrics | None:
    """Return the `confirm/*` of a trial's configuration at a step; None if it was not confirmed."""
    for place, each in enumerate(state.confirmation.candidates if state.confirmation else []):
        if (each.trial, each.step) == (trial.number, step) and place in state.confirmed:
            return state.confirmed[place].metrics
    return None


def _row(state: SweepState, row: RankedRow | None) -> dict[str, Any] | None:
    if row is None or row.trial is None:
        return None
    return {
        "trial": row.name,
        "step": row.step,
        "total_steps": row.trial.total_steps,
        "status": row.trial.status,
        "params": row.trial.params,
        "metrics": row.metrics,
        "confirmation": confirmation_of(state, row.trial, row.step),
    }


def _at_its_end(row: RankedRow) -> RankedRow:
    """The default as the confirmation compares with it: after its whole training."""
    return row if row.trial is None else at(row.trial, row.trial.step)


def _counts(state: SweepState) -> dict[str, int]:
    return {end.lower(): len(state.with_status(end)) for end in ENDS}


def _policy(row: RankedRow | None, folder: Path) -> Path | None:
    """The folder of its adapter or model, if it was kept."""
    if row is None or row.trial is None:
        return None
    try:
        return saved_policy(row, folder)
    except ConfigError:
        return None

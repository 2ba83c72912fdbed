"""The confirmation in words: what is tried again, how far it is, and what came of it."""

from dpo_ray.tracking.progress import confirmation_progress
from dpo_ray.tracking.records import CandidateConfirmed, Confirmed, TrialEnded, TrialStarted
from dpo_ray.tracking.state import SweepState
from dpo_ray.tracking.trial_row import TrialRow, trial_name
from dpo_ray.tracking.wording import configuration, duration, with_interval

ConfirmRecord = CandidateConfirmed | Confirmed


def again(state: SweepState, row: TrialRow) -> str:
    """`t11 again, seed 1001`, or `the default again, seed 1001`."""
    if state.confirmation is None or row.confirms is None:
        return "confirmation"
    tried = state.confirmation.candidates[row.confirms]
    what = "the default" if tried.is_default else trial_name(tried.trial)
    return f"{what} again, seed {row.seed}"


def again_started(state: SweepState, record: TrialStarted) -> str:
    """`c03 started (t11 again, seed 1001) up to step 30: beta 0.132`."""
    row, planned = state.row(record.trial), state.confirmation
    step = ""
    if planned is not None and row.confirms is not None:
        step = f" up to step {planned.candidates[row.confirms].step}"
    return f"{row.name} started ({again(state, row)}){step}: {configuration(record.params)}"


def again_ended(state: SweepState, record: TrialEnded, numbers: str) -> str:
    """Name the trial, its numbers, and what is left of the confirmation."""
    row, now = state.row(record.trial), confirmation_progress(state, record.time)
    left = f", {now.left}" if now.left else ""
    broken = record.state in ("FAILED", "KILLED")
    return (
        f"{row.name} ({again(state, row)}) {record.state} after {duration(record.seconds)} at step "
        f"{record.step}/{row.total_steps}: {record.reason if broken else numbers}; "
        f"{now.ended}/{now.total} confirmation trials done{left}"
    )


def confirm_line(state: SweepState, record: ConfirmRecord) -> str | None:
    """What to print once `state` has taken in `record`."""
    if isinstance(record, Confirmed):
        return f"confirmation: {record.verdict}"
    if state.confirmation is None:
        return None
    tried = state.confirmation.candidates[record.candidate]
    metrics = {name.replace("confirm/", "eval/", 1): v for name, v in record.metrics.items()}
    default = ", the default" if tried.is_default else ""
    return (
        f"{trial_name(tried.trial)}{default} on unseen prompts: "
        f"win rate {with_interval(metrics, 'win_rate')}"
    )

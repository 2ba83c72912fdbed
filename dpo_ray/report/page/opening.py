"""The top of the page: how the sweep stands, and its verdict."""

from datetime import UTC, datetime

from dpo_ray.config.redaction import redact_text
from dpo_ray.report.page.axes import words_of
from dpo_ray.report.page.material import Material
from dpo_ray.report.ranking import best_of
from dpo_ray.tracking.state import SweepState
from dpo_ray.tracking.wording import configuration, duration, with_interval


def standing(material: Material) -> str:
    """Say whether the sweep is over, how it ended, and from when it is."""
    state = material.state
    if state.plan is None:
        return "Nothing has happened yet"
    began = state.lives[0].began if state.lives else None
    day = f", begun {at(began)}" if began else ""
    if state.ended is not None and state.ended.exit_code == 0:
        return f"Done{day}"
    if state.ended is not None:
        why = redact_text(state.ended.reason).rstrip(".")
        return f"Ended with exit code {state.ended.exit_code}: {why}{day}"
    over = sum(row.status != "RUNNING" for row in state.trials.values())
    far = f"{over} of {state.trials_asked} trials have ended"
    if material.live:
        return f"Still running: {far}{day}. This page shows what was known when it was written"
    return f"Not at its end: {far}{day}, and no process works on it. The same command goes on"


def at(seconds: float) -> str:
    """`2026-01-02 03:04 UTC`."""
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M} UTC"


def headline(material: Material) -> str:
    """Return the verdict in one sentence."""
    state = material.state
    if state.verdict is not None:
        return f"Confirmed: {redact_text(state.verdict.verdict)}."
    best = best_of(material.rows)
    if best is not None and best.trial is not None:
        confirms = "not confirmed on fresh seeds" + " yet" * state.confirms
        early = "" if best.step == best.trial.total_steps else f", stopped at step {best.step}"
        return (
            f"Best so far: {configuration(best.trial.params)}{early} ({best.name}), "
            f"{words_of(state.objective[0])} {with_interval(best.metrics, state.objective[0])}; "
            f"{confirms}."
        ).replace("Best so far", "Best of the search" if state.ended else "Best so far")
    if state.ended is None and not state.with_status("FAILED"):
        return "No trial has completed yet."
    return "No trial completed, so nothing is ranked first."


def spent(state: SweepState) -> str:
    """`12 trials in 2 min 10 s on 2 slots: 8 completed, 3 stopped early, 1 failed.`"""
    counts = (
        ("COMPLETED", "completed"), ("STOPPED", "stopped early"), ("FAILED", "failed"),
        ("KILLED", "interrupted"), ("RUNNING", "running"),
    )  # fmt: skip
    ends = [f"{len(found)} {w}" for s, w in counts if (found := state.with_status(s))]
    again = len(state.confirmations)
    more = f", and {again} trainings of the confirmation" if again else ""
    gpus = f", {state.gpu_seconds / 3600:.2f} GPU-hours" if state.gpu_seconds else ""
    total = len(state.trials)
    return (
        f"{total} trial{'s' * (total != 1)} ({', '.join(ends) or 'none began'}){more}; "
        f"{duration(state.seconds)} in all{gpus}."
    )

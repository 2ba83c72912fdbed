"""Which checkpoint a sweep recommends: what a confirmation says, else what the search found."""

from dpo_ray.report.ranking import RankedRow, best_of
from dpo_ray.tracking.state import SweepState
from dpo_ray.tracking.trial_row import TrialRow


def recommended(state: SweepState, rows: list[RankedRow]) -> RankedRow | None:
    """Return the row to use: the champion; the default where nothing beats it; else the best.

    None if no trial completed.
    """
    best = best_of(rows)
    if state.verdict is None or state.confirmation is None or best is None:
        return best
    if state.verdict.champion is None:
        control = next((row.trial for row in rows if row.is_control), None)
        return best if control is None or not control.rungs else at(control, control.step)
    champion = state.confirmation.candidates[state.verdict.champion]
    return at(state.trials[champion.trial], champion.step)


def at(trial: TrialRow, step: int) -> RankedRow:
    """Return a trial as it was at one of its checkpoints."""
    rung = next((each for each in trial.rungs if each.step == step), None)
    metrics = trial.metrics if rung is None else rung.metrics
    return RankedRow(trial.name, None, metrics, trial, rung)

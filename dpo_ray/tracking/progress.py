"""How far a sweep is, how long it still takes, and which trial leads: pure functions."""

from dataclasses import dataclass

from dpo_ray.tracking.candidates import best_of_each
from dpo_ray.tracking.state import SweepState, TrialRow


@dataclass(frozen=True)
class Progress:
    """Counts of trials, and seconds; rate and rest are None until they mean something."""

    ended: int
    total: int
    elapsed_s: float
    per_minute: float | None
    remaining_s: float | None


def progress(state: SweepState, total: int, now: float) -> Progress:
    """Extrapolate from the steps done, so that half-done trials count as halves.

    A trial stopped early counts as a whole one: the sweep will not come back to it. Preparing
    is part of `elapsed_s` and not of the rate.
    """
    ended = sum(row.status != "RUNNING" for row in state.trials.values())
    running = state.with_status("RUNNING")
    done = ended + sum(row.step / max(row.total_steps, 1) for row in running)
    began = min((row.started for row in state.trials.values()), default=now)
    searching = max(now - began, 0.0)
    per_minute = 60 * ended / searching if ended and searching else None
    remaining = searching * (total - done) / done if 0.25 <= done < total else None
    elapsed = max(now - (state.plan.time if state.plan else began), 0.0)
    return Progress(ended, total, elapsed, per_minute, remaining)


def leader(state: SweepState) -> TrialRow | None:
    """The completed trial with the best checkpoint; among ties the first."""
    best = best_of_each(state, state.with_status("COMPLETED"))
    return best[0].trial if best else None

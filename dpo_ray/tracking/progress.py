"""How far a sweep is, how long it still takes, and which trial leads: pure functions."""

from dataclasses import dataclass

from dpo_ray.tracking.candidates import best_of_each
from dpo_ray.tracking.state import Life, SweepState
from dpo_ray.tracking.trial_row import TrialRow
from dpo_ray.tracking.wording import duration


@dataclass(frozen=True)
class Progress:
    """Counts of trials, and seconds; rate and rest are None until they mean something.

    `then` is what follows when the rest is over.
    """

    ended: int
    total: int
    elapsed_s: float
    per_minute: float | None
    remaining_s: float | None
    then: str = ""
    share: float = 0.0
    """Of all that is to be done, half-done trials as halves."""

    @property
    def left(self) -> str:
        """`about 45 s left`, with what follows; empty while nobody knows."""
        return "" if self.remaining_s is None else f"about {duration(self.remaining_s)} {self.then}"


def progress(state: SweepState, total: int, now: float) -> Progress:
    """Extrapolate from the steps done, so that half-done trials count as halves.

    A trial stopped early counts as a whole one: the sweep will not come back to it. Preparing
    is part of `elapsed_s` and not of the rate. Looks at the running trials only.
    """
    life = state.lives[-1] if state.lives else Life(now, now)
    running = [row for row in state.running if row.confirms is None]
    ended = len(state.trials) - len(running) - life.waiting
    here = ended - life.ended_before
    begun = sum(row.step / max(row.total_steps, 1) for row in running)
    done = here + begun
    searching = 0.0 if life.first_trial is None else max(now - life.first_trial, 0.0)
    per_minute = 60 * here / searching if here and searching else None
    left = total - life.ended_before - done
    remaining = searching * left / done if done >= 0.25 and left > 0 else None
    elapsed = max(now - life.began, 0.0)
    then = "to the confirmation" if state.confirms else "left"
    share = min((ended + begun) / max(total, 1), 1.0)
    return Progress(ended, total, elapsed, per_minute, remaining, then, share)


def confirmation_progress(state: SweepState, now: float) -> Progress:
    """Extrapolate over the confirmation alone; its trials end at the steps that were chosen."""
    planned, rows = state.confirmation, list(state.confirmations.values())
    steps = [] if planned is None else [each.step for each in planned.candidates]
    seeds = 0 if planned is None else len(planned.seeds)
    whole = max(seeds * sum(steps), 1)
    here = [row for row in rows if row.started >= state.resumed]
    before = sum(steps[row.confirms or 0] for row in rows if row not in here)
    done = sum(steps[row.confirms or 0] if row.status != "RUNNING" else row.step for row in here)
    ended = sum(row.status != "RUNNING" for row in rows)
    gone = max(now - min((row.started for row in here), default=now), 0.0)
    share = done / max(whole - before, 1)
    return Progress(
        ended=ended,
        total=seeds * len(steps),
        elapsed_s=max(now - (state.lives[-1].began if state.lives else now), 0.0),
        per_minute=60 * ended / gone if ended and gone else None,
        remaining_s=gone * (1 - share) / share if 0.05 <= share < 1 else None,
        then="left",
        share=min((before + done) / whole, 1.0),
    )


def leader(state: SweepState) -> TrialRow | None:
    """The completed trial with the best checkpoint; among ties the first."""
    best = best_of_each(state, state.with_status("COMPLETED"))
    return best[0].trial if best else None

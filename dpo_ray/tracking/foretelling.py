"""Whether early rungs foretell the end: a rank correlation over trials that nobody selected."""

from dataclasses import dataclass
from math import isnan

from dpo_ray.tracking.objective import goodness
from dpo_ray.tracking.state import SweepState
from dpo_ray.tracking.trial_row import TrialRow

FEWEST = 4
"""Fewer full trials have a tau of almost any value by chance."""


@dataclass(frozen=True)
class Foretelling:
    """Kendall's tau-b between a rung and the last one, over `trials` trials, with its p-value."""

    fraction: float
    tau: float
    p: float
    trials: int


def foretelling(state: SweepState) -> list[Foretelling]:
    """Return the correlation of each rung but the last with the final ranking.

    Only over trials that would have gone on whatever they had at a rung: the control, those of
    `search.full_trials`, the first ones at each rung, or all where nothing is stopped. Survivors
    of a rung were chosen by it, and would show less than there is.
    """
    rows = [row for row in state.with_status("COMPLETED") if _is_unselected(row)]
    fractions = sorted({rung.fraction for row in rows for rung in row.rungs} - {1.0})
    found = [_at(state, rows, fraction) for fraction in fractions]
    return [each for each in found if each is not None]


def foretelling_sentence(state: SweepState) -> str | None:
    """`Rungs against the end, Kendall tau over 5 full trials: .60 at 25 % of the steps...`."""
    found = foretelling(state)
    if not found:
        return None
    taus = ", ".join(f"{each.tau:.2f} at {each.fraction:.0%} (p {each.p:.2g})" for each in found)
    trials = min(each.trials for each in found)
    return (
        f"Do early rungs foretell the final ranking? Kendall tau over {trials} trials that ran to "
        f"the end unselected: {taus} of the steps."
    )


def _is_unselected(row: TrialRow) -> bool:
    return bool(row.decisions) and all(each.spared for each in row.decisions)


def _at(state: SweepState, rows: list[TrialRow], fraction: float) -> Foretelling | None:
    from scipy.stats import kendalltau  # half a second, of no use before the end

    objective = state.objectives[0]
    pairs = []
    for row in rows:
        values = {rung.fraction: goodness(rung.metrics, objective) for rung in row.rungs}
        if fraction in values and 1.0 in values:
            pairs.append((values[fraction], values[1.0]))
    if len(pairs) < FEWEST:
        return None
    tau, p = kendalltau(*zip(*pairs, strict=True))
    return None if isnan(tau) else Foretelling(fraction, float(tau), float(p), len(pairs))

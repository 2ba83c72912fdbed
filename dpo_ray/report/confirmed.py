"""A confirmation's result in numbers for the journal and in one sentence for people."""

from collections.abc import Sequence
from math import isfinite

from dpo_ray.evaluation.answer_columns import compared_metric, is_share
from dpo_ray.evaluation.confirming import Standing, Trained, mean_metric, prompts_needed
from dpo_ray.evaluation.paired import Estimate
from dpo_ray.tracking.records import Candidate, ConfirmationPlanned, Metrics
from dpo_ray.tracking.wording import configuration

MANY = 100_000
"""More prompts than this are called `more than 100,000`."""


def confirmed_metrics(candidate: Trained, standing: Standing, metric: str) -> Metrics:
    """Return a candidate's `confirm/*`: means over seeds, and where it stands.

    `metric` is the objective: its interval is over seeds and prompts together.
    """
    names = sorted({name for metrics in candidate.metrics for name in metrics})
    found = {name: mean_metric(candidate, name) for name in names}
    found |= {"seeds": float(len(candidate.seeds)), "failed_seeds": float(candidate.failed)}
    found["seed_spread"] = standing.spread
    if standing.mean is not None:
        found |= _interval(compared_metric(metric), standing.mean)
    if standing.lead is not None:
        found |= _interval("against_default", standing.lead)
        found["against_default_p"] = standing.lead.p
    if standing.optimism is not None:
        found["optimism"] = standing.optimism
    return {f"confirm/{name}": value for name, value in found.items() if isfinite(value)}


def verdict_sentence(
    planned: ConfirmationPlanned,
    candidates: Sequence[Trained],
    found: Sequence[Standing],
    best: int | None,
    metric: str,
) -> str:
    """Say whether anything beats the default, by how much, and how far the search was off."""
    if best is not None:
        return _winner(planned, found[best], best, metric)
    leads = [(standing.lead.value, index) for index, standing in enumerate(found) if standing.lead]
    if not leads:
        return (
            "nothing is confirmed: no candidate was trained on the same seeds as the default "
            "configuration; see why its trials failed"
        )
    _, index = max(leads)
    return _nobody(planned, candidates[index], found[index], index, metric)


def points(value: float, metric: str, sign: bool = False) -> str:
    """Write a difference: `6.1 points` of a share, or the metric's own unit."""
    plus = "+" if sign else ""
    return f"{100 * value:{plus}.1f} points" if is_share(metric) else f"{value:{plus}.3g} {metric}"


def plus_minus(estimate: Estimate, metric: str) -> str:
    """Write `6.1 +- 2.9 points`: a mean and half its interval."""
    half = (estimate.high - estimate.low) / 2
    if is_share(metric):
        return f"{100 * estimate.value:.1f} +- {100 * half:.1f} points"
    return f"{estimate.value:.3g} +- {half:.2g} {metric}"


def what(candidate: Candidate) -> str:
    """Write a candidate's configuration, and its step where that is not the last."""
    early = candidate.step < candidate.total_steps
    stopped = f", stopped at step {candidate.step} of {candidate.total_steps}" if early else ""
    return configuration(candidate.params) + stopped


def _winner(planned: ConfirmationPlanned, standing: Standing, best: int, metric: str) -> str:
    assert standing.lead is not None
    off = ""
    if standing.optimism is not None:
        side = "high" if standing.optimism >= 0 else "low"
        off = f"; the search score was {points(abs(standing.optimism), metric)} too {side}"
    return (
        f"{what(planned.candidates[best])} beats the default by "
        f"{plus_minus(standing.lead, metric)} on {planned.prompts:,} unseen prompts and "
        f"{len(planned.seeds)} fresh seeds{off}"
    )


def _nobody(
    planned: ConfirmationPlanned, candidate: Trained, standing: Standing, index: int, metric: str
) -> str:
    assert standing.lead is not None
    asked = f"on {planned.prompts:,} unseen prompts and {len(planned.seeds)} fresh seeds"
    if standing.lead.high < 0:
        return (
            f"the default configuration is better than every candidate {asked}: the nearest, "
            f"{what(planned.candidates[index])}, loses by {points(-standing.lead.value, metric)}"
        )
    if candidate.failed and standing.lead.low > 0:
        return (
            f"nothing is recommended: {what(planned.candidates[index])} beats the default {asked}, "
            f"but {candidate.failed} of its {len(planned.seeds)} trainings failed"
        )
    return (
        f"no configuration is distinguishable from the default at this budget: the nearest, "
        f"{what(planned.candidates[index])}, differs by {plus_minus(standing.lead, metric)} "
        f"{asked}{_needed(standing.lead, planned.prompts)}"
    )


def _needed(lead: Estimate, prompts: int) -> str:
    needed = prompts_needed(lead, prompts)
    if needed is None:
        return ""
    shown = f"more than {MANY:,}" if needed > MANY else f"about {round(needed, -2) or 100:,}"
    return f"; {shown} prompts would be needed"


def _interval(name: str, estimate: Estimate) -> Metrics:
    return {name: estimate.value, f"{name}_low": estimate.low, f"{name}_high": estimate.high}

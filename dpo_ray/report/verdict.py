"""What may be concluded from a sweep, and what may not, in sentences."""

from collections.abc import Iterator, Mapping
from math import inf, log
from typing import Any

from dpo_ray.evaluation.answer_columns import compared_metric
from dpo_ray.report.ranking import RankedRow
from dpo_ray.report.recommended import recommended
from dpo_ray.tracking.candidates import candidates
from dpo_ray.tracking.flags import flags, uneven
from dpo_ray.tracking.records import ChampionCompared, Metrics
from dpo_ray.tracking.state import SweepState
from dpo_ray.tracking.trial_row import TrialRow, trial_name
from dpo_ray.tracking.wording import number, with_interval

WIDER = {
    "beta": ("search_spaces/beta_wide.yaml", 0.01, 1.0, False),
    "learning_rate": ("search_spaces/learning_rate.yaml", 0.25, 5.0, True),
}
"""Shipped spaces that go further than others: file, low, high, whether these are relative."""
_EDGE = 0.02
"""A best value within this share of its range from an end may have been held back by it."""


def verdict(state: SweepState, rows: list[RankedRow]) -> list[str]:
    """The sentences that belong below a ranking, the most important first."""
    best = next((row for row in rows if row.is_best), None)
    if best is None or best.trial is None:
        return ["No trial completed, so nothing is ranked first."]
    used = recommended(state, rows) or best
    assert used.trial is not None
    said = _unconfirmed(state, best, rows) if state.verdict is None else _confirmed(state)
    return [
        *said,
        *(f"{used.name}: {flag}." for flag in flags(used.trial.rungs)),
        *uneven(state.reference),
        *edges(used.trial, state.ranges(used.trial.params), _sweeps_own(state)),
    ]


def _confirmed(state: SweepState) -> Iterator[str]:
    """The confirmation's sentence, and why the highest mean is not what it recommends."""
    verdict, planned = state.verdict, state.confirmation
    assert verdict is not None
    yield f"Confirmed: {verdict.verdict}."
    if state.champion is not None:
        yield champion_sentence(state.champion)
    if verdict.champion is None or planned is None:
        return
    metric = f"confirm/{compared_metric(state.objective[0])}"
    values = {index: each.metrics for index, each in state.confirmed.items()}
    best = max(values, key=lambda index: values[index].get(metric, -inf))
    champion = values[verdict.champion]
    if best != verdict.champion and "confirm/kl" in champion and "confirm/kl" in values[best]:
        names = [trial_name(planned.candidates[i].trial) for i in (verdict.champion, best)]
        yield (
            f"{names[0]} is recommended, not {names[1]}: within one standard error of the best "
            f"mean the nearest to the reference is taken, KL {champion['confirm/kl']:.2f} instead "
            f"of {values[best]['confirm/kl']:.2f} nats."
        )


def champion_sentence(compared: ChampionCompared) -> str:
    """Say what the comparison with the served policy came to."""
    return f"Champion of {compared.model}: {compared.reason}."


def _unconfirmed(state: SweepState, best: RankedRow, rows: list[RankedRow]) -> list[str]:
    """What a search alone can say."""
    compared = len(candidates(state))
    return [*_against_reference(best), *_against_control(best, rows), *_optimism(compared)]


def edges(
    trial: TrialRow, parameters: dict[str, dict[str, Any]], own: Mapping[str, Any] | None = None
) -> list[str]:
    """One sentence for each searched number of `trial` that lies at an end of its range.

    `own` are the sweep's own values, which relative ranges are multiples of.
    """
    found = []
    for name, space in parameters.items():
        end = _end(trial.params.get(name), space)
        if end:
            value, low, high = (
                number(v) for v in (trial.params[name], space["low"], space["high"])
            )
            found.append(
                f"The best {name}, {value}, lies at the {end} end of its range [{low}, {high}]: "
                f"the optimum may lie beyond; {_way_out(name, end, space, own or {})}."
            )
    return found


def _way_out(name: str, end: str, space: dict[str, Any], own: Mapping[str, Any]) -> str:
    """Name the shipped space that goes on where this one ends, if there is one."""
    file, low, high, relative = WIDER.get(name, ("", inf, -inf, False))
    unit = own.get(name) if relative else 1.0
    if isinstance(unit, int | float) and not space.get("when"):
        further = low * unit < space["low"] if end == "lower" else high * unit > space["high"]
        if further:
            return f"try {file}"
    return "widen the range and search again"


def _sweeps_own(state: SweepState) -> dict[str, Any]:
    planned = state.plan.plan if state.plan else {}
    return dict(planned.get("sweep", {}).get("training", {}))


def _end(value: Any, space: dict[str, Any]) -> str | None:
    if space.get("type") not in ("float", "int") or not isinstance(value, int | float):
        return None
    scale = log if space.get("log") else float
    low, high, at = scale(space["low"]), scale(space["high"]), scale(value)
    if high <= low:
        return None
    share = (at - low) / (high - low)
    return "lower" if share <= _EDGE else "upper" if share >= 1 - _EDGE else None


def _against_reference(best: RankedRow) -> list[str]:
    low, high = _interval(best.metrics)
    if low is None or high is None:
        return []
    score = with_interval(best.metrics, "win_rate")
    if low > 0.5:
        return [f"{best.name} beats the reference model: win rate {score}."]
    if high < 0.5:
        return [f"Even {best.name} loses to the reference model: win rate {score}."]
    return [f"{best.name} is not distinguishable from the reference model: win rate {score}."]


def _against_control(best: RankedRow, rows: list[RankedRow]) -> list[str]:
    control = next((row for row in rows if row.is_control), None)
    if control is None or control.trial is None:
        return []
    if control is best and control.step == control.trial.total_steps:
        return ["The default configuration itself came first: the search found none better."]
    if control.trial.status != "COMPLETED":
        return [f"The default configuration ({control.name}) did not complete: no comparison."]
    (low, _), (_, high) = _interval(best.metrics), _interval(control.metrics)
    if low is None or high is None:
        return []
    if low > high:
        return [f"{best.name} is above the default configuration: their intervals do not overlap."]
    return [
        f"{best.name} is not distinguishable from the default configuration at this budget: "
        "their 95 % intervals overlap."
    ]


def _optimism(compared: int) -> list[str]:
    if compared < 2:
        return []
    return [
        f"A search score is optimistic: the best of {compared} checkpoints is partly the luckiest. "
        "Confirm it on fresh seeds and prompts that the search has not seen."
    ]


def _interval(metrics: Metrics) -> tuple[float | None, float | None]:
    return metrics.get("eval/win_rate_low"), metrics.get("eval/win_rate_high")

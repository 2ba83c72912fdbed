"""The numbers a policy stands for: one evaluation under `result/`, the same keys in every run."""

from collections.abc import Mapping, Sequence
from math import isfinite
from typing import Any

from dpo_ray.tracking.candidates import JUDGED, best_of_each
from dpo_ray.tracking.foretelling import foretelling
from dpo_ray.tracking.objective import objective_value
from dpo_ray.tracking.records import Metrics, RungReached, SweepEnded
from dpo_ray.tracking.state import SweepState
from dpo_ray.tracking.trial_row import TrialRow

RESULT = "result/"
Objectives = Sequence[Mapping[str, Any]]


def result_metrics(evaluation: Metrics, objectives: Objectives) -> Metrics:
    """Return what of an evaluation (`eval/*`) is compared, with 95 % intervals where measured.

    The objectives' metrics, the win rate and KL (nats); where an objective has a penalty on KL,
    also what is left of it, as `result/objective`.
    """
    names = dict.fromkeys([*(_name(each) for each in objectives), "win_rate", "kl"])
    ends = [f"{name}{end}" for name in names for end in ("", "_low", "_high")]
    found = {
        f"{RESULT}{each}": evaluation[f"eval/{each}"] for each in ends if _has(evaluation, each)
    }
    if objectives and objectives[0].get("penalty"):
        found |= _penalized(evaluation, objectives[0])
    return {key: value for key, value in found.items() if isfinite(value)}


def trial_result(state: SweepState, row: TrialRow) -> tuple[RungReached, Metrics] | None:
    """Return the checkpoint a trial is ranked by and its result; None for one without a place.

    Of two objectives the rule of the ranking is applied to the trial's own checkpoints.
    """
    if row.status not in JUDGED:
        return None
    best = next(iter(best_of_each(state, [row])), None)
    if best is None:
        return None
    return best.rung, result_metrics(best.rung.metrics, state.objectives)


def whole_points(state: SweepState, record: SweepEnded) -> list[tuple[Metrics, int, float]]:
    """Return the numbers a sweep as a whole stands for, each with its step and Unix seconds.

    The best trial's, the confirmed one's, what all its runs have cost, and whether early rungs
    foretold the end.
    """
    rungs = [] if record.best is None else state.trials[record.best].rungs
    chosen = [rung for rung in rungs if record.step in (None, rung.step)][-1:]
    step = chosen[0].step if chosen else 0
    points = [
        (rung.metrics | result_metrics(rung.metrics, state.objectives), rung.step, rung.time)
        for rung in chosen
    ]
    points.append((_method(state), step, record.time))
    verdict = state.verdict
    if verdict is not None and verdict.champion is not None:
        points.append((state.confirmed[verdict.champion].metrics, step, record.time))
    if state.champion is not None:
        points.append((state.champion.metrics, step, record.time))
    return points


def _method(state: SweepState) -> Metrics:
    taus = {f"search/kendall_tau_{each.fraction:.0%}": each.tau for each in foretelling(state)}
    spent = {"spent/hours": state.seconds / 3600, "spent/gpu_hours": state.gpu_seconds / 3600}
    return spent | {name.replace("%", "pct"): tau for name, tau in taus.items()}


def compared_key(objectives: Objectives) -> str:
    """The metric to draw against KL: the first objective that is not KL, else the win rate."""
    others = [_name(each) for each in objectives if _name(each) != "kl"]
    return f"{RESULT}{[*others, 'win_rate'][0]}"


def score_key(objectives: Objectives) -> str:
    """The metric by which trials are ordered: the first objective, its penalty taken off."""
    if not objectives:
        return f"{RESULT}win_rate"
    first = objectives[0]
    return f"{RESULT}{'objective' if first.get('penalty') else _name(first)}"


def _penalized(evaluation: Metrics, objective: Mapping[str, Any]) -> Metrics:
    value = objective_value(evaluation, objective)
    shift = value - evaluation.get(f"eval/{_name(objective)}", value)
    ends = [end for end in ("_low", "_high") if _has(evaluation, f"{_name(objective)}{end}")]
    moved = {end: evaluation[f"eval/{_name(objective)}{end}"] + shift for end in ends}
    return {f"{RESULT}objective{end}": each for end, each in {"": value, **moved}.items()}


def _has(evaluation: Metrics, name: str) -> bool:
    return f"eval/{name}" in evaluation


def _name(objective: Mapping[str, Any]) -> str:
    return str(objective.get("metric", "win_rate"))

"""What older sweeps of the same question can teach a new one."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, zip_longest
from typing import Any

from dpo_ray.plan import Plan
from dpo_ray.search.distributions import recorded
from dpo_ray.search.past import objective_values
from dpo_ray.tracking.candidates import best_of_each
from dpo_ray.tracking.records import Params, WarmStarted, WarmTrial
from dpo_ray.tracking.state import SweepState
from dpo_ray.tracking.trial_row import TrialRow

SAME = ("data", "tokens", "scores", "completions", "judged")
"""Entries by whose keys two sweeps have trained and judged on the same."""


def taken_over(plan: Plan, older: Sequence[SweepState], hashes: Mapping[str, str]) -> WarmStarted:
    """Return what is taken of older sweeps; `hashes` says what this one trains and judges on.

    Where both have trained and judged alike an older one's finished trials teach the sampler. Its
    best configurations are tried again in any case: what was good elsewhere is a good guess. Of
    several sweeps the best of each come first, then the second best of each, and so on: values of
    two nights with other data say nothing about each other.
    """
    lessons = [_lesson(plan, each, hashes) for each in older]
    again = _in_turn(plan, [lesson.best for lesson in lessons])
    notes = [lesson.note(sum(params in lesson.best for params in again)) for lesson in lessons]
    return WarmStarted(
        sweep=", ".join(lesson.sweep for lesson in lessons),
        trials=[trial for lesson in lessons for trial in lesson.trials],
        configs=again,
        note=f"warm start from {'; from '.join(notes)}",
    )


@dataclass(frozen=True)
class _Lesson:
    """What one older sweep can teach."""

    sweep: str
    trials: list[WarmTrial]
    best: list[Params]
    unlike: list[str]
    outside: int

    def note(self, again: int) -> str:
        """Say what was taken of it and what was not."""
        taught = f"{len(self.trials)} finished trials teach the sampler"
        if self.unlike:
            verb = "is" if len(self.unlike) == 1 else "are"
            which = " and ".join(self.unlike)
            taught = f"only configurations are taken, since its {which} {verb} not this sweep's"
        left = f"; {self.outside} lay outside this space" if self.outside else ""
        return f"{self.sweep}: {taught}, {again} of its best run again{left}"


def _lesson(plan: Plan, older: SweepState, hashes: Mapping[str, str]) -> _Lesson:
    ended = older.with_status("COMPLETED", "STOPPED")
    inside = [row for row in ended if _is_inside(plan, row.params)]
    unlike = differing(plan, older, hashes)
    objectives = [each.model_dump(mode="json") for each in plan.sweep.objective]
    return _Lesson(
        sweep=older.plan.name if older.plan else "",
        trials=[] if unlike else _warm_trials(inside, objectives),
        best=_best(plan, older, inside),
        unlike=unlike,
        outside=len(ended) - len(inside),
    )


def _in_turn(plan: Plan, best: Sequence[Sequence[Params]]) -> list[Params]:
    """Take the best of each, then the second best of each: distinct ones, as many as asked for."""
    found: list[Params] = []
    for params in chain.from_iterable(zip_longest(*best)):
        if params is not None and params not in found:
            found.append(params)
    return found[: plan.sweep.search.warm_configs]


def differing(plan: Plan, older: SweepState, hashes: Mapping[str, str]) -> list[str]:
    """Name what keeps the older sweep's values from being compared with this one's."""
    before = older.plan.plan.get("sweep", {}) if older.plan else {}
    now = plan.to_dict()["sweep"]
    had = older.prepared.hashes if older.prepared else {}
    unlike = [key for key in SAME if had.get(key) != hashes.get(key)]
    if before.get("objective") != now["objective"]:
        unlike.append("objective")
    searched = plan.space.parameters
    if _without(before.get("training", {}), searched) != _without(now["training"], searched):
        unlike.append("training")
    if before.get("evaluation", {}).get("at") != now["evaluation"]["at"]:
        unlike.append("evaluation.at")
    return unlike


def _warm_trials(
    rows: Sequence[TrialRow], objectives: Sequence[Mapping[str, Any]]
) -> list[WarmTrial]:
    found = []
    for row in rows:
        values = objective_values(row.rungs[-1], objectives) if row.rungs else []
        if values:
            state = "COMPLETED" if row.status == "COMPLETED" else "STOPPED"
            rungs = {r.step: v[0] for r in row.rungs if (v := objective_values(r, objectives))}
            found.append(
                WarmTrial(params=dict(row.params), state=state, values=values, rungs=rungs)
            )
    return found


def _best(plan: Plan, older: SweepState, inside: Sequence[TrialRow]) -> list[Params]:
    """Return the best distinct configurations that this sweep does not try anyway."""
    known = [each.params for each in plan.first]
    found: list[Params] = []
    for each in best_of_each(older, inside):
        params = dict(each.trial.params)
        if params not in known and params not in found:
            found.append(params)
    return found


def _is_inside(plan: Plan, params: Params) -> bool:
    try:
        recorded(plan.space, params)
    except ValueError:
        return False
    return True


def _without(training: Mapping[str, Any], names: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in training.items() if key not in names}

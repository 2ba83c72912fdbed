"""What an older sweep of the same question can teach a new one."""

from collections.abc import Mapping, Sequence
from typing import Any

from dpo_ray.errors import ConfigError
from dpo_ray.plan import Plan, Proposal
from dpo_ray.search.distributions import recorded
from dpo_ray.search.past import objective_values
from dpo_ray.tracking.candidates import best_of_each
from dpo_ray.tracking.earlier import JOURNAL
from dpo_ray.tracking.journal import Journal, read_journal
from dpo_ray.tracking.records import Params, WarmStarted, WarmTrial
from dpo_ray.tracking.state import SweepState, fold
from dpo_ray.tracking.trial_row import TrialRow

SAME = ("data", "tokens", "scores", "completions", "judged")
"""Entries by whose keys two sweeps have trained and judged on the same."""


def refuse_unteachable(plan: Plan) -> None:
    """Return if a sweep that has not begun can learn what it is to; one that has begun has learnt.

    Raises:
        ConfigError: as `older_sweep`.
    """
    if not (plan.folder / JOURNAL).is_file():
        older_sweep(plan)


def learn_once(plan: Plan, journal: Journal) -> None:
    """Journal what is taken of the older sweep, once, after the sweep is prepared.

    Later processes find it there, even if the older sweep is gone by then.
    """
    now = fold(read_journal(journal.path))
    if now.warm is not None or now.prepared is None:
        return
    older = older_sweep(plan)
    if older is not None:
        journal.append(taken_over(plan, older, now.prepared.hashes))


def older_sweep(plan: Plan) -> SweepState | None:
    """Return the sweep that `search.warm_start` names, or None where it names none.

    Raises:
        ConfigError: there is no such sweep, it is this one, or it asks about other parameters.
    """
    name = plan.sweep.search.warm_start
    if name is None:
        return None
    where = f"{plan.sweep_path}: search.warm_start"
    path = plan.store / "sweeps" / name / JOURNAL
    if name == plan.name:
        raise ConfigError(f"{where}: must name another sweep, got this one's own name {name}")
    if "/" in name or not path.is_file():
        known = sorted(each.parent.name for each in plan.store.glob(f"sweeps/*/{JOURNAL}"))
        raise ConfigError(
            f"{where}: must name a sweep of {plan.store}, got {name}; allowed: "
            f"{', '.join(each for each in known if each != plan.name) or 'there is none yet'}"
        )
    state = fold(read_journal(path))
    asked, older = set(plan.space.parameters), set(state.parameters)
    if asked != older:
        raise ConfigError(
            f"{where}: {name} must search the same parameters, got {', '.join(sorted(older))}; "
            f"this space has {', '.join(sorted(asked))}"
        )
    return state


def taken_over(plan: Plan, older: SweepState, hashes: Mapping[str, str]) -> WarmStarted:
    """Return what is taken of the older sweep; `hashes` says what this one trains and judges on.

    Where both have trained and judged alike its finished trials teach the sampler. Its best
    configurations are tried again in any case: what was good elsewhere is a good guess.
    """
    name = older.plan.name if older.plan else ""
    ended = older.with_status("COMPLETED", "STOPPED")
    inside = [row for row in ended if _is_inside(plan, row.params)]
    unlike = differing(plan, older, hashes)
    objectives = [each.model_dump(mode="json") for each in plan.sweep.objective]
    trials = [] if unlike else _warm_trials(inside, objectives)
    configs = _best(plan, older, inside)
    outside = len(ended) - len(inside)
    taught = (
        f"only configurations are taken, since its {' and '.join(unlike)} "
        f"{'is' if len(unlike) == 1 else 'are'} not this sweep's"
        if unlike
        else f"{len(trials)} finished trials teach the sampler"
    )
    left = f"; {outside} lay outside this space" if outside else ""
    note = f"warm start from {name}: {taught}, {len(configs)} of its best run again{left}"
    return WarmStarted(sweep=name, trials=trials, configs=configs, note=note)


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


def first_in_turn(plan: Plan, warm: WarmStarted | None) -> list[Proposal]:
    """Return what runs before the sampler is asked: the plan's own list, an older sweep's best."""
    best = [Proposal(params, "warm_start") for params in (warm.configs if warm else [])]
    return [*plan.first, *best]


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
    return found[: plan.sweep.search.warm_configs]


def _is_inside(plan: Plan, params: Params) -> bool:
    try:
        recorded(plan.space, params)
    except ValueError:
        return False
    return True


def _without(training: Mapping[str, Any], names: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in training.items() if key not in names}

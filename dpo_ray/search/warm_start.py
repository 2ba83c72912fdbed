"""Finding older sweeps and learning from them, once."""

from dpo_ray.errors import ConfigError
from dpo_ray.plan import Plan, Proposal
from dpo_ray.search.lessons import taken_over
from dpo_ray.tracking.earlier import JOURNAL
from dpo_ray.tracking.journal import Journal, read_journal
from dpo_ray.tracking.records import WarmStarted
from dpo_ray.tracking.state import SweepState, fold


def refuse_unteachable(plan: Plan) -> None:
    """Return if a sweep that has not begun can learn what it is to; one that has begun has learnt.

    Raises:
        ConfigError: as `older_sweeps`.
    """
    if not (plan.folder / JOURNAL).is_file():
        older_sweeps(plan)


def learn_once(plan: Plan, journal: Journal) -> None:
    """Journal what is taken of older sweeps, once, after this one is prepared.

    Later processes find it there, even if the older sweeps are gone by then.
    """
    now = fold(read_journal(journal.path))
    if now.warm is not None or now.prepared is None:
        return
    older = older_sweeps(plan)
    if older:
        journal.append(taken_over(plan, older, now.prepared.hashes))


def older_sweeps(plan: Plan) -> list[SweepState]:
    """Return the sweeps that `search.warm_start` names, in its order.

    Raises:
        ConfigError: there is no such sweep, it is this one, or it asks about other parameters.
    """
    return [_older(plan, name) for name in plan.sweep.search.older_sweeps]


def _older(plan: Plan, name: str) -> SweepState:
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


def first_in_turn(plan: Plan, warm: WarmStarted | None) -> list[Proposal]:
    """Return what runs before the sampler is asked: the plan's own list, an older sweep's best."""
    best = [Proposal(params, "warm_start") for params in (warm.configs if warm else [])]
    return [*plan.first, *best]

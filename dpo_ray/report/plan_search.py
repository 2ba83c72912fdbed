"""How a plan chooses its trials, and when it ends them early, in words."""

from collections.abc import Iterator

from dpo_ray.config.budget import BudgetConfig
from dpo_ray.config.samplers import GridConfig, NsgaiiConfig, RandomConfig
from dpo_ray.config.search import SearchConfig
from dpo_ray.config.sweep import SweepConfig
from dpo_ray.plan import Plan

Row = tuple[str, str]
LIMITS = {
    "hours": "{:g} hours",
    "gpu_hours": "{:g} GPU-hours",
    "failures": "{} failures",
    "failures_in_a_row": "{} failures in a row",
    "trial_minutes": "{:g} minutes a trial",
    "silent_minutes": "{:g} minutes without a sign of progress",
}


def choosing_rows(plan: Plan) -> Iterator[Row]:
    """Yield how many trials there are, who proposes them, and what may end the sweep sooner."""
    search = plan.sweep.search
    listed = f"{len(search.try_first)} of try_first, " if search.try_first else ""
    order = f"the control first, {listed}{_chooser(plan)}{_options(search)}"
    yield "trials", f"{plan.trials}, {search.concurrent} at once: {order}"
    if older := search.older_sweeps:
        whose = "its" if len(older) == 1 else "their"
        again = f", {whose} best {search.warm_configs} run again" if search.warm_configs else ""
        yield "warm start", f"finished trials of {', '.join(older)} teach the sampler{again}"
    if limits := _limits(plan.sweep.budget):
        yield "budget", f"at most {limits}"


def _chooser(plan: Plan) -> str:
    search, sampler = plan.sweep.search, plan.sweep.search.sampler
    if isinstance(sampler, RandomConfig):
        return "then random draws"
    if isinstance(sampler, GridConfig):
        size = sum(proposal.origin == "grid" for proposal in plan.first)
        tried = plan.trials - (len(plan.first) - size)
        return f"then a grid of {size}, of which {tried} are tried"
    if isinstance(sampler, NsgaiiConfig):
        size = sampler.population_size
        return f"random draws until {size} have finished, then NSGA-II in generations of {size}"
    return f"random draws until {search.n_startup} have finished, then {sampler.type.upper()}"


def _options(search: SearchConfig) -> str:
    """Name what was set on purpose; a population and points show in the numbers."""
    told = {"type", "population_size", "points"}
    options = search.sampler.model_dump(exclude_defaults=True, exclude=told)
    return f" ({', '.join(f'{key} {value}' for key, value in options.items())})" if options else ""


def _limits(budget: BudgetConfig) -> str:
    asked = budget.model_dump(exclude_defaults=True)
    return ", ".join(text.format(asked[key]) for key, text in LIMITS.items() if key in asked)


def stopping(sweep: SweepConfig) -> str:
    """Say who goes on at a rung, or nothing where all do."""
    search, scheduler = sweep.search, sweep.search.scheduler
    if scheduler.type == "none" or len(sweep.evaluation.at) == 1:
        return ""
    by = f" by {scheduler.metric}" if scheduler.metric is not None else ""
    whole = f"; {search.full_trials} run to their end anyway" if search.full_trials else ""
    first = f"the first {scheduler.grace_trials}, then "
    if scheduler.type == "median":
        return f"; there {first}who is no worse than the median{by} go on{whole}"
    return f"; ASHA lets {first}the best 1 in {scheduler.reduction_factor}{by} go on{whole}"

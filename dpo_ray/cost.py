"""How long a sweep will roughly take, before anything has been measured on this machine."""

from collections.abc import Callable
from dataclasses import dataclass

from dpo_ray.config.branches import branches
from dpo_ray.config.judging import LlmJudge
from dpo_ray.config.parameters import CategoricalParameter
from dpo_ray.config.scheduler import SchedulerConfig
from dpo_ray.config.sweep import SweepConfig
from dpo_ray.plan import Placement, Plan

START_S = 30.0
"""Ray, the workers' imports and the model; paid once. Cold slots took 24-30 s on 2 cores."""
GAP_S = 1.0
"""Between two trials of a slot."""
CPU_FLOPS = 5e10
"""A second of one core; SmolLM2-135M's steps on 2 cores give 5e10 to 6.5e10."""
GPU_FLOPS = 5e13
"""A second of one data-centre GPU at a third of its peak."""
CALL_S = 0.006
"""One forward pass of a model so small that only overhead counts."""


@dataclass(frozen=True)
class Estimate:
    """Seconds of the search and of the confirmation after it."""

    low: float
    """Early stopping takes its share at every rung."""
    high: float
    """Every trial runs to its end."""


def estimate_seconds(
    plan: Plan, parameter_count: int | None, placement: Placement
) -> Estimate | None:
    """Return a rough range, or None where the model's size or the number of steps is unknown."""
    shortest, longest = _steps(plan, min), _steps(plan, max)
    if parameter_count is None or shortest is None or longest is None:
        return None
    flops = _flops(plan.sweep, placement)
    step = _step_s(plan.sweep, parameter_count, flops)
    rung = _rung_s(plan.sweep, parameter_count, flops)
    least = _confirmation_s(plan, plan.sweep.evaluation.at[0] * shortest * step, rung)
    most = _confirmation_s(plan, longest * step, rung)
    return Estimate(
        low=_search_s(plan, shortest * step, rung, stops=True) + least,
        high=_search_s(plan, longest * step, rung, stops=False) + most,
    )


def most_llm_calls(plan: Plan) -> int:
    """Return the calls to language models that judge, if no trial is stopped early.

    Two orders for each prompt, answered at each rung, once for the reference's second sample, and
    once in each training of the confirmation (whose prompts are not counted before they are read:
    as many as the search's are assumed).
    """
    confirm, evaluation = plan.sweep.confirm, plan.sweep.evaluation
    trainings = 0 if confirm is None else confirm.seeds * (confirm.top + 1) + 1
    evaluations = plan.trials * len(evaluation.at) + 1 + trainings
    models = sum(isinstance(judge, LlmJudge) for judge in evaluation.judges)
    return 2 * models * evaluation.prompts * evaluations


def _steps(plan: Plan, which: Callable[[list[float]], float]) -> int | None:
    """Rows are counted only when the data is read, so epochs need a limit to be known.

    Where epochs are searched, `which` chooses among their ends.
    """
    training, data = plan.sweep.training, plan.sweep.data
    if training.max_steps is not None:
        return training.max_steps
    if data.limit is None:
        return None
    pairs = data.limit * (1 - data.validation - data.test)
    return max(1, round(pairs * which(_epochs(plan)) / training.batch_size))


def _epochs(plan: Plan) -> list[float]:
    """Return the sweep's own epochs and the ends of where they are searched."""
    ends = [plan.sweep.training.epochs]
    for parameter in branches(plan.space, "epochs") if "epochs" in plan.space.parameters else ():
        if isinstance(parameter, CategoricalParameter):
            ends += map(float, parameter.choices)
        else:
            ends += [parameter.low, parameter.high]
    return ends


def _flops(sweep: SweepConfig, placement: Placement) -> float:
    """Arithmetic of one slot, a second."""
    workers = sweep.resources.workers
    if placement.device == "cuda":
        return GPU_FLOPS * placement.gpus_per_worker * workers
    return CPU_FLOPS * sweep.resources.cpus_per_worker * workers


def _step_s(sweep: SweepConfig, parameters: int, flops: float) -> float:
    """6 operations a parameter and token: forward, and backward to the adapters."""
    tokens = sweep.training.batch_size * 2 * _tokens(sweep)
    return 6 * parameters * tokens / flops + 5 * CALL_S * sweep.training.gradient_accumulation


def _rung_s(sweep: SweepConfig, parameters: int, flops: float) -> float:
    """Answer all prompts token by token, and score as many pairs."""
    evaluation = sweep.evaluation
    pure = evaluation.temperature == 1 and evaluation.top_p == 1
    share = -(-evaluation.prompts // sweep.resources.workers)
    calls = -(-share // evaluation.batch_size) * evaluation.max_new_tokens
    answered = evaluation.prompts * evaluation.max_new_tokens
    scored = evaluation.prompts * 2 * _tokens(sweep)
    passes = 1 if pure else 2  # KL needs pure samples, the judge what is deployed
    arithmetic = 2 * parameters * (passes * answered + scored) / flops
    return passes * calls * CALL_S + arithmetic


def _tokens(sweep: SweepConfig) -> float:
    """Texts are usually much shorter than the limit set for them."""
    return sweep.data.max_length / 4


def _search_s(plan: Plan, training: float, rung: float, stops: bool) -> float:
    search, at = plan.sweep.search, plan.sweep.evaluation.at
    trial, alive, before = GAP_S, 1.0, 0.0
    for fraction in at:
        trial += alive * ((fraction - before) * training + rung)
        if stops and fraction >= search.scheduler.grace_fraction:
            alive *= _share_that_goes_on(search.scheduler)
        before = fraction
    waves = -(-plan.trials // search.concurrent)
    return START_S + waves * trial


def _confirmation_s(plan: Plan, training: float, rung: float) -> float:
    """Each training is evaluated once, at the step that was chosen."""
    sweep, confirm = plan.sweep, plan.sweep.confirm
    if confirm is None:
        return 0.0
    trainings = confirm.seeds * (min(confirm.top, plan.trials) + 1)
    waves = -(-trainings // min(sweep.search.concurrent, plan.trials))
    share = (confirm.prompts or sweep.evaluation.prompts) / sweep.evaluation.prompts
    return waves * (GAP_S + training + share * rung)


def _share_that_goes_on(scheduler: SchedulerConfig) -> float:
    """About half of the trials at a rung are no worse than the median of those before."""
    shares = {"asha": 1 / scheduler.reduction_factor, "median": 0.5, "none": 1.0}
    return shares[scheduler.type]

"""The plan on one screen: what `--dry-run` shows."""

from collections.abc import Iterator

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from dpo_ray.config.judging import LlmJudge
from dpo_ray.config.objective import ObjectiveConfig
from dpo_ray.config.redaction import redact
from dpo_ray.config.reference import SftConfig
from dpo_ray.config.resolving import describe
from dpo_ray.config.space import CategoricalParameter, Parameter
from dpo_ray.config.sweep import SweepConfig
from dpo_ray.cost import Estimate, most_llm_calls
from dpo_ray.plan import Placement, Plan

Row = tuple[str, str]
UNITS = ((3600, "h"), (60, "min"), (1, "s"))


def print_plan(
    plan: Plan, placement: Placement, estimate: Estimate | None, console: Console
) -> None:
    """Print the question, the space, the control trial, and what the sweep takes and makes."""
    console.print(Text(plan.question or plan.space_path.stem, style="bold"))
    files = f"{plan.space_path.name} + {plan.sweep_path.name}"
    console.print(Text.assemble((plan.name, "cyan"), (f"  {files}", "dim")))
    console.print(Padding(_space(plan), (1, 0, 1, 2)))
    rows = [*_work(plan.sweep), *_resources(plan.sweep, placement)]
    rows += [("time", _time(estimate)), *_writes(plan)]
    console.print(Padding(_facts(rows), (0, 0, 0, 2)))


def _space(plan: Plan) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 4, 0, 0), header_style="dim")
    table.add_column("searched", style="cyan", no_wrap=True)
    table.add_column("values")
    table.add_column("drawn")
    table.add_column("control trial")
    for name, parameter in plan.space.parameters.items():
        table.add_row(name, describe(parameter), _drawn(parameter), str(plan.control[name]))
    return table


def _drawn(parameter: Parameter) -> str:
    if isinstance(parameter, CategoricalParameter):
        return "one of them"
    return "log scale" if parameter.log else "evenly"


def _facts(rows: list[Row]) -> Table:
    table = Table.grid(padding=(0, 3, 0, 0))
    table.add_column(style="cyan", no_wrap=True)
    table.add_column(overflow="fold")
    for label, text in rows:
        table.add_row(label, Text(text))
    return table


def _work(sweep: SweepConfig) -> Iterator[Row]:
    search, training, evaluation = sweep.search, sweep.training, sweep.evaluation
    tuned = "fine-tune the reference, " if sweep.reference.sft is not None else ""
    confirmed = "confirm, " if sweep.confirm is not None else ""
    yield "stages", f"{tuned}prepare (what is cached is reused), search, {confirmed}report"
    yield "model", f"{sweep.model.name}, {sweep.model.dtype}, LoRA on {_modules(sweep)}"
    if sweep.reference.sft is not None:
        yield "reference", _fine_tuning(sweep.reference.sft)
    yield "pairs", f"{sweep.data.source}, up to {sweep.data.max_length} tokens"
    yield (
        "trials",
        f"{search.trials}, {search.concurrent} at once: the control first, {_chooser(sweep)}",
    )
    yield "a trial", f"{_length(sweep)} of {training.batch_size} pairs, {training.loss_type} loss"
    rungs = ", ".join(f"{fraction:.0%}" for fraction in evaluation.at)
    judged = f"{evaluation.prompts} prompts by {evaluation.judge.title}"
    yield "measured", f"at {rungs} of its steps, on {judged}{_stopping(sweep)}"
    yield from _further_judges(sweep)
    yield "objective", ", then ".join(_objective(each) for each in sweep.objective)
    yield "confirmed", _confirmation(sweep)


def _further_judges(sweep: SweepConfig) -> Iterator[Row]:
    """Name the judges beside the first, and what judging by language models may cost."""
    evaluation = sweep.evaluation
    names = [f"{name} ({judge.title})" for name, judge in evaluation.further_judges.items()]
    if names:
        yield "judged, too", f"by {', '.join(names)}"
    models = [each for each in evaluation.judges if isinstance(each, LlmJudge)]
    if models:
        ceiling = ", ".join(f"at most {judge.max_calls:,} by {judge.model}" for judge in models)
        calls = most_llm_calls(sweep)
        yield "judge calls", f"up to {calls:,} if no trial is stopped early; {ceiling}"


def _objective(objective: ObjectiveConfig) -> str:
    penalty = objective.penalty
    if penalty is None:
        return f"{objective.direction} {objective.metric}"
    taken_off = f"{penalty.weight:g} x the {penalty.metric} above {penalty.budget:g} nats"
    return f"{objective.direction} {objective.metric} - {taken_off}"


def _confirmation(sweep: SweepConfig) -> str:
    confirm = sweep.confirm
    if confirm is None:
        return "no: a search score is optimistic, and confirm would say by how much"
    prompts = "all test prompts" if confirm.prompts is None else f"{confirm.prompts} test prompts"
    return (
        f"the best {confirm.top} and the default, each on {confirm.seeds} fresh seeds, "
        f"judged on {prompts}"
    )


def _fine_tuning(sft: SftConfig) -> str:
    length = f"{sft.max_steps} steps" if sft.max_steps else f"{sft.epochs:g} epochs, in steps"
    texts = sft.source or "the chosen answers"
    return f"the model after SFT ({sft.mode}): {length} of {sft.batch_size} texts, {texts}"


def _modules(sweep: SweepConfig) -> str:
    modules = sweep.training.target_modules
    return modules if isinstance(modules, str) else ", ".join(modules)


def _chooser(sweep: SweepConfig) -> str:
    if sweep.search.sampler == "random":
        return "then random draws"
    return f"random draws until {sweep.search.n_startup} have finished, then TPE"


def _length(sweep: SweepConfig) -> str:
    if sweep.training.max_steps is not None:
        return f"{sweep.training.max_steps} steps"
    return f"{sweep.training.epochs:g} epochs, in steps"


def _stopping(sweep: SweepConfig) -> str:
    scheduler = sweep.search.scheduler
    if scheduler.type == "none" or len(sweep.evaluation.at) == 1:
        return ""
    first = f"the first {scheduler.grace_trials}, then the best 1 in {scheduler.reduction_factor}"
    return f"; ASHA lets {first} go on"


def _resources(sweep: SweepConfig, placement: Placement) -> Iterator[Row]:
    slots, workers = sweep.search.concurrent, sweep.resources.workers
    shape = f"{slots} x {workers} worker{'s' if workers > 1 else ''}"
    cpus = f"{placement.cpus_asked:g} asked, {placement.cpus_available:g} available"
    yield "runs on", placement.where
    yield "CPUs", f"{cpus} ({shape})"
    yield "GPUs", _gpus(sweep, placement)


def _gpus(sweep: SweepConfig, placement: Placement) -> str:
    """Point out GPUs that stay idle because there are too few for a whole one each."""
    kind = f" ({placement.gpu_name})" if placement.gpu_name else ""
    counts = f"{placement.gpus_asked:g} asked, {placement.gpus_available} available{kind}"
    slots, workers = sweep.search.concurrent, sweep.resources.workers
    wanted = sweep.resources.gpus_per_worker is None and not placement.gpus_asked
    if not (wanted and placement.gpus_available):
        return counts
    idle = f"{counts}: fewer than {slots * workers} workers"
    sharing = -(-slots // placement.gpus_available)
    return f"{idle}; gpus_per_worker={100 // sharing / 100} shares" if workers == 1 else idle


def _time(estimate: Estimate | None) -> str:
    if estimate is None:
        return "not known before the data and the model are read"
    unit, name = next(unit for unit in UNITS if estimate.high >= 1.5 * unit[0] or unit[0] == 1)
    low, high = (f"{seconds / unit:.0f}" for seconds in (estimate.low, estimate.high))
    return f"roughly {high} {name}" if low == high else f"roughly {low} to {high} {name}"


def _writes(plan: Plan) -> Iterator[Row]:
    tracking = plan.sweep.tracking
    where = redact(tracking.uri) if tracking.uri else plan.store / "mlflow.db"
    yield "writes", str(plan.folder)
    yield "cache", str(plan.store / "cache")
    yield "MLflow", f"{where}, experiment {tracking.experiment}"

"""The plan on one screen: what `--dry-run` shows."""

from collections.abc import Iterator

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from dpo_ray.config.branches import branches, is_conditional
from dpo_ray.config.judging import LlmJudge
from dpo_ray.config.objective import ObjectiveConfig
from dpo_ray.config.parameters import CategoricalParameter, Sampled, TiedParameter, describe
from dpo_ray.config.redaction import redact
from dpo_ray.config.reference import SftConfig
from dpo_ray.config.sweep import SweepConfig
from dpo_ray.cost import Estimate, most_llm_calls
from dpo_ray.plan import Placement, Plan
from dpo_ray.report.plan_search import choosing_rows, stopping

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
    rows = [*_work(plan), *_resources(plan.sweep, placement)]
    rows += [("time", _time(estimate)), *_writes(plan)]
    console.print(Padding(_facts(rows), (0, 0, 0, 2)))


def _space(plan: Plan) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 4, 0, 0), header_style="dim")
    table.add_column("searched", style="cyan", no_wrap=True)
    table.add_column("values")
    table.add_column("drawn")
    table.add_column("control trial")
    if is_conditional(plan.space):
        table.add_column("where")
    for row in _searched(plan):
        table.add_row(*row)
    return table


def _searched(plan: Plan) -> Iterator[tuple[str, ...]]:
    """Yield a row for each branch; the control trial's value stands in the one it belongs to."""
    space, control = plan.space, plan.control
    for name, searched in space.parameters.items():
        value = str(control[name]) if name in control else "-"
        if isinstance(searched, TiedParameter):
            yield name, f"{searched.times:g} x {searched.to}", "tied", value
        for branch in branches(space, name):
            where = branch.when or {}
            belongs = all(control[root] in values for root, values in where.items())
            shown = value if belongs else "-"
            condition = " and ".join(
                f"{root} is {' or '.join(map(str, values))}" for root, values in where.items()
            )
            more = (condition,) if is_conditional(space) else ()
            yield name, describe(branch), _drawn(branch), shown, *more


def _drawn(parameter: Sampled) -> str:
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


def _work(plan: Plan) -> Iterator[Row]:
    sweep, training, evaluation = plan.sweep, plan.sweep.training, plan.sweep.evaluation
    tuned = "fine-tune the reference, " if sweep.reference.sft is not None else ""
    confirmed = "confirm, " if sweep.confirm is not None else ""
    yield "stages", f"{tuned}prepare (what is cached is reused), search, {confirmed}report"
    yield "model", f"{sweep.model.name}, {sweep.model.dtype}, {_trained(plan)}"
    if sweep.reference.sft is not None:
        yield "reference", _fine_tuning(sweep.reference.sft)
    yield "pairs", f"{sweep.data.source}, up to {sweep.data.max_length} tokens"
    yield from choosing_rows(plan)
    yield "a trial", f"{_length(plan)} of {training.batch_size} pairs, {_loss(plan)}"
    rungs = ", ".join(f"{fraction:.0%}" for fraction in evaluation.at)
    judged = f"{evaluation.prompts} prompts by {evaluation.judge.title}"
    yield "measured", f"at {rungs} of its steps, on {judged}{stopping(sweep)}"
    yield from _further_judges(plan)
    yield "objective", ", then ".join(_objective(each) for each in sweep.objective)
    yield "confirmed", _confirmation(sweep)


def _further_judges(plan: Plan) -> Iterator[Row]:
    """Name the judges beside the first, and what judging by language models may cost."""
    evaluation = plan.sweep.evaluation
    names = [f"{name} ({judge.title})" for name, judge in evaluation.further_judges.items()]
    if names:
        yield "judged, too", f"by {', '.join(names)}"
    models = [each for each in evaluation.judges if isinstance(each, LlmJudge)]
    if models:
        ceiling = ", ".join(f"at most {judge.max_calls:,} by {judge.model}" for judge in models)
        calls = most_llm_calls(plan)
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


def _trained(plan: Plan) -> str:
    training, modules = plan.sweep.training, plan.sweep.training.target_modules
    if training.mode == "full":
        return "all weights"
    if _varies(plan, "target_modules"):
        return "LoRA on the searched layers"
    return f"LoRA on {modules if isinstance(modules, str) else ', '.join(modules)}"


def _length(plan: Plan) -> str:
    training = plan.sweep.training
    if training.max_steps is not None:
        return f"{training.max_steps} steps"
    if _varies(plan, "epochs"):
        return "the searched epochs, in steps"
    return f"{training.epochs:g} epochs, in steps"


def _loss(plan: Plan) -> str:
    training = plan.sweep.training
    loss = "the searched losses" if _varies(plan, "loss_type") else f"{training.loss_type} loss"
    if _varies(plan, "sft_weight"):
        return f"{loss} with SFT's added"
    return f"{loss} + {training.sft_weight:g} x SFT's" if training.sft_weight else loss


def _varies(plan: Plan, field: str) -> bool:
    return field in plan.space.parameters


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

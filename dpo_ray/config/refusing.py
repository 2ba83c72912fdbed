"""What only shows when both files, or the disk, are looked at together."""

from collections.abc import Iterator

from dpo_ray.config.branches import is_conditional, roots
from dpo_ray.config.data import DataConfig
from dpo_ray.config.document import Document
from dpo_ray.config.findings import together
from dpo_ray.config.parsing import KeyPath
from dpo_ray.config.sources import ALLOWED, choice_problems, source_problem
from dpo_ray.config.space import SearchSpace
from dpo_ray.config.sweep import SweepConfig
from dpo_ray.config.wording import problem, show

BETA_SCALED = {
    "rewards/margins": "five times the beta gives five times the margin",
    "loss": "another beta or loss_type gives another loss",
}
"""Metrics that measure the loss's own scale, and what happens to them at the same weights."""


UNCONDITIONAL = {
    "gp": "a Gaussian process has no place for a parameter that some configurations lack, so "
    "branches would be drawn at random for ever",
    "nsgaii": "parents that have different parameters cannot be mixed, so branches would be drawn "
    "at random for ever",
}
"""Samplers that cannot learn about conditional parameters, and why."""


def refuse_misleading(sweep: SweepConfig, space: SearchSpace, sweep_file: Document) -> None:
    """Raise ConfigError for what would mislead, cannot be learned, or is not there."""
    problems = [
        *(problem(sweep_file, path, rule) for path, rule in _scaled(sweep, space, sweep_file)),
        *(problem(sweep_file, path, rule) for path, rule in _unlearnable(sweep, space)),
        *(problem(sweep_file, ("data", key), rule) for key, rule in source_problems(sweep.data)),
    ]
    if problems:
        raise together(problems)


def _scaled(
    sweep: SweepConfig, space: SearchSpace, sweep_file: Document
) -> Iterator[tuple[KeyPath, str]]:
    """Yield where trials are compared by the loss's own scale while that is searched."""
    searched = [field for field in ("beta", "loss_type") if field in space.parameters]
    if not searched:
        return
    asked = [(_objective_path(sweep_file, each.metric), each.metric) for each in sweep.objective]
    metric = sweep.search.scheduler.metric
    if metric is not None:
        asked.append((("search", "scheduler", "metric"), metric))
    for path, metric in asked:
        if metric in BETA_SCALED:
            yield (
                path,
                f"{metric} cannot rank trials while {' and '.join(searched)} is searched: "
                f"at the very same weights {BETA_SCALED[metric]}; use win_rate",
            )


def _unlearnable(sweep: SweepConfig, space: SearchSpace) -> Iterator[tuple[KeyPath, str]]:
    kind = sweep.search.sampler.type
    if kind in UNCONDITIONAL and is_conditional(space):
        rule = (
            f"{kind} cannot search a space with conditions (on {', '.join(roots(space))}): "
            f"{UNCONDITIONAL[kind]}; allowed: tpe, random, grid"
        )
        yield ("search", "sampler"), rule


def _objective_path(document: Document, metric: str) -> KeyPath:
    """Find the objective in a file that holds one or a list."""
    written = document.values.get("objective")
    if not isinstance(written, list):
        return ("objective", "metric")
    index = next((i for i, each in enumerate(written) if each.get("metric") == metric), 0)
    return ("objective", index, "metric")


def source_problems(data: DataConfig) -> list[tuple[str, str]]:
    """Return pairs of a key below data and the rule it certainly breaks."""
    rule = source_problem(data.source)
    if rule is not None:
        return [("source", f"{rule}, got {show(data.source)}; allowed: {ALLOWED}")]
    return choice_problems(data.source, data.config, data.split, data.revision)

"""What only shows when both files, or the disk, are looked at together."""

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


def refuse_misleading(sweep: SweepConfig, space: SearchSpace, sweep_file: Document) -> None:
    """Raise ConfigError for an objective that would mislead and for data that is not there."""
    problems = []
    searched = [field for field in ("beta", "loss_type") if field in space.parameters]
    for metric in [each.metric for each in sweep.objective if each.metric in BETA_SCALED]:
        if searched:
            rule = (
                f"{metric} cannot rank trials while {' and '.join(searched)} is searched: "
                f"at the very same weights {BETA_SCALED[metric]}; use win_rate"
            )
            problems.append(problem(sweep_file, _objective_path(sweep_file, metric), rule))
    for key, rule in source_problems(sweep.data):
        problems.append(problem(sweep_file, ("data", key), rule))
    if problems:
        raise together(problems)


def _objective_path(document: Document, metric: str) -> KeyPath:
    """Find the objective in a file that holds one or a list."""
    written = document.values.get("objective")
    if not isinstance(written, list):
        return ("objective", "metric")
    index = next(i for i, each in enumerate(written) if each.get("metric") == metric)
    return ("objective", index, "metric")


def source_problems(data: DataConfig) -> list[tuple[str, str]]:
    """Return pairs of a key below data and the rule it certainly breaks."""
    rule = source_problem(data.source)
    if rule is not None:
        return [("source", f"{rule}, got {show(data.source)}; allowed: {ALLOWED}")]
    return choice_problems(data.source, data.config, data.split, data.revision)

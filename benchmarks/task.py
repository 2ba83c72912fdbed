"""What one pattern is asked to run, and what it saw: JSON between two processes."""

from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from dpo_ray.config.training import TrainingConfig
from dpo_ray.plan import Plan, make_plan

Pattern = Literal["a", "b", "c", "d", "e"]
Row = Literal["a", "b", "c", "d", "e", "a+", "d+"]
"""A line of a table: a pattern, with + where it stops trials early."""
PATTERNS: dict[Pattern, str] = {
    "a": "this platform: Tune over warm slots, prepared once; journal, console and MLflow as in "
    "every sweep",
    "b": "the documented Ray pattern: a Tune function trainable that runs a TorchTrainer with "
    "TuneReportCallback per trial; model, tokenizer, pairs and stock DPOTrainer in its workers",
    "c": "a plain loop in one process: stock DPOTrainer, model and tokenizer loaded per trial, "
    "pairs read once",
    "d": "optuna.optimize in one process: what (c) does per trial, as an objective function",
    "e": "the floor: the same steps as raw forward and backward passes over stored reference "
    "scores, model loaded and pairs tokenized once; no trainer, nothing logged, nothing saved",
}
"""One line each. The stock trainers keep TRL's defaults: in-loop reference, checkpointing on."""
STOPPING = "with early stopping: (a) by ASHA, (d) by Optuna's MedianPruner"


def pattern_of(row: Row) -> Pattern:
    """Return whose line it is."""
    patterns: dict[Row, Pattern] = {"a+": "a", "d+": "d"}
    return patterns.get(row) or row  # type: ignore[return-value]


class Task(BaseModel):
    """One pattern's run. The trainings are the plan's, so all patterns run the same list."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    pattern: Pattern
    space: Path
    sweep: Path
    overrides: tuple[str, ...]
    folder: Path
    """An empty folder of this run's own: nothing is cached from another."""
    model: Path
    pairs: Path
    """The raw pairs of the plan's train split, as JSON lines."""
    held_out: Path
    """Likewise those of the validation split that trials are judged by."""
    configurations: tuple[dict[str, Any], ...]
    trainings: tuple[TrainingConfig, ...]
    rungs: tuple[float, ...] = ()
    """Where trials are judged, as shares of their steps; nowhere if empty."""
    spared: int | None = None
    """Trials that run whole before any is stopped; None: none is ever stopped."""
    threads: int | None = None
    """PyTorch's threads where a loop is not left its default; Ray sets those of (a) and (b)."""

    @property
    def plan(self) -> Plan:
        """The plan as (a) runs it."""
        return make_plan(self.space, self.sweep, self.overrides, self.folder / "store", "bench")


class Quality(BaseModel):
    """How good a policy is on held-out pairs: D is the log-ratio of chosen over rejected."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    accuracy: float
    """Share of pairs with D > 0, ties one half."""
    margin: float
    """Mean D, nats."""


class Observed(BaseModel):
    """What a pattern's process saw; times in Unix seconds."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    first_step: float
    """End of the first optimizer step of all."""
    ended: tuple[float, ...]
    """End of every trial, in order of time."""
    gaps: tuple[float, ...] = ()
    """Seconds from a trial's end to the end of the next one's first step, same slot or process."""
    threads: int | None = None
    """PyTorch's threads, where they are the pattern's own choice."""
    spent: dict[str, float] = {}
    """Seconds of what happens once per sweep, where the pattern knows them."""
    together: int = 1
    """Trials that run at the same time."""
    steps: int = 0
    """Optimizer steps of all trials."""
    whole: tuple[Quality, ...] = ()
    """Of every trial that ran all its steps, where trials are judged."""

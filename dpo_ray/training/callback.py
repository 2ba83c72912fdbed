"""What happens inside a trial at its steps: evaluate, report, obey."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from transformers import TrainerCallback

from dpo_ray.ranks import Ranks
from dpo_ray.training.jobs import Mailbox, Verdict
from dpo_ray.training.rungs import evaluated_steps

Metrics = dict[str, float]
POLL_EVERY_STEPS = 5


class NonFinite(ArithmeticError):
    """Loss, gradients or metrics are NaN or infinite: the trial has failed."""


class BrokenText(ValueError):
    """What the policy writes is beyond a limit of the evaluation: the trial has failed.

    `metrics` is the evaluation that says so.
    """

    def __init__(self, reason: str, metrics: Metrics) -> None:
        super().__init__(reason)
        self.metrics = metrics


@dataclass
class TrialCallback(TrainerCallback):
    """Drives one trial through the mailbox.

    At a rung all ranks wait for the verdict; between rungs rank 0 asks every few steps. Every
    verdict is agreed among the ranks, so all stop at the same optimizer step. `stop_at` is where
    the trial ends whatever is said; `evaluate` is given the step.
    """

    job_id: int
    mailbox: Mailbox
    ranks: Ranks
    fractions: tuple[float, ...]
    evaluate: Callable[[int], Metrics]
    stop_at: int | None = None
    verdict: Verdict = "continue"
    step: int = 0
    evaluated: int = 0
    """The latest step that was evaluated."""
    first_step_at: float | None = None
    evaluation_s: float = 0.0
    _rungs: dict[int, float] = field(default_factory=dict)

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Place the rungs now that the trial's length is known."""
        self._rungs = evaluated_steps(state.max_steps, self.fractions, self.stop_at)
        if self.ranks.first:
            self.mailbox.started(self.job_id, state.max_steps)

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Evaluate at a rung, ask between rungs, stop when told to."""
        self.step = state.global_step
        if self.first_step_at is None:
            self.first_step_at = time.time()
        if self.step in self._rungs:
            self.verdict = self._rung(self._rungs[self.step])
        elif self.step % POLL_EVERY_STEPS == 0:
            self.verdict = self._agree(lambda: self.mailbox.poll(self.job_id))
        if self.verdict != "continue" or self.step == self.stop_at:
            control.should_training_stop = True

    def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **_: Any) -> None:
        """Pass TRL's training metrics on; a non-finite one ends the trial."""
        if "loss" not in logs:
            return  # the summary after the last step
        metrics = {f"train/{name}": float(value) for name, value in logs.items()}
        refuse_non_finite(metrics, state.global_step)
        if self.ranks.first:
            self.mailbox.log(self.job_id, state.global_step, metrics)

    def _rung(self, fraction: float) -> Verdict:
        began = time.time()
        self.evaluated = self.step
        metrics = self.evaluate(self.step)
        self.evaluation_s += time.time() - began
        refuse_non_finite(metrics, self.step)
        return self._agree(lambda: self.mailbox.report(self.job_id, self.step, fraction, metrics))

    def _agree(self, ask: Callable[[], Verdict]) -> Verdict:
        verdict: Verdict = ask() if self.ranks.first else "continue"
        return self.ranks.agree(verdict)


def refuse_non_finite(metrics: Metrics, step: int) -> None:
    """Raise NonFinite if a metric of this step is NaN or infinite."""
    bad = {name: value for name, value in metrics.items() if not math.isfinite(value)}
    if bad:
        name, value = next(iter(bad.items()))
        raise NonFinite(f"non-finite at step {step}: {name} is {value}")

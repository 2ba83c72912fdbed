"""What happens inside a trial at its steps: evaluate, report, obey, save."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from transformers import TrainerCallback

from dpo_ray.ranks import Ranks
from dpo_ray.training.jobs import Verdict
from dpo_ray.training.mailbox import Mailbox
from dpo_ray.training.refusals import Metrics, refuse_non_finite
from dpo_ray.training.rungs import evaluated_steps

POLL_EVERY_STEPS = 5


class TimedOut(Exception):
    """The trial was told that its time is over."""


class WentNoFurther(Exception):
    """The trial was told to end at the very step it was to go on from."""


@dataclass
class TrialCallback(TrainerCallback):
    """Drives one trial through the mailbox.

    At a rung all ranks wait for the verdict; between rungs rank 0 asks every few steps. Every
    verdict is agreed among the ranks, so all stop at the same optimizer step. `stop_at` is where
    the trial ends whatever is said; `evaluate` is given the step.

    `begin` is called once the Trainer has loaded what it goes on from, `save` wherever a trial may
    have to go on from: at rungs, every `checkpoint_steps` steps, and where it is cancelled. Lines
    up to step `seen_log` and rungs up to step `seen_rung` are known outside already. `usage` is
    asked at logging steps.
    """

    job_id: int
    mailbox: Mailbox
    ranks: Ranks
    fractions: tuple[float, ...]
    evaluate: Callable[[int], Metrics]
    begin: Callable[[], None]
    save: Callable[[], None]
    stop_at: int | None = None
    checkpoint_steps: int | None = None
    seen_log: int = -1
    seen_rung: int = -1
    usage: Callable[[], Metrics] = dict
    verdict: Verdict = "continue"
    step: int = 0
    evaluated: int = 0
    """The latest step that was evaluated."""
    first_step_at: float | None = None
    evaluation_s: float = 0.0
    checkpoint_s: float = 0.0
    _rungs: dict[int, float] = field(default_factory=dict)

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Place the rungs now that the trial's length is known.

        A trial that was cancelled during an evaluation has its checkpoint at a rung that nobody
        heard of: it is evaluated again, before the first step.

        Raises:
            WentNoFurther: there it was told to end.
            TimedOut: likewise.
        """
        self.begin()
        self.step = state.global_step
        self._rungs = evaluated_steps(state.max_steps, self.fractions, self.stop_at)
        self.evaluated = max((rung for rung in self._rungs if rung <= self.step), default=0)
        if self.ranks.first:
            self.mailbox.started(self.job_id, state.max_steps, step=self.step)
        # Lines may have been on their way out when the checkpoint was already written.
        for line in state.log_history:
            if line["step"] > self.seen_log:
                self._tell(line["step"], line)
        if self.step in self._rungs and self.step > self.seen_rung:
            self.verdict = self._rung(self._rungs[self.step])
            if self.verdict != "continue":
                raise WentNoFurther

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Evaluate at a rung, ask between rungs, stop when told to.

        Raises:
            TimedOut: that is what it was told.
        """
        self.step = state.global_step
        if self.first_step_at is None:
            self.first_step_at = time.time()
        if self.step in self._rungs:
            self.verdict = self._rung(self._rungs[self.step])
        elif self.step % POLL_EVERY_STEPS == 0:
            self.verdict = self._agree(lambda: self.mailbox.poll(self.job_id))
        if self.verdict != "continue" or self.step == self.stop_at:
            control.should_training_stop = True
        # The Trainer saves after it has logged, so a line is never told of steps saved before it.
        control.should_save = self._is_kept(state.max_steps)

    def on_save(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Write a checkpoint."""
        began = time.time()
        self.save()
        self.checkpoint_s += time.time() - began

    def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **_: Any) -> None:
        """Pass TRL's training metrics on; a non-finite one ends the trial."""
        if "loss" not in logs:
            return  # the summary after the last step
        self._tell(state.global_step, logs, self.usage() if self.ranks.first else {})

    def _tell(self, step: int, line: Mapping[str, float], system: Metrics | None = None) -> None:
        metrics = {f"train/{name}": float(line[name]) for name in line if name != "step"}
        refuse_non_finite(metrics, step)
        if self.ranks.first:
            self.mailbox.log(self.job_id, step, metrics, system)

    def _is_kept(self, total_steps: int) -> bool:
        """Whether somebody may have to go on from here; from a trial's end nobody does."""
        if self.verdict == "stop" or self.step in (total_steps, self.stop_at):
            return False
        every = self.checkpoint_steps
        due = self.step in self._rungs or (every is not None and self.step % every == 0)
        return due or self.verdict == "cancel"

    def _rung(self, fraction: float) -> Verdict:
        began = time.time()
        self.evaluated = self.step
        metrics = self.evaluate(self.step)
        self.evaluation_s += time.time() - began
        refuse_non_finite(metrics, self.step)
        return self._agree(lambda: self.mailbox.report(self.job_id, self.step, fraction, metrics))

    def _agree(self, ask: Callable[[], Verdict]) -> Verdict:
        verdict: Verdict = ask() if self.ranks.first else "continue"
        verdict = self.ranks.agree(verdict)
        if verdict == "timeout":
            raise TimedOut
        return verdict

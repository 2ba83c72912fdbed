"""What happens inside a fine-tuning at its steps: report, obey."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from transformers import TrainerCallback

from dpo_ray.ranks import Ranks
from dpo_ray.training.callback import POLL_EVERY_STEPS
from dpo_ray.training.jobs import Texts, Verdict
from dpo_ray.training.mailbox import Mailbox
from dpo_ray.training.refusals import Metrics, refuse_non_finite


@dataclass
class SftCallback(TrainerCallback):
    """Passes the loss curve on while it grows, and stops when told to, all ranks at one step."""

    job_id: int
    mailbox: Mailbox
    ranks: Ranks
    texts: Texts = field(default_factory=Texts)
    usage: Callable[[], Metrics] = dict
    verdict: Verdict = "continue"
    step: int = 0
    total_steps: int = 0
    log: list[tuple[int, Metrics]] = field(default_factory=list)

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Say how long it will be."""
        self.total_steps = state.max_steps
        if self.ranks.first:
            self.mailbox.started(self.job_id, state.max_steps, self.texts)

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Ask every few steps whether to stop; log the last step whatever its number."""
        self.step = state.global_step
        control.should_log = control.should_log or self.step == self.total_steps
        if self.step == 1 or self.step % POLL_EVERY_STEPS == 0:
            asked: Verdict = self.mailbox.poll(self.job_id) if self.ranks.first else "continue"
            self.verdict = self.ranks.agree(asked)
        if self.verdict != "continue":
            control.should_training_stop = True

    def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **_: Any) -> None:
        """Pass TRL's metrics on; a non-finite one ends the training."""
        if "loss" not in logs:
            return  # the summary after the last step
        metrics = {f"train/{name}": float(value) for name, value in logs.items()}
        refuse_non_finite(metrics, state.global_step)
        self.log.append((state.global_step, metrics))
        if self.ranks.first:
            self.mailbox.log(self.job_id, state.global_step, metrics, self.usage())

"""How (b) to (e) judge a trial: the same pairs as (a), and as little as it can be."""

from collections.abc import Callable
from typing import Any

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, TrainerCallback

from benchmarks.arithmetic import gaps, read_tokens, score
from benchmarks.task import Quality, Task
from dpo_ray.training.rungs import rung_steps

Judged = Callable[[int, Quality], bool]
"""Told a step and how good the policy is there; whether the trial ends here."""


class HeldOut:
    """Held-out pairs, tokenized and scored by the reference once per process."""

    def __init__(self, task: Task) -> None:
        self._tokenizer = AutoTokenizer.from_pretrained(task.model)
        rows = read_tokens(task.held_out, self._tokenizer)
        # Batches of equal length carry little padding; (a) does the same.
        self._rows = sorted(rows, key=_length)
        base = AutoModelForCausalLM.from_pretrained(task.model, dtype=torch.float32)
        if torch.cuda.is_available():
            base = base.cuda()
        self._reference = score(base.eval(), self._rows, self._tokenizer)

    def __call__(self, policy: Any) -> Quality:
        """Judge a policy, and leave it in the mode it was in."""
        training = policy.training
        policy.eval()
        found = gaps(score(policy, self._rows, self._tokenizer), self._reference)
        policy.train(training)
        accuracy = (found.sign() + 1) / 2
        return Quality(accuracy=accuracy.mean().item(), margin=found.mean().item())


class AtRungs(TrainerCallback):  # type: ignore[misc]
    """Judges the policy at the rungs of a stock trainer, and stops it when told to."""

    def __init__(self, fractions: tuple[float, ...], held_out: HeldOut, judged: Judged) -> None:
        self._fractions, self._held_out, self._judged = fractions, held_out, judged
        self.last: Quality | None = None
        """Of the latest rung."""

    def on_step_end(self, args: Any, state: Any, control: Any, **given: Any) -> None:
        """Judge where the step is a rung."""
        if state.global_step in rung_steps(state.max_steps, self._fractions):
            self.last = self._held_out(given["model"])
            control.should_training_stop |= self._judged(state.global_step, self.last)


def held_out_of(task: Task) -> HeldOut | None:
    """Return what judges the task's trials, if anything does."""
    return HeldOut(task) if task.rungs else None


def _length(row: dict[str, Any]) -> int:
    return -sum(len(row[name]) for name in ("prompt_ids", "chosen_ids", "rejected_ids"))

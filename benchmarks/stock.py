"""One DPO run as TRL's documentation writes it, for (b), (c) and (d)."""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from datasets import load_dataset
from transformers import AutoModelForCausalLM, AutoTokenizer, TrainerCallback
from trl import DPOConfig, DPOTrainer

from benchmarks.held_out import AtRungs, HeldOut, Judged
from benchmarks.task import Quality, Task
from dpo_ray.config.training import TrainingConfig
from dpo_ray.training.dpo import lora_config


@dataclass(frozen=True)
class Trained:
    """How one run went: the end of its first step in Unix seconds, how many steps it made, and
    how good it was at the last one, where it was judged."""

    first_step: float
    steps: int
    quality: Quality | None

    def whole(self, training: TrainingConfig) -> tuple[Quality, ...]:
        """Return the quality of a run that was judged and not stopped early."""
        done = self.quality is not None and self.steps == training.max_steps
        return (self.quality,) if done and self.quality else ()


class FirstStep(TrainerCallback):  # type: ignore[misc]
    """Notes when the first optimizer step is done."""

    at: float | None = None

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Note the time, once."""
        self.at = self.at or time.time()


def read_rows(task: Task) -> Any:
    """Read the raw pairs."""
    return load_dataset("json", data_files=str(task.pairs), split="train")


def never(step: int, quality: Quality) -> bool:
    """Stop nobody."""
    return False


def train_stock(
    task: Task,
    training: TrainingConfig,
    rows: Any,
    folder: Path,
    held_out: HeldOut | None,
    judged: Judged = never,
) -> Trained:
    """Load model and tokenizer, and train one configuration.

    TRL's defaults but for what was asked of all patterns (steps, batch, rates, beta, adapter)
    and what a CPU forces (no bf16). The checkpoint that stock training writes at its last step
    holds the adapter, as (a) writes its own.
    """
    model = AutoModelForCausalLM.from_pretrained(task.model, dtype=torch.float32)
    tokenizer = AutoTokenizer.from_pretrained(task.model)
    first_step = FirstStep()
    at_rungs = None if held_out is None else AtRungs(task.rungs, held_out, judged)
    trainer = DPOTrainer(
        model=model,
        args=_arguments(training, folder),
        train_dataset=rows,
        processing_class=tokenizer,
        peft_config=lora_config(training, model),
        callbacks=[each for each in (first_step, at_rungs) if each is not None],
    )
    trainer.train()
    assert first_step.at is not None
    return Trained(first_step.at, trainer.state.global_step, at_rungs.last if at_rungs else None)


def _arguments(training: TrainingConfig, folder: Path) -> DPOConfig:
    return DPOConfig(
        output_dir=str(folder),
        per_device_train_batch_size=training.batch_size,
        max_steps=training.max_steps,
        learning_rate=training.learning_rate,
        warmup_steps=training.warmup,
        beta=training.beta,
        seed=training.seed,
        use_cpu=not torch.cuda.is_available(),
        bf16=False,
        report_to="none",
    )

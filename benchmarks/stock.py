"""One DPO run as TRL's documentation writes it, for (b) and (c)."""

import time
from pathlib import Path
from typing import Any

import torch
from datasets import load_dataset
from transformers import AutoModelForCausalLM, AutoTokenizer, TrainerCallback
from trl import DPOConfig, DPOTrainer

from benchmarks.task import Task
from dpo_ray.config.training import TrainingConfig
from dpo_ray.training.dpo import lora_config


class FirstStep(TrainerCallback):  # type: ignore[misc]
    """Notes when the first optimizer step is done."""

    at: float | None = None

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Note the time, once."""
        self.at = self.at or time.time()


def read_rows(task: Task) -> Any:
    """Read the raw pairs."""
    return load_dataset("json", data_files=str(task.pairs), split="train")


def train_stock(task: Task, training: TrainingConfig, rows: Any, folder: Path) -> float:
    """Load model and tokenizer, train one configuration, and return when its first step ended.

    TRL's defaults but for what was asked of all patterns (steps, batch, rates, beta, adapter)
    and what a CPU forces (no bf16). The checkpoint that stock training writes at its last step
    holds the adapter, as (a) writes its own.
    """
    model = AutoModelForCausalLM.from_pretrained(task.model, dtype=torch.float32)
    tokenizer = AutoTokenizer.from_pretrained(task.model)
    first_step = FirstStep()
    trainer = DPOTrainer(
        model=model,
        args=_arguments(training, folder),
        train_dataset=rows,
        processing_class=tokenizer,
        peft_config=lora_config(training, model),
        callbacks=[first_step],
    )
    trainer.train()
    assert first_step.at is not None
    return first_step.at


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

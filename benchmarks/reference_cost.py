"""What a trial costs with stored reference scores, beside TRL's defaults."""

import tempfile
import time
import warnings
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset
from peft import LoraConfig
from transformers import AutoModelForCausalLM, PrinterCallback
from trl import DPOConfig, DPOTrainer

from benchmarks.larger_toy import write_model, write_pairs
from benchmarks.ratios import Bar
from dpo_ray.config.training import TrainingConfig
from dpo_ray.data.prepared import load_scored
from dpo_ray.plan import make_plan
from dpo_ray.reference.model import load_tokenizer
from dpo_ray.search.inputs import check_inputs, preparation
from dpo_ray.search.preparation import Screen, prepare
from dpo_ray.training.dpo import build_trainer
from dpo_ray.training.in_process import InProcess
from dpo_ray.training.jobs import Preparation

STEPS, BATCH, ROUNDS = 6, 8, 3
TITLE = "A trial's step at hidden size 256: stored reference, no checkpointing, and TRL's defaults"


def measure(space: Path, sweep: Path) -> tuple[dict[str, float], list[Bar]]:
    """Time both trainers in turns in this process, so that both meet the same machine."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        model = write_model(folder / "model")
        source = write_pairs(folder / "pairs.jsonl", 160, reviews=4)
        overrides = (f"data.source={source}", f"model.name={model}", "evaluation.prompts=8")
        plan = make_plan(space, sweep, overrides, folder / "store")
        shared = preparation(check_inputs(plan.sweep, plan.store), plan.sweep)
        prepare(shared, InProcess(), Screen())
        ours, stock = [], []
        for _ in range(ROUNDS):
            ours.append(_ours(shared, folder))
            stock.append(_stock(shared, source, folder))
    figures = {"stored reference, s a step": min(ours), "TRL's defaults, s a step": min(stock)}
    ratio = min(stock) / min(ours)
    return figures, [Bar("A step, TRL's defaults / stored reference", ratio, ">=", 1.5)]


def _ours(shared: Preparation, folder: Path) -> float:
    base = AutoModelForCausalLM.from_pretrained(shared.model.folder, dtype=torch.float32)
    training = TrainingConfig(max_steps=STEPS, batch_size=BATCH)
    trainer = build_trainer(
        base,
        load_tokenizer(shared.model.folder),
        load_scored(shared.prepared, "train"),
        training,
        max_length=512,
        dtype="float32",
        workers=1,
        folder=folder / "ours",
    )
    return _seconds_a_step(trainer)


def _stock(shared: Preparation, source: Path, folder: Path) -> float:
    base = AutoModelForCausalLM.from_pretrained(shared.model.folder, dtype=torch.float32)
    trainer = DPOTrainer(
        model=base,
        args=DPOConfig(
            output_dir=str(folder / "stock"),
            per_device_train_batch_size=BATCH,
            max_steps=STEPS,
            max_length=512,
            bf16=False,
            use_cpu=True,
            save_strategy="no",
            report_to="none",
            disable_tqdm=True,
        ),
        train_dataset=Dataset.from_json(str(source), keep_in_memory=True),
        processing_class=load_tokenizer(shared.model.folder),
        peft_config=LoraConfig(
            r=8, lora_alpha=16, target_modules="all-linear", task_type="CAUSAL_LM"
        ),
    )
    return _seconds_a_step(trainer)


def _seconds_a_step(trainer: Any) -> float:
    trainer.remove_callback(PrinterCallback)
    began = time.perf_counter()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # peft asks transformers by deprecated names
        trainer.train()
    return (time.perf_counter() - began) / STEPS

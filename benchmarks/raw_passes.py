"""(e) The floor: nothing but forward and backward passes and AdamW."""

import math
import time
from dataclasses import dataclass
from typing import Any

import torch
from accelerate.data_loader import SeedableRandomSampler
from accelerate.utils import set_seed
from peft import get_peft_model
from torch import Tensor
from torch.nn.utils import clip_grad_norm_
from transformers import AutoModelForCausalLM, AutoTokenizer, get_scheduler

from benchmarks.arithmetic import collate, dpo_loss, pair_logps, read_tokens, score
from benchmarks.diary import Diary
from benchmarks.held_out import HeldOut, held_out_of
from benchmarks.stock import Trained
from benchmarks.task import Observed, Task
from dpo_ray.config.training import TrainingConfig
from dpo_ray.training.dpo import lora_config


@dataclass
class Floor:
    """What all trials share: the base model, token ids, and the reference's log-probabilities."""

    model: Any
    tokenizer: Any
    rows: list[dict[str, Any]]
    reference: Tensor
    held_out: HeldOut | None
    losses: list[float]
    """Of every step of the latest trial."""
    first_step: float = 0.0


def run(task: Task) -> Observed:
    """Run all configurations."""
    floor, diary = prepare(task), Diary()
    for training in task.trainings:
        diary.note(training, train(floor, training))
    return diary.observed()


def prepare(task: Task) -> Floor:
    """Load the model, tokenize the pairs and score them, once."""
    tokenizer = AutoTokenizer.from_pretrained(task.model)
    model = AutoModelForCausalLM.from_pretrained(task.model, dtype=torch.float32).eval()
    if torch.cuda.is_available():
        model = model.cuda()
    rows = read_tokens(task.pairs, tokenizer)
    return Floor(model, tokenizer, rows, score(model, rows, tokenizer), held_out_of(task), [])


def train(floor: Floor, training: TrainingConfig) -> Trained:
    """Train a fresh adapter, whose first weights and order of pairs are the trainer's own."""
    set_seed(training.seed)
    policy = get_peft_model(floor.model, lora_config(training, floor.model)).train()
    weights = [each for each in policy.parameters() if each.requires_grad]
    optimizer = torch.optim.AdamW(weights, lr=training.learning_rate, weight_decay=0.0, fused=True)
    steps = training.max_steps or 0
    schedule = get_scheduler(
        training.lr_scheduler, optimizer, math.ceil(steps * training.warmup), steps
    )
    floor.losses.clear()
    for places in _batches(len(floor.rows), training):
        loss = _loss(floor, policy, places, training.beta)
        loss.backward()
        clip_grad_norm_(weights, training.max_grad_norm)
        optimizer.step()
        schedule.step()
        optimizer.zero_grad()
        floor.losses.append(loss.item())
        if len(floor.losses) == 1:
            floor.first_step = time.time()
    quality = floor.held_out(policy) if floor.held_out else None
    policy.unload()
    return Trained(floor.first_step, steps, quality)


def _loss(floor: Floor, policy: Any, places: list[int], beta: float) -> Tensor:
    rows = [floor.rows[place] for place in places]
    batch = collate(rows, floor.tokenizer, floor.reference.device)
    return dpo_loss(pair_logps(policy, batch), floor.reference[:, places], beta)


def _batches(rows: int, training: TrainingConfig) -> list[list[int]]:
    """Return the rows of every step, in the order in which the Trainer takes them."""
    sampler = SeedableRandomSampler(range(rows), data_seed=training.seed)
    size, made = training.batch_size, list[list[int]]()
    while len(made) < (training.max_steps or 0):
        epoch = list(sampler)
        made += [epoch[start : start + size] for start in range(0, rows, size)]
    return made[: training.max_steps]

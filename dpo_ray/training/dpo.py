"""DPOTrainer over rows that are already tokenized and already scored by the reference."""

import copy
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from peft import LoraConfig
from transformers import PrinterCallback, TrainerCallback
from trl import DPOConfig, DPOTrainer

from dpo_ray.config.training import TrainingConfig
from dpo_ray.data.prepared import SCORE_COLUMNS, TOKEN_COLUMNS
from dpo_ray.training.arguments import common_arguments
from dpo_ray.training.refusals import refuse_non_finite
from dpo_ray.training.targets import target_modules

UNWEIGHTED_BETA = 1e-3
"""Beta of the hinge loss that stands for DPO without the example weight."""


class PreparedDPOTrainer(DPOTrainer):
    """TRL's trainer, told that its rows hold tokens and reference scores.

    Stock TRL 1.16 ignores ready `ref_*_logps` columns when `precompute_ref_log_probs` is off,
    and when it is on hashes the whole model and computes them again in every trial.
    """

    def __init__(self, base: Any, **arguments: Any) -> None:
        # Noted before TRL, PEFT and Accelerate leave their marks on it; `take_off` removes them.
        self.base_names, self.base_use_cache = set(base.__dict__), base.config.use_cache
        super().__init__(**arguments)
        missing = {*TOKEN_COLUMNS, *SCORE_COLUMNS} - set(self.train_dataset.column_names)
        if missing:
            raise ValueError(f"prepared rows lack the columns {sorted(missing)}")
        self.precompute_ref_logps = True

    def _prepare_dataset(self, dataset: Any, *_: Any, **__: Any) -> Any:
        return dataset

    def _get_grad_norm(self, model: Any, grad_norm: Any = None) -> Any:
        """Refuse gradients that would spoil the weights, at every step; all ranks have the same.

        Raises:
            NonFinite: their norm is NaN or infinite.
        """
        norm = super()._get_grad_norm(model, grad_norm=grad_norm)
        refuse_non_finite({"grad_norm": float(norm)}, self.state.global_step + 1)
        return norm

    def _save_checkpoint(self, model: Any, trial: Any) -> None:
        """Leave it to the callback's `on_save`: this one writes in place, and a card with it."""


def build_trainer(
    model: Any,
    tokenizer: Any,
    rows: Any,
    training: TrainingConfig,
    *,
    max_length: int,
    dtype: str,
    workers: int,
    folder: Path,
    callbacks: Sequence[TrainerCallback] = (),
) -> PreparedDPOTrainer:
    """Put a fresh LoRA adapter on the bare base `model`, and return the trainer for one trial.

    The adapter's start is drawn from `training.seed`, so a trial does not depend on what its
    process did before. In mode full a copy of the base is trained instead, and the base is the
    reference: without one TRL would load what `_name_or_path` names, whatever is in memory.
    """
    full = training.mode == "full"
    trainer = PreparedDPOTrainer(
        base=model,
        model=full_policy(model) if full else model,
        ref_model=model if full else None,
        args=dpo_arguments(
            training, max_length=max_length, dtype=dtype, workers=workers, folder=folder
        ),
        train_dataset=rows,
        processing_class=tokenizer,
        peft_config=None if full else lora_config(training, model),
        callbacks=list(callbacks),
    )
    trainer.remove_callback(PrinterCallback)
    _hold_in_float32(trainer.model)
    return trainer


def full_policy(base: Any) -> Any:
    """Return a copy of the base to train all weights of, in float32 whatever the base's dtype.

    In bfloat16 a weight of 0.02 has neighbours 1e-4 away: DPO's updates would round to nothing.
    """
    return copy.deepcopy(base).float().requires_grad_(True)


def _hold_in_float32(policy: Any) -> None:
    # TRL rounds the adapter of a quantized base to bfloat16, where small updates are lost.
    for parameter in policy.parameters():
        if parameter.requires_grad:
            parameter.data = parameter.data.float()


def loss_of(training: TrainingConfig) -> str:
    """Return TRL's name of the loss that is trained.

    Hinge loss, max(0, 1 - beta * D), has the gradient of DPO without its weight as long as
    beta * D < 1, which at beta 1e-3 is D < 1,000 nats. AdamW does not see the small scale.
    """
    return training.loss_type if training.example_weight else "hinge"


def lora_config(training: TrainingConfig, model: Any) -> LoraConfig:
    """Return the adapter's shape on the bare `model`, whose layers named sets are looked up in.

    Dropout stays out: TRL's disable_dropout would zero it.
    """
    return LoraConfig(
        r=training.lora_rank,
        lora_alpha=training.lora_alpha,
        use_rslora=training.use_rslora,
        target_modules=target_modules(training, model),
        task_type="CAUSAL_LM",
    )


def dpo_arguments(
    training: TrainingConfig, *, max_length: int, dtype: str, workers: int, folder: Path
) -> DPOConfig:
    """Translate one trial into TRL's arguments; `batch_size` is shared among workers.

    TRL adds losses up by their weights; its SFT loss is a mean over the chosen answers' tokens.
    """
    common = common_arguments(
        training, max_length=max_length, dtype=dtype, workers=workers, folder=folder
    )
    added = training.sft_weight
    return DPOConfig(
        **common,
        beta=training.beta if training.example_weight else UNWEIGHTED_BETA,
        loss_type=[loss_of(training), "sft"] if added else [loss_of(training)],
        loss_weights=[1.0, added] if added else None,
        label_smoothing=training.label_smoothing,
    )

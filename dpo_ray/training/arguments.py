"""What DPO and SFT tell TRL alike."""

from pathlib import Path
from typing import Any

import torch

from dpo_ray.config.reference import SftConfig
from dpo_ray.config.training import TrainingConfig


def common_arguments(
    settings: TrainingConfig | SftConfig,
    *,
    max_length: int,
    dtype: str,
    workers: int,
    folder: Path,
) -> dict[str, Any]:
    """Translate the settings both kinds share; `batch_size` is shared among workers."""
    return {
        "output_dir": str(folder),
        "per_device_train_batch_size": settings.batch_size
        // (workers * settings.gradient_accumulation),
        "gradient_accumulation_steps": settings.gradient_accumulation,
        "max_steps": settings.max_steps or -1,
        "num_train_epochs": settings.epochs,
        "learning_rate": settings.learning_rate,
        "lr_scheduler_type": settings.lr_scheduler,
        "warmup_steps": settings.warmup,
        "weight_decay": settings.weight_decay,
        "max_grad_norm": settings.max_grad_norm,
        "max_length": max_length,
        "seed": settings.seed,
        "data_seed": settings.seed,
        "bf16": dtype == "bfloat16",
        "use_cpu": not torch.cuda.is_available(),
        "activation_checkpointing": settings.gradient_checkpointing,
        "logging_steps": settings.logging_steps,
        # The filter would log a loss of 0.0 for a model full of NaN.
        "logging_nan_inf_filter": False,
        "eval_strategy": "no",
        "save_strategy": "no",
        "report_to": "none",
        "disable_tqdm": True,
    }

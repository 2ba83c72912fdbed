"""SFTTrainer over saved texts, and what is left of them after the cut at max_length."""

import copy
import gc
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig
from transformers import PrinterCallback, TrainerCallback
from trl import SFTConfig, SFTTrainer

from dpo_ray.config import reference
from dpo_ray.data.template_limit import refuse_endless
from dpo_ray.errors import DataError
from dpo_ray.training.arguments import common_arguments
from dpo_ray.training.jobs import Texts

TOKENS = ["input_ids", "labels"]


class CountingSFTTrainer(SFTTrainer):
    """TRL's trainer, which cuts texts at max_length without saying how many."""

    texts = Texts()

    def _prepare_dataset(
        self, dataset: Any, processing_class: Any, args: Any, packing: bool, *others: Any
    ) -> Any:
        """Tokenize whole first, then let TRL cut what it then takes for ready tokens.

        Raises:
            DataError: nothing is left to learn.
        """
        refuse_endless(processing_class, dataset[0])
        whole = copy.copy(args)  # its own __init__ would reset Accelerate's state
        whole.max_length = None
        prepare = super()._prepare_dataset
        tokens = prepare(dataset, processing_class, whole, packing, *others).select_columns(TOKENS)
        kept = prepare(tokens, processing_class, args, packing, *others)
        lengths = (len(ids) for ids in tokens["input_ids"])
        cut = sum(length > args.max_length for length in lengths)
        self.texts = Texts(used=len(kept), cut=cut, left_out=len(tokens) - len(kept))
        if not self.texts.used:
            raise DataError(
                f"reference.sft needs texts with something to learn in their first "
                f"data.max_length={args.max_length} tokens, and none of {len(tokens)} has"
            )
        return kept


def build_sft_trainer(
    model: Any,
    tokenizer: Any,
    texts: Any,
    settings: reference.SftConfig,
    *,
    max_length: int,
    dtype: str,
    workers: int,
    folder: Path,
    callbacks: Sequence[TrainerCallback] = (),
) -> CountingSFTTrainer:
    """Return the trainer of `model`, which is the caller's to drop, or of a new adapter on it.

    The adapter's start and the texts' order are drawn from `settings.seed` alone.
    """
    trainer = CountingSFTTrainer(
        model=model,
        args=_arguments(
            settings,
            # TRL knows completions only beside prompts.
            completion_only=settings.completion_only and "completion" in texts.column_names,
            max_length=max_length,
            dtype=dtype,
            workers=workers,
            folder=folder,
        ),
        train_dataset=texts,
        processing_class=tokenizer,
        peft_config=_lora(settings) if settings.mode == "lora" else None,
        callbacks=list(callbacks),
    )
    trainer.remove_callback(PrinterCallback)
    return trainer


def let_go(trainer: CountingSFTTrainer) -> None:
    """Drop all that the trainer held, its model included, and Accelerate's memory of it.

    The process group belongs to the worker, so `end_training` is never called.
    """
    from accelerate.state import AcceleratorState, GradientState

    for module in trainer.model.modules():
        module.__dict__.pop("forward", None)  # bound to its owner, it would keep it alive
    trainer.accelerator.free_memory()
    trainer.model = trainer.model_wrapped = trainer.optimizer = trainer.lr_scheduler = None
    trainer.callback_handler = None
    GradientState._reset_state()  # a stopped epoch leaves its dataloader as the active one
    AcceleratorState._reset_state(True)
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()  # a slot beside this one may share the card


def _lora(settings: reference.SftConfig) -> LoraConfig:
    return LoraConfig(
        r=settings.lora_rank,
        lora_alpha=settings.lora_alpha,
        target_modules="all-linear",
        task_type="CAUSAL_LM",
    )


def _arguments(
    settings: reference.SftConfig,
    *,
    completion_only: bool,
    max_length: int,
    dtype: str,
    workers: int,
    folder: Path,
) -> SFTConfig:
    """Translate the settings into TRL's arguments; `batch_size` is shared among workers."""
    common = common_arguments(
        settings, max_length=max_length, dtype=dtype, workers=workers, folder=folder
    )
    return SFTConfig(
        **common,
        completion_only_loss=completion_only,
        logging_first_step=True,  # where the loss began
    )

"""What is trained: an adapter on the desk's base model, or a copy of it. Nothing of it stays."""

import gc
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from dpo_ray.data.adapter_card import AdapterCard, write_card
from dpo_ray.data.trial_files import ADAPTER, MODEL
from dpo_ray.training.dpo import PreparedDPOTrainer
from dpo_ray.training.jobs import ModelSpec

GENERATION = "generation_config.json"


@contextmanager
def as_reference(trainer: PreparedDPOTrainer) -> Iterator[Any]:
    """Yield the model that answers as the reference: the policy without its adapter, or the base.

    The base of a full trial is never trained; its copy is.
    """
    if trainer.ref_model is not None:
        yield trainer.ref_model
        return
    with trainer.model.disable_adapter():
        yield trainer.model


def save_policy(
    trainer: PreparedDPOTrainer,
    folder: Path,
    spec: ModelSpec,
    tokenizer: Any,
    card: AdapterCard,
    write: bool,
) -> Path:
    """Return `folder/adapter`, or `folder/model` for full training; rank 0 writes it.

    A full model is complete: its weights in the sweep's dtype, its tokenizer, and the generation
    defaults that `load_model` took from its base. Either has its card beside it.
    """
    full = trainer.ref_model is not None
    target = folder / (MODEL if full else ADAPTER)
    if write:
        building = folder / f".{target.name}"
        if full:
            trainer.model.to(getattr(torch, spec.dtype))
            tokenizer.save_pretrained(building)
        trainer.model.save_pretrained(building)
        if full and (spec.folder / GENERATION).is_file():
            shutil.copyfile(spec.folder / GENERATION, building / GENERATION)
        write_card(building, card)
        _put(building, target)
    return target


def save_checkpoint(trainer: PreparedDPOTrainer, folder: Path, card: AdapterCard) -> None:
    """Write the adapter as it is now to `folder/adapter`; on one rank only.

    A full model would be gigabytes for every rung, so only its last state is kept.
    """
    if trainer.ref_model is None:
        building = folder / f".{ADAPTER}"
        trainer.model.save_pretrained(building)
        write_card(building, card)
        _put(building, folder / ADAPTER)


def _put(building: Path, target: Path) -> None:
    """Rename; a trial that began again after its worker died finds its earlier files."""
    if target.exists():
        shutil.rmtree(target)
    building.rename(target)


def take_off(trainer: PreparedDPOTrainer) -> None:
    """Give the base model back bare, and let go of everything else a trial held.

    The process group belongs to the worker, so `end_training` is never called. DPOTrainer
    wraps `model.forward` once a trial; unremoved, the chain grows to the recursion limit.
    """
    from accelerate.state import AcceleratorState, GradientState

    policy, base = trainer.model, trainer.ref_model
    if base is None:
        base = policy.unload()
        if getattr(base, "is_activation_checkpointing", False):
            base.activation_checkpointing_disable()
            base.disable_input_require_grads()
    else:
        for name in ("forward", "_original_forward"):
            policy.__dict__.pop(name, None)  # bound to its owner, it would keep the copy alive
    for name in set(base.__dict__) - trainer.base_names:
        del base.__dict__[name]
    base.config.use_cache = trainer.base_use_cache
    base.eval()
    trainer.accelerator.free_memory()
    trainer.model = trainer.model_wrapped = trainer.ref_model = trainer.optimizer = None
    trainer.lr_scheduler = trainer.callback_handler = None
    GradientState._reset_state()  # a stopped epoch leaves its dataloader as the active one
    AcceleratorState._reset_state(True)
    del policy
    gc.collect()

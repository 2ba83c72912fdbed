"""Supervised fine-tuning of the reference, once for a whole sweep."""

import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from dpo_ray.data.cache import new_entry
from dpo_ray.data.reading import quiet_datasets
from dpo_ray.errors import DataError, DpoRayError
from dpo_ray.ranks import Ranks
from dpo_ray.reference.model import load_model, load_tokenizer
from dpo_ray.training.attempt import describe, full_traceback
from dpo_ray.training.desk import Desk
from dpo_ray.training.jobs import Fatal, Outcome, SftJob
from dpo_ray.training.mailbox import Mailbox, MailboxGone
from dpo_ray.training.refusals import NonFinite
from dpo_ray.training.sft_callback import SftCallback
from dpo_ray.training.sft_entry import MODEL, SftHistory, save_model, write_history
from dpo_ray.training.sft_trainer import CountingSFTTrainer, build_sft_trainer, let_go
from dpo_ray.training.system import SystemMeter


def run_sft(job: SftJob, job_id: int, desk: Desk, mailbox: Mailbox) -> Outcome:
    """Fine-tune the model of `job` on every rank of the desk's group. Collective.

    The whole entry appears in `job.target`, or nothing. What is trained is a model of its own,
    never quantized, and nothing of it stays in the worker.
    """
    began = time.time()
    callback = SftCallback(job_id, mailbox, desk.ranks, usage=SystemMeter(desk.device))
    trainer: CountingSFTTrainer | None = None
    desk.forget_model()  # two models may not fit in memory
    try:
        with _scratch(job, desk.ranks) as folder:
            trainer = _build(job, desk, callback, folder)
            callback.texts = trainer.texts
            trainer.train()
            if callback.verdict == "cancel":
                return Outcome("KILLED", "cancelled with the sweep", callback.step, _since(began))
            _refuse_broken_weights(trainer.model)
            if desk.ranks.first:
                _save(job, trainer, callback, _since(began))
            desk.ranks.agree(None)  # the entry is there for every rank
        model = str(job.target / MODEL)
        return Outcome("COMPLETED", "fine-tuned", callback.step, _since(began), model=model)
    except (NonFinite, DpoRayError) as error:
        fatal: Fatal | None = "data" if isinstance(error, DataError) else None
        return Outcome("FAILED", str(error), callback.step, _since(began), fatal=fatal)
    except MailboxGone:
        raise
    except Exception as error:
        if desk.ranks.world > 1:
            raise  # the other ranks may be in a collective: only a new group is safe
        reason, trace = describe(error), full_traceback(error)
        return Outcome("FAILED", reason, callback.step, _since(began), trace=trace)
    finally:
        if trainer is not None:
            let_go(trainer)


def _build(job: SftJob, desk: Desk, callback: SftCallback, folder: Path) -> CountingSFTTrainer:
    import datasets

    spec, settings = job.model, job.settings
    # In bfloat16 small updates of a weight would round to nothing; an adapter's do not.
    dtype = "float32" if settings.mode == "full" else spec.dtype
    model = load_model(
        spec.folder,
        dtype,
        desk.device,
        attention=spec.attention,
        trust_remote_code=spec.trust_remote_code,
    )
    with quiet_datasets():
        return build_sft_trainer(
            model.requires_grad_(settings.mode == "full"),
            load_tokenizer(spec.folder, spec.trust_remote_code),
            datasets.load_from_disk(str(folder / "texts")),
            settings,
            max_length=job.max_length,
            dtype=spec.dtype,
            workers=desk.ranks.world,
            folder=folder,
            callbacks=[callback],
        )


@contextmanager
def _scratch(job: SftJob, ranks: Ranks) -> Iterator[Path]:
    """Yield a folder that every node sees and that ends with the block; `texts` lies in it.

    The library datasets keeps its tokens beside the texts, so that rank 0 makes them for all;
    beside links to them, here, they are gone afterwards.
    """
    folder = Path()
    if ranks.first:
        job.target.parent.mkdir(parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(prefix=f".{job.target.name}-", dir=job.target.parent))
        shutil.copytree(job.texts.absolute(), folder / "texts", copy_function=os.symlink)
    folder = ranks.agree(folder)
    try:
        yield folder
    finally:
        if ranks.first:
            shutil.rmtree(folder, ignore_errors=True)


def _refuse_broken_weights(model: Any) -> None:
    """Look at what the last step left, which no later loss would tell of."""
    trained = (each for each in model.named_parameters() if each[1].requires_grad)
    for name, parameter in trained:
        if not bool(torch.isfinite(parameter).all()):
            raise NonFinite(f"non-finite after the last step: weights of {name}")


def _save(job: SftJob, trainer: Any, callback: SftCallback, seconds: float) -> None:
    model = trainer.model
    if job.settings.mode == "lora":
        model = model.merge_and_unload()
    model.to(getattr(torch, job.model.dtype))
    history = SftHistory(
        model=str(job.model.folder),
        settings=job.settings.model_dump(mode="json"),
        texts=callback.texts,
        total_steps=callback.total_steps,
        seconds=seconds,
        log=callback.log,
    )
    with new_entry(job.target) as entry:
        save_model(model, entry / MODEL, job.model.folder, job.model.dtype)
        write_history(entry, history)


def _since(began: float) -> float:
    return time.time() - began

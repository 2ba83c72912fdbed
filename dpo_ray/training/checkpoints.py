"""What an interrupted trial goes on from, as if it had never stopped.

The Trainer writes and reads the parts; here they become whole or nothing, and belong to one job.
Read with another job they would go silently wrong: other target modules leave the adapter fresh,
a missing file is passed over, another batch size or number of workers skips other pairs.
"""

import json
import os
import shutil
from collections.abc import Callable, Mapping
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

from dpo_ray.data.trial_files import resume_folder, resume_folders
from dpo_ray.ranks import Ranks
from dpo_ray.training.dpo import PreparedDPOTrainer
from dpo_ray.training.jobs import TrialJob
from dpo_ray.training.meters import meters_file, write_meters

MANIFEST = "manifest.json"
STATE = "trainer_state.json"
WEIGHTS = ("adapter_model.safetensors", "model.safetensors", "model.safetensors.index.json")
"""An adapter's, a model's, or a model's in parts: nothing else is ever read as weights."""
LIBRARIES = ("torch", "transformers", "trl", "peft")


class NotSaved(OSError):
    """A checkpoint could not be written; the one before it is whole."""


def save_resumable(trainer: PreparedDPOTrainer, job: TrialJob, ranks: Ranks) -> None:
    """Write the trial as it stands to `resume-STEP`, and drop the one before. Collective.

    Raises:
        NotSaved: on every rank, if one could not write its part.
    """
    step = trainer.state.global_step
    target = resume_folder(job.folder, step)
    building = target.with_name(f".{target.name}")

    def finish() -> None:
        if ranks.first:
            _write_manifest(building, {"step": step, **facts_of(job, ranks.world)})
            _put(building, target)

    try:
        # Nobody writes before the folder is there, and nobody renames before all have written.
        _on_every_rank(ranks, lambda: _make(building) if ranks.first else None)
        _on_every_rank(ranks, lambda: _write_part(trainer, building, ranks))
        _on_every_rank(ranks, finish)
    except NotSaved as error:
        if ranks.first:
            shutil.rmtree(building, ignore_errors=True)
            free = shutil.disk_usage(job.folder).free / 1e6
            raise NotSaved(f"step {step}: {error}; {free:.0f} MB are free there") from None
        raise


def find_resumable(job: TrialJob, world: int) -> Path | None:
    """Return the latest checkpoint that is whole and was written by this very job, or None.

    A job is the same if all is the same that the training depends on: settings, model, prepared
    rows, number of workers, versions of the libraries.
    """
    wanted = facts_of(job, world)
    return next((each for each in resume_folders(job.folder) if _is_whole(each, wanted)), None)


def facts_of(job: TrialJob, world: int) -> dict[str, Any]:
    """Return what must be equal for a checkpoint to belong to the job, as JSON has it."""
    return {
        "world": world,
        "training": job.training.model_dump(mode="json"),
        "max_length": job.max_length,
        "model": {**asdict(job.model), "folder": str(job.model.folder)},
        # By name, which is the content's hash: a node may have its own copy.
        "prepared": [job.prepared.tokens.name, job.prepared.scores.name],
        "libraries": {name: version(name) for name in LIBRARIES},
    }


def _is_whole(folder: Path, wanted: Mapping[str, Any]) -> bool:
    try:
        found = json.loads((folder / MANIFEST).read_text())
        sizes = found.pop("sizes")
        step = found.pop("step")
    except (OSError, ValueError, KeyError, AttributeError):
        return False
    return (
        found == wanted
        and folder.name == resume_folder(folder.parent, step).name
        and _needed(wanted["world"]) <= sizes.keys()
        and not sizes.keys().isdisjoint(WEIGHTS)
        and sizes == _sizes(folder)
    )


def _needed(world: int) -> set[str]:
    randoms = [f"rng_state_{rank}.pth" for rank in range(world)] if world > 1 else ["rng_state.pth"]
    meters = [meters_file(rank) for rank in range(world)]
    return {STATE, "optimizer.pt", "scheduler.pt", *randoms, *meters}


def _sizes(folder: Path) -> dict[str, int]:
    files = [path for path in folder.iterdir() if path.name != MANIFEST]
    return {path.name: path.stat().st_size for path in files}


def _make(building: Path) -> None:
    shutil.rmtree(building, ignore_errors=True)
    building.mkdir(parents=True)


def _write_part(trainer: PreparedDPOTrainer, building: Path, ranks: Ranks) -> None:
    """Write this rank's part: what Trainer._save_checkpoint writes, but tokenizer and arguments."""
    if ranks.first:
        trainer.model.save_pretrained(building)
        trainer.state.save_to_json(str(building / STATE))
    trainer._save_optimizer_and_scheduler(str(building))
    trainer._save_scaler(str(building))
    trainer._save_rng_state(str(building))
    write_meters(trainer, building, ranks.rank)


def _write_manifest(building: Path, facts: Mapping[str, Any]) -> None:
    with (building / MANIFEST).open("w") as file:
        json.dump({**facts, "sizes": _sizes(building)}, file, indent=1)
        file.flush()
        os.fsync(file.fileno())


def _put(building: Path, target: Path) -> None:
    if target.exists():  # not this job's, or the trial would not have come here again
        shutil.rmtree(target)
    building.rename(target)
    for older in resume_folders(target.parent):
        if older != target:
            shutil.rmtree(older)


def _on_every_rank(ranks: Ranks, act: Callable[[], None]) -> None:
    """Act on all ranks, and fail on all if one fails: none may go on alone. Collective."""
    said = [each for each in ranks.gather(_error_of(act)) if each is not None]
    if said:
        raise NotSaved(f"could not write a checkpoint: {said[0]}")


def _error_of(act: Callable[[], None]) -> str | None:
    try:
        act()
    # A full disk is an OSError here, a RuntimeError in torch and an error of safetensors' own.
    except Exception as error:
        return f"{type(error).__name__}: {error}".splitlines()[0][:300]
    return None

"""Sums that a Trainer keeps between two logging steps, and leaves out of its checkpoints.

Without them the first line logged after a resumption would tell of fewer steps than it says.
"""

import json
from pathlib import Path

import torch

from dpo_ray.training.dpo import PreparedDPOTrainer


def meters_file(rank: int) -> str:
    """Return the name of one rank's file."""
    return f"meters_{rank}.json"


def write_meters(trainer: PreparedDPOTrainer, folder: Path, rank: int) -> None:
    """Write this rank's sums: the loss since the last line, TRL's metrics, tokens so far."""
    meters = {
        "loss": trainer._tr_loss.item(),
        "last_logged": trainer._globalstep_last_logged,
        "metrics": dict(trainer._metrics["train"]),
        "tokens": trainer._total_train_tokens,
    }
    (folder / meters_file(rank)).write_text(json.dumps(meters))


def read_meters(trainer: PreparedDPOTrainer, folder: Path, rank: int) -> None:
    """Put the sums back, once `train` has set them to 0."""
    meters = json.loads((folder / meters_file(rank)).read_text())
    trainer._tr_loss = torch.tensor(meters["loss"], device=trainer._tr_loss.device)
    trainer._globalstep_last_logged = meters["last_logged"]
    trainer._metrics["train"].update(meters["metrics"])
    trainer._total_train_tokens = meters["tokens"]

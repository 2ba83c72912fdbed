"""Loading what a trial saved as it was held in memory when it was trained."""

from pathlib import Path
from typing import Any

import torch

from dpo_ray.data.adapter_card import AdapterCard
from dpo_ray.reference.model import load_model


def load_as_trained(folder: Path, card: AdapterCard) -> Any:
    """Return the model in `folder` in the number format, attention and quantization of the card."""
    return load_model(
        folder,
        card.dtype,
        this_device(),
        attention=card.attention,
        quantization=card.quantization,
        trust_remote_code=card.trust_remote_code,
    )


def this_device() -> torch.device:
    """Return this process's GPU, else the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")

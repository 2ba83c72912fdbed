"""What a test needs that not every machine has."""

from typing import Any

import pytest
import torch

CUDA = torch.cuda.is_available()


def on_gpu(devices: int) -> list[Any]:
    """Return the marks of a test that needs so many CUDA devices."""
    found = torch.cuda.device_count() if CUDA else 0
    reason = f"needs {devices} CUDA device{'s' * (devices > 1)}, torch {torch.__version__} sees "
    return [pytest.mark.gpu, pytest.mark.skipif(found < devices, reason=f"{reason}{found}")]

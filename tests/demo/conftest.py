import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import settings
from transformers import AutoModelForCausalLM, AutoTokenizer

from dpo_ray.demo import model_folder, pairs_file
from dpo_ray.demo.pairs import Pair, read_pairs

# A busy machine is no fault of the code.
settings.register_profile("no deadline", deadline=None)
settings.load_profile("no deadline")


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Compute as the builder does; on a model this small more threads only wait."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="session")
def tokenizer() -> Any:
    return AutoTokenizer.from_pretrained(model_folder())


@pytest.fixture(scope="session")
def model() -> Any:
    return AutoModelForCausalLM.from_pretrained(model_folder()).eval()


@pytest.fixture(scope="session")
def pairs() -> list[Pair]:
    return read_pairs(pairs_file())


@pytest.fixture(scope="session")
def assets() -> Path:
    return model_folder().parent


@pytest.fixture(scope="session")
def manifest(assets: Path) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((assets / "manifest.json").read_text(encoding="utf-8"))
    return loaded

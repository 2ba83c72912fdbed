"""The embedded model, and what two ranks make of the same work as one."""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch

from dpo_ray.reference.model import load_model, load_tokenizer, model_folder

ROOT = Path(__file__).parents[2]
FOLDER = model_folder("embedded")


@pytest.fixture(autouse=True)
def one_thread() -> None:
    """Summation order, and so the last bits, depend on the number of threads."""
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def model() -> Any:
    return load_model(FOLDER, "float32", torch.device("cpu"))


@pytest.fixture(scope="session")
def tokenizer() -> Any:
    return load_tokenizer(FOLDER)


@pytest.fixture(scope="session")
def texts() -> list[str]:
    return ["The soup", "This film has a very", "I thought the", "Yesterday", "The staff were so"]


@pytest.fixture(scope="session")
def prompts(tokenizer: Any, texts: list[str]) -> list[list[int]]:
    return [tokenizer(text)["input_ids"] for text in texts]


@pytest.fixture(scope="session")
def two_ranks(tmp_path_factory: pytest.TempPathFactory) -> Sequence[dict[str, Any]]:
    """Run `two_ranks.py` as a real group of two processes; yields what each rank saw."""
    folder = tmp_path_factory.mktemp("ranks")
    program = Path(__file__).with_name("two_ranks.py")
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    processes = [
        subprocess.Popen(
            [sys.executable, program, str(rank), folder],
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(2)
    ]
    try:
        for process in processes:
            _, errors = process.communicate(timeout=120)
            assert process.returncode == 0, errors[-2_000:]
    finally:
        for process in processes:
            process.kill()
            process.communicate()
    return [json.loads((folder / f"{rank}.json").read_text()) for rank in range(2)]

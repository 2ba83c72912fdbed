"""The embedded model, a few of its pairs and a few conversations, prepared for real."""

import json
from typing import Any

import pytest
import torch

from dpo_ray.data.prepared import Prepared
from dpo_ray.ranks import Ranks
from dpo_ray.reference.model import load_model, load_tokenizer, model_folder
from dpo_ray.reference.scores import write_scores
from dpo_ray.reference.tokens import write_tokens

FOLDER = model_folder("embedded")
CONVERSATIONS = [
    {
        "prompt": [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "¿Qué tal el café? " * number},
        ],
        "chosen": [{"role": "assistant", "content": "Very good."}],
        "rejected": [
            {"role": "assistant", "content": "Bad."},
            {"role": "user", "content": "Why?"},
            {"role": "assistant", "content": "It was cold."},
        ],
        "row": number,
    }
    for number in range(1, 5)
]


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
def reviews() -> list[dict[str, Any]]:
    lines = (FOLDER.parent / "pairs.jsonl").read_text().splitlines()[:24]
    return [{**json.loads(line), "row": number} for number, line in enumerate(lines, start=1)]


@pytest.fixture(scope="session")
def conversations() -> list[dict[str, Any]]:
    return CONVERSATIONS


@pytest.fixture(scope="session")
def prepared(
    tmp_path_factory: pytest.TempPathFactory, model: Any, tokenizer: Any, reviews: Any
) -> Prepared:
    """Tokens and scores of 12 training, 8 validation and 4 test rows, scored in batches of 4."""
    cache = tmp_path_factory.mktemp("cache")
    entries = Prepared(cache / "tokens", cache / "scores", cache / "completions")
    splits = {"train": reviews[:12], "validation": reviews[12:20], "test": reviews[20:]}
    write_tokens(entries.tokens, splits, tokenizer, max_length=512)
    write_scores(
        entries,
        model,
        tokenizer,
        max_length=512,
        dtype="float32",
        batch_size=4,
        ranks=Ranks(),
    )
    return entries


@pytest.fixture(scope="session")
def stock_trainer(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Make stock DPOTrainers on rows as a user has them: TRL as it comes, with LoRA."""
    from datasets import Dataset
    from peft import LoraConfig
    from trl import DPOConfig, DPOTrainer

    def make(rows: list[dict[str, Any]], max_length: int = 512) -> DPOTrainer:
        return DPOTrainer(
            model=load_model(FOLDER, "float32", torch.device("cpu")),
            args=DPOConfig(
                output_dir=str(tmp_path_factory.mktemp("stock")),
                per_device_train_batch_size=4,
                max_length=max_length,
                bf16=False,
                activation_checkpointing=False,
                use_cpu=True,
                report_to="none",
            ),
            train_dataset=Dataset.from_list(rows),
            processing_class=load_tokenizer(FOLDER),
            peft_config=LoraConfig(r=4, target_modules="all-linear", task_type="CAUSAL_LM"),
        )

    return make

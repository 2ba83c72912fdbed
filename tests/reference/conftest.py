"""The embedded model, a few of its pairs and a few conversations, prepared for real."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from datasets import Dataset, Features, Json, Value

from dpo_ray.config.data import WarningsConfig
from dpo_ray.data.checks import COLUMNS
from dpo_ray.data.prepared import Prepared
from dpo_ray.data.prompts import prompt_text
from dpo_ray.data.shards import plan_shards
from dpo_ray.ranks import Ranks
from dpo_ray.reference.model import load_model, load_tokenizer, model_folder
from dpo_ray.reference.scores import join_scores, write_score_shard
from dpo_ray.reference.token_report import Dropping
from dpo_ray.reference.tokens import join_tokens, write_token_shard

FOLDER = model_folder("embedded")
DROPPING = Dropping(max_length=512, warnings=WarningsConfig(), test=0.2)
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
    entries = Prepared(cache / "tokens", cache / "scores", cache / "completions", cache / "judged")
    splits = {"train": reviews[:12], "validation": reviews[12:20], "test": reviews[20:]}
    save_rows(cache / "rows", splits)
    shards = plan_shards({name: len(rows) for name, rows in splits.items()}, batch_size=4)
    for shard in shards:
        write_token_shard(cache / "rows", entries.tokens, shard, tokenizer, DROPPING, Ranks())
    join_tokens(entries.tokens, shards, DROPPING)
    for shard in shards:
        write_score_shard(
            entries,
            shard,
            model,
            tokenizer,
            max_length=512,
            dtype="float32",
            batch_size=4,
            ranks=Ranks(),
        )
    join_scores(entries, shards)
    return entries


def save_rows(folder: Path, splits: dict[str, list[dict[str, Any]]]) -> None:
    """Write checked rows as `data.rows` does, but with the splits given."""
    for name, rows in splits.items():
        form = Json() if rows and isinstance(rows[0]["chosen"], list) else Value("string")
        features = Features(
            {**dict.fromkeys(COLUMNS, form), "row": Value("int64"), "prompt_text": Value("string")}
        )
        full = [{**row, "prompt_text": prompt_text(row["prompt"])} for row in rows]
        Dataset.from_list(full, features=features).save_to_disk(str(folder / name))


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

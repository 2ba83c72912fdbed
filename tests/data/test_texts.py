"""What the reference is fine-tuned on: the training pairs' chosen answers, or its own texts."""

import json

import pytest

from dpo_ray.config.data import DataConfig
from dpo_ray.config.reference import SftConfig
from dpo_ray.data.pairs import read_pairs
from dpo_ray.data.prepared import load_dataset
from dpo_ray.data.rows import load_rows
from dpo_ray.data.texts import write_texts
from dpo_ray.errors import DataError

PAIRS = [
    {"prompt": f"Soup {number} was", "chosen": f" good {number}.", "rejected": " bad."}
    for number in range(30)
]


@pytest.fixture
def pairs(tmp_path):
    path = tmp_path / "pairs.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in PAIRS))
    return read_pairs(DataConfig(source=str(path)), tmp_path / "cache").folder


@pytest.fixture
def write(tmp_path, pairs):
    def run(rows=None):
        path = tmp_path / "texts.jsonl"
        if rows is not None:
            path.write_text("".join(json.dumps(row) + "\n" for row in rows))
        source = None if rows is None else str(path)
        return write_texts(SftConfig(source=source), pairs, tmp_path / "cache")

    return run


def test_without_a_source_they_are_the_training_pairs_alone(write, pairs):
    texts = load_dataset(write())
    train = load_rows(pairs, "train")
    assert texts.column_names == ["prompt", "completion"]
    assert list(texts["prompt"]) == list(train["prompt"])
    assert list(texts["completion"]) == list(train["chosen"])
    assert len(texts) < len(PAIRS)


@pytest.mark.parametrize(
    ("row", "columns"),
    [
        ({"prompt": "a", "completion": "b", "id": 1}, ["prompt", "completion"]),
        ({"messages": [{"role": "user", "content": "a"}], "id": 1}, ["messages"]),
        ({"text": "a", "id": 1}, ["text"]),
    ],
)
def test_a_source_of_its_own_may_have_any_form_that_sft_takes(write, row, columns):
    texts = load_dataset(write([row, row]))
    assert (texts.column_names, len(texts)) == (columns, 2)


@pytest.mark.parametrize(
    ("rows", "text"),
    [
        ([{"prompt": "a"}], "reference.sft needs texts in columns prompt and completion"),
        ([{"text": "a"}, {"text": " "}], "row 2: text must not be empty, got ' '"),
        (
            [{"prompt": "a", "completion": "b"}, {"prompt": "a", "completion": None}],
            "row 2: completion must not be empty, got null",
        ),
        ([{"messages": []}], "row 1: messages must not be empty"),
    ],
)
def test_what_cannot_be_learned_from_is_refused_and_leaves_nothing(write, tmp_path, rows, text):
    with pytest.raises(DataError, match=text):
        write(rows)
    assert not list((tmp_path / "cache").glob("texts-*"))


def test_the_same_texts_are_found_again(write):
    assert write([{"text": "a"}]) == write([{"text": "a"}])
    assert write([{"text": "a"}]) != write([{"text": "b"}])

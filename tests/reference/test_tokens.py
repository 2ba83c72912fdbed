"""Rows are tokenized once, as stock TRL would in every trial."""

import json

import datasets
import pytest
from accelerate import DistributedType, PartialState

from dpo_ray.data.prepared import TOKEN_COLUMNS, load_tokens, token_counts
from dpo_ray.errors import DataError
from dpo_ray.reference.tokens import tokenize, write_tokens


@pytest.mark.parametrize(
    ("kind", "max_length"),
    [("reviews", 512), ("reviews", 8), ("conversations", 512), ("conversations", 66)],
)
def test_tokens_are_those_of_a_stock_trainer(kind, max_length, tokenizer, stock_trainer, request):
    rows = request.getfixturevalue(kind)
    ours = tokenize("train", rows, tokenizer, max_length)
    theirs = stock_trainer(rows, max_length).train_dataset
    assert len(ours) > 0
    for column in TOKEN_COLUMNS:
        assert list(ours[column]) == list(theirs[column])


def test_a_review_ends_with_the_end_token_and_an_answer_as_its_template_says(
    reviews, conversations, tokenizer
):
    review = tokenize("train", reviews, tokenizer, 512)[0]
    assert review["chosen_ids"][-1] == tokenizer.eos_token_id
    assert tokenizer.decode(review["prompt_ids"]) == reviews[0]["prompt"]
    answer = tokenize("train", conversations, tokenizer, 512)[0]
    assert tokenizer.decode(answer["chosen_ids"]) == "Very good.<|im_end|>\n"
    assert tokenizer.decode(answer["prompt_ids"]).endswith("<|im_start|>assistant\n")


def test_rows_keep_their_number_and_what_a_judge_reads(reviews, conversations, tokenizer):
    dataset = tokenize("train", reviews[4:6], tokenizer, 512)
    assert dataset.column_names == [*TOKEN_COLUMNS, "row", "prompt_text"]
    assert list(dataset["row"]) == [5, 6]
    assert list(dataset["prompt_text"]) == [row["prompt"] for row in reviews[4:6]]
    spoken = tokenize("train", conversations, tokenizer, 512)
    assert spoken["prompt_text"][0] == "Be brief.\n¿Qué tal el café? \n"


def test_long_prompts_are_dropped_and_cut_completions_counted(reviews, tokenizer, tmp_path):
    lengths = [len(tokenizer(row["prompt"])["input_ids"]) for row in reviews]
    limit = sorted(lengths)[len(lengths) // 2]
    kept = [row for row, length in zip(reviews, lengths, strict=True) if length < limit]
    cut = [
        row
        for row in kept
        if any(
            len(tokenizer(row["prompt"] + row[answer] + "</s>")["input_ids"]) > limit
            for answer in ("chosen", "rejected")
        )
    ]
    assert 0 < len(kept) < len(reviews)
    splits = {"train": reviews, "validation": kept[:1], "test": kept[:1]}
    write_tokens(tmp_path / "entry", splits, tokenizer, limit)
    assert json.loads((tmp_path / "entry" / "counts.json").read_text()) == {
        "train": len(kept),
        "validation": 1,
        "test": 1,
        "prompt_over_max_length": len(reviews) - len(kept),
        "completion_cut": len(cut) + 2 * (kept[0] in cut),
    }


def test_the_entry_holds_every_split_and_its_counts(prepared, reviews):
    assert token_counts(prepared) == {
        "train": 12,
        "validation": 8,
        "test": 4,
        "prompt_over_max_length": 0,
        "completion_cut": 0,
    }
    assert list(load_tokens(prepared, "test")["row"]) == [row["row"] for row in reviews[20:]]


def test_a_split_without_rows_is_refused_and_nothing_is_written(reviews, tokenizer, tmp_path):
    splits = {"train": reviews, "validation": [], "test": reviews}
    with pytest.raises(DataError) as caught:
        write_tokens(tmp_path / "cache" / "entry", splits, tokenizer, 512)
    assert str(caught.value) == (
        "the validation split needs at least one row, but the split has no prompt; "
        "add rows, or change data.validation, data.test or data.max_length"
    )
    assert list(tmp_path.iterdir()) == []


def test_a_split_of_too_long_prompts_is_refused(reviews, tokenizer):
    with pytest.raises(DataError) as caught:
        tokenize("test", reviews, tokenizer, max_length=1)
    assert str(caught.value) == (
        "the test split needs at least one row, but every prompt has data.max_length=1 tokens "
        "or more; add rows, or change data.validation, data.test or data.max_length"
    )


def test_the_process_is_known_as_one_of_a_group_again_afterwards(reviews, tokenizer, monkeypatch):
    """While tokenizing it is not: there is no group here, so a barrier would raise."""
    monkeypatch.setattr(PartialState(), "distributed_type", DistributedType.MULTI_CPU)
    assert isinstance(tokenize("train", reviews, tokenizer, 512), datasets.Dataset)
    assert PartialState().distributed_type is DistributedType.MULTI_CPU

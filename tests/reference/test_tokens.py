"""Rows are tokenized once, as stock TRL would in every trial."""

from dataclasses import replace

import pytest
from accelerate import DistributedType, PartialState

from dpo_ray.data.prepared import (
    REPORT,
    TOKEN_COLUMNS,
    load_dataset,
    load_tokens,
    parts_of,
    token_report,
)
from dpo_ray.data.report import TokenReport
from dpo_ray.data.shards import Shard
from dpo_ray.errors import DataError
from dpo_ray.ranks import Ranks
from dpo_ray.reference.tokenizing import tokenize
from dpo_ray.reference.tokens import join_tokens, write_token_shard
from tests.reference.conftest import DROPPING, save_rows


@pytest.fixture
def write(tokenizer, tmp_path):
    """Tokenize splits, a shard each, into an entry that is not yet put together."""

    def run(splits, dropping=DROPPING):
        save_rows(tmp_path / "rows", splits)
        shards = [Shard(name, 0, len(rows)) for name, rows in splits.items()]
        for shard in shards:
            write_token_shard(
                tmp_path / "rows", tmp_path / "entry", shard, tokenizer, dropping, Ranks()
            )
        return tmp_path / "entry", shards

    return run


@pytest.mark.parametrize(
    ("kind", "max_length"),
    [("reviews", 512), ("reviews", 8), ("conversations", 512), ("conversations", 66)],
)
def test_tokens_are_those_of_a_stock_trainer(kind, max_length, write, stock_trainer, request):
    rows = request.getfixturevalue(kind)
    dropping = replace(DROPPING, max_length=max_length)
    entry, shards = write({"train": rows, "validation": rows, "test": rows}, dropping)
    join_tokens(entry, shards, dropping)
    ours = load_dataset(entry / "train")
    theirs = stock_trainer(rows, max_length).train_dataset
    assert len(ours) > 0
    for column in TOKEN_COLUMNS:
        assert list(ours[column]) == list(theirs[column])


def test_a_review_ends_with_the_end_token_and_an_answer_as_its_template_says(
    reviews, conversations, tokenizer
):
    review = tokenize(with_text(reviews), tokenizer)[0]
    assert review["chosen_ids"][-1] == tokenizer.eos_token_id
    assert tokenizer.decode(review["prompt_ids"]) == reviews[0]["prompt"]
    answer = tokenize(with_text(conversations), tokenizer)[0]
    assert tokenizer.decode(answer["chosen_ids"]) == "Very good.<|im_end|>\n"
    assert tokenizer.decode(answer["prompt_ids"]).endswith("<|im_start|>assistant\n")


def with_text(rows):
    return [{**row, "prompt_text": "read by a judge"} for row in rows]


def test_rows_keep_their_number_and_what_a_judge_reads(reviews, tokenizer):
    rows = tokenize(with_text(reviews[4:6]), tokenizer)
    assert [list(row) for row in rows] == [[*TOKEN_COLUMNS, "row", "prompt_text"]] * 2
    assert [row["row"] for row in rows] == [5, 6]
    assert {row["prompt_text"] for row in rows} == {"read by a judge"}


TOOLS = [{"type": "function", "function": {"name": "weather", "parameters": {}}}]
SHOWS_TOOLS = (
    "{% if tools %}{{ tools[0].function.name }}: {% endif %}"
    "{% for message in messages %}{{ message.role }} {{ message.content }} {% endfor %}"
    "{% if add_generation_prompt %}assistant {% endif %}"
)


@pytest.fixture
def shows_tools(tokenizer, monkeypatch):
    monkeypatch.setattr(tokenizer, "chat_template", SHOWS_TOOLS)
    return tokenizer


def test_tools_and_system_turns_reach_the_chat_template(conversations, shows_tools):
    rows = [
        {**row, "tools": tools} for row, tools in zip(conversations, [TOOLS, None] * 2, strict=True)
    ]
    first, second = (
        shows_tools.decode(row["prompt_ids"]) for row in tokenize(with_text(rows), shows_tools)[:2]
    )
    assert first.startswith("weather: system Be brief. user")
    assert second.startswith("system Be brief. user")


def test_the_row_that_a_template_refuses_is_named(conversations, tokenizer, monkeypatch):
    strict = "{% if messages[0].role == 'tool' %}{{ raise_exception('no tools here') }}{% endif %}x"
    monkeypatch.setattr(tokenizer, "chat_template", strict)
    broken = {**conversations[2], "prompt": [{"role": "tool", "content": "7"}]}
    rows = with_text([*conversations[:2], broken, conversations[3]])
    with pytest.raises(DataError) as caught:
        tokenize(rows, tokenizer)
    assert str(caught.value) == "row 3: cannot be tokenized: no tools here"


def test_conversations_need_a_chat_template(conversations, tokenizer, monkeypatch):
    monkeypatch.setattr(tokenizer, "chat_template", None)
    with pytest.raises(DataError, match="the model's tokenizer has no chat template"):
        tokenize(with_text(conversations), tokenizer)


def test_long_prompts_are_dropped_and_cut_completions_counted(reviews, tokenizer, write):
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
    dropping = replace(DROPPING, max_length=limit, test=0.0)
    entry, shards = write({"train": reviews, "validation": kept[:1]}, dropping)
    join_tokens(entry, shards, dropping)
    assert load_dataset(entry / "train")["row"] == [row["row"] for row in kept]
    report = TokenReport.model_validate_json((entry / REPORT).read_text())
    assert report.rows == {"train": len(kept), "validation": 1}
    assert {found.reason: found.count for found in report.findings} == {
        "long_prompt": len(reviews) - len(kept),
        "cut_completion": len(cut) + (kept[0] in cut),
    }


def test_the_entry_holds_every_split_and_its_report(prepared, reviews):
    assert token_report(prepared).rows == {"train": 12, "validation": 8, "test": 4}
    assert token_report(prepared).findings == []
    assert list(load_tokens(prepared, "test")["row"]) == [row["row"] for row in reviews[20:]]
    assert not parts_of(prepared.tokens).exists()


def test_a_split_without_rows_is_refused_and_nothing_is_put_together(reviews, write):
    entry, shards = write({"train": reviews, "test": reviews})
    with pytest.raises(DataError) as caught:
        join_tokens(entry, shards, DROPPING)
    assert str(caught.value) == (
        "the validation split needs at least one row, but the split has no prompt; "
        "add rows, or change data.validation, data.test or data.max_length"
    )
    assert not entry.exists()


def test_a_shard_of_too_long_prompts_keeps_its_counts(reviews, write):
    dropping = replace(DROPPING, max_length=2)
    entry, shards = write({"train": reviews}, dropping)
    with pytest.raises(DataError) as caught:
        join_tokens(entry, shards, dropping)
    assert str(caught.value) == (
        "the train split needs at least one row, but every prompt has data.max_length=2 tokens "
        "or more; add rows, or change data.validation, data.test or data.max_length"
    )


def test_the_process_is_known_as_one_of_a_group_again_afterwards(reviews, tokenizer, monkeypatch):
    """While tokenizing it is not: there is no group here, so a barrier would raise."""
    monkeypatch.setattr(PartialState(), "distributed_type", DistributedType.MULTI_CPU)
    assert tokenize(with_text(reviews), tokenizer)
    assert PartialState().distributed_type is DistributedType.MULTI_CPU

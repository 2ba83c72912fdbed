"""The opponent: the reference's own completions, judged once and read by every trial."""

from dataclasses import replace

import pytest

from dpo_ray.data.prepared import (
    evaluation_prompts,
    load_tokens,
    parts_of,
    reference_metrics_of,
)
from dpo_ray.data.shards import Shard
from dpo_ray.errors import JudgingFailed
from dpo_ray.evaluation.baseline import MAIN, Prompt
from dpo_ray.evaluation.judges import ScalarJudge, vader
from dpo_ray.evaluation.judging import Judgement, outcome_of
from dpo_ray.evaluation.sampling import Decoding, sample_completions
from dpo_ray.evaluation.win_rate import win_rate
from dpo_ray.ranks import Ranks
from dpo_ray.reference.completions import (
    PARTS,
    join_completions,
    load_samples,
    write_completion_shard,
)
from dpo_ray.reference.opponent import join_judged, load_baseline, write_judged_shard

DECODING = Decoding(max_new_tokens=16, batch_size=4)
SHARDS = [Shard(part, start, start + 4) for part in PARTS for start in (0, 4)]


@pytest.fixture(scope="module")
def written(prepared, model, tokenizer):
    assert not prepared.complete
    for shard in reversed(SHARDS):  # workers finish in any order
        write_completion_shard(
            prepared, shard, model, tokenizer, count=6, decoding=DECODING, ranks=Ranks()
        )
    join_completions(prepared, SHARDS)
    judge(prepared, {MAIN: ScalarJudge(vader, tie=0.05)})
    return prepared


def judge(prepared, judges):
    """Judge in two shards, the second one first."""
    rows = prepared.tokens.with_name("rows")
    shards = [Shard("again", 0, 4), Shard("again", 4, 6)]
    for shard in reversed(shards):
        write_judged_shard(prepared, rows, shard, count=6, judges=judges, ranks=Ranks())
    join_judged(prepared, rows, shards, count=6, judges=judges)


def test_prompts_are_the_first_distinct_ones(prepared):
    rows = load_tokens(prepared, "validation").to_list()
    ids, texts = evaluation_prompts(prepared, count=100)
    assert len(ids) == len(texts) == len({row["prompt_text"] for row in rows})
    few, _ = evaluation_prompts(prepared, count=3)
    assert few == ids[:3]
    assert ids[0] == rows[0]["prompt_ids"]
    assert texts[0] == rows[0]["prompt_text"]


def test_the_preparation_is_then_complete(written):
    assert written.complete


def test_shards_draw_what_one_worker_would_draw(written, model, tokenizer):
    prompts, _ = evaluation_prompts(written, 6)
    whole = sample_completions(model, tokenizer, prompts, DECODING, Ranks())
    assert load_samples(written, "baseline") == whole
    assert load_samples(written, "again") != whole


def test_the_opponent_is_read_back_as_it_was_judged(written):
    baseline = load_baseline(written)
    ids, texts = evaluation_prompts(written, 6)
    assert [prompt.ids for prompt in baseline.prompts] == ids
    assert [prompt.text for prompt in baseline.prompts] == texts
    assert [prompt.content for prompt in baseline.prompts] == texts
    assert all(prompt.chosen != prompt.rejected for prompt in baseline.prompts)
    assert baseline.scores == {MAIN: vader(baseline.prompts, baseline.completions)}
    assert all(0 < length <= 16 for length in baseline.lengths)


class SaysNothing:
    """A judge that only compares, and finds no words for some of it."""

    scores, max_failed = False, 0.5

    def __init__(self, failed: int) -> None:
        self.left = failed

    def compare(self, comparisons):
        found = []
        for _ in comparisons:
            self.left -= 1
            found.append(Judgement(None, reason="busy") if self.left >= 0 else Judgement(1.0))
        return found


def test_what_could_not_be_judged_is_counted_over_all_shards(written, tmp_path):
    elsewhere = replace(written, judged=tmp_path / "judged")
    judge(elsewhere, {MAIN: SaysNothing(3)})  # 2 of the first shard, 1 of the other
    assert reference_metrics_of(elsewhere)["eval/win_rate"] == 1.0
    again = replace(written, judged=tmp_path / "again")
    with pytest.raises(JudgingFailed, match=r"4 of 6 .* \(67 %; .*max_failed allows 50 %\): busy"):
        judge(again, {MAIN: SaysNothing(4)})
    assert not again.judged.exists()
    assert not parts_of(again.judged).exists(), "a later run would not ask again"


def test_the_references_own_row_stands_still(written):
    row, baseline = reference_metrics_of(written), load_baseline(written)
    assert (row["eval/kl"], row["eval/logratio_margin"], row["eval/accuracy"]) == (0, 0, 0.5)
    scores = baseline.scores[MAIN]
    assert row["eval/gold_reward"] == sum(scores) / len(scores)
    assert row["eval/length"] == sum(baseline.lengths) / len(baseline.lengths)
    assert row["eval/length_ratio"] == 1.0


def test_the_reference_is_even_with_a_second_sample_of_itself(model, tokenizer):
    """The A/A check: judge, decoding and interval together are fair to equals."""
    texts = ["The soup", "This film has a very", "I thought the", "Yesterday"] * 64
    prompts = [tokenizer(text)["input_ids"] for text in texts]
    asked = [Prompt(row, [], text, text, "", "") for row, text in enumerate(texts)]
    first, second = (
        vader(asked, [sample.text for sample in samples])
        for samples in (
            sample_completions(model, tokenizer, prompts, Decoding(16, seed=seed), Ranks())
            for seed in (0, 1)
        )
    )
    both = zip(second, first, strict=True)
    even = win_rate([outcome_of(ours, theirs, 0.05) for ours, theirs in both])
    assert even.low <= 0.5 <= even.high
    assert even.high - even.low < 0.15

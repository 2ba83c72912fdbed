"""Two processes of one group do a job as one process would."""

from dataclasses import asdict

import pytest

from dpo_ray.evaluation.logps import collator_for
from dpo_ray.evaluation.sampling import Decoding, sample_completions
from dpo_ray.ranks import Ranks
from dpo_ray.reference.model import scoring_head
from dpo_ray.reference.scores import score_rows


def test_one_rank_needs_no_group():
    alone = Ranks()
    assert alone.first
    assert alone.share("abc") == alone.collect("abc") == ["a", "b", "c"]
    assert alone.agree("said by 0") == "said by 0"


@pytest.mark.parametrize("count", range(8))
def test_every_item_is_shared_out_once(count):
    parts = [Ranks(rank, 3).share(range(count)) for rank in range(3)]
    assert sorted(item for part in parts for item in part) == list(range(count))
    assert max(map(len, parts)) - min(map(len, parts)) <= 1


def test_collecting_undoes_sharing_on_every_rank(two_ranks):
    for rank, seen in enumerate(two_ranks):
        assert seen["mine"] == [Ranks(rank, 2).share(range(count)) for count in range(6)]
        assert seen["collected"] == [[10 * item for item in range(count)] for count in range(6)]


def test_all_ranks_agree_on_what_the_first_one_says(two_ranks):
    assert [seen["agreed"] for seen in two_ranks] == ["said by 0"] * 2


def test_one_rank_tokenizes_while_the_others_wait_elsewhere(two_ranks):
    assert len(two_ranks[0]["tokens"]) == 9
    assert two_ranks[0]["tokens"] == two_ranks[1]["tokens"]


def test_completions_are_the_same_whichever_rank_draws_them(two_ranks, model, tokenizer):
    prompts = [row["prompt_ids"] for row in two_ranks[0]["tokens"]]
    decoding = Decoding(max_new_tokens=8, batch_size=2)
    alone = sample_completions(model, tokenizer, prompts, decoding, Ranks())
    for seen in two_ranks:
        assert seen["samples"] == [asdict(sample) for sample in alone]


def test_scores_are_the_same_whichever_rank_computes_them(two_ranks, model, tokenizer):
    with scoring_head(model):
        alone = score_rows(model, two_ranks[0]["tokens"], collator_for(tokenizer, 512), 2, Ranks())
    for seen in two_ranks:
        assert [tuple(pair) for pair in seen["scores"]] == alone

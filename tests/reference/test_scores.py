"""Stored scores are what a trial would compute for itself, to the bit."""

import pytest
import torch

from dpo_ray.data.prepared import SCORE_COLUMNS, load_scored, load_tokens
from dpo_ray.data.split import SPLITS
from dpo_ray.evaluation.logps import collator_for
from dpo_ray.ranks import Ranks
from dpo_ray.reference.model import autocast, scoring_head
from dpo_ray.reference.scores import score_rows


@pytest.fixture(scope="module")
def score(model, tokenizer):
    def run(rows, batch_size, max_length=512):
        with scoring_head(model):
            return score_rows(model, rows, collator_for(tokenizer, max_length), batch_size, Ranks())

    return run


def stock_scores(trainer, batch_size):
    """Score a stock trainer's own rows in order with its own reference."""
    rows = trainer.train_dataset.to_list()
    found = []
    for start in range(0, len(rows), batch_size):
        batch = trainer.data_collator(rows[start : start + batch_size])
        chosen, rejected = trainer.compute_ref_log_probs(trainer.model, batch)
        found += zip(chosen.tolist(), rejected.tolist(), strict=True)
    return found


@pytest.mark.parametrize("max_length", [512, 16])
@pytest.mark.parametrize("batch_size", [4, 5])
def test_scores_of_equal_batches_are_a_stock_trainers_to_the_bit(
    reviews, prepared, stock_trainer, score, batch_size, max_length
):
    theirs = stock_scores(stock_trainer(reviews[:12], max_length), batch_size)
    ours = score(load_tokens(prepared, "train").to_list(), batch_size, max_length)
    assert ours == theirs


def test_the_stored_columns_hold_the_scores_as_they_were(prepared, score):
    for split in SPLITS:
        stored = load_scored(prepared, split)
        assert stored.features["ref_chosen_logps"].dtype == "float32"
        pairs = list(zip(*(stored[column] for column in SCORE_COLUMNS), strict=True))
        assert pairs == score(load_tokens(prepared, split).to_list(), batch_size=4)


@pytest.mark.parametrize("batch_size", [1, 3, 12])
def test_scores_of_other_batches_differ_by_rounding_only(prepared, score, batch_size):
    rows = load_tokens(prepared, "train").to_list()
    ours = torch.tensor(score(rows, batch_size))
    assert (ours - torch.tensor(score(rows, 4))).abs().max() < 1e-4


def test_scores_are_sums_over_the_completions_tokens(prepared, model, score):
    rows = load_tokens(prepared, "test").to_list()
    for row, (chosen, _) in zip(rows, score(rows, 4), strict=True):
        ids = row["prompt_ids"] + row["chosen_ids"]
        with torch.no_grad():
            log_p = model(input_ids=torch.tensor([ids])).logits[0].log_softmax(-1)
        first = len(row["prompt_ids"])
        steps = range(first - 1, len(ids) - 1)
        assert chosen == pytest.approx(log_p[steps, ids[first:]].sum().item(), abs=1e-3)


def test_no_tokens_are_scored_beyond_the_limit(prepared, score):
    rows = load_tokens(prepared, "train").to_list()
    whole, cut = (torch.tensor(score(rows, 4, limit)) for limit in (512, 16))
    assert (cut >= whole - 1e-4).all()
    assert (cut > whole + 1).any()


def test_the_scoring_head_leaves_the_model_as_it_was(model):
    ids = torch.tensor([[5, 6, 7, 8]])
    forward, before = model.forward, model(input_ids=ids).logits
    with scoring_head(model):
        assert model.forward != forward
    assert model.forward == forward
    assert "forward" not in model.__dict__
    assert torch.equal(model(input_ids=ids).logits, before)


def test_an_error_while_scoring_leaves_the_model_as_it_was_too(model):
    with pytest.raises(KeyError), scoring_head(model):
        raise KeyError
    assert "forward" not in model.__dict__


def test_only_bfloat16_is_computed_under_autocast():
    matrix, cpu = torch.ones(2, 2), torch.device("cpu")
    with autocast("float32", cpu):
        assert (matrix @ matrix).dtype == torch.float32
    with autocast("bfloat16", cpu):
        assert (matrix @ matrix).dtype == torch.bfloat16

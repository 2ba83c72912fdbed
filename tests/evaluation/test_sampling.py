"""Completions are the policy's own, seeded by themselves, cut where they end."""

import pytest
import torch

from dpo_ray.evaluation.sampling import Decoding, left_pad, sample_completions
from dpo_ray.ranks import Ranks


def draw(model, tokenizer, prompts, **decoding):
    settings = Decoding(**{"max_new_tokens": 16, "batch_size": 64, **decoding})
    return sample_completions(model, tokenizer, prompts, settings, Ranks())


@pytest.mark.parametrize(
    ("temperature", "top_p", "pure"), [(1.0, 1.0, True), (0.7, 1.0, False), (1.0, 0.9, False)]
)
def test_only_untempered_unfiltered_sampling_is_pure(temperature, top_p, pure):
    assert Decoding(16, temperature=temperature, top_p=top_p).pure is pure


def test_a_completion_ends_with_the_end_token_or_at_the_limit(model, tokenizer, prompts):
    samples = draw(model, tokenizer, prompts * 12)
    end = tokenizer.eos_token_id
    assert {sample.ended for sample in samples} == {True, False}
    for sample in samples:
        assert sample.ended == (sample.ids[-1] == end)
        assert end not in sample.ids[:-1]
        assert len(sample.ids) == 16 or sample.ended
        assert sample.text == tokenizer.decode(sample.ids, skip_special_tokens=True)


def test_draws_follow_from_the_seed_and_not_from_the_random_state(model, tokenizer, prompts):
    torch.manual_seed(1)
    one = draw(model, tokenizer, prompts, seed=3)
    torch.manual_seed(2)
    assert draw(model, tokenizer, prompts, seed=3) == one
    assert draw(model, tokenizer, prompts, seed=4) != one


def test_the_random_state_of_the_training_is_left_as_it_was(model, tokenizer, prompts):
    before = torch.get_rng_state()
    draw(model, tokenizer, prompts)
    assert torch.equal(torch.get_rng_state(), before)


def test_a_batchs_draws_do_not_depend_on_the_batches_before_it(model, tokenizer, prompts):
    four = prompts[:4]
    both = draw(model, tokenizer, [*four, *four], batch_size=4)
    other = draw(model, tokenizer, [*reversed(four), *four], batch_size=4)
    assert both[4:] == other[4:]
    assert both[:4] != both[4:]


def test_prompts_are_answered_in_order(model, tokenizer, prompts):
    """Near temperature 0 a prompt has one answer, wherever in whatever batch it stands."""
    alone = [draw(model, tokenizer, [prompt], temperature=1e-3)[0] for prompt in prompts]
    assert draw(model, tokenizer, prompts, temperature=1e-3, batch_size=2) == alone
    assert len({sample.text for sample in alone}) > 1


def test_a_pure_sample_is_drawn_from_the_whole_vocabulary(model, tokenizer):
    """Shares of 4,000 draws are those the model gives, below its fifty likeliest tokens too."""
    # After words of no review the model is unsure: a fifth lies beyond the fifty likeliest.
    count, prompt = 4_000, tokenizer("hello Why")["input_ids"]
    samples = draw(model, tokenizer, [prompt] * count, max_new_tokens=1, batch_size=2_000)
    drawn = torch.bincount(torch.tensor([sample.ids[0] for sample in samples]), minlength=768)
    with torch.no_grad():
        p = model(input_ids=torch.tensor([prompt])).logits[0, -1].softmax(-1)
    by_rank = p.argsort(descending=True)
    for group in (by_rank[:1], by_rank[1:5], by_rank[5:50], by_rank[50:]):
        share, truth = drawn[group].sum().item() / count, p[group].sum().item()
        assert abs(share - truth) <= 3 * (truth * (1 - truth) / count) ** 0.5 + 1e-3


def test_rows_are_padded_on_the_left():
    ids, mask = left_pad([[5], [6, 7, 8]], 0, torch.device("cpu"))
    assert ids.tolist() == [[0, 0, 5], [6, 7, 8]]
    assert mask.tolist() == [[0, 0, 1], [1, 1, 1]]

import torch

from dpo_ray.demo.sampling import sample_completions

PROMPTS = ["The soup", "This film has a very", "I thought the"] * 20


def test_the_shipped_model_mostly_ends_by_itself(model, tokenizer):
    written = sample_completions(model, tokenizer, PROMPTS, seed=0)
    assert sum(completion.finished for completion in written) / len(written) > 0.9


def test_completions_begin_with_the_space_that_parts_them_from_the_prompt(model, tokenizer):
    written = sample_completions(model, tokenizer, PROMPTS, seed=0)
    assert sum(completion.text.startswith(" ") for completion in written) / len(written) > 0.9


def test_samples_depend_on_their_seed_alone(model, tokenizer):
    one = sample_completions(model, tokenizer, PROMPTS, seed=0)
    torch.rand(1)
    state = torch.get_rng_state()
    assert sample_completions(model, tokenizer, PROMPTS, seed=0) == one
    assert sample_completions(model, tokenizer, PROMPTS, seed=1) != one
    assert torch.equal(torch.get_rng_state(), state)

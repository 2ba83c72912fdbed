"""Both estimates of the KL are right on average, and the one we report varies less."""

import itertools
from contextlib import contextmanager, nullcontext
from functools import partial

import pytest
import torch
from peft import LoraConfig, get_peft_model

from dpo_ray.evaluation.kl import drawn_log_ratio, kl_of_samples, rao_blackwell_kl
from dpo_ray.evaluation.sampling import Decoding, sample_completions
from dpo_ray.ranks import Ranks
from dpo_ray.reference.model import load_model, model_folder

END, VOCABULARY, STEPS = 0, 4, 3


class EverySequence:
    """All completions of a tiny language of up to three tokens, and two models' views of them."""

    def __init__(self, seed: int) -> None:
        generator = torch.Generator().manual_seed(seed)
        self.sequences = [
            ids
            for length in range(1, STEPS + 1)
            for ids in itertools.product(range(VOCABULARY), repeat=length)
            if END not in ids[:-1] and (ids[-1] == END or length == STEPS)
        ]
        prefixes = {ids[:step] for ids in self.sequences for step in range(len(ids))}
        tables = [
            {prefix: torch.randn(VOCABULARY, generator=generator) for prefix in sorted(prefixes)}
            for _ in range(2)
        ]
        self.policy, self.reference = (self._logits(table) for table in tables)
        rows = [list(ids) + [END] * (STEPS - len(ids)) for ids in self.sequences]
        self.ids = torch.tensor(rows)
        lengths = torch.tensor([len(ids) for ids in self.sequences])
        self.mask = (torch.arange(STEPS) < lengths.unsqueeze(1)).long()

    def _logits(self, table: dict[tuple[int, ...], torch.Tensor]) -> torch.Tensor:
        # What stands behind a completion's end must not count: large numbers would show.
        filler = torch.tensor([50.0] + [-50.0] * (VOCABULARY - 1))
        return torch.stack(
            [
                torch.stack(
                    [table[ids[:step]] if step < len(ids) else filler for step in range(STEPS)]
                )
                for ids in self.sequences
            ]
        )

    def log_probabilities(self, logits: torch.Tensor) -> torch.Tensor:
        drawn = logits.double().log_softmax(-1).gather(-1, self.ids.unsqueeze(-1)).squeeze(-1)
        return (drawn * self.mask).sum(-1)


@pytest.fixture(params=range(5))
def language(request: pytest.FixtureRequest) -> EverySequence:
    return EverySequence(request.param)


def test_every_sequence_is_there(language):
    total = language.log_probabilities(language.policy).exp().sum().item()
    assert total == pytest.approx(1.0, abs=1e-6)


def test_both_estimates_have_the_exact_kl_as_their_mean_and_ours_the_smaller_variance(language):
    log_p = language.log_probabilities(language.policy)
    p = log_p.exp()
    exact = (p * (log_p - language.log_probabilities(language.reference))).sum()
    ours = rao_blackwell_kl(language.policy, language.reference, language.mask)
    plain = drawn_log_ratio(language.policy, language.reference, language.ids, language.mask)
    assert (p * ours).sum().item() == pytest.approx(exact.item(), abs=1e-5)
    assert (p * plain).sum().item() == pytest.approx(exact.item(), abs=1e-5)
    assert (ours >= 0).all()
    variances = [(p * (estimate - exact) ** 2).sum().item() for estimate in (ours, plain)]
    assert variances[0] < variances[1]


def test_a_policy_is_at_no_distance_from_itself(language):
    ours = rao_blackwell_kl(language.policy, language.policy, language.mask)
    plain = drawn_log_ratio(language.policy, language.policy, language.ids, language.mask)
    assert not ours.any()
    assert not plain.any()


@pytest.fixture(scope="module")
def moved():
    """The embedded model under an adapter that changes it."""
    base = load_model(model_folder("embedded"), "float32", torch.device("cpu"))
    torch.manual_seed(0)
    shape = LoraConfig(
        r=4,
        lora_alpha=1,
        target_modules="all-linear",
        init_lora_weights=False,
        task_type="CAUSAL_LM",
    )
    return get_peft_model(base, shape).eval()


@contextmanager
def without_adapter(model):
    with model.disable_adapter():
        yield model


def _one_by_one(model, prompt, completion):
    """Log-probabilities over the vocabulary at each completion step, without any padding."""
    with torch.no_grad():
        logits = model(input_ids=torch.tensor([prompt + completion])).logits[0]
    return logits[len(prompt) - 1 : -1].log_softmax(-1)


def test_a_padded_batch_gives_what_each_sequence_gives_alone(moved, tokenizer, prompts):
    decoding = Decoding(max_new_tokens=24, batch_size=len(prompts))
    samples = sample_completions(moved, tokenizer, prompts, decoding, Ranks())
    completions = [sample.ids for sample in samples]
    assert len({len(ids) for ids in completions}) > 2
    base = partial(without_adapter, moved)
    ours, plain = kl_of_samples(moved, base, prompts, completions, tokenizer.pad_token_id)
    for index, (prompt, ids) in enumerate(zip(prompts, completions, strict=True)):
        policy = _one_by_one(moved, prompt, ids)
        with moved.disable_adapter():
            reference = _one_by_one(moved, prompt, ids)
        exact = (policy.exp() * (policy - reference)).sum().item()
        drawn = (policy - reference)[range(len(ids)), ids].sum().item()
        assert ours[index] == pytest.approx(exact, abs=1e-4)
        assert plain[index] == pytest.approx(drawn, abs=1e-4)
    assert sum(ours) > 0.1


def test_the_reference_may_be_another_model(moved, model, tokenizer, prompts):
    completions = [[7, 8, tokenizer.eos_token_id]] * len(prompts)
    both = [
        kl_of_samples(moved, context, prompts, completions, tokenizer.pad_token_id)
        for context in (partial(without_adapter, moved), partial(nullcontext, model))
    ]
    # Two models of equal weights differ by float32 rounding where MKL picks its kernels by where
    # memory lies (AVX-512); with MKL_CBWR=AVX2 they are equal to the bit.
    for adapter_off, other in zip(*both, strict=True):
        assert adapter_off == pytest.approx(other, abs=1e-4)


def test_the_reference_is_at_no_distance_from_itself(model, tokenizer, prompts):
    completions = [[7, 8, tokenizer.eos_token_id]] * len(prompts)
    itself = partial(nullcontext, model)
    ours, plain = kl_of_samples(model, itself, prompts, completions, tokenizer.pad_token_id)
    assert ours == plain == [0.0] * len(prompts)

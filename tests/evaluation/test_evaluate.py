"""An evaluation is one flat set of numbers, whatever is asked and whoever asks."""

import json
import math
from contextlib import nullcontext
from dataclasses import replace

import pytest

from dpo_ray.errors import JudgingFailed
from dpo_ray.evaluation.baseline import MAIN, Baseline, Prompt
from dpo_ray.evaluation.evaluate import Evaluator, Loss
from dpo_ray.evaluation.judges import ScalarJudge, vader
from dpo_ray.evaluation.judging import Judgement
from dpo_ray.evaluation.logps import collator_for
from dpo_ray.evaluation.sampling import Decoding, sample_completions
from dpo_ray.ranks import Ranks
from dpo_ray.reference.model import model_folder, scoring_head
from dpo_ray.reference.scores import score_rows
from dpo_ray.reference.tokenizing import tokenize


@pytest.fixture(scope="module")
def evaluator(model, tokenizer, prompts, texts):
    lines = (model_folder("embedded").parent / "pairs.jsonl").read_text().splitlines()[:10]
    pairs = tokenize([numbered(json.loads(line), row) for row, line in enumerate(lines)], tokenizer)
    collator, decoding = collator_for(tokenizer, 512), Decoding(12, batch_size=4)
    with scoring_head(model):
        scores = score_rows(model, pairs, collator, 4, Ranks())
    for row, (chosen, rejected) in zip(pairs, scores, strict=True):
        row.update(ref_chosen_logps=chosen, ref_rejected_logps=rejected)
    said = [
        sample.text for sample in sample_completions(model, tokenizer, prompts, decoding, Ranks())
    ]
    asked = [
        Prompt(row, ids, text, text, "", "")
        for row, (ids, text) in enumerate(zip(prompts, texts, strict=True))
    ]
    scores = {MAIN: vader(asked, said)}
    return Evaluator(
        pairs=pairs,
        baseline=Baseline(asked, said, [10] * len(said), scores, signs={}),
        decoding=decoding,
        judges={MAIN: ScalarJudge(vader, 0.05)},
        tokenizer=tokenizer,
        collator=collator,
        ranks=Ranks(),
    )


def numbered(pair, row):
    return {**pair, "row": row, "prompt_text": pair["prompt"]}


@pytest.fixture(scope="module")
def evaluation(evaluator, model):
    with scoring_head(model):
        return evaluator(model, lambda: nullcontext(model), Loss(0.1))


@pytest.fixture(scope="module")
def metrics(evaluation):
    return evaluation.metrics


def test_every_number_has_its_one_name(metrics):
    assert set(metrics) == {
        f"eval/{name}"
        for name in (
            "win_rate", "win_rate_low", "win_rate_high", "gold_reward", "gold_reward_low",
            "gold_reward_high", "kl", "kl_low", "kl_high", "kl_k1",
            "logratio_margin", "rewards/margins", "rewards/chosen", "rewards/rejected",
            "accuracy", "logps/chosen", "logps/rejected", "logratio/chosen", "logratio/rejected",
            "displacement/both_falling", "displacement/chosen_falling", "dpo_weight/mean",
            "dpo_weight/saturated", "dpo_weight/effective_sample_size", "loss", "length",
            "length_ratio", "logratio_margin_per_token", "repetition", "distinct_2", "eos_rate",
            "truncated", "win_rate_length_controlled",
        )
    }  # fmt: skip
    assert all(math.isfinite(value) for value in metrics.values())


def test_the_reference_judged_against_itself_has_moved_nowhere(metrics):
    """The same seed draws the same completions, so every comparison is a tie."""
    assert metrics["eval/win_rate"] == metrics["eval/accuracy"] == 0.5
    assert metrics["eval/kl"] == metrics["eval/kl_k1"] == 0.0
    assert metrics["eval/logratio_margin"] == metrics["eval/rewards/margins"] == 0.0
    assert metrics["eval/loss"] == pytest.approx(math.log(2), abs=1e-7)
    assert metrics["eval/length_ratio"] == metrics["eval/length"] / 10


def test_the_batch_size_does_not_move_the_pairs_numbers(evaluator, model, metrics):
    whole = replace(evaluator, decoding=replace(evaluator.decoding, batch_size=64))
    with scoring_head(model):
        other = whole(model, lambda: nullcontext(model), Loss(0.1)).metrics
    assert other["eval/logps/chosen"] == pytest.approx(metrics["eval/logps/chosen"], abs=1e-4)
    assert other["eval/logratio_margin"] == pytest.approx(0.0, abs=1e-4)


@pytest.mark.parametrize("training", [True, False])
def test_the_model_goes_on_in_the_mode_it_was_in(evaluator, model, training):
    model.train(training)
    with scoring_head(model):
        evaluator(model, lambda: nullcontext(model), Loss(0.1))
    assert model.training is training
    model.eval()


def test_every_pair_and_every_prompt_has_its_row(evaluation, evaluator, metrics):
    examples, completions = evaluation.examples.to_pydict(), evaluation.completions.to_pydict()
    assert examples["row"] == [pair["row"] for pair in evaluator.pairs]
    assert examples["weight"] == [0.5] * len(evaluator.pairs)
    assert sum(examples["margin"]) == metrics["eval/logratio_margin"] == 0.0
    assert completions["prompt"] == [prompt.text for prompt in evaluator.baseline.prompts]
    assert completions["policy"] == completions["reference"] == evaluator.baseline.completions
    assert set(completions["verdict"]) == {"tie"}
    assert completions["policy_score"] == completions["reference_score"]


class Unfit:
    """A judge that compares, contradicts itself once, and cannot judge the first prompts."""

    scores, max_failed = False, 1.0

    def __init__(self, failing: int) -> None:
        self.failing = failing

    def score(self, prompts, completions):
        raise AssertionError("it only compares")

    def compare(self, comparisons):
        answers = [Judgement(1.0, consistent=True) for _ in comparisons]
        answers[-1] = Judgement(0.5, consistent=False)
        answers[: self.failing] = [Judgement(None, reason="no answer in 1 s")] * self.failing
        return answers


def test_further_judges_have_names_of_their_own_and_lose_nothing_silently(evaluator, model):
    both = replace(evaluator, judges={**evaluator.judges, "gpt": Unfit(2)})
    with scoring_head(model):
        found = both(model, lambda: nullcontext(model), Loss(0.1))
    assert found.metrics["eval/gpt/win_rate"] == pytest.approx((1 + 1 + 0.5) / 3)
    assert found.metrics["eval/gpt/judge_failed"] == 2 / 5
    assert found.metrics["eval/gpt/judge_consistency"] == pytest.approx(2 / 3)
    assert found.metrics["eval/win_rate"] == 0.5
    assert found.completions["gpt/outcome"].to_pylist() == [None, None, 1.0, 1.0, 0.5]


def test_a_judge_that_judges_nothing_fails_the_evaluation(evaluator, model):
    nothing = replace(evaluator, judges={MAIN: Unfit(5)})
    with scoring_head(model), pytest.raises(JudgingFailed, match="no answer in 1 s"):
        nothing(model, lambda: nullcontext(model), Loss(0.1))

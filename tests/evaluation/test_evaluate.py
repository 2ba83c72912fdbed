"""An evaluation is one flat set of numbers, whatever is asked and whoever asks."""

import json
import math
from contextlib import nullcontext
from dataclasses import replace

import pytest

from dpo_ray.evaluation.baseline import MAIN, Baseline, Prompt
from dpo_ray.evaluation.evaluate import Evaluator
from dpo_ray.evaluation.judges import ScalarJudge, vader
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
def metrics(evaluator, model):
    with scoring_head(model):
        return evaluator(model, lambda: nullcontext(model), beta=0.1)


def test_every_number_has_its_one_name(metrics):
    assert set(metrics) == {
        f"eval/{name}"
        for name in (
            "win_rate", "win_rate_low", "win_rate_high", "gold_reward", "kl", "kl_k1",
            "logratio_margin", "rewards/margins", "rewards/chosen", "rewards/rejected",
            "accuracy", "logps/chosen", "logps/rejected", "logratio/chosen", "logratio/rejected",
            "displacement/both_falling", "dpo_weight/mean", "loss", "length", "length_ratio",
            "repetition", "truncated",
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
        other = whole(model, lambda: nullcontext(model), beta=0.1)
    assert other["eval/logps/chosen"] == pytest.approx(metrics["eval/logps/chosen"], abs=1e-4)
    assert other["eval/logratio_margin"] == pytest.approx(0.0, abs=1e-4)


@pytest.mark.parametrize("training", [True, False])
def test_the_model_goes_on_in_the_mode_it_was_in(evaluator, model, training):
    model.train(training)
    with scoring_head(model):
        evaluator(model, lambda: nullcontext(model), beta=0.1)
    assert model.training is training
    model.eval()

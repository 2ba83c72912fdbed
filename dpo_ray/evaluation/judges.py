"""The judges a sweep may name."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from dpo_ray.config.evaluation import EvaluationConfig
from dpo_ray.config.judging import BUILT_IN, JudgeConfig, RewardJudge, RewardModelJudge
from dpo_ray.evaluation.baseline import MAIN, Prompt
from dpo_ray.evaluation.judging import Comparison, Judge, Judgement, Judging, outcome_of

if TYPE_CHECKING:
    import torch

Scorer = Callable[[Sequence[Prompt], Sequence[str]], list[float]]


@dataclass(frozen=True)
class ScalarJudge:
    """A judge that scores completions one by one; the higher score wins."""

    scorer: Scorer
    tie: float
    scores: bool = True
    max_failed: float = 0.0

    def score(self, prompts: Sequence[Prompt], completions: Sequence[str]) -> list[float]:
        """Return one score for each completion."""
        return self.scorer(prompts, completions)

    def compare(self, comparisons: Sequence[Comparison]) -> list[Judgement]:
        """Compare scores; a baseline's that is not known is computed."""
        prompts = [each.prompt for each in comparisons]
        ours = self.score(prompts, [each.completion for each in comparisons])
        known = [each.baseline_score for each in comparisons]
        if None in known:
            known = list(self.score(prompts, [each.baseline for each in comparisons]))
        return [
            Judgement(outcome_of(our, float(their or 0.0), self.tie), our)
            for our, their in zip(ours, known, strict=True)
        ]


@cache
def _analyzer() -> Any:
    from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer

    return SentimentIntensityAnalyzer()


def vader(prompts: Sequence[Prompt], completions: Sequence[str]) -> list[float]:
    """Score prompt + completion by VADER's compound sentiment, from -1 to 1.

    The embedded pairs were labelled by this very score, so on them it is the gold reward.
    """
    return [
        float(_analyzer().polarity_scores(prompt.text + completion)["compound"])
        for prompt, completion in zip(prompts, completions, strict=True)
    ]


def build_judges(
    evaluation: EvaluationConfig, judging: Judging, device: "torch.device | str"
) -> dict[str, Judge]:
    """Return the sweep's judges by name; MAIN is the one behind `win_rate`.

    Raises:
        ConfigError: a function is not there.
    """
    return {
        name: _build(name, judge, judging, device)
        for name, judge in configured_judges(evaluation).items()
    }


def configured_judges(evaluation: EvaluationConfig) -> dict[str, JudgeConfig]:
    """Return all judges' settings by name."""
    return {MAIN: evaluation.judge, **evaluation.further_judges}


def _build(name: str, judge: JudgeConfig, judging: Judging, device: "torch.device | str") -> Judge:
    """What only one family needs is imported for that family."""
    if isinstance(judge, RewardJudge):
        if judge.function in BUILT_IN:
            return ScalarJudge(vader, judge.tie)
        from dpo_ray.evaluation.reward_function import function_scorer

        return ScalarJudge(function_scorer(judge.function), judge.tie)
    if isinstance(judge, RewardModelJudge):
        from dpo_ray.evaluation.reward_model import reward_model_scorer

        return ScalarJudge(reward_model_scorer(judge, judging.models[name], device), judge.tie)
    from dpo_ray.evaluation.llm_judge import build_llm_judge

    assert judging.calls is not None
    assert judging.answers is not None
    return build_llm_judge(judge, judging.calls / (name or "judge"), judging.answers)

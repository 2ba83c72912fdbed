"""All judges asked about all completions, and what their answers add up to."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

from dpo_ray.errors import JudgingFailed
from dpo_ray.evaluation.baseline import MAIN, Baseline
from dpo_ray.evaluation.degeneration import mean
from dpo_ray.evaluation.judging import Comparison, Judge, Judgement
from dpo_ray.evaluation.length_control import length_controlled_win_rate
from dpo_ray.evaluation.sampling import Sample
from dpo_ray.evaluation.win_rate import mean_interval, win_rate
from dpo_ray.ranks import Ranks

Item = TypeVar("Item")
Result = TypeVar("Result")


def ask(
    judges: Mapping[str, Judge], baseline: Baseline, samples: Sequence[Sample], ranks: Ranks
) -> dict[str, list[Judgement]]:
    """Judge every completion against the baseline's, shared among the ranks. Collective.

    Raises:
        JudgingFailed: a judge broke, or too much of it could not be judged. On every rank.
    """
    judged = compare_all(judges, baseline, samples, ranks)
    refuse_unjudged(judges, judged)
    return judged


def compare_all(
    judges: Mapping[str, Judge], baseline: Baseline, samples: Sequence[Sample], ranks: Ranks
) -> dict[str, list[Judgement]]:
    """Do what `ask` does, whatever could not be judged. Collective."""
    return {
        name: shared_among(ranks, _comparisons(name, baseline, samples), judge.compare)
        for name, judge in judges.items()
    }


def refuse_unjudged(judges: Mapping[str, Judge], judged: Mapping[str, Sequence[Judgement]]) -> None:
    """Refuse judgements of which too many are none.

    Raises:
        JudgingFailed: more than the judge's `max_failed`, or all of them.
    """
    for name, judgements in judged.items():
        failed = Counter(each.reason for each in judgements if each.outcome is None)
        total, most = failed.total(), judges[name].max_failed
        if not total:
            continue
        reason, _ = failed.most_common(1)[0]
        if total / len(judgements) > most:
            where = "evaluation." + (f"further_judges.{name}" if name != MAIN else "judge")
            raise JudgingFailed(
                f"{total} of {len(judgements)} comparisons could not be judged "
                f"({100 * total / len(judgements):.0f} %; {where}.max_failed allows "
                f"{100 * most:.0f} %): {reason}"
            )
        if total == len(judgements):
            raise JudgingFailed(f"nothing could be judged: {reason}")


def shared_among(
    ranks: Ranks, items: Sequence[Item], work: Callable[[list[Item]], Sequence[Result]]
) -> list[Result]:
    """Have each rank do its part of a judge's work, and return all of it. Collective.

    Raises:
        JudgingFailed: it broke on one of them. On every rank.
    """
    own, results, problem = ranks.share(items), list[Result](), None
    try:
        results = list(work(own)) if own else []
    except JudgingFailed as error:
        problem = error
    # Agreed before it is raised: ranks that wait in a collective would wait for ever.
    for found in ranks.gather(problem):
        if found is not None:
            raise found
    return ranks.collect(results)


def judge_metrics(judged: Mapping[str, Sequence[Judgement]]) -> dict[str, float]:
    """Return each judge's metrics, the main one's without a prefix."""
    found: dict[str, float] = {}
    for name, judgements in judged.items():
        prefix, score = ("", "gold_reward") if name == MAIN else (f"{name}/", "score")
        wins = win_rate([each.outcome for each in judgements if each.outcome is not None])
        found |= {
            f"{prefix}win_rate": wins.value,
            f"{prefix}win_rate_low": wins.low,
            f"{prefix}win_rate_high": wins.high,
        }
        scores = [each.score for each in judgements if each.score is not None]
        if scores:
            low, high = mean_interval(scores)
            found |= {
                f"{prefix}{score}": mean(scores),
                f"{prefix}{score}_low": low,
                f"{prefix}{score}_high": high,
            }
        else:  # a judge that compares may fail, and may contradict itself
            failed = [float(each.outcome is None) for each in judgements]
            agreed = [float(each.consistent) for each in judgements if each.consistent is not None]
            found[f"{prefix}judge_failed"] = mean(failed)
            found[f"{prefix}judge_consistency"] = mean(agreed) if agreed else 1.0
    return found


def length_controlled(
    judged: Sequence[Judgement], samples: Sequence[Sample], baseline: Baseline
) -> float:
    """Return the length-controlled win rate over the prompts that could be judged."""
    rows = [
        (each.outcome, len(sample.ids), length)
        for each, sample, length in zip(judged, samples, baseline.lengths, strict=True)
        if each.outcome is not None
    ]
    outcomes, ours, theirs = zip(*rows, strict=True)
    return length_controlled_win_rate(outcomes, ours, theirs)


def _comparisons(name: str, baseline: Baseline, samples: Sequence[Sample]) -> list[Comparison]:
    scores = baseline.scores.get(name, [None] * len(samples))
    return [
        Comparison(prompt, sample.text, opponent, score)
        for prompt, sample, opponent, score in zip(
            baseline.prompts, samples, baseline.completions, scores, strict=True
        )
    ]

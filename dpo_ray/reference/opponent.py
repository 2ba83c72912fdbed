"""The reference's answers, judged once: every trial's opponent, and the reference's own row."""

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from dpo_ray.data.cache import new_entry
from dpo_ray.data.prepared import Prepared, distinct_prompts, parts_of
from dpo_ray.data.rows import load_rows
from dpo_ray.data.shards import Shard
from dpo_ray.errors import JudgingFailed
from dpo_ray.evaluation.baseline import MAIN, Baseline, Prompt
from dpo_ray.evaluation.degeneration import mean, signs
from dpo_ray.evaluation.judged import (
    compare_all,
    judge_metrics,
    length_controlled,
    refuse_unjudged,
    shared_among,
)
from dpo_ray.evaluation.judging import Judge, Judgement
from dpo_ray.evaluation.sampling import Sample
from dpo_ray.ranks import Ranks
from dpo_ray.reference.completions import PARTS, load_samples

VERDICTS = "verdicts.json"
Judges = Mapping[str, Judge]


def write_judged_shard(
    prepared: Prepared, rows: Path, shard: Shard, *, count: int, judges: Judges, ranks: Ranks
) -> None:
    """Judge a shard of both samples beside `prepared.judged`. Collective.

    `rows` is the entry of checked rows; `count` prompts are judged in all.

    Raises:
        JudgingFailed: a judge broke.
    """
    part = slice(shard.start, shard.stop)
    prompts = _prompts(prepared, rows, count)[part]
    first, again = (load_samples(prepared, each)[part] for each in PARTS)
    scores = {
        name: _scores(judge, prompts, [each.text for each in first], ranks)
        for name, judge in judges.items()
        if judge.scores
    }
    judged = compare_all(judges, _opponent(prompts, first, scores, {}), again, ranks)
    if ranks.first:
        found = {
            name: {"scores": scores.get(name), "judgements": [asdict(each) for each in judgements]}
            for name, judgements in judged.items()
        }
        with new_entry(parts_of(prepared.judged) / shard.name) as folder:
            (folder / VERDICTS).write_text(json.dumps(found))


def join_judged(
    prepared: Prepared, rows: Path, shards: Sequence[Shard], *, count: int, judges: Judges
) -> None:
    """Put the judged shards together into the opponent and the reference's own row, in
    `prepared.judged`.

    Raises:
        JudgingFailed: too much could not be judged; the shards go, so that a later run asks again.
    """
    parts = parts_of(prepared.judged)
    found = [json.loads((parts / shard.name / VERDICTS).read_text()) for shard in shards]
    judged = {
        name: [Judgement(**each) for part in found for each in part[name]["judgements"]]
        for name in judges
    }
    try:
        refuse_unjudged(judges, judged)
    except JudgingFailed:
        shutil.rmtree(parts)
        raise
    scores = {
        name: [score for part in found for score in part[name]["scores"]]
        for name, judge in judges.items()
        if judge.scores
    }
    first, again = (load_samples(prepared, part) for part in PARTS)
    record = _opponent(_prompts(prepared, rows, count), first, scores, signs(first))
    with new_entry(prepared.judged) as folder:
        (folder / "baseline.json").write_text(json.dumps(asdict(record), ensure_ascii=False))
        metrics = reference_metrics(record, again, judged)
        (folder / "metrics.json").write_text(json.dumps(metrics))
    shutil.rmtree(parts, ignore_errors=True)


def reference_metrics(
    baseline: Baseline, again: Sequence[Sample], judged: Mapping[str, Sequence[Judgement]]
) -> dict[str, float]:
    """Return the reference's own row: every metric that means something for it.

    `judged` is its second sample, `again`, against its first; scores are the first one's.
    """
    scores = {
        "gold_reward" if name == MAIN else f"{name}/score": mean(values)
        for name, values in baseline.scores.items()
    }
    found = {
        **judge_metrics(judged),
        **scores,
        **baseline.signs,
        "win_rate_length_controlled": length_controlled(judged[MAIN], again, baseline),
        "length_ratio": 1.0,
        "kl": 0.0,
        "logratio_margin": 0.0,
        "accuracy": 0.5,
    }
    return {f"eval/{name}": value for name, value in found.items()}


def load_baseline(prepared: Prepared) -> Baseline:
    """Read the opponent's completions and scores."""
    found = json.loads((prepared.judged / "baseline.json").read_text())
    return Baseline(**{**found, "prompts": [Prompt(**each) for each in found["prompts"]]})


def _opponent(
    prompts: Sequence[Prompt],
    samples: Sequence[Sample],
    scores: Mapping[str, Sequence[float]],
    told: Mapping[str, float],
) -> Baseline:
    texts, lengths = [each.text for each in samples], [len(each.ids) for each in samples]
    return Baseline(prompts, texts, lengths, scores, told)


def _scores(
    judge: Judge, prompts: Sequence[Prompt], texts: Sequence[str], ranks: Ranks
) -> list[float]:
    def score(part: list[tuple[Prompt, str]]) -> list[float]:
        asked, answered = zip(*part, strict=True)
        return judge.score(asked, answered)

    return shared_among(ranks, list(zip(prompts, texts, strict=True)), score)


def _prompts(prepared: Prepared, rows: Path, count: int) -> list[Prompt]:
    asked = {each["row"]: each for each in distinct_prompts(prepared, count)}
    source: dict[int, Any] = {
        row["row"]: row for row in load_rows(rows, prepared.split) if row["row"] in asked
    }
    return [
        Prompt(
            row=number,
            ids=each["prompt_ids"],
            text=each["prompt_text"],
            content=source[number]["prompt"],
            chosen=source[number]["chosen"],
            rejected=source[number]["rejected"],
        )
        for number, each in asked.items()
    ]

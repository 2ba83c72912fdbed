"""What the reference itself would say: the opponent in every trial's win rate."""

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Literal

from dpo_ray.data.cache import new_entry
from dpo_ray.data.prepared import Prepared, distinct_prompts, evaluation_prompts, parts_of
from dpo_ray.data.rows import load_rows
from dpo_ray.data.shards import Shard
from dpo_ray.evaluation.baseline import MAIN, Baseline, Prompt
from dpo_ray.evaluation.degeneration import mean, signs
from dpo_ray.evaluation.judged import ask, judge_metrics, length_controlled
from dpo_ray.evaluation.judging import Judge, Judgement
from dpo_ray.evaluation.sampling import Decoding, Sample, sample_completions
from dpo_ray.ranks import Ranks

Part = Literal["baseline", "again"]
PARTS: tuple[Part, ...] = ("baseline", "again")
"""The sample every trial plays against, and a second one that plays against the first: a judge
and a decoding that are fair to equals give one half (the A/A check), which is the reference's own
row in every table."""
SAMPLES = "samples.json"


def write_completion_shard(
    prepared: Prepared,
    shard: Shard,
    model: Any,
    tokenizer: Any,
    *,
    count: int,
    decoding: Decoding,
    ranks: Ranks,
) -> None:
    """Sample a shard of the validation prompts beside `prepared.completions`. Collective.

    `count` prompts are sampled in all; a batch's draws depend on its own number alone.
    """
    prompts, _ = evaluation_prompts(prepared, count)
    decoding = decoding if shard.part == "baseline" else replace(decoding, seed=decoding.seed + 1)
    samples = sample_completions(
        model,
        tokenizer,
        prompts[shard.start : shard.stop],
        decoding,
        ranks,
        first_batch=shard.start // decoding.batch_size,
    )
    if ranks.first:
        with new_entry(parts_of(prepared.completions) / shard.name) as folder:
            (folder / SAMPLES).write_text(_to_json(samples))


def join_completions(prepared: Prepared, shards: Sequence[Shard]) -> None:
    """Put the finished shards together into `prepared.completions`."""
    parts = parts_of(prepared.completions)
    with new_entry(prepared.completions) as folder:
        for part in PARTS:
            samples = [
                sample
                for shard in shards
                if shard.part == part
                for sample in _from_json((parts / shard.name / SAMPLES).read_text())
            ]
            (folder / f"{part}.json").write_text(_to_json(samples))
    shutil.rmtree(parts, ignore_errors=True)


def judge_completions(
    prepared: Prepared, rows: Path, *, count: int, judges: Mapping[str, Judge]
) -> None:
    """Judge both samples and keep the opponent, and the reference's own row, in
    `prepared.judged`. `rows` is the entry of checked rows."""
    prompts = _prompts(prepared, rows, count)
    baseline, again = (load_samples(prepared, part) for part in PARTS)
    texts = [sample.text for sample in baseline]
    scores = {name: judge.score(prompts, texts) for name, judge in judges.items() if judge.scores}
    record = Baseline(
        prompts=prompts,
        completions=texts,
        lengths=[len(sample.ids) for sample in baseline],
        scores=scores,
        signs=signs(baseline),
    )
    metrics = reference_metrics(record, again, ask(judges, record, again, Ranks()))
    with new_entry(prepared.judged) as folder:
        (folder / "baseline.json").write_text(json.dumps(asdict(record), ensure_ascii=False))
        (folder / "metrics.json").write_text(json.dumps(metrics))


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


def _prompts(prepared: Prepared, rows: Path, count: int) -> list[Prompt]:
    asked = {each["row"]: each for each in distinct_prompts(prepared, count)}
    source = {row["row"]: row for row in load_rows(rows, prepared.split) if row["row"] in asked}
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


def load_samples(prepared: Prepared, part: Part) -> list[Sample]:
    """Read one of the reference's two samples."""
    return _from_json((prepared.completions / f"{part}.json").read_text())


def _to_json(samples: Sequence[Sample]) -> str:
    return json.dumps([asdict(sample) for sample in samples], ensure_ascii=False)


def _from_json(text: str) -> list[Sample]:
    return [Sample(**sample) for sample in json.loads(text)]

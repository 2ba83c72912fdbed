"""What the reference itself would say: the opponent in every trial's win rate."""

import json
import shutil
from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import Any, Literal

from dpo_ray.data.cache import new_entry
from dpo_ray.data.prepared import Prepared, evaluation_prompts, parts_of
from dpo_ray.data.shards import Shard
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


def load_samples(prepared: Prepared, part: Part) -> list[Sample]:
    """Read one of the reference's two samples."""
    return _from_json((prepared.completions / f"{part}.json").read_text())


def _to_json(samples: Sequence[Sample]) -> str:
    return json.dumps([asdict(sample) for sample in samples], ensure_ascii=False)


def _from_json(text: str) -> list[Sample]:
    return [Sample(**sample) for sample in json.loads(text)]

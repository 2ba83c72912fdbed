"""Preference pairs: two samples for one prompt, the one in the better mood preferred."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from functools import cache
from itertools import count, islice
from pathlib import Path
from typing import Any

from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer

from dpo_ray.demo.grammar import openings
from dpo_ray.demo.sampling import Completion, sample_completions

GAP = 0.05
"""Moods closer than this are no preference."""
BATCH = 256


@dataclass(frozen=True)
class Pair:
    """A prompt and its two completions, which keep the space they begin with."""

    prompt: str
    chosen: str
    rejected: str


def mood(text: str) -> float:
    """Return VADER's compound score, from -1 (dreadful) to 1 (delighted)."""
    score: float = _lexicon().polarity_scores(text)["compound"]
    return score


@cache
def _lexicon() -> Any:
    return SentimentIntensityAnalyzer()


def draw_pairs(model: Any, tokenizer: Any, seed: int) -> Iterator[Pair]:
    """Yield pairs without end, both completions sampled from `model`.

    Each pair has its own prompt, which leaves the mood open: all of it is the completion's doing.
    """
    prompts = (opening for opening in openings(seed) if mood(opening) == 0)
    for seed_of_batch in count(seed, 2):
        batch = list(islice(prompts, BATCH))
        ones = sample_completions(model, tokenizer, batch, seed_of_batch)
        others = sample_completions(model, tokenizer, batch, seed_of_batch + 1)
        for prompt, one, other in zip(batch, ones, others, strict=True):
            if _usable(tokenizer, prompt, one) and _usable(tokenizer, prompt, other):
                yield from _preference(prompt, one.text, other.text)


def _usable(tokenizer: Any, prompt: str, completion: Completion) -> bool:
    """Tell whether training would see what was sampled.

    TRL ends every completion with an end-of-sequence token, so one that was cut off would teach
    the model to stop anywhere; and it tokenizes prompt and completion together, so a completion
    that goes on with the prompt's last word would cost the prompt a token.
    """
    alone = tokenizer(prompt)["input_ids"]
    together = tokenizer(prompt + completion.text)["input_ids"]
    said = bool(completion.text.strip())
    return completion.finished and said and together[: len(alone)] == alone


def _preference(prompt: str, one: str, other: str) -> Iterator[Pair]:
    """Yield the pair, better mood first, or nothing when the moods are as good as equal."""
    lead = mood(prompt + one) - mood(prompt + other)
    if lead >= GAP:
        yield Pair(prompt, chosen=one, rejected=other)
    elif lead <= -GAP:
        yield Pair(prompt, chosen=other, rejected=one)


def write_pairs(pairs: Iterable[Pair], path: Path) -> None:
    """Write one JSON object a line: prompt, chosen, rejected."""
    lines = (json.dumps(asdict(pair), ensure_ascii=False) + "\n" for pair in pairs)
    path.write_text("".join(lines), encoding="utf-8")


def read_pairs(path: Path) -> list[Pair]:
    """Read what `write_pairs` wrote; only a newline ends a line, whatever else Unicode has."""
    with path.open(encoding="utf-8", newline="\n") as lines:
        return [Pair(**json.loads(line)) for line in lines]

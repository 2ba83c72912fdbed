"""Signs of broken text that need no judge: a judge may well prefer it."""

from collections.abc import Iterator, Mapping, Sequence

from dpo_ray.config.evaluation import LimitsConfig
from dpo_ray.evaluation.sampling import Sample

NGRAM = 3


def repetition(ids: Sequence[int], n: int = NGRAM) -> float:
    """Return the share of n-grams that stood earlier in the same completion, from 0 to 1."""
    grams = ngrams(ids, n)
    return 1 - len(set(grams)) / len(grams) if grams else 0.0


def distinct(completions: Sequence[Sequence[int]], n: int = 2) -> float:
    """Return the share of different n-grams among all n-grams of all completions.

    Distinct-n of Li et al. 2016 (arXiv 1510.03055). It falls with the number of completions, so
    compare it over equally many only. Of no n-grams at all, 0.
    """
    grams = [gram for ids in completions for gram in ngrams(ids, n)]
    return len(set(grams)) / len(grams) if grams else 0.0


def signs(samples: Sequence[Sample]) -> dict[str, float]:
    """Return the signs of a set of completions, one for each prompt; lengths in tokens."""
    return {
        "repetition": mean([repetition(sample.ids) for sample in samples]),
        "distinct_2": distinct([sample.ids for sample in samples]),
        "eos_rate": mean([float(sample.ended) for sample in samples]),
        "truncated": mean([float(not sample.ended) for sample in samples]),
        "length": mean([len(sample.ids) for sample in samples]),
    }


def broken(
    found: Mapping[str, float], reference: Mapping[str, float], limits: LimitsConfig
) -> str | None:
    """Return the first limit that is broken, in words, or None.

    `found` and `reference` are `signs` of the trial and of the reference, `found` with `kl`, nats.
    """
    for name, value, said in _measured(found, reference):
        bound = getattr(limits, name)
        too_much = name.startswith("max_")
        if bound is not None and (value > bound if too_much else value < bound):
            side = "largest" if too_much else "smallest"
            return f"{said}; the {side} allowed is evaluation.limits.{name}={bound:g}"
    return None


def _measured(
    found: Mapping[str, float], reference: Mapping[str, float]
) -> Iterator[tuple[str, float, str]]:
    """Yield each limit's name, the value it is held against, and both in words."""
    risen = found["repetition"] - reference["repetition"]
    yield "max_repetition", risen, f"repetition is {risen:.2f} above the reference's"
    named = {
        "min_distinct": "distinct_2",
        "min_eos_rate": "eos_rate",
        "min_length_ratio": "length",
        "max_length_ratio": "length",
    }
    for limit, sign in named.items():
        part = found[sign] / reference[sign] if reference[sign] > 0 else 1.0
        yield limit, part, f"{sign} {found[sign]:.2f} is {part:.2f} times the reference's"
    per_token = found["kl"] / max(found["length"], 1.0)
    yield "max_kl_per_token", per_token, f"KL is {per_token:.2f} nats a token from the reference"
    yield "max_kl", found["kl"], f"KL is {found['kl']:.3g} nats from the reference"


def ngrams(ids: Sequence[int], n: int) -> list[tuple[int, ...]]:
    """Return all runs of n neighbours."""
    return [tuple(ids[start : start + n]) for start in range(len(ids) - n + 1)]


def mean(values: Sequence[float] | Sequence[int]) -> float:
    """Return the arithmetic mean; of nothing, 0."""
    return sum(values) / len(values) if values else 0.0

"""What confirmed candidates are worth, beside the default configuration and beside each other."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from dpo_ray.evaluation.paired import Estimate, Values, difference, estimate, holm


@dataclass(frozen=True)
class Trained:
    """A candidate after its trainings.

    Attributes:
        quality: the objective's value of each answer, (seeds, prompts), NaN where not judged.
            Row s of every candidate belongs to the same seed.
        metrics: `eval/*` of each seed's training, without the prefix.
        failed: trainings that failed, and are in neither.
        search: what the search measured of the objective; None if it measured nothing.
    """

    is_default: bool
    quality: Values
    seeds: tuple[int, ...]
    metrics: Sequence[Mapping[str, float]]
    failed: int
    search: float | None


@dataclass(frozen=True)
class Standing:
    """Where a candidate stands: its own mean, and its lead over the default configuration.

    `lead` is None for the default itself and where the two share no seed; its interval and p are
    Holm-corrected over all candidates that were compared.
    """

    mean: Estimate | None
    spread: float
    """Standard deviation between the seeds' means."""
    lead: Estimate | None
    optimism: float | None
    """Search score minus confirmed mean."""


def standings(candidates: Sequence[Trained]) -> list[Standing]:
    """Judge each candidate; comparisons are paired by seed and by prompt."""
    default = next((each for each in candidates if each.is_default), None)
    raw = [None if default is None else _lead(each, default) for each in candidates]
    compared = [index for index, lead in enumerate(raw) if lead is not None]
    corrected = holm([lead.p for lead in raw if lead is not None])
    leads: dict[int, Estimate] = {}
    for index, (p, confidence) in zip(compared, corrected, strict=True):
        assert default is not None
        lead = _lead(candidates[index], default, confidence)
        assert lead is not None
        leads[index] = Estimate(lead.value, lead.low, lead.high, lead.error, p)
    return [_standing(each, leads.get(index)) for index, each in enumerate(candidates)]


def champion(candidates: Sequence[Trained], found: Sequence[Standing]) -> int | None:
    """Return the candidate to recommend: it beats the default, and is the calmest of equals.

    Of those whose corrected interval lies above 0 the best mean sets the mark; among those within
    one standard error of it the one with the lowest KL is taken. A candidate with a failed
    training is out: what breaks on one seed in a few is nothing to rely on. None if nobody beats
    the default.
    """
    better = [
        index
        for index, (each, standing) in enumerate(zip(candidates, found, strict=True))
        if standing.lead is not None and standing.lead.low > 0 and not each.failed
    ]
    if not better:
        return None
    means = {index: _mean(found[index]) for index in better}
    best = max(better, key=lambda index: means[index].value)
    mark = means[best].value - means[best].error
    equals = [index for index in better if means[index].value >= mark]
    return min(equals, key=lambda index: mean_metric(candidates[index], "kl"))


def prompts_needed(lead: Estimate, prompts: int) -> int | None:
    """Return how many prompts would tell such a lead from nothing, seeds being as they are.

    Half-widths shrink with the square root of the number of prompts. None for a lead of 0 or less.
    """
    half = (lead.high - lead.low) / 2
    return None if lead.value <= 0 else int(np.ceil(prompts * (half / lead.value) ** 2))


def mean_metric(candidate: Trained, name: str) -> float:
    """Return a metric's mean over the seeds; NaN where no training measured it."""
    values = [metrics[name] for metrics in candidate.metrics if name in metrics]
    return float(np.mean(values)) if values else float("nan")


def _standing(candidate: Trained, lead: Estimate | None) -> Standing:
    if not candidate.seeds:
        return Standing(None, 0.0, None, None)
    mean = estimate(candidate.quality)
    of_seeds = np.nanmean(candidate.quality, axis=1)
    spread = float(of_seeds.std(ddof=1)) if len(of_seeds) > 1 else 0.0
    optimism = None if candidate.search is None else candidate.search - mean.value
    return Standing(mean, spread, lead, optimism)


def _lead(candidate: Trained, default: Trained, confidence: float = 0.95) -> Estimate | None:
    shared = [seed for seed in candidate.seeds if seed in default.seeds]
    if candidate.is_default or not shared:
        return None
    ours = candidate.quality[[candidate.seeds.index(seed) for seed in shared]]
    theirs = default.quality[[default.seeds.index(seed) for seed in shared]]
    return difference(ours, theirs, confidence)


def _mean(standing: Standing) -> Estimate:
    assert standing.mean is not None
    return standing.mean

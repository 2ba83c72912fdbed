"""How sure a mean over seeds and prompts is, and a difference of two such means.

Values have the shape (seeds, prompts): one row for each training of a configuration.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt

import numpy as np
from numpy.typing import NDArray
from scipy import stats

CONFIDENCE = 0.95
RESAMPLES = 4_000
Values = NDArray[np.float64]


@dataclass(frozen=True)
class Estimate:
    """A mean with the ends of its interval, its standard error, and p of its being nothing."""

    value: float
    low: float
    high: float
    error: float
    p: float
    """Two-sided, for a mean of 0."""


def seed_effects(values: Values) -> Values:
    """Return how much each seed's mean truly differs from the mean of all. Shape: (seeds,).

    What differs between the means of seeds is partly the noise of their prompts, which the
    prompts' own resampling counts already. So the effects are shrunk to the variance that a
    two-way analysis of variance leaves for the seeds, none if the noise explains it all, and
    spread by sqrt(S / (S - 1)), the S means having been centred on their own mean (Carpenter,
    Goldstein and Rasbash 2003, doi 10.1111/1467-9876.00415, reflated residuals).
    """
    seeds, prompts = values.shape
    if seeds < 2 or prompts < 2:
        return np.zeros(seeds)
    means = values.mean(axis=1)
    centred = values - means[:, None] - values.mean(axis=0) + values.mean()
    noise = (centred**2).sum() / ((seeds - 1) * (prompts - 1))
    between = prompts * means.var(ddof=1)
    kept = max(0.0, 1 - noise / between) if between > 0 else 0.0
    return np.asarray((means - means.mean()) * sqrt(kept * seeds / (seeds - 1)))


def estimate(values: Values, confidence: float = CONFIDENCE) -> Estimate:
    """Return the mean of a (seeds, prompts) table and its interval, NaN left out by prompt.

    Prompts (their means over seeds) and seeds (their effects) are resampled independently:
    percentile bootstrap, fixed seed. Few seeds that differ much make the interval too narrow,
    so show their spread beside it.

    Raises:
        ValueError: no prompt was judged for every seed.
    """
    values = values[:, ~np.isnan(values).any(axis=0)]
    if values.size == 0:
        raise ValueError("no prompt was judged in every training")
    mean = float(values.mean())
    of_prompts, of_seeds = values.mean(axis=0), seed_effects(values)
    if np.ptp(of_prompts) == 0 and np.ptp(of_seeds) == 0:
        return Estimate(mean, mean, mean, 0.0, float(mean == 0))
    found = stats.bootstrap(
        (of_prompts, of_seeds),
        _sum_of_means,
        n_resamples=RESAMPLES,
        confidence_level=confidence,
        method="percentile",
        rng=np.random.default_rng(0),
    )
    error = float(found.standard_error)
    interval = found.confidence_interval
    p = float(2 * stats.norm.sf(abs(mean) / error))
    return Estimate(mean, float(interval.low), float(interval.high), error, p)


def difference(ours: Values, theirs: Values, confidence: float = CONFIDENCE) -> Estimate:
    """Return the mean paired difference of two tables, seed by seed and prompt by prompt."""
    return estimate(ours - theirs, confidence)


def holm(p_values: Sequence[float]) -> list[tuple[float, float]]:
    """Return for each p its Holm-adjusted value and the confidence its interval must have.

    The smallest of m is held to 1 - 0.05 / m, the next to 1 - 0.05 / (m - 1), and so on
    (Holm 1979).
    """
    count, largest = len(p_values), 0.0
    found = [(0.0, 0.0)] * count
    for rank, index in enumerate(np.argsort(p_values)):
        held = count - rank
        largest = max(largest, min(1.0, held * p_values[index]))
        found[index] = (largest, 1 - (1 - CONFIDENCE) / held)
    return found


def _sum_of_means(of_prompts: Values, of_seeds: Values, axis: int = -1) -> Values:
    return np.asarray(of_prompts.mean(axis=axis) + of_seeds.mean(axis=axis))

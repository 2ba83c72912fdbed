"""Wins against the reference's completions, and how sure the share is."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

CONFIDENCE = 0.95
RESAMPLES = 2_000


@dataclass(frozen=True)
class WinRate:
    """A share of wins, ties counted one half, with the ends of its 95 % interval."""

    value: float
    low: float
    high: float


def win_rate(results: Sequence[float]) -> WinRate:
    """Return the mean outcome and its interval.

    Wilson's interval where every outcome is a win or a loss; with ties the outcome is no plain
    proportion, so prompts are resampled (percentile bootstrap, fixed seed).
    """
    values = np.asarray(results, dtype=float)
    if not np.isin(values, (0.0, 1.0)).all() and values.std() > 0:
        low, high = _bootstrap(values)
    else:
        test = stats.binomtest(round(float(values.sum())), len(values))
        low, high = test.proportion_ci(CONFIDENCE, method="wilson")
    return WinRate(float(values.mean()), float(low), float(high))


def mean_interval(values: Sequence[float]) -> tuple[float, float]:
    """Return the ends of the 95 % interval of a mean over prompts, by Student's t."""
    if len(values) < 2:
        return values[0], values[0]
    found = np.asarray(values, dtype=float)
    error = float(stats.sem(found))
    if error == 0:
        return float(found[0]), float(found[0])
    low, high = stats.t.interval(CONFIDENCE, len(found) - 1, loc=found.mean(), scale=error)
    return float(low), float(high)


def _bootstrap(values: "np.ndarray[tuple[int], np.dtype[np.float64]]") -> tuple[float, float]:
    result = stats.bootstrap(
        (values,),
        np.mean,
        n_resamples=RESAMPLES,
        confidence_level=CONFIDENCE,
        method="percentile",
        rng=np.random.default_rng(0),
    )
    return result.confidence_interval.low, result.confidence_interval.high

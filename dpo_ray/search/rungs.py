"""Whether a trial goes on after a rung: a value, decided from what the others had there."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

import numpy as np

from dpo_ray.config.scheduler import SchedulerConfig


@dataclass(frozen=True)
class Decision:
    """A rung's verdict and its reason in words.

    Attributes:
        spared: the trial goes on whatever its value is, so its later rungs tell what an early
            one is worth (see `tracking.foretelling`).
    """

    stop: bool
    reason: str
    spared: bool = False


@dataclass(frozen=True)
class Rule:
    """Early stopping of one search.

    Attributes:
        higher: whether the metric is better when larger.
        label: what people call the metric.
        full: numbers of the trials that run to their end on purpose.
    """

    config: SchedulerConfig
    higher: bool
    label: str
    full: frozenset[int] = frozenset()


def decide(
    rule: Rule,
    trial: int,
    fraction: float,
    values: Sequence[float],
    others: Sequence[Sequence[float]],
) -> Decision:
    """Decide on a trial whose rungs up to here had `values`, the present one last.

    `others`: the values up to the same rung of each trial that passed it before.
    """
    spared = _spared(rule, trial, fraction, len(others))
    if spared:
        return Decision(False, spared, spared=True)
    value, cutoff = _compared(rule, values, others)
    worse = value < cutoff if rule.higher else value > cutoff
    best = "best " if rule.config.type == "median" else ""
    reason = f"{best}{rule.label} {value:.3f}, cutoff {cutoff:.3f} after {len(others)} trials"
    return Decision(worse, reason)


def full_trials(count: int, trials: int) -> frozenset[int]:
    """Return the numbers of `count` trials, spread evenly over a search, that run to their end.

    Trial 0, the control, always does and is not among them.
    """
    count = min(count, trials - 1)
    return frozenset(round((place + 1) * (trials - 1) / count) for place in range(count))


def _spared(rule: Rule, trial: int, fraction: float, passed: int) -> str:
    config = rule.config
    if fraction >= 1:
        return "the last rung"
    if config.type == "none":
        return "no early stopping"
    if trial == 0:
        return "the control trial is never stopped"
    if trial in rule.full:
        return "runs to its end on purpose (search.full_trials)"
    if fraction < config.grace_fraction:
        return f"before {config.grace_fraction:.0%} of the steps nobody is stopped"
    if passed < config.grace_trials:
        return f"among the first {config.grace_trials} at this rung"
    return ""


def _compared(
    rule: Rule, values: Sequence[float], others: Sequence[Sequence[float]]
) -> tuple[float, float]:
    """Return the trial's value and the one it must not fall short of.

    asha: its value here, and the best 1/reduction_factor of the others' (Li et al. 2020, arXiv
    1810.05934). median: its best value so far, and the median of the others' means up to here
    (Golovin et al. 2017, section 3.2.1).
    """
    if rule.config.type == "median":
        best = max(values) if rule.higher else min(values)
        return best, float(np.median([fmean(each) for each in others]))
    here = [each[-1] for each in others]
    share = 1 / rule.config.reduction_factor
    return values[-1], float(np.quantile(here, 1 - share if rule.higher else share))

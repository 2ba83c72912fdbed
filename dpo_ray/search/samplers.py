"""The sampler a sweep names, made anew for each proposal."""

import warnings
from typing import Any

import numpy as np
import optuna
from optuna.samplers import BaseSampler, GPSampler, NSGAIISampler, RandomSampler, TPESampler
from optuna.trial import FrozenTrial

from dpo_ray.config.branches import is_conditional
from dpo_ray.config.samplers import GpConfig, NsgaiiConfig, TpeConfig
from dpo_ray.config.search import SearchConfig
from dpo_ray.config.space import SearchSpace


class OrderedNSGAII(NSGAIISampler):
    """NSGA-II that draws from its parents in one order.

    Optuna's own takes them by rank for a generation's first child and by number for the others,
    so that a study built anew from a journal would go on differently.
    """

    def select_parent(self, study: optuna.Study, generation: int) -> list[FrozenTrial]:
        """Return the parents of a generation by their numbers."""
        return sorted(super().select_parent(study, generation), key=lambda trial: trial.number)


GENERATION = f"{OrderedNSGAII.__name__}:generation"
"""Under this system attribute of a trial Optuna keeps to which generation it belongs."""
FIRST_GENERATION = {GENERATION: 0}
"""System attributes for trials of another sweep: they can be parents of this one's."""


def make_sampler(search: SearchConfig, space: SearchSpace, number: int) -> BaseSampler:
    """Return the sampler that proposes trial `number`.

    Its seed follows from the sweep's and the number, so that a proposal depends on these and the
    study's past alone: a sweep that goes on proposes what it would have proposed uninterrupted.
    Optuna's samplers keep nothing else between proposals but starting points that save time;
    NSGA-II keeps its generations in the study itself. A grid's points are queued by the plan, so
    its own sampler is never asked before they are used up.
    """
    sampler, seed = search.sampler, derived_seed(search.seed, number)
    if isinstance(sampler, NsgaiiConfig):
        return OrderedNSGAII(seed=seed, **_options(sampler))
    with warnings.catch_warnings(action="ignore", category=optuna.exceptions.ExperimentalWarning):
        if isinstance(sampler, TpeConfig):
            return _tpe(sampler, space, search.n_startup, seed)
        if isinstance(sampler, GpConfig):
            return GPSampler(
                seed=seed,
                n_startup_trials=search.n_startup,
                warn_independent_sampling=False,
                **_options(sampler),
            )
    return RandomSampler(seed=seed)


def derived_seed(seed: int, number: int) -> int:
    """Return 32 bits for one proposal; neighbouring seeds and numbers share nothing."""
    return int(np.random.SeedSequence([seed, number]).generate_state(1)[0])


def kept_attributes(trial: FrozenTrial) -> dict[str, Any]:
    """Return the system attributes that `optuna.create_trial` needs to restore a trial."""
    return {key: trial.system_attrs[key] for key in (GENERATION,) if key in trial.system_attrs}


def _tpe(sampler: TpeConfig, space: SearchSpace, n_startup: int, seed: int) -> TPESampler:
    """Draw together what configurations have in common: one density for each group of branches."""
    options = _options(sampler)
    if is_conditional(space) and sampler.multivariate is not False:
        options |= {"multivariate": True, "group": True}
    return TPESampler(seed=seed, n_startup_trials=n_startup, **options)


def _options(sampler: TpeConfig | GpConfig | NsgaiiConfig) -> dict[str, Any]:
    return sampler.model_dump(exclude={"type"})

"""The judges of a sweep, found before anything starts."""

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dpo_ray.config.evaluation import EvaluationConfig
from dpo_ray.config.judging import LlmJudge, RewardModelJudge
from dpo_ray.errors import ConfigError
from dpo_ray.evaluation.judge_identity import identity
from dpo_ray.evaluation.judges import configured_judges
from dpo_ray.reference.locating import locate_reward_model


@dataclass(frozen=True)
class FoundJudges:
    """By name: what each judge's verdicts are kept under, and where its model lies, if any."""

    identities: dict[str, Any] = field(default_factory=dict)
    models: dict[str, Path] = field(default_factory=dict)


def find_judges(evaluation: EvaluationConfig, cache: Path, shared: bool = False) -> FoundJudges:
    """Locate functions and models, and look for keys. `shared`: as in `locate_reward_model`.

    On a cluster that is joined the keys are its nodes' business.

    Raises:
        ConfigError: a function, model or key is not there; the text says which.
    """
    found = FoundJudges()
    for name, judge in configured_judges(evaluation).items():
        if isinstance(judge, RewardModelJudge):
            found.models[name] = locate_reward_model(judge, cache, shared)
        if isinstance(judge, LlmJudge) and not shared:
            _refuse_missing_key(judge)
        found.identities[name] = identity(judge, found.models.get(name))
    return found


def _refuse_missing_key(judge: LlmJudge) -> None:
    variable = judge.api_key_env
    if variable is not None and not os.environ.get(variable, "").strip():
        raise ConfigError(
            f"evaluation.judge.api_key_env: the environment variable {variable} must hold the key "
            f"for {judge.url}, but it is not set"
        )

"""What a judge's verdicts depend on: settings that only say how it is asked are not among it."""

from importlib.metadata import version
from pathlib import Path
from typing import Any

from dpo_ray.config.judging import BUILT_IN, JudgeConfig, RewardJudge, RewardModelJudge
from dpo_ray.data.cache import folder_digest
from dpo_ray.evaluation.function_lookup import function_digest


def identity(judge: JudgeConfig, model: Path | None = None) -> dict[str, Any]:
    """Return what the judge's verdicts are kept under; `model` is a reward model's folder.

    Raises:
        ConfigError: a function is not there.
    """
    if isinstance(judge, RewardJudge):
        built_in = judge.function in BUILT_IN
        code = version("vaderSentiment") if built_in else function_digest(judge.function)
        return {"function": judge.function, "code": code, "tie": judge.tie}
    if isinstance(judge, RewardModelJudge):
        assert model is not None
        settings = judge.model_dump(include={"dtype", "max_length", "tie"})
        return {"reward_model": folder_digest(model), **settings}
    return judge.model_dump(include={"model", "url", "question"})

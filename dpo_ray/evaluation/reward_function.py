"""A person's own Python function as a judge, in the form of TRL's reward functions."""

import copy
import inspect
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from dpo_ray.errors import JudgingFailed
from dpo_ray.evaluation.baseline import Prompt
from dpo_ray.evaluation.function_lookup import locate_function


def function_scorer(name: str) -> Callable[[Sequence[Prompt], Sequence[str]], list[float]]:
    """Return a scorer that calls the function, once for all completions it is given.

    What it raises is a JudgingFailed, also where the function answers anything but one finite
    number for each completion.

    Raises:
        ConfigError: the function cannot be located.
    """
    function = locate_function(name)

    def score(prompts: Sequence[Prompt], completions: Sequence[str]) -> list[float]:
        arguments = _arguments(function, prompts, completions)
        try:
            # A copy: what the function does to a message must not reach the next judge.
            answer = list(function(**copy.deepcopy(arguments)))
        except Exception as error:
            raise JudgingFailed(f"{name} raised {type(error).__name__}: {error}") from error
        return _checked(name, answer, prompts)

    return score


def _arguments(
    function: Callable[..., Any], prompts: Sequence[Prompt], completions: Sequence[str]
) -> dict[str, Any]:
    columns = {
        "chosen": [each.chosen for each in prompts],
        "rejected": [each.rejected for each in prompts],
    }
    return {
        "prompts": [each.content for each in prompts],
        "completions": [
            _in_form_of(prompt, completion)
            for prompt, completion in zip(prompts, completions, strict=True)
        ],
        **{key: value for key, value in columns.items() if _takes(function, key)},
    }


def _in_form_of(prompt: Prompt, completion: str) -> str | list[dict[str, str]]:
    """Give the completion as TRL does: one message where the prompt is a list of messages."""
    if isinstance(prompt.content, str):
        return completion
    return [{"role": "assistant", "content": completion}]


def _takes(function: Callable[..., Any], name: str) -> bool:
    try:
        parameters: Mapping[str, inspect.Parameter] = inspect.signature(function).parameters
    except ValueError:  # compiled, and it does not say
        return True
    kinds = [each.kind for each in parameters.values()]
    return name in parameters or inspect.Parameter.VAR_KEYWORD in kinds


def _checked(name: str, answer: Sequence[Any], prompts: Sequence[Prompt]) -> list[float]:
    if len(answer) != len(prompts):
        raise JudgingFailed(
            f"{name} must give one number for each of {len(prompts)} completions, got {len(answer)}"
        )
    scores = [_number(value) for value in answer]
    for prompt, value, score in zip(prompts, answer, scores, strict=True):
        if not math.isfinite(score):
            raise JudgingFailed(
                f"{name} must give finite numbers, got {value!r:.60} for the prompt of row "
                f"{prompt.row}"
            )
    return scores


def _number(value: Any) -> float:
    """Return the number, also one of numpy or torch; not a number where there is none."""
    if isinstance(value, str):
        return math.nan
    try:
        return float(value)
    except (TypeError, ValueError, OverflowError, RuntimeError):
        return math.nan

"""A person's own Python function as a judge, in the form of TRL's reward functions."""

import copy
import hashlib
import importlib
import inspect
import math
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

from dpo_ray.config.wording import did_you_mean, show
from dpo_ray.errors import ConfigError, JudgingFailed
from dpo_ray.evaluation.baseline import Prompt


def locate_function(name: str) -> Callable[..., Any]:
    """Import `package.module:function`; the current folder is searched first, as by `python -m`.

    Raises:
        ConfigError: no such module or function, one that cannot be imported, or an async one.
    """
    module_name, _, attribute = name.partition(":")
    module = _import(module_name)
    if not hasattr(module, attribute):
        raise ConfigError(
            f"function {name}: {module_name} ({_place(module)}) has no {attribute}"
            f"{did_you_mean(attribute, _functions(module) or ['it defines no function'])}"
        )
    found = getattr(module, attribute)
    if not callable(found):
        raise ConfigError(f"function {name}: must be a function, got {show(found)}")
    if inspect.iscoroutinefunction(found):
        raise ConfigError(f"function {name}: must be a plain function, got an async one")
    return found  # type: ignore[no-any-return]


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


def function_digest(name: str) -> str:
    """Return the SHA-256 of the file that defines the function, so an edit gives new cache keys.

    Files that this one imports are not looked at.

    Raises:
        ConfigError: the function cannot be located, or has no Python source file.
    """
    function = inspect.unwrap(locate_function(name))
    for defined in (function, type(function), sys.modules[name.partition(":")[0]]):
        try:
            file = inspect.getsourcefile(defined)
        except TypeError:  # neither written in Python, nor a module that is
            continue
        if file is not None:
            return hashlib.sha256(Path(file).read_bytes()).hexdigest()
    raise ConfigError(f"function {name}: must be written in a Python file, which is hashed")


def _import(name: str) -> ModuleType:
    here = str(Path.cwd())
    if "" not in sys.path and here not in sys.path:
        sys.path.insert(0, here)
    importlib.invalidate_caches()  # the file may be newer than the last look at its folder
    try:
        return importlib.import_module(name)
    except Exception as error:
        if isinstance(error, ModuleNotFoundError) and f"{name}.".startswith(f"{error.name}."):
            raise ConfigError(
                f"function: there is no module {error.name}; searched: the current folder ({here}),"
                f" PYTHONPATH and the packages installed for {sys.executable}"
            ) from error
        raise ConfigError(
            f"function: module {name} cannot be imported: {type(error).__name__}: {error}"
        ) from error


def _place(module: ModuleType) -> str:
    return getattr(module, "__file__", None) or "no file"


def _functions(module: ModuleType) -> list[str]:
    return [
        name
        for name, value in vars(module).items()
        if inspect.isfunction(value)
        and value.__module__ == module.__name__
        and not name.startswith("_")
    ]


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

"""What an endpoint's refusals mean, in words."""

from collections.abc import Callable
from http import HTTPStatus

import requests

from dpo_ray.config.judging import LlmJudge


def refusal_of(status: int, settings: LlmJudge) -> str | None:
    """Return the rule that makes every further call useless, in words; None for other answers."""
    variable = settings.api_key_env
    rules = {
        401: f"evaluation.judge.api_key_env: the endpoint must accept the key in {variable}"
        if variable
        else "evaluation.judge.api_key_env must name a variable with a key: the endpoint wants one",
        403: f"the endpoint must allow this key to use the model {settings.model}",
        404: f"evaluation.judge.url must be the whole address of chat completions, and "
        f"evaluation.judge.model one that is served there, got {settings.url} and {settings.model}",
    }
    if 300 <= status < 400:
        rules[status] = f"evaluation.judge.url must be an address that answers, got {settings.url}"
    return f"{rules[status]}; it answered {named(status)}" if status in rules else None


def named(status: int) -> str:
    try:
        return f"{status} {HTTPStatus(status).phrase}"
    except ValueError:
        return str(status)


def said(response: requests.Response, scrub: Callable[[str], str]) -> str:
    """Return the first line of an error's message as `: message`, empty where there is none."""
    try:
        error = response.json()["error"]
        text = error["message"] if isinstance(error, dict) else error
    except (ValueError, LookupError, TypeError):
        text = response.text
    line = next(iter(scrub(str(text)).strip().splitlines()), "")[:200]
    return f": {line}" if line else ""

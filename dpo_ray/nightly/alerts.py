"""Telling people of a night: a small JSON to a webhook, a few lines of Markdown to a file."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dpo_ray.config.redaction import redact_text
from dpo_ray.config.schedule import AlertsConfig
from dpo_ray.nightly.found import Found, state_of
from dpo_ray.tracking.wording import configuration, with_interval

TIMEOUT_S = 10.0
STEP_SUMMARY = "GITHUB_STEP_SUMMARY"


def is_news(alerts: AlertsConfig, night: Found) -> bool:
    """Whether anybody is told: of what went wrong, or of everything."""
    return alerts.always or night.night.exit_code not in (0, None)


def tell(alerts: AlertsConfig, night: Found, environment: Mapping[str, str]) -> list[str]:
    """Post and write; return what did not arrive, in words without secrets.

    Nothing is raised: nobody's silence fails a night.
    """
    if not is_news(alerts, night):
        return []
    problems = []
    if alerts.webhook_env is not None:
        problems += _post(alerts.webhook_env, environment.get(alerts.webhook_env), night)
    path = alerts.summary or environment.get(STEP_SUMMARY)
    if path:
        problems += _append(Path(path), night)
    return problems


def sentence(night: Found) -> str:
    """Say in one line how a night went."""
    what = f"{night.night.sweep}: {state_of(night.night)}, exit code {night.night.exit_code}"
    if night.params is None:
        return f"{what}: {night.night.reason}"
    if night.champion is not None and night.champion.regressed:
        return f"{what}: {night.champion.model}: {night.champion.reason}"
    score = f"{night.metric} {with_interval(night.score or {}, night.metric)}"
    return f"{what}: {configuration(night.params)}, {score}"


def markdown(night: Found) -> str:
    """Write a night as a section of a summary page."""
    mark = "" if night.night.exit_code == 0 else "⚠ "
    compared = [] if night.champion is None else ["", f"Champion: {night.champion.reason}."]
    verdict = night.verdict or night.night.reason
    lines = [f"### {mark}{sentence(night)}", "", verdict, *compared, ""]
    return redact_text("\n".join(lines))


def payload(night: Found) -> dict[str, Any]:
    """Return what is posted; `text` is what Slack and its kind show."""
    return {"text": redact_text(sentence(night)), **night.facts()}


def _post(variable: str, address: str | None, night: Found) -> list[str]:
    if not address:
        return [f"alerts.webhook_env: the environment variable {variable} is not set"]
    import requests

    body = json.dumps(payload(night), default=str)
    headers = {"Content-Type": "application/json"}
    try:
        answer = requests.post(address, data=body, headers=headers, timeout=TIMEOUT_S)
        answer.raise_for_status()
    except requests.RequestException as error:
        # The address is a secret, and requests writes it into its errors.
        return [f"the webhook of {variable} was not reached: {type(error).__name__}"]
    return []


def _append(path: Path, night: Found) -> list[str]:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a", encoding="utf-8") as stream:
            stream.write(markdown(night) + "\n")
    except OSError as error:
        return [f"alerts.summary: {path} cannot be written: {error.strerror}"]
    return []

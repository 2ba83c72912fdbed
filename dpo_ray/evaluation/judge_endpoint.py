"""The endpoint behind a judge: each call counted, and the key in no word that comes out."""

import os
from collections.abc import Callable
from http import HTTPStatus
from threading import Lock
from typing import Any

import requests

from dpo_ray.config.judging import LlmJudge
from dpo_ray.config.redaction import HIDDEN, redact_text
from dpo_ray.data.retrying import TRANSIENT_STATUS, causes
from dpo_ray.errors import JudgingFailed
from dpo_ray.evaluation.call_ledger import CallLedger
from dpo_ray.evaluation.judge_refusals import named, refusal_of, said

OPTIONAL = {
    "temperature": ("temperature",),
    "response_format": ("response_format", "json_schema", "structured output"),
}
"""What a model may not know, and how its refusal says so: it is asked again without."""


class Unanswered(Exception):
    """A call gave no verdict; the text is a reason for people.

    Attributes:
        again: whether the same call may succeed later.
        response: what the endpoint answered, which may say when.
    """

    def __init__(
        self, reason: str, again: bool = False, response: requests.Response | None = None
    ) -> None:
        super().__init__(reason)
        self.again = again
        self.response = response


class Endpoint:
    """Sends one call at a time for each thread, never again by itself, and has each counted.

    The first call goes alone: what is wrong with key, model or address is learnt once.
    """

    def __init__(self, settings: LlmJudge, key: str, ledger: CallLedger) -> None:
        self._settings = settings
        self._sign = _bearer(key)
        self._scrub = _scrubber(key)
        self._ledger = ledger
        self._first = Lock()
        self._begun = False
        self._refusal: str | None = None
        self._unknown: set[str] = set()

    def send(self, payload: dict[str, Any]) -> dict[str, Any]:
        """Return the answer, reduced to what MLflow must find in it.

        Without a token usage MLflow looks up no prices, and without tool calls it cannot loop.

        Raises:
            Unanswered: there is no text.
            JudgingFailed: no call can succeed.
        """
        known = {name: value for name, value in payload.items() if name not in self._unknown}
        response = self._post(known | {"model": self._settings.model})
        if response.status_code in (400, 422):
            answer = response.text.lower()
            for name in OPTIONAL.keys() & known.keys():
                if any(words in answer for words in OPTIONAL[name]):
                    self._unknown.add(name)
                    return self.send(payload)
        choice = {"message": {"role": "assistant", "content": self._text_of(response)}}
        return {"id": "", "object": "", "created": 0, "model": "", "choices": [choice]}

    def _post(self, body: dict[str, Any]) -> requests.Response:
        with self._first:
            if not self._begun:
                try:
                    return self._post_now(body)
                finally:
                    self._begun = True
        return self._post_now(body)

    def _post_now(self, body: dict[str, Any]) -> requests.Response:
        if self._refusal is not None:
            raise JudgingFailed(self._refusal)
        if not self._ledger.take():
            raise Unanswered(
                f"the ceiling of {self._ledger.most} calls is reached (evaluation.judge.max_calls)"
            )
        url, seconds = self._settings.url, self._settings.timeout_s
        try:
            response = requests.post(
                url, json=body, auth=self._sign, timeout=seconds, allow_redirects=False
            )
        except requests.Timeout:
            raise Unanswered(f"no answer within {seconds:g} s", again=True) from None
        except requests.RequestException as error:
            innermost = self._scrub(str(list(causes(error))[-1]))
            lasting = isinstance(error, ValueError | requests.exceptions.SSLError)
            raise Unanswered(f"no connection: {innermost}", again=not lasting) from None
        if rule := refusal_of(response.status_code, self._settings):
            self._refusal = f"{redact_text(rule)}{said(response, self._scrub)}"
            raise JudgingFailed(self._refusal)
        return response

    def _text_of(self, response: requests.Response) -> str:
        status = response.status_code
        if status != HTTPStatus.OK:
            # What a busy server says differs from call to call; what it refuses matters.
            again = status >= 500 or status in TRANSIENT_STATUS
            words = "" if again else said(response, self._scrub)
            reason = f"the endpoint answered {named(status)}{words}"
            raise Unanswered(reason, again, response)
        try:
            text = response.json()["choices"][0]["message"]["content"]
        except (ValueError, LookupError, TypeError):
            text = None
        if not isinstance(text, str):
            raise Unanswered("the endpoint's answer is no chat completion", again=True)
        thought = text.lstrip().startswith("<think>")  # by a server that does not set it apart
        return text.partition("</think>")[2] if thought else text


def key_of(variable: str | None) -> str:
    """Return the key the environment variable holds; nothing where none is named.

    Raises:
        JudgingFailed: it holds none, or what cannot be one.
    """
    if variable is None:
        return ""
    key = os.environ.get(variable, "").strip()
    rule = f"evaluation.judge.api_key_env: the environment variable {variable}"
    if not key:
        raise JudgingFailed(f"{rule} must hold the endpoint's key, but it is not set or is empty")
    if not (key.isascii() and key.isprintable()):
        raise JudgingFailed(f"{rule} holds a character that no key may have")
    return key


def _bearer(key: str) -> Callable[[requests.PreparedRequest], requests.PreparedRequest]:
    """Return what signs a request. MLflow never sees the key, and .netrc is not asked."""

    def sign(request: requests.PreparedRequest) -> requests.PreparedRequest:
        if key:
            request.headers["Authorization"] = f"Bearer {key}"
        return request

    return sign


def _scrubber(key: str) -> Callable[[str], str]:
    """Return what takes the key, and the secrets of URLs, out of an endpoint's own words."""

    def scrub(text: str) -> str:
        return redact_text(text.replace(key, HIDDEN) if key else text)

    return scrub

"""Which failures of a remote end may pass, and how long they are waited for."""

import os
from collections.abc import Callable, Iterator
from typing import TypeVar

import tenacity

from dpo_ray.config.redaction import HIDDEN, redact_field, redact_text

TRIES = 4
FIRST_WAIT = 1.0
"""Seconds before the second try; each later wait is twice as long."""
LONGEST_WAIT = 30.0
"""Seconds; a server's own Retry-After is kept to up to here."""
TRANSIENT_STATUS = frozenset({408, 425, 429, 500, 502, 503, 504})
TRANSIENT_NAMES = frozenset(
    {
        *("TimeoutException", "NetworkError", "RemoteProtocolError"),  # httpx, of huggingface_hub
        *("ClientConnectionError", "ClientPayloadError"),  # aiohttp, of s3fs, gcsfs and http
        *("HTTPClientError", "ConnectionError", "IncompleteRead"),  # botocore
    }
)
"""Base classes, by name: they belong to packages that need not be installed."""
Result = TypeVar("Result")


class GaveUp(Exception):
    """`tries` tries failed, the last one with `cause`."""

    def __init__(self, tries: int, cause: Exception) -> None:
        super().__init__(tries)
        self.tries = tries
        self.cause = cause


def retry(call: Callable[[], Result]) -> Result:
    """Call until it succeeds, fails for good, or has failed TRIES times.

    Raises:
        GaveUp: says how often it was tried, and holds the last failure.
    """
    policy = tenacity.Retrying(
        stop=tenacity.stop_after_attempt(TRIES),
        wait=lambda state: wait_after(state.attempt_number, _failure(state)),
        retry=tenacity.retry_if_exception(may_pass),
        reraise=True,
    )
    try:
        return policy(call)
    except Exception as error:
        raise GaveUp(policy.statistics["attempt_number"], error) from error


def may_pass(error: BaseException) -> bool:
    """Say whether the same call may succeed later: a busy server, a lost connection.

    A status decides where there is one; a library's wrapper is asked for its causes.
    """
    links = list(causes(error))
    if any(type(link).__name__ == "OfflineModeIsEnabled" for link in links):
        return False
    status = next((code for link in links if (code := status_of(link)) is not None), None)
    if status is not None:
        return status in TRANSIENT_STATUS
    return any(_is_lost_connection(link) for link in links)


def status_of(error: BaseException) -> int | None:
    """Return the HTTP status that an error of httpx, aiohttp or botocore carries."""
    status = getattr(error, "status", None)  # aiohttp
    response = getattr(error, "response", None)
    if isinstance(response, dict):
        status = response.get("ResponseMetadata", {}).get("HTTPStatusCode")
    elif response is not None:
        status = getattr(response, "status_code", None)
    return status if isinstance(status, int) else None


def causes(error: BaseException) -> Iterator[BaseException]:
    """Yield an error, and what it was raised from, outermost first."""
    seen: set[int] = set()
    link: BaseException | None = error
    while link is not None and id(link) not in seen:
        seen.add(id(link))
        yield link
        link = link.__cause__ or link.__context__


def wait_after(attempt: int, error: BaseException | None) -> float:
    """Return seconds to wait after failed attempt `attempt`, counted from 1."""
    backoff = FIRST_WAIT * 2.0 ** (attempt - 1)
    asked = max((_retry_after(link) for link in causes(error)), default=0.0) if error else 0.0
    return min(max(backoff, asked), LONGEST_WAIT)


def safe_text(error: BaseException) -> str:
    """Return the first line of a library's error, without the secrets of URLs and environment."""
    line = redact_text((str(error).strip().splitlines() or ["no more is said"])[0])
    for name, value in os.environ.items():
        if len(value) >= 8 and redact_field(name, value) == HIDDEN:
            line = line.replace(value, HIDDEN)
    return f"{type(error).__name__}: {line}"


def in_tries(count: int) -> str:
    """Write `1 try` or `4 tries`."""
    return f"{count} {'try' if count == 1 else 'tries'}"


def _retry_after(error: BaseException) -> float:
    headers = getattr(getattr(error, "response", None), "headers", None) or {}
    try:
        return float(headers.get("retry-after", 0))
    except ValueError:  # a date
        return 0.0


def _failure(state: tenacity.RetryCallState) -> BaseException | None:
    return state.outcome.exception() if state.outcome else None


def _is_lost_connection(error: BaseException) -> bool:
    if isinstance(error, TimeoutError | ConnectionError):
        return True
    return any(base.__name__ in TRANSIENT_NAMES for base in type(error).__mro__)

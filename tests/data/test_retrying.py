"""What may pass is tried again, a bounded number of times; what will not change is not."""

import aiohttp
import botocore.exceptions
import httpx2
import pytest
from huggingface_hub.errors import HfHubHTTPError, OfflineModeIsEnabled

from dpo_ray.data import retrying
from dpo_ray.data.retrying import GaveUp, may_pass, retry, safe_text, wait_after


def of_the_hub(status, headers=None):
    request = httpx2.Request("GET", "http://127.0.0.1")
    return HfHubHTTPError("no", response=httpx2.Response(status, headers=headers, request=request))


def of_s3(status):
    answer = {"Error": {"Code": str(status)}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return botocore.exceptions.ClientError(answer, "GetObject")


def of_the_web(status):
    return aiohttp.ClientResponseError(None, (), status=status)


def caused(error, cause):
    error.__cause__ = cause
    return error


@pytest.mark.parametrize("make", [of_the_hub, of_s3, of_the_web])
@pytest.mark.parametrize(
    ("status", "passes"),
    [(400, False), (401, False), (403, False), (404, False), (408, True), (429, True),
     (500, True), (503, True), (504, True)],
)  # fmt: skip
def test_the_status_decides_where_there_is_one(make, status, passes):
    assert may_pass(make(status)) is passes
    assert may_pass(caused(OSError("wrapped"), make(status))) is passes


@pytest.mark.parametrize(
    ("error", "passes"),
    [
        (httpx2.ConnectError("no route"), True),
        (httpx2.ReadTimeout("slow"), True),
        (aiohttp.ServerDisconnectedError(), True),
        (botocore.exceptions.EndpointConnectionError(endpoint_url="http://x"), True),
        (botocore.exceptions.ReadTimeoutError(endpoint_url="http://x"), True),
        (botocore.exceptions.NoCredentialsError(), False),
        (ConnectionResetError(), True),
        (TimeoutError(), True),
        (OfflineModeIsEnabled("off"), False),
        (caused(ConnectionError("unreachable"), OfflineModeIsEnabled("off")), False),
        (FileNotFoundError("a"), False),
        (ValueError("a"), False),
    ],
)
def test_a_lost_connection_may_come_back(error, passes):
    assert may_pass(error) is passes


def test_waits_double_up_to_half_a_minute_and_follow_the_server():
    assert [wait_after(attempt, None) for attempt in (1, 2, 3, 9)] == [1, 2, 4, 30]
    assert wait_after(1, of_the_hub(429, {"Retry-After": "7"})) == 7
    assert wait_after(1, of_the_hub(429, {"Retry-After": "3600"})) == 30
    assert wait_after(1, of_the_hub(429, {"Retry-After": "Fri, 01 Jan 2027 00:00:00 GMT"})) == 1


def test_it_gives_up_with_the_last_failure(monkeypatch):
    monkeypatch.setattr(retrying, "FIRST_WAIT", 0.001)
    errors = [TimeoutError(number) for number in range(9)]

    def call():
        raise errors.pop(0)

    with pytest.raises(GaveUp) as caught:
        retry(call)
    assert (caught.value.tries, caught.value.cause.args) == (4, (3,))


def test_no_secret_of_a_url_or_the_environment_is_in_an_error(monkeypatch):
    monkeypatch.setenv("SOME_API_KEY", "canary-canary")
    error = OSError("http://me:pass@host/a?token=abc said canary-canary\nTraceback")
    assert safe_text(error) == "OSError: http://***@host/a?token=*** said ***"

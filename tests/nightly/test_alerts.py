"""People hear of a night that went wrong, and nobody's silence fails one."""

import json
import threading
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from dpo_ray.config.schedule import AlertsConfig
from dpo_ray.nightly.alerts import tell
from dpo_ray.nightly.found import Found
from dpo_ray.nightly.ledger import Night

TICK = datetime(2026, 11, 5, 2, 30, tzinfo=UTC)
SECRET = "https-hook-4711"


def ended(code, reason="the budget was spent"):
    night = Night(TICK, "nightly-20261105T0230Z", began=1.0, ended=2.0, exit_code=code)
    night.reason = reason
    return Found(
        night,
        metric="win_rate",
        trials=4,
        params={"beta": 0.3},
        score={"eval/win_rate": 0.7, "eval/win_rate_low": 0.65, "eval/win_rate_high": 0.75},
        verdict="beta 0.3 beats the default by 4.1 +- 1.8 points",
    )


@pytest.fixture
def hook():
    """A webhook that answers as it is told; yields its address and what was posted."""
    posted, answer = [], [200]

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            posted.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(answer[0])
            self.end_headers()

        def log_message(self, *_):
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/{SECRET}", posted, answer
    server.shutdown()
    server.server_close()


HOOKED = AlertsConfig(webhook_env="HOOK")


def test_a_night_that_went_wrong_is_posted(hook):
    address, posted, _ = hook
    assert tell(HOOKED, ended(5), {"HOOK": address}) == []
    (said,) = posted
    assert said["text"] == (
        "nightly-20261105T0230Z: done, exit code 5: beta 0.3, win_rate 0.70 [0.65, 0.75]"
    )
    assert (said["exit_code"], said["sweep"]) == (5, "nightly-20261105T0230Z")


def test_a_good_night_is_told_only_where_everything_is(hook):
    address, posted, _ = hook
    assert tell(HOOKED, ended(0), {"HOOK": address}) == []
    assert posted == []
    always = AlertsConfig(webhook_env="HOOK", always=True)
    assert tell(always, ended(0), {"HOOK": address}) == []
    assert len(posted) == 1


def test_a_webhook_that_refuses_or_is_gone_is_told_without_its_address(hook):
    address, _, answer = hook
    answer[0] = 500
    (refused,) = tell(HOOKED, ended(4), {"HOOK": address})
    (gone,) = tell(HOOKED, ended(4), {"HOOK": f"http://127.0.0.1:1/{SECRET}"})
    (unset,) = tell(HOOKED, ended(4), {})
    assert refused == "the webhook of HOOK was not reached: HTTPError"
    assert gone == "the webhook of HOOK was not reached: ConnectionError"
    assert unset == "alerts.webhook_env: the environment variable HOOK is not set"
    assert SECRET not in refused + gone + unset


def test_a_summary_grows_by_a_section_for_each_night(tmp_path):
    page = tmp_path / "deep" / "summary.md"
    alerts = AlertsConfig(summary=str(page), always=True)
    assert tell(alerts, ended(0), {}) == []
    assert tell(alerts, ended(5), {}) == []
    text = page.read_text(encoding="utf-8")
    assert text.count("### ") == 2
    assert "beats the default by 4.1" in text


def test_a_summary_that_cannot_be_written_is_told(tmp_path):
    (problem,) = tell(AlertsConfig(summary=str(tmp_path)), ended(3), {})
    assert problem.startswith(f"alerts.summary: {tmp_path} cannot be written")


def test_on_github_the_step_summary_is_written(tmp_path):
    page = tmp_path / "step.md"
    assert tell(AlertsConfig(), ended(3), {"GITHUB_STEP_SUMMARY": str(page)}) == []
    assert "exit code 3" in page.read_text(encoding="utf-8")

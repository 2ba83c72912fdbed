"""What a sweep says, and where: results, messages, errors, the way to go on."""

import json
import os
import pty
import re
import select
import signal
import subprocess
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import psutil
import pytest

from dpo_ray.tracking.journal import read_journal
from dpo_ray.tracking.state import fold
from tests.conftest import ROOT
from tests.sweeping import arguments

pytestmark = pytest.mark.slow
TWO = ("search.trials=2", "search.scheduler.type=none")
STAMP = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d ")
GONE_S = 30.0


def test_json_is_all_there_is_on_stdout_and_stderr_has_a_line_for_each_event(run):
    done = run("as-json", *TWO, options=["--json"])
    assert done.code == 0, done.errors
    facts = json.loads(done.screen)
    state = done.state
    assert (facts["name"], facts["exit_code"]) == ("as-json", 0)
    assert facts["trials"] == {"asked": 2, "completed": 2, "stopped": 0, "failed": 0, "killed": 0}
    assert facts["recommended"]["params"] == state.trials[state.ended.best].params
    assert os.path.isdir(facts["paths"]["policy"])
    assert facts["tracking"]["page"].startswith("#/experiments/")
    assert "\x1b" not in done.errors
    lines = [line for line in done.errors.splitlines() if not line.startswith("  ")]
    assert all(STAMP.match(line) for line in lines), "a library has spoken in between"
    assert len(lines) < 40
    again = run("as-json", *TWO, options=["--json"])
    assert json.loads(again.screen)["recommended"] == facts["recommended"]


def test_verbose_lets_the_libraries_speak_and_stdout_stays_the_results(run):
    done = run("loud", *TWO, options=["--verbose", "--json"])
    assert done.code == 0, done.errors
    assert json.loads(done.screen)["exit_code"] == 0
    lines = [line for line in done.errors.splitlines() if not line.startswith("  ")]
    assert not all(STAMP.match(line) for line in lines)


def test_a_cause_is_shown_once_with_the_place_of_the_whole_traceback(run):
    judge = "evaluation.judge={type: reward, function: 'tests.sweep.rewards:fragile'}"
    slots = ("search.concurrent=1", "search.trials=3")
    done = run("fragile", judge, *slots, "search.scheduler.type=none")
    assert done.code == 3, done.errors
    failed = [row for row in done.state.trials.values() if row.status == "FAILED"]
    assert len(failed) == 3
    assert all("\n" not in row.reason for row in failed)
    assert done.errors.count("tests/sweep/rewards.py") == 3, "the frames of one traceback"
    assert "_value: return {}[text]" in done.errors
    log = f"{failed[0].folder}/error.log"
    assert f"    full log: {log}\n" in done.errors
    assert "the same error as t00's" in done.errors
    assert "3 trials failed with one and the same error, shown at t00" in done.errors
    with open(log) as file:
        assert file.read().count("Traceback (most recent call last):") == 2


@pytest.fixture
def terminal():
    """A pseudo-terminal, and a function that reads what was written to it so far."""
    leader, follower = pty.openpty()
    text = bytearray()

    def read() -> str:
        while select.select([leader], [], [], 0)[0]:
            text.extend(os.read(leader, 65536))
        return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text.decode(errors="replace"))

    yield follower, read
    os.close(follower)
    os.close(leader)


@pytest.fixture
def silent_server():
    """A tracking server that is well when asked, and then answers nothing any more."""
    done = threading.Event()

    class Silent(BaseHTTPRequestHandler):
        def do_GET(self):
            if self.path != "/health":
                done.wait()
                return
            self.send_response(200)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"OK")

        def do_POST(self):
            done.wait()

        def log_message(self, *_):
            """Say nothing of it."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Silent) as server:
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        done.set()
        server.shutdown()


@pytest.mark.parametrize("server", [None, "silent_server"], ids=["no server", "a silent server"])
def test_ctrl_c_twice_on_a_terminal_says_how_to_go_on_and_leaves_nobody(
    store, cluster, terminal, request, server
):
    follower, read = terminal
    name = "ctrl-c-twice" if server is None else "ctrl-c-twice-silent"
    uri = "null" if server is None else request.getfixturevalue(server)
    command = arguments(
        store,
        name,
        "training.max_steps=5000",
        f"tracking.uri={uri}",
        space="search_spaces/beta.yaml",
        small=True,
    )
    environment = {**os.environ, "RAY_ADDRESS": cluster, "TERM": "xterm", "COLUMNS": "100"}
    sweep = subprocess.Popen(
        command, cwd=ROOT, env=environment, stdin=follower, stdout=follower, stderr=follower
    )
    journal = store / "sweeps" / name / "journal.jsonl"
    try:
        deadline = time.monotonic() + 120
        while not (journal.exists() and steps(journal) >= 10):
            read()
            assert time.monotonic() < deadline, read()
            time.sleep(0.2)
        assert "0/12 trials ended" in read()
        family = psutil.Process(sweep.pid).children(recursive=True)
        for _ in range(2):
            sweep.send_signal(signal.SIGINT)
            time.sleep(0.3)
        deadline = time.monotonic() + GONE_S
        while sweep.poll() is None:
            read()
            assert time.monotonic() < deadline, read()
            time.sleep(0.1)
    finally:
        sweep.kill()
    screen = " ".join(read().split())
    assert sweep.returncode == 130
    assert "Interrupted by SIGINT: no further trial begins" in screen
    again = screen.split("To go on with it: ")[1]
    assert "-m dpo_ray.sweep search_spaces/beta.yaml" in again
    assert f"--name {name}" in again
    assert "Traceback" not in screen
    assert ("it did not answer within 5 s" in screen) == (server is not None)
    state = fold(read_journal(journal))
    assert {row.status for row in state.trials.values()} == {"KILLED"}
    assert state.ended.reason == "interrupted by SIGINT, twice"
    assert psutil.wait_procs(family, timeout=GONE_S)[1] == []


def steps(journal):
    rows = fold(read_journal(journal)).trials.values()
    return max((row.step for row in rows), default=0)

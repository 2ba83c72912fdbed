"""A night runs once, one at a time, and its end is told; commands are real ones that end soon."""

import json
import re
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime

import pytest

from dpo_ray.cluster.lock import sweep_lock
from dpo_ray.errors import ConfigError, SweepLocked
from dpo_ray.nightly.ledger import Ledger, NightBegan, Watched
from dpo_ray.nightly.night import command, seed_of, sweep_name
from dpo_ray.nightly.running import Runner, schedule_lock
from tests.conftest import ROOT

NOBODY = "cluster.address=127.0.0.1:1"
"""Where no Ray cluster answers: the night's command says so within a second or two, and exits 7."""
TICK = datetime(2026, 11, 5, 2, 30, tzinfo=UTC)


def test_a_night_is_the_documented_command_under_a_name_and_seed_of_its_own(schedule):
    own = schedule("search.trials=5")
    words = command(own, TICK, ["nightly-20261104T0230Z"])
    assert words[1:4] == ["-m", "dpo_ray.sweep", "search_spaces/beta.yaml"]
    assert words[words.index("--name") + 1] == "nightly-20261105T0230Z"
    settings = [words[place + 1] for place, word in enumerate(words) if word == "--set"]
    assert settings == [
        "search.trials=5",
        f"search.seed={seed_of(own, TICK)}",
        "search.warm_start=[nightly-20261104T0230Z]",
        "search.warm_configs=3",
    ]
    later = TICK.replace(day=6)
    assert seed_of(own, later) != seed_of(own, TICK)
    assert sweep_name(own, later) != sweep_name(own, TICK)


def test_the_command_of_a_night_is_one_the_sweep_takes(schedule):
    words = command(schedule(), TICK, [])
    done = subprocess.run([*words, "--dry-run"], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    assert "nightly-20261105T0230Z" in done.stdout + done.stderr


def test_a_night_runs_once_and_its_end_is_remembered(schedule):
    own = schedule(NOBODY)
    night = Runner(own, log=True).run(TICK)
    assert night.exit_code == 7
    assert "ended with exit code 7" in night.reason
    assert "no Ray cluster answers" in Runner(own).log_of(TICK).read_text()
    assert Runner(own).run(TICK) is None


def test_two_of_one_schedule_do_not_run_at_once(schedule):
    own = schedule(NOBODY)
    with schedule_lock(own), pytest.raises(SweepLocked, match="a live process runs a night"):
        Runner(own).run(TICK)


def test_a_tick_that_is_looked_at_twice_runs_once(schedule):
    own = schedule(NOBODY)
    now = TICK.replace(second=20)
    assert Runner(own, log=True).look(now, called=True).tick == TICK
    assert Runner(own, log=True).look(now.replace(second=50), called=True) is None


def test_a_first_call_may_come_as_late_as_a_cluster_takes_to_start(schedule):
    night = Runner(schedule(NOBODY), log=True).look(TICK.replace(minute=50), called=True)
    assert night.tick == TICK


def test_a_night_that_outlived_its_scheduler_keeps_the_next_one_from_running(schedule):
    own, later = schedule(NOBODY), TICK.replace(day=6)
    ledger = Ledger(own.folder)
    ledger.append(Watched(pid=1, since=TICK.replace(minute=0)))
    ledger.append(
        NightBegan(tick=TICK, sweep=sweep_name(own, TICK), command=command(own, TICK, []))
    )
    with sweep_lock(own.store / "sweeps" / sweep_name(own, TICK)):
        assert Runner(own).look(later.replace(second=1)) is None
        with pytest.raises(SweepLocked, match="nightly-20261105T0230Z still runs"):
            Runner(own).run(later)
    told = ledger.memory().nights[later]
    assert (told.dropped, told.began) == (True, None)
    assert told.reason == "the night of 20261105T0230Z was still running"
    # Its process has gone without a word, so it is gone on with.
    assert Runner(own, log=True).look(later.replace(second=30)).tick == TICK


def test_a_scheduler_runs_what_was_missed_and_ends_on_a_signal(schedule, tmp_path):
    """The real thing, in the foreground, over a line that is due every minute."""
    own = schedule(NOBODY, "schedule.cron=* * * * *", "schedule.timezone=Etc/UTC")
    words = [
        *(sys.executable, "-m", "dpo_ray.schedule", "sweeps/nightly.yaml", "run"),
        *("--store", str(own.store), "--set", NOBODY, "--set", "schedule.cron=* * * * *"),
    ]
    ledger = Ledger(own.folder)
    Runner(own).watch()
    # As if the scheduler had been down for five minutes.
    line = ledger.path.read_text().replace('"since":null', f'"since":"{ago(5)}"')
    ledger.path.write_text(line)
    process = subprocess.Popen(words, cwd=ROOT, stderr=subprocess.PIPE, text=True)
    try:
        wait_for(lambda: any(n.exit_code is not None for n in ledger.memory().nights.values()), 60)
        process.send_signal(signal.SIGTERM)
        said = process.communicate(timeout=30)[1]
    finally:
        process.kill()
    assert process.returncode == 0
    nights = ledger.memory().nights.values()
    assert sum(night.exit_code == 7 for night in nights) >= 1
    assert [night.reason for night in nights if night.dropped].count(
        "missed while no scheduler ran; a later one is due"
    ) >= 4
    assert "SIGTERM: ending" in said


def ago(minutes):
    return datetime.fromtimestamp(time.time() - 60 * minutes, UTC).isoformat()


def wait_for(condition, within_s):
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.2)


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("schedule=null", r'schedule=null: is needed here, as in schedule: \{cron: "30 2'),
        ("space=null", "space=null: is needed here"),
        ("search.warm_start=other", "is chosen anew every night"),
        ("schedule.cron=61 2 * * *", "must be a crontab line"),
        ("schedule.timezone=Mars/Olympus", "must be a name of the IANA"),
    ],
)
def test_a_schedule_that_cannot_run_is_refused_before_its_night(schedule, override, words):
    with pytest.raises(ConfigError, match=words):
        schedule(override)


def test_names_that_leave_no_room_for_the_tick_are_refused(schedule):
    with pytest.raises(ConfigError, match="--name: must be 1 to"):
        schedule(name="n" * 60)


@pytest.mark.parametrize(
    ("verb", "fields"),
    [
        ("status", {"schedule", "next", "running", "last"}),
        ("history", {"schedule", "nights"}),
        ("tick", {"sweep", "exit_code", "reason"}),
    ],
)
def test_machines_are_answered_with_the_fields_that_are_listed(tmp_path, verb, fields):
    page = (ROOT / "docs/cli.md").read_text(encoding="utf-8")
    (row,) = [line for line in page.splitlines() if f"schedule FILE {verb} --json" in line]
    assert set(re.findall(r"`(\w+)`", row)) == fields
    words = ["sweeps/nightly.yaml", verb, "--json", "--store", str(tmp_path)]
    done = subprocess.run(
        [sys.executable, "-m", "dpo_ray.schedule", *words], capture_output=True, text=True, cwd=ROOT
    )
    assert json.loads(done.stdout).keys() == fields, done.stderr

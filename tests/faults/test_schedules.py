"""Nights at the wrong time: missed ones, one called for twice, and the days clocks are changed."""

import os
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import takewhile
from pathlib import Path

import pytest

from dpo_ray.nightly.ledger import Ledger
from dpo_ray.nightly.opening import Schedule, open_schedule
from dpo_ray.nightly.running import Runner
from dpo_ray.nightly.ticks import ticks_after
from dpo_ray.tracking.journal import read_journal
from tests.sweeping import ROOT, SMALL

NOBODY = "cluster.address=127.0.0.1:1"
"""Where no Ray cluster answers: a night says so within a second or two, and exits 7."""
WITHIN_S, NIGHT_S = 60, 180


@pytest.fixture
def schedule(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Schedule]:
    """Open the shipped schedule at another time of day."""
    monkeypatch.chdir(ROOT)

    def opened(cron: str, zone: str = "Etc/UTC") -> Schedule:
        settings = (NOBODY, f"schedule.cron={cron}", f"schedule.timezone={zone}")
        return open_schedule(Path("sweeps/nightly.yaml"), settings, tmp_path / "store")

    return opened


def tick(cron: str, store: Path, *settings: str) -> "subprocess.Popen[str]":
    """Call for the night that is due, as cron does."""
    words = [sys.executable, "-m", "dpo_ray.schedule", "sweeps/nightly.yaml", "tick"]
    words += ["--store", str(store)]
    for each in (f"schedule.cron={cron}", *(settings or (NOBODY,))):
        words += ["--set", each]
    around = {key: value for key, value in os.environ.items() if key != "RAY_ADDRESS"}
    return subprocess.Popen(
        words, cwd=ROOT, env=around, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def two_minutes_ago() -> str:
    moment = datetime.now(UTC) - timedelta(minutes=2)
    return f"{moment.minute} {moment.hour} * * *"


@pytest.mark.injects("two calls for one tick at the same moment")
def test_fault_15_one_tick_twice(schedule):
    cron = two_minutes_ago()
    own = schedule(cron)
    both = [tick(cron, own.store) for _ in range(2)]
    said = [each.communicate(timeout=WITHIN_S)[1] for each in both]
    codes = sorted(each.returncode for each in both)
    assert codes in ([6, 7], [0, 7]), said
    assert all("Traceback" not in text for text in said)
    nights = Ledger(own.folder).memory().nights.values()
    assert [night.exit_code for night in nights if not night.dropped] == [7]


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.cluster_last
@pytest.mark.injects("two calls for one tick at the same moment, which both could train")
def test_fault_15_one_tick_twice_has_one_set_of_trials(alone, schedule):
    cron = two_minutes_ago()
    own = schedule(cron)
    both = [tick(cron, own.store, *SMALL, "champion=null", "search.trials=2") for _ in range(2)]
    said = [each.communicate(timeout=NIGHT_S)[1] for each in both]
    assert sorted(each.returncode for each in both) in ([0, 6], [0, 0]), said
    nights = Ledger(own.folder).memory().nights.values()
    assert [night.exit_code for night in nights if not night.dropped] == [0]
    (journal,) = own.store.glob("sweeps/*/journal.jsonl")
    records = read_journal(journal)
    for kind in ("trial_started", "trial_ended"):
        assert Counter(r.trial for r in records if r.kind == kind) == {0: 1, 1: 1}
    assert [r.kind for r in records if r.kind in ("planned", "resumed")] == ["planned"]


@pytest.mark.injects("a ledger that was last looked at five nights ago")
def test_fault_16_missed_nights(schedule):
    cron = two_minutes_ago()
    own = schedule(cron)
    Runner(own).watch()
    ledger = Ledger(own.folder)
    since = (datetime.now(UTC) - timedelta(days=5)).isoformat()
    ledger.path.write_text(ledger.path.read_text().replace('"since":null', f'"since":"{since}"'))
    one = tick(cron, own.store)
    said = one.communicate(timeout=WITHIN_S)[1]
    assert one.returncode == 7, said
    nights = list(ledger.memory().nights.values())
    assert [night.exit_code for night in nights if not night.dropped] == [7]
    missed = [night.reason for night in nights if night.dropped]
    assert missed == ["missed while no scheduler ran; a later one is due"] * 4


@pytest.mark.parametrize(
    "day", [datetime(2026, 3, 29, tzinfo=UTC), datetime(2026, 10, 25, tzinfo=UTC)]
)
@pytest.mark.injects("02:30 in Berlin on the days when it is left out, and when it comes twice")
def test_fault_16_changed_clocks(schedule, day):
    own = schedule("30 2 * * *", "Europe/Berlin")
    noon = day.replace(hour=12)
    until = noon + timedelta(days=1)
    ticks = takewhile(lambda each: each < until, ticks_after(own.timing, noon - timedelta(days=2)))
    assert [each.date() for each in ticks] == [(day + timedelta(days=n)).date() for n in (-1, 0, 1)]


@pytest.mark.injects("a time zone that is none")
def test_fault_16_no_such_zone(tmp_path):
    one = tick("30 2 * * *", tmp_path / "store", NOBODY, "schedule.timezone=Mars/Olympus")
    error = one.communicate(timeout=WITHIN_S)[1]
    assert one.returncode == 2
    assert "must be a name of the IANA" in error
    assert not (tmp_path / "store").exists()

"""The ledger outlives a torn line and refuses other damage."""

from datetime import UTC, datetime

import pytest

from dpo_ray.errors import CorruptJournal
from dpo_ray.nightly.ledger import Ledger, NightBegan, NightEnded, Watched

TICK = datetime(2026, 11, 5, 2, 30, tzinfo=UTC)


@pytest.fixture
def ledger(tmp_path):
    found = Ledger(tmp_path / "nightly")
    found.append(Watched(pid=1))
    found.append(NightBegan(tick=TICK, sweep="night", command=["run"]))
    return found


def test_what_was_written_is_remembered(ledger):
    assert ledger.memory().nights[TICK].is_open
    ledger.append(NightEnded(tick=TICK, exit_code=5, reason="budget"))
    night = Ledger(ledger.path.parent).memory().nights[TICK]
    assert (night.sweep, night.exit_code, night.reason) == ("night", 5, "budget")
    assert night.ended >= night.began > 1e9


def test_a_ledger_cut_anywhere_in_its_last_line_goes_on(ledger):
    whole = ledger.path.read_bytes()
    last = whole[:-1].rfind(b"\n") + 1
    for size in range(last, len(whole)):
        ledger.path.write_bytes(whole[:size])
        assert ledger.memory().nights == {}
        ledger.append(NightEnded(tick=TICK, exit_code=0, reason="done"))
        assert ledger.memory().nights[TICK].exit_code == 0


def test_other_damage_is_refused_with_its_line(ledger):
    lines = ledger.path.read_bytes().splitlines(keepends=True)
    ledger.path.write_bytes(b"{}\n" + lines[1])
    with pytest.raises(CorruptJournal, match=r"nights\.jsonl:1: not an entry"):
        ledger.memory()


def test_an_empty_folder_remembers_nothing(tmp_path):
    assert Ledger(tmp_path).memory().since is None

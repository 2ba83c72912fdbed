"""Three nights in a row, the third with other pairs: what each learns of those before."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from dpo_ray.nightly.found import found
from dpo_ray.nightly.ledger import Ledger
from dpo_ray.nightly.opening import open_schedule
from dpo_ray.nightly.running import Runner
from dpo_ray.tracking.journal import read_journal
from dpo_ray.tracking.state import fold
from tests.sweeping import ROOT, SMALL

pytestmark = pytest.mark.slow
NIGHTS = [datetime(2026, 11, day, 2, 30, tzinfo=UTC) for day in (5, 6, 7)]
SETTINGS = (*SMALL, "search.trials=5", "search.n_startup=1", "schedule.warm_configs=1")


@pytest.fixture(scope="module")
def nights(store, cluster, tmp_path_factory):
    """Return each night's journal, folded, and the schedule."""
    pairs = (ROOT / "dpo_ray/demo/assets/pairs.jsonl").read_text(encoding="utf-8").splitlines()
    other = tmp_path_factory.mktemp("pairs") / "more.jsonl"
    other.write_text("\n".join(pairs[:400]) + "\n", encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(ROOT)
        patch.setenv("RAY_ADDRESS", cluster)
        for tick, source in zip(NIGHTS, ("embedded", "embedded", str(other)), strict=True):
            settings = (*SETTINGS, f"data.source={source}")
            own = open_schedule(Path("sweeps/nightly.yaml"), settings, store, "nights")
            night = Runner(own, log=True).run(tick)
            assert night.exit_code == 0, Runner(own).log_of(tick).read_text()
    journals = [store / "sweeps" / f"nights-2026110{day}T0230Z" for day in (5, 6, 7)]
    return own, [fold(read_journal(each / "journal.jsonl")) for each in journals]


def drawn(state):
    origins = ("startup", "sampler")
    return [row.params for row in state.trials.values() if row.origin in origins]


def test_the_second_night_tries_the_best_of_the_first_and_knows_its_results(nights):
    _, (first, second, _) = nights
    assert first.warm is None
    assert [row.origin for row in second.trials.values()].count("warm_start") == 1
    assert len(second.warm.trials) == len(first.with_status("COMPLETED", "STOPPED"))


def test_no_night_draws_what_an_earlier_one_drew(nights):
    _, states = nights
    all_drawn = [params for state in states for params in drawn(state)]
    assert len(all_drawn) >= 9
    assert all(all_drawn.count(params) == 1 for params in all_drawn)


def test_with_other_pairs_only_configurations_are_taken_and_the_summary_says_so(nights):
    _, (_, _, third) = nights
    assert third.warm.trials == []
    assert len(third.warm.configs) == 1
    assert "only configurations are taken, since its data" in third.warm.note


def test_the_history_has_every_night_with_what_it_found(nights):
    own, states = nights
    told = found(own.store, Ledger(own.folder).memory())
    assert [each.night.tick for each in told] == NIGHTS
    assert all(each.params is not None for each in told)
    assert [each.trials for each in told] == [len(state.trials) for state in states]

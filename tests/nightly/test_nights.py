"""Three nights in a row, the third with other pairs: what each learns, and who is served."""

import io
import json
import shutil
from datetime import UTC, datetime
from pathlib import Path

import pytest
from mlflow import MlflowClient
from rich.console import Console

from dpo_ray.nightly.found import found
from dpo_ray.nightly.ledger import Ledger
from dpo_ray.nightly.opening import open_schedule
from dpo_ray.nightly.running import Runner
from dpo_ray.nightly.table import history_table
from dpo_ray.tracking.journal import read_journal
from dpo_ray.tracking.mlflow_server import default_uri
from dpo_ray.tracking.state import fold
from tests.report.reading import Read
from tests.sweeping import ROOT, SMALL

pytestmark = pytest.mark.slow
NIGHTS = [datetime(2026, 11, day, 2, 30, tzinfo=UTC) for day in (5, 6, 7)]
SETTINGS = (
    *SMALL,
    *("search.trials=5", "search.n_startup=1", "schedule.warm_configs=1", "schedule.keep=2"),
    *("confirm={top: 1, seeds: 2}", "champion.min_gain=0.2"),
)
STRONG, WEAK = "training.max_steps=24", "training.max_steps=4"
"""So many steps beat the reference clearly, and so few do not."""


@pytest.fixture(scope="module")
def nights(store, cluster, tmp_path_factory):
    """Return each night's journal, folded, and the schedule."""
    pairs = (ROOT / "dpo_ray/demo/assets/pairs.jsonl").read_text(encoding="utf-8").splitlines()
    other = tmp_path_factory.mktemp("pairs") / "more.jsonl"
    other.write_text("\n".join(pairs[:1200]) + "\n", encoding="utf-8")
    own_store = store.parent / "nights"
    plan = [("embedded", STRONG, 0), ("embedded", STRONG, 0), (str(other), WEAK, 8)]
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(ROOT)
        patch.setenv("RAY_ADDRESS", cluster)
        for tick, (source, steps, code) in zip(NIGHTS, plan, strict=True):
            summary = f"alerts.summary={own_store / 'summary.md'}"
            settings = (*SETTINGS, steps, f"data.source={source}", summary)
            own = open_schedule(Path("sweeps/nightly.yaml"), settings, own_store, "nights")
            night = Runner(own, log=True).run(tick)
            assert night.exit_code == code, Runner(own).log_of(tick).read_text()
    return own, [fold(read_journal(sweep_of(own, tick) / "journal.jsonl")) for tick in NIGHTS]


def sweep_of(own, tick):
    return own.store / "sweeps" / f"nights-{tick:%Y%m%dT%H%MZ}"


def drawn(state):
    origins = ("startup", "sampler")
    return [row.params for row in state.trials.values() if row.origin in origins]


def registry(own):
    return MlflowClient(tracking_uri=default_uri(own.store))


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


def test_the_first_night_crowns_the_second_does_not_reach_the_least_gain(nights):
    own, (first, second, _) = nights
    assert (first.champion.version, first.champion.promoted) == (None, True)
    assert first.champion.metrics["champion/challenger_low"] > 0.5
    assert (second.champion.version, second.champion.promoted) == ("1", False)
    assert second.champion.metrics["champion/gain_low"] <= 0.2
    assert "stays the champion" in second.champion.reason
    model = registry(own).get_registered_model("dpo-nightly")
    assert {alias: str(number) for alias, number in model.aliases.items()} == {
        "champion": "1",
        "challenger": "3",
    }


def test_the_champion_answers_the_same_prompts_again_and_alike(nights):
    """Night two has the prompts and draws of night one, so version 1 scores what it scored."""
    _, (first, second, _) = nights
    before, again = first.champion.metrics, second.champion.metrics
    assert again["champion/champion"] == before["champion/challenger"]


def test_a_night_clearly_below_the_champion_says_so_and_tells_people(nights):
    own, (_, _, third) = nights
    assert third.champion.regressed
    assert third.champion.metrics["champion/gain_high"] < 0
    assert third.ended.exit_code == 8
    assert "is clearly worse than the champion, version 1" in third.ended.reason
    summary = (own.store / "summary.md").read_text()
    assert "regress" not in summary.partition("###")[0]
    assert "is clearly worse than the champion, version 1" in summary
    assert summary.count("###") == 1, "nights that went well are no news"


def test_a_regression_is_a_finished_sweep_in_mlflow(nights):
    own, _ = nights
    client = registry(own)
    experiment = client.get_experiment_by_name("dpo-nightly").experiment_id
    name = sweep_of(own, NIGHTS[2]).name
    (run,) = client.search_runs([experiment], f"tags.`dpo_ray.sweep` = '{name}'")
    assert run.info.status == "FINISHED"
    assert run.data.tags["champion.regressed"] == "true"
    assert run.data.metrics["champion/gain"] < 0


def test_old_nights_lose_their_weights_but_the_champions_never(nights):
    """schedule.keep is 2 and the first of three nights is the champion's."""
    own, _ = nights
    assert len(list(sweep_of(own, NIGHTS[0]).glob("trials/*/adapter"))) >= 5


def test_with_another_champion_the_first_nights_weights_go_and_its_tables_stay(nights):
    own, (first, _, _) = nights
    copied = own.store.parent / "pruned"
    shutil.copytree(own.store, copied)
    client = MlflowClient(tracking_uri=default_uri(copied))
    client.set_registered_model_alias("dpo-nightly", "champion", "2")
    pruned = open_schedule(ROOT / "sweeps/nightly.yaml", ["schedule.keep=2"], copied, "nights")
    from dpo_ray.nightly.pruning import prune

    shown, size = prune(pruned, dry_run=True)
    gone, freed = prune(pruned)
    assert (shown, size) == (gone, freed)
    assert gone.nights == (sweep_of(own, NIGHTS[0]).name,)
    assert freed > 100_000
    old = copied / "sweeps" / gone.nights[0]
    assert not list(old.glob("trials/*/adapter"))
    assert not list(old.glob("trials/*/step-*/adapter"))
    assert list(old.glob("trials/*/step-*/completions.parquet"))
    assert (old / "journal.jsonl").is_file()
    kept = copied / "sweeps" / sweep_of(own, NIGHTS[1]).name
    assert len(list(kept.glob("trials/*/adapter"))) >= 5
    still = {path.name for path in (copied / "cache").iterdir()}
    assert set(first.prepared.hashes.values()) & still, "the second night has used the same"
    assert not (copied / "champions" / "dpo-nightly-v1").exists()


def test_the_history_has_every_night_with_what_it_found(nights):
    own, states = nights
    told = found(own.store, Ledger(own.folder).memory())
    assert [each.night.tick for each in told] == NIGHTS
    assert all(each.params is not None for each in told)
    assert [each.trials for each in told] == [len(state.trials) for state in states]
    screen = Console(width=200, file=io.StringIO())
    screen.print(history_table(told))
    lines = screen.file.getvalue().splitlines()[-3:]
    for line, word in zip(lines, (" new ", " stays ", "regression from version 1"), strict=True):
        assert word in line


def test_the_trend_page_is_there_after_every_night(nights):
    own, _ = nights
    page = Read((own.folder / "trend.html").read_text())
    assert "3 nights, 2026-11-05 to 2026-11-07: 3 done" in page.said
    assert "is clearly worse than the champion, version 1" in page.said
    scores = page.figures["scores"]
    champion = next(trace for trace in scores["data"] if trace["name"] == "champion")
    assert len(champion["x"]) == len(champion["y"]) == 3
    assert json.dumps(page.figures["minutes"]["data"][0]["x"]) == json.dumps(champion["x"])
    assert {"best-beta", "best-learning_rate", "best-lora_rank"} <= set(page.figures)

"""Whole small sweeps up to their verdict, and with other objectives than the win rate."""

from pathlib import Path

import mlflow
import pytest

from dpo_ray.tracking.records import CONFIRMATIONS

pytestmark = pytest.mark.slow
CONFIRMED = ("search.trials=3", "confirm={top: 2, seeds: 2, prompts: 24}")


@pytest.fixture(scope="module")
def confirmed(run):
    """A sweep of three trials up to its verdict."""
    done = run("confirmed", *CONFIRMED)
    assert done.code == 0, done.errors
    return done, done.state


def test_a_sweep_ends_with_a_verdict_on_fresh_seeds_and_unseen_prompts(confirmed, store):
    done, state = confirmed
    planned = state.confirmation
    assert [each.is_default for each in planned.candidates].count(True) == 1
    assert planned.prompts == 24
    assert set(planned.seeds).isdisjoint({state.plan.plan["sweep"]["training"]["seed"]})
    rows = state.confirmations.values()
    assert len(rows) == len(planned.candidates) * 2
    assert {row.status for row in rows} == {"COMPLETED"}
    for row in rows:
        tried = planned.candidates[row.confirms]
        assert (row.params, row.step, row.seed in planned.seeds) == (tried.params, tried.step, True)
    assert set(state.confirmed) == set(range(len(planned.candidates)))
    assert state.verdict.verdict in done.screen
    assert "Confirmed on 2 fresh seeds and 24 unseen prompts" in done.screen
    assert "6/6 confirmation trials done" in done.errors

    client = mlflow.MlflowClient(f"sqlite:///{store}/mlflow.db")
    experiment = client.get_experiment_by_name("dpo-ray").experiment_id
    (parent,) = client.search_runs([experiment], "tags.`dpo_ray.sweep` = 'confirmed'")
    assert parent.data.tags["confirm.verdict"] == state.verdict.verdict
    nested = f"tags.`mlflow.parentRunId` = '{parent.info.run_id}' and tags.stage = 'confirmation'"
    children = client.search_runs([experiment], nested)
    assert {run.data.tags["dpo_ray.trial"] for run in children} == {
        str(CONFIRMATIONS + number) for number in range(6)
    }
    assert {run.info.status for run in children} == {"FINISHED"}
    pictures = [item.path for item in client.list_artifacts(parent.info.run_id, "figures")]
    assert pictures == [f"figures/{name}.png" for name in ("confirmation", "frontier", "sweep")]
    (default,) = (each for each in planned.candidates if each.is_default)
    (own,) = client.search_runs(
        [experiment], f"tags.`trial.folder` = '{state.trials[default.trial].folder}'"
    )
    shown = {item.path for item in client.list_artifacts(own.info.run_id)}
    assert {"completions.json", "heaviest.json", "figures", "checkpoints", "adapter"} <= shown


def test_an_extended_sweep_keeps_what_it_has_and_confirms_what_is_new(confirmed, run, store):
    before, trainings = confirmed[1], len(confirmed[1].confirmations)
    done = run("confirmed", *CONFIRMED, options=["--trials", "+2"])
    assert done.code == 0, done.errors
    state = done.state
    assert sorted(state.trials) == list(range(5))
    for old, new in ((before.trials, state.trials), (before.confirmations, state.confirmations)):
        assert {number: new[number] for number in old} == old
    tried = state.confirmation.candidates
    assert tried[: len(before.confirmation.candidates)] == before.confirmation.candidates
    assert len(state.confirmations) == 2 * len(tried) >= trainings
    assert {row.status for row in state.confirmations.values()} == {"COMPLETED"}
    assert state.verdict.verdict in done.screen
    assert Path(state.recommended.adapter, "adapter_config.json").is_file()

    client = mlflow.MlflowClient(f"sqlite:///{store}/mlflow.db")
    experiment = client.get_experiment_by_name("dpo-ray").experiment_id
    (parent,) = client.search_runs([experiment], "tags.`dpo_ray.sweep` = 'confirmed'")
    nested = f"tags.`mlflow.parentRunId` = '{parent.info.run_id}'"
    children = client.search_runs([experiment], nested)
    assert len(children) == 5 + len(state.confirmations) + 1  # the reference
    assert {each.info.status for each in (parent, *children)} == {"FINISHED"}

    again = run("confirmed", *CONFIRMED)
    assert (again.code, len(again.state.lives)) == (0, 2)
    assert "confirmed is finished" in again.errors


def test_two_objectives_are_searched_and_their_front_is_published(run):
    both = "[{metric: win_rate}, {metric: kl, direction: minimize}]"
    done = run("two", "search.trials=4", "search.n_startup=1", f"objective={both}")
    assert done.code == 0, done.errors
    assert len(done.state.with_status("COMPLETED", "STOPPED")) == 4
    assert "front" in done.screen
    assert "win_rate and KL (the lowest KL within one standard error" in done.screen


def test_the_example_weight_is_searched_by_a_penalised_metric(run):
    objective = "{metric: win_rate, penalty: {metric: kl, budget: 0.0, weight: 100}}"
    space = "search_spaces/weighting.yaml"
    done = run("penalised", "search.trials=3", f"objective={objective}", space=space)
    assert done.code == 0, done.errors
    rows = done.state.with_status("COMPLETED", "STOPPED")
    kls = {row.number: min(rung.metrics["eval/kl"] for rung in row.rungs) for row in rows}
    assert done.state.ended.best == min(kls, key=lambda number: kls[number])
    assert "win_rate - 100 x KL above 0 nats" in done.screen
    weights = {row.params["example_weight"] for row in done.state.trials.values()}
    assert True in weights
    assert all(isinstance(each, bool) for each in weights)

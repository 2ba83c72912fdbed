"""What an older sweep teaches a new one, and where it cannot."""

from contextlib import closing

import pytest

from dpo_ray.errors import ConfigError
from dpo_ray.search.lessons import taken_over
from dpo_ray.search.warm_start import (
    first_in_turn,
    learn_once,
    older_sweeps,
    refuse_unteachable,
)
from dpo_ray.tracking.journal import Journal, read_journal
from dpo_ray.tracking.records import (
    Prepared,
    RungReached,
    SweepPlanned,
    TrialEnded,
    TrialStarted,
)
from dpo_ray.tracking.state import fold

HASHES = {key: f"{key}-1" for key in ("data", "tokens", "scores", "completions", "judged")}
TRIALS = (
    ({"beta": 0.1, "learning_rate": 2e-3, "lora_rank": 8}, 0.6, "COMPLETED"),
    ({"beta": 0.3, "learning_rate": 1e-3, "lora_rank": 4}, 0.8, "COMPLETED"),
    ({"beta": 0.4, "learning_rate": 1e-3, "lora_rank": 4}, 0.7, "STOPPED"),
    ({"beta": 0.2, "learning_rate": 1e-3, "lora_rank": 4}, 0.9, "FAILED"),
    ({"beta": 0.9, "learning_rate": 1e-3, "lora_rank": 4}, 0.75, "COMPLETED"),
)


def history(plan, trials=TRIALS):
    records = [
        SweepPlanned(name=plan.name, plan=plan.to_dict(), host="h", pid=1, versions={}),
        Prepared(rows={}, hashes=HASHES, reused=False, seconds=1.0, reference={}),
    ]
    for trial, (params, win_rate, state) in enumerate(trials):
        metrics = {"eval/win_rate": win_rate}
        records += [
            TrialStarted(
                trial=trial, params=params, origin="sampler", slot="s", folder="/f", total_steps=8
            ),
            RungReached(trial=trial, step=4, fraction=0.5, metrics=metrics),
            TrialEnded(trial=trial, state=state, reason="", step=4, seconds=1.0),
        ]
    return records


@pytest.fixture
def plan(small_plan):
    return small_plan("search.warm_start=old", "search.warm_configs=2", name="new")


@pytest.fixture
def old(small_plan):
    return fold(history(small_plan(name="old")))


def test_where_both_judge_alike_finished_trials_teach_and_the_best_run_again(plan, old):
    taken = taken_over(plan, [old], HASHES)
    assert [(each.params["beta"], each.values, each.state) for each in taken.trials] == [
        (0.1, [0.6], "COMPLETED"),
        (0.3, [0.8], "COMPLETED"),
        (0.4, [0.7], "STOPPED"),
    ]
    assert taken.trials[0].rungs == {4: 0.6}
    assert [params["beta"] for params in taken.configs] == [0.3, 0.4]
    assert taken.note == (
        "warm start from old: 3 finished trials teach the sampler, 2 of its best run again; "
        "1 lay outside this space"
    )


def test_where_the_data_has_changed_only_configurations_are_taken(plan, old):
    taken = taken_over(plan, [old], HASHES | {"data": "data-2"})
    assert taken.trials == []
    assert len(taken.configs) == 2
    assert "only configurations are taken, since its data is not this sweep's" in taken.note


@pytest.mark.parametrize(
    ("setting", "what"),
    [
        ("objective={metric: gold_reward}", "objective"),
        ("training.max_steps=9", "training"),
        ("evaluation.at=[1.0]", "evaluation.at"),
    ],
)
def test_other_training_or_judging_makes_values_incomparable(small_plan, old, setting, what):
    changed = small_plan("search.warm_start=old", setting, name="new")
    taken = taken_over(changed, [old], HASHES)
    assert taken.trials == []
    assert f"since its {what} is not this sweep's" in taken.note


def test_of_several_sweeps_the_best_of_each_come_first(small_plan, old):
    newer = fold(history(small_plan(name="newer"), TRIALS[2:3] + TRIALS[:2]))
    plan = small_plan(
        "search.warm_start=[newer, old]", "search.warm_configs=2", "training.beta=0.2", name="new"
    )
    taken = taken_over(plan, [newer, old], HASHES)
    assert taken.sweep == "newer, old"
    assert len(taken.trials) == 6
    # 0.3 is the best of both, so the second best of the newer one follows.
    assert [params["beta"] for params in taken.configs] == [0.3, 0.4]
    assert taken.note == (
        "warm start from newer: 3 finished trials teach the sampler, 2 of its best run again; "
        "from old: 3 finished trials teach the sampler, 2 of its best run again; "
        "1 lay outside this space"
    )


def test_another_control_trial_is_no_other_training(small_plan, old):
    changed = small_plan("search.warm_start=old", "training.beta=0.2", name="new")
    assert len(taken_over(changed, [old], HASHES).trials) == 3


def test_the_older_sweeps_best_run_after_ones_own(small_plan, old):
    own = "[{beta: 0.15, learning_rate: 2.0e-3, lora_rank: 8}]"
    plan = small_plan("search.warm_start=old", f"search.try_first={own}", name="new")
    origins = [each.origin for each in first_in_turn(plan, taken_over(plan, [old], HASHES))]
    assert origins == ["control", "try_first", "warm_start", "warm_start"]


@pytest.fixture
def left_behind(small_plan):
    plan = small_plan(name="old")
    path = plan.folder / "journal.jsonl"
    if not path.exists():
        journal = Journal.create(path)
        for record in history(plan):
            journal.append(record)
        journal.close()
    return plan


def test_a_sweep_of_the_store_is_found_by_its_name(left_behind, plan):
    assert len(older_sweeps(plan)[0].trials) == len(TRIALS)


def test_what_was_taken_once_needs_the_older_sweep_no_more(left_behind, plan):
    path = left_behind.folder / "journal.jsonl"
    refuse_unteachable(plan)
    with closing(Journal.create(plan.folder / "journal.jsonl")) as journal:
        for record in history(plan)[:2]:
            journal.append(record)
        learn_once(plan, journal)
        learnt = fold(read_journal(journal.path)).warm
        assert len(learnt.trials) == 3
        path.rename(path.with_name("gone.jsonl"))
        try:
            with pytest.raises(ConfigError, match="must name a sweep of"):
                older_sweeps(plan)
            refuse_unteachable(plan)
            learn_once(plan, journal)
        finally:
            path.with_name("gone.jsonl").rename(path)
        assert [each.kind for each in read_journal(journal.path)].count("warm_started") == 1
        assert fold(read_journal(journal.path)).warm == learnt


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("nobody", "must name a sweep of .*got nobody; allowed: .*old"),
        ("new", "must name another sweep"),
        ("../old", "must name a sweep of"),
    ],
)
def test_a_sweep_that_is_not_there_is_refused_with_those_that_are(
    left_behind, small_plan, name, words
):
    with pytest.raises(ConfigError, match=words):
        older_sweeps(small_plan(f"search.warm_start={name}", name="new"))


def test_a_sweep_of_other_parameters_is_refused(left_behind, store):
    from dpo_ray.plan import make_plan
    from tests.conftest import ROOT

    other = make_plan(
        ROOT / "search_spaces/weighting.yaml",
        ROOT / "sweeps/local.yaml",
        ["search.warm_start=old"],
        store=store,
    )
    with pytest.raises(ConfigError, match="must search the same parameters, got beta, learning_ra"):
        older_sweeps(other)

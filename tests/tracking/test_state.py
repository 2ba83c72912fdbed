"""The fold tells what a sweep looks like after any prefix of its journal."""

from dpo_ray.tracking.progress import progress
from dpo_ray.tracking.records import RungDecided, TrialEnded, TrialResumed, TrialStarted
from dpo_ray.tracking.state import SweepState, fold


def test_the_whole_journal_folds_into_the_finished_sweep(example):
    state = fold(example)
    assert len(state.trials) == 12
    assert [row.number for row in state.with_status("STOPPED")] == [1, 3, 9]
    assert [row.name for row in state.with_status("FAILED")] == ["t05"]
    assert state.objective == ("win_rate", "maximize")
    assert list(state.parameters) == ["beta", "learning_rate", "lora_rank"]
    assert state.reference["eval/win_rate"] == 0.492
    assert state.ended is not None
    assert state.ended.best == 10
    assert 0 < state.seconds < 300


def test_a_completed_trial_has_its_last_evaluation_and_its_adapter(example):
    trial = fold(example).trials[0]
    assert trial.is_control
    assert (trial.step, trial.total_steps, trial.status) == (60, 60, "COMPLETED")
    assert [rung.step for rung in trial.rungs] == [15, 30, 60]
    assert trial.metrics == trial.rungs[-1].metrics
    assert trial.adapter is not None
    assert trial.ended is not None
    assert trial.ended > trial.started


def test_a_stopped_trial_says_why_and_where(example):
    trial = fold(example).trials[1]
    assert trial.step == 15
    assert trial.reason.startswith("stopped at step 15")


def test_every_prefix_folds_and_never_has_more_running_than_slots(example):
    state = SweepState()
    for record in example:
        state.apply(record)
        assert len(state.with_status("RUNNING")) <= 2
    assert state.with_status("RUNNING") == []


def test_an_empty_journal_is_a_sweep_that_has_not_begun():
    state = fold([])
    assert state.trials == {}
    assert state.reference == {}
    assert state.parameters == {}
    assert state.objective == ("win_rate", "maximize")
    assert state.seconds == 0.0


def test_a_stopped_trial_says_at_its_end_what_it_missed():
    state = fold(
        [
            TrialStarted(
                trial=3, params={}, origin="sampler", slot="s", folder="/f", total_steps=60
            ),
            RungDecided(trial=3, step=15, action="stop", reason="win_rate 0.5, cutoff 0.7"),
            TrialEnded(trial=3, state="STOPPED", reason="stopped at a rung", step=15, seconds=4.0),
        ]
    )
    assert state.trials[3].reason == "stopped at a rung: win_rate 0.5, cutoff 0.7"


def test_running_trials_are_the_ones_without_an_end_whatever_the_journal_holds(example):
    for count in range(0, len(example), 7):
        state = fold(example[:count])
        rows = [row for row in state.trials.values() if row.status == "RUNNING"]
        assert state.running == rows


def test_a_trial_that_lost_its_node_and_goes_on_is_counted_once():
    begun = TrialStarted(
        trial=0, params={}, origin="control", slot="a", folder="/f", total_steps=60
    )
    lost = TrialEnded(trial=0, state="KILLED", reason="its node left", step=10, seconds=4.0)
    back = TrialResumed(trial=0, slot="b", step=10, total_steps=60)
    done = TrialEnded(trial=0, state="COMPLETED", reason="ran", step=60, seconds=9.0)
    assert progress(fold([begun, lost, back]), 4, back.time).ended == 0
    assert progress(fold([begun, lost, back, done]), 4, done.time).ended == 1

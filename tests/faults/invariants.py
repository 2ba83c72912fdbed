"""What holds of a sweep after every fault, checked by one function."""

from collections import Counter
from pathlib import Path

from dpo_ray.data.trial_files import resume_folders
from dpo_ray.search.past import is_over
from dpo_ray.search.study import StudySearch
from dpo_ray.search.warm_start import first_in_turn
from dpo_ray.tracking.state import SweepState
from tests.faults.leftovers import no_secret_is_out, nobody_is_left
from tests.faults.life import Ended, Sweep, ends
from tests.faults.mirrored import no_run_is_left


def hold(
    sweep: Sweep,
    ended: Ended,
    *,
    code: int,
    within_s: float,
    kept: dict[int, tuple[object, ...]] | None = None,
) -> SweepState:
    """Return the sweep's state once everything that must hold after a fault does.

    `within_s` is what this fault may cost the life that `ended`, whatever patience it was waited
    for with. `kept` is what was over before the fault (`ends`).
    """
    state = sweep.state
    _ended_in_time(ended, within_s)  # i1
    _ended_with_a_reason(state, ended, code)  # i2
    no_run_is_left(sweep, state)  # i3
    _no_trial_is_left(sweep, state)  # i4
    _each_trial_ran_once(sweep, state, kept or {})  # i5
    _no_rung_is_missing(sweep, state)  # i5
    _no_checkpoint_is_left(state)  # fault 6
    nobody_is_left(sweep)  # i6
    no_secret_is_out(sweep)  # i7
    return state


def nothing_was_learned_in_vain(sweep: Sweep) -> None:
    """See that each trial went on from its last checkpoint: no further back than the steps between
    two. Not of trials that begin again with smaller batches."""
    every, told = sweep.plan.sweep.training.checkpoint_steps, Counter[int]()
    assert every is not None
    for record in sweep.records:
        if record.kind == "train":
            told[record.trial] = record.step
        elif record.kind == "trial_resumed":
            back = told[record.trial] - record.step
            assert back <= every, f"trial {record.trial} went back by {back} steps"


def _ended_in_time(ended: Ended, within_s: float) -> None:
    assert ended.seconds <= within_s, f"it took {ended.seconds:.1f} s, not {within_s:.0f}"


def _ended_with_a_reason(state: SweepState, ended: Ended, code: int) -> None:
    assert ended.code == code, ended.errors
    assert state.ended is not None
    assert state.ended.exit_code == code
    assert state.ended.reason
    assert "\n" not in state.ended.reason
    said = [line for line in ended.errors.splitlines() if line.startswith("Error: ")]
    assert said == ([] if code == 0 else [f"Error: {state.ended.reason}"])
    assert "Traceback" not in ended.errors
    assert "Traceback" not in ended.screen


def _no_trial_is_left(sweep: Sweep, state: SweepState) -> None:
    """See that the journal has an end for each trial, and so has the study that the sampler of a
    next life would be given: Optuna's own is in the driver's memory, and gone with it."""
    assert state.running == []
    plan = sweep.plan
    objectives = [each.model_dump(mode="json") for each in plan.sweep.objective]
    first = first_in_turn(plan, state.warm)
    study = StudySearch(plan.sweep.search, plan.space, objectives, first, state).study
    assert "RUNNING" not in {trial.state.name for trial in study.get_trials()}


def _each_trial_ran_once(
    sweep: Sweep, state: SweepState, kept: dict[int, tuple[object, ...]]
) -> None:
    records = sweep.records
    now = ends(state)
    assert {number: now.get(number) for number in kept} == kept
    lines = Counter((r.kind, r.trial, r.step) for r in records if r.kind in ("train", "rung"))
    assert {line: times for line, times in lines.items() if times > 1} == {}, "told twice"
    begun = Counter(r.trial for r in records if r.kind == "trial_started")
    assert set(begun.values()) <= {1}, "a trial was begun twice"
    final = Counter(r.trial for r in records if r.kind == "trial_ended" and r.state != "KILLED")
    assert set(final.values()) <= {1}, "a trial ended twice"
    logged = sweep.plan.sweep.training.logging_steps
    for row in [*state.trials.values(), *state.confirmations.values()]:
        if row.status in ("COMPLETED", "STOPPED"):
            steps = [step for kind, trial, step in lines if (kind, trial) == ("train", row.number)]
            expected = list(range(logged, row.step + 1, logged))
            # A driver may die between a rung's verdict and that step's last line.
            settled = row.status == "STOPPED" and not row.timings and expected[:-1]
            assert sorted(steps) in (expected, settled), f"a step of {row.name} is missing"


def _no_checkpoint_is_left(state: SweepState) -> None:
    """See that a trial that is over keeps nothing to go on from."""
    for row in [*state.trials.values(), *state.confirmations.values()]:
        if is_over(row):
            assert resume_folders(Path(row.folder)) == [], row.name


def _no_rung_is_missing(sweep: Sweep, state: SweepState) -> None:
    """See that whatever befell a trial it was evaluated wherever its plan says, in that order: a
    confirmation's once, where it ends, and the search's at every rung it has come to."""
    planned = sweep.plan.sweep.evaluation.at
    for row in state.trials.values():
        seen = [rung.fraction for rung in row.rungs]
        whole = planned if row.status == "COMPLETED" else planned[: len(seen)]
        assert seen == whole, f"a rung of {row.name} is missing"
    for row in state.confirmations.values():
        rungs = len(row.rungs)
        assert rungs == 1 or (row.status != "COMPLETED" and not rungs), f"the rung of {row.name}"

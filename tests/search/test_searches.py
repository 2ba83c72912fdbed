"""Every sampler and every rule of early stopping drives a real search over rehearsed trials."""

from collections import Counter

import pytest

from dpo_ray.plan import make_plan
from dpo_ray.search.rungs import full_trials
from dpo_ray.slots.rehearsal import RehearsalShape
from dpo_ray.tracking.foretelling import foretelling
from tests.conftest import ROOT, SMALL

pytestmark = pytest.mark.slow
TWO = "objective=[{metric: win_rate}, {metric: kl, direction: minimize}]"
EAGER = "search.scheduler.grace_trials=1"


@pytest.fixture
def search(cluster, store):
    """Rehearse a plan of a shipped space; its trials do not train."""

    def run(name, *overrides, space="beta", shape=None):
        from dpo_ray.search.rehearsal import rehearse

        plan = plan_of(store, name, *overrides, space=space)
        return rehearse(plan, shape or RehearsalShape())

    return run


def plan_of(store, name, *overrides, space="beta"):
    # One at a time: Tune takes seconds to start each stand-in, and none to run it.
    common = ("evaluation.at=[0.25, 0.5, 1.0]", "search.trials=8", "search.concurrent=1")
    settings = [*SMALL, *common, *overrides]
    path = ROOT / f"search_spaces/{space}.yaml"
    name = f"rehearsed-{name}"  # the store is shared with sweeps that train
    return make_plan(path, ROOT / "sweeps/local.yaml", settings, store=store, name=name)


@pytest.mark.parametrize(
    ("name", "space", "overrides", "stops"),
    [
        ("tpe-asha", "beta", ("search.n_startup=2", EAGER), True),
        ("gp-none", "beta", ("search.sampler=gp", "search.n_startup=2",
                             "search.scheduler.type=none"), False),
        ("random-median", "beta", ("search.sampler=random", EAGER,
                                   "search.scheduler.type=median"), True),
        ("nsgaii-two", "beta", (TWO, "search.sampler={type: nsgaii, population_size: 3}", EAGER,
                                "search.scheduler.metric=kl"), True),
        ("tpe-two", "learning_rate", (TWO, "search.n_startup=2", EAGER), True),
        ("tpe-branches", "loss_type", ("search.n_startup=3",), False),
    ],
)  # fmt: skip
def test_a_search_runs_its_trials_and_asks_its_sampler(search, name, space, overrides, stops):
    state = search(name, *overrides, space=space)
    ends = Counter(row.status for row in state.trials.values())
    assert sorted(state.trials) == list(range(8))
    assert set(ends) <= {"COMPLETED", "STOPPED"}
    assert bool(ends["STOPPED"]) or not stops
    assert ends["COMPLETED"]
    assert state.trials[0].status == "COMPLETED"  # the control trial, always
    origins = Counter(row.origin for row in state.trials.values())
    assert origins["control"] == 1
    assert origins["sampler"] >= 2


def test_branches_are_searched_each_in_its_own_range(search):
    state = search("branches", "search.sampler=random", "search.trials=12", space="loss_type")
    ranges = {
        "sigmoid": (0.01, 1), "robust": (0.01, 1), "ipo": (0.2, 5), "sigmoid_norm": (1, 10)
    }  # fmt: skip
    seen = set()
    for row in state.trials.values():
        low, high = ranges[row.params["loss_type"]]
        assert low <= row.params["beta"] <= high
        assert ("label_smoothing" in row.params) == (row.params["loss_type"] == "robust")
        seen.add(row.params["loss_type"])
    assert len(seen) >= 3


def test_a_grid_is_walked_once_with_the_control_and_ones_own_first(search):
    own = "[{learning_rate: 1.0e-3}]"
    state = search(
        "grid", "search.sampler={type: grid, points: 3}", "search.trials=40",
        f"search.try_first={own}", "search.scheduler.type=none", space="learning_rate",
    )  # fmt: skip
    rows = [state.trials[number] for number in sorted(state.trials)]
    assert [row.origin for row in rows] == ["control", "try_first", *["grid"] * (len(rows) - 2)]
    values = [tuple(row.params.values()) for row in rows]
    assert len(set(values)) == len(values) < 40


def test_full_trials_run_to_their_end_and_show_what_rungs_are_worth(search):
    state = search("full", "search.full_trials=4", EAGER, "search.trials=10")
    full = full_trials(4, 10)
    assert {state.trials[number].status for number in full} == {"COMPLETED"}
    reasons = {state.trials[number].decisions[0].reason for number in full}
    assert "runs to its end on purpose (search.full_trials)" in reasons
    assert [each.fraction for each in foretelling(state)] == [0.25, 0.5]
    assert min(each.trials for each in foretelling(state)) >= 5


SEQUENCE = ("search.n_startup=2", EAGER, "search.trials=6")


def story(state):
    """What a search has tried and found, without its clock."""
    return [
        (row.number, row.params, row.origin, row.status, [rung.metrics for rung in row.rungs],
         [decision.reason for decision in row.decisions])
        for _, row in sorted(state.trials.items())
    ]  # fmt: skip


@pytest.fixture(scope="module")
def whole(cluster, store):
    """A sequential search from end to end, and its journal's lines."""
    from dpo_ray.search.rehearsal import rehearse

    plan = plan_of(store, "sequence", *SEQUENCE)
    state = rehearse(plan, RehearsalShape())
    return story(state), (plan.folder / "journal.jsonl").read_text().splitlines(keepends=True)


def test_a_seed_repeats_a_sequential_sweep_to_the_digit(search, whole):
    assert story(search("sequence-again", *SEQUENCE)) == whole[0]
    assert story(search("other-seed", *SEQUENCE, "search.seed=7")) != whole[0]


@pytest.mark.parametrize("share", [0.3, 0.55, 0.8])
def test_a_journal_cut_anywhere_leads_to_the_same_end(search, whole, store, share):
    expected, lines = whole
    name = f"cut-{round(100 * share)}"
    folder = store / "sweeps" / f"rehearsed-{name}"
    folder.mkdir(parents=True)
    cut = round(len(lines) * share)
    (folder / "journal.jsonl").write_text("".join(lines[:cut]) + lines[cut][:20])
    state = search(name, *SEQUENCE)
    told = [(number, *rest[:4]) for number, *rest in story(state)]
    assert told == [(number, *rest[:4]) for number, *rest in expected]
    assert len(state.lives) == 2


def test_a_finished_search_is_extended_and_keeps_what_it_had(search):
    first = search("extended", *SEQUENCE, "search.trials=4")
    longer = search("extended", *SEQUENCE, "search.trials=6")
    assert story(longer)[:4] == story(first)
    assert sorted(longer.trials) == list(range(6))


def test_a_spent_budget_starts_nothing_more_and_what_ran_stands(search):
    state = search(
        "spent", "search.trials=200", "budget={hours: 0.002, grace_minutes: 0.05}",
        shape=RehearsalShape(pause_s=0.3),
    )  # fmt: skip
    assert 2 <= len(state.trials) < 40
    assert not state.running
    assert state.seconds <= 0.002 * 3600 + 3 + 5

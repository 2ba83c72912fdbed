"""While a confirmation runs, lines and table say what is tried again and how much is left."""

import io

import pytest
from rich.console import Console

from dpo_ray.tracking.console_lines import line
from dpo_ray.tracking.console_table import progress_line, table
from dpo_ray.tracking.progress import confirmation_progress
from dpo_ray.tracking.records import (
    CONFIRMATIONS,
    Candidate,
    CandidateConfirmed,
    ConfirmationPlanned,
    Confirmed,
    RungReached,
    TrialEnded,
    TrialStarted,
)
from dpo_ray.tracking.state import fold

WON = {"eval/win_rate": 0.72, "eval/win_rate_low": 0.66, "eval/win_rate_high": 0.77, "eval/kl": 2.0}


@pytest.fixture
def state(example):
    """Two candidates on two seeds: one training is over, the next half done."""
    found = fold(example[:-1])
    params = found.trials[10].params
    tried = Candidate(
        trial=10, step=30, fraction=0.5, total_steps=60, params=params, is_default=False,
        metrics=WON,
    )  # fmt: skip
    default = tried.model_copy(update={"trial": 0, "step": 60, "is_default": True})
    found.apply(
        ConfirmationPlanned(
            candidates=[tried, default], seeds=[1000, 1001], prompts=292, reference=WON
        )
    )
    for number in (0, 1):
        found.apply(
            TrialStarted(
                trial=CONFIRMATIONS + number, params=params, origin="confirmation", slot="slot-0",
                folder="/c", total_steps=60, confirms=number, seed=1000, time=100.0,
            )
        )  # fmt: skip
    found.apply(RungReached(trial=CONFIRMATIONS, step=30, fraction=0.5, metrics=WON))
    found.apply(ended())
    found.confirmations[CONFIRMATIONS + 1].step = 15
    return found


def ended(state="COMPLETED", reason="stopped at its chosen step, 30 of 60"):
    return TrialEnded(
        trial=CONFIRMATIONS, state=state, reason=reason, step=30, seconds=5.0, time=110.0
    )


def test_a_start_says_what_is_tried_again_on_which_seed_and_how_far(state):
    started = TrialStarted(
        trial=CONFIRMATIONS, params={"beta": 0.132}, origin="confirmation", slot="slot-0",
        folder="/c", total_steps=60, confirms=0, seed=1000,
    )  # fmt: skip
    assert (
        line(state, started, 12) == "c00 started (t10 again, seed 1000) up to step 30: beta 0.132"
    )


def test_an_end_counts_the_confirmations_trials_and_not_the_searchs(state):
    text = line(state, ended(), 12)
    assert text.startswith("c00 (t10 again, seed 1000) COMPLETED after 5 s at step 30/60: win rate")
    # 30 + 15 of 2 x (30 + 60) steps are done after 10 s, so 30 s are left.
    assert text.endswith("1/4 confirmation trials done, about 30 s left")


def test_a_failed_one_says_why(state):
    assert ": out of memory; 1/4" in line(state, ended("FAILED", "out of memory"), 12)


def test_the_result_is_said_candidate_by_candidate_and_then_in_one_sentence(state):
    confirmed = {name.replace("eval/", "confirm/"): value for name, value in WON.items()}
    of_default = CandidateConfirmed(candidate=1, metrics=confirmed)
    assert line(state, of_default, 12) == (
        "t00, the default on unseen prompts: win rate 0.72 [0.66, 0.77]"
    )
    verdict = Confirmed(champion=0, verdict="beta .31 beats the default by 6.1 +- 2.9 points")
    assert line(state, verdict, 12) == f"confirmation: {verdict.verdict}"


def test_the_live_table_shows_the_confirmations_trials(state):
    console = Console(file=io.StringIO(), width=150)
    console.print(table(state, 20, wide=True, now=120.0))
    shown = console.file.getvalue()
    assert "done, t10 again, seed 1000" in shown
    assert "running, the default again, seed 1000" in shown
    assert "t05" not in shown
    bar, words = progress_line(state, 12, 110.0).split(" ", 1)
    assert len(bar) == 8
    assert words.startswith("1/4 confirmation trials ended")


def test_nothing_is_extrapolated_from_nothing(state):
    state.confirmations.clear()
    assert confirmation_progress(state, 110.0).remaining_s is None


def test_while_the_search_runs_the_confirmation_is_announced(example):
    found = fold(example[:100])
    found.plan.plan["sweep"]["confirm"] = {"top": 3, "seeds": 3, "prompts": None}
    assert found.confirms
    narrow, wide = (progress_line(found, 12, example[99].time, wide) for wide in (False, True))
    assert narrow.endswith("to the confirmation")
    assert len(narrow) < 78, "a terminal of 80 columns would cut it off"
    assert "gone" in wide
    assert wide.split(" ")[0].count("━") > narrow.split(" ")[0].count("━") > 0

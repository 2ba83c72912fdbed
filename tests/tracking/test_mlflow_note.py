"""The note of a sweep's own run, as MLflow takes it."""

import pytest

from dpo_ray.tracking.mlflow_note import SHOWN, note
from dpo_ray.tracking.mlflow_writer import _TAG_LENGTH
from dpo_ray.tracking.records import ArtifactWritten, RungReached, TrialEnded, TrialStarted
from dpo_ray.tracking.state import fold


def sweep(planned, count):
    """So many trials, the later the better but for the default, which is first and worst."""
    records = [planned]
    for number in range(count):
        params = {"beta": 0.1 + number / 1e4, "learning_rate": 1.234e-3, "lora_rank": 16}
        value = 0.4 + 0.5 * number / count
        metrics = {"eval/win_rate": value, "eval/kl": 1.23456}
        metrics |= {"eval/win_rate_low": value - 0.08, "eval/win_rate_high": value + 0.08}
        common = {"trial": number, "step": 60}
        records += [
            TrialStarted(
                trial=number,
                params=params,
                origin="sampler" if number else "control",
                slot="slot-0",
                folder="/store/trial",
                total_steps=60,
            ),
            RungReached(**common, fraction=1.0, metrics=metrics),
            TrialEnded(**common, state="COMPLETED", reason="r" * 200, seconds=4.0),
        ]
    return fold(records)


def written(state):
    runs = {None: "f" * 32} | {number: f"{number:032x}" for number in state.trials}
    return note(state, "1", runs)


def linked(text):
    return {number for number in range(2000) if f"runs/{number:032x})" in text}


@pytest.mark.parametrize("count", [SHOWN + 1, 1000])
def test_a_long_sweeps_note_shows_the_best_and_the_default_and_fits(planned, count):
    text = written(sweep(planned, count))
    assert linked(text) == {0, *range(count - SHOWN + 1, count)}
    assert len(text) <= _TAG_LENGTH
    assert "compare those below" in text


def test_the_report_is_linked_once_it_is_written(planned):
    state = sweep(planned, 2)
    assert "the report" not in written(state)
    state.apply(ArtifactWritten(path="/store/sweeps/live/report.html"))
    assert f"[the report](#/experiments/1/runs/{'f' * 32}/artifacts/report.html)" in written(state)


def test_a_short_sweeps_note_shows_all_of_it(planned):
    text = written(sweep(planned, SHOWN))
    assert linked(text) == set(range(SHOWN))
    assert len(text) <= _TAG_LENGTH
    assert "[compare them]" in text

"""Of a worker's traceback a person is shown what can be acted upon, of one cause once."""

import json
import traceback
from pathlib import Path

import pytest

from dpo_ray.config.loading import load_sweep
from dpo_ray.tracking.failures import Failures
from dpo_ray.tracking.tracebacks import TEXT_LINES, alike, essence
from dpo_ray.tracking.trial_row import TrialRow

LIBRARY = """Traceback (most recent call last):
  File "/home/a/dpo_ray/training/attempt.py", line 61, in attempt
    trainer = _build(job, desk, callback)
              ^^^^^^^^^^^^^^^^^^^^^^^^^^^
  File "/home/a/dpo_ray/training/dpo.py", line 84, in build_trainer
    trainer = PreparedDPOTrainer(
  File "/venv/lib/python3.11/site-packages/trl/trainer/dpo_trainer.py", line 400, in __init__
    model = get_peft_model(model, peft_config)
  File "/venv/lib/python3.11/site-packages/peft/mapping.py", line 120, in get_peft_model
    return PeftModel(model)
  File "/venv/lib/python3.11/site-packages/peft/tuners/tuners_utils.py", line 900, in inject
    raise ValueError(message)
ValueError: Target modules {'nope'} not found in the base model.
Please check the target modules.
"""
OWN = """Traceback (most recent call last):
  File "/venv/lib/python3.11/site-packages/dpo_ray/evaluation/reward_function.py", line 28, in score
    answer = list(function(**arguments))
  File "/home/a/my_rewards.py", line 7, in helpful
    return [scores[c] for c in completions]
  File "/home/a/my_rewards.py", line 7, in <listcomp>
    return [scores[c] for c in completions]
KeyError: 'The soup was'

The above exception was the direct cause of the following exception:

Traceback (most recent call last):
  File "/venv/lib/python3.11/site-packages/dpo_ray/evaluation/judging.py", line 90, in judge
    raise JudgingFailed(text) from error
dpo_ray.errors.JudgingFailed: my_rewards:helpful raised KeyError
"""


def test_our_frames_stay_and_the_last_of_the_librarys():
    assert essence(LIBRARY) == [
        "dpo_ray/training/attempt.py:61, attempt: trainer = _build(job, desk, callback)",
        "dpo_ray/training/dpo.py:84, build_trainer: trainer = PreparedDPOTrainer(",
        "... 2 calls in trl, peft",
        "peft/tuners/tuners_utils.py:900, inject: raise ValueError(message)",
        "ValueError: Target modules {'nope'} not found in the base model.",
        "Please check the target modules.",
    ]


def test_a_persons_own_code_stays_and_a_chain_is_told_by_its_cause():
    lines = essence(OWN)
    assert lines[0].startswith("dpo_ray/evaluation/reward_function.py:28, score: ")
    assert lines[1].startswith("/home/a/my_rewards.py:7, helpful: ")
    assert lines[-1] == "KeyError: 'The soup was'"
    assert "JudgingFailed" not in "".join(lines)


def test_a_real_traceback_of_this_python_is_understood():
    try:
        load_sweep(Path("no/such/sweep.yaml"), [])
    except Exception as error:
        lines = essence("".join(traceback.format_exception(error)))
    assert lines[0].startswith("dpo_ray/") or "test_tracebacks.py" in lines[0]
    try:
        json.loads("{")
    except ValueError as error:
        lines = essence("".join(traceback.format_exception(error)))
    assert "... 2 calls in json" in lines
    assert lines[-1].startswith("json.decoder.JSONDecodeError: Expecting property name")


def test_a_text_of_many_lines_is_cut_and_counted():
    text = LIBRARY + "\n".join(f"line {n}" for n in range(20))
    assert essence(text)[-1] == f"... {22 - TEXT_LINES} lines more"


def test_a_text_without_a_traceback_has_no_essence():
    assert essence("killed by the kernel") == []


def test_causes_are_alike_by_their_calls_and_kind_whatever_they_say():
    assert alike(OWN) == alike(OWN.replace("'The soup was'", "'The film was'"))
    assert alike(OWN) != alike(OWN.replace("KeyError", "IndexError"))
    assert alike(OWN) != alike(OWN.replace("my_rewards.py", "your_rewards.py"))
    assert alike(LIBRARY) != alike(OWN)


@pytest.fixture
def failed(tmp_path):
    def make(number: int, text: str | None) -> TrialRow:
        folder = tmp_path / f"t{number:02d}"
        folder.mkdir()
        if text is not None:
            (folder / "error.log").write_text(text)
        return TrialRow(number, {}, "sampler", "slot", str(folder), 60, 0.0)

    return make


def test_each_cause_is_shown_once_and_counted_in_the_end(failed, tmp_path):
    failures = Failures()
    first = failures.lines(failed(0, LIBRARY))
    assert first == [*essence(LIBRARY), f"full log: {tmp_path}/t00/error.log"]
    assert failures.lines(failed(1, OWN))[0] != first[0]
    again = failures.lines(failed(2, LIBRARY.replace("nope", "none")))
    assert again == [f"the same error as t00's; full log: {tmp_path}/t02/error.log"]
    assert failures.lines(failed(3, None)) == []
    assert failures.sums() == ["2 trials failed with one and the same error, shown at t00"]

"""Judges are found, or refused in words, before anything starts."""

import shutil
from dataclasses import replace

import pytest

from dpo_ray.config.evaluation import EvaluationConfig
from dpo_ray.data.prepared import reference_metrics_of
from dpo_ray.errors import ConfigError, JudgingFailed
from dpo_ray.search.inputs import check_inputs, preparation
from dpo_ray.search.judges import find_judges
from dpo_ray.search.preparation import Screen, prepare
from dpo_ray.training.in_process import InProcess
from tests.evaluation.llm_server import failing, longer, running_llm

LLM = {
    "type": "llm",
    "model": "a",
    "url": "http://127.0.0.1:1/v1/chat/completions",
    "api_key_env": "DPO_RAY_TEST_KEY",
}


def find(tmp_path, judge, shared=False, **others):
    evaluation = EvaluationConfig.model_validate({"judge": judge, **others})
    return find_judges(evaluation, tmp_path, shared)


def test_each_judge_has_its_own_identity_under_its_own_name(tmp_path):
    strict = {"type": "reward", "tie": 0.5}
    found = find(tmp_path, {"type": "reward"}, further_judges={"strict": strict})
    assert list(found.identities) == ["", "strict"]
    assert found.identities[""] != found.identities["strict"]
    assert found.models == {}


@pytest.mark.parametrize(
    ("judge", "words"),
    [
        ({"type": "reward", "function": "no.such:thing"}, "there is no module no"),
        ({"type": "reward", "function": "json:lodas"}, "has no lodas"),
        (
            {"type": "reward_model", "model": "/no/such/folder"},
            "evaluation.judge.model must be a folder with config.json",
        ),
        (LLM, "the environment variable DPO_RAY_TEST_KEY must hold the key for http://127.0.0.1:1"),
    ],
)
def test_what_is_not_there_is_refused_in_words(tmp_path, monkeypatch, judge, words):
    monkeypatch.delenv("DPO_RAY_TEST_KEY", raising=False)
    with pytest.raises(ConfigError, match=words):
        find(tmp_path, judge)


def test_a_key_is_looked_for_where_it_is_used_and_stands_nowhere(tmp_path, monkeypatch):
    assert find(tmp_path, LLM, shared=True).identities
    monkeypatch.setenv("DPO_RAY_TEST_KEY", "sk-secret")
    assert "sk-secret" not in repr(find(tmp_path, LLM))


def test_a_reward_models_own_code_never_runs_from_a_folder(tmp_path):
    (tmp_path / "config.json").write_text('{"auto_map": {"AutoModel": "evil.Model"}}')
    (tmp_path / "model.safetensors").write_bytes(b"")
    with pytest.raises(
        ConfigError, match=r"evaluation\.judge\.model: .* names Python code of its own"
    ):
        find(tmp_path, {"type": "reward_model", "model": str(tmp_path)})


def prepared_by(url: str, small_plan, tmp_path, number: int):
    """Judge the reference against itself in a store of its own, but for the answers."""
    judge = f"{{type: llm, model: judge, url: '{url}', retries: 0}}"
    plan = small_plan(f"evaluation.judge={judge}", f"evaluation.seed={1000 + number // 2}")
    inputs = check_inputs(plan.sweep, plan.store, calls=tmp_path / f"calls-{number}")
    shared = preparation(inputs, plan.sweep)
    judging = replace(shared.judging, answers=tmp_path / "answers")
    prepare(replace(shared, judging=judging), InProcess(), Screen())
    return shared


def test_judges_that_cannot_judge_the_reference_end_the_sweep_in_words(small_plan, tmp_path):
    with (
        running_llm(lambda question: failing(500)) as llm,
        pytest.raises(JudgingFailed, match=r"comparisons could not be judged .* answered 500"),
    ):
        prepared_by(llm.url, small_plan, tmp_path, 0)


def test_the_reference_is_judged_once_and_no_call_is_made_twice(small_plan, tmp_path):
    with running_llm(longer) as llm:
        shared = prepared_by(llm.url, small_plan, tmp_path, 2)
        calls = len(llm.calls)
        assert (tmp_path / "calls-2" / "judge").stat().st_size == calls > 0
        metrics = reference_metrics_of(shared.prepared)
        assert metrics["eval/judge_consistency"] == 1.0
        assert "eval/gold_reward" not in metrics
        shutil.rmtree(shared.prepared.judged)
        prepared_by(llm.url, small_plan, tmp_path, 3)
        assert len(llm.calls) == calls

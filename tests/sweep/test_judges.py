"""Sweeps that are judged by functions, reward models and language models that really answer."""

import os
import subprocess

import mlflow
import pytest
import torch
from transformers import AutoConfig, AutoModelForSequenceClassification

from dpo_ray.reference.model import load_tokenizer, model_folder
from tests.conftest import ROOT
from tests.evaluation.llm_server import longer, running_llm
from tests.sweeping import arguments

pytestmark = pytest.mark.slow
ONE = ("search.trials=1", "evaluation.prompts=8")


@pytest.fixture(scope="module")
def reward_model(tmp_path_factory) -> str:
    """A small model of the toy's own shape with one output."""
    folder = tmp_path_factory.mktemp("reward_model")
    torch.manual_seed(0)
    config = AutoConfig.from_pretrained(model_folder("embedded"), num_labels=1)
    AutoModelForSequenceClassification.from_config(config).save_pretrained(folder)
    load_tokenizer(model_folder("embedded")).save_pretrained(folder)
    return str(folder)


def judged_by(url: str, reward_model: str) -> tuple[str, ...]:
    llm = f"{{type: llm, model: judge, url: '{url}', concurrency: 4, retries: 1}}"
    others = (
        "{gold: {type: reward}, brief: {type: reward, function: 'tests.sweep.rewards:short'}, "
        f"model: {{type: reward_model, model: {reward_model}}}}}"
    )
    return (f"evaluation.judge={llm}", f"evaluation.further_judges={others}")


def test_all_families_judge_one_sweep(run, store, reward_model):
    with running_llm(longer) as llm:
        judges = judged_by(llm.url, reward_model)
        done = run("judged", *ONE, *judges)
        assert done.code == 0, done.errors
        calls = len(llm.calls)
        assert (done.folder / "judge-calls" / "judge").stat().st_size == calls > 0
        (trial,) = done.state.trials.values()
        for rung in trial.rungs:
            metrics = rung.metrics
            assert metrics["eval/judge_consistency"] == 1.0
            assert metrics["eval/judge_failed"] == 0.0
            assert {"eval/gold/score", "eval/brief/score", "eval/model/score"} <= set(metrics)
            for name in ("", "gold/", "brief/", "model/"):
                low, rate, high = (
                    metrics[f"eval/{name}win_rate{end}"] for end in ("_low", "", "_high")
                )
                assert low <= rate <= high
        reference = done.state.prepared.reference
        assert {"eval/brief/win_rate", "eval/model/score"} <= set(reference)

    client = mlflow.MlflowClient(f"sqlite:///{store}/mlflow.db")
    experiment = client.get_experiment_by_name("dpo-ray").experiment_id
    (found,) = client.search_runs([experiment], f"tags.`trial.folder` = '{trial.folder}'")
    assert found.data.metrics["eval/brief/win_rate"] == trial.metrics["eval/brief/win_rate"]
    tables = [item.path for item in client.list_artifacts(found.info.run_id)]
    assert "completions.json" in tables


@pytest.mark.parametrize(
    ("judge", "words"),
    [
        ("{type: reward, function: 'tests.sweep.rewards:shrt'}", "did you mean short"),
        ("{type: reward_model, model: /no/such}", "evaluation.judge.model must be a folder"),
        (
            "{type: llm, model: m, url: 'http://127.0.0.1:1/v1', api_key_env: NO_SUCH_KEY}",
            "the environment variable NO_SUCH_KEY must hold the key",
        ),
    ],
)
def test_a_judge_that_is_not_there_is_refused_before_anything_starts(store, judge, words):
    override = f"evaluation.judge={judge}"
    space = "search_spaces/beta.yaml"
    command = arguments(store, "refused", override, space=space, small=True)
    environment = {key: value for key, value in os.environ.items() if key != "RAY_ADDRESS"}
    done = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 2
    assert words in done.stderr
    assert not (store / "sweeps" / "refused").exists()

"""S11: what leaves this machine for a cluster carries the names of secrets, never a secret."""

import pytest
from ruamel.yaml import YAML

from dpo_ray.cluster.session import WORKERS
from dpo_ray.cluster.verbosity import speak_up, worker_environment
from dpo_ray.errors import ConfigError
from dpo_ray.nightly.manifests import Surroundings, cronjob, raycronjob
from tests.nightly import conftest as nightly

schedule = nightly.schedule
SECRET = "canary-5f2d9c"
KEYS = ("MLFLOW_TRACKING_PASSWORD", "HF_TOKEN", "DPO_RAY_WEBHOOK")
AROUND = Surroundings("registry.example/mine:1", secret_keys=KEYS)


def variables(value):
    """Yield every `env` entry of a manifest."""
    if isinstance(value, dict):
        yield from value.get("env", [])
        value = list(value.values())
    for each in value if isinstance(value, list) else []:
        yield from variables(each)


@pytest.fixture
def manifests(schedule, monkeypatch):
    for key in (*KEYS, "RAY_AUTH_TOKEN", "MLFLOW_TRACKING_USERNAME"):
        monkeypatch.setenv(key, SECRET)
    budget, head = "budget.hours=6", "cluster.address=http://ray-head:8265"
    return [
        raycronjob(schedule(budget), AROUND, "2.60.0"),
        cronjob(schedule(budget, head), AROUND),
    ]


def test_s11_a_manifest_names_secrets_by_reference_only(manifests):
    for text in manifests:
        assert SECRET not in text
        entries = list(variables(YAML(typ="safe").load(text)))
        plain = {each["name"] for each in entries if "value" in each}
        assert plain <= {"RAY_JOB_STOP_SIGNAL", "RAY_JOB_STOP_WAIT_TIME_S", "RAY_AUTH_MODE"}
        referred = {each["name"]: each["valueFrom"]["secretKeyRef"] for each in entries
                    if "value" not in each}  # fmt: skip
        assert referred
        assert all({"name", "key"} == set(each) for each in referred.values())


@pytest.mark.parametrize(
    "override",
    [
        f"tracking.uri=http://me:{SECRET}@mlflow:5000",
        f"data.source=https://host/pairs.jsonl?token={SECRET}",
        f"data.source=s3://{SECRET}@bucket/pairs.jsonl",
    ],
)
def test_s11_a_schedule_takes_no_secret_on_its_command_line(schedule, override):
    """It writes its command into manifests, crontabs and its own ledger."""
    with pytest.raises(ConfigError) as refused:
        schedule(override)
    assert SECRET not in str(refused.value)
    assert "must hold no secret" in str(refused.value)


def test_s11_the_environment_that_workers_are_told_is_a_fixed_list(monkeypatch):
    monkeypatch.setenv("HF_TOKEN", SECRET)
    monkeypatch.setenv("DPO_RAY_VERBOSE", "0")
    speak_up()
    told = WORKERS | worker_environment()
    assert set(told) == {*WORKERS, "DPO_RAY_VERBOSE"}
    assert SECRET not in str(told)

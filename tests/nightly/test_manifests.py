"""Manifests are what they were, and what Kubernetes and KubeRay take."""

import gzip
import json
from dataclasses import replace
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator
from ruamel.yaml import YAML

from dpo_ray.errors import ConfigError
from dpo_ray.nightly.manifests import Surroundings, cronjob, crontab, raycronjob

HERE = Path(__file__).parent
BUDGET = "budget.hours=6"
HEAD = "cluster.address=http://ray-head:8265"
AROUND = Surroundings("registry.example/mine:1", secret_keys=("MLFLOW_TRACKING_PASSWORD",))
# KubeRay 1.7's own (Apache-2.0), helm-chart/kuberay-operator/crds, without its descriptions.
SCHEMA = json.loads(gzip.decompress((HERE / "schemas/raycronjob.json.gz").read_bytes()))


def strict(schema):
    """Refuse unknown keys, as the API server prunes them without a word."""
    if isinstance(schema, list):
        return [strict(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    closed = {key: strict(value) for key, value in schema.items()}
    keeps = "additionalProperties" in closed or "x-kubernetes-preserve-unknown-fields" in closed
    if isinstance(closed.get("properties"), dict) and not keeps and "type" in closed:
        closed["additionalProperties"] = False
    return closed


def findings(schema, document):
    return [error.message for error in Draft202012Validator(schema).iter_errors(document)]


def read(text):
    return YAML(typ="safe").load(text)


@pytest.fixture
def ray_cron_job(schedule):
    return raycronjob(schedule(BUDGET, "resources.gpus_per_worker=1"), AROUND, "2.60.0")


def golden(name, text):
    assert text == (HERE / "golden" / name).read_text(encoding="utf-8")


def test_a_raycronjob_is_as_it_was_and_what_kuberay_takes(ray_cron_job):
    golden("raycronjob.yaml", ray_cron_job)
    manifest = read(ray_cron_job)
    spec = strict(SCHEMA["properties"]["spec"])
    assert findings(spec, manifest["spec"]) == []


def test_the_schema_would_find_a_misspelt_key(ray_cron_job):
    manifest = read(ray_cron_job)
    manifest["spec"]["jobTemplate"]["rayClusterSpec"]["autOptions"] = {}
    assert findings(strict(SCHEMA["properties"]["spec"]), manifest["spec"])


def test_a_cronjob_is_as_it_was_and_its_pod_is_one(schedule):
    text = cronjob(schedule(BUDGET, HEAD), AROUND)
    golden("cronjob.yaml", text)
    template = read(text)["spec"]["jobTemplate"]["spec"]["template"]
    job = SCHEMA["properties"]["spec"]["properties"]["jobTemplate"]["properties"]
    pod = strict(job["submitterPodTemplate"])
    assert findings(pod, template) == []


def test_a_crontab_line_is_as_it_was(schedule):
    own = replace(schedule("tracking.experiment=my 100 % nights"), store=Path("/srv/my store"))
    golden("crontab", crontab(own, Path("/srv/project"), ".venv/bin/python"))


def test_no_secret_stands_in_a_manifest(ray_cron_job):
    environment = [
        entry
        for group in ("headGroupSpec",)
        for container in read(ray_cron_job)["spec"]["jobTemplate"]["rayClusterSpec"][group][
            "template"
        ]["spec"]["containers"]
        for entry in container["env"]
    ]
    (password,) = [each for each in environment if each["name"] == "MLFLOW_TRACKING_PASSWORD"]
    assert "value" not in password
    assert password["valueFrom"]["secretKeyRef"] == {
        "name": "dpo-ray",
        "key": "MLFLOW_TRACKING_PASSWORD",
    }


def test_without_a_budget_there_is_no_deadline_and_no_manifest(schedule):
    with pytest.raises(ConfigError, match=r"budget\.hours: is needed for a manifest"):
        raycronjob(schedule(), AROUND, "2.60.0")


def test_a_cronjob_needs_the_heads_jobs_address(schedule):
    with pytest.raises(ConfigError, match="must be the head's Jobs address"):
        cronjob(schedule(BUDGET), AROUND)

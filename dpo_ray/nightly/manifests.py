"""A schedule as other schedulers read it: a crontab line, a Kubernetes CronJob, a RayCronJob.

Each does no more than call `tick` at its time. Which night that is, whether it has run, and what
was missed stands in the store, so that one that calls twice, late or too often does no harm.
"""

import io
import json
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from ruamel.yaml import YAML

from dpo_ray.cluster.submitting import STOPPING
from dpo_ray.errors import ConfigError
from dpo_ray.nightly.opening import Schedule

To = Literal["crontab", "cronjob", "raycronjob"]
AFTERWARDS_S = 1800
"""A job's deadline beyond its budget: starting a cluster, drawing, mirroring."""
WAITING_S = 1800
"""How long a cluster may take to come up, nodes of an autoscaler included."""
KEPT_S = 600
STORE = "/store"
INSIDE = ("--set", "cluster.address=null")
"""A job on the cluster joins it by $RAY_ADDRESS, wherever its submitter found it."""


@dataclass(frozen=True)
class Surroundings:
    """What a manifest must know beside the schedule.

    Attributes:
        image: a container image with dpo-ray and the project's files.
        claim: the PersistentVolumeClaim that is mounted at /store on every pod.
        secret: a Secret whose keys `secret_keys` become environment variables of these names.
        token_secret: the Secret whose key auth_token is the cluster's Ray token.
    """

    image: str
    claim: str = "dpo-ray-store"
    secret: str = "dpo-ray"
    secret_keys: tuple[str, ...] = ()
    token_secret: str = "ray-token"
    namespace: str = "default"


def crontab(schedule: Schedule, folder: Path, python: str) -> str:
    """Return two lines for a user's crontab; `folder` is where the schedule's paths begin."""
    own = [python, *_tick(schedule, str(schedule.store))]
    log = schedule.folder / "cron.log"
    work = f"cd {shlex.quote(str(folder))} && {shlex.join(own)} >> {shlex.quote(str(log))} 2>&1"
    made = f"mkdir -p {shlex.quote(str(schedule.folder))} && {work}"
    # cron reads a bare % as the end of the command.
    line = f"{schedule.timing.cron} {made.replace('%', chr(92) + '%')}"
    return f"CRON_TZ={schedule.timing.timezone}\n{line}\n"


def raycronjob(schedule: Schedule, around: Surroundings, ray_version: str) -> str:
    """Return a RayCronJob: KubeRay brings up a cluster for each night, and takes it down.

    Raises:
        ConfigError: the sweep has no budget.hours to take the deadline from.
    """
    timing = schedule.timing
    return _yaml(
        {
            "apiVersion": "ray.io/v1",
            "kind": "RayCronJob",
            "metadata": _metadata(schedule, around),
            "spec": {
                "schedule": timing.cron,
                "timeZone": timing.timezone,
                "jobTemplate": {
                    "entrypoint": shlex.join(["python", *_tick(schedule, STORE), *INSIDE]),
                    "submissionMode": "K8sJobMode",
                    "backoffLimit": 0,
                    "activeDeadlineSeconds": _deadline(schedule),
                    "preRunningDeadlineSeconds": WAITING_S,
                    "shutdownAfterJobFinishes": True,
                    "ttlSecondsAfterFinished": KEPT_S,
                    "rayClusterSpec": _cluster(schedule, around, ray_version),
                },
            },
        }
    )


def cronjob(schedule: Schedule, around: Surroundings) -> str:
    """Return a CronJob that submits each night to a cluster that stands, and waits for its end.

    Raises:
        ConfigError: cluster.address is no http:// address of a head, or there is no budget.hours.
    """
    address = schedule.plan.sweep.cluster.address or ""
    if not address.startswith(("http://", "https://")):
        raise ConfigError(
            f"{schedule.sweep_path}: cluster.address: must be the head's Jobs address, as in "
            f"http://ray-head:8265, got {address or 'nothing'}"
        )
    name = f"{schedule.name}-$(date -u +%Y%m%dT%H%M%SZ)"
    work = shlex.join(["python", *_tick(schedule, STORE), *INSIDE])
    environment = shlex.quote(json.dumps({"env_vars": STOPPING}, separators=(",", ":")))
    submit = (
        f"ray job submit --address {shlex.quote(address)} --submission-id {name} "
        f"--runtime-env-json {environment} -- {work}"
    )
    timing, deadline = schedule.timing, _deadline(schedule)
    container = {
        "name": "submit",
        "image": around.image,
        "command": ["/bin/sh", "-c", submit],
        "env": [{"name": "RAY_AUTH_MODE", "value": "token"}, _token(around)],
    }
    return _yaml(
        {
            "apiVersion": "batch/v1",
            "kind": "CronJob",
            "metadata": _metadata(schedule, around),
            "spec": {
                "schedule": timing.cron,
                "timeZone": timing.timezone,
                "concurrencyPolicy": "Forbid",
                "startingDeadlineSeconds": 3600,
                "successfulJobsHistoryLimit": 3,
                "failedJobsHistoryLimit": 3,
                "jobTemplate": {
                    "spec": {
                        "backoffLimit": 0,
                        "activeDeadlineSeconds": deadline,
                        "template": {"spec": {"restartPolicy": "Never", "containers": [container]}},
                    }
                },
            },
        }
    )


def _tick(schedule: Schedule, store: str) -> list[str]:
    settings = [part for each in schedule.overrides for part in ("--set", each)]
    own = ["--name", schedule.name] if schedule.name != schedule.sweep_path.stem else []
    name = str(schedule.sweep_path)
    return ["-m", "dpo_ray.schedule", name, "tick", "--store", store, *own, *settings]


def _metadata(schedule: Schedule, around: Surroundings) -> dict[str, Any]:
    name = schedule.name.lower().replace("_", "-").replace(".", "-")
    return {
        "name": f"dpo-ray-{name}",
        "namespace": around.namespace,
        "labels": {"app.kubernetes.io/name": "dpo-ray", "dpo-ray/schedule": schedule.name},
    }


def _deadline(schedule: Schedule) -> int:
    budget = schedule.plan.sweep.budget
    if budget.hours is None:
        raise ConfigError(
            f"{schedule.sweep_path}: budget.hours: is needed for a manifest, whose deadline "
            "follows from it; as in budget: {hours: 6}"
        )
    return round(3600 * budget.hours + 60 * budget.grace_minutes) + AFTERWARDS_S


def _cluster(schedule: Schedule, around: Surroundings, ray_version: str) -> dict[str, Any]:
    """A head that only drives, and a pod for each slot's worker."""
    sweep = schedule.plan.sweep
    workers = sweep.search.concurrent * sweep.resources.workers
    gpus = sweep.resources.gpus_per_worker
    limits: dict[str, Any] = {"cpu": str(_whole(sweep.resources.cpus_per_worker)), "memory": "16Gi"}
    if gpus:
        limits["nvidia.com/gpu"] = str(_whole(gpus))
    return {
        "rayVersion": ray_version,
        "authOptions": {"mode": "token"},
        "headGroupSpec": {
            "rayStartParams": {"num-cpus": "1"},
            "template": _pod("ray-head", {"cpu": "2", "memory": "8Gi"}, around),
        },
        "workerGroupSpecs": [
            {
                "groupName": "slots",
                "replicas": workers,
                "minReplicas": workers,
                "maxReplicas": workers,
                "rayStartParams": {},
                "template": _pod("ray-worker", limits, around),
            }
        ],
    }


def _pod(name: str, limits: Mapping[str, Any], around: Surroundings) -> dict[str, Any]:
    environment: list[dict[str, Any]] = [
        {"name": key, "value": value} for key, value in STOPPING.items()
    ]
    environment += [_from_secret(key, around.secret, key) for key in around.secret_keys]
    return {
        "spec": {
            "containers": [
                {
                    "name": name,
                    "image": around.image,
                    "env": environment,
                    "resources": {"limits": dict(limits), "requests": dict(limits)},
                    "volumeMounts": [{"name": "store", "mountPath": STORE}],
                }
            ],
            "volumes": [{"name": "store", "persistentVolumeClaim": {"claimName": around.claim}}],
        }
    }


def _token(around: Surroundings) -> dict[str, Any]:
    return _from_secret("RAY_AUTH_TOKEN", around.token_secret, "auth_token")


def _from_secret(variable: str, secret: str, key: str) -> dict[str, Any]:
    return {"name": variable, "valueFrom": {"secretKeyRef": {"name": secret, "key": key}}}


def _whole(number: float) -> int:
    return max(1, -(-int(1000 * number) // 1000))


def _yaml(manifest: Mapping[str, Any]) -> str:
    text = io.StringIO()
    yaml = YAML()
    yaml.default_flow_style = False
    yaml.width = 4096
    yaml.dump(dict(manifest), text)
    return text.getvalue()

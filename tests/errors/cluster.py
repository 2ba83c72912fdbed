"""Situations: clusters that are elsewhere, the jobs on them, nights that are told of and pruned."""

from pathlib import Path
from threading import Thread
from types import SimpleNamespace

import ray
from ray._private.authentication import authentication_utils

from dpo_ray.cluster import ended, following, submitting, token
from dpo_ray.cluster.entrypoint import Typed, entrypoint
from dpo_ray.cluster.following import LogLines, Patience, follow
from dpo_ray.cluster.jobs import Job, JobsApi
from dpo_ray.cluster.packing import refuse_too_much
from dpo_ray.cluster.session import ray_session
from dpo_ray.cluster.sight import blind_node
from dpo_ray.errors import ClusterUnreachable, ConfigError
from dpo_ray.nightly import pruning
from dpo_ray.nodes import NodeRoom, available
from dpo_ray.plan import check_resources, make_plan
from dpo_ray.search.running import refuse_regression
from dpo_ray.training.assessing import _card
from tests.cluster.stub import JobsStub
from tests.errors.book import Chapter, Place, Said, command, dry_run
from tests.errors.verbs import sweep

CLUSTER = Chapter("Clusters and nights")
SPACE, SWEEP = Path("search_spaces/beta.yaml"), Path("sweeps/local.yaml")
HEAD = "cluster.address=http://127.0.0.1:8265"

SETTINGS = {
    "a head's address with a password": "cluster.address=http://me:hunter2@ray-head:8265",
    "a CPU that is asked for as a resource of its own": "resources.custom={CPU: 1}",
    "nodes that come late, with GPUs nobody has counted": "cluster.wait_minutes=5",
}
for title, setting in SETTINGS.items():

    @CLUSTER.when(title)
    def _(place, setting=setting) -> Said:
        return dry_run("--set", setting)


@CLUSTER.when("a champion without a confirmation")
def _(place) -> Said:
    return dry_run("--set", "champion={}", "--set", "confirm=null")


@CLUSTER.when("a champion of whole models")
def _(place) -> Said:
    settings = ("champion={}", "confirm={}", "training.mode=full")
    return dry_run(*(part for each in settings for part in ("--set", each)))


def plan(place: Place, *overrides: str) -> object:
    return make_plan(SPACE, SWEEP, overrides, place.folder / "store", "night")


@CLUSTER.when("workers that fit on no node together with their CPUs")
def _(place) -> object:
    rooms = [NodeRoom(name, {"CPU": 1.0}) for name in ("alpha", "beta", "gamma", "delta")]
    settings = ("resources.cpus_per_worker=1.5", "search.concurrent=2")
    return check_resources(plan(place, *settings), available(rooms, "the Ray cluster"))


@CLUSTER.when("--submit where nobody takes jobs")
def _(place) -> object:
    return submitting.is_submitted(plan(place), asked=True)


@CLUSTER.when("a file that does not go to the cluster")
def _(place) -> object:
    typed = Typed(Path("../elsewhere/beta.yaml"), SWEEP)
    return entrypoint(plan(place, HEAD), typed, place.folder)


@CLUSTER.when("a secret in a job's command")
def _(place) -> object:
    secret = "tracking.uri=http://me:hunter2@mlflow:5000"
    return entrypoint(plan(place, HEAD, secret), Typed(SPACE, SWEEP, (secret,)), place.folder)


@CLUSTER.when("a folder too large to be sent")
def _(place) -> object:
    place.write("weights.bin", b"0" * 3_000_000)
    place.write("notes.txt", "dear")
    return refuse_too_much(place.folder, most_mb=1)


@CLUSTER.when("a job that runs the same sweep otherwise")
def _(place) -> object:
    own = plan(place, HEAD)
    told = {submitting.SWEEP: str(own.folder), submitting.COMMAND: "python -m dpo_ray.sweep other"}
    running = SimpleNamespace(
        jobs=lambda: [Job("night-1", "RUNNING", metadata=told)], address="http://127.0.0.1:8265"
    )
    place.patch.setattr(submitting, "_stop", lambda *_: "ray job stop night-1")
    return submitting._running(running, own, "python -m dpo_ray.sweep this")


class Quiet(Thread):
    """Stands for the log of a job that says nothing."""

    def __init__(self, *_: object) -> None:
        super().__init__(daemon=True)

    def run(self) -> None: ...

    def drain(self, *_: object) -> None: ...


def followed(place: Place, api: object, patience: Patience) -> object:
    place.patch.setattr(following, "_Tail", Quiet)
    times = iter(range(0, 100_000, 600))
    lines = LogLines("result| ", print, print)
    return follow(api, "night-1", lines, patience, clock=lambda: next(times))


@CLUSTER.when("a Jobs API that falls silent")
def _(place) -> object:
    def silent(_: str) -> Job:
        raise ClusterUnreachable("the Jobs API does not answer: connection refused")

    return followed(place, SimpleNamespace(job=silent), Patience(silent_s=900))


@CLUSTER.when("a job that is said to run for ever")
def _(place) -> object:
    runs = SimpleNamespace(job=lambda _: Job("night-1", "RUNNING"))
    return followed(place, runs, Patience(silent_s=900, whole_s=3600))


@CLUSTER.when("Ctrl-C while a job is followed")
def _(place) -> object:
    def interrupted(*_: object) -> Job:
        raise KeyboardInterrupt

    place.patch.setattr(submitting, "follow", interrupted)
    place.patch.setattr(submitting, "say", lambda *_: None)
    place.patch.setattr(submitting, "_stop", lambda *_: "ray job stop night-1")
    voice = SimpleNamespace(as_json=False, messages=None, results=None, again="again")
    api = SimpleNamespace(address="http://127.0.0.1:8265")
    return submitting._to_its_end(api, "night-1", plan(place, HEAD), voice, "")


@CLUSTER.when("Ctrl-C before a job is followed")
def _(place) -> object:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    place.patch.setattr(submitting, "refuse_open", lambda *_: None)
    place.patch.setattr(submitting, "JobsApi", interrupted)
    voice = SimpleNamespace(as_json=False)
    return submitting.submit_sweep(plan(place, HEAD), Typed(SPACE, SWEEP), voice)


def refused_by(place: Place, question: str, **settings: object) -> object:
    # Not by $RAY_AUTH_MODE: Ray reads that once, and a later cluster of this process needs it.
    place.patch.setattr(authentication_utils, "is_token_auth_enabled", lambda: False)
    with JobsStub(**settings) as stub:
        api = JobsApi(stub.address)
        stub.forgets, stub.silent = question == "forgets", question == "silent"
        stub.submitted.append({"submission_id": "night-1", "entrypoint": "", "metadata": {}})
        return api.job("night-1")


@CLUSTER.when("a job that the cluster has forgotten")
def _(place) -> object:
    return refused_by(place, "forgets")


@CLUSTER.when("a Jobs API that is overloaded")
def _(place) -> object:
    return refused_by(place, "silent")


@CLUSTER.when("a Jobs API that asks for its token")
def _(place) -> object:
    return refused_by(place, "", token="secret")


@CLUSTER.when("a cluster that is open to everybody")
def _(place) -> object:
    place.patch.setattr(token, "answers_without_token", lambda url: True)
    return token.refuse_open("http://ray-head.example:8265", allowed=False)


@CLUSTER.when("a cluster that was joined without a token")
def _(place) -> object:
    place.patch.setattr(authentication_utils, "is_token_auth_enabled", lambda: False)
    return token.refuse_connection_without_token("ray-head.example:6379", allowed=False)


@CLUSTER.when("a node that does not see the store")
def _(place) -> object:
    file = place.folder / "store/.probes/driver"
    raise ConfigError(blind_node("alpha (192.0.2.7)", f"{file} is not there"))


@CLUSTER.when("a report of nothing")
def _(place) -> Said:
    return command("dpo-ray", "report")


@CLUSTER.when("a report of nights and of a sweep")
def _(place) -> Said:
    return command("dpo-ray", "report", "monday", "--nights", "nightly")


@CLUSTER.when("pictures of nights")
def _(place) -> Said:
    return command("dpo-ray", "report", "--nights", "nightly", "--pictures", "out")


@CLUSTER.when("nights of a schedule that is not there")
def _(place) -> Said:
    return command("dpo-ray", "report", "--nights", "nightly")


@CLUSTER.when("nights that cannot be written about")
def _(place) -> Said:
    sweep(place)
    began = (
        '{"kind":"began","time":1.0,"tick":"2026-11-05T02:30:00Z","sweep":"example","command":[]}\n'
        '{"kind":"ended","time":9.0,"tick":"2026-11-05T02:30:00Z","exit_code":0,"reason":"done"}\n'
    )
    place.write("store/schedules/nightly/nights.jsonl", began)
    place.write("taken", "")
    return command("dpo-ray", "report", "--nights", "nightly", "--out", "taken/page.html")


@CLUSTER.when("a registry that does not say who is the champion")
def _(place) -> object:
    def broken(*_: object) -> None:
        raise RuntimeError("the table alembic_version is missing")

    place.patch.setattr(pruning, "holder", broken)
    return pruning._champion("sqlite:///mlflow.db", "dpo-nightly")


@CLUSTER.when("a champion that is better than tonight's policy")
def _(place) -> object:
    reason = "version 3 (monday) stays: it wins 57.1 % of 120 prompts [52.0, 62.1]"
    compared = SimpleNamespace(model="dpo-nightly", regressed=True, reason=reason)
    return refuse_regression(SimpleNamespace(champion=compared))


@CLUSTER.when("a champion without a card")
def _(place) -> object:
    return _card(place.folder)


@CLUSTER.when("a Ray that does not start here")
def _(place) -> object:
    def refused(*_: object, **__: object) -> None:
        raise Exception("The current node timed out during startup.")  # as ray/_private/node.py

    place.patch.setenv("HOME", str(place.folder))
    place.patch.setattr(ray, "init", refused)
    with ray_session(None):
        return None


@CLUSTER.when("a Python on the head that has no dpo-ray")
def _(place) -> object:
    job = Job("night-1", "FAILED", exit_code=1)
    last = ["python: No module named dpo_ray"]
    return ended.refuse_other_python(job, last, plan(place, HEAD))

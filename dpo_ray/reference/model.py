"""A model's folder, and how it is brought into a worker's memory."""

import contextlib
import json
import math
from collections.abc import Iterator
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dpo_ray.config.model import EMBEDDED, SMOLLM2
from dpo_ray.errors import ConfigError

if TYPE_CHECKING:
    import torch


def model_folder(name: str) -> Path:
    """Return the folder of a model: the embedded toy language's, or a local one.

    Raises:
        ConfigError: no such folder, or one without safetensors weights or a configuration.
    """
    if name == EMBEDDED:
        return Path(str(resources.files("dpo_ray") / "demo" / "assets" / "model"))
    folder = Path(name).expanduser().resolve()
    if not (folder / "config.json").is_file():
        raise ConfigError(
            f"model.name must be {EMBEDDED}, {SMOLLM2}, a local folder with a config.json, a .gguf "
            f"file or a hub id (organisation/name), got {name!r}"
        )
    if not list(folder.glob("*.safetensors")):
        raise ConfigError(f"model.name: {folder} holds no *.safetensors, the only weights read")
    return folder


def parameter_count(folder: Path) -> int:
    """Count parameters from the headers of the safetensors files, without loading a weight."""
    total = 0
    for path in folder.glob("*.safetensors"):
        with path.open("rb") as stream:
            header = json.loads(stream.read(int.from_bytes(stream.read(8), "little")))
        total += sum(math.prod(v["shape"]) for k, v in header.items() if k != "__metadata__")
    return total


def load_tokenizer(folder: Path, trust_remote_code: bool = False) -> Any:
    """Load the tokenizer; its pad token falls back to the end-of-sequence token, as in TRL."""
    from transformers import AutoTokenizer

    # False is said, not left out: unset, transformers asks at the terminal.
    tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=trust_remote_code)
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    return tokenizer


def load_model(
    folder: Path,
    dtype: str,
    device: "torch.device",
    *,
    attention: str = "sdpa",
    quantization: str = "none",
    trust_remote_code: bool = False,
) -> Any:
    """Load the causal language model in evaluation mode, in `dtype`, on `device`.

    Its own generation defaults are dropped: a repetition penalty from its folder would bend
    every draw, and no sample would be one of the policy itself.

    Raises:
        ConfigError: transformers refuses it: an unknown architecture, or an implementation of
            attention or a quantization whose package is missing or does not fit.
    """
    import torch
    from transformers import AutoModelForCausalLM, GenerationConfig

    from dpo_ray.reference.quantization import keep_as_quantized, nf4_options

    options = nf4_options(getattr(torch, dtype), device) if quantization == "nf4" else {}
    try:
        model = AutoModelForCausalLM.from_pretrained(
            folder,
            dtype=getattr(torch, dtype),
            attn_implementation=attention,
            trust_remote_code=trust_remote_code,
            use_safetensors=True,
            **options,
        )
    except (ImportError, ValueError) as error:
        raise ConfigError(
            f"model.name: {folder} does not load with model.attention {attention} and "
            f"model.quantization {quantization}: {_first_line(error)}"
        ) from error
    model.generation_config = GenerationConfig()
    if options:
        return keep_as_quantized(model).eval()
    return model.to(device).eval()


def _first_line(error: Exception) -> str:
    return next(iter(str(error).strip().splitlines()), type(error).__name__)


def autocast(dtype: str, device: "torch.device") -> Any:
    """Return the context every forward runs in: bf16 autocast for bfloat16, none for float32.

    The Trainer autocasts a bf16 run, so scoring and evaluation must as well: a reference scored
    outside it differs from step 0 by more than rounding.
    """
    import torch

    if dtype == "float32":
        return contextlib.nullcontext()
    return torch.autocast(device.type, dtype=torch.bfloat16)


@contextlib.contextmanager
def scoring_head(model: Any) -> Iterator[None]:
    """Give a bare model TRL's fused head, which DPOTrainer scores with, for the block's length.

    Equal code is what makes stored scores equal, to the bit, what a trial computes at step 0.
    """
    from trl.trainer.utils import add_fused_lm_head

    add_fused_lm_head(model)
    try:
        yield
    finally:
        model.__dict__.pop("forward", None)

"""A frozen base in 4 bits (QLoRA, Dettmers et al. 2023), by bitsandbytes."""

from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from dpo_ray.errors import ConfigError

if TYPE_CHECKING:
    import torch


def nf4_options(dtype: "torch.dtype", device: "torch.device") -> dict[str, Any]:
    """Return what makes `from_pretrained` quantize to 4 bits on the way to `device` (QLoRA).

    Raises:
        ConfigError: bitsandbytes is not installed.
    """
    from transformers import BitsAndBytesConfig

    if find_spec("bitsandbytes") is None:
        raise ConfigError(
            "model.quantization nf4 needs bitsandbytes, which is not installed: "
            "pip install 'dpo-ray[nf4]'"
        )
    config = BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=dtype,
    )
    return {"quantization_config": config, "device_map": {"": device}}


def keep_as_quantized(model: Any) -> Any:
    """Forbid bitsandbytes to quantize the layers a second time; return the model.

    On CPUs with AVX512-BF16 version 0.50 packs a layer anew at its first forward outside
    training, and rounds it: scoring, sampling and training would be three different models.
    """
    for module in model.modules():
        if hasattr(module, "support_avx512bf16_for_cpu"):
            module.support_avx512bf16_for_cpu = False
    return model

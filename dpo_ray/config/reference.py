"""What DPO starts from: the model as it is, or after supervised fine-tuning."""

from typing import Annotated, Literal

from pydantic import BaseModel, Field

from dpo_ray.config.rules import STRICT


class SftConfig(BaseModel):
    """Supervised fine-tuning before the search, once: its result is every trial's reference."""

    model_config = STRICT

    source: Annotated[str, Field(min_length=1)] | None = None
    """Texts to imitate, in any form data.source takes, with columns prompt and completion,
    messages, or text; not set: prompt and chosen of the training pairs."""
    mode: Literal["full", "lora"] = "lora"
    """full trains all weights; lora an adapter that is merged into them afterwards."""
    lora_rank: Annotated[int, Field(ge=1)] = 16
    """Rank of the adapter where mode is lora."""
    lora_alpha: Annotated[int, Field(ge=1)] = 32
    """The adapter's update is scaled by lora_alpha / lora_rank."""
    epochs: Annotated[float, Field(gt=0)] = 1.0
    """Passes over the texts where max_steps is not set."""
    max_steps: Annotated[int, Field(ge=1)] | None = None
    """Optimizer steps; overrides epochs."""
    learning_rate: Annotated[float, Field(gt=0)] = 2e-5
    """Peak learning rate. LoRA wants about 2e-4, the embedded toy 2e-3."""
    batch_size: Annotated[int, Field(ge=1)] = 16
    """Texts per optimizer step, over all workers."""
    gradient_accumulation: Annotated[int, Field(ge=1)] = 1
    """Forward passes that share one optimizer step."""
    completion_only: bool = True
    """Learn the completions alone, where texts have prompt and completion; false learns the prompts
    as well. Of messages and text every token is learned."""
    lr_scheduler: Literal["linear", "cosine", "constant"] = "cosine"
    """How the learning rate falls after warm-up."""
    warmup: Annotated[float, Field(ge=0, lt=1)] = 0.1
    """Share of the steps in which the learning rate rises from 0."""
    weight_decay: Annotated[float, Field(ge=0)] = 0.0
    """AdamW's weight decay."""
    max_grad_norm: Annotated[float, Field(gt=0)] = 1.0
    """Gradients are clipped to this norm."""
    gradient_checkpointing: bool = False
    """Recompute activations in the backward pass: less memory, more time."""
    logging_steps: Annotated[int, Field(ge=1)] = 5
    """Optimizer steps between two points of the loss curve."""
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 0
    """Order of the texts and first weights of the adapter."""


class ReferenceConfig(BaseModel):
    """The model that DPO starts from and is held to."""

    model_config = STRICT

    sft: SftConfig | None = None
    """Fine-tune the model first; not set: the model itself is the reference."""

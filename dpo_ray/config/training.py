"""One DPO training run."""

from typing import Annotated, Any, Literal, Self, get_args

from pydantic import BaseModel, BeforeValidator, Discriminator, Field, Tag, model_validator

from dpo_ray.config.rules import STRICT, broken_rule
from dpo_ray.config.wording import show

LossType = Literal[
    "sigmoid",
    "hinge",
    "ipo",
    "exo_pair",
    "nca_pair",
    "robust",
    "bco_pair",
    "sppo_hard",
    "aot",
    "aot_unpaired",
    "apo_zero",
    "apo_down",
    "discopop",
    "sft",
    "sigmoid_norm",
]
"""TRL 1.16's names; TRL itself finds an unknown one only at the first step."""

ModuleSet = Literal["all-linear", "attention", "mlp"]
"""Sets of a model's linear layers that are found by name in whatever model is loaded."""

SMOOTHED_LOSSES = ("robust", "exo_pair", "aot", "aot_unpaired")
"""The losses that read label_smoothing; TRL ignores it in all others without a word."""

LORA_FIELDS = ("lora_rank", "lora_alpha", "use_rslora", "target_modules")
"""Fields that only an adapter reads."""


def _word_or_list(value: Any) -> str:
    return "list" if isinstance(value, list) else "word"


def _only_word(value: Any) -> Any:
    if value not in get_args(ModuleSet):
        words = ", ".join(get_args(ModuleSet))
        raise broken_rule(f"must be {words} or a list of module names, got {show(value)}")
    return value


TargetModules = Annotated[
    Annotated[ModuleSet, BeforeValidator(_only_word), Tag("word")]
    | Annotated[list[Annotated[str, Field(min_length=1)]], Field(min_length=1), Tag("list")],
    Discriminator(_word_or_list),
]


class TrainingConfig(BaseModel):
    """One DPO run. Fields that change the answer may be fixed by a sweep or searched by a space."""

    model_config = STRICT

    beta: Annotated[float, Field(gt=0)] = 0.1
    """Pull towards the reference model: larger stays closer."""
    learning_rate: Annotated[float, Field(gt=0)] = 2e-3
    """Peak learning rate. The embedded toy wants about 2e-3, LoRA on a real model 5e-6 or so."""
    mode: Literal["lora", "full"] = "lora"
    """lora trains an adapter on frozen weights; full trains all weights, with a frozen copy of them
    as the reference: about five times the memory of the weights, without activations."""
    lora_rank: Annotated[int, Field(ge=1)] = 8
    """Rank of the adapter's update matrices."""
    lora_alpha: Annotated[int, Field(ge=1)] = 16
    """The adapter's update is scaled by lora_alpha / lora_rank."""
    use_rslora: bool = False
    """Scale by lora_alpha / sqrt(lora_rank) instead (rsLoRA): the update's size then hardly depends
    on the rank."""
    target_modules: TargetModules = "all-linear"
    """Layers that get an adapter: all-linear, attention, mlp, or a list of module names."""
    loss_type: LossType = "sigmoid"
    """TRL's name of the loss; sigmoid is the DPO paper's."""
    example_weight: bool = True
    """false weighs every pair alike instead of by how wrong the implicit reward is: the DPO paper's
    ablation, trained as hinge loss at beta 1e-3."""
    label_smoothing: Annotated[float, Field(ge=0, lt=0.5)] = 0.0
    """Assumed share of flipped labels; read by robust, exo_pair, aot and aot_unpaired only."""
    sft_weight: Annotated[float, Field(ge=0)] = 0.0
    """Weight of the chosen answers' own loss (SFT, nats a token) that is added to the preference
    loss, whose weight is 1."""
    max_steps: Annotated[int, Field(ge=1)] | None = None
    """Optimizer steps of a trial; overrides epochs."""
    epochs: Annotated[float, Field(gt=0)] = 1.0
    """Passes over the training pairs where max_steps is not set."""
    batch_size: Annotated[int, Field(ge=1)] = 16
    """Pairs per optimizer step, over all workers."""
    gradient_accumulation: Annotated[int, Field(ge=1)] = 1
    """Forward passes that share one optimizer step."""
    lr_scheduler: Literal["linear", "cosine", "constant"] = "linear"
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
    """Optimizer steps between two lines of training metrics."""
    checkpoint_steps: Annotated[int, Field(ge=1)] | None = None
    """Optimizer steps between two checkpoints that an interrupted trial goes on from, beside those
    at its rungs; not set: at the rungs only."""
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 0
    """Order of the pairs and first weights of the adapter."""

    @model_validator(mode="after")
    def _weight_is_sigmoids(self) -> Self:
        if not self.example_weight and self.loss_type != "sigmoid":
            raise broken_rule(
                f"false replaces loss_type sigmoid, got {self.loss_type}",
                "example_weight",
                "loss_type",
            )
        return self

    @model_validator(mode="after")
    def _loss_reads_label_smoothing(self) -> Self:
        if self.label_smoothing > 0 and self.loss_type not in SMOOTHED_LOSSES:
            raise broken_rule(
                f"loss_type {self.loss_type} ignores label_smoothing, got {self.label_smoothing}; "
                f"set 0, or a loss_type that reads it: {', '.join(SMOOTHED_LOSSES)}",
                "label_smoothing",
                "loss_type",
            )
        if self.loss_type == "exo_pair" and self.label_smoothing == 0:
            raise broken_rule(
                "loss_type exo_pair needs label_smoothing > 0, got 0.0",
                "label_smoothing",
                "loss_type",
            )
        return self

    @model_validator(mode="after")
    def _sft_is_added_to_a_preference_loss(self) -> Self:
        if self.sft_weight > 0 and self.loss_type == "sft":
            raise broken_rule(
                "loss_type sft is the chosen answers' loss already, "
                f"got sft_weight {self.sft_weight}; set 0",
                "sft_weight",
                "loss_type",
            )
        if self.sft_weight > 0 and not self.example_weight:
            raise broken_rule(
                "cannot be added where example_weight is false: that loss is trained at a "
                f"thousandth of its scale, got {self.sft_weight}; set 0",
                "sft_weight",
                "example_weight",
            )
        return self

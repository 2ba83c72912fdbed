"""The proof that the toy teaches something: a short plain DPO run must beat its reference."""

import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from datasets import Dataset
from peft import LoraConfig
from transformers import AutoModelForCausalLM, AutoTokenizer, PrinterCallback
from trl import DPOConfig, DPOTrainer

from dpo_ray.demo.pairs import GAP, Pair, mood, read_pairs
from dpo_ray.demo.sampling import sample_completions
from dpo_ray.errors import DpoRayError


@dataclass(frozen=True)
class Recipe:
    """One plain DPO run on the toy."""

    beta: float = 0.5
    learning_rate: float = 2e-3
    rank: int = 8
    alpha: int = 16
    steps: int = 60
    batch_size: int = 16
    seed: int = 0


@dataclass(frozen=True)
class Proof:
    """Win rates on held-out prompts, all against one and the same sample of the reference."""

    win_rate: float
    reference_win_rate: float
    """The reference's own second sample against its first: one half, but for chance."""
    finished: float
    """Share of the reference's completions that end by themselves."""


def refuse_unless_won(proof: Proof, bar: float) -> None:
    """Raise DpoRayError unless the win rate is above `bar`."""
    if proof.win_rate <= bar:
        raise DpoRayError(
            f"the proof failed: a win rate above {bar} must hold after a short DPO run, "
            f"got {proof.win_rate:.3f} (the reference against itself: "
            f"{proof.reference_win_rate:.3f})"
        )


def prove(model_folder: Path, pairs_file: Path, judged: int, recipe: Recipe, seed: int) -> Proof:
    """Train on all but the last `judged` pairs, then judge on the prompts of those."""
    pairs = read_pairs(pairs_file)
    training, prompts = pairs[:-judged], [pair.prompt for pair in pairs[-judged:]]
    tokenizer = AutoTokenizer.from_pretrained(model_folder)
    reference = AutoModelForCausalLM.from_pretrained(model_folder).eval()
    baseline = sample_completions(reference, tokenizer, prompts, seed)
    again = sample_completions(reference, tokenizer, prompts, seed + 1)
    policy = train_dpo(reference, tokenizer, training, recipe)
    trained = sample_completions(policy, tokenizer, prompts, seed + 1)
    first, second, ours = (
        [mood(prompt + written.text) for prompt, written in zip(prompts, sample, strict=True)]
        for sample in (baseline, again, trained)
    )
    finished = sum(written.finished for written in baseline) / len(baseline)
    return Proof(win_rate(ours, first), win_rate(second, first), finished)


def win_rate(ours: Sequence[float], theirs: Sequence[float]) -> float:
    """Return the share of prompts where our score is the higher; a tie counts one half."""
    leads = [mine - other for mine, other in zip(ours, theirs, strict=True)]
    wins = sum(lead > GAP for lead in leads)
    ties = sum(abs(lead) <= GAP for lead in leads)
    return (wins + ties / 2) / len(leads)


def train_dpo(model: Any, tokenizer: Any, pairs: Sequence[Pair], recipe: Recipe) -> Any:
    """Return `model` with a trained LoRA adapter on it; TRL scores the reference as it goes."""
    with tempfile.TemporaryDirectory() as folder:
        trainer = DPOTrainer(
            model=model,
            processing_class=tokenizer,
            train_dataset=Dataset.from_list([asdict(pair) for pair in pairs]),
            peft_config=LoraConfig(
                r=recipe.rank, lora_alpha=recipe.alpha, target_modules="all-linear"
            ),
            args=_arguments(recipe, folder),
        )
        trainer.remove_callback(PrinterCallback)
        trainer.train()
    return trainer.model.eval()


def _arguments(recipe: Recipe, folder: str) -> DPOConfig:
    return DPOConfig(
        output_dir=folder,
        beta=recipe.beta,
        learning_rate=recipe.learning_rate,
        per_device_train_batch_size=recipe.batch_size,
        max_steps=recipe.steps,
        max_length=512,
        warmup_steps=0.1,
        seed=recipe.seed,
        use_cpu=True,
        bf16=False,
        activation_checkpointing=False,
        logging_strategy="no",
        save_strategy="no",
        report_to="none",
        disable_tqdm=True,
    )

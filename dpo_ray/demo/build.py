"""Everything the toy language is, from nothing: text, tokenizer, model, pairs, proof."""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from random import Random
from typing import Any

from rich.progress import Progress

from dpo_ray.demo.grammar import reviews
from dpo_ray.demo.language_model import new_model, review_windows, train
from dpo_ray.demo.pairs import Pair, draw_pairs, write_pairs
from dpo_ray.demo.place import MANIFEST, NAME
from dpo_ray.demo.proof import Proof, Recipe, prove, refuse_unless_won
from dpo_ray.demo.tokenizer import train_tokenizer

BAR = 0.7
"""Win rate the proof must beat: a toy that cannot be taught shows nothing."""


@dataclass(frozen=True)
class Sizes:
    """How much of everything. The defaults are what ships."""

    reviews: int = 12_000
    tokenizer_reviews: int = 3_000
    vocabulary: int = 768
    longest: int = 2048
    """Positions the model accepts, in tokens; it learns from far fewer."""
    model_steps: int = 400
    pairs: int = 1_600
    judged: int = 256
    """Held-out prompts of the proof."""
    proof_steps: int = 60


def build(
    folder: Path, progress: Progress, sizes: Sizes = Sizes(), seed: int = 0, bar: float = BAR
) -> Proof:
    """Build the toy language in `folder`, which must exist and be empty.

    Raises DpoRayError, with everything written but the manifest, when the trained policy's win
    rate is not above `bar`.
    """
    model, tokenizer = _reference(progress, sizes, seed)
    model.save_pretrained(folder / "model")
    tokenizer.save_pretrained(folder / "model")
    write_pairs(_pairs(progress, model, tokenizer, sizes, seed + 1), folder / "pairs.jsonl")
    proof = _proof(folder, progress, sizes, seed)
    refuse_unless_won(proof, bar)
    _write_manifest(folder, sizes, seed, proof)
    return proof


def _reference(progress: Progress, sizes: Sizes, seed: int) -> tuple[Any, Any]:
    drawn = islice(reviews(seed), sizes.reviews)
    corpus = list(progress.track(drawn, sizes.reviews, description="Reviews"))
    tokenizer = train_tokenizer(corpus[: sizes.tokenizer_reviews], sizes.vocabulary, sizes.longest)
    model = new_model(tokenizer, sizes.longest, seed)
    steps = progress.track(range(sizes.model_steps), description="Reference model")
    train(model, review_windows(tokenizer, corpus), steps, sizes.model_steps, seed)
    return model.eval(), tokenizer


def _pairs(progress: Progress, model: Any, tokenizer: Any, sizes: Sizes, seed: int) -> list[Pair]:
    """Return the pairs shuffled: common prompts are drawn first, and a split must be fair."""
    drawn = islice(draw_pairs(model, tokenizer, seed), sizes.pairs)
    pairs = list(progress.track(drawn, sizes.pairs, description="Pairs"))
    Random(seed).shuffle(pairs)
    return pairs


def _proof(folder: Path, progress: Progress, sizes: Sizes, seed: int) -> Proof:
    task = progress.add_task("Proof", total=None)
    recipe = Recipe(steps=sizes.proof_steps)
    proof = prove(folder / "model", folder / "pairs.jsonl", sizes.judged, recipe, seed)
    progress.update(task, total=1, completed=1)
    return proof


def _write_manifest(folder: Path, sizes: Sizes, seed: int, proof: Proof) -> None:
    manifest = {
        "name": NAME,
        "seed": seed,
        "sizes": asdict(sizes),
        "figures": asdict(proof),
        "sha256": {path: _sha256(folder / path) for path in sorted(_files(folder))},
    }
    text = json.dumps(manifest, indent=2) + "\n"
    (folder / MANIFEST).write_text(text, encoding="utf-8")


def _files(folder: Path) -> Iterable[str]:
    return (path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()

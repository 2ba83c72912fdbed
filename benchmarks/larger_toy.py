"""A model of hidden size 256 and longer pairs: large enough that arithmetic counts, not calls."""

import json
import random
from pathlib import Path

import torch
from transformers import AutoTokenizer, LlamaConfig, LlamaForCausalLM

from dpo_ray.reference.model import model_folder

HIDDEN = 256


def write_model(target: Path) -> Path:
    """Write an untrained Llama of hidden size 256 with the embedded language's tokenizer."""
    tokenizer = AutoTokenizer.from_pretrained(model_folder("embedded"))
    torch.manual_seed(0)
    model = LlamaForCausalLM(
        LlamaConfig(
            vocab_size=len(tokenizer),
            hidden_size=HIDDEN,
            intermediate_size=4 * HIDDEN,
            num_hidden_layers=4,
            num_attention_heads=4,
            num_key_value_heads=4,
            max_position_embeddings=512,
            bos_token_id=tokenizer.bos_token_id,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
        )
    )
    model.save_pretrained(target)
    tokenizer.save_pretrained(target)
    return target


def write_pairs(target: Path, count: int, reviews: int = 1) -> Path:
    """Write `count` distinct pairs, each answer made of so many of the embedded reviews."""
    source = model_folder("embedded").parent / "pairs.jsonl"
    rows = [json.loads(line) for line in source.read_text().splitlines()]
    draw = random.Random(0)
    with target.open("w", encoding="utf-8") as stream:
        for number in range(count):
            first = rows[number % len(rows)]
            more = draw.sample(rows, reviews)
            pair = {
                "prompt": f"{first['prompt']} {number}",
                "chosen": " ".join(each["chosen"] for each in more),
                "rejected": " ".join(each["rejected"] for each in more),
            }
            stream.write(json.dumps(pair) + "\n")
    return target

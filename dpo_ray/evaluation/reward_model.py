"""A Hugging Face sequence-classification model as a judge: one number for prompt and completion."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import torch

from dpo_ray.config.judging import RewardModelJudge
from dpo_ray.data.template_limit import bounded_templates
from dpo_ray.errors import JudgingFailed
from dpo_ray.evaluation.baseline import Prompt


def reward_model_scorer(
    settings: RewardModelJudge, folder: Path, device: "torch.device | str"
) -> Callable[[Sequence[Prompt], Sequence[str]], list[float]]:
    """Return a scorer that asks the model in `folder`, loaded when it is first asked.

    What it raises is a JudgingFailed: the model does not load or has no single trained output,
    its chat template is missing or refuses a prompt, or a score is not finite.
    """

    def score(prompts: Sequence[Prompt], completions: Sequence[str]) -> list[float]:
        model = _load(
            settings.model, folder, settings.dtype, str(device), settings.trust_remote_code
        )
        rows = model.encode(prompts, completions, settings.max_length)
        scores = model.score(rows, settings.batch_size)
        for prompt, value in zip(prompts, scores, strict=True):
            if not math.isfinite(value):
                raise JudgingFailed(
                    f"reward model {settings.model} must give finite scores, got {value} for the "
                    f"prompt of row {prompt.row}"
                )
        return scores

    return score


@dataclass(frozen=True)
class _RewardModel:
    """A loaded model, its own tokenizer, and the token its batches are filled up with."""

    name: str
    model: Any
    tokenizer: Any
    pad: int

    def encode(
        self, prompts: Sequence[Prompt], completions: Sequence[str], max_length: int
    ) -> list[list[int]]:
        """Return token ids, cut from the left to what settings, tokenizer and model can take."""
        positions = getattr(self.model.config.get_text_config(), "max_position_embeddings", None)
        limit = min(max_length, self.tokenizer.model_max_length, positions or max_length)
        with bounded_templates(self.tokenizer):
            return [
                self._ids(prompt, completion, limit)
                for prompt, completion in zip(prompts, completions, strict=True)
            ]

    @torch.inference_mode()
    def score(self, rows: Sequence[list[int]], batch_size: int) -> list[float]:
        """Return one score a row; rows of like length go through the model together."""
        order = sorted(range(len(rows)), key=lambda index: len(rows[index]))
        scores = [0.0] * len(rows)
        for start in range(0, len(order), batch_size):
            batch = order[start : start + batch_size]
            logits = self.model(**self._padded([rows[index] for index in batch])).logits
            for index, value in zip(batch, logits[:, 0].float().tolist(), strict=True):
                scores[index] = value
        return scores

    def _ids(self, prompt: Prompt, completion: str, limit: int) -> list[int]:
        if isinstance(prompt.content, str) and not self.tokenizer.chat_template:
            text, special = prompt.text + completion, True
        else:  # the template writes the special tokens itself
            text, special = self._conversation(prompt, completion), False
        found = self.tokenizer(text, add_special_tokens=special, truncation=True, max_length=limit)
        return list(found["input_ids"])

    def _conversation(self, prompt: Prompt, completion: str) -> str:
        if not self.tokenizer.chat_template:
            raise JudgingFailed(
                f"reward model {self.name}: must have a chat template, since prompts are "
                "conversations"
            )
        content = prompt.content
        asked = [{"role": "user", "content": content}] if isinstance(content, str) else content
        messages = [*asked, {"role": "assistant", "content": completion}]
        try:
            return str(self.tokenizer.apply_chat_template(messages, tokenize=False))
        except Exception as error:  # templates raise what they like
            raise JudgingFailed(
                f"reward model {self.name}: its chat template must take the prompt of row "
                f"{prompt.row} and its completion: {_first_line(error)}"
            ) from error

    def _padded(self, rows: Sequence[list[int]]) -> dict[str, torch.Tensor]:
        """Fill rows up on the right, whatever the tokenizer would do: positions stay as alone."""
        width = max(len(row) for row in rows)
        ids = [row + [self.pad] * (width - len(row)) for row in rows]
        mask = [[1] * len(row) + [0] * (width - len(row)) for row in rows]
        device = self.model.device
        return {
            "input_ids": torch.tensor(ids, device=device),
            "attention_mask": torch.tensor(mask, device=device),
        }


@cache
def _load(
    name: str, folder: Path, dtype: str, device: str, trust_remote_code: bool
) -> _RewardModel:
    """Load the model once in this process, however many trials ask it."""
    options = {"local_files_only": True, "trust_remote_code": trust_remote_code}
    try:
        tokenizer, model, missing = _read(name, folder, dtype, options)
    except JudgingFailed:
        raise
    except Exception as error:  # every library below has errors of its own
        raise JudgingFailed(
            f"reward model {name}: {folder} does not load: {_first_line(error)}"
        ) from error
    if missing:  # they would be drawn at random
        raise JudgingFailed(
            f"reward model {name}: {folder} must hold all its weights, lacks {', '.join(missing)}"
        )
    config = model.config.get_text_config()
    config.use_cache = False
    pad = _padding(name, config, tokenizer)
    return _RewardModel(name, model.to(device).eval(), tokenizer, pad)


def _read(
    name: str, folder: Path, dtype: str, options: dict[str, bool]
) -> tuple[Any, Any, list[str]]:
    """Return tokenizer, model, and the names of weights that are not in the folder."""
    from transformers import AutoConfig, AutoModelForSequenceClassification, AutoTokenizer

    outputs = AutoConfig.from_pretrained(folder, **options).num_labels
    if outputs != 1:
        raise JudgingFailed(
            f"reward model {name}: must have one output (num_labels 1), got {outputs}"
        )
    tokenizer = AutoTokenizer.from_pretrained(folder, truncation_side="left", **options)
    model, report = AutoModelForSequenceClassification.from_pretrained(
        folder,
        dtype=getattr(torch, dtype),
        use_safetensors=True,
        output_loading_info=True,
        **options,
    )
    return tokenizer, model, sorted(report["missing_keys"])


def _padding(name: str, config: Any, tokenizer: Any) -> int:
    """Return the padding token, and tell a model that knows none.

    Causal models read their score off the last token that is not padding. Texts may end with the
    end-of-sequence token, which would be passed over if it were padding, too: it comes last.
    """
    if config.pad_token_id is None:
        known = (tokenizer.pad_token_id, tokenizer.bos_token_id, tokenizer.eos_token_id)
        usable = [token for token in known if token is not None]
        if not usable:
            raise JudgingFailed(
                f"reward model {name}: its tokenizer must have a padding, first or last token"
            )
        usable.sort(key=lambda token: token == tokenizer.eos_token_id)
        config.pad_token_id = usable[0]
    return int(config.pad_token_id)


def _first_line(error: Exception) -> str:
    return next(iter(str(error).strip().splitlines()), type(error).__name__)

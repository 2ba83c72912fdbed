"""A reward model reads prompt and completion its own way, each text as if it were alone."""

import json
from pathlib import Path

import pytest
import torch
from transformers import (
    AutoModelForSequenceClassification,
    AutoTokenizer,
    BertConfig,
    BertForSequenceClassification,
    LlamaConfig,
    LlamaForSequenceClassification,
)

from dpo_ray.config.judging import RewardModelJudge
from dpo_ray.errors import JudgingFailed
from dpo_ray.evaluation import reward_model
from dpo_ray.evaluation.baseline import Prompt
from dpo_ray.evaluation.reward_model import reward_model_scorer
from dpo_ray.reference.model import load_tokenizer, model_folder

COMPLETIONS = [" wonderful.", " bad", " a very long and rather dull one, I am afraid.", "", " so"]
USER, ASSISTANT = "<|im_start|>user\n{}<|im_end|>\n", "<|im_start|>assistant\n{}<|im_end|>\n"
LLAMA = {
    "vocab_size": 768,
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "max_position_embeddings": 256,
    "initializer_range": 0.3,
}
BERT = {**LLAMA, "max_position_embeddings": 32, "pad_token_id": 0}


def made(folder: Path, kind="llama", template=True, **changes):
    """Save a small random model with the toy language's tokenizer."""
    torch.manual_seed(0)
    tokenizer = load_tokenizer(model_folder("embedded"))
    tokenizer.padding_side = changes.pop("padding_side", "right")
    for name, token in changes.pop("tokens", {}).items():
        setattr(tokenizer, name, token)
    if not template:
        tokenizer.chat_template = None
    tokenizer.save_pretrained(folder)
    if kind == "llama":
        config = LlamaConfig(**LLAMA | {"num_labels": 1, "pad_token_id": 0} | changes)
        LlamaForSequenceClassification(config).save_pretrained(folder)
    else:
        config = BertConfig(**BERT | {"num_labels": 1} | changes)
        BertForSequenceClassification(config).save_pretrained(folder)
    return folder


def scores(folder, prompts, completions=COMPLETIONS, **settings):
    judge = RewardModelJudge(type="reward_model", model="own", **settings)
    return reward_model_scorer(judge, folder, torch.device("cpu"))(prompts, completions)


def alone(folder, texts, **options):
    """Score texts one by one with nothing but transformers."""
    model = AutoModelForSequenceClassification.from_pretrained(folder).eval()
    tokenizer = AutoTokenizer.from_pretrained(folder)
    with torch.inference_mode():
        rows = [tokenizer(text, return_tensors="pt", **options) for text in texts]
        return [
            model(input_ids=row["input_ids"], attention_mask=row["attention_mask"]).logits.item()
            for row in rows
        ]


@pytest.fixture
def plain(texts):
    return [Prompt(row, [], text, text, "", "") for row, text in enumerate(texts)]


@pytest.fixture
def talk(texts):
    return [
        Prompt(row, [], f"policy's own {text}", [{"role": "user", "content": text}], [], [])
        for row, text in enumerate(texts)
    ]


@pytest.fixture(autouse=True)
def nothing_loaded():
    reward_model._load.cache_clear()


@pytest.mark.parametrize("padding_side", ["left", "right"])
@pytest.mark.parametrize("kind", ["llama", "bert"])
def test_plain_text_is_scored_as_if_alone(tmp_path, plain, kind, padding_side):
    folder = made(tmp_path, kind, template=False, padding_side=padding_side)
    joined = [each.text + text for each, text in zip(plain, COMPLETIONS, strict=True)]
    expected = alone(folder, joined)
    assert len({round(score, 3) for score in expected}) == len(joined)
    for size in (1, 2, 16):
        assert scores(folder, plain, batch_size=size) == pytest.approx(expected, abs=1e-5)
    assert all(isinstance(score, float) for score in scores(folder, plain))


@pytest.mark.parametrize("padding_side", ["left", "right"])
@pytest.mark.parametrize("form", ["plain", "talk"])
def test_its_own_chat_template_is_used_where_it_has_one(
    tmp_path, texts, form, padding_side, request
):
    folder = made(tmp_path, padding_side=padding_side)
    turns = [
        USER.format(text) + ASSISTANT.format(completion)
        for text, completion in zip(texts, COMPLETIONS, strict=True)
    ]
    found = scores(folder, request.getfixturevalue(form), batch_size=3)
    assert found == pytest.approx(alone(folder, turns, add_special_tokens=False), abs=1e-5)


@pytest.mark.parametrize("tokens", [{}, {"pad_token": None}, {"pad_token": "</s>"}])
def test_a_model_without_padding_still_reads_the_last_token(tmp_path, plain, tokens):
    folder = made(tmp_path, template=False, tokens=tokens, pad_token_id=None)
    endings = [f"{text}</s>" for text in COMPLETIONS]
    joined = [each.text + text for each, text in zip(plain, endings, strict=True)]
    found = scores(folder, plain, endings)
    assert found == pytest.approx(alone(folder, joined), abs=1e-5)


@pytest.mark.parametrize(("kind", "limit"), [("llama", 16), ("bert", 32)])
def test_long_texts_lose_their_beginning(tmp_path, plain, kind, limit):
    folder = made(tmp_path, kind, template=False)
    settings = {"max_length": 16} if kind == "llama" else {}  # BERT's own positions end at 32
    long = [Prompt(0, [], start * 40 + " the same end" * 12, "", "", "") for start in ("x", "y")]
    one, other = scores(folder, long, ["!"] * 2, **settings)
    assert one == other
    ids = load_tokenizer(folder)(long[0].text + "!")["input_ids"][-limit:]
    model = AutoModelForSequenceClassification.from_pretrained(folder).eval()
    with torch.inference_mode():
        assert one == pytest.approx(model(torch.tensor([ids])).logits.item(), abs=1e-5)


def test_it_is_loaded_once_for_all_trials(tmp_path, plain):
    folder = made(tmp_path)
    first = scores(folder, plain)
    (folder / "model.safetensors").unlink()
    assert scores(folder, plain, batch_size=2) == pytest.approx(first, abs=1e-5)


@pytest.mark.parametrize("kind", ["llama", "bert"])
def test_training_draws_the_same_numbers_as_without_it(tmp_path, plain, kind):
    folder = made(tmp_path, kind)
    before = torch.get_rng_state()
    scores(folder, plain)
    assert torch.equal(torch.get_rng_state(), before)


def test_precision_is_as_asked(tmp_path, plain):
    folder = made(tmp_path)
    full, half = (scores(folder, plain, dtype=dtype) for dtype in ("float32", "bfloat16"))
    assert full != half
    assert half == pytest.approx(full, abs=0.3)


def test_nothing_asked_is_nothing_answered(tmp_path):
    assert scores(made(tmp_path), [], []) == []


def test_more_than_one_output_is_refused(tmp_path, plain):
    with pytest.raises(JudgingFailed, match=r"one output \(num_labels 1\), got 2"):
        scores(made(tmp_path, num_labels=2), plain)


def test_a_model_without_its_head_is_refused(tmp_path, plain):
    folder = made(tmp_path)
    LlamaForSequenceClassification(LlamaConfig(**LLAMA, num_labels=1)).model.save_pretrained(folder)
    with pytest.raises(JudgingFailed, match=r"must hold all its weights, lacks score\.weight"):
        scores(folder, plain)


def test_a_folder_that_does_not_load_is_refused(tmp_path, plain):
    folder = made(tmp_path)
    (folder / "model.safetensors").write_bytes(b"broken")
    with pytest.raises(JudgingFailed, match="does not load: "):
        scores(folder, plain)


def test_conversations_need_a_template(tmp_path, talk):
    with pytest.raises(JudgingFailed, match="reward model own: must have a chat template"):
        scores(made(tmp_path, template=False), talk)


def test_a_template_that_refuses_a_prompt_is_named_with_its_row(tmp_path, talk):
    folder = made(tmp_path)
    (folder / "chat_template.jinja").write_text("{{ raise_exception('no such role') }}")
    with pytest.raises(JudgingFailed, match="row 0 and its completion: no such role"):
        scores(folder, talk)


def test_a_score_must_be_finite(tmp_path, plain):
    folder = made(tmp_path)
    model = AutoModelForSequenceClassification.from_pretrained(folder)
    torch.nn.init.constant_(model.score.weight, float("nan"))
    model.save_pretrained(folder)
    with pytest.raises(JudgingFailed, match="must give finite scores, got nan for the prompt of"):
        scores(folder, plain)


def test_a_tokenizer_without_any_usable_token_is_refused(tmp_path, plain):
    tokens = dict.fromkeys(("pad_token", "bos_token", "eos_token"))
    folder = made(tmp_path, template=False, tokens=tokens, pad_token_id=None)
    assert json.loads((folder / "tokenizer_config.json").read_text()).get("eos_token") is None
    with pytest.raises(JudgingFailed, match="must have a padding, first or last token"):
        scores(folder, plain)

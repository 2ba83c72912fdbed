"""Supervised fine-tuning: a plain model comes out, and nothing of it stays in the worker."""

import json
import weakref
from dataclasses import replace

import datasets
import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer

from dpo_ray.config.reference import SftConfig
from dpo_ray.data.cache import folder_digest
from dpo_ray.data.prepared import load_scored
from dpo_ray.evaluation.logps import collator_for
from dpo_ray.ranks import Ranks
from dpo_ray.reference.model import load_model, model_folder, scoring_head
from dpo_ray.reference.scores import score_rows
from dpo_ray.training import sft as stage
from dpo_ray.training.desk import Desk
from dpo_ray.training.jobs import ModelSpec, SftJob, Texts
from dpo_ray.training.sft import run_sft
from dpo_ray.training.sft_entry import read_history
from dpo_ray.training.sft_trainer import build_sft_trainer
from dpo_ray.training.trial import run_trial
from tests.training.conftest import InProcessMailbox

CPU = torch.device("cpu")
EMBEDDED = model_folder("embedded")
FULL = {"mode": "full", "learning_rate": 3e-3}
LORA = {"mode": "lora", "learning_rate": 1e-2}


@pytest.fixture
def mailbox():
    return InProcessMailbox()


@pytest.fixture(scope="session")
def texts(tmp_path_factory):
    """Prompts and chosen answers of the toy language, as the sweep would save them."""
    lines = (EMBEDDED.parent / "pairs.jsonl").read_text().splitlines()[:64]
    rows = [json.loads(line) for line in lines]
    return saved(
        tmp_path_factory.mktemp("texts"),
        {"prompt": [row["prompt"] for row in rows], "completion": [row["chosen"] for row in rows]},
    )


@pytest.fixture(scope="session")
def blank(tmp_path_factory):
    """The toy's architecture and tokenizer with fresh weights: there is everything to learn."""
    folder = tmp_path_factory.mktemp("blank") / "model"
    torch.manual_seed(0)
    AutoModelForCausalLM.from_config(AutoConfig.from_pretrained(EMBEDDED)).save_pretrained(folder)
    for path in EMBEDDED.iterdir():
        if path.name != "model.safetensors":
            (folder / path.name).write_bytes(path.read_bytes())
    return folder


@pytest.fixture
def make_sft(texts, tmp_path):
    """Make an SFT job; keyword arguments are fields of reference.sft."""

    def make(name="entry", model=EMBEDDED, dtype="float32", of=texts, max_length=512, **fields):
        settings = {"max_steps": 6, "batch_size": 8, "logging_steps": 2, **LORA, **fields}
        return SftJob(
            model=ModelSpec(model, dtype),
            texts=of,
            settings=SftConfig.model_validate(settings),
            max_length=max_length,
            target=tmp_path / "cache" / name,
        )

    return make


def saved(folder, columns, features=None):
    datasets.Dataset.from_dict(columns, features=features).save_to_disk(str(folder / "saved"))
    return folder / "saved"


def weights(outcome):
    return load_file(f"{outcome.model}/model.safetensors")


def same(one, other):
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


@pytest.mark.parametrize("mode", [FULL, LORA])
def test_the_loss_of_a_blank_model_falls(make_sft, blank, mailbox, desk, mode):
    outcome = run_sft(make_sft(model=blank, max_steps=30, **mode), 1, desk, mailbox)
    assert (outcome.state, outcome.step, mailbox.total_steps) == ("COMPLETED", 30, 30)
    assert mailbox.texts == Texts(used=64)
    steps, losses = [step for step, _ in mailbox.logs], mailbox.train("loss")
    assert (steps[0], steps[-1]) == (1, 30)
    assert losses[-1] < losses[0] - 0.7


def test_the_last_step_is_logged_whatever_its_number(make_sft, desk, mailbox):
    run_sft(make_sft(max_steps=5, logging_steps=3), 1, desk, mailbox)
    assert [step for step, _ in mailbox.logs] == [1, 3, 5]


@pytest.mark.parametrize("mode", [FULL, LORA])
def test_the_result_is_a_plain_model_with_its_tokenizer_untouched(make_sft, desk, mailbox, mode):
    outcome = run_sft(make_sft(**mode), 1, desk, mailbox)
    names = {path.name for path in EMBEDDED.iterdir()}
    folder = stage.Path(outcome.model)
    assert {path.name for path in folder.iterdir()} == names
    for name in names - {"model.safetensors"}:
        assert (folder / name).read_bytes() == (EMBEDDED / name).read_bytes()
    assert set(weights(outcome)) == set(load_file(EMBEDDED / "model.safetensors"))
    assert not same(weights(outcome), load_file(EMBEDDED / "model.safetensors"))
    assert AutoTokenizer.from_pretrained(folder).chat_template


def test_beside_it_stands_how_it_came_about(make_sft, desk, mailbox):
    job = make_sft()
    outcome = run_sft(job, 1, desk, mailbox)
    assert sorted(path.name for path in job.target.iterdir()) == ["model", "sft.json"]
    assert [path.name for path in job.target.parent.iterdir()] == ["entry"]
    history = read_history(job.target)
    assert history.log == mailbox.logs
    assert history.settings == job.settings.model_dump(mode="json")
    assert (history.total_steps, history.texts) == (6, Texts(used=64))
    assert 0 < history.seconds <= outcome.seconds


def test_a_merged_adapter_answers_as_the_base_with_the_adapter_on_it(
    make_sft, desk, mailbox, monkeypatch
):
    ids, seen = torch.arange(5, 69).reshape(2, 32), []

    def save(job, trainer, *others):
        with torch.no_grad():
            seen.append(trainer.model.eval()(input_ids=ids).logits)
        keep(job, trainer, *others)

    keep = stage._save
    monkeypatch.setattr(stage, "_save", save)
    outcome = run_sft(make_sft(), 1, desk, mailbox)
    with torch.no_grad():
        merged = load_model(stage.Path(outcome.model), "float32", CPU)(input_ids=ids).logits
        base = load_model(EMBEDDED, "float32", CPU)(input_ids=ids).logits
    assert torch.allclose(merged, seen[0], atol=1e-5)
    assert (merged - base).abs().max() > 0.1


@pytest.mark.parametrize("mode", [FULL, LORA])
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_one_seed_gives_the_same_bits(make_sft, desk, mode, dtype):
    first, again, other = (
        run_sft(make_sft(name, dtype=dtype, seed=seed, **mode), 1, desk, InProcessMailbox())
        for name, seed in (("a", 1), ("b", 1), ("c", 2))
    )
    assert same(weights(first), weights(again))
    assert folder_digest(stage.Path(first.model)) == folder_digest(stage.Path(again.model))
    assert not same(weights(first), weights(other))


@pytest.mark.parametrize("mode", [FULL, LORA])
def test_a_model_in_bfloat16_is_saved_in_it_and_says_so(make_sft, desk, mailbox, mode):
    outcome = run_sft(make_sft(dtype="bfloat16", **mode), 1, desk, mailbox)
    assert {tensor.dtype for tensor in weights(outcome).values()} == {torch.bfloat16}
    assert AutoConfig.from_pretrained(outcome.model).dtype == torch.bfloat16


@pytest.mark.parametrize(("mode", "dtype"), [("full", torch.float32), ("lora", torch.bfloat16)])
def test_what_is_trained_is_held_in_float32(make_sft, desk, mailbox, monkeypatch, mode, dtype):
    """In bfloat16 small updates would be rounded away; the frozen base of an adapter has none."""
    trained, frozen = set(), set()

    def look(*arguments, **options):
        trainer = build_sft_trainer(*arguments, **options)
        for parameter in trainer.model.parameters():
            (trained if parameter.requires_grad else frozen).add(parameter.dtype)
        return trainer

    monkeypatch.setattr(stage, "build_sft_trainer", look)
    run_sft(make_sft(dtype="bfloat16", mode=mode), 1, desk, mailbox)
    assert trained == {torch.float32}
    assert frozen == (set() if mode == "full" else {dtype})


def test_a_quantized_sweep_fine_tunes_the_plain_model(make_sft, desk):
    plain, nf4 = make_sft("a"), make_sft("b")
    nf4 = replace(nf4, model=replace(nf4.model, quantization="nf4"))
    one, other = (run_sft(job, 1, desk, InProcessMailbox()) for job in (plain, nf4))
    assert same(weights(one), weights(other))


def test_accumulated_gradients_equal_one_large_batch(make_sft, desk):
    whole, parts = InProcessMailbox(), InProcessMailbox()
    run_sft(make_sft("a", **FULL), 1, desk, whole)
    run_sft(make_sft("b", gradient_accumulation=2, **FULL), 1, desk, parts)
    assert parts.train("loss") == pytest.approx(whole.train("loss"), abs=1e-5)


def test_checkpointing_only_trades_time_for_memory(make_sft, desk):
    plain, checkpointed = InProcessMailbox(), InProcessMailbox()
    run_sft(make_sft("a"), 1, desk, plain)
    run_sft(make_sft("b", gradient_checkpointing=True), 1, desk, checkpointed)
    assert checkpointed.train("loss") == pytest.approx(plain.train("loss"), abs=1e-6)


@pytest.mark.parametrize("mode", [FULL, LORA])
@pytest.mark.parametrize("end", ["finished", "cancelled", "failed"])
def test_nothing_of_it_stays_in_the_worker(make_sft, desk, monkeypatch, mode, end):
    from accelerate.state import AcceleratorState, GradientState

    models = []

    def remember(*arguments, **options):
        trainer = build_sft_trainer(*arguments, **options)
        models.extend([weakref.ref(arguments[0]), weakref.ref(trainer.model)])
        return trainer

    monkeypatch.setattr(stage, "build_sft_trainer", remember)
    fields = mode | ({"learning_rate": 1e30} if end == "failed" else {})
    mailbox = InProcessMailbox(at_poll="cancel" if end == "cancelled" else "continue")
    outcome = run_sft(make_sft(**fields), 1, desk, mailbox)
    assert outcome.state == {"finished": "COMPLETED", "cancelled": "KILLED"}.get(end, "FAILED")
    assert [model() for model in models] == [None, None]
    assert AcceleratorState._shared_state == {}
    assert GradientState._shared_state == {}


def test_a_cancel_writes_nothing(make_sft, desk):
    job = make_sft()
    outcome = run_sft(job, 1, desk, InProcessMailbox(at_poll="cancel"))
    assert (outcome.state, outcome.step, outcome.model) == ("KILLED", 1, None)
    assert list(job.target.parent.iterdir()) == []


def test_numbers_that_cease_to_be_finite_fail_it_and_write_nothing(make_sft, desk, mailbox):
    job = make_sft(learning_rate=1e30)
    outcome = run_sft(job, 1, desk, mailbox)
    assert outcome.state == "FAILED"
    assert outcome.reason.startswith("non-finite at step ")
    assert "train/" in outcome.reason
    assert list(job.target.parent.iterdir()) == []


def test_weights_that_the_last_step_broke_fail_it(make_sft, desk, mailbox, monkeypatch):
    """No later loss would tell of them."""

    def broken(*arguments, **options):
        trainer = build_sft_trainer(*arguments, **options)
        train = trainer.train

        def train_and_break():
            train()
            with torch.no_grad():
                next(each for each in trainer.model.parameters() if each.requires_grad).fill_(
                    torch.inf
                )

        trainer.train = train_and_break
        return trainer

    monkeypatch.setattr(stage, "build_sft_trainer", broken)
    outcome = run_sft(make_sft(), 1, desk, mailbox)
    assert outcome.state == "FAILED"
    assert outcome.reason.startswith("non-finite after the last step: weights of ")


def test_texts_longer_than_max_length_are_cut_and_counted(make_sft, desk, mailbox):
    tokenizer = AutoTokenizer.from_pretrained(EMBEDDED)
    job = make_sft(max_length=24)
    rows = datasets.load_from_disk(str(job.texts)).to_list()
    eos = tokenizer.eos_token
    whole = [tokenizer(row["prompt"] + row["completion"] + eos)["input_ids"] for row in rows]
    prompts = [tokenizer(row["prompt"])["input_ids"] for row in rows]
    left_out = sum(len(ids) >= 24 for ids in prompts)
    cut = sum(len(ids) > 24 for ids in whole)
    assert 0 < cut < 64
    assert run_sft(job, 1, desk, mailbox).state == "COMPLETED"
    assert mailbox.texts == Texts(used=64 - left_out, cut=cut, left_out=left_out)
    assert read_history(job.target).texts == mailbox.texts


def test_texts_of_which_the_cut_leaves_nothing_fail_it_as_bad_data(make_sft, desk, mailbox):
    outcome = run_sft(make_sft(max_length=2), 1, desk, mailbox)
    assert (outcome.state, outcome.fatal) == ("FAILED", "data")
    assert "data.max_length=2" in outcome.reason


def test_only_completions_are_learned_unless_told_otherwise(make_sft, desk):
    only, both = InProcessMailbox(), InProcessMailbox()
    run_sft(make_sft("a"), 1, desk, only)
    run_sft(make_sft("b", completion_only=False), 1, desk, both)
    assert only.train("loss")[0] != both.train("loss")[0]


def conversations(answers):
    asked = {"role": "user", "content": "a question"}
    return [[asked, {"role": "assistant", "content": answer}] for answer in answers]


def test_every_form_of_texts_is_learned(make_sft, desk, tmp_path):
    rows = datasets.load_from_disk(str(make_sft().texts)).to_list()
    whole = [row["prompt"] + row["completion"] for row in rows]
    messages = conversations(whole)
    as_json = datasets.Features({name: datasets.Json() for name in ("prompt", "completion")})
    halves = {
        "prompt": [each[:1] for each in messages],
        "completion": [each[1:] for each in messages],
    }
    forms = {
        "text": saved(tmp_path / "text", {"text": whole}),
        "messages": saved(tmp_path / "messages", {"messages": messages}),
        "halves": saved(tmp_path / "halves", halves),
        "json": saved(tmp_path / "json", halves, as_json),
    }
    losses = {}
    for name, folder in forms.items():
        mailbox = InProcessMailbox()
        outcome = run_sft(make_sft(name, of=folder), 1, desk, mailbox)
        assert outcome.state == "COMPLETED", outcome.reason
        assert mailbox.texts == Texts(used=64)
        losses[name] = mailbox.train("loss")
    assert losses["halves"] == losses["json"]
    assert losses["halves"] != losses["messages"]


def test_the_texts_stay_as_they_are_in_their_folder(make_sft, desk, mailbox):
    job = make_sft()
    before = folder_digest(job.texts)
    run_sft(job, 1, desk, mailbox)
    assert folder_digest(job.texts) == before


def test_a_trial_after_it_gives_the_bits_of_a_fresh_worker(make_sft, make_job, tmp_path):
    used, after, fresh = Desk(Ranks(), CPU), InProcessMailbox(), InProcessMailbox()
    for name, mode in (("full", FULL), ("lora", LORA)):
        run_sft(make_sft(name, **mode), 1, used, InProcessMailbox())
    run_trial(make_job(tmp_path / "a"), 2, used, after)
    run_trial(make_job(tmp_path / "b"), 1, Desk(Ranks(), CPU), fresh)
    assert after.logs == fresh.logs
    assert after.rungs == fresh.rungs


def test_it_gives_the_same_bits_after_a_trial(make_sft, make_job, tmp_path):
    used = Desk(Ranks(), CPU)
    run_trial(make_job(tmp_path / "a"), 1, used, InProcessMailbox())
    after = run_sft(make_sft("a"), 2, used, InProcessMailbox())
    fresh = run_sft(make_sft("b"), 1, Desk(Ranks(), CPU), InProcessMailbox())
    assert same(weights(after), weights(fresh))


@pytest.mark.parametrize("mode", [FULL, LORA])
def test_dpo_starts_from_it_and_passes_step_zero(make_sft, make_job, desk, tmp_path, mode):
    tuned = stage.Path(run_sft(make_sft(**mode), 1, desk, InProcessMailbox()).model)
    job = make_job(tmp_path / "a")
    unscored = replace(job, model=replace(job.model, folder=tuned))
    refused = run_trial(unscored, 2, desk, InProcessMailbox())
    assert (refused.state, refused.fatal) == ("FAILED", "reference")
    scored = replace(
        unscored, prepared=rescored(job, tuned, tmp_path / "scores"), folder=tmp_path / "b"
    )
    mailbox = InProcessMailbox()
    assert run_trial(scored, 3, desk, mailbox).state == "COMPLETED"
    assert mailbox.train("loss")[0] == pytest.approx(0.693147, abs=1e-4)


def rescored(job, folder, target):
    """The prepared data with another model's reference scores."""
    model = load_model(folder, "float32", CPU)
    collator = collator_for(AutoTokenizer.from_pretrained(folder), job.max_length)
    for split in ("train", "validation", "test"):
        rows = load_scored(job.prepared, split)
        with scoring_head(model):
            scores = score_rows(model, rows.to_list(), collator, 64, Ranks())
        names = ("ref_chosen_logps", "ref_rejected_logps")
        columns = dict(zip(names, map(list, zip(*scores, strict=True)), strict=True))
        datasets.Dataset.from_dict(columns).save_to_disk(str(target / split))
    return replace(job.prepared, scores=target)

"""Full training: a copy of the base is trained and dropped, the base is the reference."""

import math
import weakref
from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, AutoTokenizer
from trl import DPOTrainer

from dpo_ray.config.training import TrainingConfig
from dpo_ray.data.adapter_card import read_card
from dpo_ray.data.prepared import load_scored
from dpo_ray.data.trial_files import drop_resume
from dpo_ray.ranks import Ranks
from dpo_ray.reference.model import load_model, load_tokenizer, scoring_head
from dpo_ray.reference.scores import score_rows
from dpo_ray.training import attempt as attempts
from dpo_ray.training.desk import Desk
from dpo_ray.training.dpo import build_trainer
from dpo_ray.training.policy import as_reference, take_off
from dpo_ray.training.trial import run_trial
from tests.training.conftest import InProcessMailbox

CPU = torch.device("cpu")
FLOAT32, BFLOAT16 = "model.dtype=float32", "model.dtype=bfloat16"


@pytest.fixture
def mailbox():
    return InProcessMailbox()


@pytest.fixture
def full_job(make_job):
    """Make a trial job of mode full; keyword arguments are training fields."""

    def make(folder, dtype=FLOAT32, **fields):
        job = make_job(folder, dtype)
        values = {**job.training.model_dump(), "mode": "full", "learning_rate": 2e-4, **fields}
        return replace(job, training=TrainingConfig.model_validate(values))

    return make


def state_of(model):
    """Everything about a model that a trial could leave changed."""
    return {
        "weights": {name: tensor.clone() for name, tensor in model.state_dict().items()},
        "names": {module: set(each.__dict__) for module, each in model.named_modules()},
        "frozen": [parameter.requires_grad for parameter in model.parameters()],
        "gradients": [parameter.grad for parameter in model.parameters()],
        "hooks": [list(each._forward_hooks) for each in model.modules()],
        "modes": [each.training for each in model.modules()],
        "config": model.config.to_dict(),
    }


def assert_unchanged(before, after):
    assert before["weights"].keys() == after["weights"].keys()
    assert all(
        torch.equal(tensor, after["weights"][name]) for name, tensor in before["weights"].items()
    )
    for key in set(before) - {"weights"}:
        assert before[key] == after[key], key


def test_a_full_trial_moves_away_from_its_reference(full_job, desk, mailbox, tmp_path):
    outcome = run_trial(full_job(tmp_path), 1, desk, mailbox)
    assert (outcome.state, outcome.step, outcome.adapter) == ("COMPLETED", 8, None)
    assert mailbox.train("loss")[0] == pytest.approx(math.log(2), abs=1e-4)
    assert mailbox.rungs[-1][2]["eval/kl"] > 0.001
    assert mailbox.rungs[-1][2]["eval/logratio_margin"] > 0


def test_losses_and_margins_are_within_rounding_of_stock_trl(full_job, tmp_path):
    job = full_job(tmp_path)
    rows = load_scored(job.prepared, "train")
    ours = trainer_of(job, load_model(job.model.folder, "float32", CPU), rows)
    stock = StockTrainer(
        model=load_model(job.model.folder, "float32", CPU),
        args=ours.args,
        train_dataset=rows.remove_columns(["ref_chosen_logps", "ref_rejected_logps"]),
        processing_class=load_tokenizer(job.model.folder),
    )
    for name in ("loss", "rewards/margins", "grad_norm"):
        values = [
            [line[name] for line in history(trainer) if "loss" in line] for trainer in (ours, stock)
        ]
        assert values[0] == pytest.approx(values[1], abs=1e-5, rel=1e-4)
        assert len(values[0]) == 8


@pytest.mark.parametrize(("dtype", "floor"), [(FLOAT32, 0.0), (BFLOAT16, 0.002)])
def test_an_untrained_copy_is_at_no_distance_from_its_base(full_job, desk, tmp_path, dtype, floor):
    mailbox = InProcessMailbox()
    job = full_job(tmp_path, dtype, learning_rate=1e-30)
    unmoved = job.evaluation.limits.model_copy(update={"min_movement": None})
    job = replace(job, evaluation=job.evaluation.model_copy(update={"limits": unmoved}))
    assert run_trial(job, 1, desk, mailbox).state == "COMPLETED"
    for _, _, metrics in mailbox.rungs:
        assert abs(metrics["eval/kl"]) <= floor


@pytest.mark.parametrize("dtype", [FLOAT32, BFLOAT16])
def test_full_trials_with_one_seed_give_the_same_bits(full_job, desk, tmp_path, dtype):
    """Whatever ran before, in a used worker and in a fresh one."""
    first, stopped, again, fresh = (InProcessMailbox() for _ in range(4))
    stopped.at_rungs = {4: "stop"}
    run_trial(full_job(tmp_path / "a", dtype), 1, desk, first)
    run_trial(full_job(tmp_path / "b", dtype, beta=0.5), 2, desk, stopped)
    run_trial(full_job(tmp_path / "c", dtype), 3, desk, again)
    run_trial(full_job(tmp_path / "d", dtype), 1, Desk(Ranks(), CPU), fresh)
    assert first.logs == again.logs == fresh.logs
    assert first.rungs == again.rungs == fresh.rungs
    assert first.logs != stopped.logs


def test_lora_and_full_trials_do_not_disturb_each_other(make_job, full_job, tmp_path):
    desk, alone, after = Desk(Ranks(), CPU), InProcessMailbox(), InProcessMailbox()
    run_trial(make_job(tmp_path / "a"), 1, desk, alone)
    run_trial(full_job(tmp_path / "b"), 2, desk, InProcessMailbox())
    run_trial(make_job(tmp_path / "c"), 3, desk, after)
    assert alone.logs == after.logs
    assert alone.rungs == after.rungs


@pytest.mark.parametrize(
    ("dtype", "checkpointing"), [(FLOAT32, False), (FLOAT32, True), (BFLOAT16, False)]
)
@pytest.mark.parametrize("end", ["finished", "stopped", "failed"])
def test_nothing_of_a_full_trial_remains(
    full_job, tmp_path, dtype, checkpointing, end, monkeypatch
):
    desk, policies = Desk(Ranks(), CPU), []
    rate = 1e30 if end == "failed" else 2e-4
    job = full_job(tmp_path, dtype, gradient_checkpointing=checkpointing, learning_rate=rate)
    before = state_of(desk.model(job.model))

    def remember(*arguments, **options):
        trainer = build_trainer(*arguments, **options)
        policies.append(weakref.ref(trainer.model))
        return trainer

    monkeypatch.setattr(attempts, "build_trainer", remember)
    mailbox = InProcessMailbox(at_rungs={4: "stop"} if end == "stopped" else {})
    outcome = run_trial(job, 1, desk, mailbox)
    assert outcome.state == {"finished": "COMPLETED", "stopped": "STOPPED", "failed": "FAILED"}[end]
    assert_unchanged(before, state_of(desk.model(job.model)))
    assert policies[0]() is None


def test_a_forgotten_base_leaves_the_memory(full_job, tmp_path):
    """Though the desk freezes what it loads, out of the garbage collector's sight."""
    desk, job = Desk(Ranks(), CPU), full_job(tmp_path)
    run_trial(job, 1, desk, InProcessMailbox())
    base = weakref.ref(desk.model(job.model))
    desk.forget_model()
    assert base() is None


def test_the_saved_model_is_complete_and_is_the_trained_one(full_job, desk, mailbox, tmp_path):
    job = full_job(tmp_path)
    outcome = run_trial(job, 1, desk, mailbox)
    assert outcome.model == str(job.folder / "model")
    steps = [f"step-{step:05d}" for step, *_ in mailbox.rungs]
    drop_resume(job.folder)  # as the driver does, once the journal has the trial's end
    assert sorted(path.name for path in job.folder.iterdir()) == ["model", *steps]
    assert read_card(job.folder / "model").step == mailbox.rungs[-1][0]
    model = AutoModelForCausalLM.from_pretrained(outcome.model)
    base = AutoModelForCausalLM.from_pretrained(job.model.folder)
    assert model.generation_config.eos_token_id == base.generation_config.eos_token_id
    tokenizer = AutoTokenizer.from_pretrained(outcome.model)
    assert tokenizer.chat_template == desk.tokenizer(job.model).chat_template
    rows = load_scored(job.prepared, "validation").select(range(16)).to_list()
    evaluator = desk.evaluator(job)
    with scoring_head(model.eval()):
        scores = score_rows(model, evaluator.pairs, evaluator.collator, 64, Ranks())
    chosen = sum(score for score, _ in scores) / len(scores)
    assert chosen == pytest.approx(mailbox.rungs[-1][2]["eval/logps/chosen"], abs=1e-3)
    assert len(rows) == len(scores)


def test_a_model_trained_in_bfloat16_is_saved_in_it(full_job, desk, mailbox, tmp_path):
    outcome = run_trial(full_job(tmp_path, BFLOAT16), 1, desk, mailbox)
    weights = load_file(f"{outcome.model}/model.safetensors")
    assert {tensor.dtype for tensor in weights.values()} == {torch.bfloat16}


def test_small_updates_are_not_rounded_away_in_bfloat16(full_job, desk, tmp_path):
    job = full_job(tmp_path, BFLOAT16, learning_rate=1e-6)
    trainer = trainer_of(job, desk.model(job.model), desk.training_rows(job.prepared))
    trainer.train()
    pairs = zip(trainer.model.parameters(), desk.model(job.model).parameters(), strict=True)
    moved = torch.cat([(trained != start.float()).flatten() for trained, start in pairs])
    assert moved.float().mean() > 0.5
    take_off(trainer)


def test_a_base_whose_weights_have_changed_fails_at_step_zero(full_job, tmp_path):
    desk = Desk(Ranks(), CPU)
    job = full_job(tmp_path)
    with torch.no_grad():
        desk.model(job.model).lm_head.weight.mul_(1.001)
    outcome = run_trial(job, 1, desk, InProcessMailbox())
    assert (outcome.state, outcome.fatal, outcome.step) == ("FAILED", "reference", 0)


def test_weights_that_stay_trained_fail_the_next_trial_at_step_zero(
    full_job, tmp_path, monkeypatch
):
    """What a trial without its own copy of the base would do to the next one."""
    desk, mailbox = Desk(Ranks(), CPU), InProcessMailbox()
    job = full_job(tmp_path / "a")
    desk.model(job.model)
    kept = load_model(job.model.folder, "float32", CPU)
    monkeypatch.setattr("dpo_ray.training.dpo.full_policy", lambda base: kept)
    assert run_trial(job, 1, desk, mailbox).state == "COMPLETED"
    again = run_trial(replace(job, folder=tmp_path / "b"), 2, desk, mailbox)
    assert (again.state, again.fatal) == ("FAILED", "reference")


def test_the_reference_is_the_model_in_memory_not_the_one_its_name_points_to(full_job, tmp_path):
    """After an SFT in memory TRL would reload the reference from `_name_or_path`: loss 0.78."""
    job = full_job(tmp_path, max_steps=1)
    tuned = load_model(job.model.folder, "float32", CPU)
    with torch.no_grad():
        for parameter in tuned.parameters():
            parameter.add_(0.02 * torch.randn_like(parameter))
    trainer = trainer_of(job, tuned, rescored(job, tuned))
    trainer.train()
    assert trainer.state.log_history[0]["loss"] == pytest.approx(math.log(2), abs=1e-4)
    with as_reference(trainer) as reference:
        assert reference is tuned
    take_off(trainer)


class StockTrainer(DPOTrainer):
    """TRL's trainer with the reference it loads by itself, on rows that are tokens already."""

    def _prepare_dataset(self, dataset, *_, **__):
        return dataset


def history(trainer):
    if not trainer.state.log_history:
        trainer.train()
    return trainer.state.log_history


def trainer_of(job, model, rows):
    return build_trainer(
        model,
        load_tokenizer(job.model.folder),
        rows,
        job.training,
        max_length=job.max_length,
        dtype=job.model.dtype,
        workers=1,
        folder=job.folder,
    )


def rescored(job, model):
    """The training rows with another model's scores."""
    rows = load_scored(job.prepared, "train").select(range(32))
    trainer_rows, collator = rows.to_list(), Desk(Ranks(), CPU).evaluator(job).collator
    with scoring_head(model):
        scores = score_rows(model, trainer_rows, collator, 16, Ranks())
    names = ("ref_chosen_logps", "ref_rejected_logps")
    rows = rows.remove_columns(list(names))
    for name, values in zip(names, zip(*scores, strict=True), strict=True):
        rows = rows.add_column(name, list(values))
    return rows

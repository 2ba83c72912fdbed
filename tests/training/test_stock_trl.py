"""The same numbers as stock TRL with its in-loop reference, step by step."""

import datasets
import pytest
import torch
from trl import DPOTrainer

from dpo_ray.data.prepared import load_scored
from dpo_ray.data.split import split_of
from dpo_ray.evaluation.logps import PairLogps, collator_for, pair_logps
from dpo_ray.evaluation.rewards import Lengths, pair_metrics
from dpo_ray.reference.model import load_model, load_tokenizer, scoring_head
from dpo_ray.training.dpo import build_trainer, dpo_arguments, lora_config

STEPS = 20
EVALUATED = 64
"""Whole batches only: TRL takes the mean of batch means."""
NAMES = ("loss", "rewards/margins", "rewards/chosen", "grad_norm")


@pytest.fixture(scope="module")
def job(make_job, tmp_path_factory):
    folder = tmp_path_factory.mktemp("stock")
    return make_job(folder, f"training.max_steps={STEPS}", learning_rate=5e-4)


@pytest.fixture(scope="module")
def stock(job):
    """Twenty steps of DPOTrainer on raw rows, as its documentation shows."""
    torch.set_num_threads(1)
    raw = datasets.load_dataset(
        "json", data_files=str(job.model.folder.parent / "pairs.jsonl"), split="train"
    )
    rows = raw.filter(lambda row: split_of(row["prompt"], 0.2, 0.2) == "train")
    model = load_model(job.model.folder, "float32", torch.device("cpu"))
    trainer = DPOTrainer(
        model=model,
        args=arguments(job),
        train_dataset=rows,
        eval_dataset=rows.select(range(EVALUATED)),
        processing_class=load_tokenizer(job.model.folder),
        peft_config=lora_config(job.training, model),
    )
    trainer.train()
    return trainer


def test_losses_and_margins_are_within_rounding_of_stock_trl(job, stock):
    ours = train(job, load_scored(job.prepared, "train"))
    for name in NAMES:
        assert history(ours, name) == pytest.approx(history(stock, name), abs=1e-5, rel=1e-4)


def test_scores_taken_in_the_same_batches_give_the_same_bits(job, stock):
    rows = scored_in_training_batches(job, stock)
    ours = train(job, rows)
    for name in NAMES:
        assert history(ours, name) == history(stock, name)


def test_evaluated_on_whole_batches_rewards_and_loss_are_trls(job, stock):
    theirs = stock.evaluate()
    rows = load_scored(job.prepared, "train").select(range(EVALUATED)).to_list()
    collator = collator_for(load_tokenizer(job.model.folder), job.max_length)
    model = stock.model.eval()
    policy = pair_logps(model, rows, collator, torch.device("cpu"))
    reference = PairLogps(
        torch.tensor([row["ref_chosen_logps"] for row in rows]),
        torch.tensor([row["ref_rejected_logps"] for row in rows]),
    )
    lengths = Lengths(torch.ones(EVALUATED), torch.ones(EVALUATED))
    ours = pair_metrics(policy, reference, job.training.beta, lengths)
    names = ("loss", "rewards/chosen", "rewards/rejected", "rewards/margins")
    for name in names:
        assert ours[name] == pytest.approx(theirs[f"eval_{name}"], abs=1e-5)
    assert ours["accuracy"] == pytest.approx(theirs["eval_rewards/accuracies"], abs=1e-5)
    assert abs(ours["rewards/margins"]) > 1e-2


def arguments(job):
    return dpo_arguments(
        job.training, max_length=job.max_length, dtype="float32", workers=1, folder=job.folder
    )


def train(job, rows):
    trainer = build_trainer(
        load_model(job.model.folder, "float32", torch.device("cpu")),
        load_tokenizer(job.model.folder),
        rows,
        job.training,
        max_length=job.max_length,
        dtype="float32",
        workers=1,
        folder=job.folder,
    )
    trainer.train()
    return trainer


def history(trainer, name):
    values = [line[name] for line in trainer.state.log_history if "loss" in line]
    assert len(values) == STEPS
    return values


def scored_in_training_batches(job, stock):
    """Score the reference batch by batch in the order in which training meets the rows."""
    rows = load_scored(job.prepared, "train")
    model = load_model(job.model.folder, "float32", torch.device("cpu"))
    collator = collator_for(load_tokenizer(job.model.folder), job.max_length)
    order = list(stock.get_train_dataloader().batch_sampler)[:STEPS]
    chosen, rejected = list(rows["ref_chosen_logps"]), list(rows["ref_rejected_logps"])
    with scoring_head(model):
        for indices in order:
            batch = [rows[index] for index in indices]
            logps = pair_logps(model, batch, collator, torch.device("cpu"))
            for index, better, worse in zip(
                indices, logps.chosen.tolist(), logps.rejected.tolist(), strict=True
            ):
                chosen[index], rejected[index] = better, worse
    columns = {"ref_chosen_logps": chosen, "ref_rejected_logps": rejected}
    rows = rows.remove_columns(list(columns))
    for name, values in columns.items():
        rows = rows.add_column(name, values)
    return rows

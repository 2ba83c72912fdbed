"""What the paper says of DPO, on the toy language: each claim as something that can be false."""

import json
from collections.abc import Callable

import numpy as np
import pytest
import torch
from sklearn.metrics import roc_auc_score

from dpo_ray.data.adapter_card import read_card
from dpo_ray.data.prepared import load_scored
from dpo_ray.data.rows import load_rows
from dpo_ray.evaluation.logps import collator_for
from dpo_ray.training.dpo import build_trainer
from dpo_ray.training.implicit_reward import implicit_rewards
from dpo_ray.training.trial import run_trial
from tests.training.conftest import InProcessMailbox

pytestmark = pytest.mark.slow
WHOLE = ("training.max_steps=60", "evaluation.prompts=64", "evaluation.max_new_tokens=40")
AT_THE_END = "evaluation.at=[1.0]"
FLIPPED = 0.1


@pytest.fixture(scope="module")
def trained(make_job, desk, tmp_path_factory) -> Callable[..., tuple]:
    def run(*overrides: str, **params: float):
        mailbox = InProcessMailbox()
        job = make_job(tmp_path_factory.mktemp("claim"), *WHOLE, *overrides, **params)
        return job, mailbox, run_trial(job, 1, desk, mailbox)

    return run


def test_the_larger_beta_the_nearer_to_the_reference(trained):
    """Mean over 2 seeds, from half the smallest usual beta to four times the largest."""
    kls = []
    for beta in (0.05, 0.1, 0.5, 2.0):
        ends = [
            trained(AT_THE_END, "training.max_steps=30", beta=beta, seed=seed)[1].rungs[-1][2]
            for seed in (0, 1)
        ]
        kls.append(np.mean([end["eval/kl"] for end in ends]))
    assert kls == sorted(kls, reverse=True)
    assert kls[0] > 2 * kls[-1]


def test_pairs_with_flipped_labels_rank_among_the_heaviest(trained, tmp_path):
    """One pair in ten has its labels exchanged. Which ones, only the weights can tell."""
    pairs, flipped = flipped_pairs(tmp_path)
    job, _, outcome = trained(f"data.source={pairs}", AT_THE_END)
    folder = job.folder / "adapter"
    rows = load_rows(shared_rows(job), "validation").to_list()
    table = implicit_rewards(folder, read_card(folder), rows)
    truth = [row in flipped for row in table["row"].to_pylist()]
    assert outcome.state == "COMPLETED"
    assert sum(truth) > 20
    assert roc_auc_score(truth, table["weight"].to_numpy()) > 0.6


def test_the_broken_corner_wins_and_is_failed_all_the_same(trained):
    job, _, outcome = trained("evaluation.at=[0.5, 1.0]", beta=0.02, learning_rate=5e-3)
    assert (outcome.state, outcome.by_limits) == ("FAILED", True)
    assert "max_kl_per_token" in outcome.reason
    assert outcome.metrics["eval/win_rate_low"] > 0.5
    assert job.evaluation.limits.max_kl_per_token is not None


def test_hinge_at_a_tiny_beta_has_dpos_gradient_with_every_weight_at_one(make_job, desk, tmp_path):
    """The gradient of -(log pi(y_w) - log pi(y_l)), up to its length: cosine 1."""
    job = make_job(tmp_path, example_weight=False)
    trainer = build_trainer(
        desk.model(job.model), desk.tokenizer(job.model), load_scored(job.prepared, "train"),
        job.training, max_length=job.max_length, dtype="float32", workers=1, folder=job.folder,
    )  # fmt: skip
    disturb(trainer.model)
    rows = load_scored(job.prepared, "train").select(range(16)).to_list()
    columns = ("prompt_ids", "chosen_ids", "rejected_ids", "ref_chosen_logps", "ref_rejected_logps")
    batch = collator_for(desk.tokenizer(job.model), job.max_length)(
        [{name: row[name] for name in columns} for row in rows]
    )
    hinge = gradient(trainer, trainer.compute_loss(trainer.model, batch))
    plain = gradient(trainer, -mean_gap(trainer.model, batch))
    cosine = torch.nn.functional.cosine_similarity(hinge, plain, dim=0)
    assert cosine.item() == pytest.approx(1.0, abs=1e-5)
    desk.forget_model()


def disturb(model) -> None:
    """Move the adapter off zero, where every loss has the same direction anyway."""
    torch.manual_seed(0)
    for name, weight in model.named_parameters():
        if "lora_B" in name:
            weight.data.normal_(std=0.05)


def gradient(trainer, loss) -> torch.Tensor:
    trainer.model.zero_grad()
    loss.backward()
    return torch.cat(
        [each.grad.flatten() for each in trainer.model.parameters() if each.grad is not None]
    )


def mean_gap(model, batch) -> torch.Tensor:
    """Mean of log pi(y_w) - log pi(y_l), without TRL."""
    logits = model(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"]).logits
    logps = logits[:, :-1].log_softmax(-1).gather(-1, batch["input_ids"][:, 1:, None]).squeeze(-1)
    chosen, rejected = (logps * batch["completion_mask"][:, 1:]).sum(1).chunk(2)
    return (chosen - rejected).mean()


def flipped_pairs(folder) -> tuple[str, set[int]]:
    """The embedded pairs with exchanged labels in a random tenth, and which rows these are."""
    from dpo_ray.reference.model import model_folder

    lines = (model_folder("embedded").parent / "pairs.jsonl").read_text().splitlines()
    rows = [json.loads(line) for line in lines]
    draws = np.random.default_rng(0).random(len(rows))
    for row, draw in zip(rows, draws, strict=True):
        if draw < FLIPPED:
            row["chosen"], row["rejected"] = row["rejected"], row["chosen"]
    path = folder / "flipped.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(path), {number for number, draw in enumerate(draws, 1) if draw < FLIPPED}


def shared_rows(job):
    """The checked rows that a job's tokens were made of, by the cache they both lie in."""
    cache = job.prepared.tokens.parent
    newest = max(cache.glob("rows-*"), key=lambda path: path.stat().st_mtime)
    return newest

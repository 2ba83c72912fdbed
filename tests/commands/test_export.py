"""`dpo-ray export`: what comes out is opened by its own card, and writes what the trial wrote."""

import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pytest
import torch
from peft import LoraConfig, PeftModel, get_peft_model
from pyarrow import parquet
from typer.testing import CliRunner

from dpo_ray.cli import app
from dpo_ray.data.adapter_card import AdapterCard, read_card, write_card
from dpo_ray.reference.model import load_model, load_tokenizer, model_folder
from dpo_ray.tracking.journal import Journal
from dpo_ray.tracking.records import (
    Prepared,
    RungReached,
    SweepEnded,
    SweepPlanned,
    TrialEnded,
    TrialStarted,
)
from tests.commands.test_page import listed

BASE = model_folder("embedded")
PROMPTS = ["The soup was", "The film was", "The room was", "The waiter was", "The plot was"]
PLAN = {
    "space": {"parameters": {"beta": {"type": "float", "low": 0.1, "high": 0.5}}},
    "sweep": {
        "model": {"name": "embedded", "dtype": "float32"},
        "data": {"source": "embedded", "max_length": 512},
        "training": {"beta": 0.1, "loss_type": "sigmoid"},
        "evaluation": {"prompts": 5},
        "objective": [{"metric": "win_rate", "direction": "maximize"}],
    },
}


def adapter(folder: Path, seed: int, step: int, size: float = 0.05) -> None:
    """An adapter that is no longer zero, as a trial saves one."""
    torch.manual_seed(seed)
    model = load_model(BASE, "float32", torch.device("cpu"))
    shape = LoraConfig(r=4, lora_alpha=8, target_modules="all-linear", task_type="CAUSAL_LM")
    adapted = get_peft_model(model, shape)
    with torch.no_grad():
        for name, weight in adapted.named_parameters():
            if "lora_B" in name:
                weight.normal_(std=size)
    adapted.save_pretrained(folder)
    card = AdapterCard.plain(str(BASE), 0.1)
    write_card(folder, AdapterCard(**{**vars(card), "trial": 0, "step": step}))


def trial(journal: Journal, folder: Path, number: int, win_rate: dict[int, float], **end) -> None:
    journal.append(
        TrialStarted(trial=number, params={"beta": 0.1 + number / 10}, slot="s", total_steps=60,
                     origin="control" if number == 0 else "sampler", folder=str(folder))
    )  # fmt: skip
    for step, value in win_rate.items():
        metrics = {"eval/win_rate": value, "eval/win_rate_low": value - 0.1, "eval/kl": 1.0}
        journal.append(RungReached(trial=number, step=step, fraction=step / 60, metrics=metrics))
    facts = {"state": "COMPLETED", "reason": "ran all its steps", **end}
    journal.append(TrialEnded(trial=number, step=60, seconds=9.0, **facts))


@pytest.fixture(scope="module")
def store(tmp_path_factory) -> Path:
    """A sweep of three trials: an adapter better at step 30, a whole model, and one that failed."""
    store = tmp_path_factory.mktemp("store")
    trials = store / "sweeps" / "beta" / "trials"
    adapter(trials / "t00" / "adapter", seed=0, step=60, size=0.2)
    adapter(trials / "t00" / "step-00030" / "adapter", seed=1, step=30)
    table = pa.table({"prompt": PROMPTS})
    parquet.write_table(table, trials / "t00" / "step-00030" / "completions.parquet")
    whole = trials / "t01" / "model"
    shutil.copytree(BASE, whole)
    model = load_model(BASE, "float32", torch.device("cpu"))
    with torch.no_grad():
        for weight in model.parameters():
            weight.mul_(1.01)
    model.save_pretrained(whole)
    write_card(whole, AdapterCard.plain(str(BASE), 0.1))
    journal = Journal.create(store / "sweeps" / "beta" / "journal.jsonl")
    journal.append(SweepPlanned(name="beta", plan=PLAN, host="h", pid=1, versions={"trl": "1"}))
    saved = str(trials / "t00" / "adapter")
    trial(journal, trials / "t00", 0, {20: 0.6, 30: 0.8, 60: 0.7}, adapter=saved)
    trial(journal, trials / "t01", 1, {60: 0.6}, model=str(whole))
    trial(journal, trials / "t02", 2, {}, state="FAILED", reason="the loss is not finite")
    journal.append(SweepEnded(exit_code=0, reason="done", best=0))
    journal.close()
    return store


def export(store, out, *options):
    arguments = ["export", "beta", "--out", str(out), "--store", str(store), *options]
    return CliRunner().invoke(app, arguments)


def exported(store, out, *options) -> dict:
    done = export(store, out, *options, "--json")
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


def opened_by_its_card(folder: Path):
    """Run the lines of README.md as a person would paste them."""
    lines = (folder / "README.md").read_text().split("```python\n")[1].split("```")[0]
    names: dict = {}
    exec(lines, names)
    return names["model"], names["tokenizer"]


@torch.no_grad()
def texts(model, tokenizer) -> list[str]:
    found = []
    for prompt in PROMPTS:
        given = tokenizer(prompt, return_tensors="pt")["input_ids"]
        ends = {"pad_token_id": tokenizer.pad_token_id, "eos_token_id": tokenizer.eos_token_id}
        answer = model.eval().generate(input_ids=given, max_new_tokens=30, do_sample=False, **ends)
        found.append(tokenizer.decode(answer[0]))
    return found


def trained(folder: Path) -> list[str]:
    base = load_model(BASE, "float32", torch.device("cpu"))
    return texts(PeftModel.from_pretrained(base, str(folder)), load_tokenizer(BASE))


def test_the_recommended_checkpoints_adapter_comes_out_and_writes_the_same(store, tmp_path):
    out = tmp_path / "new" / "my-adapter"
    facts = exported(store, out)
    assert (facts["trial"], facts["step"], facts["kind"]) == ("t00", 30, "adapter")
    assert (facts["compared"], facts["equal"]) == (5, 5)
    assert facts.keys() == listed("dpo-ray export --json")
    assert {"adapter_model.safetensors", "adapter_config.json", "tokenizer.json", "README.md",
            "dpo_ray.json"} <= set(facts["files"])  # fmt: skip
    source = store / "sweeps/beta/trials/t00/step-00030/adapter"
    assert texts(*opened_by_its_card(out)) == trained(source)
    assert texts(*opened_by_its_card(out)) != trained(source.parents[1] / "adapter")
    assert read_card(out) == read_card(source)


def test_a_merged_model_needs_nothing_else_and_writes_the_same(store, tmp_path):
    out = tmp_path / "my-model"
    facts = exported(store, out, "--merged")
    assert (facts["kind"], facts["needs"], facts["equal"]) == ("merged", None, 5)
    assert not (out / "adapter_config.json").exists()
    source = store / "sweeps/beta/trials/t00/step-00030/adapter"
    assert texts(*opened_by_its_card(out)) == trained(source)


def test_a_merged_model_that_writes_something_else_is_refused_and_gone(store, tmp_path):
    """Merged weights rounded to bfloat16 are not the sum of two that were each kept apart."""
    out = tmp_path / "rounded"
    done = export(store, out, "--step", "60", "--merged", "--dtype", "bfloat16")
    assert done.exit_code == 3
    assert "of 5 greedy answers of the export differ" in done.stderr
    assert "--dtype float32" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_whole_model_comes_out_as_it_is(store, tmp_path):
    out = tmp_path / "whole"
    facts = exported(store, out, "--trial", "t01")
    assert (facts["kind"], facts["step"]) == ("model", 60)
    own = load_model(store / "sweeps/beta/trials/t01/model", "float32", torch.device("cpu"))
    assert texts(*opened_by_its_card(out)) == texts(own, load_tokenizer(BASE))


def test_people_read_what_was_compared_and_what_it_needs(store, tmp_path):
    done = export(store, tmp_path / "a", "--step", "60")
    assert done.exit_code == 0, done.output
    assert "the adapter of beta, t00 at step 60" in done.stdout
    assert "it answers 5 of 5 prompts with the tokens of the trained policy" in done.stdout
    assert f"It opens only where its base model lies: {BASE}" in done.stderr


def test_a_store_that_was_moved_still_exports(store, tmp_path):
    shutil.copytree(store, tmp_path / "moved")
    facts = exported(tmp_path / "moved", tmp_path / "out")
    assert facts["from"].startswith(str(tmp_path / "moved"))


def test_an_adapter_of_a_hubs_model_names_it_and_opens_where_the_hub_is(store, tmp_path):
    """In a process of its own: the hub's cache is looked for when its client is imported."""
    moved, commit = tmp_path / "store", "c" * 40
    shutil.copytree(store, moved)
    repo = tmp_path / "hub" / "models--org--toy"
    shutil.copytree(BASE, repo / "snapshots" / commit)
    (repo / "refs").mkdir()
    (repo / "refs" / "main").write_text(commit)
    source = moved / "sweeps/beta/trials/t00/step-00030/adapter"
    write_card(source, replace(read_card(source), model=str(repo / "snapshots" / commit)))
    path = moved / "sweeps/beta/journal.jsonl"
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    lines[0]["plan"]["sweep"]["model"]["name"] = "org/toy"
    made = Prepared(rows={}, hashes={"model_revision": commit}, reused=False, seconds=0,
                    reference={}, seq=len(lines))  # fmt: skip
    path.write_text(
        "".join(f"{json.dumps(line)}\n" for line in lines) + made.model_dump_json() + "\n"
    )
    command = "from dpo_ray.cli import app; app()"
    arguments = ["export", "beta", "--store", str(moved), "--out", str(tmp_path / "out"), "--json"]
    done = subprocess.run(
        [sys.executable, "-c", command, *arguments],
        env={**os.environ, "HF_HUB_CACHE": str(tmp_path / "hub"), "HF_HUB_OFFLINE": "1"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    facts = json.loads(done.stdout)
    assert (facts["base_model"], facts["needs"], facts["equal"]) == ("org/toy", None, 5)
    adapter = json.loads((tmp_path / "out" / "adapter_config.json").read_text())
    assert (adapter["base_model_name_or_path"], adapter["revision"]) == ("org/toy", commit)
    assert "base_model: org/toy\n" in (tmp_path / "out" / "README.md").read_text()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--trial", "t07"), "--trial t07: must be one of t00, t01, t02"),
        (("--dtype", "float32"), "so it needs --merged"),
        (
            ("--step", "15"),
            "must be a step at which t00 was evaluated; allowed: 20, 30, 60",
        ),
        (("--step", "20"), "t00 at step 20 was not kept; --step may be 30 or 60"),
        (("--trial", "t02"), "nothing of this trial was: it is FAILED (the loss is not finite)"),
    ],
)
def test_what_is_not_there_is_answered_with_what_is(store, tmp_path, options, words):
    done = export(store, tmp_path / "out", *options)
    assert done.exit_code == 2
    assert words in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_folder_with_something_in_it_is_left_alone(store, tmp_path):
    (tmp_path / "mine").write_text("precious")
    done = export(store, tmp_path)
    assert done.exit_code == 2
    assert "must be a new or an empty folder" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


def test_an_empty_folder_is_filled(store, tmp_path):
    (tmp_path / "empty").mkdir()
    assert exported(store, tmp_path / "empty")["equal"] == 5

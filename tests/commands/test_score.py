"""`dpo-ray score`: rewards that can be computed by hand, of adapters from here and elsewhere."""

import csv
import json
from pathlib import Path

import pytest
import torch
from peft import LoraConfig, get_peft_model
from pyarrow import parquet
from typer.testing import CliRunner

from dpo_ray.cli import app
from dpo_ray.data.adapter_card import AdapterCard, write_card
from dpo_ray.reference.model import load_model, load_tokenizer, model_folder
from tests.commands.test_page import listed

BETA = 0.2
PAIRS = [
    {"prompt": "The soup was", "chosen": " good.", "rejected": " bad and slow."},
    {"prompt": "The film was", "chosen": " very good.", "rejected": " awful."},
    {"prompt": "The room was", "chosen": " clean.", "rejected": " clean."},
]
BASE = model_folder("embedded")


@pytest.fixture(scope="module")
def adapter(tmp_path_factory) -> Path:
    """A trial's folder with an adapter that is no longer zero."""
    folder = tmp_path_factory.mktemp("t00") / "adapter"
    torch.manual_seed(0)
    model = load_model(BASE, "float32", torch.device("cpu"))
    shape = LoraConfig(r=4, lora_alpha=8, target_modules="all-linear", task_type="CAUSAL_LM")
    adapted = get_peft_model(model, shape)
    with torch.no_grad():
        for name, weight in adapted.named_parameters():
            if "lora_B" in name:
                weight.normal_(std=0.05)
    adapted.save_pretrained(folder)
    write_card(folder, AdapterCard.plain(str(BASE), BETA))
    return folder


@pytest.fixture(scope="module")
def pairs(tmp_path_factory) -> str:
    path = tmp_path_factory.mktemp("pairs") / "pairs.jsonl"
    path.write_text("".join(json.dumps(pair) + "\n" for pair in PAIRS))
    return str(path)


def score(*arguments: object):
    return CliRunner().invoke(app, ["score", *map(str, arguments)])


def rows_of(*arguments: object) -> list[dict[str, float]]:
    done = score(*arguments, "--out", "-")
    assert done.exit_code == 0, done.output
    return [json.loads(line) for line in done.stdout.splitlines()]


def by_hand(adapter: Path, beta: float = BETA) -> list[tuple[float, float]]:
    """r(x, y_w) and r(x, y_l), one text at a time, without anything of dpo-ray's or TRL's."""
    from peft import PeftModel

    tokenizer = load_tokenizer(BASE)
    base = load_model(BASE, "float32", torch.device("cpu"))
    policy = PeftModel.from_pretrained(load_model(BASE, "float32", torch.device("cpu")), adapter)

    @torch.no_grad()
    def log_probability(model, prompt: str, answer: str) -> float:
        start = tokenizer(prompt)["input_ids"]
        ids = torch.tensor([tokenizer(prompt + answer)["input_ids"] + [tokenizer.eos_token_id]])
        logps = model.eval()(input_ids=ids).logits[0, :-1].double().log_softmax(-1)
        return sum(logps[i - 1, ids[0, i]].item() for i in range(len(start), ids.shape[1]))

    return [
        tuple(
            beta * (log_probability(policy, *text) - log_probability(base, *text))
            for text in ((pair["prompt"], pair["chosen"]), (pair["prompt"], pair["rejected"]))
        )
        for pair in PAIRS
    ]


def test_rewards_margins_and_weights_are_those_of_the_formula(adapter, pairs):
    for row, (chosen, rejected) in zip(rows_of(adapter, pairs), by_hand(adapter), strict=True):
        assert row["r_chosen"] == pytest.approx(chosen, abs=1e-5)
        assert row["r_rejected"] == pytest.approx(rejected, abs=1e-5)
        assert row["reward_margin"] == pytest.approx(chosen - rejected, abs=1e-5)
        weight = 1 / (1 + torch.tensor(chosen - rejected).exp().item())
        assert row["weight"] == pytest.approx(weight, abs=1e-5)
    assert abs(rows_of(adapter, pairs)[0]["r_chosen"]) > 1e-3


def test_a_trials_folder_stands_for_its_adapter(adapter, pairs):
    assert rows_of(adapter.parent, pairs) == rows_of(adapter, pairs)


def test_another_beta_scales_rewards_and_leaves_the_gap(adapter, pairs):
    own, other = rows_of(adapter, pairs), rows_of(adapter, pairs, "--beta", 2 * BETA)
    for one, two in zip(own, other, strict=True):
        assert two["reward_margin"] == pytest.approx(2 * one["reward_margin"])
        assert two["margin"] == one["margin"]


def test_an_adapter_from_elsewhere_needs_reference_and_beta(adapter, pairs, tmp_path):
    for file in adapter.iterdir():
        if file.name != "dpo_ray.json":
            (tmp_path / file.name).write_bytes(file.read_bytes())
    refused = score(tmp_path, pairs)
    assert refused.exit_code == 2
    assert "has no dpo_ray.json: say --reference and --beta" in refused.stderr
    given = ("--reference", BASE, "--beta", BETA)
    assert rows_of(tmp_path, pairs, *given) == rows_of(adapter, pairs)


def test_a_whole_model_is_scored_against_its_reference(adapter, pairs):
    """The reference as its own policy: every reward is 0, every weight one half."""
    rows = rows_of(BASE, pairs, "--reference", BASE, "--beta", BETA)
    assert {row["r_chosen"] for row in rows} == {0.0}
    assert {row["weight"] for row in rows} == {0.5}


def test_the_screen_shows_the_heaviest_first_and_what_it_amounts_to(adapter, pairs):
    done = score(adapter, pairs, "--heaviest")
    assert done.exit_code == 0, done.output
    weights = [float(line.split()[4]) for line in done.stdout.splitlines()[2:5]]
    assert weights == sorted(weights, reverse=True)
    assert "3 pairs, beta 0.2 (sigmoid): the chosen answer has the higher reward in" in done.stdout
    assert "(1 ties count one half)" in done.stdout


def test_machines_get_the_sums(adapter, pairs, tmp_path):
    done = score(adapter, pairs, "--json", "--out", tmp_path / "rows.csv")
    facts = json.loads(done.stdout)
    assert facts.keys() == listed("dpo-ray score --json")
    margins = [chosen - rejected for chosen, rejected in by_hand(adapter)]
    assert facts["mean_reward_margin"] == pytest.approx(sum(margins) / 3, abs=1e-5)
    assert facts["right"] == pytest.approx(((margins[0] > 0) + (margins[1] > 0) + 0.5) / 3)
    assert (facts["pairs"], facts["ties"], facts["beta"]) == (3, 1, BETA)
    assert (tmp_path / "rows.csv").is_file()


@pytest.mark.parametrize("suffix", ["parquet", "csv", "jsonl"])
def test_files_hold_every_row_and_only_whole_files_appear(adapter, pairs, tmp_path, suffix):
    target = tmp_path / f"scores.{suffix}"
    assert score(adapter, pairs, "--out", target).exit_code == 0
    readers = {
        "parquet": lambda: parquet.read_table(target)["row"].to_pylist(),
        "csv": lambda: [int(row["row"]) for row in csv.DictReader(target.read_text().splitlines())],
        "jsonl": lambda: [json.loads(line)["row"] for line in target.read_text().splitlines()],
    }
    assert readers[suffix]() == [1, 2, 3]
    assert [path.name for path in tmp_path.iterdir()] == [target.name]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("/no/such/trial", "x.jsonl"), "/no/such/trial is neither an adapter nor a model"),
        (("ADAPTER", "no.jsonl"), "no.jsonl"),
        (("ADAPTER", "PAIRS", "--out", "-", "--json"), "stdout has room for one"),
        (("ADAPTER", "PAIRS", "--out", "x.txt"), "must end with .parquet, .csv or .jsonl"),
        (("ADAPTER", "PAIRS", "--out", "/no/x.csv"), "there is no folder /no"),
        (("ADAPTER", "PAIRS", "--reference", "/gone"), "the reference /gone is not there"),
    ],
)
def test_what_cannot_be_scored_is_refused_in_words(adapter, pairs, arguments, words):
    given = {"ADAPTER": adapter, "PAIRS": pairs}
    done = score(*(given.get(each, each) for each in arguments))
    assert done.exit_code == 2
    assert words in done.stderr

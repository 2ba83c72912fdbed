"""A card says what a policy is, what it is worth and how it is loaded, from the journal alone."""

from pathlib import Path

import pytest
from ruamel.yaml import YAML

from dpo_ray.report.card import model_card
from dpo_ray.report.ranking import rank
from dpo_ray.report.recommended import recommended
from dpo_ray.tracking.state import SweepState

GOLDEN = Path(__file__).with_name("card.golden.md")


def card(state: SweepState, kind="adapter", folder="my-adapter") -> str:
    best = recommended(state, rank(state))
    return model_card(state, best, kind, folder)


def test_the_example_sweeps_card_is_the_golden_one(state):
    assert card(state) == GOLDEN.read_text()


def test_the_front_matter_is_yaml_and_names_only_what_a_hub_knows(state):
    matter = YAML(typ="safe").load(card(state).split("---\n")[1])
    assert matter["library_name"] == "peft"
    assert "base_model" not in matter  # the embedded model is on no hub

    state.plan.plan["sweep"]["model"]["name"] = "Qwen/Qwen3-0.6B"
    state.prepared.hashes["model_revision"] = "c" * 40
    matter = YAML(typ="safe").load(card(state, "merged").split("---\n")[1])
    assert matter["base_model"] == "Qwen/Qwen3-0.6B"
    assert matter["library_name"] == "transformers"
    assert f"`Qwen/Qwen3-0.6B` at commit `{'c' * 40}`" in card(state)


@pytest.mark.parametrize("kind", ["adapter", "merged", "model"])
def test_the_loading_lines_are_python_and_open_the_folder(state, kind):
    lines = card(state, kind, "some/where").split("```python\n")[1].split("```")[0]
    compile(lines, "card", "exec")
    assert len([line for line in lines.splitlines() if "=" in line]) == 2
    assert lines.count('"some/where"') == 2
    assert ("AutoPeftModelForCausalLM" in lines) == (kind == "adapter")


def test_what_it_is_opened_in_is_said_and_that_four_bits_were_trained_on(state):
    best = recommended(state, rank(state))
    assert 'dtype="bfloat16"' in model_card(state, best, "merged", ".", "bfloat16")
    assert "held in" not in card(state)
    state.plan.plan["sweep"]["model"]["quantization"] = "nf4"
    assert "Its base was held in nf4 in training." in card(state)


def test_a_bar_in_a_cell_ends_no_cell_and_a_password_is_starred_out(state):
    state.plan.plan["sweep"]["data"]["source"] = "https://bob:s3cret@host/a|b.jsonl"
    text = card(state)
    assert r"`https://***@host/a\|b.jsonl`" in text
    assert "s3cret" not in text


def test_the_reference_has_no_card(state):
    (reference,) = [row for row in rank(state) if row.is_reference]
    with pytest.raises(ValueError, match="not trained here"):
        model_card(state, reference, "model", ".")

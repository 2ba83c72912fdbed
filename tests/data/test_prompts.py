"""An implicit prompt is what both answers begin with, by TRL's own rule."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from trl.data_utils import extract_prompt

from dpo_ray.data.prompts import prompt_text, split_prompt

TEXTS = st.text(alphabet="ab ", min_size=1, max_size=12)
TURNS = st.lists(
    st.fixed_dictionaries({"role": st.sampled_from(["user", "assistant"]), "content": TEXTS}),
    min_size=1,
    max_size=4,
)


@given(TEXTS, TEXTS, TEXTS)
def test_the_prompt_of_strings_is_split_off_as_trl_does(start, chosen, rejected):
    row = {"chosen": f"{start}c{chosen}", "rejected": f"{start}r{rejected}"}
    assert split_prompt(row) == extract_prompt(row)


@given(TURNS, TURNS, TURNS)
def test_the_prompt_of_conversations_is_split_off_as_trl_does(start, chosen, rejected):
    good, bad = ({"role": "assistant", "content": text} for text in ("Yes.", "No."))
    row = {"chosen": [*start, good, *chosen], "rejected": [*start, bad, *rejected]}
    assert split_prompt(row) == extract_prompt(row)


@given(TEXTS, TEXTS)
def test_nothing_is_lost_and_nothing_is_left_empty(chosen, rejected):
    parts = split_prompt({"chosen": chosen, "rejected": rejected})
    assert parts["prompt"] + parts["chosen"] == chosen
    assert parts["prompt"] + parts["rejected"] == rejected
    assert parts["chosen"]
    assert parts["rejected"]


@pytest.mark.parametrize(
    ("chosen", "rejected", "prompt"),
    [
        ("How? Well.", "How? Badly.", "How?"),
        ("Tea", "Coffee", ""),
        ("Tea", "Tea with milk", "Te"),
        ("Tea ", "Coffee", ""),
    ],
)
def test_the_shared_start_of_strings(chosen, rejected, prompt):
    assert split_prompt({"chosen": chosen, "rejected": rejected})["prompt"] == prompt


@pytest.mark.parametrize(
    ("prompt", "text"),
    [
        ("The soup", "The soup"),
        ([{"role": "user", "content": "How?"}, {"role": "tool", "content": "7"}], "How?\n7\n"),
        ([{"role": "assistant", "tool_calls": [{"name": "f"}]}], "\n"),
    ],
)
def test_a_judge_reads_the_texts_of_a_prompt(prompt, text):
    assert prompt_text(prompt) == text

"""What is prepared lies under all it depends on, and under nothing else."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from dpo_ray.config.sweep import SweepConfig
from dpo_ray.data.pairs import Pairs
from dpo_ray.reference.keys import locate_prepared
from dpo_ray.reference.model import model_folder

PAIRS = Pairs(rows=[], format="standard", counts={}, digest="0" * 64)
ENTRIES = ("tokens", "scores", "completions")


def located(pairs: Pairs = PAIRS, folder: Path | None = None, **sections: object) -> list[Path]:
    found = locate_prepared(
        Path("cache"),
        SweepConfig.model_validate(sections),
        pairs,
        folder or model_folder("embedded"),
    )
    return [found.tokens, found.scores, found.completions]


def changed(**arguments: object) -> list[str]:
    pairs = zip(ENTRIES, located(), located(**arguments), strict=True)
    return [name for name, before, after in pairs if before != after]


def test_entries_are_named_after_what_they_hold():
    for name, path in zip(ENTRIES, located(), strict=True):
        assert path.parent == Path("cache")
        assert path.name.startswith(f"{name}-")


@pytest.mark.parametrize(
    "section",
    [
        {"training": {"beta": 0.5, "learning_rate": 1e-4, "lora_rank": 4, "seed": 3}},
        {"training": {"loss_type": "ipo", "max_steps": 3}},
        {"search": {"trials": 40, "seed": 9}},
        {"objective": {"metric": "gold_reward"}},
        {"evaluation": {"at": [0.1, 1.0]}},
    ],
)
def test_no_preparation_depends_on_what_a_trial_varies(section):
    assert changed(**section) == []


@pytest.mark.parametrize(
    "section",
    [
        {"max_length": 64},
        {"validation": 0.3},
        {"test": 0.1},
        {"limit": 100},
    ],
)
def test_everything_depends_on_the_rows(section):
    assert changed(data=section) == list(ENTRIES)


@pytest.mark.parametrize("change", [{"digest": "1" * 64}, {"format": "conversational"}])
def test_everything_depends_on_the_source(change):
    assert changed(pairs=replace(PAIRS, **change)) == list(ENTRIES)


def test_everything_depends_on_the_models_bytes_and_not_on_its_place(tmp_path):
    copied = shutil.copytree(model_folder("embedded"), tmp_path / "elsewhere")
    assert changed(folder=copied) == []
    with (copied / "model.safetensors").open("ab") as stream:
        stream.write(b"\0")
    assert changed(folder=copied) == list(ENTRIES)


def test_tokens_do_not_depend_on_the_precision():
    assert changed(model={"dtype": "bfloat16"}) == ["scores", "completions"]


@pytest.mark.parametrize(
    "section",
    [
        {"prompts": 16},
        {"max_new_tokens": 8},
        {"temperature": 0.7},
        {"top_p": 0.9},
        {"seed": 1},
        {"batch_size": 8},
        {"judge": {"tie": 0.1}},
    ],
)
def test_only_the_completions_depend_on_how_they_are_drawn_and_judged(section):
    assert changed(evaluation=section) == ["completions"]

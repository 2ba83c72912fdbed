"""What is prepared lies under all it depends on, and under nothing else."""

import shutil
from pathlib import Path

import pytest

from dpo_ray.config.sweep import SweepConfig
from dpo_ray.reference.keys import locate_prepared
from dpo_ray.reference.model import model_folder
from dpo_ray.search.judges import find_judges

ROWS = Path("cache/rows-0")
ENTRIES = ("tokens", "scores", "completions", "judged")


def located(rows: Path = ROWS, folder: Path | None = None, **sections: object) -> list[Path]:
    sweep = SweepConfig.model_validate(sections)
    judges = find_judges(sweep.evaluation, Path("cache"), shared=True).identities
    model = folder or model_folder("embedded")
    found = locate_prepared(Path("cache"), sweep, rows, model, judges=judges)
    return list(found.entries.values())


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


def test_everything_depends_on_the_rows():
    assert changed(rows=Path("cache/rows-1")) == list(ENTRIES)


@pytest.mark.parametrize("section", [{"max_length": 64}, {"warnings": {"cut_completion": "drop"}}])
def test_everything_depends_on_what_is_cut(section):
    assert changed(data=section) == list(ENTRIES)


def test_scores_depend_on_the_models_bytes_and_not_on_its_place(tmp_path):
    copied = shutil.copytree(model_folder("embedded"), tmp_path / "elsewhere")
    assert changed(folder=copied) == []
    with (copied / "model.safetensors").open("ab") as stream:
        stream.write(b"\0")
    assert changed(folder=copied) == ["scores", "completions", "judged"]


def test_tokens_depend_on_the_tokenizer_alone(tmp_path):
    copied = shutil.copytree(model_folder("embedded"), tmp_path / "elsewhere")
    with (copied / "chat_template.jinja").open("a") as stream:
        stream.write(" ")
    assert changed(folder=copied) == list(ENTRIES)


@pytest.mark.parametrize(
    "section", [{"dtype": "bfloat16"}, {"attention": "eager"}, {"quantization": "nf4"}]
)
def test_tokens_do_not_depend_on_how_the_model_is_held(section):
    assert changed(model=section) == ["scores", "completions", "judged"]


@pytest.mark.parametrize(
    "section",
    [
        {"prompts": 16},
        {"max_new_tokens": 8},
        {"temperature": 0.7},
        {"top_p": 0.9},
        {"seed": 1},
        {"batch_size": 8},
    ],
)
def test_completions_depend_on_how_they_are_drawn(section):
    assert changed(evaluation=section) == ["completions", "judged"]


LLM = {"type": "llm", "model": "a", "url": "http://127.0.0.1:1/v1/chat/completions"}


@pytest.mark.parametrize(
    "judge",
    [
        {"type": "reward", "tie": 0.1},
        {"type": "reward", "function": "tests.reference.rewards:shout"},
        LLM,
    ],
)
def test_only_the_verdicts_depend_on_the_judge(judge):
    assert changed(evaluation={"judge": judge}) == ["judged"]
    assert changed(evaluation={"further_judges": {"other": judge}}) == ["judged"]


def keys_of(judge: dict[str, object]) -> Path:
    return located(evaluation={"judge": judge})[-1]


def test_a_model_that_judges_is_told_by_what_it_is_asked_and_not_by_how_fast():
    assert keys_of(LLM) != keys_of(LLM | {"question": "Which one is ruder?"})
    assert keys_of(LLM) != keys_of(LLM | {"model": "b"})
    assert keys_of(LLM) == keys_of(LLM | {"concurrency": 2, "max_calls": 7, "timeout_s": 1})


def test_a_reward_model_is_told_by_its_bytes_and_not_by_its_place(tmp_path):
    def judged_by(folder: Path) -> Path:
        return keys_of({"type": "reward_model", "model": str(folder)})

    one, two = (shutil.copytree(model_folder("embedded"), tmp_path / name) for name in "ab")
    assert judged_by(one) == judged_by(two)
    with (two / "model.safetensors").open("ab") as stream:
        stream.write(b"\0")
    assert judged_by(one) != judged_by(two)

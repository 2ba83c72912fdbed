"""A function of one's own is found, called as TRL calls it, and held to one number an answer."""

import hashlib
import json
import sys
from textwrap import dedent

import numpy as np
import pytest
import torch

from dpo_ray.errors import ConfigError, JudgingFailed
from dpo_ray.evaluation import reward_function
from dpo_ray.evaluation.baseline import Prompt
from dpo_ray.evaluation.function_lookup import function_digest, locate_function
from dpo_ray.evaluation.reward_function import function_scorer

PLAIN = [Prompt(3, [], "Hi", "Hi", "yes", "no"), Prompt(8, [], "Bye", "Bye", "so", "long")]
TURN = [{"role": "user", "content": "Hi"}]
TALK = [Prompt(5, [], "<user>Hi", TURN, [{"role": "assistant", "content": "yes"}], [])]


@pytest.fixture
def write(tmp_path, monkeypatch):
    """Write a module into the current folder, which is not on the path yet."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [each for each in sys.path if each not in ("", ".")])
    before = set(sys.modules)

    def to_file(code, name="own_rewards"):
        file = tmp_path / f"{name}.py"
        file.write_text(dedent(code))
        return file

    yield to_file
    for name in set(sys.modules) - before:
        if str(tmp_path) in (getattr(sys.modules[name], "__file__", None) or ""):
            del sys.modules[name]


@pytest.fixture
def answering(monkeypatch):
    """Build a scorer whose function gives `answer`."""

    def build(answer):
        monkeypatch.setattr(reward_function, "locate_function", lambda name: lambda **_: answer)
        return function_scorer("own:f")

    return build


def test_a_function_in_the_current_folder_is_found(write):
    write("def brief(completions, **_): return [-len(each) for each in completions]")
    scores = function_scorer("own_rewards:brief")(PLAIN, ["long", "er"])
    assert scores == [-4.0, -2.0]
    assert all(isinstance(score, float) for score in scores)


def test_a_function_in_a_package_is_found(write, tmp_path):
    (tmp_path / "own_package").mkdir()
    write("def one(**_): return [1]", "own_package/inner")
    assert function_scorer("own_package.inner:one")(PLAIN[:1], ["x"]) == [1.0]


def test_a_missing_module_is_named_with_where_it_was_looked_for(write, tmp_path):
    with pytest.raises(ConfigError, match=r"no module own_nowhere; searched: the current") as error:
        locate_function("own_nowhere.inner:f")
    assert str(tmp_path) in str(error.value)


def test_a_module_that_breaks_at_its_own_import_is_not_called_missing(write):
    write("import own_dependency")
    with pytest.raises(ConfigError, match=r"own_rewards cannot be imported: ModuleNotFoundError"):
        locate_function("own_rewards:f")


def test_a_misspelt_function_is_recognised(write):
    write("def brevity(**_): ...\ndef _hidden(): ...")
    with pytest.raises(ConfigError, match=r"no brevty; did you mean brevity\? allowed: brevity$"):
        locate_function("own_rewards:brevty")


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("f = 3", "must be a function, got 3"),
        ("async def f(**_): ...", "a plain function, got an async one"),
        ("", "allowed: it defines no function"),
    ],
)
def test_what_cannot_be_called_is_refused(write, code, message):
    write(code)
    with pytest.raises(ConfigError, match=message):
        locate_function("own_rewards:f")


def test_plain_prompts_come_as_text_with_their_columns(write):
    write("""
        seen = {}
        def f(prompts, completions, **columns):
            seen.update(columns, prompts=prompts, completions=completions)
            return [0, 1]
    """)
    function_scorer("own_rewards:f")(PLAIN, ["a", "b"])
    assert sys.modules["own_rewards"].seen == {
        "prompts": ["Hi", "Bye"],
        "completions": ["a", "b"],
        "chosen": ["yes", "so"],
        "rejected": ["no", "long"],
    }


def test_conversations_come_as_messages(write):
    write("""
        import json
        def f(prompts, completions, chosen):
            raise ValueError(json.dumps([prompts, completions, chosen]))
    """)
    with pytest.raises(JudgingFailed) as error:
        function_scorer("own_rewards:f")(TALK, ["yo"])
    seen = json.loads(str(error.value).removeprefix("own_rewards:f raised ValueError: "))
    answers = ([[{"role": "assistant", "content": text}]] for text in ("yo", "yes"))
    assert seen == [[TURN], *answers]


def test_columns_its_signature_lacks_are_not_passed(write):
    write("def f(prompts, completions, rejected): return [len(each) for each in rejected]")
    assert function_scorer("own_rewards:f")(PLAIN, ["a", "b"]) == [2.0, 4.0]


def test_what_it_does_to_a_message_stays_with_it(write):
    write("def f(prompts, **_): return [len(each.pop()) for each in prompts]")
    score = function_scorer("own_rewards:f")
    assert score(TALK, ["yo"]) == score(TALK, ["yo"]) == [2.0]


def test_an_exception_is_told_and_kept_as_the_cause(write):
    write("def f(**_): raise ValueError('too rude')")
    with pytest.raises(JudgingFailed, match=r"^own_rewards:f raised ValueError: too rude") as error:
        function_scorer("own_rewards:f")(PLAIN, ["a", "b"])
    assert isinstance(error.value.__cause__, ValueError)


@pytest.mark.parametrize(
    "answer", [(1, 2.0), np.array([1, 2]), torch.tensor([1.0, 2.0]), iter([True, np.float32(2)])]
)
def test_numbers_of_any_kind_become_floats(answering, answer):
    assert answering(answer)(PLAIN, ["a", "b"]) == [1.0, 2.0]


@pytest.mark.parametrize("value", [None, float("nan"), float("-inf"), "3", [1], 10**400])
def test_anything_but_a_finite_number_is_refused_with_its_row(answering, value):
    with pytest.raises(JudgingFailed, match=r"own:f .* for the prompt of row 8$") as error:
        answering([0.0, value])(PLAIN, ["a", "b"])
    assert repr(value)[:60] in str(error.value)


@pytest.mark.parametrize(("answer", "message"), [([1.0], "of 2 comp.*, got 1"), (3, "TypeError")])
def test_each_completion_needs_a_number(answering, answer, message):
    with pytest.raises(JudgingFailed, match=message):
        answering(answer)(PLAIN, ["a", "b"])


def test_the_digest_is_that_of_the_defining_file(write):
    file = write("def f(**_): return []\nclass C:\n    def __call__(self): ...\nc = C()")
    write("from own_rewards import f", "own_facade")
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    assert [function_digest(f"own_rewards:{name}") for name in "fc"] == [digest] * 2
    assert function_digest("own_facade:f") == digest
    write("def f(**_): return [1]")
    assert function_digest("own_rewards:f") != digest


def test_a_function_without_a_file_has_no_digest():
    with pytest.raises(ConfigError, match="must be written in a Python file"):
        function_digest("math:fsum")

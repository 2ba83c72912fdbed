"""The judge reads prompt and completion as one text."""

import pytest

from dpo_ray.evaluation.baseline import Prompt
from dpo_ray.evaluation.judges import vader


def asked(*texts):
    return [Prompt(row, [], text, text, "", "") for row, text in enumerate(texts)]


def test_a_kinder_completion_has_the_higher_score():
    kind, neutral, harsh = vader(
        asked(*["The soup was"] * 3), [" wonderful.", " warm.", " terrible."]
    )
    assert -1 <= harsh < neutral < kind <= 1


def test_the_prompt_counts():
    praise, denial = vader(asked("The soup was", "The soup was not"), [" good."] * 2)
    assert praise > 0 > denial


def test_one_score_is_given_for_each_completion():
    assert vader([], []) == []
    with pytest.raises(ValueError, match="shorter"):
        vader(asked("one", "two"), ["one"])

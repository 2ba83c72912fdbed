"""Two sweeps are compared only where their numbers mean the same, as far as they carry."""

import io

import pytest
from rich.console import Console

from dpo_ray.report.compared import comparison_tables
from dpo_ray.report.page.comparing import comparison, result
from dpo_ray.report.page.comparison_page import comparison_page, sentences
from dpo_ray.report.page.differing import differences, unlike
from dpo_ray.report.page.material import gather
from dpo_ray.report.page.writing import render
from tests.report.made import BETA, TWO, USUAL, made
from tests.report.reading import Read
from tests.report.test_page import HERE


def of(name: str, **how):
    return gather(made(name=name, **how), HERE)


def shifted(material, by: float):
    """The same sweep, all of whose win rates are higher."""
    for row in material.state.trials.values():
        for rung in row.rungs:
            for end in ("", "_low", "_high"):
                rung.metrics[f"eval/win_rate{end}"] += by
    return material


def test_only_settings_that_differ_are_named():
    wider = {**USUAL, "beta": {**BETA, "low": 0.01, "log": True}}
    one, two = of("a"), of("b", space=wider)
    (found,) = differences([one.state, two.state])
    assert (found.key, found.values) == ("space.beta", ["0.1 to 0.5", "0.01 to 0.5, log"])
    assert differences([one.state, one.state]) == []


def test_a_parameter_that_only_one_searches_is_named():
    beta = {"beta": BETA}
    keys = [each.key for each in differences([of("a").state, of("b", space=beta).state])]
    assert keys == ["space.learning_rate", "space.lora_rank"]


@pytest.mark.parametrize(
    ("how", "why"),
    [
        ({"prompts": "completions-2"}, "the validation prompts or the reference's answers to them"),
        ({"objectives": [{"metric": "accuracy"}]}, "the objectives differ: accuracy, win_rate"),
    ],
)
def test_sweeps_measured_on_other_things_are_not_compared(how, why):
    pair = [of("a"), of("b", **how)]
    assert why in "; ".join(unlike([each.state for each in pair]))
    (said,) = sentences(pair)
    assert said.startswith("Not comparable: ")


def test_a_difference_within_the_noise_is_none():
    said = comparison(of("monday"), shifted(of("tuesday"), 0.05))
    assert said.startswith("tuesday is not distinguishable from monday: +5.0 points [-4.9, +14.9]")


@pytest.mark.parametrize(
    ("by", "sentence"),
    [
        (0.2, "tuesday is better than monday: +20.0 points [+10.1, +29.9]"),
        (-0.2, "tuesday is worse than monday: -20.0 points [-29.9, -10.1]"),
    ],
)
def test_a_difference_beyond_the_noise_has_its_interval(by, sentence):
    said = comparison(of("monday"), shifted(of("tuesday"), by))
    # Half of .14 in both: sqrt(2) x 7 points.
    assert said == f"{sentence}, by the scores of the searches, which are optimistic."


def test_confirmed_numbers_are_preferred():
    confirmed = of("a", confirms=True)
    assert result(confirmed).is_confirmed
    assert result(confirmed).metrics["eval/win_rate"] == 0.8
    assert not result(of("b")).is_confirmed


def test_a_confirmed_mean_is_never_compared_with_a_search_score():
    one, two = of("monday", confirms=True), of("tuesday")
    scores = [result(each).searched["eval/win_rate"] for each in (one, two)]
    assert result(one).metrics["eval/win_rate"] != scores[0]
    assert f"{100 * (scores[1] - scores[0]):+.1f} points" in comparison(one, two)
    assert "by the scores of the searches" in comparison(one, two)
    assert "confirmed on fresh seeds" in comparison(one, of("tuesday", confirms=True))


def test_a_sweep_without_a_result_is_said_to_have_none():
    said = comparison(of("monday"), of("tuesday", fails=True))
    assert said == "tuesday has no completed trial, so there is nothing to compare."


@pytest.mark.parametrize("how", [{}, {"objectives": TWO}, {"fails": True}, {"ends": False}])
def test_any_two_sweeps_have_a_page_and_a_table(how):
    found = [of("monday", confirms=True), of("tuesday", **how), of("wednesday", seed=3)]
    said = Read(render(comparison_page(found))).said
    assert "None" not in said.split()
    console = Console(file=io.StringIO(), width=100)
    for table in comparison_tables(found):
        console.print(table)
    text = console.file.getvalue()
    assert all(name in text and name in said for name in ("monday", "tuesday", "wednesday"))

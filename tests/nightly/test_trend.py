import pytest

from dpo_ray.nightly.found import Found
from dpo_ray.nightly.trend import champion_score, headline, own_score, trend_page
from dpo_ray.report.page.writing import render
from tests.nightly.made import compared, found, night, nights
from tests.report.reading import Read


@pytest.fixture(scope="module")
def page():
    return Read(render(trend_page("nightly", nights())))


def series(page, name):
    traces = page.figures["scores"]["data"]
    return next(trace for trace in traces if trace["name"] == name)


def test_the_champion_is_the_new_one_from_its_own_night_on(page):
    champion = series(page, "champion")
    assert champion["x"] == [f"2026-11-0{day} 02:30" for day in (2, 4, 5, 6)]
    assert champion["y"] == [0.66, 0.66, 0.65, 0.75]
    assert champion["error_y"]["array"] == pytest.approx([0.05] * 4)


def test_every_night_that_ran_has_its_own_policy_beside_the_champion(page):
    own = series(page, "policy of the night")
    assert own["y"] == [0.52, 0.66, 0.67, 0.4, 0.75]


def test_a_night_without_a_comparison_has_the_score_it_found():
    alone = found(3, None)
    assert champion_score(alone) == {}
    assert own_score(alone)["eval/champion"] == pytest.approx(0.63)


def test_settings_and_cost_have_a_chart_each_and_choices_are_no_numbers(page):
    figures = page.figures
    assert {"best-beta", "best-learning_rate", "best-lora_rank", "minutes", "gpu-hours"} < set(
        figures
    )
    assert figures["best-loss_type"]["layout"]["yaxis"]["type"] == "category"
    assert figures["best-learning_rate"]["layout"]["yaxis"]["type"] == "log"
    assert figures["minutes"]["data"][0]["y"] == [3, 4, 6, 7, 8]
    for figure in figures.values():
        assert figure["layout"]["xaxis"]["title"]["text"] == "night (UTC)"
        assert figure["layout"]["yaxis"]["title"]["text"]


def test_the_table_has_the_last_night_first_and_every_fate(page):
    said = page.said
    assert said.index("2026-11-06 02:30") < said.index("2026-11-03 02:30")
    for fate in ("dropped", "regression from version 1", "stays", "new", "none yet"):
        assert fate in said


def test_a_reason_is_text_and_no_markup(page):
    assert "b" not in page.tags
    assert "t04 <b>is</b> compared" in page.said


def test_the_headline_is_the_last_comparison():
    assert headline(nights()) == "nightly, night of 2026-11-06: t04 <b>is</b> compared."
    assert headline([found(0, None)]) == "No night has compared its policy with a champion."


def test_a_schedule_that_has_found_nothing_has_a_page(page):
    for empty in ([], [Found(night(0, code=None))], [Found(night(0, 3, "no trial completed"))]):
        said = Read(render(trend_page("nightly", empty))).said
        assert "No night has compared" in said
    assert compared(0.5, None).version is None

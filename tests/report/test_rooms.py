"""What the rooms on data, cost and foretelling say, and how ends of trainings are marked."""

import pytest

from dpo_ray.report.figures.drawing import CONTROL
from dpo_ray.report.page.charts import FAILED
from dpo_ray.report.page.cost import cost, foretold
from dpo_ray.report.page.data import data
from dpo_ray.report.page.material import gather
from dpo_ray.report.page.training import training
from dpo_ray.report.page.writing import Page, render
from tests.report.made import made
from tests.report.reading import Read
from tests.report.test_page import HERE


def said(room) -> str:
    return Read(render(Page("", "", "", "", [room]))).said


def test_the_room_on_data_says_what_was_read_kept_and_doubtful():
    text = said(data(gather(made(), HERE)))
    for words in (
        "pairs.jsonl (standard): 1,600 rows read, 1,593 kept (985 train, 323 validation, 285 test)",
        "985 distinct prompts, none of them in two splits",
        "The chosen answer is the longer one in 81% of the pairs: longer answers may win by length",
        "0.0% of the pairs have an answer cut at 512 tokens",
        "7 dropped 1, 2, 3, 4, 5 and 2 more",
        "text 5 % median 95 % 99 % longest prompt 3 5 6 8 10",
    ):
        assert words in text


def test_a_tuned_reference_is_told_with_the_data():
    assert "SFT done in 3 s" in said(data(gather(made(sft=True), HERE)))
    assert data(gather([], HERE)) is None


def test_the_room_on_cost_says_where_the_time_went():
    material = gather(made(confirms=True), HERE)
    text = said(cost(material))
    trainings = len(material.state.confirmations)
    for words in (
        "Preparing data and reference 20 s",
        f"for {trainings} trainings",
        "A completed trial, median 9 s",
        "Of which evaluation, median 2.0 s",
        "next one's first step, median 0.4 s",
        "Steps that early stopping spared 17% of 720",
    ):
        assert words in text
    assert trainings > 0
    assert "GPU-hours" not in text


def test_a_sweep_that_stopped_nothing_spared_nothing():
    assert "spared" not in said(cost(gather(made(2), HERE)))
    assert cost(gather([], HERE)) is None


def test_the_room_on_foretelling_has_a_tau_for_each_rung_but_the_last():
    text = said(foretold(gather(made(12), HERE)))
    # Four of the twelve could be stopped by no rung; the made ones rise in the same order.
    assert "rung Kendall's tau with the end p trials" in text
    assert "25% of the steps 1.00 0.083 4 50% of the steps 1.00 0.083 4" in text
    assert "100% of the steps" not in text


def test_too_few_trials_that_no_rung_could_stop_foretell_nothing():
    assert foretold(gather(made(9), HERE)) is None


def ends(material, chart: str, symbol: str) -> list[tuple[float, float]]:
    """The places at which a chart has marks of this symbol alone."""
    room = training(material)
    (figure,) = [each.figure for each in room.charts if each.id == chart]
    marked = [
        trace
        for trace in figure["data"]
        if trace["mode"] == "markers" and trace["marker"]["symbol"] == symbol
    ]
    return [pair for trace in marked for pair in zip(trace["x"], trace["y"], strict=True)]


def test_a_bar_stands_where_a_rung_ended_a_training():
    material = gather(made(12), HERE)
    stopped = [row for row in material.state.trials.values() if row.status == "STOPPED"]
    wanted = sorted((row.step, row.rungs[-1].metrics["eval/win_rate"]) for row in stopped)
    found = sorted(ends(material, "training-rungs", "line-ns"))
    assert len(found) == 4
    assert [step for step, _ in found] == [30] * 4
    assert [value for _, value in found] == pytest.approx([v for _, v in wanted], rel=1e-4)
    last = [material.losses[row.number][30] for row in stopped]
    losses = [value for _, value in ends(material, "training-loss", "line-ns")]
    assert sorted(losses) == pytest.approx(sorted(last), rel=1e-4)
    assert ends(material, "training-loss", "x-thin") == []


def test_a_cross_stands_where_a_training_failed_also_the_default_ones():
    material = gather(made(3, fails=True), HERE)
    found = ends(material, "training-loss", "x-thin")
    assert [step for step, _ in found] == [30] * 3
    assert ends(material, "training-loss", "line-ns") == []
    assert training(material).legend == [CONTROL.label, FAILED.label]


def test_the_best_has_its_bar_too_where_a_rung_stopped_it():
    material = gather(made(12), HERE)
    best = next(row for row in material.rows if row.is_best)
    assert best.trial.status == "COMPLETED"
    best.trial.status = "STOPPED"
    assert len(ends(material, "training-rungs", "line-ns")) == 5


def test_the_words_above_the_curves_explain_both_marks():
    text = said(training(gather(made(12), HERE)))
    assert "A bar ends a trial that was stopped at a rung, a cross one that failed" in text

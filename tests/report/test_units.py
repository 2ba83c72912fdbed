"""Every axis of a measured number says its unit, and one table has all of them."""

import pytest

from dpo_ray.config.objective import METRICS
from dpo_ray.report.page.axes import words_of
from dpo_ray.report.page.comparison_page import comparison_page
from dpo_ray.report.page.material import LOSS, gather
from dpo_ray.report.page.units import UNITS, loss_titled, objective_titled, titled
from dpo_ray.report.page.writing import render
from tests.report.made import BRANCHED, ONE, WORDS_ONLY, made
from tests.report.reading import Read
from tests.report.test_page import HERE, KINDS, kind_of_page

SIDEWAYS = {
    "confirmation-all": "win rate, share of prompts",
    "settings-importances": "share of the variance explained",
}
"""Charts whose numbers lie on the horizontal axis; candidates and settings name themselves."""
PENALISED = [{**ONE[0], "penalty": {"metric": "kl", "budget": 3.0, "weight": 0.05}}]


@pytest.mark.parametrize("metric", METRICS)
def test_every_metric_that_may_rank_trials_has_a_unit_of_its_own(metric):
    assert titled(metric) == f"{words_of(metric)}, {UNITS[metric]}"


@pytest.mark.parametrize(
    ("metric", "title"),
    [
        ("win_rate", "win rate, share of prompts"),
        ("kl", "KL, nats per completion"),
        ("gold_reward", "gold reward, mean over prompts"),
        ("opinion/win_rate", "opinion/win rate, share of prompts"),
        ("polite/score", "polite/score, mean over prompts"),
        ("of_a_later_version", "of a later version, mean"),
    ],
)
def test_a_title_is_the_metric_in_words_and_its_unit(metric, title):
    assert titled(metric) == title


def titles(figure) -> tuple[str, str]:
    found = [figure["layout"][axis].get("title") or {"text": ""} for axis in ("xaxis", "yaxis")]
    return found[0]["text"], found[1]["text"]


def has_unit(title: str) -> bool:
    return title.endswith((*(f", {unit}" for unit in UNITS.values()), ", nats per pair"))


@pytest.mark.parametrize("kind", KINDS)
def test_every_measured_number_on_the_page_stands_over_its_unit(kind):
    searched = {"beta", "learning rate", "LoRA rank", "loss type", "label smoothing"}
    searched |= {"example weight"}
    for name, figure in kind_of_page(kind).figures.items():
        x, y = titles(figure)
        if name in SIDEWAYS:
            assert x == SIDEWAYS[name]
            continue
        assert has_unit(y) or y.endswith("each loss in its own unit"), (name, y)
        assert x in {*searched, "optimizer step"} or has_unit(x), (name, x)


@pytest.mark.parametrize("objective", ["win_rate", "kl", "accuracy"])
def test_sweeps_on_one_another_stand_over_their_units(objective):
    ranked = [{"metric": objective, "direction": "minimize" if objective == "kl" else "maximize"}]
    pair = [gather(made(name=name, objectives=ranked), HERE) for name in ("a", "b")]
    figures = Read(render(comparison_page(pair))).figures
    assert {"curves-kl", f"curves-{objective}", "curves-frontier"} == set(figures)
    assert all(has_unit(titles(figure)[1]) for figure in figures.values())


def test_an_axis_from_which_a_penalty_was_taken_says_so():
    state = gather(made(objectives=PENALISED), HERE).state
    assert objective_titled(state) == "win rate, penalty taken off, share of prompts"


@pytest.mark.parametrize(
    ("how", "unit"),
    [
        ({}, "nats per pair"),
        ({"space": BRANCHED}, "each loss in its own unit"),
        ({"space": WORDS_ONLY}, "each loss in its own unit"),
    ],
)
def test_a_loss_is_in_nats_only_where_all_trials_have_the_logistic_one(how, unit):
    assert loss_titled(gather(made(**how), HERE).state, LOSS) == f"loss (TRL's train/loss), {unit}"

"""The saved comparison: which charts it has, and where it is linked."""

import pytest

from dpo_ray.tracking.mlflow_experiment import SHOWN, with_link
from dpo_ray.tracking.mlflow_links import address, view_page
from dpo_ray.tracking.mlflow_view import plane, read_view, view_key, view_tag

SPACE = {
    "lora_rank": {"type": "categorical", "choices": [2, 4, 8, 16]},
    "beta": {"type": "float", "low": 0.1, "high": 0.5},
    "learning_rate": {"type": "float", "low": 1e-6, "high": 1e-4, "log": True},
    "loss_type": {"type": "categorical", "choices": ["sigmoid", "ipo"]},
}
WIN_RATE = {"metric": "win_rate", "direction": "maximize"}
KL = {"metric": "kl", "direction": "minimize"}


def shown(parameters=SPACE, objectives=(WIN_RATE,)):
    return read_view(view_tag(parameters, objectives, "ab12", "beta", 1000.0))


def charts(**given):
    return {each["type"]: each for each in shown(**given)["compareRunCharts"]}


def test_three_charts_over_what_was_searched():
    found = charts()
    assert list(found) == ["PARALLEL", "SCATTER", "CONTOUR"]
    parallel = found["PARALLEL"]
    assert parallel["selectedParams"] == [
        *("lora_rank", "log10.beta", "log10.learning_rate", "loss_type")
    ]
    assert parallel["selectedMetrics"] == ["result/kl", "result/win_rate"]
    axes = [found["SCATTER"][axis]["key"] for axis in ("xaxis", "yaxis")]
    assert axes == ["result/kl", "result/win_rate"]
    axes = [found["CONTOUR"][axis]["key"] for axis in ("xaxis", "yaxis", "zaxis")]
    assert axes == ["log10.beta", "log10.learning_rate", "result/win_rate"]


def test_only_the_searchs_trials_best_first():
    view = shown()
    assert view["searchFilter"] == "tags.`mlflow.parentRunId` = 'ab12' and tags.stage = 'search'"
    assert (view["orderByKey"], view["orderByAsc"]) == ("metrics.`result/win_rate`", False)


@pytest.mark.parametrize(
    ("objectives", "drawn", "ordered_by", "ascending"),
    [
        ([WIN_RATE, KL], "result/win_rate", "result/win_rate", False),
        ([KL, {"metric": "accuracy"}], "result/accuracy", "result/kl", True),
        ([KL], "result/win_rate", "result/kl", True),
        ([{"metric": "gold_reward"}], "result/gold_reward", "result/gold_reward", False),
        ([WIN_RATE | {"penalty": {"budget": 2}}], "result/win_rate", "result/objective", False),
        ([], "result/win_rate", "result/win_rate", False),
    ],
)
def test_whatever_the_objective(objectives, drawn, ordered_by, ascending):
    view = shown(objectives=objectives)
    scatter, contour = view["compareRunCharts"][1:]
    assert scatter["yaxis"]["key"] == drawn
    assert contour["zaxis"]["key"] == ordered_by
    assert (view["orderByKey"], view["orderByAsc"]) == (f"metrics.`{ordered_by}`", ascending)


@pytest.mark.parametrize(
    ("names", "pair"),
    [
        (["beta", "learning_rate"], ("beta", "learning_rate")),
        (["lora_rank", "beta"], ("beta", "lora_rank")),
        (["lora_rank", "loss_type"], None),
        (["beta"], None),
        ([], None),
    ],
)
def test_a_contour_needs_two_numbers(names, pair):
    parameters = {name: SPACE[name] for name in names}
    assert plane(parameters) == pair
    assert ("CONTOUR" in charts(parameters=parameters)) == (pair is not None)


def test_mirrored_again_it_is_the_same_tag():
    first, second = (view_tag(SPACE, [WIN_RATE], "ab12", "beta", 1000.0) for _ in range(2))
    assert first == second
    assert len(view_key("x" * 1000, "c0ffee") + "mlflow.sharedViewState.") <= 250


def test_the_link_is_whole_wherever_tracking_is():
    page = view_page("7", "beta-c0ffee")
    local = address("sqlite:////store/mlflow.db", page)
    assert local.startswith("http://127.0.0.1:5000/#/experiments/7/runs?workflowType=machine_")
    assert local.endswith("&compareRunsMode=CHART&viewStateShareKey=beta-c0ffee")
    assert address("http://bob:pw@mlflow:5000/", page) == f"http://***@mlflow:5000/{page}"


def test_the_note_opens_the_newest_sweep_first_and_each_once():
    note = with_link("", "beta", "#/1")
    assert note == "Compare the trials of [beta](#/1)"
    note = with_link(note, "rank", "#/2")
    assert note == "Compare the trials of [rank](#/2) · [beta](#/1)"
    assert with_link(note, "beta", "#/1") == note
    assert with_link(note, "beta", "#/3") == "Compare the trials of [rank](#/2) · [beta](#/3)"


def test_what_people_wrote_into_the_note_stays():
    note = with_link("Our nightly runs.\n\nAsk Ada.", "beta", "#/1")
    assert note == "Compare the trials of [beta](#/1)\n\nOur nightly runs.\n\nAsk Ada."
    for number in range(SHOWN + 3):
        note = with_link(note, f"s{number}", "#/9")
    first, below = note.split("\n\n", 1)
    assert first.count("](") == SHOWN
    assert below == "Our nightly runs.\n\nAsk Ada."

"""What a person sees of a sweep in MLflow."""

import pytest

from dpo_ray.tracking.mlflow_links import (
    artifact_page,
    compare_page,
    run_page,
    table_page,
    trials_of,
    version_page,
)
from dpo_ray.tracking.wording import run_name

pytestmark = pytest.mark.slow
AXES = {"log10.beta", "lora_rank", "result/kl", "result/win_rate"}
PLOT = ".js-plotly-plot"


def has(page, text, exact=False):
    """Wait until a text is on the page."""
    page.get_by_text(text, exact=exact).first.wait_for()


def shows_the_view(page, shown):
    """Wait for all trials, and for the three charts with something drawn in each."""
    has(page, f"{len(shown.state.trials)} matching runs")
    page.locator(".parcoords text.label", has_text="result/win_rate").wait_for()
    labels = set(page.locator(".parcoords text.label").all_text_contents())
    assert labels >= AXES
    assert any(label.startswith("log10.") and "rate" in label for label in labels)
    page.locator(f"{PLOT} .contourlayer path").first.wait_for(state="attached")
    judged = [row for row in shown.state.trials.values() if row.rungs and row.status != "FAILED"]
    points = page.locator(PLOT).first.locator(".scatterlayer .point")
    assert points.count() == len(judged)
    assert page.locator(PLOT).count() == 2


def test_the_saved_view_opens_on_three_charts_of_all_trials(visit, shown):
    shows_the_view(visit(shown.view), shown)


def test_the_experiments_note_opens_the_view(visit, shown):
    page = visit(f"#/experiments/{shown.experiment}/runs?workflowType=machine_learning")
    link = page.get_by_text("Compare the trials of").get_by_role(
        "link", name=shown.state.plan.name, exact=True
    )
    with page.expect_popup() as opened:
        link.click()
    shows_the_view(opened.value, shown)


def test_the_experiment_shows_one_line_a_sweep_with_its_trials_nested(visit, shown):
    page = visit(f"#/experiments/{shown.experiment}/runs?workflowType=machine_learning")
    link = page.get_by_role("link", name=shown.state.plan.name, exact=True)
    line = page.get_by_role("gridcell").filter(has=link)
    name = page.get_by_role("link", name="reference", exact=True)
    link.last.wait_for()
    assert name.count() == 0
    line.get_by_role("button").first.click()
    page.locator(f"a[href*='{shown.child(10_000)}']").first.wait_for()


def compares(page, shown, runs):
    """Wait for the compare page of these runs; it has to preselect a metric that all have."""
    has(page, f"Comparing {len(runs)} Runs")
    titles = page.locator(".parcoords .axis-title")
    titles.filter(has_text="beta").first.wait_for()
    axes = set(titles.all_text_contents())
    common = [set(shown.client.get_run(run).data.metrics) for run in runs]
    assert axes & set.intersection(*common)
    assert len(axes) >= 3


def test_all_trials_are_compared_on_one_page(visit, shown):
    runs = [shown.child(number) for number in shown.state.trials]
    compares(visit(compare_page(shown.experiment, runs)), shown, runs)


def test_all_children_are_compared_on_one_page(visit, shown):
    """Trials, the confirmation's trainings and the reference: they share their metrics' names."""
    children = shown.client.search_runs(
        [shown.experiment], f"tags.`mlflow.parentRunId` = '{shown.parent}'"
    )
    stages = [run.data.tags["stage"] for run in children]
    assert stages.count("search") == len(shown.state.trials)
    assert stages.count("confirmation") == len(shown.state.confirmations) > 0
    assert stages.count("reference") == 1
    runs = [run.info.run_id for run in children]
    compares(visit(compare_page(shown.experiment, runs)), shown, runs)


def test_a_trial_shows_its_curves(visit, shown):
    page = visit(f"{run_page(shown.experiment, shown.child(0))}/model-metrics")
    page.get_by_placeholder("Search metric charts").fill("^(train/loss|eval/win_rate)$")
    lines = page.locator(f"{PLOT} .scatterlayer .js-line")
    lines.nth(1).wait_for(state="attached")


def test_a_trial_shows_what_its_worker_used(visit, shown):
    page = visit(f"{run_page(shown.experiment, shown.child(0))}/system-metrics")
    has(page, "cpu_utilization_percentage", exact=True)
    page.locator(f"{PLOT} .scatterlayer .js-line").nth(3).wait_for(state="attached")


def test_completions_are_a_table_to_read(visit, shown):
    used = shown.state.recommended
    page = visit(artifact_page(shown.experiment, shown.child(used.trial), "completions.json"))
    for column in ("prompt", "reference", "policy"):
        page.locator(f"[role=columnheader] [title={column}]").wait_for()
    has(page, "View as table")


def test_the_sweeps_own_page_has_the_verdict_and_the_way_on(visit, shown):
    page = visit(run_page(shown.experiment, shown.parent))
    has(page, shown.state.verdict.verdict)
    with page.expect_popup() as opened:
        page.get_by_role("link", name="compare all trials").click()
    shows_the_view(opened.value, shown)


def test_the_report_is_a_page_in_the_page(visit, shown):
    assert "report.html" in {item.path for item in shown.client.list_artifacts(shown.parent)}
    page = visit(artifact_page(shown.experiment, shown.parent, "report.html"))
    inner = page.frame_locator("iframe.mlflow-html-iframe")
    inner.locator("body[data-charts=drawn]").wait_for(state="attached")
    has(inner, shown.state.verdict.verdict)
    assert inner.locator("[data-figure=frontier-all] svg.main-svg").count() >= 1


def test_a_registered_version_shows_card_and_evaluation(visit, shown):
    tags = shown.client.get_run(shown.parent).data.tags
    page = visit(version_page(tags["registered.model"], tags["registered.version"]))
    has(page, "A LoRA adapter trained by DPO")
    has(page, "PeftModel.from_pretrained")
    has(page, "confirm.verdict")
    has(page, run_name(shown.state.row(shown.state.recommended.trial)))


def test_the_table_of_trials_leaves_the_confirmation_out(visit, shown):
    page = visit(table_page(shown.experiment, trials_of(shown.parent), "result/win_rate"))
    has(page, f"{len(shown.state.trials)} matching runs")

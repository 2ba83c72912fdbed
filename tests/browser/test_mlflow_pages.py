"""What a person sees of a sweep in MLflow."""

import re

import pytest

from dpo_ray.tracking.mlflow_links import (
    artifact_page,
    compare_page,
    run_page,
    table_page,
    version_page,
)
from dpo_ray.tracking.mlflow_texts import searched_params

pytestmark = pytest.mark.slow
AXES = ("log10.beta", "log10.learning_rate", "lora_rank", "result/kl", "result/win_rate")


def has(page, text, exact=False):
    """Wait until a text is on the page."""
    page.get_by_text(text, exact=exact).first.wait_for()


def test_the_saved_view_opens_on_three_charts_of_all_trials(visit, shown):
    page = visit(shown.view)
    page.locator(".parcoords text.label", has_text="log10.beta").first.wait_for()
    labels = page.locator(".parcoords text.label").all_inner_texts()
    assert set(AXES) <= {label.strip() for label in labels}
    has(page, f"{len(shown.state.trials)} matching runs")
    # Parallel coordinates are drawn by d3, scatter and contour by plotly.
    plots = page.locator(".js-plotly-plot")
    plots.nth(1).wait_for()
    assert plots.count() == 2
    assert page.locator(".js-plotly-plot .scatterlayer .point").count() >= 8
    assert page.locator(".js-plotly-plot .contourlayer path").count() > 0


def test_the_experiments_note_opens_the_view(visit, shown):
    page = visit(f"#/experiments/{shown.experiment}/runs?workflowType=machine_learning")
    link = page.get_by_role("link", name=shown.state.plan.name, exact=True)
    wanted = {each.get_attribute("href") for each in link.all()} if link.count() else set()
    has(page, shown.state.plan.name)
    assert wanted is not None


def test_the_experiment_shows_the_sweep_with_its_trials_nested(visit, shown):
    page = visit(f"#/experiments/{shown.experiment}/runs?workflowType=machine_learning")
    page.get_by_role("link", name=shown.state.plan.name).first.wait_for()
    page.locator("[aria-label='Expand row'], [data-testid='expander-icon-button']").first.click()
    has(page, "t00 beta=")


def test_all_trials_are_compared_on_one_page(visit, shown):
    runs = [shown.child(number) for number in shown.state.trials]
    page = visit(compare_page(shown.experiment, runs))
    page.locator(".parcoords .axis-title").first.wait_for()
    has(page, f"Comparing {len(runs)} Runs")


def test_a_trial_shows_its_curves(visit, shown):
    page = visit(f"{run_page(shown.experiment, shown.child(0))}/model-metrics")
    has(page, "train/loss")
    page.locator(".js-plotly-plot .scatterlayer .js-line").first.wait_for()


def test_a_trial_shows_what_its_worker_used(visit, shown):
    page = visit(f"{run_page(shown.experiment, shown.child(0))}/system-metrics")
    has(page, "system/cpu_utilization_percentage")
    page.locator(".js-plotly-plot .scatterlayer .js-line").first.wait_for()


def test_completions_are_a_table_to_read(visit, shown):
    best = shown.state.recommended.trial
    run = shown.child(best)
    page = visit(artifact_page(shown.experiment, run, "completions.json"))
    has(page, "policy", exact=True)
    has(page, "reference", exact=True)


def test_the_parents_page_begins_with_the_verdict_and_links(visit, shown):
    page = visit(run_page(shown.experiment, shown.parent))
    has(page, "compare all trials")
    has(page, "beats the default")


def test_the_report_is_a_page_in_the_page(visit, shown):
    names = {item.path for item in shown.client.list_artifacts(shown.parent)}
    if "report.html" not in names:
        pytest.skip("this sweep has no report.html")
    page = visit(artifact_page(shown.experiment, shown.parent, "report.html"))
    frame = page.frame_locator("iframe.mlflow-html-iframe")
    frame.locator("h1").first.wait_for()


def test_the_registered_version_shows_alias_card_and_evaluation(visit, shown):
    page = visit(version_page("dpo-ray", "1"))
    has(page, "challenger")
    has(page, "A LoRA adapter trained by DPO")
    has(page, "result/win_rate")


def test_what_a_table_is_searched_by_finds_the_trials_only(visit, shown):
    wanted = f"tags.`mlflow.parentRunId` = '{shown.parent}' and tags.stage = 'search'"
    page = visit(table_page(shown.experiment, wanted))
    has(page, f"{len(shown.state.trials)} matching runs")
    assert re.search(r"t\d\d beta=", page.content())
    assert searched_params(shown.state.trials[0], shown.state.parameters)

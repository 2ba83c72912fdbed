"""The nights' page as people open it."""

import pytest

from dpo_ray.nightly.trend import trend_page
from dpo_ray.report.page.writing import render, write_html
from tests.browser.test_report_page import PHONE, opened
from tests.nightly.made import nights

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def trend(tmp_path_factory):
    path = tmp_path_factory.mktemp("schedule") / "trend.html"
    return write_html(render(trend_page("nightly", nights())), path)


@pytest.mark.parametrize(
    ("name", "context"),
    [("desk", {}), ("phone", {"viewport": PHONE, "color_scheme": "dark"})],
)
def test_every_chart_is_drawn_and_nothing_sticks_out(chromium, trend, screenshots, name, context):
    with opened(chromium, trend, **context) as page:
        page.screenshot(path=screenshots / f"trend-{name}.png", full_page=True)
        charts = page.locator(".plot")
        assert charts.count() == 7
        for number in range(charts.count()):
            assert charts.nth(number).locator(".xtitle").text_content() == "night (UTC)"
        champions = page.locator("[data-figure=scores] .scatterlayer .points path")
        assert champions.count() == 4 + 5
        assert page.locator("[data-figure=minutes] .barlayer .point").count() == 5
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")

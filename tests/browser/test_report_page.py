"""The report as people open it: at a desk, on a phone, in the dark, on paper, without a network."""

import time
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from dpo_ray.report.page import write_page
from dpo_ray.report.page.comparison_page import comparison_page
from dpo_ray.report.page.material import gather
from dpo_ray.report.page.writing import render, write_html
from tests.report.made import USUAL, made
from tests.report.test_page import completions

pytestmark = pytest.mark.slow
TRIALS = 200
OPENS_S, OPENED = 2.0, 5
LOOK_S, BUSY = 0.5, 15.0
"""So long a look before an opening; beyond this per cent the machine has other work."""
MOST_MB = 5.0
PAPER = 700
"""Pixels of an A4 page between its margins."""
WIDE = {
    **USUAL,
    "lora_alpha": {"type": "categorical", "choices": [8, 16, 32]},
    "label_smoothing": {"type": "float", "low": 0.0, "high": 0.3, "log": False},
    "loss_type": {"type": "categorical", "choices": ["sigmoid", "robust"]},
    "weight_decay": {"type": "float", "low": 1e-4, "high": 0.1, "log": True},
    "warmup": {"type": "float", "low": 0.0, "high": 0.3, "log": False},
}
PHONE = {"width": 390, "height": 844}
DRAWN = "body[data-charts=drawn]"
HOLD = """
  const later = window.setTimeout;
  window.setTimeout = (call, after) =>
    document.body?.dataset.charts === "shown" ? 0 : later(call, after);
"""
"""After the first charts the others wait for ever."""
SHIFTS = """() => new Promise((resolve) => {
  let total = 0;
  new PerformanceObserver((list) => list.getEntries().forEach((each) => total += each.value))
    .observe({ type: "layout-shift", buffered: true });
  setTimeout(() => resolve(total), 200);
})"""


@pytest.fixture(scope="module")
def report(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("sweep")
    records = made(TRIALS, steps=500, confirms=True, folder=folder)
    used = gather(records, folder).used
    completions(folder / "trials" / used.name / f"step-{used.step:05d}", 128)
    return write_page(records, folder)


@pytest.fixture
def keep(screenshots):
    """Keep a picture of what a test has seen."""
    return lambda page, name: page.screenshot(
        path=screenshots / f"report-{name}.png", full_page=True
    )


@pytest.fixture(scope="module")
def desk(chromium, report):
    """The page at a desk, opened once."""
    with opened(chromium, report) as page:
        yield page


@contextmanager
def opened(chromium, path: Path, *, until: str = DRAWN, **context):
    """Open a page, wait for its charts, and insist that it asked for nothing and complained not."""
    with chromium.new_context(**context) as made_context:
        page = made_context.new_page()
        asked, said = [], []
        page.on("request", lambda request: asked.append(request.url))
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.goto(path.as_uri())
        page.wait_for_selector(until, state="attached")
        yield page
        assert [url for url in asked if not url.startswith(("file:", "data:", "blob:"))] == []
        assert said == []


def work(chromium, path: Path, until: str) -> tuple[float, float]:
    """Return the seconds the page's main thread has worked until then, and those on the clock.

    The page is held there, so that charts further down are not counted with it.
    """
    with chromium.new_context() as context:
        page = context.new_page()
        page.add_init_script(HOLD)
        session = context.new_cdp_session(page)
        session.send("Performance.enable", {"timeDomain": "threadTicks"})
        began = time.monotonic()
        page.goto(path.as_uri())
        page.wait_for_selector(f"body[data-charts={until}]", state="attached")
        clock = time.monotonic() - began
        metrics = session.send("Performance.getMetrics")["metrics"]
        return next(each["value"] for each in metrics if each["name"] == "ThreadTime"), clock


def opening(chromium, path: Path) -> tuple[list[float], list[float]]:
    """Open it a few times; return the browser's seconds, and those on the clock of a machine that
    did little else just before."""
    seconds, clocks = [], []
    for _ in range(OPENED):
        is_idle = psutil.cpu_percent(LOOK_S) < BUSY
        own, clock = work(chromium, path, "shown")
        seconds.append(own)
        clocks += [clock] * is_idle
    return seconds, clocks


def test_two_hundred_trials_open_in_two_seconds_and_fit_into_five_megabytes(chromium, report):
    """By the browser's own seconds and by the clock; of several openings the shortest counts.

    The clock says nothing where others use the machine meanwhile, so it is only read between
    their turns. The verdict and its tables are there at once, the charts below them next; those
    further down follow while people read.
    """
    seconds, clocks = opening(chromium, report)
    size = report.stat().st_size / 1e6
    timed = f"{min(clocks):.2f} s" if clocks else "a busy machine's"
    print(f"opened in {min(seconds):.2f} s of the browser, {timed} by the clock; {size:.2f} MB")  # noqa: T201
    assert min(seconds) < OPENS_S
    assert min(clocks, default=0.0) < OPENS_S
    assert size < MOST_MB


def test_nothing_moves_while_the_charts_are_drawn(desk):
    assert desk.evaluate(SHIFTS) < 0.01


def test_points_bars_and_axis_titles_are_there(desk, keep):
    keep(desk, "desk")
    points = desk.locator("[data-figure=curve-win_rate] .scatterlayer .points path").count()
    assert points == TRIALS
    title = desk.locator("[data-figure=curve-kl] .ytitle").text_content()
    assert title == "KL, nats per completion"
    for plot in desk.locator(".plot").all():
        assert plot.locator(".xtitle").count() == 1


def test_a_point_says_which_trial_it_is(desk):
    point = desk.locator("[data-figure=curve-win_rate] .points path").last
    point.scroll_into_view_if_needed()
    box = point.bounding_box()
    desk.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    hover = desk.locator(".hoverlayer .hovertext")
    hover.wait_for()
    assert "step" in hover.text_content()
    assert "beta" in hover.text_content()


def column(page, head: str) -> list[str]:
    heads = page.locator("table.sortable thead th").all_inner_texts()
    place = next(index for index, text in enumerate(heads) if text.startswith(head)) + 1
    return page.locator(f"table.sortable tbody tr td:nth-child({place})").all_inner_texts()


def test_the_table_is_sorted_by_mouse_and_by_keyboard(desk):
    button = desk.locator("table.sortable thead button", has_text="beta")
    button.click()
    rising = [float(text) for text in column(desk, "beta") if text != "-"]
    assert rising == sorted(rising)
    assert len(rising) == TRIALS
    button.focus()
    desk.keyboard.press("Enter")
    falling = [float(text) for text in column(desk, "beta") if text != "-"]
    assert falling == rising[::-1]
    assert button.locator("..").get_attribute("aria-sort") == "descending"
    assert column(desk, "beta")[-1] == "-"


def test_a_phone_scrolls_in_one_direction_only(chromium, report, keep):
    with opened(chromium, report, viewport=PHONE, has_touch=True, is_mobile=True) as page:
        keep(page, "phone")
        width = page.evaluate("document.documentElement.scrollWidth")
        assert width <= PHONE["width"]
        for plot in page.locator(".plot svg.main-svg:first-child").all():
            assert plot.bounding_box()["width"] <= PHONE["width"]


def colour(page, selector: str, style: str) -> list[int]:
    value = page.locator(selector).first.evaluate(f"(e) => getComputedStyle(e)['{style}']")
    return [int(part) for part in value.strip("rgba()").split(",")[:3]]


@pytest.mark.parametrize(("scheme", "dark"), [("dark", True), ("light", False)])
def test_page_and_charts_follow_the_readers_scheme(desk, keep, scheme, dark):
    desk.emulate_media(color_scheme=scheme)
    keep(desk, scheme)
    ground = sum(colour(desk, "body", "background-color"))
    assert (ground < 150) == dark
    for selector in ("body", ".plot .xtick text", ".plot .ytitle"):
        style = "color" if selector == "body" else "fill"
        assert abs(sum(colour(desk, selector, style)) - ground) > 450, selector


def test_on_paper_it_is_black_on_white_and_the_charts_fit(desk, keep):
    on_paper(desk)
    keep(desk, "print")
    assert colour(desk, "body", "background-color") == [255, 255, 255]
    assert colour(desk, ".plot .xtick text", "fill") == [0, 0, 0]
    assert not desk.locator("nav").is_visible()
    for plot in desk.locator(".plot .main-svg:first-child").all():
        assert plot.bounding_box()["width"] <= PAPER
    assert desk.pdf(format="A4").startswith(b"%PDF")


def on_paper(page) -> None:
    page.emulate_media(media="print", color_scheme="dark")
    page.evaluate(f"document.body.style.width = '{PAPER}px'")


def sticks_out(page) -> list[str]:
    """The tables that are wider than the page, each by its caption."""
    return page.evaluate(
        """() => {
          const edge = document.body.getBoundingClientRect().right + 0.5;
          const wide = (table) => table.getBoundingClientRect().right > edge;
          return [...document.querySelectorAll("table")].filter(wide)
            .map((table) => table.caption.textContent);
        }"""
    )


def test_on_paper_every_table_fits_also_that_of_all_trials(desk):
    on_paper(desk)
    assert sticks_out(desk) == []


def test_on_paper_the_trials_of_a_wide_search_fit_as_well(chromium, tmp_path, keep):
    """All that may be searched at once as numbers, and answers' scores beside it."""
    path = write_page(made(30, space=WIDE, confirms=True), tmp_path)
    with opened(chromium, path) as page:
        on_paper(page)
        keep(page, "print-wide")
        assert sticks_out(page) == []


def test_without_scripts_there_are_pictures_and_tables(chromium, report):
    with opened(chromium, report, until="h1", java_script_enabled=False) as page:
        assert page.locator("img.picture").count() == 3
        assert page.locator("table.sortable tbody tr").count() == TRIALS + 1


def test_a_browser_that_cannot_unpack_shows_the_pictures(chromium, report):
    with chromium.new_context() as context:
        page = context.new_page()
        page.add_init_script("delete window.DecompressionStream")
        page.goto(report.as_uri())
        page.wait_for_selector("body[data-charts=pictures]", state="attached")
        assert page.locator("img.picture").count() == 3
        assert page.locator("img.picture").first.evaluate("(e) => e.naturalWidth") > 300


def test_it_draws_inside_mlflows_sandbox(chromium, report, tmp_path):
    """MLflow shows HTML artifacts in an iframe that may run scripts and nothing else."""
    outer = tmp_path / "outer.html"
    outer.write_text(
        "<!DOCTYPE html><iframe sandbox='allow-scripts' width=1200 height=900></iframe>"
    )
    with chromium.new_context() as context:
        page = context.new_page()
        page.goto(outer.as_uri())
        page.evaluate(
            "(html) => { document.querySelector('iframe').srcdoc = html }", report.read_text()
        )
        inner = page.frame_locator("iframe")
        inner.locator(DRAWN).wait_for(state="attached")
        assert inner.locator("[data-figure=frontier-all] svg.main-svg").count() >= 1
        inner.locator("table.sortable thead button", has_text="beta").click()


def test_two_sweeps_are_drawn_on_one_another(chromium, tmp_path, keep):
    pair = [gather(made(name=name, seed=seed), tmp_path) for seed, name in enumerate(("a", "b"))]
    path = write_html(render(comparison_page(pair)), tmp_path / "a-and-b.html")
    with opened(chromium, path) as page:
        keep(page, "two-sweeps")
        points = page.locator("[data-figure=curves-win_rate] .scatterlayer .points path").count()
        assert points == 24
        assert page.locator("[data-figure=curves-frontier] .lines path").count() == 2

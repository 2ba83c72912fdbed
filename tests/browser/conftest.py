"""A real browser, driven headless, and MLflow in it; without a browser these tests are skipped."""

import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from dpo_ray.tracking.mlflow_links import view_page
from dpo_ray.tracking.mlflow_server import default_uri
from dpo_ray.tracking.mlflow_view import view_key
from dpo_ray.tracking.state import SweepState
from tests.sweeping import Command
from tests.tracking.server import free_port, mlflow_server

FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
)
PATIENCE_MS = 60_000


@dataclass
class Shown:
    """A sweep in MLflow, and the server that shows it."""

    address: str
    client: Any
    experiment: str
    parent: str
    view: str
    state: SweepState

    def child(self, trial: int) -> str:
        """The run of a trial."""
        own = f"tags.`mlflow.parentRunId` = '{self.parent}'"
        wanted = f"{own} and tags.`dpo_ray.trial` = '{trial}'"
        (run,) = self.client.search_runs([self.experiment], wanted)
        return str(run.info.run_id)


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    """Debian's chromium, driven by playwright; nothing is downloaded.

    Ended with each file: as long as playwright is driven, its event loop counts as
    running in this thread, and no other test could call asyncio.run().
    """
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    path = shutil.which("chromium") or shutil.which("chromium-browser")
    if path is None:
        pytest.skip("there is no chromium; Debian has it as a package of that name")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=list(FLAGS))
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def shown(chromium: Any, shipped: Command, store: Path) -> Iterator[Shown]:
    """The shipped sweep, twelve trials and their confirmation, served from its own store."""
    from mlflow import MlflowClient

    assert shipped.code == 0, shipped.errors
    client = MlflowClient(tracking_uri=default_uri(store))
    experiment = client.get_experiment_by_name("dpo-ray").experiment_id
    (parent,) = client.search_runs([experiment], "tags.`dpo_ray.sweep` = 'shipped'")
    view = view_page(experiment, view_key("shipped", parent.data.tags["dpo_ray.journal"]))
    assert f"then open http://127.0.0.1:5000/{view}\n" in shipped.screen
    port = free_port()
    with mlflow_server(store, port):
        address = f"http://127.0.0.1:{port}"
        yield Shown(address, client, experiment, parent.info.run_id, view, shipped.state)


@pytest.fixture(scope="session")
def screenshots(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where pictures of the pages are kept: DPO_RAY_SCREENSHOTS, else below pytest's own folder."""
    asked = os.environ.get("DPO_RAY_SCREENSHOTS")
    folder = Path(asked) if asked else tmp_path_factory.getbasetemp() / "screenshots"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@pytest.fixture
def visit(
    chromium: Any, shown: Shown, screenshots: Path, request: pytest.FixtureRequest
) -> Iterator[Callable[[str], Any]]:
    """Open a page of the server in a browser that has never been there.

    A picture of it is kept at the test's end, and one of each page that it opened.
    """
    context = chromium.new_context(viewport={"width": 1500, "height": 1000})
    context.set_default_timeout(PATIENCE_MS)
    page = context.new_page()

    def go(path: str) -> Any:
        page.goto(f"{shown.address}/{path}")
        return page

    yield go
    name = request.node.name.removeprefix("test_")
    for number, each in enumerate(context.pages):
        each.screenshot(path=screenshots / f"{name}{f'-popup-{number}' * (number > 0)}.png")
    context.close()

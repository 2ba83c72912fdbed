"""What the suites share: one small plan, one prepared store, one Ray cluster."""

import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
from hypothesis import settings

from dpo_ray.cluster.token import make_token, show_token
from tests.sweeping import ROOT, SMALL, Command, arguments, run_to_the_end

# A busy machine is no bug: examples are bounded by their number, not by the clock.
settings.register_profile("unhurried", deadline=None)
settings.load_profile("unhurried")

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
# Ray reads once in a process whether there is a token; a sweep would make one.
make_token()
show_token()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run the tests that shut the shared cluster down after all others."""
    items.sort(key=lambda item: item.get_closest_marker("cluster_last") is not None)


@pytest.fixture(scope="session")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store that the whole session shares, so that preparation happens once."""
    return tmp_path_factory.mktemp("store")


@pytest.fixture(scope="session")
def small_plan(store: Path) -> Callable[..., object]:
    """Make a plan of the shipped space and sweep, small unless overridden."""
    from dpo_ray.plan import Plan, make_plan

    def make(*overrides: str, name: str | None = None, small: Sequence[str] = SMALL) -> Plan:
        return make_plan(
            ROOT / "search_spaces/beta.yaml",
            ROOT / "sweeps/local.yaml",
            [*small, *overrides],
            store=store,
            name=name,
        )

    return make


@pytest.fixture(scope="session")
def cluster() -> Iterator[str]:
    """One Ray cluster for the session, with room for several slots; yields its address.

    Sweeps in subprocesses join it through RAY_ADDRESS.
    """
    import ray

    from dpo_ray.cluster.session import quiet

    quiet()
    context = ray.init(
        address="local",
        num_cpus=8,
        dashboard_host="127.0.0.1",
        log_to_driver=False,
        logging_level="ERROR",
    )
    address = context.address_info["gcs_address"]
    yield address
    ray.shutdown()


@pytest.fixture(scope="session")
def run(store: Path, cluster: str) -> Callable[..., Command]:
    """Run a sweep to its end, on the shared cluster and in the shared store."""

    def run_it(
        name: str,
        *overrides: str,
        space: str = "search_spaces/beta.yaml",
        small: bool = True,
        timeout_s: float = 240,
        options: Sequence[str] = (),
    ) -> Command:
        command = [*arguments(store, name, *overrides, space=space, small=small), *options]
        return run_to_the_end(command, cluster, store / "sweeps" / name, timeout_s)

    return run_it


@pytest.fixture(scope="session")
def shipped(run: Callable[..., Command]) -> Command:
    """The shipped sweep as it is, run once for all that want a real one."""
    return run("shipped", small=False, timeout_s=420)

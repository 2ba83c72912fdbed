"""`dpo-ray ui`: MLflow, opened on a store's sweeps."""

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import Annotated, Any
from urllib.parse import quote

import typer

from dpo_ray.commands.finding import complete, sweep_folder, sweep_names
from dpo_ray.config.redaction import HIDDEN
from dpo_ray.errors import ConfigError, TrackingUnreachable
from dpo_ray.exits import errors_on_screen
from dpo_ray.output import AsJson, Verbose, give_json, messages, results, say
from dpo_ray.sweep import Store
from dpo_ray.tracking.earlier import JOURNAL
from dpo_ray.tracking.journal import read_journal
from dpo_ray.tracking.mlflow_server import database_file, default_uri
from dpo_ray.tracking.mlflow_texts import journal_id
from dpo_ray.tracking.mlflow_view import TAG, view_key
from dpo_ray.tracking.records import SweepPlanned
from dpo_ray.tracking.state import fold

HELP = """Open MLflow on a store's sweeps, on this machine alone.

The server runs until Ctrl-C, on 127.0.0.1 and port 5000, or a free one if that is taken. It opens
on the sweep's experiment: of the newest sweep, unless one is named. A sweep that is tracked on a
server of its own has its link printed, and nothing is started.

\b
Examples:
  dpo-ray ui
  dpo-ray ui beta-1a2b3c4d
  dpo-ray ui --store nightly/store --port 5001
  dpo-ray ui --json                 # one JSON object, once it answers

\b
Exit codes: 0 ended by Ctrl-C, or the link was printed; 2 no such sweep, no database, or the port is
taken; 7 the server did not start, or died.
"""
ANSWER_S = 5.0


class _Left(Exception):
    """The person has seen enough."""


def ui(
    name: Annotated[
        str | None,
        typer.Argument(
            metavar="NAME", help="A sweep of the store, or its folder.", autocompletion=complete
        ),
    ] = None,
    store: Store = Path("store"),
    port: Annotated[
        int | None,
        typer.Option(min=1, max=65535, help="Where to listen.", show_default="5000, or a free one"),
    ] = None,
    as_json: AsJson = False,
    verbose: Verbose = False,
) -> None:
    """Run the command; the text of --help stands in HELP."""
    with errors_on_screen(), suppress(_Left):
        view, uri, experiment = _tracked(store, name)
        if uri.startswith(("http://", "https://")):
            return _give({"url": link(uri, experiment, view), "tracking_uri": uri}, as_json)
        _refuse_without_database(uri)
        _serve(uri, experiment, view, port, as_json, verbose)


def link(base: str, experiment: str, view: str | None) -> str:
    """Return the address of a sweep's saved view, else of its experiment, else of MLflow."""
    found = _experiment(base, experiment)
    if found is None:
        return base
    page = f"{base.rstrip('/')}/#/experiments/{found['experiment_id']}/runs"
    there = view is not None and any(tag["key"] == f"{TAG}{view}" for tag in found.get("tags", []))
    shown = f"&compareRunsMode=CHART&viewStateShareKey={quote(view or '')}" if there else ""
    return f"{page}?workflowType=machine_learning{shown}"


def _tracked(store: Path, name: str | None) -> tuple[str | None, str, str]:
    """Return the key of the sweep's saved view, where it is tracked, and its experiment's name."""
    newest = next(iter(sweep_names(store)), None) if name is None else name
    if newest is None:
        return None, default_uri(store), "dpo-ray"
    folder = sweep_folder(store, newest)
    records = read_journal(folder / JOURNAL)
    first, plan = next(iter(records), None), fold(records).plan
    tracking = plan.plan.get("sweep", {}).get("tracking", {}) if plan else {}
    # A store may have been moved since: its database lies in it.
    uri = tracking.get("uri") or default_uri(folder.parents[1])
    # The plan names the process that goes on with it, the view the one that began it.
    begun = first if isinstance(first, SweepPlanned) else None
    view = None if begun is None else view_key(begun.name, journal_id(begun))
    return view, str(uri), str(tracking.get("experiment", "dpo-ray"))


def _refuse_without_database(uri: str) -> None:
    file = database_file(uri)
    if HIDDEN in uri:
        raise ConfigError(
            f"the sweep is tracked at {uri}, whose password no journal keeps; open it by "
            "`mlflow server --backend-store-uri` with the whole address"
        )
    if file is not None and not file.is_file():
        raise ConfigError(f"{file}: there is no MLflow database; a sweep of this store makes it")


def _serve(
    uri: str, experiment: str, view: str | None, port: int | None, as_json: bool, verbose: bool
) -> None:
    from dpo_ray.commands.serving import HOST, free_port, mlflow_server

    chosen = free_port(port)
    base = f"http://{HOST}:{chosen}"
    screen = messages()
    with _until_told() as told:
        status = screen.status("Starting MLflow, which takes some ten seconds")
        status.start()
        try:
            with mlflow_server(uri, chosen, verbose, told) as server:
                facts = {"url": link(base, experiment, view), "tracking_uri": uri}
                status.stop()
                _give({**facts, "port": chosen, "pid": server.pid}, as_json)
                screen.print("Ctrl-C ends it.")
                while server.poll() is None:
                    told()
                    time.sleep(0.2)
                raise TrackingUnreachable(
                    f"MLflow's server died with exit code {server.returncode}"
                )
        finally:
            status.stop()


def _give(facts: dict[str, Any], as_json: bool) -> None:
    if as_json:
        give_json(facts)
    else:
        say(results(), facts["url"])


@contextmanager
def _until_told() -> Iterator[Any]:
    """Yield what raises `_Left` once Ctrl-C or SIGTERM came; neither interrupts anything."""
    came: list[int] = []

    def note(number: int, frame: FrameType | None) -> None:
        came.append(number)

    def told() -> None:
        if came:
            raise _Left

    before = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield told
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _experiment(base: str, name: str) -> dict[str, Any] | None:
    """Ask a server for an experiment; None where it has none, or does not say."""
    import requests

    try:
        answer = requests.get(
            f"{base.rstrip('/')}/api/2.0/mlflow/experiments/get-by-name",
            params={"experiment_name": name},
            timeout=ANSWER_S,
        )
        return dict(answer.json()["experiment"]) if answer.ok else None
    except (requests.RequestException, ValueError, KeyError):
        return None

"""Where tracking goes, and whether anybody is there: asked without importing MLflow."""

import base64
import logging
import os
import sqlite3
import threading
from contextlib import closing, suppress
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit, urlunsplit

from dpo_ray.config.redaction import redact_text
from dpo_ray.errors import ConfigError, TrackingUnreachable

if TYPE_CHECKING:
    from urllib.request import Request

_SCHEMES = ("sqlite", "http", "https", "postgresql", "mysql", "mssql", "databricks")
_FAIL_FAST = {
    # MLflow's own retries block one refused call for minutes; the mirror has its own, in sight.
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "30",
    # Its log lines, progress bars and links would run through the live table.
    "MLFLOW_LOGGING_LEVEL": "WARNING",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "MLFLOW_DISABLE_TELEMETRY": "true",
}


def default_uri(store: Path) -> str:
    """One SQLite database per store, so that all its sweeps compare in one MLflow UI."""
    return f"sqlite:///{store.absolute() / 'mlflow.db'}"


def database_file(uri: str) -> Path | None:
    """The file behind a SQLite URI, None for any other."""
    if not uri.startswith("sqlite:///"):
        return None
    return Path(uri.removeprefix("sqlite:///").partition("?")[0]).absolute()


def fail_fast_and_quietly() -> None:
    """Set MLflow's environment for a mirror, wherever the user has not. Before its import."""
    for name, value in _FAIL_FAST.items():
        os.environ.setdefault(name, value)


def keep_quiet() -> None:
    """Have MLflow's database layer say nothing of what the mirror is told and tries again.

    It logs whole tracebacks of a locked file or a full disk. `--verbose` lets it.
    """
    if os.environ.get("MLFLOW_LOGGING_LEVEL") == _FAIL_FAST["MLFLOW_LOGGING_LEVEL"]:
        logging.getLogger("mlflow.store.db.utils").setLevel(logging.CRITICAL)


def reachable(uri: str, seconds: float = 5.0) -> None:
    """Return if tracking can begin at `uri`.

    Raises TrackingUnreachable where an HTTP server does not answer well within `seconds`, name
    resolution included, or a SQLite file's folder cannot be made; ConfigError for a URI that
    MLflow cannot write to.
    """
    scheme = urlsplit(uri).scheme.partition("+")[0]
    if scheme not in _SCHEMES:
        allowed = ", ".join(f"{name}:" for name in _SCHEMES)
        raise ConfigError(f"tracking.uri: unknown kind, got {redact_text(uri)}; allowed: {allowed}")
    if scheme in ("http", "https"):
        _ask(uri, seconds)
    elif file := database_file(uri):
        _make_folder(file.parent, uri)


def refuse_served_files(uri: str, experiment: str) -> None:
    """Refuse a SQLite file whose experiment keeps its files with an MLflow server.

    A file that is locked is not waited for: the mirror refuses it when it opens the experiment.

    Raises:
        ConfigError: it is one.
    """
    file = database_file(uri)
    if file is None or not file.is_file():
        return
    found, reading = None, f"{file.as_uri()}?mode=ro"
    question = "SELECT artifact_location FROM experiments WHERE name = ?"
    with (
        suppress(sqlite3.Error),
        closing(sqlite3.connect(reading, timeout=1, uri=True)) as database,
    ):
        found = database.execute(question, (experiment,)).fetchone()
    if found is not None:
        refuse_served_place(str(found[0]), uri, experiment)


def refuse_served_place(place: str, uri: str, experiment: str) -> None:
    """Refuse an experiment whose artifacts lie at `place`, if nobody can write there by `uri`.

    A server makes experiments at `mlflow-artifacts:`, where only its own clients can write
    (mlflow/store/artifact/mlflow_artifacts_repo.py): who writes to the database itself would
    record the numbers, and no adapter or table ever.

    Raises:
        ConfigError: nobody can.
    """
    by_server = urlsplit(uri).scheme in ("http", "https")
    if place.startswith("mlflow-artifacts:") and not by_server:
        raise ConfigError(
            f"tracking.experiment: {experiment} was made by an MLflow server, which alone can "
            f"write its files, got the database {redact_text(uri)} itself; set tracking.uri to the "
            "server, or tracking.experiment to another name"
        )


def _make_folder(folder: Path, uri: str) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise TrackingUnreachable(f"{uri}: cannot make its folder ({error})") from error


def _ask(uri: str, seconds: float) -> None:
    """Ask in a thread of its own, since nothing else bounds a name server that is silent."""
    answer: list[str] = []
    ask = threading.Thread(target=lambda: answer.append(_health(uri, seconds)), daemon=True)
    ask.start()
    ask.join(seconds)
    problem = answer[0] if answer else f"no answer within {seconds:g} s"
    if problem:
        raise TrackingUnreachable(
            f"the MLflow server at {redact_text(uri)} does not answer ({problem}); start it, or "
            "leave tracking.uri out to track in the store"
        )


def _health(uri: str, seconds: float) -> str:
    """What is wrong with the server at `uri`, in words; empty if nothing is."""
    from http.client import HTTPException, InvalidURL
    from urllib.error import HTTPError
    from urllib.request import urlopen  # with TLS a tenth of what `--help` would wait for

    try:
        with urlopen(_health_request(uri), timeout=seconds):
            return ""
    except HTTPError as error:
        error.close()
        return f"HTTP {error.code} {error.reason}"
    except InvalidURL:  # its words quote what stands for a port, which may be a password
        return "its port must be a number; in a password write / ? # as %2F %3F %23"
    except (OSError, ValueError, HTTPException) as error:
        return str(getattr(error, "reason", error))


def _health_request(uri: str) -> "Request":
    from urllib.request import Request

    parts = urlsplit(uri)
    path = parts.path.rstrip("/") + "/health"
    url = urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], path, "", ""))
    request = Request(url)
    user = unquote(parts.username or os.environ.get("MLFLOW_TRACKING_USERNAME", ""))
    password = unquote(parts.password or os.environ.get("MLFLOW_TRACKING_PASSWORD", ""))
    if token := os.environ.get("MLFLOW_TRACKING_TOKEN"):
        request.add_header("Authorization", f"Bearer {token}")
    elif user:
        pair = base64.b64encode(f"{user}:{password}".encode()).decode()
        request.add_header("Authorization", f"Basic {pair}")
    return request

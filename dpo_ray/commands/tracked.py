"""Where a sweep that is over, or still runs, is tracked."""

from dataclasses import dataclass
from pathlib import Path

from dpo_ray.config.redaction import HIDDEN
from dpo_ray.errors import CorruptJournal
from dpo_ray.tracking.earlier import JOURNAL
from dpo_ray.tracking.journal import read_journal
from dpo_ray.tracking.mlflow_server import default_uri, reachable, refuse_served_files
from dpo_ray.tracking.records import SweepPlanned
from dpo_ray.tracking.state import SweepState, fold


@dataclass(frozen=True)
class Tracked:
    """A sweep and its MLflow: `first` is the line that tells it from others of its name."""

    folder: Path
    state: SweepState
    first: SweepPlanned
    uri: str
    experiment: str
    lines: int
    """Of its journal, when it was read."""
    own: bool
    """Whether that is where the sweep's own mirror writes."""

    @property
    def name(self) -> str:
        """The sweep's name."""
        return self.first.name


def tracked(folder: Path, uri: str | None, experiment: str | None = None) -> Tracked:
    """Read a sweep's journal, and take for its MLflow what is given, else the sweep's own.

    Raises:
        CorruptJournal: it does not begin with a plan.
        TrackingUnreachable: nobody answers there.
        ConfigError: MLflow knows no such place, or a server keeps the experiment's files.
    """
    records = read_journal(folder / JOURNAL)
    if not records or not isinstance(records[0], SweepPlanned):
        got = records[0].kind if records else "nothing"
        raise CorruptJournal(f"{folder / JOURNAL}:1: must be the sweep's plan, got {got}")
    state = fold(records)
    told = _told(state.plan or records[0])
    own = told.get("uri") or default_uri(_store(folder)), told.get("experiment") or "dpo-ray"
    place = uri or own[0], experiment or own[1]
    reachable(place[0])
    refuse_served_files(*place)
    return Tracked(folder, state, records[0], *place, len(records), place == own)


def _told(plan: SweepPlanned) -> dict[str, str]:
    """The plan's own tracking section, as it was last asked for.

    A password is not in a journal, so MLflow's variables MLFLOW_TRACKING_USERNAME and
    MLFLOW_TRACKING_PASSWORD must say it.
    """
    told = dict(plan.plan.get("sweep", {}).get("tracking") or {})
    if told.get("uri"):
        told["uri"] = str(told["uri"]).replace(f"{HIDDEN}@", "")
    return told


def _store(folder: Path) -> Path:
    """The store that a sweep's folder lies in: `STORE/sweeps/NAME`."""
    return folder.parents[1] if folder.parent.name == "sweeps" else folder

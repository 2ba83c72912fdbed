"""What a sweep looks like now: a pure fold over its journal."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from dpo_ray.errors import CorruptJournal
from dpo_ray.tracking.ranges import Range, of_configuration, whole
from dpo_ray.tracking.records import (
    CONFIRMATIONS,
    AnyRecord,
    ArtifactWritten,
    CandidateConfirmed,
    ChampionCompared,
    ConfirmationPlanned,
    Confirmed,
    DataChecked,
    Metrics,
    Params,
    PolicyRecommended,
    Prepared,
    ReferenceEnded,
    ReferenceMetrics,
    ReferenceStarted,
    SlotsOpened,
    SweepEnded,
    SweepPlanned,
    SweepResumed,
    TrialEnded,
    TrialResumed,
    TrialStarted,
    WarmStarted,
)
from dpo_ray.tracking.sft_row import SftRow, advance_sft, sft_started
from dpo_ray.tracking.trial_row import TrialRow, advance, started_row


@dataclass
class Life:
    """One process's part of a sweep, Unix seconds; from `slots` on it held `gpus`."""

    began: float
    last: float
    slots: float | None = None
    gpus: float = 0.0
    ended_before: int = 0
    """Trials of the search whose ends it found in the journal."""
    waiting: int = 0
    """Cancelled trials that are to go on and do not yet."""
    first_trial: float | None = None
    """When its first trial of the search began or went on."""

    @property
    def gpu_seconds(self) -> float:
        """GPUs times the seconds they were held."""
        return 0.0 if self.slots is None else self.gpus * (self.last - self.slots)


@dataclass
class SweepState:
    """A sweep so far. Not thread-safe: each mirror folds its own."""

    plan: SweepPlanned | None = None
    """The first line, with what of the plan was changed since."""
    lives: list[Life] = field(default_factory=list)
    """The processes that have worked on it, the last one perhaps still does."""
    warm: WarmStarted | None = None
    data: DataChecked | None = None
    sft: SftRow | None = None
    """None where the reference is the model itself."""
    prepared: Prepared | None = None
    trials: dict[int, TrialRow] = field(default_factory=dict)
    """The search's."""
    confirmations: dict[int, TrialRow] = field(default_factory=dict)
    """The confirmation's trials, numbered from CONFIRMATIONS."""
    confirmation: ConfirmationPlanned | None = None
    confirmed: dict[int, CandidateConfirmed] = field(default_factory=dict)
    """By candidate."""
    verdict: Confirmed | None = None
    champion: ChampionCompared | None = None
    """How the confirmed policy stands beside the one that is served."""
    recommended: PolicyRecommended | None = None
    artifacts: list[ArtifactWritten] = field(default_factory=list)
    ended: SweepEnded | None = None
    _open: dict[int, TrialRow] = field(default_factory=dict)

    @property
    def reference(self) -> Metrics:
        """The reference model's own evaluation; empty until it is prepared."""
        return self.prepared.reference if self.prepared else {}

    @property
    def parameters(self) -> dict[str, Range]:
        """The space: each searched parameter's type and bounds, in the file's order.

        Where it has a range for each branch, one that holds them all.
        """
        return {name: whole(each) for name, each in self._space().items()}

    def ranges(self, params: Params) -> dict[str, Range]:
        """Return the range that each value of a configuration was drawn from."""
        return of_configuration(self._space(), params)

    @property
    def objective(self) -> tuple[str, str]:
        """The metric trials are ranked by, as in `eval/METRIC`, and its direction."""
        found = self.objectives[0]
        return found.get("metric", "win_rate"), found.get("direction", "maximize")

    @property
    def objectives(self) -> list[dict[str, Any]]:
        """One objective or two, each as its `config.objective.ObjectiveConfig`."""
        found = self._planned("sweep", "objective") or {}
        return list(found) if isinstance(found, list) else [found]

    @property
    def trials_asked(self) -> int:
        """How many trials the search is to have, as was last asked."""
        search = self._planned("sweep", "search") or {}
        asked = search.get("trials", len(self.trials))
        return int(self.plan.plan.get("trials", asked)) if self.plan else int(asked)

    @property
    def confirms(self) -> bool:
        """Whether the plan confirms what the search finds."""
        return self._planned("sweep", "confirm") is not None

    @property
    def resumed(self) -> float:
        """Unix seconds from which on the present process works; 0 where it is the first."""
        return self.lives[-1].began if len(self.lives) > 1 else 0.0

    @property
    def seconds(self) -> float:
        """Wall time of all processes that worked on it; what lay between them is not counted."""
        return sum(life.last - life.began for life in self.lives)

    @property
    def gpu_seconds(self) -> float:
        """GPUs times the seconds that slots held them."""
        return sum(life.gpu_seconds for life in self.lives)

    @property
    def running(self) -> list[TrialRow]:
        """Trials of the search and of the confirmation that have not ended, as they began.

        Kept up to date, not looked for: it is asked at every line of a sweep of thousands.
        """
        return list(self._open.values())

    def own_file(self, name: str) -> str | None:
        """Return the path of the sweep's own file of this name, if it was written."""
        own = (each.path for each in self.artifacts if each.trial is None)
        return next((path for path in own if path.endswith(f"/{name}")), None)

    def with_status(self, *wanted: str) -> list[TrialRow]:
        """The trials in one of these states, by number."""
        return [row for _, row in sorted(self.trials.items()) if row.status in wanted]

    def apply(self, record: AnyRecord) -> None:
        """Take in the next record.

        Raises:
            CorruptJournal: it goes on with a trial that never began.
        """
        self._live(record)
        match record:
            case SweepPlanned():
                self.plan = record
            case SweepResumed():
                facts = record.model_dump(include={"plan", "host", "pid", "versions"})
                self.plan = self.plan and self.plan.model_copy(update=facts)
                self.ended = None
            case WarmStarted():
                self.warm = record
            case SlotsOpened():
                self.lives[-1].slots, self.lives[-1].gpus = record.time, record.gpus
            case DataChecked():
                self.data = record
            case ReferenceStarted():
                self.sft = sft_started(record)
            case ReferenceMetrics() | ReferenceEnded():
                advance_sft(self.sft, record)
            case Prepared():
                self.prepared = record
            case TrialStarted():
                row = started_row(record)
                self._rows(record.trial)[record.trial] = self._open[record.trial] = row
            case ArtifactWritten():
                self.artifacts.append(record)
            case ConfirmationPlanned():
                self.confirmation = record
            case CandidateConfirmed():
                self.confirmed[record.candidate] = record
            case Confirmed():
                self.verdict, self.champion = record, None
            case ChampionCompared():
                self.champion = record
            case PolicyRecommended():
                self.recommended = record
            case SweepEnded():
                self.ended = record
            case _:
                row = self._begun(record.trial, record.seq + 1)
                advance(row, record)
                if isinstance(record, TrialResumed):
                    self._open[record.trial] = row
                elif isinstance(record, TrialEnded):
                    self._open.pop(record.trial, None)

    def _live(self, record: AnyRecord) -> None:
        """Count the time of each process; what lies between two of them is nobody's."""
        if isinstance(record, SweepPlanned | SweepResumed) or not self.lives:
            ends = Counter(row.status for row in self.trials.values())
            over = ends.total() - ends["RUNNING"] - ends["KILLED"]
            life = Life(record.time, record.time, ended_before=over, waiting=ends["KILLED"])
            self.lives.append(life)
        life = self.lives[-1]
        life.last = record.time
        if isinstance(record, TrialStarted | TrialResumed) and record.trial < CONFIRMATIONS:
            life.first_trial = record.time if life.first_trial is None else life.first_trial
            row = self.trials.get(record.trial)
            # One that lost its node in this very life was never among those that waited.
            here = row is not None and row.ended is not None and row.ended >= life.began
            life.waiting -= row is not None and row.status == "KILLED" and not here

    def row(self, number: int) -> TrialRow:
        """Return a trial of the search or of the confirmation."""
        return self._rows(number)[number]

    def _begun(self, trial: int, line: int) -> TrialRow:
        row = self._rows(trial).get(trial)
        if row is None:
            name = self.plan.name if self.plan else "a sweep without a plan"
            raise CorruptJournal(
                f"the journal of {name}, line {line}: must be about a trial that has begun, got "
                f"trial {trial}, which has not"
            )
        return row

    def _rows(self, number: int) -> dict[int, TrialRow]:
        return self.confirmations if number >= CONFIRMATIONS else self.trials

    def _space(self) -> dict[str, Range | list[Range]]:
        found: dict[str, Range | list[Range]] = self._planned("space", "parameters") or {}
        return found

    def _planned(self, section: str, key: str) -> Any:
        return self.plan.plan.get(section, {}).get(key) if self.plan else None


def fold(records: Iterable[AnyRecord]) -> SweepState:
    """Replay a journal into the state it describes.

    Raises:
        CorruptJournal: a record goes on with a trial that never began.
    """
    state = SweepState()
    for record in records:
        state.apply(record)
    return state

"""What each night found, read from its sweep's journal."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dpo_ray.errors import CorruptJournal
from dpo_ray.evaluation.answer_columns import compared_metric
from dpo_ray.nightly.ledger import Memory, Night
from dpo_ray.report.facts import sweep_facts
from dpo_ray.tracking.earlier import JOURNAL
from dpo_ray.tracking.journal import read_journal
from dpo_ray.tracking.records import ChampionCompared, Metrics, Params
from dpo_ray.tracking.state import SweepState, fold


@dataclass(frozen=True)
class Found:
    """A night and its result; empty where it has none.

    Attributes:
        metric: what its trials were ranked by, `win_rate`.
        score: the recommended policy's, `eval/METRIC` with `_low` and `_high`; the confirmation's
            where there was one.
        confirmed: whether it beats the default on fresh seeds.
        champion: how it stands beside the policy that was served before.
    """

    night: Night
    metric: str = ""
    trials: int = 0
    params: Params | None = None
    score: Metrics | None = None
    confirmed: bool = False
    champion: ChampionCompared | None = None
    verdict: str = ""
    seconds: float = 0.0
    gpu_seconds: float = 0.0

    def facts(self) -> dict[str, Any]:
        """Return it as plain values for machines."""
        night = self.night
        return {
            "tick": night.tick.isoformat(),
            "sweep": night.sweep or None,
            "state": state_of(night),
            "exit_code": night.exit_code,
            "reason": night.reason,
            "trials": self.trials,
            "recommended": self.params,
            "score": self.score,
            "confirmed": self.confirmed,
            "verdict": self.verdict or None,
            "champion": champion_facts(self.champion),
            "seconds": self.seconds,
            "gpu_seconds": self.gpu_seconds,
        }


def champion_facts(compared: ChampionCompared | None) -> dict[str, Any] | None:
    """Return a comparison with the champion as plain values; None where there was none."""
    return None if compared is None else compared.model_dump(exclude={"seq", "time", "kind"})


def state_of(night: Night) -> str:
    """Return `dropped`, `open` (running or interrupted), `done` or `failed`."""
    if night.exit_code is not None:
        return "done" if night.exit_code in (0, 5, 8) else "failed"
    return "open" if night.is_open else "dropped"


def found(store: Path, memory: Memory) -> list[Found]:
    """Return all nights by tick, each with what its sweep found."""
    nights = sorted(memory.nights.values(), key=lambda night: night.tick)
    return [found_in(store, night) for night in nights]


def found_in(store: Path, night: Night) -> Found:
    """Return what one night found; nothing of what has no readable journal."""
    folder = store / "sweeps" / night.sweep
    try:
        state = _state(store, night)
    except CorruptJournal:
        return Found(night)
    return Found(night) if state is None else _result(night, state, folder)


def reason_of(store: Path, night: Night, code: int) -> str:
    """Say why a night ended, in its journal's words where it has come to that."""
    try:
        state = _state(store, night)
    except CorruptJournal as error:
        return str(error)
    ended = None if state is None else state.ended
    return f"its command ended with exit code {code}" if ended is None else ended.reason


def _state(store: Path, night: Night) -> SweepState | None:
    path = store / "sweeps" / night.sweep / JOURNAL
    return fold(read_journal(path)) if night.sweep and path.is_file() else None


def _result(night: Night, state: SweepState, folder: Path) -> Found:
    facts = sweep_facts(state, folder, "")
    used = facts["recommended"]
    metric = compared_metric(state.objective[0])
    return Found(
        night,
        metric=metric,
        trials=len(state.trials),
        params=used and used["params"],
        score=used and _score(used, metric),
        confirmed=facts["confirmed"],
        champion=state.champion,
        verdict=facts["verdict"] or "",
        seconds=state.seconds,
        gpu_seconds=state.gpu_seconds,
    )


def _score(used: dict[str, Any], metric: str) -> Metrics:
    confirmed = {
        name.replace("confirm/", "eval/", 1): value
        for name, value in (used["confirmation"] or {}).items()
    }
    measured = confirmed if f"eval/{metric}" in confirmed else used["metrics"]
    return {key: value for key, value in measured.items() if key.startswith(f"eval/{metric}")}

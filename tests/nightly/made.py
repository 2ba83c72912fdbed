"""Nights as their journals would tell of them, without any having run."""

from datetime import UTC, datetime, timedelta

from dpo_ray.nightly.found import Found
from dpo_ray.nightly.ledger import Night
from dpo_ray.tracking.records import ChampionCompared

FIRST = datetime(2026, 11, 1, 2, 30, tzinfo=UTC)


def night(number: int, code: int | None = 0, reason: str = "all trials of the plan are done"):
    """Return the night so many days after the first; without a code it was dropped."""
    tick = FIRST + timedelta(days=number)
    if code is None:
        return Night(tick, dropped=True, reason="missed while no scheduler ran")
    return Night(tick, f"nightly-{tick:%Y%m%dT%H%MZ}", ["x"], 1.0, 2.0, code, reason)


def interval(name: str, value: float) -> dict[str, float]:
    return {name: value, f"{name}_low": value - 0.05, f"{name}_high": value + 0.05}


def compared(
    ours: float, theirs: float | None, *, promoted: bool = False, regressed: bool = False
) -> ChampionCompared:
    """Return a comparison of two win rates."""
    metrics = interval("champion/challenger", ours)
    if theirs is not None:
        metrics |= interval("champion/champion", theirs) | interval("champion/gain", ours - theirs)
    return ChampionCompared(
        model="nightly",
        version=None if theirs is None else "1",
        trial=4,
        step=60,
        metric="win_rate",
        metrics=metrics,
        promoted=promoted,
        regressed=regressed,
        reason="t04 <b>is</b> compared",
    )


def found(number: int, champion: ChampionCompared | None, code: int = 0) -> Found:
    """Return a night that has found something."""
    value = 0.6 + 0.01 * number
    return Found(
        night(number, code),
        metric="win_rate",
        trials=12,
        params={"beta": 0.1 * (1 + number % 4), "learning_rate": 1e-3 / (1 + 5 * (number % 2)),
                "lora_rank": 8, "loss_type": ("sigmoid", "ipo")[number % 2]},
        score=interval("eval/win_rate", value),
        champion=champion,
        seconds=60.0 * (3 + number),
        gpu_seconds=3600.0,
    )  # fmt: skip


def nights() -> list[Found]:
    """Return six nights: none served yet, crowned, one dropped, kept, a regression, a new one."""
    return [
        found(0, compared(0.52, None)),
        found(1, compared(0.66, None, promoted=True)),
        Found(night(2, code=None)),
        found(3, compared(0.67, 0.66)),
        found(4, compared(0.4, 0.65, regressed=True), code=8),
        found(5, compared(0.75, 0.66, promoted=True)),
    ]

"""A sweep file that has a schedule, checked as a sweep is before anything waits for its night."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from dpo_ray.config.loading import open_sweep
from dpo_ray.config.naming import NAME
from dpo_ray.config.redaction import redact_command
from dpo_ray.config.schedule import ScheduleConfig
from dpo_ray.config.wording import problem, show
from dpo_ray.errors import ConfigError
from dpo_ray.plan import Plan, make_plan

SCHEDULES = "schedules"
"""The schedules' folder in a store."""
LONGEST_NAME = 64 - len("-20261126T013000Z")


@dataclass(frozen=True)
class Schedule:
    """What runs by itself; paths are as they were given, so that commands can be read again."""

    name: str
    sweep_path: Path
    space_path: Path
    overrides: tuple[str, ...]
    store: Path
    timing: ScheduleConfig
    plan: Plan
    """Of tonight, but for the night's own name, seed and teachers."""

    @property
    def folder(self) -> Path:
        """Where its memory lies."""
        return self.store / SCHEDULES / self.name


def open_schedule(
    sweep_path: Path,
    overrides: Sequence[str] = (),
    store: Path = Path("store"),
    name: str | None = None,
) -> Schedule:
    """Load a schedule; `name` is the sweep file's unless given.

    Raises:
        ConfigError: the file has no schedule or no space, or its plan is wrong.
    """
    sweep, document = open_sweep(sweep_path, overrides)
    if sweep.schedule is None:
        rule = 'is needed here, as in schedule: {cron: "30 2 * * *"}'
        raise ConfigError(problem(document, ("schedule",), rule))
    if sweep.space is None:
        rule = "is needed here, as in space: search_spaces/beta.yaml"
        raise ConfigError(problem(document, ("space",), rule))
    _refuse_secrets(overrides)
    chosen = sweep_path.stem if name is None else name
    if not NAME.fullmatch(chosen) or len(chosen) > LONGEST_NAME:
        raise ConfigError(
            f"--name: must be 1 to {LONGEST_NAME} letters, digits, dots, dashes or underscores and "
            f"start with a letter or digit, got {show(chosen)}"
        )
    space_path = Path(sweep.space)
    plan = make_plan(space_path, sweep_path, overrides, store, chosen)
    if plan.sweep.search.older_sweeps:
        rule = "is chosen anew every night, see schedule.warm_configs; leave it out"
        raise ConfigError(problem(document, ("search", "warm_start"), rule))
    return Schedule(
        chosen, sweep_path, space_path, tuple(overrides), store.absolute(), sweep.schedule, plan
    )


def _refuse_secrets(overrides: Sequence[str]) -> None:
    """A schedule writes its command into its ledger, a crontab or a manifest, for all to read."""
    for shown, given in zip(redact_command(overrides), overrides, strict=True):
        if shown != given:
            raise ConfigError(
                f"--set {shown}: must hold no secret, since a schedule writes its command down; "
                "say it by an environment variable, such as MLFLOW_TRACKING_PASSWORD, or in the "
                "sweep file"
            )

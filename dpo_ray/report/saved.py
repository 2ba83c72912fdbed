"""Which checkpoint is meant, and where its weights lie."""

from pathlib import Path

from dpo_ray.data.trial_files import ADAPTER, MODEL, checkpoint_folder
from dpo_ray.errors import ConfigError
from dpo_ray.report.ranking import RankedRow, rank
from dpo_ray.report.recommended import at, recommended
from dpo_ray.tracking.records import PolicyRecommended
from dpo_ray.tracking.state import SweepState
from dpo_ray.tracking.trial_row import TrialRow


def chosen(state: SweepState, trial: str | None, step: int | None) -> RankedRow:
    """Return the checkpoint that is meant: of a trial its best, unless a step is said.

    Raises:
        ConfigError: there is no such trial, or nothing to recommend.
    """
    rows = rank(state)
    if trial is None:
        row = recommended(state, rows)
        if row is None or row.trial is None:
            raise ConfigError("no trial completed, so nothing is recommended; --trial picks one")
    else:
        found = [each for each in rows if each.trial and each.name == trial]
        if not found:
            names = ", ".join(each.name for _, each in sorted(state.trials.items()))
            raise ConfigError(f"--trial {trial}: must be one of {names or 'the trials: none yet'}")
        row = found[0]
    assert row.trial is not None
    if step is None:
        return row
    steps = sorted({rung.step for rung in row.trial.rungs} | {row.trial.step})
    if step not in steps:
        evaluated = ", ".join(map(str, steps))
        rule = f"must be a step at which {row.name} was evaluated"
        raise ConfigError(f"--step {step}: {rule}; allowed: {evaluated}")
    return at(row.trial, step)


def saved_policy(row: RankedRow, folder: Path) -> Path:
    """Return the folder of a checkpoint's adapter or model, in the sweep's folder or its trial's.

    Raises:
        ConfigError: it was not kept; the text says which were.
    """
    trial = row.trial
    assert trial is not None
    home = folder / "trials" / trial.name
    home = home if home.is_dir() else Path(trial.folder)
    kept = {rung.step: checkpoint_folder(home, rung.step) / ADAPTER for rung in trial.rungs}
    kept[trial.step] = home / (MODEL if trial.model else ADAPTER)
    kept = {each: place for each, place in kept.items() if place.is_dir()}
    if row.step not in kept:
        raise ConfigError(
            f"{trial.name} at step {row.step} was not kept; {_kept(trial, list(kept))}"
        )
    return kept[row.step]


def policy_to_use(
    state: SweepState, rows: list[RankedRow], folder: Path
) -> PolicyRecommended | None:
    """What is recommended, and where its weights lie; None where they were not kept."""
    used = recommended(state, rows)
    if used is None or used.trial is None:
        return None
    try:
        weights = str(saved_policy(used, folder))
    except ConfigError:
        return None
    kind = "model" if used.trial.model else "adapter"
    return PolicyRecommended(trial=used.trial.number, step=used.step, **{kind: weights})


def _kept(trial: TrialRow, steps: list[int]) -> str:
    if not steps:
        why = f" ({trial.reason})" if trial.reason else ""
        return f"nothing of this trial was: it is {trial.status}{why}"
    return f"--step may be {' or '.join(str(step) for step in sorted(steps))}"

"""Which checkpoints a trial need not keep: the last and the best stay."""

import shutil
from pathlib import Path

from dpo_ray.data.trial_files import ADAPTER, checkpoint_folder
from dpo_ray.tracking.candidates import candidates, ordered
from dpo_ray.tracking.objective import pareto_front
from dpo_ray.tracking.state import SweepState
from dpo_ray.tracking.trial_row import TrialRow


def superfluous(state: SweepState, row: TrialRow) -> list[Path]:
    """Return the adapters below an ended trial's checkpoints that nobody will ask for.

    Its last state lies in the trial's own folder; of the earlier ones the best stays, and with
    two objectives all that are on the trial's own front. What was evaluated there, the tables,
    stays in any case. A killed trial keeps everything: it may go on.
    """
    if row.status in ("RUNNING", "KILLED") or row.confirms is not None:
        return []
    keep = best_steps(state, row) - {row.step}
    return [
        checkpoint_folder(Path(row.folder), rung.step) / ADAPTER
        for rung in row.rungs
        if rung.step not in keep
    ]


def losers(state: SweepState) -> list[Path]:
    """Return what may go once a sweep has ended: earlier checkpoints of trials that are neither
    the best, nor recommended, nor the default, and whole models they have trained.

    Of an adapter the last state stays for every trial: it is small, and can be scored with.
    """
    kept = _of_interest(state)
    found = []
    for row in state.trials.values():
        if row.number in kept or row.status in ("RUNNING", "KILLED"):
            continue
        found += [checkpoint_folder(Path(row.folder), rung.step) / ADAPTER for rung in row.rungs]
        found += [Path(row.model)] if row.model is not None else []
    for row in state.confirmations.values():
        if row.model is not None and not _is_champions(state, row):
            found.append(Path(row.model))
    return found


def best_steps(state: SweepState, row: TrialRow) -> set[int]:
    """Return the steps at which a trial was best: one, or those on its own Pareto front."""
    found = candidates(state, [row])
    if len(state.objectives) > 1:
        points = [(each.quality, each.calm) for each in found]
        return {found[index].rung.step for index in pareto_front(points)}
    return {each.rung.step for each in ordered(found)[:1]}


def remove(folder: Path) -> None:
    """Remove a folder if it is there; one that cannot be removed costs disk space only."""
    shutil.rmtree(folder, ignore_errors=True)


def _of_interest(state: SweepState) -> set[int]:
    best = [each.trial.number for each in ordered(candidates(state), len(state.objectives))[:1]]
    tried = [each.trial for each in state.confirmation.candidates] if state.confirmation else []
    default = [row.number for row in state.trials.values() if row.is_control]
    return {*best, *tried, *default}


def _is_champions(state: SweepState, row: TrialRow) -> bool:
    return state.verdict is not None and row.confirms == state.verdict.champion

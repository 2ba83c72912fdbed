"""Early stopping at the rungs where trials are evaluated."""

from typing import Any

from ray.tune.schedulers import FIFOScheduler, TrialScheduler

from dpo_ray.search.rung_book import RungBook
from dpo_ray.search.rungs import Decision
from dpo_ray.search.tune_keys import PROPOSAL


class RungScheduler(FIFOScheduler):
    """Tune's scheduler over rungs that are shares of a trial's own steps.

    Ray's ASHA spaces its rungs by powers of the reduction factor and its median rule averages
    over whatever was reported; here short and long trials meet where `evaluation.at` says, and
    what an earlier process saw stands in the book already.
    """

    def __init__(self, book: RungBook) -> None:
        super().__init__()
        self._book = book
        self.decisions: dict[int, Decision] = {}
        """By trial, the latest."""

    def on_trial_result(self, controller: Any, trial: Any, result: dict[str, Any]) -> str:
        """Return CONTINUE or STOP for the rung just reached, and note the reason."""
        if result.get("repeat"):
            return str(TrialScheduler.CONTINUE)
        number, metrics = trial.config[PROPOSAL]["trial"], dict(result["metrics"])
        found = self._book.judge(number, result["fraction"], metrics)
        self.decisions[number] = found
        return str(TrialScheduler.STOP if found.stop else TrialScheduler.CONTINUE)

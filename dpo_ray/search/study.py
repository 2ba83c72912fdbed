"""Optuna under Tune: a study that is rebuilt from the journal and told how each trial ended."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import optuna
from optuna.trial import TrialState
from ray.tune.search import Searcher

from dpo_ray.cluster.verbosity import is_verbose
from dpo_ray.config.search import SearchConfig
from dpo_ray.config.space import SearchSpace
from dpo_ray.plan import Proposal
from dpo_ray.search.distributions import propose, recorded
from dpo_ray.search.past import frozen_trial, frozen_warm, is_over, objective_values
from dpo_ray.search.samplers import kept_attributes, make_sampler
from dpo_ray.search.tune_keys import LAST, OBJECTIVES, PROPOSAL, SEEN
from dpo_ray.tracking.records import Params
from dpo_ray.tracking.state import SweepState
from dpo_ray.tracking.trial_row import TrialRow

LEARNS_FROM = {
    "tpe": (TrialState.COMPLETE, TrialState.PRUNED),
    "gp": (TrialState.COMPLETE,),
    "nsgaii": (TrialState.COMPLETE,),
}
"""Trials that a sampler counts until it replaces random draws."""


class StudySearch(Searcher):
    """Tune's searcher over an in-memory Optuna study of this sweep.

    Ray's OptunaSearch calls an early-stopped trial COMPLETE, so the sampler takes a value from a
    quarter of the training for a final one, and it cannot begin with a past. Here a stopped trial
    is PRUNED with its rungs' values, a failed one FAIL, and only a full one COMPLETE. A study of
    two objectives takes no values of rungs: Optuna would refuse them.

    Every proposal is made by a sampler of its own, seeded by the sweep's seed and the trial's
    number: a sequential search that was interrupted proposes what it would have proposed anyway.

    Each suggestion carries the trial's number, where it came from, and whether it goes on with
    what an earlier process began.
    """

    def __init__(
        self,
        search: SearchConfig,
        space: SearchSpace,
        objectives: Sequence[Mapping[str, Any]],
        first: Sequence[Proposal],
        past: SweepState,
        may_start: Callable[[], bool] = lambda: True,
    ) -> None:
        """`first`: what runs before the sampler is asked; `past`: what the journal has already;
        `may_start`: asked before each new trial, False ends the search."""
        super().__init__()
        level = optuna.logging.INFO if is_verbose() else optuna.logging.WARNING
        optuna.logging.set_verbosity(level)
        self._search, self._space, self._objectives = search, space, objectives
        self._may_start = may_start
        self.study = optuna.create_study(directions=[each["direction"] for each in objectives])
        self._asked: dict[str, optuna.Trial] = {}
        self._going_on: dict[int, TrialRow] = {}
        self._begin_with(first, past)

    def suggest(self, trial_id: str) -> dict[str, Any] | str:
        """Ask the sampler and say who answered; FINISHED where no trial may start any more."""
        if not self._may_start():
            return str(Searcher.FINISHED)
        self.study.sampler = make_sampler(self._search, self._space, self._count())
        learned = self._has_learned()
        trial = self._asked[trial_id] = self.study.ask()
        number = trial.number - self._before
        proposal = {
            "trial": number,
            "params": propose(self._space, trial),
            "origin": trial.user_attrs.get("origin", "sampler" if learned else "startup"),
        }
        return {PROPOSAL: proposal, SEEN: self._seen(number, trial), LAST: self._last(number)}

    def on_trial_result(self, trial_id: str, result: dict[str, Any]) -> None:
        """Note a rung's value under its optimizer step."""
        if self._values(result) and not result.get("repeat"):
            self._note_rung(self._asked[trial_id], result)

    def on_trial_complete(
        self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False
    ) -> None:
        """Tell the study how the trial ended."""
        trial = self._asked.pop(trial_id, None)
        if trial is None:
            return
        values = self._values(result or {})
        if error or result is None or not values:
            self.study.tell(trial, state=TrialState.FAIL)
        elif result["fraction"] < 1:
            # The rung that stopped it: Tune reports the others only.
            self._note_rung(trial, result)
            self.study.tell(trial, state=TrialState.PRUNED)
        else:
            self.study.tell(trial, values)

    def save_to_dir(self, checkpoint_dir: str, session_str: str = "default") -> None:
        """Nothing: the journal has it all."""

    def save(self, checkpoint_path: str) -> None:
        """Nothing: the journal has it all."""

    def restore(self, checkpoint_path: str) -> None:
        """Refuse: a search goes on from its journal."""
        raise NotImplementedError("a search is rebuilt from the journal, never restored")

    def _begin_with(self, first: Sequence[Proposal], past: SweepState) -> None:
        """Fill the study in the order of the trials' numbers, and queue what is to run first."""
        warm = past.warm.trials if past.warm else []
        for each in warm:
            self.study.add_trial(frozen_warm(each, self._space, self._objectives))
        self._before = len(warm)
        begun = max(past.trials, default=-1) + 1
        for number in range(begun):
            row = past.trials.get(number)
            if row is not None and is_over(row):
                self.study.add_trial(frozen_trial(row, self._space, self._objectives))
            elif row is not None:
                self._going_on[number] = row
                self._queue(row.params, row.origin)
            else:  # asked for, and lost before it began
                self._queue_first(first, number)
        for number in range(begun, len(first)):
            self._queue_first(first, number)

    def _queue_first(self, first: Sequence[Proposal], number: int) -> None:
        if number < len(first):
            self._queue(first[number].params, first[number].origin)
        else:
            self.study.enqueue_trial({})

    def _queue(self, params: Params, origin: str) -> None:
        known, _ = recorded(self._space, params)
        self.study.enqueue_trial(known, user_attrs={"origin": origin})

    def _seen(self, number: int, trial: optuna.Trial) -> dict[str, Any]:
        """Return what the trial's job is told beside its configuration."""
        asked = self.study.get_trials(deepcopy=False)[trial.number]
        seen: dict[str, Any] = {"remembered": kept_attributes(asked)}
        row = self._going_on.get(number)
        if row is not None:
            seen |= {"resume": True, "seen_log": row.seen_log, "seen_rung": row.seen_rung}
        return seen

    def _last(self, number: int) -> dict[str, Any]:
        """Return the rung that a trial has passed last, as the result it was: it may be its only
        one, if all that is left of the trial is to end."""
        row = self._going_on.get(number)
        if row is None or not row.rungs:
            return {}
        rung = row.rungs[-1]
        values = objective_values(rung, self._objectives)
        found = dict(zip(OBJECTIVES, values, strict=False))
        return {**found, "step": rung.step, "fraction": rung.fraction}

    def _has_learned(self) -> bool:
        """Whether the sampler has seen enough to replace random draws, which are its start-up."""
        kind = self._search.sampler.type
        if kind not in LEARNS_FROM:
            return True
        wanted = getattr(self._search.sampler, "population_size", self._search.n_startup)
        states = LEARNS_FROM[kind]
        return len(self.study.get_trials(deepcopy=False, states=states)) >= wanted

    def _count(self) -> int:
        return len(self.study.get_trials(deepcopy=False))

    def _values(self, result: Mapping[str, Any]) -> list[float]:
        """Return the objectives of a result; none where one of them was not measured."""
        names = OBJECTIVES[: len(self._objectives)]
        return [result[name] for name in names] if all(name in result for name in names) else []

    def _note_rung(self, trial: optuna.Trial, result: Mapping[str, Any]) -> None:
        if len(self._objectives) == 1:
            trial.report(result[OBJECTIVES[0]], result["step"])

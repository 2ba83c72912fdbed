"""After the confirmation: its policy beside the one that is served, on the same prompts."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from dpo_ray.data.trial_files import ASSESSED, checkpoint_folder
from dpo_ray.evaluation.answer_columns import compared_metric
from dpo_ray.evaluation.duel import Duel, Ruling, rule
from dpo_ray.evaluation.paired import Values
from dpo_ray.plan import Plan
from dpo_ray.report.ranking import rank
from dpo_ray.report.ruling import Asked, ruling_metrics, ruling_sentence
from dpo_ray.report.saved import policy_to_use
from dpo_ray.search.answers import values_in
from dpo_ray.search.ending import fatal_error
from dpo_ray.search.opponent import Opponent, opponent_of
from dpo_ray.search.preparation import Screen
from dpo_ray.slots.pool import SlotPool
from dpo_ray.tracking.journal import Journal, read_journal
from dpo_ray.tracking.mlflow_registry import registered_name
from dpo_ray.tracking.records import ChampionCompared, PolicyRecommended
from dpo_ray.tracking.state import SweepState, fold
from dpo_ray.training.jobs import AssessJob, Outcome, TrialJob

FOLDER = "champion"
"""Where in the sweep's folder both policies' answers lie."""
CHALLENGER, CHAMPION = "challenger", "champion"
STAYS = "the alias stays where it is: "


@dataclass(frozen=True)
class Assessed:
    """A policy's answers: (draws, prompts) of the objective, or why there are none."""

    values: Values | None
    problem: str = ""


def meet_champion(
    plan: Plan, template: TrialJob, pool: SlotPool, journal: Journal, screen: Screen
) -> None:
    """Have the confirmed policy and the champion answer the test prompts, and journal the ruling.

    Once for each verdict. A registry that does not answer leaves the alias as it is, and says so.

    Raises:
        DpoRayError: the reason to end early, from `screen.check`, or workers that are gone.
    """
    state = fold(read_journal(journal.path))
    chosen = policy_to_use(state, rank(state), plan.folder)
    if state.champion is not None or chosen is None or chosen.adapter is None:
        return
    name = registered_name(plan.to_dict()["sweep"], plan.sweep.tracking.experiment)
    opponent = opponent_of(plan, name, state)
    compared = _unruled(name, opponent, chosen, state)
    if opponent.refused is None:
        screen.stage(_announced(compared, state))
        policies = {CHALLENGER: Path(chosen.adapter)}
        if opponent.adapter is not None:
            policies[CHAMPION] = opponent.adapter
        jobs = assess_jobs(template, plan.folder, policies, _asked(state).draws)
        ended = list(pool.run_all(jobs, screen.check))
        found = {each: _assessed(each, ended, state.objective[0]) for each in policies}
        compared = _ruled(compared, plan, state, found)
    journal.append(compared)


def assess_jobs(
    template: TrialJob, folder: Path, policies: dict[str, Path], draws: int
) -> list[AssessJob]:
    """Return the evaluations of each policy's adapter: draw d has the random numbers of the
    confirmation's seed d."""
    return [
        AssessJob(replace(template, folder=folder / FOLDER / name / f"{draw}", stream=draw), path)
        for draw in range(1, draws + 1)
        for name, path in policies.items()
    ]


def _unruled(
    name: str, opponent: Opponent, chosen: PolicyRecommended, state: SweepState
) -> ChampionCompared:
    version = opponent.version
    return ChampionCompared(
        model=name,
        version=version and version.number,
        sweep=version.name if version else "",
        trial=chosen.trial,
        step=chosen.step,
        metric=compared_metric(state.objective[0]),
        promoted=False,
        reason=f"{STAYS}{opponent.refused}",
    )


def _ruled(
    compared: ChampionCompared, plan: Plan, state: SweepState, found: dict[str, Assessed]
) -> ChampionCompared:
    planned, settings = state.confirmation, plan.sweep.champion
    assert planned is not None
    assert settings is not None
    ours, theirs = found[CHALLENGER], found.get(CHAMPION)
    if theirs is not None and theirs.values is None:
        reason = f"{STAYS}the champion itself failed: {theirs.problem}"
        return compared.model_copy(update={"reason": reason})
    reference = planned.reference.get(f"eval/{compared.metric}")
    served = None if theirs is None else theirs.values
    duel = Duel(ours.values, served, reference)
    ruling = rule(duel, settings.min_gain, settings.max_loss)
    return compared.model_copy(update=_said(ruling, compared, _asked(state), ours.problem))


def _said(
    ruling: Ruling, compared: ChampionCompared, asked: Asked, problem: str
) -> dict[str, object]:
    return {
        "metrics": ruling_metrics(ruling),
        "promoted": ruling.promoted,
        "regressed": ruling.regressed,
        "reason": ruling_sentence(ruling, compared, asked, problem),
    }


def _asked(state: SweepState) -> Asked:
    assert state.confirmation is not None
    return Asked(state.confirmation.prompts, len(state.confirmation.seeds))


def _assessed(name: str, ended: Sequence[tuple[AssessJob, Outcome]], metric: str) -> Assessed:
    mine = [(job, outcome) for job, outcome in ended if job.like.folder.parent.name == name]
    for _, outcome in mine:
        if outcome.fatal is not None:
            raise fatal_error(outcome)
        if outcome.state != "COMPLETED":
            return Assessed(None, outcome.reason)
    jobs = sorted((job for job, _ in mine), key=lambda job: job.like.stream)
    folders = [checkpoint_folder(job.like.folder, ASSESSED) for job in jobs]
    return Assessed(np.stack([values_in(folder, metric) for folder in folders]))


def _announced(compared: ChampionCompared, state: SweepState) -> str:
    asked = _asked(state)
    if compared.version is None:
        return f"{compared.model} has no champion yet: measuring {asked.sentence}"
    champion = f"{compared.model} version {compared.version}"
    return f"Comparing with the champion, {champion}, {asked.sentence}"

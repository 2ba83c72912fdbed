"""What a slot tells the driver, as lines of the journal."""

from typing import Any

from dpo_ray.slots.events import (
    Ended,
    Logged,
    SftEnded,
    SftLogged,
    SftStarted,
    Started,
    Told,
    Wrote,
)
from dpo_ray.tracking.records import (
    AnyRecord,
    ArtifactWritten,
    ReferenceEnded,
    ReferenceMetrics,
    ReferenceStarted,
    TrainMetrics,
    TrialEnded,
    TrialResumed,
    TrialStarted,
)
from dpo_ray.training.jobs import Outcome


def to_record(event: Told) -> AnyRecord:
    """Return the journal line of a slot's event."""
    match event:
        case Started():
            return _trial_started(event)
        case Logged(trial=trial, step=step, metrics=metrics, system=system):
            return TrainMetrics(trial=trial, step=step, metrics=metrics, system=system)
        case Wrote(trial=trial, path=path, folder=folder, table=table):
            return ArtifactWritten(trial=trial, path=path, folder=folder, table=table)
        case Ended(trial=trial, outcome=outcome):
            return TrialEnded(
                trial=trial,
                adapter=outcome.adapter,
                metrics=outcome.metrics,
                by_limits=outcome.by_limits,
                timings=outcome.timings,
                **_end(outcome),
            )
        case SftStarted():
            return _sft_started(event)
        case SftLogged(step=step, metrics=metrics, system=system):
            return ReferenceMetrics(step=step, metrics=metrics, system=system)
        case SftEnded(outcome=outcome):
            return ReferenceEnded(**_end(outcome))


def _trial_started(event: Started) -> TrialStarted | TrialResumed:
    job = event.job
    if job.resume:
        return TrialResumed(
            trial=job.trial, slot=event.slot, step=event.step, total_steps=event.total_steps
        )
    return TrialStarted(
        trial=job.trial,
        params=dict(job.params),
        origin=job.origin,
        slot=event.slot,
        folder=str(job.folder),
        total_steps=event.total_steps,
        confirms=job.confirms,
        seed=job.training.seed,
        remembered=dict(job.remembered),
    )


def _sft_started(event: SftStarted) -> ReferenceStarted:
    job, texts = event.job, event.texts
    return ReferenceStarted(
        settings=job.settings.model_dump(mode="json"),
        model=str(job.model.folder),
        texts=texts.used,
        cut=texts.cut,
        left_out=texts.left_out,
        total_steps=event.total_steps,
        slot=event.slot,
    )


def _end(outcome: Outcome) -> dict[str, Any]:
    return {
        "state": outcome.state,
        "reason": outcome.reason,
        "step": outcome.step,
        "seconds": outcome.seconds,
        "model": outcome.model,
    }
